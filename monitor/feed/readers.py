"""Read a recording: a row a kind of file, each by the library that knows it.

    .edf, .bdf   edfio; ordinary and extra signals, at their own rates; annotations are not played
    .hea, .dat   wfdb; or the record's name without an ending; signals at their own rates
    .csv, .txt   a line of names, `ECG II (mV)` with the unit in brackets; a column named `t`,
                 `time` or `s` holds seconds; without one the rate must be said; empty is no sample
    .npz         numpy: `x` (n,) or (n, channels) with `names`, `fs`, `units`
    sim:NAME     no file: a generated patient, by a script of `monitor.sim`

edfio and wfdb come with trocar's extra `records`; the others need nothing.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.feed.recording import Channel, FeedFault
from monitor.sim.patient import ABP_HZ, PLETH_HZ, RESP_HZ, Patient, make
from monitor.sim.scripts import SCRIPTS

RATE_HZ_MIN, RATE_HZ_MAX = 1.0, 100_000.0
SAMPLES_MAX: Final = 400_000_000
"""Of all channels: a day of eight at 500 Hz."""
CHANNELS_MAX: Final = 256
GENERATED: Final = "sim:"
GENERATED_SEED: Final = 7
CSV_LINES_MAX: Final = 50_000_000
_TIME: Final = ("t", "time", "s", "seconds", "time_s")
_UNIT: Final = re.compile(r"(?P<name>.*?)\s*[\[(](?P<unit>[^\])]*)[\])]\s*")

Reader = Callable[[Path, float | None], list[Channel]]


def read(file: Path, rate_hz: float | None = None) -> list[Channel]:
    """Read a recording.

    Parameters
    ----------
    rate_hz
        Of a CSV without a column of time; None: it has one.

    Raises
    ------
    FeedFault
        There is no such file, or it is not what its ending says; with what was expected.
    """
    if file.name.startswith(GENERATED):
        return _generated(file.name.removeprefix(GENERATED))
    reader = READERS.get(file.suffix.lower())
    if reader is None and file.with_suffix(".hea").is_file():
        reader = _wfdb
    if reader is None:
        kinds = ", ".join(READERS)
        raise FeedFault(f"{file}: expected a recording ({kinds}, or the name of a WFDB record)")
    if file.suffix.lower() in READERS and not file.is_file():
        raise FeedFault(f"{file}: no such file")
    try:
        channels = reader(file, rate_hz)
    except ImportError as error:
        raise FeedFault(f"{file}: {error.name} is not installed: trocar[records] has it") from error
    except FeedFault as fault:
        raise FeedFault(f"{file}: {fault}") from fault
    except Exception as error:  # whatever a library makes of a broken file
        raise FeedFault(f"{file}: {type(error).__name__}: {error}") from error
    return _judged(file, channels)


def _generated(name: str) -> list[Channel]:
    script = SCRIPTS.get(name)
    if script is None:
        raise FeedFault(f"{GENERATED}{name}: expected a script: {', '.join(sorted(SCRIPTS))}")
    return channels_of(make(script, GENERATED_SEED))


def channels_of(patient: Patient) -> list[Channel]:
    """Lay a generated patient out as a recording."""
    ecg = [
        Channel(lead, "mV", patient.ecg_hz, patient.ecg[n]) for n, lead in enumerate(patient.leads)
    ]
    return [
        *ecg,
        Channel("PLETH", "", PLETH_HZ, patient.pleth),
        Channel("RED", "", PLETH_HZ, patient.red),
        Channel("ABP", "mmHg", ABP_HZ, patient.abp),
        Channel("RESP", "Ohm", RESP_HZ, patient.resp),
    ]


def _edf(file: Path, _: float | None) -> list[Channel]:
    import edfio

    opened = edfio.read_bdf(file) if file.suffix.lower() == ".bdf" else edfio.read_edf(file)
    return [
        Channel(one.label, one.physical_dimension, float(one.sampling_frequency), _f32(one.data))
        for one in opened.signals
    ]


def _wfdb(file: Path, _: float | None) -> list[Channel]:
    import wfdb

    name = str(file.with_suffix("") if file.suffix.lower() in (".hea", ".dat") else file)
    record = wfdb.rdrecord(name, smooth_frames=False)
    frames = record.samps_per_frame or [1] * record.n_sig
    signals = record.e_p_signal
    return [
        Channel(record.sig_name[n], record.units[n], float(record.fs) * frames[n], _f32(signals[n]))
        for n in range(record.n_sig)
    ]


def _csv(file: Path, rate_hz: float | None) -> list[Channel]:
    with file.open(newline="", encoding="utf-8-sig", errors="strict") as text:
        sample = text.read(4096)
        text.seek(0)
        delimiter = max(",;\t", key=sample.count)
        lines = csv.reader(text, delimiter=delimiter)
        heads = next(lines, [])
        if not heads or all(_is_number(head) for head in heads):
            raise FeedFault("expected a first line of names, such as `t,ECG II (mV),PLETH`")
        columns = _columns(islice(lines, CSV_LINES_MAX), len(heads))
    names, units = zip(*(_name_and_unit(head) for head in heads), strict=True)
    clock = next((n for n, name in enumerate(names) if name.lower() in _TIME), None)
    if clock is not None:
        rate_hz = rate_hz or _rate_of(columns[clock])
    if rate_hz is None:
        raise FeedFault("expected a column `t` in seconds, or --rate; found neither")
    return [
        Channel(names[n], units[n], rate_hz, _f32(columns[n]))
        for n in range(len(heads))
        if n != clock
    ]


def _npz(file: Path, _: float | None) -> list[Channel]:
    with np.load(file, allow_pickle=False) as data:
        lacks = [name for name in ("x", "fs") if name not in data.files]
        if lacks:
            raise FeedFault(f"expected x and fs, found {', '.join(data.files)}")
        x = np.atleast_2d(np.asarray(data["x"], np.float32).T)
        names = _words(data, "names", "ECG", len(x))
        units = _words(data, "units", "", len(x))
        rate_hz = float(data["fs"])
    return [Channel(names[n], units[n], rate_hz, _f32(x[n])) for n in range(len(x))]


READERS: Final[dict[str, Reader]] = {
    ".edf": _edf,
    ".bdf": _edf,
    ".hea": _wfdb,
    ".dat": _wfdb,
    ".csv": _csv,
    ".txt": _csv,
    ".npz": _npz,
}


def _judged(file: Path, channels: list[Channel]) -> list[Channel]:
    """Refuse what would be no recording, or more than fits."""
    channels = [channel for channel in channels if len(channel.x)]
    if not channels:
        raise FeedFault(f"{file}: expected samples, found none")
    if len(channels) > CHANNELS_MAX or sum(len(one.x) for one in channels) > SAMPLES_MAX:
        raise FeedFault(f"{file}: expected at most {CHANNELS_MAX} channels, {SAMPLES_MAX} samples")
    for channel in channels:
        if not RATE_HZ_MIN <= channel.rate_hz <= RATE_HZ_MAX:
            raise FeedFault(
                f"{file}: {channel.name}: expected a rate of {RATE_HZ_MIN:g} to {RATE_HZ_MAX:g} Hz,"
                f" found {channel.rate_hz:g}"
            )
    return channels


def _columns(lines: Iterable[list[str]], width: int) -> NDArray[np.float64]:
    """Read numbers; what is empty, or says nan or -, is no sample."""
    rows: list[list[float]] = []
    for number, line in enumerate(lines, 2):
        if not line:
            continue
        if len(line) != width:
            raise FeedFault(f"line {number}: expected {width} values, found {len(line)}")
        try:
            rows.append([float(cell) if cell.strip(" -") else np.nan for cell in line])
        except ValueError as error:
            raise FeedFault(f"line {number}: expected numbers: {error}") from None
    return np.array(rows, np.float64).reshape(-1, width).T


def _rate_of(t_s: NDArray[np.float64]) -> float:
    """Find the rate of a column of time, in s, that advances evenly."""
    steps = np.diff(t_s)
    if not len(steps) or not np.isfinite(steps).all() or (steps <= 0.0).any():
        raise FeedFault("expected a column of time in seconds that advances with each line")
    step_s = float(t_s[-1] - t_s[0]) / len(steps)
    uneven = float(np.abs(steps - step_s).max())
    if uneven > 0.5 * step_s:
        raise FeedFault(f"expected steps of time of {step_s:.6g} s, found one {uneven:.3g} s off")
    rate_hz = 1.0 / step_s
    whole = round(rate_hz * 2.0) / 2.0
    return whole if abs(rate_hz - whole) < 2e-3 * rate_hz else rate_hz


def _name_and_unit(head: str) -> tuple[str, str]:
    found = _UNIT.fullmatch(head)
    return (found["name"], found["unit"]) if found else (head.strip(), "")


def _words(data: Any, key: str, otherwise: str, n: int) -> list[str]:
    words = [str(word) for word in np.atleast_1d(data[key])] if key in data.files else [otherwise]
    if len(words) not in (1, n):
        raise FeedFault(f"expected {n} {key}, one for each channel, found {len(words)}")
    return words * n if len(words) == 1 else words


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _f32(x: Any) -> NDArray[np.float32]:
    return np.ascontiguousarray(x, np.float32)
