"""What of a signal is one: NaN, infinite and impossible samples are held over and marked.

Rules
-----
1. What leaves is finite, always: an invalid sample repeats the last valid one (the first ones of a
   stream: 0), so that no recursive filter behind it can be poisoned.
2. A sample is valid when it is finite and within +-`limit`. Nothing else is judged here: a flat or
   saturated stretch is a true measurement of something that is not a heart, told by its length
   (`run`): consecutive samples that differ by at most `step` from the one before, saturated or not.
3. How long the signal has been invalid is counted (`bad`), so that whoever learns from it can begin
   anew.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transport.kernel.jit import jit

#: One channel. `held`: the last valid sample; `bad`: invalid ones since then; `run`: length of the
#: flat stretch up to now.
MASK: Final = np.dtype(
    [("held", np.float64), ("bad", np.int64), ("run", np.int64)],
    align=True,
)


@jit
def hold(mask: Any, value: float, limit: float, step: float) -> float:
    """Take one sample of a channel and return what may be filtered.

    Parameters
    ----------
    mask : record of MASK; after the call `bad` is 0 exactly if the sample was valid
    value : the sample, any float
    limit : magnitude that the sensor cannot exceed
    step : change between samples that still counts as flat, a fraction of the converter's step
    """
    if not (math.isfinite(value) and abs(value) <= limit):
        mask["bad"] += 1
        mask["run"] = 0
        return float(mask["held"])
    if abs(value - mask["held"]) <= step:
        mask["run"] += 1
    else:
        mask["run"] = 0
    mask["held"] = value
    mask["bad"] = 0
    return value


@jit
def hold_all(
    state: NDArray[Any],
    x: NDArray[np.float32],
    limit: float,
    step: float,
    out: NDArray[np.float32],
    valid: NDArray[np.bool_],
) -> None:
    """Mask a block.

    Parameters
    ----------
    state : (channels,) MASK
    x : (channels, samples) float32
    limit, step : see `hold`
    out, valid : (channels, samples), filled
    """
    for channel in range(x.shape[0]):
        mask = state[channel]
        for k in range(x.shape[1]):
            out[channel, k] = hold(mask, x[channel, k], limit, step)
            valid[channel, k] = mask["bad"] == 0
