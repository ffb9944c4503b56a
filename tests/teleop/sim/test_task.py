"""Peg transfer is judged by where the objects truly are: lifted, placed, dropped, taken back."""

import numpy as np
import pytest

from safety.profile import MS
from teleop.sim import world
from teleop.sim.task import LIFT_M, REST_NS, PegTransfer, Place

T0 = 5_000_000_000
LEFT = range(6)
RIGHT = range(6, 12)


class Board:
    """Six objects on the left pegs, and hands that put them anywhere."""

    def __init__(self):
        self.objects = np.zeros((world.OBJECTS, 7))
        self.objects[:, 3] = 1.0
        for number in LEFT:
            self.objects[number, :3] = (*world.PEGS[number], 0.002)
        self.task = PegTransfer(self.objects)
        self.now_ns = T0

    def wait(self, ms):
        for _ in range(ms // 10):
            self.now_ns += 10 * MS
            self.task.see(self.objects, self.now_ns)

    def lift(self, number, z=0.03):
        self.objects[number, 2] = z
        self.wait(10)

    def lay(self, number, x, y, z=0.002):
        self.objects[number, :3] = x, y, z
        self.wait(REST_NS // MS + 20)

    def transfer(self, number, peg):
        self.lift(number)
        self.lay(number, *world.PEGS[peg])

    @property
    def score(self):
        return self.task.score(self.now_ns)


@pytest.fixture
def board():
    return Board()


def test_the_time_starts_with_the_first_lift(board):
    board.wait(1000)
    assert board.score == (0, 0, 0)
    board.lift(2)
    board.wait(500)
    assert board.score == (0, 0, 500 * MS)


def test_what_lies_around_a_peg_of_the_other_side_counts_once_it_rests(board):
    board.lift(0)
    board.objects[0, :3] = (*world.PEGS[7], 0.002)
    board.wait(100)
    assert board.score.placed == 0
    board.wait(200)
    assert board.score.placed == 1
    assert board.task.places[0] is Place.PLACED


def test_an_object_that_is_held_still_above_a_peg_is_not_placed(board):
    board.lift(0)
    board.objects[0, :2] = world.PEGS[7]
    board.wait(1000)
    assert board.score.placed == 0


def test_an_object_beside_a_peg_is_a_drop_and_may_be_taken_up_again(board):
    board.lift(0)
    board.lay(0, 0.0, 0.0)
    assert board.score.dropped == 1
    board.wait(500)
    assert board.score.dropped == 1
    board.transfer(0, 6)
    assert (board.score.placed, board.score.dropped) == (1, 1)


def test_laid_back_on_its_own_side_it_is_neither(board):
    board.lift(0)
    board.lay(0, *world.PEGS[1])
    assert board.score[:2] == (0, 0)


def test_what_is_taken_back_counts_no_longer(board):
    board.transfer(0, 6)
    board.lift(0)
    assert board.score.placed == 0
    board.lay(0, *world.PEGS[0])
    assert board.score.placed == 0


def test_an_object_that_is_nudged_is_not_lifted(board):
    board.objects[0, 2] += 0.9 * LIFT_M
    board.wait(100)
    assert board.task.places[0] is Place.RESTING
    assert board.score.since_ns == 0


def test_the_time_stands_once_everything_is_placed(board):
    for number, peg in zip(LEFT, RIGHT, strict=True):
        board.transfer(number, peg)
    done = board.score
    assert done.placed == 6
    board.wait(1000)
    assert board.score == done
