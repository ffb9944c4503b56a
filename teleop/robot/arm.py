"""One arm of a robot: what was measured, what is asked, and the next setpoint for its driver."""

from __future__ import annotations

import math
from typing import NamedTuple

from safety.brake import STOP_NS_MAX
from safety.clamp import Rule
from safety.driver import VALID_FOR_US, Measure, Servo
from safety.gate import Admission
from safety.limiter import Limiter, Step
from safety.limits import Limits
from safety.messages import CAMERA, CLUTCH, ENERGY, ArmState, Command
from safety.profile import MS
from safety.rotation import rotation_angle
from safety.supervision import Frozen
from teleop.robot.fixture import ShapeSettings
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
#: A pause of the robot is not made up for by a longer step at the bedside.
CREEP_NS_MAX = 5 * MS
#: From the first measurement that is elsewhere: one that is wrong displaces nothing.
DISPLACED_NS = 10 * MS
_STILL = pack_twist(STILL)


class Pending(NamedTuple):
    """The newest admitted command that was not applied yet."""

    command: Command
    setpoint: Setpoint
    hops: bytes
    arrived_ns: int
    loop_ns: int


class Arm:
    """The state of one arm; the agent decides when it may follow.

    Attributes
    ----------
    following : whether the setpoint follows the hand; if not it comes to rest, or stands
    is_frozen : the driver repeats one measurement although the arm is told to move
    is_astray : the arm is further from its setpoint than its limits let it be
    is_displaced : so it is, and for longer than a wrong measurement, where it should stand by now
    """

    def __init__(self, number: int, limits: Limits, shape: ShapeSettings) -> None:
        self.number = number
        self._limits = limits
        self._limiter = Limiter(limits)
        self._settings = shape
        self._shape = Shape(shape, 1.0, MS)
        self.measured = ORIGIN
        self.measured_velocity = _STILL
        self.joints = b""
        self._driver_rule = 0
        self.driver_tick = 0
        self.measured_ns: int | None = None
        self._instance = -1
        self._frozen = Frozen()
        self.is_frozen = self.is_astray = self.is_displaced = False
        self._astray_ns = 0  # since when it is, where it is
        self.servo_ns = 0
        self.following = False
        self._rule = Rule.NONE
        self._velocity = STILL
        self._moved_ns = 0
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

    @property
    def setpoint(self) -> Setpoint:
        """X_BT that was applied last."""
        return self._limiter.setpoint

    @property
    def is_braking(self) -> bool:
        """Whether the setpoint, followed by no hand, is on its way to rest."""
        return self._limiter.is_braking

    def start_session(self, scale: float, period_ns: int, now_ns: int) -> None:
        """Forget the last session's commands; take the scale and period of this one."""
        self._shape = Shape(self._settings, scale, period_ns)
        self.pending = self._newest = None
        self.admitted = self.merged = self.late = 0
        self.stop_following(now_ns)

    def measure(self, message: Measure, now_ns: int) -> bool:
        """Take a measurement; a pose that is no pose is refused (False) and changes nothing.

        One whose tick has not advanced is a repetition, and no sign of life.
        """
        measured = unpack(message.measured)
        if not (is_finite(measured) and is_unit(measured)):
            return False
        if message.instance == self._instance and message.driver_tick <= self.driver_tick:
            return True
        self._instance = message.instance
        self.measured = measured
        self.measured_velocity = message.velocity
        self.joints = message.joints
        self._driver_rule = message.rule
        self.driver_tick = message.driver_tick
        self.measured_ns = now_ns
        self.is_frozen = self._frozen.measured(measured, self.setpoint, now_ns)
        self._look_for_it(now_ns)
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

    def settle(self, now_ns: int) -> None:
        """Take the measured pose as the setpoint: before power, so that nothing moves at it."""
        self._limiter.reset(self.measured, now_ns)
        self._frozen.reset()
        self.is_frozen = self.is_astray = self.is_displaced = False

    def stop_following(self, now_ns: int) -> None:
        """Let the setpoint come to rest; following again takes a new reference."""
        if self.following:
            self._limiter.brake(now_ns)
        self.following = False
        self._referenced = -1
        self._rule = Rule.NONE
        self._velocity = STILL

    def glide(self, now_ns: int) -> None:
        """Bring a braking setpoint to where it is by now, out of the fixtures as ever."""
        braked = self._limiter.glide(now_ns)
        self._limiter.take(self._shape.keep_out(braked, now_ns - self._moved_ns), now_ns)
        self._velocity = self._limiter.velocity
        self._moved_ns = now_ns

    def halt(self) -> None:
        """Stay where the setpoint is: without a driver that listens there is nothing to brake."""
        self._limiter.halt()
        self._velocity = STILL

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
        target, setpoint = self._shape.target(hand), self.setpoint
        distance = math.dist(target[:3], setpoint[:3])
        return distance <= NEAR_M and rotation_angle(target, setpoint) <= NEAR_RAD

    def follow(
        self, command: Command, hand: Setpoint, *, degraded: bool, now_ns: int
    ) -> Step | None:
        """Move the setpoint as this command asks: re-reference, shape, limit.

        Returns what the limits made of it; None when this hand does not move the arm now.
        """
        if command.flags & CLUTCH:
            self.stop_following(now_ns)
            return None
        if command.clutch_id != self._referenced:
            if not self.is_aligned(hand):
                self.stop_following(now_ns)
                return None
            self._limiter.resume(now_ns)
            self._shape.reference(hand, self.setpoint, command.seq)
            self._referenced = command.clutch_id
            self.following = True
        shape = self._shape
        wish = shape.step(hand, command.seq)
        step = self._limiter.step(wish, degraded=degraded, now_ns=now_ns)
        shape.resume(step.setpoint)
        self._rule = max(step.rule, shape.rule)
        # What the limits slowed down moves at no speed that the hand could tell.
        self._velocity = shape.velocity if step.rule is Rule.NONE else STILL
        self._moved_ns = now_ns
        return step

    def creep_from_here(self, now_ns: int) -> None:
        """Be ready to be moved at the bedside, from the present setpoint on."""
        self._limiter.resume(now_ns)
        self._shape.resume(self.setpoint)
        self._moved_ns = now_ns

    def retract(self, dt_ns: int, now_ns: int) -> bool:
        """Move the tip on its line towards the remote centre; False when it may go no further."""
        at = self.setpoint
        depth_m = math.hypot(*at[:3])
        step_m = self._limits.local_speed_m_s * min(dt_ns, CREEP_NS_MAX) * 1e-9
        if depth_m <= step_m:
            return False
        share = 1.0 - step_m / depth_m
        return self._creep(at._replace(x=at.x * share, y=at.y * share, z=at.z * share), now_ns)

    def open(self, dt_ns: int, now_ns: int) -> bool:
        """Open the jaw; False when it is as open as that goes."""
        limits, at = self._limits, self.setpoint
        if at.jaw >= limits.local_jaw_rad:
            return False
        rate_rad_s = limits.jaw_rad_s * min(1.0, limits.local_speed_m_s / limits.speed_m_s)
        jaw = at.jaw + rate_rad_s * min(dt_ns, CREEP_NS_MAX) * 1e-9
        return self._creep(at._replace(jaw=min(jaw, limits.local_jaw_rad)), now_ns)

    def rest(self, now_ns: int) -> None:
        """Come to rest after `retract` or `open`."""
        self._limiter.brake(now_ns)

    def _creep(self, wish: Setpoint, now_ns: int) -> bool:
        allowed = self._shape.keep_out(wish, now_ns - self._moved_ns)
        step = self._limiter.step(allowed, degraded=False, now_ns=now_ns, local=True)
        self._shape.resume(step.setpoint)
        self._moved_ns = now_ns
        return allowed == wish and step.rule is not Rule.WORKSPACE

    def _look_for_it(self, now_ns: int) -> None:
        """See how far from its setpoint it was measured; another arm's measurement says nothing."""
        was_astray, self.is_astray = self.is_astray, not self._limiter.is_followed(self.measured)
        if not was_astray:
            self._astray_ns = now_ns
        lasts = self.is_astray and now_ns - self._astray_ns >= DISPLACED_NS
        self.is_displaced = lasts and now_ns - self._moved_ns > STOP_NS_MAX

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
            velocity=pack_twist(self._velocity),
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
            requested=pack_setpoint(self._shape.requested if self.following else self.setpoint),
            rule=self._rule or self._driver_rule,
            fixture=self._shape.fixture if self._rule is Rule.FIXTURE else 0,
            filter_us=self._shape.filter_us,
        )
