"""Detectors of beats that others made, to be measured against: one row a peer, all of one shape.

They take a whole record of one lead and look at all of it: none is causal, none keeps a state. A
sample that is missing is drawn as a line between its neighbours, for they do not take NaN.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float64]
"""mV, one lead, no NaN."""


class Peer(NamedTuple):
    """A detector.

    Parameters
    ----------
    package : that must be installed
    detect : (x, rate_hz) -> sample indices, ascending
    """

    package: str
    detect: Callable[[Signal, float], NDArray[np.int64]]


class PeerFailedError(RuntimeError):
    """A peer raised an error over a record."""


def detect(peer: Peer, x: NDArray[np.float32], rate_hz: float) -> NDArray[np.float64]:
    """Let a peer find the beats of a lead, s.

    Raises
    ------
    PeerFailedError
        It raised an error.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = peer.detect(whole(x), rate_hz)
    except Exception as error:  # anything of theirs; ours goes on
        raise PeerFailedError(f"{type(error).__name__}: {error}") from error
    return np.sort(np.asarray(found, np.float64).ravel()) / rate_hz


def whole(x: NDArray[np.float32]) -> Signal:
    """Draw a line through what is missing; a lead that is missing whole is zero."""
    there = np.flatnonzero(np.isfinite(x))
    if not len(there):
        return np.zeros(len(x))
    return np.interp(np.arange(len(x)), there, x[there].astype(np.float64))


def installed() -> dict[str, Peer]:
    """Return the peers that are here, by name."""
    return {name: peer for name, peer in PEERS.items() if importlib.util.find_spec(peer.package)}


def _sleepecg(x: Signal, rate_hz: float) -> Any:
    from sleepecg.heartbeats import detect_heartbeats

    return detect_heartbeats(x, rate_hz)


def _xqrs(x: Signal, rate_hz: float) -> Any:
    from wfdb import processing

    return processing.xqrs_detect(x, rate_hz, verbose=False)


def _gqrs(x: Signal, rate_hz: float) -> Any:
    from wfdb import processing

    return processing.gqrs_detect(x, rate_hz)


def _neurokit(cleaning: str, finding: str, x: Signal, rate_hz: float) -> Any:
    import neurokit2

    rate = round(rate_hz)
    cleaned = neurokit2.ecg_clean(x, rate, method=cleaning)
    return neurokit2.ecg_findpeaks(cleaned, rate, method=finding)["ECG_R_Peaks"]


PEERS: Final[dict[str, Peer]] = {
    "sleepecg": Peer("sleepecg", _sleepecg),
    "wfdb-gqrs": Peer("wfdb", _gqrs),
    "wfdb-xqrs": Peer("wfdb", _xqrs),
    "nk-neurokit": Peer("neurokit2", partial(_neurokit, "neurokit", "neurokit")),
    "nk-pantompkins": Peer("neurokit2", partial(_neurokit, "pantompkins1985", "pantompkins1985")),
    "nk-hamilton": Peer("neurokit2", partial(_neurokit, "hamilton2002", "hamilton2002")),
    "nk-elgendi": Peer("neurokit2", partial(_neurokit, "elgendi2010", "elgendi2010")),
    "nk-rodrigues": Peer("neurokit2", partial(_neurokit, "neurokit", "rodrigues2021")),
}
