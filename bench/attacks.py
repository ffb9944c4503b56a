"""Attack a running node of this machine, as a process of ordinary priority, for a bounded time.

Each attack is a row: what it does, and the counters that must rise because of it. It aims at the
processes of one run directory, on loopback, and ends by itself.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec

from bench import forge
from bench.forge import Device, Place, device
from safety.grant import Boot, Grant, Release, Request, Revoke, public_point
from safety.messages import Ceiling
from transport.io import keys
from transport.io.datagram import Direction, Opener, Sealer
from transport.io.keys import Keyring, Role
from transport.wire.codec import Message, Registry, encode
from transport.wire.errors import WireError
from transport.wire.messages import Clock

SECONDS_MAX = 60.0
HALF_OPEN = 300
"""Connections on each TCP port that say nothing, or nonsense."""
UDP_RATE_HZ = 10_000
DEVICE_RATE_HZ = 12_000
"""Three times what a relay takes from one device."""
BROKEN_RATE_HZ = 1_000
TALK_RATE_HZ = 2_000
KNOCK_RATE_HZ = 50
SEQ = 1 << 30
"""Forged commands are numbered from here, so that no record of theirs passes for the hand's."""
LATER = 1 << 40  # a datagram counter that no honest sender reaches: it must be deciphered to fail

POINT = public_point(ec.derive_private_key(7, ec.SECP256R1()))
_BOOTS = Registry((Boot,))

CONSOLE, GUARD, SESSION, ROBOT = "evil-script", "evil-guard", "evil-session", "evil-robot"
ROLES = {
    CONSOLE: Role.SCRIPT,
    GUARD: Role.GUARD,
    SESSION: Role.SESSION,
    ROBOT: Role.ROBOT,
}
"""The attackers' own devices: every one of them has a key that the node knows."""


class Counter(NamedTuple):
    """A counter on a process's board."""

    process: str
    name: str


def hub(cause: str) -> Counter:
    """Name a refusal at the relay's doors."""
    return Counter("relayd", f'hub_refused_total{{cause="{cause}"}}')


def relay(verdict: str) -> Counter:
    """Name a verdict of the relay."""
    return Counter("relayd", f'relay_total{{verdict="{verdict}"}}')


def gate(verdict: str) -> Counter:
    """Name a verdict of the robot's gate."""
    return Counter("robotd", f'gate_total{{verdict="{verdict}"}}')


def robot(cause: str) -> Counter:
    """Name a refusal at the robot's other sockets."""
    return Counter("robotd", f'robot_refused_total{{cause="{cause}"}}')


def session(cause: str) -> Counter:
    """Name a refusal at the session service."""
    return Counter("sessiond", f'session_refused_total{{cause="{cause}"}}')


class Attack(NamedTuple):
    """One way to misbehave.

    Parameters
    ----------
    run : does it until the time (raw monotonic seconds) is over; returns how often it struck
    refused : counters that must rise
    """

    name: str
    words: str
    run: Callable[[Place, float], int]
    refused: tuple[Counter, ...]


def arm(directory: Path) -> None:
    """Give the attackers their keys."""
    known = {found.name for found in keys.list_devices(directory) if not found.revoked}
    for name, role in ROLES.items():
        if name not in known:
            keys.new(directory, name, role)


def garbage(place: Place, end: float) -> int:
    """Keep 300 connections on each TCP port that say nothing or nonsense, and open them again."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    held: list[socket.socket] = []
    made = 0
    for _ in paced(HALF_OPEN * len(place.tcp_ports), end):
        if len(held) >= HALF_OPEN * len(place.tcp_ports):
            held.pop(0).close()
        with contextlib.suppress(OSError):
            one = socket.create_connection(("127.0.0.1", random.choice(place.tcp_ports)), 0.2)
            held.append(one)
            made += 1
            if made % 2:
                one.send(os.urandom(64))
    for one in held:
        one.close()
    return made


def strangers(place: Place, end: float) -> int:
    """Knock at every door with keys that nobody knows, and with keys for other doors."""
    knocks = 0
    doors = (
        (None, place.console_door, place.relay),
        (None, place.guard, place.robot),
        (CONSOLE, place.robot_door, place.relay),
        (ROBOT, place.console_door, place.relay),
    )
    held: list[Device] = []
    for _ in paced(KNOCK_RATE_HZ, end):
        name, door, server = doors[knocks % len(doors)]
        held.append(device(place, name, door, server))
        knocks += 1
        if len(held) > KNOCK_RATE_HZ:
            held.pop(0).close()
    for one in held:
        one.close()
    return knocks


def udp_random(place: Place, end: float) -> int:
    """Throw random bytes at the relay's UDP port."""
    sent = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        for _ in paced(UDP_RATE_HZ, end):
            sent += wire.sendto(random.randbytes(300), ("127.0.0.1", place.datagrams)) > 0
    return sent


def udp_forged(place: Place, end: float) -> int:
    """Throw datagrams of connections that exist: old ones again, and new ones with bad ciphers."""
    sent = 0
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire,
        device(place, CONSOLE, place.console_door) as rogue,
    ):
        heard = forge.sniff(place.datagrams, 16, 0.2) or own_datagrams(place, rogue, wire)
        for _ in paced(UDP_RATE_HZ, end):
            old = heard[sent % len(heard)]
            later = old[:4] + (LATER + sent).to_bytes(8, "big") + random.randbytes(250)
            wire.sendto(old if sent % 4 == 0 else later, ("127.0.0.1", place.datagrams))
            sent += 1
    return sent


def console_flood(place: Place, end: float) -> int:
    """Send well-formed commands of the rightful session with forged tags, faster than is taken."""
    with device(place, CONSOLE, place.console_door) as rogue:
        rogue.attach(place.robot)
        sent, frame = 0, b""
        for _ in paced(DEVICE_RATE_HZ, end):
            if sent % 64 == 0:
                frame = forge.command(rogue.state(), seq=SEQ)
            sent += rogue.try_to_say(renumbered(frame, SEQ + sent))
    return sent


def datagram_flood(place: Place, end: float) -> int:
    """Do the same in rightful datagrams of its own connection, which costs a decryption each."""
    with (
        device(place, CONSOLE, place.console_door) as rogue,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire,
    ):
        answer = rogue.attach(place.robot, datagrams=True)
        assert answer is not None and answer.datagram_key is not None
        sealer = Sealer(answer.datagram_key, Direction.TO_RELAY, answer.connection)
        opener = Opener(answer.datagram_key, Direction.TO_END)
        wire.connect(("127.0.0.1", answer.port))
        wire.send(sealer.seal(encode(Clock(3, 1, 0, 0))))
        head, sent, frame = None, 0, b""
        for _ in paced(DEVICE_RATE_HZ, end):
            if sent % 64 == 0 or head is None:
                wire.settimeout(1.0)
                head = forge.state(opener.open(wire.recv(4096))) or head
                wire.settimeout(0.0)
                with contextlib.suppress(BlockingIOError):
                    while True:
                        head = forge.state(opener.open(wire.recv(4096))) or head
                frame = b"" if head is None else forge.command(head, seq=SEQ)
            if frame:
                sent += wire.send(sealer.seal(renumbered(frame, SEQ + sent))) > 0
    return sent


def malformed(place: Place, end: float) -> int:
    """Send every broken form of a command, again and again, within what is taken."""
    with device(place, CONSOLE, place.console_door) as rogue:
        rogue.attach(place.robot)
        head, sent = rogue.state(), 0
        for number in paced(BROKEN_RATE_HZ, end):
            if number % 16 == 0:
                head = rogue.state()
            broken = forge.broken(forge.command(head, seq=SEQ + number))
            sent += rogue.try_to_say(broken[number % len(broken)].data)
    return sent


def guard_flood(place: Place, end: float) -> int:
    """Send forged grants, ceilings and revocations to the robot with keys that know no better."""
    known = Keyring.load(place.keys)
    with (
        Device(known.identity(GUARD), known.server(place.robot), place.guard) as lesser,
        Device(known.identity(SESSION), known.server(place.robot), place.guard) as greater,
    ):
        forged: tuple[Message, ...] = (
            forged_grant(introduced(greater)),
            Revoke(55, b"invented", "invented"),
            ceiling(place),
            request(place),
        )
        sent = 0
        for number in paced(TALK_RATE_HZ, end):
            message = encode(forged[number // 2 % len(forged)])
            sent += (lesser, greater)[number % 2].try_to_say(message)
            while greater.hear(0.0) is not None:
                pass
    return sent


def session_flood(place: Place, end: float) -> int:
    """Ask for a robot that somebody else holds, and give back what one does not have."""
    known = Keyring.load(place.keys)
    with Device(
        known.identity(CONSOLE), known.server(place.session_server), place.session
    ) as rogue:
        sent = 0
        for _ in paced(TALK_RATE_HZ, end):
            message = request(place) if sent % 2 else Release(54, b"not mine")
            sent += rogue.try_to_say(encode(message))
            while rogue.hear(0.0) is not None:
                pass
    return sent


def own_datagrams(place: Place, rogue: Device, wire: socket.socket) -> list[bytes]:
    """Send a few good datagrams of one's own; return them, where nobody else sends any."""
    answer = rogue.attach(place.robot, datagrams=True)
    assert answer is not None and answer.datagram_key is not None
    sealer = Sealer(answer.datagram_key, Direction.TO_RELAY, answer.connection)
    sent = [sealer.seal(encode(Clock(3, 1, 0, 0))) for _ in range(16)]
    for datagram in sent:
        wire.sendto(datagram, ("127.0.0.1", place.datagrams))
    return sent


def renumbered(frame: bytes, seq: int) -> bytes:
    """Give a forged command another number; so a flood costs its author little."""
    return frame.replace(b"\xce" + SEQ.to_bytes(4, "big"), b"\xce" + seq.to_bytes(4, "big"), 1)


def introduced(rogue: Device) -> Boot:
    """Say that a session service is there, and hear how the robot introduces itself to it."""
    rogue.say(encode(Clock(3, 1, 0, 0)))
    for data in rogue.heard(forge.PATIENCE_S):
        with contextlib.suppress(WireError):
            return _BOOTS.expect(data, Boot)
    raise TimeoutError("the robot does not introduce itself")


def forged_grant(boot: Boot) -> Grant:
    """Write a grant that is right in everything but the signature."""
    return Grant(
        50, b"invented", boot.robot, boot.boot, boot.robot_key, CONSOLE, POINT, 1,
        boot.epoch_max + 1, boot.limits, 1, 1000, 60, 1.0, False, "", 3600, "node", bytes(64),
    )  # fmt: skip


def ceiling(place: Place, source: str = "monitor", max_state: int = 7) -> Ceiling:
    """Write a ceiling in the name of `source`."""
    return Ceiling(19, source, place.robot, max_state, "invented", 60_000)


def request(place: Place, *, replace: bool = False) -> Request:
    """Write a request for the robot."""
    return Request(49, os.urandom(8), place.robot, 2, POINT, 1, 1000, 1.0, replace, "")


# fmt: off
ATTACKS = (
    #      name             in words                                       who        must count
    Attack("garbage",       "300 half-open or babbling connections a port", garbage,
           (hub("handshake"), robot("handshake"), session("handshake"))),
    Attack("strangers",     "unknown keys, and keys for other doors",       strangers,
           (hub("unknown_key"), hub("wrong_role"))),
    Attack("udp-random",    "random datagrams",                             udp_random,
           (hub("connection"),)),
    Attack("udp-forged",    "datagrams replayed, and with bad ciphers",     udp_forged,
           (hub("forged"), hub("replayed"))),
    Attack("console-flood", "an authenticated console's forged commands",   console_flood,
           (hub("rate"), gate("tag"))),
    Attack("datagram-flood", "the same in rightful datagrams",              datagram_flood,
           (hub("rate"), gate("tag"))),
    Attack("malformed",     "every broken form of a command",               malformed,
           (relay("malformed"), relay("field"), hub("oversized"), gate("field"), gate("tag"))),
    Attack("guard-flood",   "forged grants, ceilings and revocations",      guard_flood,
           (robot("rate"), robot("forbidden"), robot("grant"))),
    Attack("session-flood", "claims to another console's session",          session_flood,
           (session("rate"), session("denied"))),
)
# fmt: on
_stopped: list[bool] = []
BY_NAME = {attack.name: attack for attack in ATTACKS}


def paced(rate_hz: int, end: float) -> Iterator[int]:
    """Yield `rate_hz` numbers a second until the time is over; what was missed is not made up."""
    number, start = 0, time.monotonic()
    while (now := time.monotonic()) < end and not _stopped:
        due = int((now - start) * rate_hz)
        if due - number > rate_hz // 20 + 1:  # stood still: a burst is not the rate
            start = now - number / rate_hz
            due = number + 1
        while number < due:
            yield number
            number += 1
        time.sleep(0.001)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one attack on the node of a run directory."""
    parser = argparse.ArgumentParser(prog="bench.attacks", description=__doc__)
    parser.add_argument("attack", choices=sorted(BY_NAME))
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--struck", type=Path, help="file for the number of strikes, at the end")
    arguments = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: _stopped.append(True))
    end = time.monotonic() + min(arguments.seconds, SECONDS_MAX)
    struck = BY_NAME[arguments.attack].run(forge.place(arguments.run_dir), end)
    if arguments.struck is not None:
        arguments.struck.write_text(str(struck))
    return 0


if __name__ == "__main__":
    sys.exit(main())
