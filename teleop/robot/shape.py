"""How a hand's motion becomes the instrument's: one state per arm, after duplicates are discarded.

    hand -> tremor filter -> clutch and scale = requested -> jaw -> fixtures -> limits (safety)

Rules
-----
1. Time is the grant's period times the advance of the sequence, never a clock: the same commands
   give the same motion, bit for bit, whenever they arrive.
2. Everything starts anew at a re-reference: the first step after it gives the present setpoint,
   to the last bit. Nothing is carried over a HOLD, which ends in one.
3. Fixtures are judged from where the limits left the setpoint (`resume`), not from where it was
   asked to be. All the way from there to the answer is allowed, so a part of it is.
4. What kept the instrument from the hand is said by a rule; what the filter delays is stated.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from safety.clamp import Rule
from teleop.control import clutch, fixtures, tremor
from teleop.robot.fixture import HalfSpace, ShapeSettings
from transport.wire.vector import ORIGIN, STILL, Setpoint, Twist

__all__ = ["Shape", "ShapeSettings", "warm"]

_SETPOINT = struct.Struct("8d")  # native: between a setpoint and its row of the state
_TWIST = struct.Struct("6d")
#: Rows of the state, 8 float64 each; behind them stands the tremor filter's.
_HAND0, _INSTRUMENT0, _HAND, _STEADY, _REQUESTED, _SHAPED, _BEFORE, _APPLIED, _RATES = range(9)
_ROWS = 9
_ROW_BYTES = 64
#: Views of the state, and what the settings say.
_DERIVED = frozenset(
    {"_state", "_buffer", "_rows", "_reference", "_tremor", "_surfaces", "_work", "_sections"}
)


class Shape:
    """The shaping of one arm.

    Parameters
    ----------
    settings : the robot's
    scale, period_ns : from the signed grant

    Attributes
    ----------
    requested : what the hand asked for, before jaw and fixtures
    rule, fixture : what altered that, and which fixture of the list, from 1; 0 for none
    velocity : feed-forward of what `step` gave, in B
    filter_us : delay of slow motion by the tremor filter, 0 when it is off
    """

    def __init__(self, settings: ShapeSettings, scale: float, period_ns: int) -> None:
        self._settings = settings
        self._scale = float(scale)
        self._period_s = period_ns * 1e-9
        self._state = np.zeros(_ROWS * 8 + tremor.CHANNELS * tremor.COLUMNS)
        self._buffer = self._state.data.cast("B")
        rows = self._state[: _ROWS * 8].reshape(_ROWS, 8)
        self._rows = tuple(rows)
        self._reference = rows[: _INSTRUMENT0 + 1]
        self._tremor = self._state[_ROWS * 8 :].reshape(tremor.CHANNELS, tremor.COLUMNS)
        surfaces = settings.surfaces()
        self._surfaces = fixtures.table(surfaces)
        self._work = fixtures.workspace(surfaces)
        self._has_fixtures = bool(surfaces)
        self._sections, self.filter_us = None, 0
        if settings.tremor and period_ns <= tremor.PERIOD_NS_MAX:  # a slower stream goes without
            self._sections = tremor.design(period_ns)
            self.filter_us = tremor.delay_us(self._sections, period_ns)
        self.reference(ORIGIN, ORIGIN, 0)

    def __getstate__(self) -> dict[str, Any]:
        kept = {name: value for name, value in vars(self).items() if name not in _DERIVED}
        return {**kept, "memory": self._state.tobytes()}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        memory = kept.pop("memory")
        period_ns = round(kept["_period_s"] * 1e9)
        self.__init__(kept["_settings"], kept["_scale"], period_ns)  # type: ignore[misc]
        self._state[:] = np.frombuffer(memory)
        vars(self).update(kept)

    def reference(self, hand: Setpoint, instrument: Setpoint, seq: int) -> None:
        """Take `hand` (X_CH0) and `instrument` (X_BT) as belonging together from now on."""
        self._put(_HAND0, hand)
        for row in (_INSTRUMENT0, _SHAPED, _APPLIED):
            self._put(row, instrument)
        tremor.prime(self._tremor, self._rows[_HAND0])
        self._seq = seq
        self._jaw = instrument.jaw
        self._has_caught_up = False
        self.requested = instrument
        self.rule = Rule.NONE
        self.fixture = 0
        self.velocity = STILL

    def target(self, hand: Setpoint) -> Setpoint:
        """Give the pose X_BT that this hand asks for by reference and scale; nothing changes."""
        rows = self._rows
        self._put(_HAND, hand)
        clutch.follow(self._reference, self._scale, rows[_HAND], rows[_REQUESTED])
        return self._get(_REQUESTED)

    def step(self, hand: Setpoint, seq: int) -> Setpoint:
        """Give the instrument's next pose X_BT; command `seq` says where the hand is."""
        gap = max(0, seq - self._seq)
        self._seq += gap
        steps = min(gap, tremor.STEPS_MAX)
        rows = self._rows
        self._put(_HAND, hand)
        self._steady(steps)
        clutch.follow(self._reference, self._scale, rows[_HAND], rows[_REQUESTED])
        self.requested = self._get(_REQUESTED)
        rows[_BEFORE][:] = rows[_SHAPED]
        rows[_SHAPED][:] = rows[_REQUESTED]
        self.rule = Rule.NONE
        self._follow_jaw(self.requested.jaw, steps * self._period_s)
        self._restrain(steps * self._period_s)
        if gap:
            self._feed_forward(gap * self._period_s)
        return self._get(_SHAPED)

    def keep_out(self, instrument: Setpoint, dt_ns: int) -> Setpoint:
        """Give what the fixtures allow of a setpoint that comes to rest without a hand."""
        self._put(_SHAPED, instrument)
        self.rule = Rule.NONE
        self._restrain(dt_ns * 1e-9)
        return self._get(_SHAPED)

    def resume(self, instrument: Setpoint) -> None:
        """Go on from the setpoint X_BT that was applied: where the limits left it."""
        self._put(_APPLIED, instrument)

    def _steady(self, steps: int) -> None:
        if self._sections is not None:
            hand, out = self._rows[_HAND], self._rows[_STEADY]
            tremor.steady(self._sections, self._tremor, hand, steps, out)
            hand[:7] = out[:7]

    def _follow_jaw(self, wish: float, dt_s: float) -> None:
        settings = self._settings
        if not self._has_caught_up:
            self._has_caught_up = abs(wish - self._jaw) <= settings.jaw_caught_rad
        rate = settings.jaw_rad_s if self._has_caught_up else settings.jaw_catch_up_rad_s
        self._jaw = clutch.swing(self._jaw, wish, rate * dt_s)
        self._rows[_SHAPED][7] = self._jaw
        if self._jaw != wish:
            self.rule = Rule.JAW

    def _restrain(self, dt_s: float) -> None:
        applied, shaped = self._rows[_APPLIED], self._rows[_SHAPED]
        if self._has_fixtures:
            self.fixture = fixtures.restrain(
                self._surfaces, applied, shaped, dt_s, self._work, shaped
            )
            if self.fixture:
                self.rule = Rule.FIXTURE
        applied[:] = shaped  # unless `resume` says otherwise

    def _feed_forward(self, dt_s: float) -> None:
        rows = self._rows
        clutch.twist(rows[_BEFORE], rows[_SHAPED], dt_s, rows[_RATES])
        self.velocity = Twist._make(_TWIST.unpack_from(self._buffer, _RATES * _ROW_BYTES))

    def _put(self, row: int, setpoint: Setpoint) -> None:
        _SETPOINT.pack_into(self._buffer, row * _ROW_BYTES, *setpoint)

    def _get(self, row: int) -> Setpoint:
        return Setpoint._make(_SETPOINT.unpack_from(self._buffer, row * _ROW_BYTES))


def warm() -> None:
    """Compile every kernel of the shaping: seconds, once on a machine."""
    floor = HalfSpace(name="floor", point_m=(0.0, 0.0, 0.0), normal=(0.0, 0.0, 1.0))
    shape = Shape(ShapeSettings(tremor=True, fixtures=(floor,)), 1.0, 1_000_000)
    shape.step(ORIGIN, 1)
    shape.target(ORIGIN)
