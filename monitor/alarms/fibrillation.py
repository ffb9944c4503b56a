"""Whether the leads show a wave instead of beats, and whether it is even: VF, or VT without a QRS.

    window of each lead (strip) -> a wave in all of them -> even: tachycardia; uneven: fibrillation

Rules
-----
1. Every lead that shows anything must show a wave, and one surely; a lead without one denies it.
2. Even is a wave that comes back on time in most leads, no faster than 270 bpm: a ventricular
   tachycardia. Flutter that is faster than that is told as fibrillation.
3. Windows are counted: fibrillation is told when it has gone on for four seconds, as the CinC 2015
   definition has it. Behind a tachycardia the window holds its end for a while; that is no wave.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.alarms.window import STEP_NS
from transport.kernel.jit import jit

#: A window whose measure is above it is a wave; a lead below `WAVE_NOT` denies one. Measured: 0.06
#: to 0.48 of generated fibrillation at 12 dB, below -0.05 of generated and recorded beats.
WAVE: Final = 0.05
WAVE_NOT: Final = -0.06
#: mV, top to bottom: less is no wave that could be told from noise.
WAVE_MV: Final = 0.15
FAINT_MV: Final = 0.08
EVEN: Final = 0.9
PERIOD_S: Final = 0.22
#: Windows in a row until uneven waves are fibrillation, and even ones a tachycardia; more, where
#: it was fibrillation before; and of the last, how many may be left of a tachycardia that ended.
UNEVEN_WINDOWS: Final = 8
EVEN_WINDOWS: Final = 2
EVEN_WINDOWS_SURE: Final = 8
LEFT_OF_TACHYCARDIA: Final = 2
#: A window looks like a wave when so much of it is one; an even one needs more.
FIRST_NS: Final = 1_200_000_000
FIRST_EVEN_NS: Final = 3_200_000_000

#: One patient.
FIBRILLATION: Final = np.dtype(
    [
        ("waves", np.int64),  # windows in a row
        ("evens", np.int64),  # of them, in a row, that are even
        ("period", np.float64),  # of an even wave, s; 0: it is not
        ("holds", np.bool_),  # was told a moment ago
    ],
    align=True,
)


@jit
def forget(state: Any) -> None:
    """Begin anew."""
    state["waves"] = state["evens"] = 0
    state["period"] = 0.0
    state["holds"] = False


@jit
def look(state: Any, leads: Any, lead_off: NDArray[np.bool_]) -> None:
    """Count one more window."""
    is_wave = _is_wave(leads, lead_off)
    state["period"] = _period(leads, lead_off)
    is_even = is_wave and state["period"] >= PERIOD_S
    state["waves"] = state["waves"] + 1 if is_wave else 0
    state["evens"] = state["evens"] + 1 if is_even else 0


@jit
def is_uneven(state: Any) -> bool:
    """Tell whether it is fibrillation."""
    return bool(state["waves"] >= UNEVEN_WINDOWS and state["evens"] == 0)


@jit
def began_ns(state: Any, now_ns: int) -> int:
    """Give when waves that have gone on for long enough began; 0: there are none."""
    is_so = state["waves"] >= UNEVEN_WINDOWS
    return int(now_ns - FIRST_NS - (state["waves"] - 1) * STEP_NS) if is_so else 0


@jit
def even_ns(state: Any, now_ns: int) -> int:
    """Give when even waves began; 0: there are none."""
    is_so = state["evens"] >= (EVEN_WINDOWS_SURE if state["holds"] else EVEN_WINDOWS)
    return int(now_ns - FIRST_EVEN_NS - (state["evens"] - 1) * STEP_NS) if is_so else 0


@jit
def is_tachycardia(state: Any) -> None:
    """Note that what is seen now is a tachycardia: windows that hold its end do not count."""
    state["holds"] = False
    if state["evens"] > 0:
        state["waves"] = min(state["waves"], LEFT_OF_TACHYCARDIA)


@jit
def _is_wave(leads: Any, lead_off: NDArray[np.bool_]) -> bool:
    """Tell whether every lead that shows anything shows a wave, and one surely."""
    best = -1.0
    for i in range(leads.shape[0]):
        lead = leads[i]
        if lead_off[i] or not lead["middle"] >= WAVE_MV:
            continue
        if lead["wave"] < WAVE_NOT:
            return False
        best = max(best, lead["wave"])
    return best >= WAVE


@jit
def _period(leads: Any, lead_off: NDArray[np.bool_]) -> float:
    """Give the period of a wave that is even in most leads, s; 0: it is not."""
    shown = even = 0
    longest = 0.0
    for i in range(leads.shape[0]):
        lead = leads[i]
        if lead_off[i] or not lead["middle"] >= WAVE_MV:
            continue
        shown += 1
        if lead["even"] >= EVEN:
            even += 1
            longest = max(longest, lead["period"])
    return longest if 2 * even > shown else 0.0
