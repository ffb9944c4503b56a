"""The constants that decide what is a beat, each with its source; times are samples at 250 Hz.

They are an argument of the kernels, not globals: so a bench or a test can ask what becomes of the
sensor when one of them is a fifth larger.

    Pan & Tompkins, IEEE Trans. Biomed. Eng. 32 (1985)      Hamilton, Computers in Cardiology (2002)
    Li, Mark & Clifford, Physiol. Meas. 29 (2008)           Elgendi, PLoS ONE 8 (2013)
"""

from __future__ import annotations

from typing import Final, NamedTuple

RATE_HZ: Final = 250


class Rules(NamedTuple):
    """Levels are medians of the last eight; see `decision` for how they are used."""

    #: A beat's height on the way from noise to beats; Hamilton: 0.3125 to 0.475.
    threshold: float = 0.4
    #: Nothing within it is a second beat; Pan & Tompkins: 200 ms, just over 300 bpm.
    refractory: int = 48
    #: But what is so much larger is the beat, and what was taken for it was its P wave.
    larger: float = 1.3
    #: No larger value for so long makes a peak: most of the latency is this and the filters' delay.
    confirm: int = 20
    #: Until here after a beat a gentler slope is a T wave; Pan & Tompkins: 360 ms, but the T wave
    #: of a ventricular beat is later.
    t_wave: int = 100
    #: After a longer interval than this T comes later, with its root (Bazett 1920; McSharry 2003),
    #: by three quarters at most.
    t_late: float = 1.2 * RATE_HZ
    t_late_max: float = 1.75
    #: Its slope, of the last beats'; Pan & Tompkins: one half.
    t_slope: float = 0.5
    #: Until here it may also be one by its pitch: so much of the last beat's. Pan & Tompkins: 360
    #: ms; measured: 0.65 at 180 ms beside 100 ms.
    t_soon: int = 90
    t_pitch: float = 0.72
    #: A pause longer than so many R-R intervals is searched; Hamilton: 1.5.
    search: float = 1.5
    #: What is found there needs so much of the threshold; Pan & Tompkins: one half.
    search_threshold: float = 0.5
    #: A lead counts for no more than so many of its own beats: larger is not more of a beat.
    cap: float = 1.5
    #: Power of a channel's separation, 1 - noise / beat, that is its weight.
    weight_power: float = 2.0
    #: Correlation from where on two beats have one shape; measured: 99 % of a patient's are.
    alike: float = 0.85
    #: Thresholds that a piece of a known shape needs, and one that is like none at all.
    known: float = 0.7
    strange: float = 2.5
    #: A strange piece needs more the earlier it comes, so much for each R-R interval.
    early: float = 1.0
    #: But nothing needs more than so many beats' height.
    ceiling: float = 1.2
    #: So much more of either where there is nothing but noise (`crest`): of `threshold`, a beat's
    #: height that is 0.9; tuned on drawn noise, seeds 100 and 101, and on the recordings together.
    noisy: float = 0.5
    search_noisy: float = 0.1
    #: So full may the low band be to be clear, its mean of its maximum; beats: 0.3, noise: 0.52.
    peaked: float = 0.38
    #: So clear must be what looks like a beat, to be one by its low band alone.
    clear: float = 0.3
    #: A beat is early below so many R-R intervals; wide from 120 ms on, of which `width`, from
    #: slope to slope, measures 80.
    premature: float = 0.85
    wide: int = 20
    #: Below this likeness to the commonest shape a wide beat is ventricular, early or not.
    other: float = 0.5
