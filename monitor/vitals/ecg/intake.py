"""What of a lead's samples reaches its filters, a block at a time, ahead of who decides.

Rules
-----
1. A lead is filtered for a whole block before its patient's beats are looked for: what a filter
   remembers stays in registers, and that is half of the sensor's speed. So nothing here may touch
   what decisions read, but rings by the number of a sample; what happened at a sample is left as
   its sign (`state.GONE` to `PLAIN`) and heeded when decisions come to it (`heed`).
2. A gap holds the last value, and what follows is joined to it: no gap ends in a step.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.dsp.mask import hold
from monitor.vitals.ecg.band import filter_lead
from monitor.vitals.ecg.level import learn
from monitor.vitals.ecg.pacer import DELAY, ROUGH, despike
from monitor.vitals.ecg.rules import RATE_HZ
from monitor.vitals.ecg.state import BACK, DOUBTED, GONE, LOST, PLAIN
from monitor.vitals.events import Kind, append
from transport.kernel.jit import jit

#: No electrode shows more; a converter's rail may.
LIMIT_MV: Final = 40.0
#: Without a valid sample, or without a change, for so long a lead is off.
OFF: Final = 2 * RATE_HZ
#: Samples without a valid one, and without a change, until a lead is not asked.
_BAD_MAX: Final = 25
_FLAT_MAX: Final = 125
#: A longer gap ends without a step.
_GAP: Final = RATE_HZ // 25
_PACE: Final = int(Kind.PACE)
_LEAD_OFF: Final = int(Kind.LEAD_OFF)
_LEAD_ON: Final = int(Kind.LEAD_ON)


@jit
def take(lead: Any, at: int, x: NDArray[np.float32], v: Any, signs: Any, spikes: Any) -> bool:
    """Take a block of one lead, whose first sample is number `at`, and filter it.

    Parameters
    ----------
    x : (n,) float32, mV, NaN where there is none
    v : (n,) float64, to work in
    signs, spikes : (n,), filled: what each sample is, and a pacemaker's spike, mV, or 0

    Returns
    -------
    whether all samples are as those before: nothing is to be heeded
    """
    mask, raw, n = lead["mask"], lead["raw"], x.shape[0]
    first, is_calm, usual = 0, True, PLAIN if lead["alive"] else GONE
    for k in range(n):
        held, gap = mask["held"], mask["bad"]
        value = hold(mask, float(x[k]), LIMIT_MV, 0.0)
        bad, run = mask["bad"], mask["run"]
        spikes[k] = 0.0
        if not lead["alive"]:
            signs[k] = GONE
            if bad == 0 and run == 0:
                signs[k] = BACK
                _begin(lead, value)
                first = k + 1
        elif bad >= OFF or run >= OFF:
            signs[k] = LOST
            lead["alive"] = False
            lead["lost_at"] = at + k - OFF
            filter_lead(lead, at + first, v, first, k)
            first = n
        else:
            signs[k] = PLAIN if bad < _BAD_MAX and run < _FLAT_MAX else DOUBTED
            if bad == 0 and gap > _GAP:
                lead["origin"] += value - held
            v[k], spikes[k], lead["roughness"] = despike(
                raw, at + k, value - lead["origin"], lead["roughness"]
            )
        is_calm = is_calm and signs[k] == usual and spikes[k] == 0.0
    if lead["alive"]:
        filter_lead(lead, at + first, v, first, n)
    return is_calm


@jit
def heed(
    lead: Any,
    who: int,
    which: int,
    at: int,
    sign: int,
    spike: float,
    power: float,
    rows: NDArray[Any],
    tally: NDArray[np.int64],
) -> None:
    """Let decisions know what a sample of a lead is, and tell what it means for the lead."""
    if sign == BACK:
        _forget(lead)
        off_s = (at - lead["lost_at"]) / RATE_HZ
        append(rows, tally, who, _LEAD_ON, at, at, which, off_s, math.nan, 1.0, 0)
    elif sign == LOST:
        lead["settled"] = False
        append(rows, tally, who, _LEAD_OFF, at - OFF, at, which, OFF / RATE_HZ, math.nan, 1.0, 0)
    elif sign != GONE:
        if spike != 0.0:
            lead["paced_at"] = at - 3 + DELAY
            append(rows, tally, who, _PACE, at - 3, at, spike, which, math.nan, 1.0, 0)
        if not lead["settled"]:
            learn(lead, at, power)
    lead["heard"] = sign == PLAIN and lead["settled"]


@jit
def _begin(lead: Any, v: float) -> None:
    """Let the filters of a lead that comes back start at rest."""
    lead["alive"] = True
    lead["origin"] = v
    lead["roughness"] = ROUGH
    lead["moments"][:] = 0.0
    lead["memory"][:] = 0.0
    lead["sum"][:] = 0.0
    lead["raw"][:] = 0.0
    lead["smooth"][:] = 0.0
    lead["rectified"][:] = 0.0
    lead["envelope"][:] = 0.0
    lead["clean"][:] = 0.0


@jit
def _forget(lead: Any) -> None:
    """Know nothing of what a lead was that comes back."""
    lead["since"] = lead["filled"] = 0
    lead["slope"] = lead["pitch"] = lead["agreement"] = 0.0
    lead["learnt"][:] = 0.0
    lead["quiet"][:] = 0.0
    lead["window_n"] = lead["windows"] = 0
    lead["swing"] = 1.0
    lead["window_sum"][:] = lead["window_top"][:] = lead["fullness"][:] = 0.0
    lead["shape"][:] = 0.0
    lead["seen"][:] = 0
    lead["breadth"][:] = 0.0
    lead["met_at"][:] = 0
