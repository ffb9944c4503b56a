"""Counts where what must be exact is not: filters in pieces, kinematics there and back, labels.

Pure, and seeded. The pixels' oracle is the tests': plain numpy, rays against solids in W.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from teleop.control import kinematics, pose, tremor
from teleop.control.instrument import LARGE_NEEDLE_DRIVER

Floats = NDArray[np.float64]

PERIODS_NS = (250_000, 1_000_000, 2_000_000, 4_000_000)
ACCURACY_M, ACCURACY_RAD = 1e-6, 1e-6
STEPS = 2_000
"""Poses of a hand in one stream."""
PIECES_MAX = 40
GAP_MAX = 12
"""Most periods between two of them."""


class Count(NamedTuple):
    """How often it was looked, and how often it was wrong."""

    n: int
    wrong: int


class Trip(NamedTuple):
    """The way from a pose to joints and back: how often wrong, and the worst."""

    poses: Count
    worst_m: float
    worst_rad: float


def filters(rng: np.random.Generator, streams: int) -> Count:
    """Run a hand through the tremor filter whole, and in pieces that know only saved bytes."""
    wrong = 0
    for _ in range(streams):
        for period_ns in PERIODS_NS:
            sections = tremor.design(period_ns)
            hands, gaps = _hands(rng), rng.integers(0, GAP_MAX, STEPS)
            whole = _filter(sections, hands, gaps, [0, STEPS])
            cuts = np.sort(rng.choice(STEPS, rng.integers(1, PIECES_MAX), replace=False))
            pieces = _filter(sections, hands, gaps, [0, *cuts.tolist(), STEPS])
            differ = np.any(whole.view(np.uint64) != pieces.view(np.uint64), axis=1)
            wrong += int(differ.sum())
    return Count(streams * len(PERIODS_NS) * STEPS, wrong)


def round_trips(rng: np.random.Generator, n: int) -> Trip:
    """Draw joints from all that an arm can do; go to their poses, to joints, and to poses again."""
    psm = LARGE_NEEDLE_DRIVER
    home, found = np.array([0.0, 0.0, 0.12, 0.0, 0.0, 0.0]), np.zeros(6)
    there, back = np.zeros(7), np.zeros(7)
    wrong, worst_m, worst_rad = 0, 0.0, 0.0
    for q in rng.uniform(psm.lower, psm.upper, (n, 6)):
        kinematics.forward(psm, q, there)
        status = kinematics.inverse(psm, there, home, found)
        kinematics.forward(psm, found, back)
        off_m = math.dist(there[:3], back[:3])
        off_rad = pose.between(there[3:], back[3:])
        met = off_m <= ACCURACY_M and off_rad <= ACCURACY_RAD  # what is no number is not
        wrong += not met or status != 0
        worst_m, worst_rad = max(worst_m, off_m), max(worst_rad, off_rad)
    return Trip(Count(n, wrong), worst_m, worst_rad)


def labels(rng: np.random.Generator, scenes: int) -> Count:
    """Ask of each pixel of random scenes what it shows, and the oracle the same."""
    from teleop.sim.endoscope import bodies, specimen, tissue
    from teleop.sim.endoscope.renderer import Renderer
    from tests.teleop.sim.test_endoscope_labels import SMALL, VIEW, Oracle

    grown = tissue.grow()
    renderer, oracle = Renderer(grown, VIEW, SMALL), Oracle(SMALL, grown.heights)  # type: ignore[no-untyped-call]
    kinds, numbers = renderer.frame.kinds, renderer.frame.numbers
    wrong = 0
    for _ in range(scenes):
        scene = specimen.scene(rng, grown.heights)
        renderer.draw(scene)
        renderer.label(kinds, numbers)
        _, true_kinds, true_numbers = oracle.see(bodies.pose(scene, bodies.empty()))  # type: ignore[no-untyped-call]
        wrong += int(((kinds != true_kinds) | (numbers != true_numbers)).sum())
    return Count(scenes * kinds.size, wrong)


def _hands(rng: np.random.Generator) -> Floats:
    """Draw a hand's walk: positions, and quaternions that turn either way round, (STEPS, 7)."""
    places = np.cumsum(rng.normal(0.0, 0.0003, (STEPS, 3)), axis=0)
    turns = np.cumsum(rng.normal(0.0, 0.02, (STEPS, 4)), axis=0)
    turns[:, 0] += 1.0
    turns /= np.linalg.norm(turns, axis=1, keepdims=True)
    signs = rng.choice((-1.0, 1.0), (STEPS, 1))
    return np.concatenate((places, turns * signs), axis=1)


def _filter(sections: Floats, hands: Floats, gaps: NDArray[np.int64], cuts: list[int]) -> Floats:
    """Filter from cut to cut; from one to the next goes nothing but the state's bytes."""
    out = np.zeros_like(hands)
    state = np.zeros((tremor.CHANNELS, tremor.COLUMNS))
    tremor.prime(state, hands[0])
    saved = state.tobytes()
    for start, end in pairwise(cuts):
        state = np.frombuffer(saved).reshape(state.shape).copy()
        for n in range(start, end):
            tremor.steady(sections, state, hands[n], int(gaps[n]), out[n])
        saved = state.tobytes()
    return out
