"""The last four seconds of each lead, as ten pieces of which windows are measured.

A rhythm without beats is not found by looking for beats. So every lead is reduced to 50 Hz without
its baseline, and each piece of 0.4 s keeps sums of which the measures of a window are made: a step
costs a few additions a sample, whatever the window.

Rules
-----
1. A gap holds the last value; a piece with more than a quarter missing is not whole.
2. A lead that is off begins anew.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.alarms.window import FIRST_LAG, LAGS, PIECE, PIECES, RISES, SLOW_HZ, measure
from monitor.dsp.iir import highpass, stepped
from transport.kernel.jit import jit
from transport.kernel.prefetch import prefetch, span

RATE_HZ: Final = 250
#: Samples that become one: mains of 50 Hz fall out.
EACH: Final = 5
#: Between leads, samples: pieces do not all end in one tick.
APART: Final = 7
PAST: Final = 16
#: What it must have been below, of the last piece's largest.
BELOW: Final = 0.25
LIMIT_MV: Final = 40.0
_LOST: Final = RATE_HZ // 2
_BASE: Final = highpass(1.0, SLOW_HZ)
_HOLES_MAX: Final = PIECE * EACH // 4
#: Pieces that filters settle in.
_SETTLE: Final = 3

#: Sums of a piece.
SUM: Final = np.dtype(
    [
        ("size", np.float32),  # of magnitudes, mV
        ("step", np.float32),  # of magnitudes of differences
        ("top", np.float32),  # largest and least value, mV
        ("bottom", np.float32),
        ("leaks", np.float32, (LAGS,)),
        ("is_whole", np.bool_),
    ],
    align=True,
)

#: One lead of one patient.
LEAD: Final = np.dtype(
    [
        ("held", np.float64),  # last valid sample, mV
        ("bad", np.int64),  # invalid ones since
        ("taken", np.int64),  # samples of the mean that is being made
        ("total", np.float64),
        ("memory", np.float64, (2,)),
        ("origin", np.float64),
        ("begun", np.bool_),
        ("below", np.bool_),  # it has been well below zero since it last rose through it
        ("count", np.int64),  # samples at 50 Hz of this piece
        ("holes", np.int64),  # samples without a value
        ("pieces", np.int64),  # since it began
        ("at", np.int64),
        ("depth", np.float64),  # that is well below, mV
        ("base", np.float64),  # sum of this piece, with its baseline
        ("now", SUM),
        ("y", np.float32, (PAST,)),
        ("pieced", SUM, (PIECES,)),
        ("level", np.float64),  # mean of the last piece, mV
        ("drift", np.float64),  # from the one before it, mV; NaN: there is none
        ("risen", np.int64),  # how often it rose
        ("rises", np.float64, (RISES,)),  # when, samples at 50 Hz, between samples
        ("period", np.float64),  # mean time between them, s, of the last ones; NaN: too few
        ("even", np.float64),  # part of those times that are near to it
        ("ordered", np.float32, (PIECES,)),
        ("wave", np.float64),  # FULL - LEAK of the last window, NaN: not judged
        ("middle", np.float64),  # height of its pieces, top to bottom, mV: median
        ("high", np.float64),  # of the last STILL pieces, the highest
        ("low", np.float64),  # the second lowest
        ("late_high", np.float64),  # the same of the last LATE
        ("late_low", np.float64),
    ],
    align=True,
)

_BYTES: Final = LEAD.itemsize
#: What every tick needs of it.
_HOT: Final = sum(span(LEAD.fields, "held", "y"))


@jit
def take(leads: NDArray[Any], which: int, x: NDArray[np.float32]) -> None:
    """Take some samples of one lead of every patient.

    Parameters
    ----------
    leads : (patients, leads) LEAD
    which : of the leads
    x : (patients, n) float32, mV, NaN where there is none
    """
    for who in range(x.shape[0]):
        if who + 1 < x.shape[0]:
            prefetch(leads, ((who + 1) * leads.shape[1] + which) * _BYTES, _HOT)
        _take(leads[who, which], x[who], which * APART)


@jit
def _take(lead: Any, x: NDArray[np.float32], phase: int) -> None:
    for k in range(x.shape[0]):
        value = float(x[k])
        if abs(value) <= LIMIT_MV:  # NaN is not
            lead["held"], lead["bad"] = value, 0
        else:
            value = lead["held"]
            lead["bad"] += 1
            if lead["bad"] > _LOST:
                if lead["begun"]:
                    forget(lead)
                continue
            lead["holes"] += 1
        if not lead["begun"]:
            if lead["bad"] > 0:
                continue
            lead["begun"] = True
            lead["origin"] = value
            lead["count"] = phase
        lead["total"] += value - lead["origin"]
        lead["taken"] += 1
        if lead["taken"] == EACH:
            mean = lead["total"] * (1.0 / EACH)
            y, m0, m1 = stepped(_BASE, lead["memory"][0], lead["memory"][1], mean)
            lead["memory"][0], lead["memory"][1] = m0, m1
            lead["base"] += mean
            lead["total"], lead["taken"] = 0.0, 0
            _add(lead, y)


@jit
def forget(lead: Any) -> None:
    """Begin anew."""
    lead["begun"] = False
    lead["taken"] = lead["count"] = lead["holes"] = lead["pieces"] = lead["at"] = 0
    lead["risen"] = 0
    lead["depth"] = -np.inf
    lead["below"] = False
    lead["period"] = lead["even"] = np.nan
    lead["total"] = lead["base"] = lead["level"] = 0.0
    lead["drift"] = np.nan
    lead["memory"][:] = 0.0
    lead["y"][:] = 0.0
    lead["wave"] = lead["middle"] = lead["high"] = lead["low"] = np.nan
    lead["late_high"] = lead["late_low"] = np.nan
    _clear(lead["now"])


@jit
def _clear(now: Any) -> None:
    now["size"] = now["step"] = 0.0
    now["top"], now["bottom"] = -np.inf, np.inf
    now["leaks"][:] = 0.0


@jit
def _add(lead: Any, y: float) -> None:
    """Take one sample at 50 Hz."""
    now, past, at = lead["now"], lead["y"], lead["at"]
    if lead["count"] == 0:
        _clear(now)
    before = past[(at - 1) & (PAST - 1)]
    past[at & (PAST - 1)] = y
    now["size"] += abs(y)
    now["step"] += abs(y - before)
    now["top"] = max(now["top"], y)
    now["bottom"] = min(now["bottom"], y)
    leaks = now["leaks"]
    for lag in range(LAGS):
        leaks[lag] += abs(y + past[(at - FIRST_LAG - lag) & (PAST - 1)])
    if y < lead["depth"]:
        lead["below"] = True
    elif lead["below"] and before < 0.0 <= y:
        lead["rises"][lead["risen"] % RISES] = at - y / (y - before)
        lead["risen"] += 1
        lead["below"] = False
    lead["at"] = at + 1
    lead["count"] += 1
    if lead["count"] == PIECE:
        _complete(lead)


@jit
def _complete(lead: Any) -> None:
    """Put a piece beside those before it, and measure the window."""
    now, piece = lead["now"], lead["pieced"][lead["pieces"] % PIECES]
    piece["size"], piece["step"] = now["size"], now["step"]
    piece["top"], piece["bottom"] = now["top"], now["bottom"]
    piece["leaks"][:] = now["leaks"]
    piece["is_whole"] = lead["holes"] <= _HOLES_MAX and lead["pieces"] >= _SETTLE
    lead["depth"] = -BELOW * max(now["top"], -now["bottom"])
    level = lead["base"] / PIECE
    lead["drift"] = abs(level - lead["level"]) if lead["pieces"] > 0 else np.nan
    lead["level"], lead["base"] = level, 0.0
    lead["count"] = lead["holes"] = 0
    lead["pieces"] += 1
    measure(lead)
