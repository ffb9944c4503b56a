"""What a scripted hand does: paths for its motion, and a person's sense for its pedals.

A path is a function of time; its time runs only while the robot follows, so that a hold freezes
the hand where it is, as a surgeon's would. `Person` presses and releases as a person does: waits
for ARMED, presses, keeps pressing through a brief HOLD, and after a latched one lets go, cycles
the clutch, aligns and presses again.
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


def hold(_: float) -> tuple[float, float, float]:
    """Rest, m."""
    return 0.0, 0.0, 0.0


def figure8(t_s: float) -> tuple[float, float, float]:
    """Draw a figure of eight, 20 mm wide, at 0.5 Hz, in the x-y plane, m."""
    phase = math.pi * t_s
    return 0.010 * math.sin(phase), 0.005 * math.sin(2.0 * phase), 0.0


def tremor(t_s: float) -> tuple[float, float, float]:
    """Draw the figure of eight with a physiological tremor on it: 9 Hz, 0.2 mm in y and z, m."""
    x, y, z = figure8(t_s)
    phase = 2.0 * math.pi * 9.0 * t_s
    return x, y + 0.0002 * math.sin(phase), z + 0.0002 * math.cos(phase) - 0.0002


SCRIPTS: dict[str, Path] = {"hold": hold, "figure8": figure8, "tremor": tremor}

#: A person needs this long to see ARMED and press.
PRESS_AFTER_NS = 100 * MS
#: A person keeps pressing through a HOLD of this length, then lets go.
PATIENCE_NS = 300 * MS
#: And keeps the clutch pressed for this long.
CLUTCH_NS = 50 * MS


class Person:
    """A scripted operator at one arm."""

    def __init__(self, path: Path, now_ns: int) -> None:
        self._path = path
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
        clutched = now_ns < self._clutch_until_ns
        if clutched:
            flags |= Flags.CLUTCH
        elif self._clutched:
            self._clutch_id += 1
        self._clutched = clutched
        x, y, z = self._path(self._path_ns * 1e-9)
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
