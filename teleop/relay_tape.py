"""What a relay is fed with, as it stands on its tape, and how that is done again.

    BOOT          path and incarnation
    SNAPSHOT      what the relay is like at this moment, to compare
    ROBOT CONSOLE DETACH PART     what it was fed with, each with the number of the peer
    DRAIN         that it was drained: to whom what went, as check sums, and what was judged

A relay forwards what it was given, so its tape has each part once, as it came; what left is a
check sum. Peers are numbers here, in the order in which they attached.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Hashable, Sequence
from enum import IntEnum
from itertools import zip_longest
from typing import Any, Final, Generic, TypeVar

import msgspec

from teleop.relay import Judged, Outgoing, Relay, Spoken, Verdict
from transport.telemetry.portrait import portrait, unlike
from transport.telemetry.replay import Replay
from transport.telemetry.tape import Entry, Recorder

#: Half a minute at 1 kHz, as a robot's.
TAPE_BYTES: Final = 16 << 20
#: Every so many snapshots it is said again which relay it is.
BOOT_EACH: Final = 20
#: What no snapshot shows: peers are objects of one process.
PEERS: Final = frozenset({"peer", "_robot_of"})

P = TypeVar("P", bound=Hashable)
_PEER = struct.Struct("<I")
_ENCODE = msgspec.msgpack.Encoder().encode


class Kind(IntEnum):
    """What a record is. Numbers are in recordings: append, never renumber."""

    BOOT = 1
    SNAPSHOT = 2
    DRAIN = 3
    PART = 4
    ROBOT = 5
    CONSOLE = 6
    DETACH = 7


class Drained(msgspec.Struct, frozen=True, array_like=True):
    """What came out of a relay.

    Parameters
    ----------
    out : peer and check sum of each part that went to a robot
    spoken : of each state: its check sum, and the peers that it went to
    records : of the commands that were judged (`teleop.relay.Judged`)
    """

    out: list[tuple[int, int]]
    spoken: list[tuple[int, list[int]]]
    records: list[tuple[int, int, int, int]]


class Taped(Generic[P]):
    """A relay whose tape is written: it is fed through this, and through nothing else.

    Parameters
    ----------
    tape : takes the records; None for none
    path, incarnation : of `Relay`
    """

    def __init__(self, tape: Recorder | None, path: int, incarnation: int, now_ns: int) -> None:
        self.relay: Relay[P] = Relay(path, incarnation)
        self._tape = tape
        self._boot = _ENCODE((path, incarnation))
        self._peers: dict[P, int] = {}
        self._attached = 0
        self._described = 0
        self._note(Kind.BOOT, now_ns, self._boot)

    def attach_robot(self, peer: P, robot: str, now_ns: int) -> None:
        """Let a robot in."""
        self._note(Kind.ROBOT, now_ns, _ENCODE((self._number(peer), robot)))
        self.relay.attach_robot(peer, robot)

    def attach_console(
        self, peer: P, robot: str, hold_ns: int, max_loop_ns: int, now_ns: int
    ) -> bool:
        """Let a console in; False when its robot has too many."""
        console = (self._number(peer), robot, hold_ns, max_loop_ns)
        self._note(Kind.CONSOLE, now_ns, _ENCODE(console))
        return self.relay.attach_console(peer, robot, hold_ns, max_loop_ns)

    def detach(self, peer: P, now_ns: int) -> None:
        """Let a peer go."""
        self._note(Kind.DETACH, now_ns, _ENCODE(self._number(peer)))
        self.relay.detach(peer)
        self._peers.pop(peer, None)

    def receive(self, peer: P, part: bytes, now_ns: int) -> None:
        """Take a part of an attached peer."""
        if self._tape is not None:
            self._tape.append(Kind.PART, now_ns, _PEER.pack(self._number(peer)) + part)
        self.relay.receive(peer, part, now_ns)

    def drained(
        self,
        out: list[Outgoing[P]],
        spoken: list[Spoken[P]],
        records: list[Judged],
        now_ns: int,
    ) -> None:
        """Note that the relay was drained, and what came out."""
        if self._tape is None or not (out or spoken or records):
            return
        peers = self._peers
        went = [(peers.get(peer, 0), zlib.crc32(part)) for peer, part in out]
        said = [(zlib.crc32(part), [peers.get(p, 0) for p in to]) for _, part, to in spoken]
        self._tape.append(Kind.DRAIN, now_ns, _ENCODE((went, said, records)))

    def describe(self, now_ns: int) -> None:
        """Note what the relay is like at this moment, and now and then which it is."""
        if self._tape is None:
            return
        if self._described % BOOT_EACH == 0:
            self._note(Kind.BOOT, now_ns, self._boot)
        self._described += 1
        self._note(Kind.SNAPSHOT, now_ns, portrait(self.relay, unnamed=PEERS))

    def _note(self, kind: Kind, now_ns: int, data: bytes) -> None:
        if self._tape is not None:
            self._tape.append(kind, now_ns, data)

    def _number(self, peer: P) -> int:
        number = self._peers.get(peer)
        if number is None:
            self._attached += 1
            number = self._peers[peer] = self._attached
        return number


class RelayReplay(Replay):
    """A relay that lives through a tape again."""

    def __init__(self) -> None:
        super().__init__()
        self._relay: Relay[int]

    def begin(self, entry: Entry) -> None:
        """Make the relay."""
        path, incarnation = _BOOT.decode(entry.data)
        self._relay = Relay(path, incarnation)

    def do(self, entry: Entry) -> None:
        """Feed or drain the relay, and compare."""
        relay = self._relay
        if entry.kind == Kind.DRAIN:
            self._drain(relay, entry)
        elif entry.kind == Kind.SNAPSHOT:
            self.portraits += 1
            found = unlike(entry.data, portrait(relay, unnamed=PEERS))
            if found is not None:
                was, comes = self.shortly(found.here), self.shortly(found.there)
                self.differ(entry, f"{found.name} was {was}, and is {comes} when done again")
        elif entry.kind == Kind.PART:
            (peer,) = _PEER.unpack_from(entry.data)
            self.fed(entry, f"a part of peer {peer}")
            relay.receive(peer, entry.data[_PEER.size :], entry.t_ns)
        elif entry.kind != Kind.BOOT:
            self._attach(relay, entry)

    def _attach(self, relay: Relay[int], entry: Entry) -> None:
        kind = Kind(entry.kind)
        self.fed(entry, kind.name.lower())
        if kind is Kind.ROBOT:
            relay.attach_robot(*_ROBOT.decode(entry.data))
        elif kind is Kind.CONSOLE:
            relay.attach_console(*_CONSOLE.decode(entry.data))
        else:
            relay.detach(_DETACH.decode(entry.data))

    def _drain(self, relay: Relay[int], entry: Entry) -> None:
        recorded = _DRAINED.decode(entry.data)
        now_ns = entry.t_ns
        out = [(peer, zlib.crc32(part)) for peer, part in relay.to_send(now_ns)]
        spoken = [(zlib.crc32(part), to) for _, part, to in relay.states(now_ns)]
        records = [tuple(record) for record in relay.take_records()]
        pairs: tuple[tuple[str, Sequence[Any], Sequence[Any]], ...] = (
            ("a part that went on", recorded.out, out),
            ("a state that was passed on", recorded.spoken, spoken),
            ("a verdict", recorded.records, records),
        )
        for what, then, now in pairs:
            for a, b in zip_longest(then, now):
                if a != b:
                    return self.differ(entry, f"{what} was {_told(a)}; done again, {_told(b)}")
        return None


def _told(item: Sequence[Any] | None) -> str:
    """Say what one thing that came out was."""
    if item is None:
        return "none"
    if len(item) == 4:
        _, arm, seq, verdict = item
        return f"{Verdict(verdict).name} (command {seq} of arm {arm})"
    return " ".join(f"{part:08x}" if isinstance(part, int) else str(part) for part in item)


_BOOT = msgspec.msgpack.Decoder(tuple[int, int])
_ROBOT = msgspec.msgpack.Decoder(tuple[int, str])
_CONSOLE = msgspec.msgpack.Decoder(tuple[int, str, int, int])
_DETACH = msgspec.msgpack.Decoder(int)
_DRAINED = msgspec.msgpack.Decoder(Drained)
