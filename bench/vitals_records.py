"""Read recordings to be scored: every `.npz` of a folder.

A file holds `x`, (n,) or (n, leads) with `names`; `fs`, Hz; `units`; and `beats`, the reference's
samples, where somebody marked them. NaN is "no sample". A record without beats is run, not scored.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.feed import names as named
from monitor.messages import Signal

RATE_HZ_MIN, RATE_HZ_MAX = 100.0, 1000.0
OTHER_NAMES = re.compile(r".*(RESP|PLETH|PPG|SPO2|ABP|ART|CVP|PAP|ICP|CO2|E[EMO]G|BP|SCG|PCG).*")
"""What is surely none, where no name is known to be one."""
NOISE_STRESS = re.compile(r"nst_\d+e([_-]?)(\d+)")
"""Records of the noise stress test say how far the noise is below, dB; 118e_6 is -6."""


class RecordFault(ValueError):
    """A file is not a recording as it is expected here."""


class Recording(NamedTuple):
    """A recording's ECG.

    Parameters
    ----------
    name : its file's, without the ending
    leads : as they are called
    x : (leads, n) float32, mV; NaN where there is no sample
    rate_hz : of the samples
    beats_s : reference beats, or None
    pvc_s : those of them that are premature ventricular ones, where that is told
    """

    name: str
    leads: tuple[str, ...]
    x: NDArray[np.float32]
    rate_hz: float
    beats_s: NDArray[np.float64] | None
    pvc_s: NDArray[np.float64] | None = None

    @property
    def lasts_s(self) -> float:
        """Its length."""
        return float(self.x.shape[1] / self.rate_hz)

    @property
    def noise_db(self) -> int | None:
        """How far its noise is below the signal, if it is of a noise stress test."""
        found = NOISE_STRESS.fullmatch(self.name)
        return int(found[2]) * (-1 if found[1] else 1) if found else None


def read_all(folder: Path) -> Iterator[Recording]:
    """Read every recording of a folder, by name.

    Raises
    ------
    RecordFault
        The folder has none, or one is not as expected.
    """
    files = sorted(folder.glob("*.npz"))
    if not files:
        raise RecordFault(f"{folder}: expected recordings as .npz files, found none")
    for file in files:
        yield read(file)


def read(file: Path) -> Recording:
    """Read one recording."""
    try:
        with np.load(file, allow_pickle=False) as data:
            return _recording(file.stem, {name: data[name] for name in data.files})
    except (OSError, ValueError, KeyError) as error:
        raise RecordFault(f"{file}: {error}") from error


def ecg_of(names: Sequence[str]) -> list[int]:
    """Say which of the leads are ECG, by their names; of names that nobody knows, all that may."""
    may = [n for n, name in enumerate(names) if not OTHER_NAMES.fullmatch(name.strip().upper())]
    return named.ecg_of(names) or may


def _recording(name: str, data: dict[str, NDArray[Any]]) -> Recording:
    x = np.atleast_2d(np.asarray(data["x"], np.float32).T)
    rate_hz = float(data["fs"])
    if not RATE_HZ_MIN <= rate_hz <= RATE_HZ_MAX:
        raise RecordFault(f"expected a rate of {RATE_HZ_MIN:g} to {RATE_HZ_MAX:g}, not {rate_hz:g}")
    names = _column(data.get("names"), "ECG", len(x))
    units = _column(data.get("units"), "mV", len(x))
    taken = ecg_of(names)[: named.LEADS_MAX]
    if not taken:
        raise RecordFault(f"expected an ECG lead, found {', '.join(names)}")
    scaled = np.stack(
        [x[lead] * np.float32(named.worth(Signal.ECG_1, units[lead])) for lead in taken]
    )
    beats_s, pvc_s = (_seconds(data.get(key), rate_hz) for key in ("beats", "pvc"))
    return Recording(name, tuple(names[n] for n in taken), scaled, rate_hz, beats_s, pvc_s)


def _seconds(samples: NDArray[Any] | None, rate_hz: float) -> NDArray[np.float64] | None:
    return None if samples is None else np.sort(np.asarray(samples, np.float64)) / rate_hz


def _column(found: NDArray[Any] | None, otherwise: str, n: int) -> list[str]:
    """Take a word for each lead; one word stands for all."""
    words = [otherwise] if found is None else [str(word) for word in np.atleast_1d(found)]
    if len(words) not in (1, n):
        raise RecordFault(f"expected {n} names and units, one for each lead, found {len(words)}")
    return words * n if len(words) == 1 else words
