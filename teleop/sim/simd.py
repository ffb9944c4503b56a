"""The simulator's process: simulated arms behind the driver protocol, like any robot's driver."""

from __future__ import annotations

import importlib
import secrets
import sys
from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Final

from safety import driver
from safety.messages import Driver
from teleop.settings import SimdSettings
from teleop.sim.arm import SimulatedArm
from teleop.sim.rules import Refusal, SimulatedDriver
from teleop.sim.scene import BYTES_MAX, pack
from transport.io.process import Runtime, main
from transport.io.seqpacket import SeqpacketClient
from transport.io.shm_ring import RingWriter
from transport.wire.codec import Registry, encode
from transport.wire.errors import WireError
from transport.wire.vector import pack_joints, pack_setpoint, pack_twist

if TYPE_CHECKING:
    from teleop.sim.drive import Array
    from teleop.sim.field import Field

#: Fifteen seconds of one arm at 1 kHz.
FLIGHT: Final = 1 << 14
FIELDS: Final = ("t_ns", "arm", "seq", "refusal")
#: Half a minute of two arms: where the tips are in truth, in W, each millisecond of the physics.
TIP_FLIGHT: Final = 1 << 16
TIP_FIELDS: Final = ("t_ns", "arm", "x_nm", "y_nm", "z_nm")
COUNTERS: Final = (
    *(f'servo_total{{refusal="{refusal.name.lower()}"}}' for refusal in Refusal),
    "watchdog_total",
    "malformed_total",
)
#: Of the model with physics: the engine's warnings, time not made up for, the task's score.
GAUGES: Final = ("physics_warnings", "physics_lost_ns", "task_placed", "task_dropped", "task_ns")
COUNT_NS: Final = 1_000_000_000
SCENE_RATE_HZ: Final = 60
SCENE_SLOTS: Final = 4

# Flags of enum cost a microsecond each.
_SIMULATED: Final = Driver.SIMULATED.value
_ENABLED: Final = Driver.ENABLED.value
_BRAKED: Final = Driver.BRAKED.value
_REGISTRY: Final = Registry((driver.Servo, driver.Stop))


class Simd:
    """Simulated arms, measured at a fixed rate."""

    def __init__(self, settings: SimdSettings, runtime: Runtime) -> None:
        self._clock = runtime.clock
        now_ns = self._clock.now_ns()
        self._field = self._open_field(settings, runtime, now_ns)
        self._arms: tuple[SimulatedDriver, ...] = (
            self._field.arms
            if self._field is not None
            else tuple(SimulatedArm(now_ns) for _ in range(settings.arms))
        )
        self._instance = secrets.randbits(48) + 1
        board = runtime.open_board(COUNTERS, GAUGES)
        self._counters = tuple(board.counter(name) for name in COUNTERS)
        self._gauges = tuple(board.gauge(name) for name in GAUGES)
        self._flight = runtime.flight("servo", FIELDS, FLIGHT)
        self._malformed = 0
        self._robot = runtime.keep(
            SeqpacketClient(
                runtime.loop, Path(settings.driver), self._asked, on_disconnect=self._lost
            )
        )
        runtime.loop.every(1_000_000_000 // settings.measure_rate_hz, self._measure)
        runtime.loop.every(COUNT_NS, self._count)
        if self._field is not None:
            self._show(self._field, runtime)
        runtime.ready()

    def close(self) -> None:
        """Brake."""
        self._lost()

    def _open_field(self, settings: SimdSettings, runtime: Runtime, now_ns: int) -> Field | None:
        """Make the model with physics, if it is asked for, and the record of its tips."""
        if settings.model != "psm":
            return None
        flight = runtime.flight("tip", TIP_FIELDS, TIP_FLIGHT)

        def saw(t_ns: int, tips: Array) -> None:
            for arm, (x, y, z) in enumerate(tips.tolist()):
                if not isfinite(x + y + z):  # of the very step at which the engine fails
                    continue
                flight.append(t_ns, arm, int(x * 1e9), int(y * 1e9), int(z * 1e9))

        return _field(settings, now_ns, saw)

    def _show(self, field: Field, runtime: Runtime) -> None:
        """Publish what there is to see, for as long as the process lives."""
        path = runtime.path("frames/scene.ring")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        ring = runtime.keep(RingWriter(path, SCENE_SLOTS, BYTES_MAX))

        def publish() -> None:
            ring.publish(pack(field.scene()), 0, self._clock.now_ns() - field.now_ns)

        runtime.loop.every(1_000_000_000 // SCENE_RATE_HZ, publish)

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
        """Measure all arms, then say it: whoever wakes at the first finds the others there."""
        now_ns = self._clock.now_ns()
        said = [self._measured(number, arm, now_ns) for number, arm in enumerate(self._arms)]
        for data in said:
            self._robot.send(data)

    def _measured(self, number: int, arm: SimulatedDriver, now_ns: int) -> bytes:
        arm.advance(now_ns)
        power = _ENABLED if arm.enabled else _BRAKED if arm.braked else 0
        return encode(
            driver.Measure(
                kind=32,
                driver_tick=now_ns,
                instance=self._instance,
                flags=_SIMULATED | power,
                arm=number,
                joints=pack_joints(arm.joints),
                measured=pack_setpoint(arm.pose),
                velocity=pack_twist(arm.velocity),
                rule=arm.rule,
            )
        )

    def _count(self) -> None:
        totals = [sum(arm.refused[refusal] for arm in self._arms) for refusal in Refusal]
        trips = sum(arm.watchdog_trips for arm in self._arms)
        for counter, total in zip(self._counters, (*totals, trips, self._malformed), strict=True):
            counter.add(total - counter.value)
        if self._field is not None:
            field, score = self._field, self._field.score
            values = (field.warnings, field.lost_ns, *score)
            for gauge, value in zip(self._gauges, values, strict=True):
                gauge.set(value)


def prepare(settings: SimdSettings) -> None:
    """Compile what the model needs, before the process takes its rights."""
    if settings.model == "psm":
        warm()


def warm() -> None:
    """Compile the kernels of the model with physics, or find them in the cache."""
    importlib.import_module("teleop.sim.psm").warm()


def _field(settings: SimdSettings, now_ns: int, saw: Callable[[int, Array], None]) -> Field:
    """Make the model with physics, which alone needs the engine."""
    try:
        from teleop.sim.field import Field
    except ModuleNotFoundError as error:
        if error.name != "mujoco":
            raise
        raise SystemExit(
            'MuJoCo is not installed: pip install "trocar[sim]", or [sim] model = "point"'
        ) from None
    return Field(settings.arms, now_ns, saw)


if __name__ == "__main__":
    sys.exit(main(SimdSettings, Simd, prepare))
