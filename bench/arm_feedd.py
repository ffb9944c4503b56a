"""Moves the two arms of a simulator as a robot would, so that its cost can be measured alone.

It stands in robotd's place at the driver's socket: each arm is asked to draw a figure of eight
about where it stood, at 1 kHz with its speed fed forward. Two arms of one robot have one hand each,
but a console here has one; nothing else of a node is needed for what the simulator costs.
"""

from __future__ import annotations

import sys

import msgspec

from safety import driver
from safety.driver import VALID_FOR_US, Measure
from teleop.console.script import figure8
from transport.io.process import ProcessSettings, Runtime, main
from transport.io.seqpacket import SeqpacketServer
from transport.link.pacing import Pacer
from transport.wire.codec import Registry, encode
from transport.wire.vector import Setpoint, Twist, pack_setpoint, pack_twist, unpack_setpoint

FIELDS = ("t_ns", "arm", "tick_ns")
#: Half a minute of two arms at 500 Hz.
FLIGHT = 1 << 15
PERIOD_NS = 1_000_000
#: For a speed by difference, s.
APART_S = 1e-4

_REGISTRY = Registry((Measure,))


class FeeddSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the simulator connects, in the run directory, and how many arms it has."""

    process: ProcessSettings
    socket: str
    arms: int


class Feedd:
    """The one who asks."""

    def __init__(self, settings: FeeddSettings, runtime: Runtime) -> None:
        self._now_ns = runtime.clock.now_ns
        self._arms = settings.arms
        self._moving = runtime.open_board((), ("state",)).gauge("state")
        self._flight = runtime.flight("measure", FIELDS, FLIGHT)
        self._homes: dict[int, Setpoint] = {}
        self._ticks: dict[int, int] = {}
        self._seq = 0
        self._alarm = runtime.loop.alarm(self._ask)
        path = runtime.path(settings.socket)
        self._server = runtime.keep(SeqpacketServer(runtime.loop, path, self._measured))
        self._start_ns = 0
        self._pacer: Pacer | None = None
        runtime.ready()

    def close(self) -> None:
        """Say nothing more."""
        self._alarm.close()

    def _measured(self, data: bytes) -> None:
        message = _REGISTRY.decode(data)
        assert isinstance(message, Measure)
        self._ticks[message.arm] = message.driver_tick
        self._flight.append(self._now_ns(), message.arm, message.driver_tick)
        if message.arm not in self._homes:
            self._homes[message.arm] = unpack_setpoint(message.measured)
        if self._pacer is None and len(self._homes) == self._arms:
            self._server.send(encode(driver.Stop(34, None)))
            self._start_ns = self._now_ns()
            self._pacer = Pacer(PERIOD_NS, self._start_ns + PERIOD_NS)
            self._alarm.set(self._pacer.next_ns)

    def _ask(self) -> None:
        pacer = self._pacer
        assert pacer is not None
        now_ns = self._now_ns()
        self._seq += 1
        t_s = (now_ns - self._start_ns) * 1e-9
        here, there = figure8(t_s), figure8(t_s + APART_S)
        speed = [(b - a) / APART_S for a, b in zip(here, there, strict=True)]
        for arm, home in self._homes.items():
            x, y, z = (a + b for a, b in zip(home[:3], here, strict=True))
            servo = driver.Servo(
                kind=33,
                arm=arm,
                seq=self._seq,
                driver_tick=self._ticks[arm],
                valid_for_us=VALID_FOR_US,
                setpoint=pack_setpoint(home._replace(x=x, y=y, z=z)),
                velocity=pack_twist(Twist(speed[0], speed[1], speed[2], 0.0, 0.0, 0.0)),
                energy=0,
                tool=0,
                camera=False,
            )
            self._server.send(encode(servo))
        self._moving.set(1)
        pacer.advance(now_ns)
        self._alarm.set(pacer.next_ns)


if __name__ == "__main__":
    sys.exit(main(FeeddSettings, Feedd))
