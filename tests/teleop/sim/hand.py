"""A hand at a simulated field: it speaks the driver protocol, in virtual time."""

import math

import numpy as np

from safety.driver import VALID_FOR_US, Servo
from safety.profile import MS
from teleop.sim import world
from teleop.sim.field import Field
from teleop.sim.rules import Refusal
from transport.wire.vector import STILL, Setpoint, Twist, pack_setpoint, pack_twist

T0 = 4_000_000_000
#: The jaw points down, its axis along x of the field: it opens along y.
DOWN = (0.0, 1.0, 0.0, 0.0)


class Hand:
    """One arm of a field, cleared, and the driver's clock.

    `sees` is called after each millisecond.
    """

    def __init__(self, arms=1, arm=0, *, sees=lambda: None):
        self.now_ns = T0
        self.field = Field(arms, T0)
        self.arm = self.field.arms[arm]
        self.number = arm
        self.base = np.array(world.BASES[arm])
        self.sees = sees
        self.wait(100)
        self.arm.stop(None, self.now_ns)
        self.asked = self.arm.pose

    @property
    def tip(self):
        return np.array(self.arm.pose[:3])

    def wait(self, ms):
        """Let time pass, and say nothing."""
        for _ in range(ms):
            self.now_ns += MS
            self.field.advance(self.now_ns)
            self.sees()

    def say(self, setpoint, velocity=STILL, *, age_ns=0):
        self.asked = setpoint
        message = Servo(
            kind=33,
            arm=self.number,
            seq=1,
            driver_tick=self.now_ns - age_ns,
            valid_for_us=VALID_FOR_US,
            setpoint=pack_setpoint(setpoint),
            velocity=pack_twist(velocity),
            energy=0,
            tool=0,
            camera=False,
        )
        return self.arm.servo(message, self.now_ns)

    def hold(self, ms):
        """Repeat the newest setpoint every 10 ms, as the robot's side does."""
        for k in range(ms):
            self.now_ns += MS
            if k % 10 == 0:
                assert self.say(self.asked) is Refusal.NONE
            self.field.advance(self.now_ns)
            self.sees()

    def draw(self, path, ms, period=1, *, says_speed=False):
        """Follow `path(t_s)`, a Setpoint; return after each ms: time s, measured tip, m."""
        seen = []
        for k in range(1, ms + 1):
            self.now_ns += MS
            if k % period == 0:
                assert self.say(path(k * 1e-3), _speed(path, k) if says_speed else STILL) == 0
            self.field.advance(self.now_ns)
            self.sees()
            seen.append((k * 1e-3, *self.tip))
        return np.array(seen)

    def go(self, to, jaw, seconds, turned=DOWN):
        """Move smoothly to a point of the field; return where the tip is, in W."""
        start, q0 = self.asked, np.array(self.asked[3:7])
        q1 = np.array(turned) * (1.0 if np.dot(q0, turned) >= 0 else -1.0)
        p0, p1 = np.array(start[:3]), np.array(to) - self.base

        def path(t_s):
            s = min(1.0, t_s / seconds)
            s = s * s * s * (10.0 - 15.0 * s + 6.0 * s * s)
            q = q0 + (q1 - q0) * s
            return Setpoint(
                *(p0 + (p1 - p0) * s), *(q / np.linalg.norm(q)), start.jaw + (jaw - start.jaw) * s
            )

        self.draw(path, round(1000 * seconds))
        return self.tip + self.base


def straight(start, speed_m_s):
    """Go along x."""
    return lambda t_s: start._replace(x=start.x + speed_m_s * t_s)


def figure8(start):
    """A figure of eight, 20 mm wide, at 0.5 Hz, entered without a jerk."""

    def path(t_s):
        phase, size = math.pi * t_s, min(1.0, t_s) ** 2
        return start._replace(
            x=start.x + 0.010 * size * math.sin(phase),
            y=start.y + 0.005 * size * math.sin(2.0 * phase),
        )

    return path


def _speed(path, k):
    ahead, behind = path(k * 1e-3 + 1e-5), path(k * 1e-3 - 1e-5)
    return Twist(
        *((a - b) / 2e-5 for a, b in zip(ahead[:3], behind[:3], strict=True)), 0.0, 0.0, 0.0
    )
