"""The driver behind the arms: whether it measures, whether it has power, what it is told.

Rules
-----
1. A driver that has not measured every arm for 30 ms is silent; a silent one gets no motion.
2. Under power it hears a setpoint at least every 10 ms, a third of its own watchdog, every 1 ms
   while an arm comes to rest, and at once that energy is off when ENGAGED was left.
3. Power goes on with the measured pose as setpoint, so that nothing moves at it.
4. A driver that brakes by itself under power (its own watchdog, after a pause of this process)
   has ended the session: power comes back with a new epoch, not behind anybody's back.
5. One that measures the same although its arm is told to move is blind: a hold, until it sees.
6. An arm that does not follow (blocked, dragged, asked for more than its drives give) is held
   before there is more to catch up with; one that is elsewhere when it should stand is stopped.
"""

from __future__ import annotations

from safety.driver import Measure, Stop
from safety.messages import Driver
from safety.profile import MS
from teleop.robot.arm import Arm
from transport.wire.codec import Message, encode

SERVO_NS_MAX = 10 * MS
#: The same for an arm that is braking.
GLIDE_NS = MS
MEASURE_NS_MAX = 30 * MS
#: A driver may take this long from `clear` until it says that it is enabled.
ENABLE_NS_MAX = 200 * MS

_NEVER = (1 << 63) - 1
_SAYS = int(Driver.SIMULATED | Driver.ENABLED | Driver.BRAKED)
_CONNECTED = int(Driver.CONNECTED)
_SIMULATED = int(Driver.SIMULATED)
_BRAKED = int(Driver.BRAKED)


class Drive:
    """The driver of one robot, as far as it has spoken."""

    def __init__(self, arms: tuple[Arm, ...]) -> None:
        self._arms = arms
        self._instance: int | None = None
        self._enable_until_ns: int | None = None  # while powered: braked is an answer after this
        self.flags = 0
        self.is_silent = True
        self.refused = 0

    @property
    def is_simulated(self) -> bool:
        """Whether the driver says that nothing real moves."""
        return bool(self.flags & _SIMULATED)

    @property
    def is_braked(self) -> bool:
        """Whether the driver says that its brakes are on."""
        return bool(self.flags & _BRAKED)

    @property
    def is_frozen(self) -> bool:
        """Whether the driver repeats one measurement of an arm that is told to move."""
        return any(arm.is_frozen for arm in self._arms)

    @property
    def is_astray(self) -> bool:
        """Whether an arm is further from its setpoint than it may be."""
        return any(arm.is_astray for arm in self._arms)

    @property
    def is_displaced(self) -> bool:
        """Whether an arm that should stand by now is somewhere else."""
        return any(arm.is_displaced for arm in self._arms)

    def measured(self, message: Message, now_ns: int, *, powered: bool) -> bool:
        """Take a measurement; return whether it is the first of a driver that has (re)started."""
        if not isinstance(message, Measure) or message.arm >= len(self._arms):
            self.refused += 1
            return False
        arm = self._arms[message.arm]
        if not arm.measure(message, now_ns):
            self.refused += 1
            return False
        if not powered:
            arm.settle(now_ns)
        self.flags = message.flags & _SAYS | _CONNECTED
        if self._enable_until_ns is not None and not self.is_braked:
            self._enable_until_ns = now_ns
        restarted = message.instance != self._instance
        self._instance = message.instance
        if self.is_silent:
            self.is_silent = self._has_been_silent(now_ns)
        return restarted

    def gone(self) -> None:
        """Forget the driver: its connection has ended."""
        self._instance, self.flags = None, 0
        self.is_silent = True

    def falls_silent(self, now_ns: int) -> None:
        """Note whether the driver has stopped measuring by now; a measurement ends that."""
        self.is_silent = self.is_silent or self._has_been_silent(now_ns)

    def next_deadline_ns(self, *, powered: bool) -> int:
        """When the driver counts as silent, or must hear a setpoint again."""
        if self.is_silent:
            return _NEVER
        deadline_ns = _NEVER
        for arm in self._arms:
            silence_ns = (arm.measured_ns or 0) + MEASURE_NS_MAX + 1
            servo_ns = arm.servo_ns + _patience_ns(arm) if powered else _NEVER
            deadline_ns = min(deadline_ns, silence_ns, servo_ns)
        return deadline_ns

    def has_braked(self, now_ns: int) -> bool:
        """Tell whether the driver brakes although it was told to stand under power."""
        until_ns = self._enable_until_ns
        return until_ns is not None and now_ns > until_ns and self.is_braked

    def power(self, now_ns: int, *, on: bool) -> bytes:
        """Make the message that clears the driver's stop, or stops it (category 1)."""
        self._enable_until_ns = now_ns + ENABLE_NS_MAX if on else None
        for arm in self._arms:
            arm.cut_energy()
            if on:
                arm.settle(now_ns)
                arm.servo_ns = 0
        return encode(Stop(34, None if on else 1))

    def keep_alive(self, now_ns: int, *, engaged: bool) -> list[bytes]:
        """Let arms come to rest, and repeat the setpoints of those that must hear one."""
        said = []
        for arm in self._arms:
            if self.is_silent:
                arm.halt()
            late = now_ns - arm.servo_ns >= _patience_ns(arm) and not self.is_silent
            if late or (arm.has_energy and not engaged):
                if arm.is_braking:
                    arm.glide(now_ns)
                said.append(encode(arm.servo(now_ns, energy=False)))
        return said

    def _has_been_silent(self, now_ns: int) -> bool:
        return any(
            arm.measured_ns is None or now_ns - arm.measured_ns > MEASURE_NS_MAX
            for arm in self._arms
        )


def _patience_ns(arm: Arm) -> int:
    return GLIDE_NS if arm.is_braking else SERVO_NS_MAX
