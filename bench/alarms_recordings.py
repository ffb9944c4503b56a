"""Judge recordings of real patients, whole, and tell every alarm: nobody says what is true.

Each file of a folder that `monitor.feed` reads is played with all its signals, as a bed of one
ward; the ward ends with its longest, and of each only its own length counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.alarms_rhythms import Told, held_s, watch
from monitor.alarms.condition import CONDITIONS, Condition, Priority
from monitor.dsp.resample import Resampler
from monitor.feed.player import SENSOR_HZ, tracks_of
from monitor.feed.readers import READERS, read
from monitor.feed.recording import FeedFault
from monitor.messages import Signal

#: Recordings that are judged side by side.
WARD_MAX: Final = 24
#: Files that belong to another one, or to none.
_NOT: Final = (".dat", ".txt")

Say = Callable[[str], None]


class Alarm(NamedTuple):
    """A condition that came to hold.

    Parameters
    ----------
    record : its name
    t_s, onset_s : when it was told, and when it began, in the recording
    code : name of the condition
    priority : its name
    lasted_s : until it held no more, or the recording ended
    """

    record: str
    t_s: float
    onset_s: float
    code: str
    priority: str
    lasted_s: float


class Judged(NamedTuple):
    """A recording, judged.

    Parameters
    ----------
    lasts_s : of it
    suspended : part of its time that the ECG was not judged
    alarms : all
    """

    name: str
    lasts_s: float
    suspended: float
    alarms: list[Alarm]

    @property
    def high(self) -> int:
        """Alarms for which somebody must come at once."""
        return sum(alarm.priority == Priority.HIGH.name for alarm in self.alarms)


class _Loaded(NamedTuple):
    name: str
    tracks: dict[Signal, NDArray[np.float32]]
    lasts_s: float


def judged(folder: Path, say: Say) -> list[Judged]:
    """Judge every recording of a folder.

    Raises
    ------
    FeedFault
        There is none, or one is not as expected.
    """
    files = sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in READERS and file.suffix.lower() not in _NOT
    )
    if not files:
        raise FeedFault(f"{folder}: expected recordings ({', '.join(READERS)}), found none")
    found: list[Judged] = []
    for first in range(0, len(files), WARD_MAX):
        part = files[first : first + WARD_MAX]
        say(f"recordings: {first + len(part)} of {len(files)}")
        loaded = [_load(file) for file in part]
        told = watch(_beside(loaded), max(one.lasts_s for one in loaded))
        found += [_judged(one, changes) for one, changes in zip(loaded, told, strict=True)]
    return found


def _load(file: Path) -> _Loaded:
    tracks: dict[Signal, NDArray[np.float32]] = {}
    for track in tracks_of(read(file)):
        wanted_hz = SENSOR_HZ[track.signal]
        x = track.x
        if track.rate_hz != wanted_hz:
            resampler = Resampler(1, track.rate_hz, wanted_hz)
            x = resampler.step(np.ascontiguousarray(x[None], np.float32))[0]
        tracks[track.signal] = x
    lasts_s = min(len(x) / SENSOR_HZ[signal] for signal, x in tracks.items())
    return _Loaded(file.stem, tracks, lasts_s)


def _beside(loaded: Sequence[_Loaded]) -> dict[Signal, NDArray[np.float32]]:
    """Lay recordings of different lengths side by side; what one lacks is NaN."""
    signals = sorted(set().union(*(one.tracks for one in loaded)))
    laid: dict[Signal, NDArray[np.float32]] = {}
    for signal in signals:
        longest = max(len(one.tracks[signal]) for one in loaded if signal in one.tracks)
        rows = np.full((len(loaded), longest), np.nan, np.float32)
        for row, one in zip(rows, loaded, strict=True):
            x = one.tracks.get(signal)
            if x is not None:
                row[: len(x)] = x
        laid[signal] = rows
    return laid


def _judged(one: _Loaded, changes: Sequence[Told]) -> Judged:
    own = [change for change in changes if change.t_s <= one.lasts_s]
    alarms = [_alarm(one, own, k) for k, change in enumerate(own) if change.holds]
    suspended_s = held_s(own, Condition.ECG_SUSPENDED, one.lasts_s)
    return Judged(one.name, one.lasts_s, suspended_s / one.lasts_s, alarms)


def _alarm(one: _Loaded, changes: Sequence[Told], k: int) -> Alarm:
    begun = changes[k]
    same = (change for change in changes[k + 1 :] if change.condition is begun.condition)
    end = next(same, None)
    return Alarm(
        one.name,
        round(begun.t_s, 2),
        round(begun.onset_s, 2),
        begun.condition.name,
        CONDITIONS[begun.condition].priority.name,
        round((one.lasts_s if end is None else end.t_s) - begun.t_s, 2),
    )
