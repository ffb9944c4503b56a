"""One arm of a robot: what was measured, what is asked, and the next setpoint for its driver."""

from __future__ import annotations

import math
from typing import NamedTuple

from safety.driver import VALID_FOR_US, Measure, Servo
from safety.gate import Admission
from safety.limits import Limits, limit_step, rotation_angle
from safety.messages import CAMERA, CLUTCH, ENERGY, ArmState, Command
from teleop.robot.shape import Shape
from transport.wire.vector import (
    ORIGIN,
    STILL,
    Setpoint,
    is_finite,
    is_unit,
    pack_setpoint,
    pack_twist,
)
from transport.wire.vector import unpack_setpoint as unpack

#: Orientation of hand and instrument may differ by this at a reference, as on the dVRK.
ALIGNED_RAD = math.radians(5.0)
#: An unlatched HOLD resumes only with the target this close to the held setpoint.
NEAR_M, NEAR_RAD = 0.002, math.radians(2.0)
_STILL = pack_twist(STILL)


class Pending(NamedTuple):
    """The newest admitted command that was not applied yet."""

    command: Command
    setpoint: Setpoint
    hops: bytes
    arrived_ns: int
    loop_ns: int


class Arm:
    """The state of one arm; the agent decides when it may follow."""

    def __init__(self, number: int, limits: Limits) -> None:
        self.number = number
        self._limits = limits
        self._shape = Shape(1.0)
        self.measured = ORIGIN
        self.measured_velocity = _STILL
        self.joints = b""
        self.rule = 0
        self.setpoint = ORIGIN
        self.driver_tick = 0
        self.measured_ns: int | None = None
        self.servo_ns = 0
        self.following = False
        self.lag_m = 0.0
        self.pending: Pending | None = None
        self.has_energy = False  # said the newest setpoint
        self._withheld = ENERGY  # pedals that must be seen up before they count
        self._referenced = -1  # the clutch_id whose reference is taken
        self._newest: Pending | None = None
        self.admitted = self.merged = self.late = 0

    @property
    def seq(self) -> int:
        """Number of the newest admitted command, 0 when there is none in this session."""
        return self._newest.command.seq if self._newest else 0

    def start_session(self, scale: float) -> None:
        """Forget the last session's commands and take this scale."""
        self._shape = Shape(scale)
        self.pending = self._newest = None
        self.admitted = self.merged = self.late = 0
        self.stop_following()

    def measure(self, message: Measure, now_ns: int) -> bool:
        """Take a measurement; a pose that is no pose is refused (False) and changes nothing."""
        measured = unpack(message.measured)
        if not (is_finite(measured) and is_unit(measured)):
            return False
        self.measured = measured
        self.measured_velocity = message.velocity
        self.joints = message.joints
        self.rule = message.rule
        self.driver_tick = message.driver_tick
        self.measured_ns = now_ns
        return True

    def offer(self, admission: Admission, now_ns: int) -> Pending | None:
        """Keep an admitted command as the newest; return the one it supersedes, if any."""
        superseded = self.pending
        if superseded is None:
            self.admitted += 1
        else:
            self.merged += 1
        assert admission.command is not None
        assert admission.setpoint is not None
        self.pending = self._newest = Pending(
            admission.command, admission.setpoint, admission.hops, now_ns, admission.loop_ns
        )
        return superseded

    def settle(self) -> None:
        """Take the measured pose as the setpoint: before power, so that nothing moves at it."""
        self.setpoint = self.measured

    def stop_following(self) -> None:
        """Freeze the setpoint; following again takes a new reference."""
        self.following = False
        self._referenced = -1
        self.lag_m = 0.0

    def see_pedals(self, flags: int, *, engaged: bool) -> None:
        """Take the energy pedals of an admitted command: one counts if pressed while ENGAGED."""
        self._withheld = (self._withheld if engaged else ENERGY) & flags

    def cut_energy(self) -> None:
        """Energy is off: it comes back by a new press of its pedal, never by itself."""
        self.has_energy = False
        self._withheld = ENERGY

    def is_aligned(self, hand: Setpoint) -> bool:
        """Tell whether hand and instrument are oriented alike."""
        return rotation_angle(hand, self.setpoint) <= ALIGNED_RAD

    def is_near(self, hand: Setpoint) -> bool:
        """Tell whether what this hand asks for, under the last reference, is near the setpoint."""
        target = self._shape.step(hand)
        distance = math.dist(target[:3], self.setpoint[:3])
        return distance <= NEAR_M and rotation_angle(target, self.setpoint) <= NEAR_RAD

    def follow(self, command: Command, hand: Setpoint, *, degraded: bool, now_ns: int) -> None:
        """Move the setpoint as this command asks: re-reference, shape, limit."""
        if command.flags & CLUTCH:
            self.stop_following()
            return
        if command.clutch_id != self._referenced:
            if not self.is_aligned(hand):
                self.stop_following()
                return
            self._shape.reference(hand, self.setpoint)
            self._referenced = command.clutch_id
            self.following = True
        step = limit_step(
            self._limits,
            degraded=degraded,
            old=self.setpoint,
            wish=self._shape.step(hand),
            dt_ns=now_ns - self.servo_ns,
        )
        self.setpoint, self.lag_m = step.setpoint, step.lag_m

    def servo(self, now_ns: int, *, energy: bool) -> Servo:
        """Make the message that tells the driver the present setpoint."""
        self.servo_ns = now_ns
        command = self._newest.command if self._newest else None
        flags = command.flags if command else 0
        power = flags & ENERGY & ~self._withheld if energy else 0
        if self.has_energy and not energy:
            self.cut_energy()
        self.has_energy = bool(power)
        return Servo(
            kind=33,
            arm=self.number,
            seq=self.seq,
            driver_tick=self.driver_tick,
            valid_for_us=VALID_FOR_US,
            setpoint=pack_setpoint(self.setpoint),
            velocity=_STILL,
            energy=power,
            tool=command.tool if command else 0,
            camera=bool(flags & CAMERA),
        )

    def state(self, now_ns: int) -> ArmState:
        """Give this arm's part of the robot's state."""
        newest = self._newest
        return ArmState(
            arm=self.number,
            seq=self.seq,
            clutch_id=newest.command.clutch_id if newest else 0,
            residence_ns=min(now_ns - newest.arrived_ns, 0xFFFF_FFFF) if newest else 0,
            hops=newest.hops if newest else b"",
            admitted=self.admitted,
            merged=self.merged,
            late=self.late,
            following=self.following,
            measured=pack_setpoint(self.measured),
            velocity=self.measured_velocity,
            joints=self.joints,
            setpoint=pack_setpoint(self.setpoint),
            requested=pack_setpoint(self.setpoint),
            rule=self.rule,
            fixture=0,
            filter_us=0,
        )
