"""A PSM-like arm behind the driver protocol: setpoints become joints, rules become modes.

Rules beside those of teleop.sim.rules
--------------------------------------
1. Of all setpoints of a step the newest is used.
2. What no joints reach is accepted, but not followed: the arm holds the last that they did, and
   says so.
3. Clear moves nothing: the arm stands under power where it is, and follows from there.
4. A fault closes the brakes, and clear does not open them: the simulator has to start anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from safety.clamp import Rule
from safety.driver import Servo
from teleop.control import kinematics, velocity
from teleop.control.instrument import LARGE_NEEDLE_DRIVER, Pace, Status
from teleop.sim.drive import DELAY_STEPS, JAW, RATES, Array, Drives, Event, Mode
from teleop.sim.model import JOINTS
from teleop.sim.rules import WATCHDOG_NS, Refusal, judge
from transport.kernel.jit import jit
from transport.wire.vector import SETPOINT_BYTES, TWIST_BYTES, Setpoint, Twist, pack_setpoint

PACE: Final = Pace(rates=RATES[:JOINTS])
#: A drive that gives all it may for longer than this is said to; shorter is a jolt.
SATURATED_STEPS: Final = 2 * DELAY_STEPS

# Flags of enum cost a microsecond each.
_UNREACHABLE: Final = Status.UNREACHABLE.value
_JOINT_LIMIT: Final = Status.JOINT_LIMIT.value
_SINGULAR: Final = Status.SINGULAR.value
_STOPS: Final = {None: Event.CLEAR, 0: Event.POWER_OFF, 1: Event.STOP, 2: Event.HALT}


class PsmArm:
    """One arm of a field; `now_ns` is the driver's own clock.

    Parameters
    ----------
    q, qd, bias, torque : (DOFS,) float64, the field's: read, read, read, written
    advance : lets the field's time pass
    """

    def __init__(
        self,
        q: Array,
        qd: Array,
        bias: Array,
        torque: Array,
        advance: Callable[[int], None],
        now_ns: int,
    ) -> None:
        self.advance = advance
        self.refused = [0] * len(Refusal)
        self.watchdog_trips = 0
        self._q, self._qd, self._bias, self._torque = q, qd, bias, torque
        self._drives = Drives(q)
        self._accepted_ns = now_ns
        self._servo: Servo | None = None  # accepted, and not used yet
        self._setpoint = b""  # the last that was used
        self._status = 0  # bits of Status
        self._is_faulty = False
        self._asked = np.zeros(SETPOINT_BYTES // 8)
        self._target = self._drives.reference.copy()
        self._twist = np.zeros(TWIST_BYTES // 8)
        self._speed = np.zeros(JOINTS)
        self._tip = np.zeros(len(self._asked))
        self._motion = np.zeros(len(self._twist))
        self._jacobian = np.zeros((6, JOINTS))

    @property
    def enabled(self) -> bool:
        """Whether the arm follows setpoints."""
        return self._drives.mode is Mode.FOLLOWING

    @property
    def braked(self) -> bool:
        """Whether the brakes are on, or will be as soon as the arm stands."""
        return self._drives.mode in (Mode.BRAKED, Mode.BRAKING)

    @property
    def mode(self) -> Mode:
        """What the drives do."""
        return self._drives.mode

    @property
    def joints(self) -> tuple[float, ...]:
        """Joints and jaw as measured: rad, the third in m."""
        q = self._q.tolist()
        return (*q[:JOINTS], q[JOINTS] + q[JOINTS + 1])

    @property
    def pose(self) -> Setpoint:
        """X_BT by forward kinematics of the measured joints, and the jaw."""
        tip(self._q, self._tip)
        return Setpoint._make(self._tip.tolist())

    @property
    def velocity(self) -> Twist:
        """Velocity of the tip in B, by the measured joints' speeds."""
        motion(self._q, self._qd, self._jacobian, self._motion)
        return Twist._make(self._motion.tolist())

    @property
    def rule(self) -> Rule:
        """What holds the arm back, the gravest first."""
        if not self.enabled:
            return Rule.NONE
        if self._status & _UNREACHABLE:
            return Rule.UNREACHABLE
        if self._status & _JOINT_LIMIT:
            return Rule.JOINT
        if self._status & _SINGULAR or (self._drives.is_limited and is_near_singular(self._q)):
            return Rule.SINGULAR
        if self._drives.saturated_steps > SATURATED_STEPS:
            return Rule.TORQUE
        return Rule.SPEED if self._drives.is_limited else Rule.NONE

    def points(self, out: Array) -> None:
        """Write what there is to draw: (6, 3) float64, m, in B; see `kinematics.points`."""
        kinematics.points(LARGE_NEEDLE_DRIVER, self._q, self._q[JOINTS] + self._q[JOINTS + 1], out)

    def servo(self, servo: Servo, now_ns: int) -> Refusal:
        """Take a setpoint, or say why not."""
        self.advance(now_ns)
        refusal = judge(servo, now_ns, enabled=self.enabled)
        self.refused[refusal] += 1
        if refusal is Refusal.NONE:
            self._servo = servo
            self._accepted_ns = now_ns
        return refusal

    def stop(self, category: int | None, now_ns: int) -> None:
        """Stop by IEC 60204-1 category; None clears, unless the arm is faulty."""
        self.advance(now_ns)
        if category is None and self._is_faulty:
            return
        self._accepted_ns = now_ns
        self._apply(_STOPS[category])

    def fail(self) -> None:
        """Close the brakes for good: the field cannot be trusted any more."""
        self._is_faulty = True
        self._apply(Event.POWER_OFF)

    def watch(self, now_ns: int) -> None:
        """Stop an arm that has had no setpoint for too long."""
        if self.enabled and now_ns - self._accepted_ns > WATCHDOG_NS:
            self.watchdog_trips += 1
            self._apply(Event.SILENCE)

    def step(self, t_ns: int) -> None:
        """Decide the torques of the step that begins at `t_ns`."""
        self.watch(t_ns)
        if self._servo is not None:
            self._aim(self._servo)
            self._servo = None
        if self._drives.step(self._q, self._qd, self._bias, self._torque):
            self._apply(Event.STANDSTILL)

    def _apply(self, event: Event) -> None:
        self._drives.apply(event, self._q, self._bias)
        self._servo, self._setpoint, self._status = None, b"", 0
        self._target[:] = self._drives.reference

    def _aim(self, servo: Servo) -> None:
        if servo.setpoint != self._setpoint:
            self._setpoint = servo.setpoint
            self._asked[:] = np.frombuffer(servo.setpoint, _FLOAT)
            self._status = reach(self._asked, self._target)
        said = servo.velocity != _STILL and not self._status & _UNREACHABLE
        if said:  # a zero one was not said, or is not needed
            self._twist[:] = np.frombuffer(servo.velocity, _FLOAT)
            said = haste(self._target, self._twist, self._speed)
        self._drives.aim(self._target, self._speed if said else None)


# Kernels. The geometry is theirs: handing it over costs more than all they do. -------------------

_PSM: Final = LARGE_NEEDLE_DRIVER
_FLOAT: Final = "<f8"
_STILL: Final = bytes(TWIST_BYTES)


@jit
def reach(setpoint: Array, target: Array) -> int:
    """Find the joints and jaw of a setpoint; where there are none, keep those of the last.

    Parameters
    ----------
    setpoint : (8,) float64, X_BT and jaw
    target : (AXES,) float64, in: the last; out: rad, m

    Returns
    -------
    Bits of `instrument.Status`
    """
    status = kinematics.inverse(_PSM, setpoint, target, target)
    if not status & _UNREACHABLE:
        target[JAW] = min(_PSM.jaw_upper, max(_PSM.jaw_lower, setpoint[7]))
    return status


@jit
def haste(target: Array, twist: Array, speed: Array) -> bool:
    """Find the joints' speeds, (JOINTS,), for a twist, (6,), in B; tell whether there are any."""
    return not velocity.joint_velocity(_PSM, PACE, target, twist, speed) & _UNREACHABLE


@jit
def tip(q: Array, out: Array) -> None:
    """Find the tip's pose and the jaw, (8,), of the drives' positions, (DOFS,)."""
    kinematics.forward(_PSM, q, out)
    out[7] = q[JOINTS] + q[JOINTS + 1]


@jit
def motion(q: Array, qd: Array, jacobian: Array, out: Array) -> None:
    """Find the tip's velocity in B, (6,); `jacobian`, (6, JOINTS), is scratch."""
    kinematics.jacobian(_PSM, q, jacobian)
    for row in range(6):
        out[row] = 0.0
        for joint in range(JOINTS):
            out[row] += jacobian[row, joint] * qd[joint]


@jit
def is_near_singular(q: Array) -> bool:
    """Tell whether a joint has to move fast for a slow tip here."""
    return kinematics.clearance(_PSM, q) < PACE.slow_m


def warm() -> None:
    """Compile every kernel of an arm, or find them in the cache."""
    row = np.zeros(JOINTS + 2)
    arm = PsmArm(row, row.copy(), row.copy(), row.copy(), lambda _: None, 0)
    arm.points(np.zeros((6, 3)))
    _ = arm.velocity
    is_near_singular(row)
    for category in (None, 1, 2, 0):
        arm.stop(category, 0)
        arm._aim(Servo(33, 0, 1, 0, 0, pack_setpoint(arm.pose), bytes([1] * 48), 0, 0, False))
        arm.step(0)
