"""Make rows of what was judged: the numbers that claims.toml speaks of.

Claims are limits from above, so what should be large stands here by what is missing of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.alarms_cost import PATIENTS, Cost
from bench.alarms_recordings import Judged
from bench.alarms_rhythms import WANTED, Found, delays
from bench.join import spread
from bench.rows import Row
from monitor.alarms.condition import Condition

C = Condition
#: What a claim speaks of, by the condition that is wanted.
GROUPS: Final[dict[str, tuple[Condition, ...]]] = {
    "asystole": (C.ASYSTOLE,),
    "brady": (C.EXTREME_BRADY,),
    "tachy": (C.EXTREME_TACHY,),
    "vt": (C.VT,),
    "torsades": (C.VT, C.VF),
    "vf": (C.VF,),
}
#: Rows that claims speak of, and the part of the bench that measures them.
PART_OF: Final[dict[str, str]] = {
    **dict.fromkeys(GROUPS, "rhythms"),
    "others": "rhythms",
    "figures": "rhythms",
    "af": "rhythms",
    "recordings": "recordings",
    "cost": "cost",
}


def of_episodes(found: Sequence[Found]) -> list[Row]:
    """Make a row of each kind of episode, and one of every rhythm that is none of them."""
    rows = []
    for name, wanted in GROUPS.items():
        of_it = [one for one in found if WANTED[one.name].conditions == wanted]
        rows.append(_row(name, len(of_it), _told(of_it)))
    others = [one for one in found if not WANTED[one.name].conditions]
    false = sum(len(one.false) for one in others)
    rows.append(_row("others", len(others), {"false_high": float(false)}))
    return rows


def of_noises(found: Sequence[Found]) -> list[Row]:
    """Make a row of each rhythm in each noise at each level, to be read."""
    keys = sorted({(one.name, one.noise, -one.level_db) for one in found})
    rows = []
    for name, noise, level in keys:
        of_it = [
            one for one in found if (one.name, one.noise, -one.level_db) == (name, noise, level)
        ]
        label = f"{name}/{noise}" + (f"-{-level}" if noise != "none" else "")
        rows.append(_row(label, len(of_it), _told(of_it)))
    return rows


def of_figures(found: Mapping[str, Sequence[float]]) -> Row:
    """Make a row of the standard's figures, all gains together."""
    took = np.array([s for each in found.values() for s in each])
    told = took[np.isfinite(took)]
    extra = {"missed": float(len(took) - len(told))}
    return _row("figures", len(took), extra | _times(told))


def of_af(in_af: float, in_others: float, patients: int) -> Row:
    """Make a row of atrial fibrillation: what part of the time it was told."""
    return _row("af", patients, {"untold_part": 1.0 - in_af, "false_part": in_others})


def of_recordings(found: Sequence[Judged]) -> list[Row]:
    """Make a row of all recordings, and one of each."""
    hours = sum(one.lasts_s for one in found) / 3600.0
    high = sum(one.high for one in found)
    worst = max(found, key=lambda one: one.suspended)
    total = {
        "high": float(high),
        "high_per_hour": high / hours,
        "hours": hours,
        "suspended_part_max": worst.suspended,
    }
    each = [
        _row(one.name, len(one.alarms), {"high": float(one.high), "suspended": one.suspended})
        for one in found
    ]
    return [_row("recordings", len(found), total), *each]


def of_cost(cost: Cost) -> Row:
    """Make a row of ticks."""
    row = _row("cost", PATIENTS, {})
    for name, ns in cost._asdict().items():
        times = spread(ns)
        assert times is not None
        row.extra |= {f"{name}_{quantity}_ms": us / 1e3 for quantity, us in times._asdict().items()}
    row.extra["judge_beside_engine"] = float(np.median(cost.judge) / np.median(cost.engine))
    return row


def _told(found: Sequence[Found]) -> dict[str, float]:
    took = delays(found)
    is_wanted = bool(found) and bool(WANTED[found[0].name].conditions)
    extra = {
        "false_high": float(sum(len(one.false) for one in found)),
        "wrong_high": float(sum(len(one.wrong) for one in found)),
        "suspended_s": float(np.mean([one.suspended_s for one in found])) if found else 0.0,
    }
    if is_wanted:
        extra["missed_part"] = 1.0 - len(took) / len(found)
        extra |= _times(took)
    return extra


def _times(took: NDArray[np.float64]) -> dict[str, float]:
    if not len(took):
        return {}
    return {"took_p50_s": float(np.median(took)), "took_max_s": float(took.max())}


def _row(variant: str, n: int, extra: Mapping[str, float]) -> Row:
    return Row(variant=variant, n=n, lost=0, late=0, merged=0, extra=dict(extra))
