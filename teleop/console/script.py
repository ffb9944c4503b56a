"""What a scripted hand does: paths for its motion, and a person's sense for its pedals.

A path is a function of time; its time runs only while the robot follows, so that a hold freezes
the hand where it is, as a surgeon's would. So is what the foot does on the clutch. `Person` presses
and releases the deadman as a person does: waits for ARMED, presses, keeps pressing through a brief
HOLD, and after a latched one lets go, cycles the clutch, aligns and presses again.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from safety.messages import Flags
from safety.profile import MS
from safety.state import State
from teleop.console.hand import Hand
from transport.wire.vector import Setpoint

Path = Callable[[float], tuple[float, float, float]]
Foot = Callable[[float], bool]
"""Whether the clutch is pressed, by the path's time, s."""


def hold(_: float) -> tuple[float, float, float]:
    """Rest, m."""
    return 0.0, 0.0, 0.0


def figure8(t_s: float) -> tuple[float, float, float]:
    """Draw a figure of eight, 20 mm wide, at 0.5 Hz, in the x-y plane, m."""
    phase = math.pi * t_s
    return 0.010 * math.sin(phase), 0.005 * math.sin(2.0 * phase), 0.0


def shaking(hz: float) -> Path:
    """Make the figure of eight with a tremor on it, 0.2 mm in y and z, m."""

    def path(t_s: float) -> tuple[float, float, float]:
        x, y, z = figure8(t_s)
        phase = 2.0 * math.pi * hz * t_s
        return x, y + 0.0002 * math.sin(phase), z + 0.0002 * math.cos(phase) - 0.0002

    return path


def chord(t_s: float) -> tuple[float, float, float]:
    """Draw all of `CHORD_HZ` at once, 1.5 mm each, along x, m: what a hand does on purpose."""
    return sum(0.0015 * math.sin(2.0 * math.pi * hz * t_s) for hz in CHORD_HZ), 0.0, 0.0


def stations(t_s: float) -> tuple[float, float, float]:
    """Reach from place to place, a new one each `CYCLE_S`, and rest there, m.

    A reach has minimum jerk (Flash & Hogan 1985). Places fill a cube of 12 mm evenly, in an order
    that never repeats: multiples of three irrational numbers, modulo 1.
    """
    cycle, within = divmod(t_s, CYCLE_S)
    u = min(1.0, within / REACH_S)
    part = u * u * u * (10.0 + u * (6.0 * u - 15.0))
    here, there = _station(cycle), _station(cycle + 1.0)
    x, y, z = (a + part * (b - a) for a, b in zip(here, there, strict=True))
    return x, y, z


def foot_between_stations(t_s: float) -> bool:
    """Press the clutch somewhere on each reach, and let it go while the hand rests."""
    cycle, within = divmod(t_s, CYCLE_S)
    chance = (cycle * _IRRATIONALS[3] + 0.5) % 1.0
    return 0.06 + 0.2 * chance <= within < RELEASE_S + 0.02 * chance


def foot_off(_: float) -> bool:
    """Leave the clutch alone."""
    return False


def _station(cycle: float) -> tuple[float, float, float]:
    x, y, z = (0.006 * (2.0 * ((cycle * a + 0.5) % 1.0) - 1.0) for a in _IRRATIONALS[:3])
    return x, y, z


#: Whole periods in 10 s; two of them beside 1 Hz, whose phases give the delay of slow motion there.
CHORD_HZ = (0.5, 0.8, 1.0, 1.2, 1.5, 2.0)
#: A cycle of `stations`: it reaches for so long, then rests; the clutch is released while it does.
CYCLE_S, REACH_S, RELEASE_S = 0.52, 0.36, 0.42
#: 1/g, 1/g^2, 1/g^3 with g^4 = g + 1 (Roberts' sequence in three dimensions), and the golden ratio.
_IRRATIONALS = (0.8191725133961645, 0.6710436067037893, 0.5497004779019703, 0.6180339887498949)

SCRIPTS: dict[str, Path] = {
    "hold": hold,
    "figure8": figure8,
    "tremor6": shaking(6.0),
    "tremor": shaking(9.0),
    "tremor14": shaking(14.0),
    "chord": chord,
    "clutch": stations,
}
#: What the foot does; in scripts that are not here it leaves the clutch alone.
FEET: dict[str, Foot] = {"clutch": foot_between_stations}

#: A person needs this long to see ARMED and press.
PRESS_AFTER_NS = 100 * MS
#: A person keeps pressing through a HOLD of this length, then lets go.
PATIENCE_NS = 300 * MS
#: And keeps the clutch pressed for this long.
CLUTCH_NS = 50 * MS


class Person:
    """A scripted operator at one arm."""

    def __init__(self, path: Path, now_ns: int, foot: Foot = foot_off) -> None:
        self._path = path
        self._foot = foot
        self._path_ns = 0
        self._now_ns = now_ns
        self._state = State.BOOT
        self._since_ns = now_ns
        self._orientation = (1.0, 0.0, 0.0, 0.0)
        self._pressed = False
        self._clutch_until_ns = now_ns
        self._clutched = False
        self._reads = 0
        self._press_id = 0
        self._clutch_id = 1
        self._cycled = False
        self._gone = False

    def let_go(self) -> None:
        """Release the deadman and press nothing any more."""
        self._gone = True

    def sees(self, state: State, instrument: Setpoint, now_ns: int) -> None:
        """Take the robot's state from the screen; align with the instrument while not moving it."""
        if state is not self._state:
            self._state, self._since_ns = state, now_ns
            self._cycled = False
        if not self._pressed:
            self._orientation = instrument[3:7]

    def reads(self, now_ns: int) -> Hand:
        """Move the pedals as fits the state, and read the hand."""
        moving = self._state >= State.DEGRADED
        if moving and self._pressed:
            self._path_ns += now_ns - self._now_ns
        self._now_ns = now_ns
        self._reads += 1
        self._operate_pedals(now_ns - self._since_ns, now_ns)
        flags = Flags.DEADMAN if self._pressed else Flags(0)
        t_s = self._path_ns * 1e-9
        clutched = now_ns < self._clutch_until_ns or (self._pressed and self._foot(t_s))
        if clutched:
            flags |= Flags.CLUTCH
        elif self._clutched:
            self._clutch_id += 1
        self._clutched = clutched
        x, y, z = self._path(t_s)
        setpoint = Setpoint(x, y, z, *self._orientation, 0.0)
        return Hand(setpoint, flags, self._press_id, self._clutch_id, self._reads)

    def _operate_pedals(self, for_ns: int, now_ns: int) -> None:
        state = self._state
        if self._gone:
            self._pressed = False
        elif state is State.ARMED and not self._pressed and for_ns >= PRESS_AFTER_NS:
            if now_ns >= self._clutch_until_ns:
                self._pressed = True
                self._press_id += 1
        elif state is State.ARMED and self._pressed and for_ns >= PATIENCE_NS:
            self._pressed = False  # the robot did not take the press: let go and press anew
            self._since_ns = now_ns
        elif state is State.HOLD and for_ns >= PATIENCE_NS:
            self._pressed = False
            if not self._cycled:
                self._cycled = True
                self._clutch_until_ns = now_ns + CLUTCH_NS
        elif state < State.HOLD:
            self._pressed = False
