"""The one place that applies a robot's limits to where its arms are told to be.

Order: leap -> fence -> speed, acceleration, window -> lag. Whatever is asked, and however it
arrives, the setpoint keeps them all; an honest hand's commands pass bit for bit. When nothing is
to be followed any longer the setpoint brakes (safety.brake) and then stays. Time is the robot's
own clock, never a sequence number.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from safety.brake import Braking, brake
from safety.clamp import Rule
from safety.fence import Fence
from safety.governor import STEP_NS_MAX, Governor, Place
from safety.limits import Limits
from safety.rotation import (
    Quaternion,
    angle_chord,
    between,
    continued,
    rotation_angle,
    turn_between,
)
from safety.state import Cause
from transport.wire.vector import ORIGIN, STILL, Setpoint, Twist

# Looking up a member of an enum costs as much as a whole line.
_NONE, _GO_ON = Rule.NONE, Cause.NONE


class Step(NamedTuple):
    """What the limits made of a wish.

    Parameters
    ----------
    lag_m : how far the setpoint stays behind what the fence lets of the wish
    rule : what kept it back, the highest of several
    leapt : the wish was a leap
    hold : why this calls for a HOLD; the setpoint has not moved then
    """

    setpoint: Setpoint
    lag_m: float
    rule: Rule
    leapt: bool
    hold: Cause


class Limiter:
    """The limits of one arm at work.

    Attributes
    ----------
    setpoint : X_BT, as applied last; its quaternion never changes to the other cover
    velocity : of a braking setpoint, for the drives; STILL otherwise
    is_braking : whether `glide` has still something to do
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._leap_m = limits.step_m + limits.speed_m_s * STEP_NS_MAX * 1e-9
        self._fence = Fence(limits.corner_m_min, limits.corner_m_max, limits.reach_m)
        self._translation = Governor(limits.speed_m_s, limits.acceleration_m_s2, limits.window_m)
        self._turning = Governor(
            limits.turn_rad_s / 2.0, limits.turn_rad_s2 / 2.0, angle_chord(limits.window_rad)
        )
        self.reset(ORIGIN, 0)

    def reset(self, pose: Setpoint, now_ns: int) -> None:
        """Stand at this pose: where the arm is, before power comes."""
        self.setpoint = self._wish = pose
        self._at_ns = now_ns
        self._swing = self._limits.jaw_rad_s * STEP_NS_MAX * 1e-9
        place, turn = _places(pose)
        self._translation.stand(place, now_ns)
        self._turning.stand(turn, now_ns)
        self.halt()

    @property
    def is_braking(self) -> bool:
        """Whether the setpoint is on its way to rest."""
        return self._braking is not None

    def is_followed(self, measured: Setpoint) -> bool:
        """Tell whether the arm is as near to its setpoint as one that follows."""
        limits, setpoint = self._limits, self.setpoint
        if math.dist(measured[:3], setpoint[:3]) > limits.following_m_max:
            return False
        return rotation_angle(measured, setpoint) <= limits.following_rad_max

    def halt(self) -> None:
        """Stay where the setpoint is, braking or not."""
        self._braking: Braking | None = None
        self.velocity = STILL

    def resume(self, now_ns: int) -> None:
        """Be followed from the present setpoint on, moving or not; the past still counts."""
        self._translation.rest(now_ns)
        self._turning.rest(now_ns)
        self._wish = self.setpoint
        self.halt()

    def step(self, wish: Setpoint, *, degraded: bool, now_ns: int, local: bool = False) -> Step:
        """Move the setpoint towards the wish as far as the limits allow."""
        limits, old = self._limits, self.setpoint
        now_ns = now_ns if now_ns > self._at_ns else self._at_ns  # a clock that steps back stands
        wish = continued(old, wish)
        leapt = math.dist(wish[:3], self._wish[:3]) > self._leap_m
        self._wish = wish
        inside = self._fence.keep(old, wish)
        rule = Rule.STEP if leapt else _NONE
        hold = _GO_ON
        if inside is not wish and inside[:3] != wish[:3]:
            rule = Rule.WORKSPACE
            if math.dist(inside[:3], wish[:3]) > limits.beyond_m_max:
                hold = Cause.FENCE
        setpoint, slowed = self._govern(old, inside, self._ratio(degraded, local), now_ns)
        lag_m = 0.0
        if slowed:
            rule = max(rule, slowed)
            lag_m = math.dist(setpoint[:3], inside[:3])
            if degraded and lag_m > limits.lag_m_max:
                hold = hold or Cause.LAG
        if hold:
            setpoint = old
        self.take(setpoint, now_ns)
        return Step(setpoint, lag_m, rule, leapt, hold)

    def brake(self, now_ns: int) -> None:
        """Begin to come to rest, at the velocity that the setpoint has had of late."""
        if self._braking is not None:
            return
        linear = self._translation.velocity(now_ns)[:3]
        q = self.setpoint[3:7]
        rate = self._turning.velocity(now_ns)
        before = tuple(a - v * 1e-3 for a, v in zip(q, rate, strict=True))
        turn = turn_between((before[0], before[1], before[2], before[3]), q)
        twist = Twist._make((*linear, *(angle / 1e-3 for angle in turn)))
        limits = self._limits
        braking = brake(self.setpoint, twist, now_ns, limits.brake_m_s2, limits.brake_rad_s2)
        if braking.ends_ns > now_ns:
            self._braking, self.velocity = braking, twist

    def glide(self, now_ns: int) -> Setpoint:
        """Give where a braking setpoint would be by now; after a pause it stays where it was."""
        braking = self._braking
        if braking is None or now_ns - self._at_ns > STEP_NS_MAX:
            self.halt()
            return self.setpoint
        pose, self.velocity = braking.at(now_ns)
        if now_ns >= braking.ends_ns:
            self.halt()
        return self._fence.keep(self.setpoint, pose)

    def take(self, setpoint: Setpoint, now_ns: int) -> None:
        """Note a setpoint that is applied without a wish."""
        self.setpoint = setpoint
        self._at_ns = now_ns
        place, turn = _places(setpoint)
        self._translation.move(place, now_ns)
        self._turning.move(turn, now_ns)

    def _ratio(self, degraded: bool, local: bool) -> float:
        """Say which share of its speeds is allowed."""
        limits = self._limits
        if local:
            return min(1.0, limits.local_speed_m_s / limits.speed_m_s)
        return min(1.0, limits.degraded_speed_m_s / limits.speed_m_s) if degraded else 1.0

    def _govern(
        self, old: Setpoint, wish: Setpoint, ratio: float, now_ns: int
    ) -> tuple[Setpoint, Rule]:
        """Shorten the step to what the governors and the jaw's speed allow."""
        limits = self._limits
        place, q = _places(wish)
        along, slowed = self._translation.share(place, ratio, now_ns)
        turn, twisted = self._turning.share(q, ratio, now_ns)
        dt_s = min(now_ns - self._at_ns, STEP_NS_MAX) * 1e-9
        jaw_rad_s = limits.jaw_rad_s * ratio
        self._swing = min(jaw_rad_s * STEP_NS_MAX * 1e-9, self._swing + jaw_rad_s * dt_s)
        swing = wish.jaw - old.jaw
        if along == 1.0 and turn == 1.0 and abs(swing) <= self._swing:
            self._swing -= abs(swing)
            return wish, _NONE
        turned = Rule.TURN if twisted is Rule.SPEED else twisted
        rule = max(slowed, turned) or Rule.JAW
        if abs(swing) > self._swing:
            swing = math.copysign(self._swing, swing)
        self._swing -= abs(swing)
        x, y, z = (a + along * (b - a) for a, b in zip(old[:3], wish[:3], strict=True))
        if turn < 1.0:
            q = between(old[3:7], q, turn)
        if along == 1.0:
            x, y, z = wish[:3]
        return Setpoint(x, y, z, *q, old.jaw + swing), rule


def _places(pose: Setpoint) -> tuple[Place, Quaternion]:
    """Take a pose apart for its two governors."""
    x, y, z, qw, qx, qy, qz, _ = pose
    return (x, y, z, 0.0), (qw, qx, qy, qz)
