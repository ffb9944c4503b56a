"""Make what no honest end would send: forged frames, broken frames, devices that break the rules.

Only for a node of this machine that the caller started himself: its endpoints are read from the
settings that its processes were started with.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgpack
import msgspec
import zmq

from safety.messages import DEADMAN, NO_TAG, Command, RobotState
from safety.seal import seal
from transport.io.keys import Identity, Keyring
from transport.wire.codec import Registry, encode, split
from transport.wire.errors import WireError
from transport.wire.messages import VOCABULARY, Attach, Attached
from transport.wire.vector import Setpoint, pack_setpoint

#: Where no rightful hand of these stories ever points: 50 mm above its plane.
AWAY = Setpoint(0.0, 0.0, 0.05, 1.0, 0.0, 0.0, 0.0, 0.3)
NAN, INF, HUGE = float("nan"), float("inf"), 1.7e308
UDP_HEADER_AT = 20  # behind an IPv4 header without options: ours on loopback have none
PATIENCE_S = 5.0

_STATES = Registry((RobotState,))
_LINK = Registry(VOCABULARY)


class Place(NamedTuple):
    """Where a node of this machine listens."""

    run_dir: Path
    keys: Path
    relay: str  #: the relay's device name
    robot: str
    console_door: str
    robot_door: str
    datagrams: int
    guard: str
    session: str
    session_server: str  #: the session service's device name

    @property
    def tcp_ports(self) -> tuple[int, ...]:
        """Every TCP port of the control path."""
        doors = (self.console_door, self.robot_door, self.guard, self.session)
        return tuple(int(door.rpartition(":")[2]) for door in doors)


def place(run_dir: Path) -> Place:
    """Read where the processes of `run_dir` listen from the settings they were started with."""
    relayd, robotd, sessiond = (
        settings(run_dir, name) for name in ("relayd", "robotd", "sessiond")
    )
    hub = relayd["hub"]
    return Place(
        run_dir,
        Path(hub["keys"]),
        hub["identity"],
        robotd["robot"]["name"],
        hub["console"],
        hub["robot"],
        urlsplit(hub["datagram"]).port or 0,
        robotd["guard"],
        sessiond["listen"],
        sessiond["identity"],
    )


def settings(run_dir: Path, process: str) -> dict[str, Any]:
    """Read the settings that a process was started with."""
    found: dict[str, Any] = msgspec.json.decode((run_dir / f"{process}.json").read_bytes())
    return found


def command(
    head: RobotState,
    *,
    seq: int,
    tick_echo: int | None = None,
    key: bytes | None = None,
    **fields: Any,
) -> bytes:
    """Write a command under the session that `head` shows; without its key the tag is forged."""
    made = Command(
        kind=16,
        robot=head.robot,
        arm=0,
        session=head.session,
        epoch=head.epoch,
        seq=seq,
        t_tx=time.monotonic_ns(),
        tick_echo=head.tick if tick_echo is None else tick_echo,
        press_id=1,
        clutch_id=1,
        input_seq=seq,
        input_age=0,
        flags=DEADMAN,
        seen_frame_id=0,
        mode=0,
        tool=0,
        setpoint=pack_setpoint(AWAY),
        previous=None,
        earlier=None,
        tag=NO_TAG,
    )
    return seal(msgspec.structs.replace(made, **fields), key or os.urandom(32))


class Broken(NamedTuple):
    """Bytes that are no command, and the name under which each judge must count them.

    `at_relay` is a verdict of teleop.relay, or "hub:" and a cause of transport.io.hub, or "" where
    the relay cannot see what is wrong and forwards; `at_gate` is a verdict of safety.gate.
    """

    name: str
    data: bytes
    at_relay: str
    at_gate: str


def broken(frame: bytes) -> list[Broken]:
    """Break a well-formed command in every way that its form can be wrong."""
    fields = msgpack.unpackb(frame)

    def changed(place: int, value: object) -> bytes:
        return pack([*fields[:place], value, *fields[place + 1 :]])

    def pack(values: list[object]) -> bytes:
        packed: bytes = msgpack.packb(values)
        return packed

    head = msgpack.packb(fields[:9])[1:]
    not_utf8 = changed(2, "?\0").replace(b"\xa2?\0", b"\xa2?\xff")
    twice = b"\x82\xa4kind\x10\xa4kind\x11"
    # fmt: off
    return [
        Broken("empty",                b"",                          "hub:malformed", "malformed"),
        Broken("garbage",              b"\xc1" * 100,                "malformed",     "malformed"),
        Broken("truncated in the head", frame[:20],                  "malformed",     "malformed"),
        Broken("truncated in the tag", frame[:-9],                   "malformed",     "malformed"),
        Broken("oversized",            pack([*fields, bytes(400)]),  "oversized",     "oversized"),
        Broken("oversized for a door", frame + bytes(4000),          "hub:oversized", "oversized"),
        Broken("trailing bytes",       frame + b"\xc1" * 100,        "malformed",     "tag"),
        Broken("wrong version",        changed(0, 2),                "version",       "version"),
        Broken("version of a wrong type", changed(0, "1"),           "version",       "version"),
        Broken("unknown kind",         changed(1, 99),               "kind",          "kind"),
        Broken("a state, not a command", changed(1, 17),             "kind",          "kind"),
        Broken("negative kind",        changed(1, -1),               "kind",          "kind"),
        Broken("robot of a wrong type", changed(2, 7),               "field",         "field"),
        Broken("robot is not UTF-8",   not_utf8,              "malformed",     "malformed"),
        Broken("robot of no length",   changed(2, ""),               "field",         "field"),
        Broken("another robot",        changed(2, "psm9"),           "robot",         "robot"),
        Broken("an arm that is not there", changed(3, 200),          "",              "arm"),
        Broken("session of a wrong length", changed(4, bytes(9)),    "field",         "field"),
        Broken("a session of nobody",  changed(4, b"nobody's"),      "",         "unknown_session"),
        Broken("negative epoch",       changed(5, -1),               "field",         "field"),
        Broken("a coming epoch",       changed(5, 1 << 40),          "",         "unknown_session"),
        Broken("sequence as text",     changed(6, "1"),              "field",         "field"),
        Broken("sequence beyond 63 bit", changed(6, 1 << 63),        "field",         "field"),
        Broken("setpoint as a list",   changed(17, [0.0] * 8),       "",              "field"),
        Broken("setpoint too short",   changed(17, bytes(63)),       "",              "field"),
        Broken("tag too short",        changed(20, bytes(15)),       "",              "field"),
        Broken("a missing field",      pack(fields[:-1]),            "",              "field"),
        Broken("a surplus field",      pack([*fields, 0]),           "",              "field"),
        Broken("a map with a key twice", twice,                      "malformed",     "malformed"),
        Broken("a map within, a key twice", changed(2, {"a": 1}).replace(b"\x81\xa1a\x01", twice),
                                                                     "field",         "field"),
        Broken("nested within",        b"\xdc\x00\x15" + head + nested(200) + b"\xc0" * 11,
                                                                     "",              "field"),
        Broken("nested 400 deep",      nested(400),                  "version",       "version"),
        Broken("nested 4,000 deep",    nested(4000),                 "hub:oversized", "malformed"),
        Broken("nested 8,000 deep",    nested(8000),                 "hub:oversized", "oversized"),
        Broken("nested, cut short",    b"\x91" * 400,                "version",       "malformed"),
        Broken("2^32 elements",        b"\xdd\xff\xff\xff\xff" + bytes(40), "malformed",
                                                                                      "malformed"),
        Broken("forged tag",           frame,                        "",              "tag"),
    ]
    # fmt: on


def nested(depth: int) -> bytes:
    """Return arrays in arrays, `depth` deep, around nil."""
    return b"\x91" * depth + b"\xc0"


class Device:
    """A CURVE client that waits for nobody: it says what it is told to.

    Parameters
    ----------
    identity : whose key it has; None for a key that nobody knows
    server_z85 : public key of who listens
    """

    def __init__(self, identity: Identity | None, server_z85: bytes, endpoint: str) -> None:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()
        self.socket = context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.sndhwm = self.socket.rcvhwm = 1000
        public, secret = zmq.curve_keypair() if identity is None else identity[1:]
        self.socket.curve_serverkey = server_z85
        self.socket.curve_publickey, self.socket.curve_secretkey = public, secret
        self.socket.connect(endpoint)

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def say(self, *parts: bytes) -> None:
        """Send one message; wait for room if there is none."""
        self.socket.send_multipart(parts)

    def try_to_say(self, data: bytes) -> bool:
        """Send one message if there is room."""
        try:
            self.socket.send(data, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def hear(self, seconds: float = PATIENCE_S) -> bytes | None:
        """Return the next message, or None when none comes in time."""
        if not self.socket.poll(round(seconds * 1000)):
            return None
        return self.socket.recv()

    def attach(self, robot: str, *, datagrams: bool = False) -> Attached | None:
        """Attach at a relay; None when there was no answer, or no for an answer."""
        self.say(encode(Attach(1, robot, 20_000, 60_000, datagrams)))
        for data in self.heard(PATIENCE_S):
            try:
                answer = _LINK.decode(data)
            except WireError:
                continue
            return answer if isinstance(answer, Attached) else None
        return None

    def state(self, seconds: float = PATIENCE_S) -> RobotState:
        """Return the newest state that waits, or the next one that comes."""
        newest = None
        while (data := self.hear(0.0)) is not None:
            newest = state(data) or newest
        if newest is not None:
            return newest
        for data in self.heard(seconds):
            found = state(data)
            if found is not None:
                return found
        raise TimeoutError("no state of the robot came")

    def heard(self, seconds: float) -> Iterator[bytes]:
        """Yield what comes until the time is over."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            data = self.hear(left)
            if data is not None:
                yield data

    def close(self) -> None:
        """Hang up."""
        self.socket.close(0)


def device(place: Place, name: str | None, door: str, server: str | None = None) -> Device:
    """Connect as the device `name` (None: with a key that nobody knows) to an endpoint.

    Parameters
    ----------
    server : device name of who listens there; the relay by default
    """
    keyring = Keyring.load(place.keys)
    identity = None if name is None else keyring.identity(name)
    return Device(identity, keyring.server(server or place.relay), door)


def sniff(port: int, count: int, seconds: float = PATIENCE_S) -> list[bytes]:
    """Return the next datagrams that go to a UDP port of loopback.

    Raises
    ------
    PermissionError : this user may not look at packets
    """
    found: list[bytes] = []
    ears = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
    with ears:
        ears.bind(("lo", 0))
        end = time.monotonic() + seconds
        while len(found) < count and (left := end - time.monotonic()) > 0:
            ears.settimeout(left)
            try:
                packet = ears.recv(65536)
            except TimeoutError:
                break
            to = int.from_bytes(packet[UDP_HEADER_AT + 2 : UDP_HEADER_AT + 4], "big")
            if packet[9] == socket.IPPROTO_UDP and to == port:
                data = packet[UDP_HEADER_AT + 8 :]
                if data not in found[-4:]:  # loopback shows a packet going out and coming in
                    found.append(data)
    return found


def may_sniff() -> bool:
    """Say whether this user may look at the packets of loopback."""
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0).close()
    except PermissionError:
        return False
    return True


def state(data: bytes) -> RobotState | None:
    """Read a state from a relay's part; None when it is something else."""
    try:
        return _STATES.expect(split(data)[0], RobotState)
    except WireError:
        return None
