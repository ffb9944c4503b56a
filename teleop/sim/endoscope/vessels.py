"""Grows blood vessels over the tissue: trees whose branches thin as Murray's law says."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transport.kernel.jit import jit


class Habit(NamedTuple):
    """How a kind of vessel grows.

    Parameters
    ----------
    trees : how many roots
    radius, radius_min : at the root, and where a branch ends, m
    wander : standard deviation of the heading's change per step, rad
    fork_chance : per step of `STEP`
    """

    trees: int
    radius: float
    radius_min: float
    wander: float
    fork_chance: float


ARTERIES: Final = Habit(14, 0.00080, 0.00016, 0.10, 0.030)
VEINS: Final = Habit(9, 0.00120, 0.00025, 0.07, 0.022)
STEP: Final = 0.0004  # m
_BRANCHES_MAX = 400  # over all trees of a kind
_STEPS_MAX = 500  # of one branch: 20 cm


class _Bud(NamedTuple):
    x: float
    y: float
    heading: float
    radius: float


def draw(rng: np.random.Generator, size: int, texel: float, habit: Habit) -> NDArray[np.float64]:
    """Return how much of each texel's colour is a vessel's.

    Parameters
    ----------
    size, texel : the (size, size) result's points are `texel` m apart, around the origin
    """
    share = np.zeros((size, size))
    half = (size - 1) / 2.0 * texel
    buds = [_root(rng, half, habit.radius) for _ in range(habit.trees)]
    for _ in range(_BRANCHES_MAX):
        if not buds:
            break
        branch = _grow(rng, buds.pop(), habit, half, buds)
        _stamp(share, branch / texel + (half / texel, half / texel, 0.0))
    return share


def _root(rng: np.random.Generator, half: float, radius: float) -> _Bud:
    # From the wall towards the middle, give or take.
    around = rng.uniform(0.0, 2.0 * math.pi)
    inward = around + math.pi + rng.normal(0.0, 0.5)
    reach = 0.9 * half
    return _Bud(reach * math.cos(around), reach * math.sin(around), inward, radius)


def _grow(
    rng: np.random.Generator, bud: _Bud, habit: Habit, half: float, buds: list[_Bud]
) -> NDArray[np.float64]:
    x, y, heading, radius = bud
    turn, path = 0.0, []
    for _ in range(_STEPS_MAX):
        if radius < habit.radius_min or max(abs(x), abs(y)) > half:
            break
        path.append((x, y, radius))
        turn = 0.85 * turn + rng.normal(0.0, 0.3 * habit.wander)
        heading += turn
        x, y = x + STEP * math.cos(heading), y + STEP * math.sin(heading)
        radius *= 0.9985
        if rng.random() < habit.fork_chance:
            share = rng.uniform(0.15, 0.5)  # of the flow: r^3 is conserved (Murray 1926)
            side = rng.choice((-1.0, 1.0)) * rng.uniform(0.4, 0.9)
            buds.append(_Bud(x, y, heading + side, radius * share ** (1.0 / 3.0)))
            radius *= (1.0 - share) ** (1.0 / 3.0)
            heading -= 0.35 * side
    return np.array(path).reshape(-1, 3)


@jit
def _stamp(share: NDArray[np.float64], path: NDArray[np.float64]) -> None:
    """Draw soft discs along a path.

    Parameters
    ----------
    share : (n, n), drawn into; the larger of old and new stays
    path : (k, 3): column, row, radius, in texels
    """
    size = share.shape[0]
    for k in range(path.shape[0]):
        x, y, radius = path[k, 0], path[k, 1], path[k, 2]
        reach = radius + 1.5
        for row in range(max(0, int(y - reach)), min(size, int(y + reach) + 2)):
            for column in range(max(0, int(x - reach)), min(size, int(x + reach) + 2)):
                distance = math.sqrt((column - x) ** 2 + (row - y) ** 2)
                full = min(1.0, max(0.0, (reach - distance) / 2.0))
                share[row, column] = max(share[row, column], full)
