"""Scripts by name: what a monitor is shown; the rows of IEC 60601-2-27, and what it must survive.

Of the standard's figures only what `monitor.sim.rhythms` says is the standard's. Lead II is 1 mV
high, and 2 mV for figure 4b, at the gain of 1; "h" and "d" are half and twice of it, as monitors'
manuals call them.
"""

from __future__ import annotations

from typing import Final

from monitor.sim.defects import Defect, Spoiled
from monitor.sim.patient import Episode, Heard, Pace, Script
from monitor.sim.pulses import Body

MINUTE_S: Final = 60.0
NOISES_DB: Final = (24, 18, 12, 6, 0, -6)
VT_GAIN: Final[dict[int, float]] = {206: 0.958, 195: 0.955}
"""That makes lead II 1 mV from top to bottom at these rates; a test measures it."""


def _for_a_minute(rhythm: str, rate_bpm: float | None = None, gain: float = 1.0) -> Script:
    return Script((Episode(rhythm, MINUTE_S, rate_bpm, gain),), exact=True)


def _after_sinus(rhythm: str, gain: float = 1.0, lasts_s: float = 30.0) -> Script:
    begin, end = Episode("sinus", MINUTE_S), Episode("sinus", MINUTE_S)
    return Script((begin, Episode(rhythm, lasts_s, None, gain), end))


def _tachycardia(bpm: int, height_mv: float) -> Script:
    return _after_sinus(f"tachycardia-{bpm}", VT_GAIN[bpm] * height_mv)._replace(exact=True)


def _step(to_bpm: float) -> Script:
    return Script(
        (Episode("steady", MINUTE_S, 80.0), Episode("steady", MINUTE_S, to_bpm)), exact=True
    )


def _noisy(snr_db: float) -> Script:
    kinds = ("electrode", "muscle", "baseline")
    return Script((Episode("ectopic", 5.0 * MINUTE_S),), heard=(Heard(kinds, snr_db),))


def _paced(height_mv: float, width_ms: float) -> Script:
    return Script((Episode("paced", MINUTE_S),), pace=Pace(height_mv, width_ms))


def _spoiled(defect: Defect, lead: int = -1) -> Script:
    return Script((Episode("sinus", 2 * MINUTE_S),), spoiled=(Spoiled(defect, 40.0, 55.0, lead),))


#: The rates that a monitor must show: figures 201.101 a to d; bpm.
IRREGULAR_BPM: Final[dict[str, float]] = {
    "bigeminy-80": 80.0,
    "slow-alternating-60": 60.0,
    "rapid-alternating-120": 120.0,
    "bidirectional-90": 90.0,
}
STEPS_BPM: Final[dict[str, float]] = {"step-80-120": 120.0, "step-80-40": 40.0}
STEP_AT_S: Final = MINUTE_S
REGULAR_BPM: Final = (15, 20, 30, 40, 60, 80, 100, 120, 150, 180, 200, 240, 300)

SCRIPTS: Final[dict[str, Script]] = {
    **{name: _for_a_minute(name) for name in IRREGULAR_BPM},
    **{name: _step(bpm) for name, bpm in STEPS_BPM.items()},
    **{f"steady-{bpm}": _for_a_minute("steady", float(bpm)) for bpm in REGULAR_BPM},
    "tall-t": _for_a_minute("tall-t"),
    **{
        f"tachycardia-{bpm}{letter}": _tachycardia(bpm, mv * times)
        for bpm, mv in ((206, 1.0), (195, 2.0))
        for letter, times in (("h", 0.5), ("", 1.0), ("d", 2.0))
    },
    **{
        name: _after_sinus(name)
        for name in (
            "torsades",
            "ventricular-fibrillation",
            "asystole",
            "extreme-bradycardia",
            "extreme-tachycardia",
        )
    },
    "sinus": Script((Episode("sinus", 5 * MINUTE_S),)),
    "ectopic": Script((Episode("ectopic", 5 * MINUTE_S),)),
    "bigeminy": Script((Episode("bigeminy", 5 * MINUTE_S),)),
    "atrial-fibrillation": Script((Episode("atrial-fibrillation", 5 * MINUTE_S),)),
    **{f"noise-{db}": _noisy(db) for db in NOISES_DB},
    "mains-50": Script((Episode("sinus", MINUTE_S),), heard=(Heard(("mains-50",), 6.0),)),
    "mains-60": Script((Episode("sinus", MINUTE_S),), heard=(Heard(("mains-60",), 6.0),)),
    "apnoea": Script((Episode("sinus", 2 * MINUTE_S),), Body(apnoea_s=((60.0, 90.0),))),
    "desaturated": Script((Episode("sinus", MINUTE_S),), Body(spo2_percent=82.0)),
    **{
        f"paced-{height_mv}mv-{width_ms}ms": _paced(height_mv, width_ms)
        for height_mv in (-700, -2, 2, 700)
        for width_ms in (0.1, 2)
    },
    **{defect.name.lower(): _spoiled(defect) for defect in Defect},
    "one-lead-off": _spoiled(Defect.ZERO, 0),
}
