"""Who has no key of the session, and sends all the same: at the robot, at a relay, or as one.

Mallory has seen every frame of a console, and knows the protocol. What she makes is what RAVEN II
was shown to fall for (Bonaci et al. 2015): forged, edited, replayed, sequence-leading frames.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import msgspec

from safety.messages import Command, Flags
from safety.seal import seal
from transport.wire.codec import Registry, encode, split
from transport.wire.vector import ORIGIN, pack_setpoint

if TYPE_CHECKING:
    from tests.world.console import Console

_COMMANDS = Registry((Command,))
_LEAP = pack_setpoint(ORIGIN._replace(x=0.5))
#: A key that is not the session's.
HER_KEY = bytes(32)


class Mallory:
    """An attacker who listens to one console."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @property
    def newest(self) -> Command:
        """The newest command that she has seen."""
        return _COMMANDS.expect(self._console.frames[-1], Command)

    def forged(self, **changes: Any) -> bytes:
        """Make a command that goes on from the newest, sealed with what she has."""
        newest = self.newest
        fields = msgspec.structs.asdict(newest)
        return seal(Command(**{**fields, "seq": newest.seq + 1, **changes}), HER_KEY)

    def forgeries(self) -> list[bytes]:
        """Make one of each: motion, other numbers, other sessions, pedals."""
        newest = self.newest
        return [
            self.forged(setpoint=_LEAP),
            self.forged(seq=newest.seq, setpoint=_LEAP),
            self.forged(tick_echo=2**62),
            self.forged(robot="psm2"),
            self.forged(arm=3),
            self.forged(epoch=newest.epoch + 1),
            self.forged(session=bytes(8)),
            self.forged(flags=0),
        ]

    def leading(self) -> list[bytes]:
        """Run ahead of the hand's numbers: what silenced RAVEN II's surgeon with one packet."""
        newest = self.newest
        return [self.forged(seq=newest.seq + jump) for jump in (1, 1000, 50_000)] + [
            self.forged(seq=2**63 - 1)
        ]

    def pressing(self) -> bytes:
        """Press an emergency stop that is not hers."""
        return self.forged(flags=int(Flags.ESTOP))

    def replayed(self, rng: random.Random, count: int = 8) -> list[bytes]:
        """Say again what the hand has said, now or long ago."""
        frames = self._console.frames
        return [frames[-1], frames[0], *(rng.choice(frames) for _ in range(count))]

    def garbage(self, rng: random.Random) -> list[bytes]:
        """Send what is no command."""
        frame = self._console.frames[-1]
        flipped = bytearray(frame)
        flipped[rng.randrange(len(frame))] ^= 1 << rng.randrange(8)
        bombs = [b"\x91" * 3000, b"\xdd\xff\xff\xff\xff", b"\xc1", bytes(5000), b""]
        return [bytes(flipped), frame[: rng.randrange(len(frame))], rng.randbytes(300), *bombs]


def edited(part: bytes) -> bytes:
    """Change the pose of a command that passes, as a compromised relay would: the tag stays."""
    sealed, hops = split(part)
    command = _COMMANDS.expect(sealed, Command)
    return encode(msgspec.structs.replace(command, setpoint=_LEAP)) + hops
