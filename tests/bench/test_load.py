"""The neighbours really work, on every core, and end by themselves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from bench import load


def times(count: int) -> Callable[[], bool]:
    left = iter([True] * count)
    return lambda: next(left, False)


def test_pictures_move() -> None:
    first, second = load.moving_picture(0), load.moving_picture(1)
    assert first.shape == (load.HEIGHT, load.WIDTH, 3)
    assert first.dtype == np.uint8
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("work", [load.encode, load.multiply])
def test_work_is_done_until_it_is_told_to_end(work: Callable[..., int]) -> None:
    started: list[bool] = []
    assert work(times(3), lambda: started.append(True)) == 3
    assert started == [True]


def test_a_load_process_ends_by_itself() -> None:
    assert load.main(["--kind", "matmul", "--seconds", "0.05"]) == 0
