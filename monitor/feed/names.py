"""Tell by a channel's name which signal of a patient it is, and by its unit what it is worth.

Names are as recordings have them: MIT-BIH's MLII, a polygraph's "ECG II", a monitor's PLETH. A name
that nobody knows is no signal: what is played into a monitor is not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from monitor.messages import Signal

LEADS_MAX: Final = 3
"""Leads that a patient's sensor takes."""

_ECG: Final = re.compile(
    r"((ECG|EKG|M|ML)[\s_-]*)?(I{1,3}|[AM]V[RLF]|V[1-6]R?|V|MCL\s?-?[1-6]?)"
    r"|(ECG|EKG)[\s_]?\d*|C[CM]\d|D\d|V\d-V\d"
)
_OTHERS: Final[tuple[tuple[re.Pattern[str], Signal], ...]] = (
    (re.compile(r"(PLETH|PPG|SPO2 ?WAVE|IR|INFRARED).*"), Signal.PLETH),
    (re.compile(r"RED( ?LIGHT)?"), Signal.RED),
    (re.compile(r"(ABP|ART|IBP|ARTERIAL).*"), Signal.ABP),
    (re.compile(r"(RESP|IMP|THORA|CHEST).*"), Signal.RESP),
)
_MV: Final = {"": 1.0, "mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "v": 1e3}
_MMHG: Final = {"": 1.0, "mmhg": 1.0, "kpa": 7.50062, "hpa": 0.750062, "pa": 7.50062e-3}


class UnitFault(ValueError):
    """A unit that is not one of this signal."""


def ecg_of(names: Sequence[str]) -> list[int]:
    """Say which channels are ECG leads, by their names."""
    return [n for n, name in enumerate(names) if _ECG.fullmatch(_plain(name))]


def signals_of(names: Sequence[str]) -> dict[int, Signal]:
    """Say which channel is which signal; of several of one kind the first, of ECG three."""
    found = {n: Signal(lead) for lead, n in enumerate(ecg_of(names)[:LEADS_MAX])}
    for n, name in enumerate(names):
        for pattern, signal in _OTHERS:
            if n not in found and signal not in found.values() and pattern.fullmatch(_plain(name)):
                found[n] = signal
    return found


def worth(signal: Signal, unit: str) -> float:
    """Return the factor that brings a channel to the monitor's unit: mV, mmHg, or as it comes.

    Raises
    ------
    UnitFault
        It is no unit of this signal.
    """
    plain = unit.strip().lower()
    table = _MMHG if signal is Signal.ABP else _MV if signal <= Signal.ECG_3 else None
    if table is None:
        return 1.0
    if plain not in table:
        expected = ", ".join(name for name in table if name)
        raise UnitFault(f"expected {expected} of {signal.name}, found {unit!r}")
    return table[plain]


def _plain(name: str) -> str:
    return name.strip().upper()
