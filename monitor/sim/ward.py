"""Play signals that are there already into an engine: many patients at once, without a network.

    engine = ward({Signal.ECG_1: x, Signal.PLETH: y})       each (patients, n), at its sensor's rate
    while engine.handle_deadline(engine.next_deadline_ns()): ...

It stands where `monitor.ingest` stands: no packet is late, and a signal that is NaN throughout has
no device. What a network does to samples is tested there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from monitor.engine import OPTIONS, Engine
from monitor.ingest import Ingest
from monitor.messages import Signal
from monitor.rows import ROW
from monitor.vitals.seam import Options

Tracks = Mapping[Signal, NDArray[np.float32]]


class Tape:
    """Hands out what it was given, a tick at a time.

    Attributes
    ----------
    rows : (patients * signals,) ROW: who speaks; all were heard at this tick
    """

    def __init__(self, tracks: Tracks) -> None:
        patients = len(next(iter(tracks.values())))
        self.rows: NDArray[Any] = np.zeros(patients * len(Signal), ROW)
        self._tracks = tracks
        self._at = dict.fromkeys(tracks, 0)
        device = self.rows["device"].reshape(patients, len(Signal))
        for signal, x in tracks.items():
            device[:, signal] = ~np.isnan(x).all(axis=1)

    def settle(self) -> list[int]:
        """Say that no device changed."""
        return []

    def fill(self, first: Signal, rate_hz: float, now_ns: int, out: NDArray[np.float32]) -> None:
        """Give the next samples; NaN beyond the end."""
        self.rows["heard_ns"] = now_ns
        out[:] = np.nan
        for k in range(out.shape[1]):
            x = self._tracks.get(Signal(first + k))
            if x is not None:
                at = self._at[Signal(first + k)]
                part = x[:, at : at + out.shape[2]]
                out[:, k, : part.shape[1]] = part
                self._at[Signal(first + k)] = at + out.shape[2]


def ward(tracks: Tracks, options: Options = OPTIONS, start_ns: int = 0) -> Engine:
    """Make an engine that plays these tracks."""
    patients = len(next(iter(tracks.values())))
    engine = Engine([f"sim/{n}" for n in range(patients)], start_ns, options=options)
    engine.ingest = cast(Ingest, Tape(tracks))
    return engine
