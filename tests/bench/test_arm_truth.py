"""What must be exact is counted as wrong as soon as it is not."""

from __future__ import annotations

import numpy as np
import pytest

from bench import arm_truth
from teleop.control import kinematics, tremor
from teleop.sim.endoscope.renderer import Renderer


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def test_filters_in_pieces_are_the_same_to_the_last_bit() -> None:
    found = arm_truth.filters(rng(), 1)
    assert found == (len(arm_truth.PERIODS_NS) * arm_truth.STEPS, 0)


def test_a_filter_that_remembers_beside_its_state_is_found(monkeypatch) -> None:
    steady, calls = tremor.steady, []

    def leaky(sections, state, hand, steps, out):
        steady(sections, state, hand, steps, out)
        fresh = not calls or calls[-1] is not state.base
        calls.append(state.base)
        out[0] += 0.0 if fresh else 1e-15

    monkeypatch.setattr(tremor, "steady", leaky)
    assert arm_truth.filters(rng(), 1).wrong > 0


def test_every_pose_is_met() -> None:
    found = arm_truth.round_trips(rng(), 500)
    assert found.poses == (500, 0)
    assert found.worst_m < 1e-9


@pytest.mark.parametrize("off", [2e-6, float("nan")])
def test_a_pose_that_is_missed_or_no_number_is_counted(monkeypatch, off: float) -> None:
    inverse = kinematics.inverse

    def missing(psm, pose, near, out):
        status = inverse(psm, pose, near, out)
        out[2] += off
        return status

    monkeypatch.setattr(kinematics, "inverse", missing)
    assert arm_truth.round_trips(rng(), 50).poses == (50, 50)


def test_labels_are_the_oracles() -> None:
    found = arm_truth.labels(rng(), 1)
    assert found.n == 96 * 54
    assert found.wrong == 0


def test_a_wrong_label_is_counted(monkeypatch) -> None:
    label = Renderer.label

    def spotted(self, kinds, numbers):
        label(self, kinds, numbers)
        kinds[10, 10] += 1
        numbers[20, 20] += 1

    monkeypatch.setattr(Renderer, "label", spotted)
    assert arm_truth.labels(rng(), 1).wrong == 2
