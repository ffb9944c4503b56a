"""Oxygen saturation by the ratio of ratios of red to infrared light.

R = (AC red / DC red) / (AC infrared / DC infrared), from windows of 1.5 s: AC is the slope of one
light upon the other, which noise in one of them does not widen as it does a peak-to-peak height.
A curve turns R into percent; the median of five windows is shown.

Rules
-----
1. A window counts when it is complete, when both lights move together (correlation >= `TOGETHER`:
   motion and a probe half off do not) and when the pulse is at least 0.05 % of the level.
2. The curve has a name and belongs to a probe: only its maker can know it. `CURVES` holds two that
   are published; a row is all that another one takes.
3. Quality is the mean correlation of the windows.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.dsp.mask import MASK, hold
from monitor.messages import Metric, Signal
from monitor.vitals.events import Events
from monitor.vitals.seam import (
    ARTEFACT,
    LEAD_OFF,
    LEARNING,
    PRESENT,
    Options,
    median,
    push,
    say,
    silent,
)
from transport.kernel.jit import jit

RATE_HZ: Final = 125
WINDOW: Final = 187
WINDOWS: Final = 5
#: Windows whose values may be shown: beyond, the newest is too old.
POOR_MAX: Final = 7
TOGETHER: Final = 0.9
PERFUSION_MIN: Final = 5e-4
OFF: Final = RATE_HZ
LIMIT: Final = 1e9
#: Outside, no blood has this ratio.
LEAST, MOST = 0.2, 3.4


class Curve(NamedTuple):
    """Saturation in percent = a + b R + c R^2."""

    a: float
    b: float
    c: float


CURVES: Final[dict[str, Curve]] = {
    # Webster (ed.), "Design of Pulse Oximeters" (1997), the usual straight line.
    "linear": Curve(110.0, -25.0, 0.0),
    # Maxim Integrated, application note 6845, for MAX3010x sensors.
    "max3010x": Curve(112.6898759, -34.6596622, 1.5958422),
}

#: One patient; the lights are infrared and red, in the order of `Signal`.
STATE: Final = np.dtype(
    [
        ("mask", MASK, (2,)),
        ("filled", np.int64),  # samples of this window
        ("holes", np.int64),  # of them without both lights
        ("first", np.float64, (2,)),  # sums are kept about the window's first sample
        ("sum", np.float64, (2,)),
        ("square", np.float64, (3,)),  # infrared, red, and both
        ("ratios", np.float64, (WINDOWS,)),
        ("count", np.int64),
        ("poor", np.int64),  # windows since the last good one
        ("together", np.float64),
        ("scratch", np.float64, (WINDOWS,)),
    ],
    align=True,
)


class SpO2:
    """The sensor; see `monitor.vitals.seam.Sensor`.

    Parameters
    ----------
    curve : name of a row of `CURVES`
    """

    RATE_HZ: ClassVar[float] = RATE_HZ
    SIGNALS: ClassVar[tuple[Signal, ...]] = (Signal.PLETH, Signal.RED)
    NEEDS_ALL: ClassVar[bool] = True
    METRICS: ClassVar[tuple[Metric, ...]] = (Metric.SPO2,)

    def __init__(self, patients: int, curve: str = "linear") -> None:
        self.values, self.quality, self.reason = silent(patients, len(self.METRICS))
        self._curve = CURVES[curve]
        self._state = np.zeros(patients, STATE)
        for patient in range(patients):
            self.reset(patient)

    def step(self, x: NDArray[np.float32], events: Events) -> None:
        """Advance all patients by (patients, 2, n) samples: infrared, then red; linear in light."""
        _step(self._state, x, self._curve, self.values, self.quality, self.reason)

    def reset(self, patient: int) -> None:
        """Forget one patient."""
        self._state[patient] = np.zeros((), STATE)
        self._state[patient]["mask"]["bad"] = OFF
        self._state[patient]["poor"] = POOR_MAX


def connect(patients: int, options: Options) -> SpO2:
    """Make the sensor."""
    return SpO2(patients, options.spo2_curve)


def warm() -> None:
    """Compile the kernels."""
    SpO2(1).step(np.zeros((1, 2, 5), np.float32), Events(8))


@jit
def _step(
    states: NDArray[Any],
    x: NDArray[np.float32],
    curve: Curve,
    values: NDArray[np.float64],
    quality: NDArray[np.float64],
    reason: NDArray[np.uint8],
) -> None:
    """Advance all patients.

    Parameters
    ----------
    states : (patients,) STATE
    x : (patients, 2, n) float32
    curve : from ratio to percent
    values, quality, reason : see `monitor.vitals.seam.Sensor`
    """
    for patient in range(x.shape[0]):
        state = states[patient]
        for k in range(x.shape[2]):
            _add(state, x[patient, 0, k], x[patient, 1, k])
            if _is_off(state):
                state["count"] = 0
                state["together"] = 0.0
            if state["filled"] == WINDOW:
                _close(state)
        _say(state, curve, values[patient], quality[patient : patient + 1], reason[patient])


@jit
def _add(state: Any, infrared: float, red: float) -> None:
    masks = state["mask"]
    a = hold(masks[0], infrared, LIMIT, 0.0)
    b = hold(masks[1], red, LIMIT, 0.0)
    if state["filled"] == 0:
        state["first"][0] = a
        state["first"][1] = b
        state["sum"][:] = 0.0
        state["square"][:] = 0.0
        state["holes"] = 0
    state["filled"] += 1
    if masks[0]["bad"] > 0 or masks[1]["bad"] > 0:
        state["holes"] += 1
        return
    a -= state["first"][0]
    b -= state["first"][1]
    state["sum"][0] += a
    state["sum"][1] += b
    state["square"][0] += a * a
    state["square"][1] += b * b
    state["square"][2] += a * b


@jit
def _is_off(state: Any) -> bool:
    """Tell whether a light says nothing, or always the same."""
    for light in range(2):
        mask = state["mask"][light]
        if mask["bad"] >= OFF or mask["run"] >= OFF:
            return True
    return False


@jit
def _close(state: Any) -> None:
    """Judge a window that is full."""
    n = state["filled"] - state["holes"]
    state["filled"] = 0
    state["poor"] = min(state["poor"] + 1, POOR_MAX)
    if state["holes"] > WINDOW // 10:
        state["together"] *= 0.75
        return
    mean_a, mean_b = state["sum"][0] / n, state["sum"][1] / n
    var_a = state["square"][0] / n - mean_a * mean_a
    var_b = state["square"][1] / n - mean_b * mean_b
    both = state["square"][2] / n - mean_a * mean_b
    level_a, level_b = state["first"][0] + mean_a, state["first"][1] + mean_b
    together = both / math.sqrt(var_a * var_b) if var_a > 0.0 and var_b > 0.0 else 0.0
    state["together"] += (min(1.0, max(0.0, together)) - state["together"]) / 4.0
    if together < TOGETHER or level_a <= 0.0 or level_b <= 0.0:
        return
    if math.sqrt(8.0 * var_a) < PERFUSION_MIN * level_a:  # height of a sine of this variance
        return
    ratio = both / var_a * level_a / level_b
    if LEAST <= ratio <= MOST:
        state["count"] = push(state["ratios"], state["count"], ratio)
        state["poor"] = 0


@jit
def _say(
    state: Any,
    curve: Curve,
    values: NDArray[np.float64],
    quality: NDArray[np.float64],
    reason: NDArray[np.uint8],
) -> None:
    """Decide what is shown."""
    why = PRESENT
    if _is_off(state):
        why = LEAD_OFF
    elif state["count"] < 2:
        why = LEARNING
    elif state["poor"] >= POOR_MAX:
        why = ARTEFACT
    r = median(state["ratios"], min(state["count"], WINDOWS), state["scratch"])
    quality[0] = state["together"]
    say(values, reason, 0, min(100.0, max(0.0, curve.a + (curve.b + curve.c * r) * r)), why)
