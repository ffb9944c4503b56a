"""The simulator's process: a simulated arm behind the driver protocol, like any robot's driver."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

from safety import driver
from safety.messages import Driver
from teleop.settings import SimdSettings
from teleop.sim.arm import Refusal, SimulatedArm
from transport.io.process import Runtime, main
from transport.io.seqpacket import SeqpacketClient
from transport.wire.codec import Registry, encode
from transport.wire.errors import WireError
from transport.wire.vector import STILL, pack_setpoint, pack_twist

#: Fifteen seconds of one arm at 1 kHz.
FLIGHT = 1 << 14
FIELDS = ("t_ns", "arm", "seq", "refusal")
COUNTERS = (
    *(f'servo_total{{refusal="{refusal.name.lower()}"}}' for refusal in Refusal),
    "watchdog_total",
    "malformed_total",
)
COUNT_NS = 1_000_000_000

_STILL = pack_twist(STILL)
_REGISTRY = Registry((driver.Servo, driver.Stop))


class Simd:
    """Simulated arms, measured at a fixed rate."""

    def __init__(self, settings: SimdSettings, runtime: Runtime) -> None:
        self._clock = runtime.clock
        now_ns = self._clock.now_ns()
        self._arms = tuple(SimulatedArm(now_ns) for _ in range(settings.arms))
        self._instance = secrets.randbits(48) + 1
        board = runtime.open_board(COUNTERS)
        self._counters = tuple(board.counter(name) for name in COUNTERS)
        self._flight = runtime.flight("servo", FIELDS, FLIGHT)
        self._malformed = 0
        self._robot = runtime.keep(
            SeqpacketClient(
                runtime.loop, Path(settings.driver), self._asked, on_disconnect=self._lost
            )
        )
        runtime.loop.every(1_000_000_000 // settings.measure_rate_hz, self._measure)
        runtime.loop.every(COUNT_NS, self._count)
        runtime.ready()

    def close(self) -> None:
        """Brake."""
        self._lost()

    def _asked(self, data: bytes) -> None:
        now_ns = self._clock.now_ns()
        try:
            message = _REGISTRY.decode(data)
        except WireError:
            self._malformed += 1
            return
        if isinstance(message, driver.Servo) and message.arm < len(self._arms):
            refusal = self._arms[message.arm].servo(message, now_ns)
            self._flight.append(now_ns, message.arm, message.seq, refusal)
        elif isinstance(message, driver.Stop):
            for arm in self._arms:
                arm.stop(message.category, now_ns)

    def _lost(self) -> None:
        for arm in self._arms:
            arm.stop(1, self._clock.now_ns())

    def _measure(self) -> None:
        now_ns = self._clock.now_ns()
        for number, arm in enumerate(self._arms):
            arm.advance(now_ns)
            power = Driver.ENABLED if arm.enabled else Driver.BRAKED
            self._robot.send(
                encode(
                    driver.Measure(
                        kind=32,
                        driver_tick=now_ns,
                        instance=self._instance,
                        flags=Driver.SIMULATED | power,
                        arm=number,
                        joints=b"",
                        measured=pack_setpoint(arm.pose),
                        velocity=_STILL,
                        rule=0,
                    )
                )
            )

    def _count(self) -> None:
        totals = [sum(arm.refused[refusal] for arm in self._arms) for refusal in Refusal]
        trips = sum(arm.watchdog_trips for arm in self._arms)
        for counter, total in zip(self._counters, (*totals, trips, self._malformed), strict=True):
            counter.add(total - counter.value)


if __name__ == "__main__":
    sys.exit(main(SimdSettings, Simd))
