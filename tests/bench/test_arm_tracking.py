"""A tip that follows as it is stated has no error; one that does not is told by how much."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest

from bench.arm_record import Floats, Motion, Path
from bench.arm_tracking import (
    delay_between,
    error,
    fitted_delay_s,
    group_delay_s,
    releases,
    script_at,
    tone,
    whole,
)
from bench.readings import Window
from safety.profile import MS
from teleop.console.script import CHORD_HZ, figure8, stations
from teleop.control import tremor

T0 = 7_000_000 * MS
WINDOW = Window(T0 + 1000 * MS, T0 + 5000 * MS)
DELAY_S = 0.0034
S = 1e-9
STILL_MS = 200
PLACE = np.array([0.03, -0.02, 0.05])


def moving(offset_ns: int, delay_s: float, count: int = 5500, period_ns: int = MS) -> Path:
    """A figure of eight that begins `STILL_MS` after T0, and is late."""
    t_ns = T0 + offset_ns + np.arange(count) * period_ns
    since = (t_ns - T0 - STILL_MS * MS) * S - delay_s
    return Path(t_ns, np.array([figure8(max(0.0, t)) for t in since]))


def motion(tip: Path, hand: Path | None = None, clutch_id: Floats | None = None) -> Motion:
    hand = moving(0, 0.0) if hand is None else hand
    return Motion(
        hand=hand,
        tip=Path(tip.t_ns, tip.at_m + PLACE),
        clutch_id=np.ones(len(hand.t_ns), np.int64) if clutch_id is None else clutch_id,
        latency_ns=np.array([400_000, 500_000, 900_000]),
        window=WINDOW,
        filter_s=0.0,
        rate=1.0,
        falls=0,
        lost=0,
    )


# The stated delay --------------------------------------------------------------------------------


def test_a_tip_that_is_late_by_what_is_stated_has_no_error_wherever_it_is() -> None:
    found = error(motion(moving(300_000, DELAY_S)), 1.0, DELAY_S)
    assert found.max_m < 2e-7, "lines between records cut the curve by that"


def test_a_delay_that_is_not_stated_is_an_error_and_no_fit_hides_it() -> None:
    late = motion(moving(300_000, DELAY_S + 0.005))
    found = error(late, 1.0, DELAY_S)
    assert found.rms_m == pytest.approx(0.005 * 0.0314, rel=0.1)
    assert fitted_delay_s(late, 1.0, DELAY_S) == pytest.approx(DELAY_S + 0.005, abs=1e-5)
    assert error(late, 1.0, DELAY_S + 0.005).rms_m < 2e-7


def test_an_offset_after_the_first_reference_is_an_error_too() -> None:
    tip = moving(0, DELAY_S)
    tip.at_m[2000:] += (0.0, 0.0003, 0.0)
    assert error(motion(tip), 1.0, DELAY_S).max_m == pytest.approx(0.0003, rel=1e-2)


def test_the_scale_is_the_hands() -> None:
    tip = moving(0, DELAY_S)
    half = motion(Path(tip.t_ns, tip.at_m * 0.5))
    assert error(half, 0.5, DELAY_S).max_m < 2e-7
    assert error(half, 1.0, DELAY_S).max_m > 0.004


def test_the_script_counts_from_the_last_reading_at_rest() -> None:
    assert motion(moving(0, 0.0)).start_ns == T0 + STILL_MS * MS
    assert motion(moving(0, 0.0)).latency_s == pytest.approx(0.0005)


# Tones -------------------------------------------------------------------------------------------


def shaken(hz: float, size_m: float, lag_s: float = 0.0, rate: float = 1.0) -> Path:
    t_ns = T0 + np.arange(6100) * MS
    phase = math.tau * hz * ((t_ns - T0) * S * rate - lag_s)
    figure = script_at(figure8, t_ns - T0, rate)
    return Path(t_ns, figure + size_m * np.stack((np.sin(phase), 0 * phase, 0 * phase), 1))


@pytest.mark.parametrize("hz", [6.0, 9.0, 14.0])
def test_a_tremor_is_found_beside_the_figure_whatever_the_clocks_rate(hz: float) -> None:
    rate = 1.0002
    path = whole(shaken(hz, 5e-5, rate=rate), T0, T0 + 6050 * MS, 2.0, rate)
    known = script_at(figure8, path.t_ns - T0, rate)
    for found in (tone(path, T0, hz, rate), tone(path, T0, hz, rate, known)):
        assert found.size_m == pytest.approx(5e-5, rel=1e-2)
    assert tone(path, T0, hz, rate, known).size_m == pytest.approx(5e-5, rel=1e-3)


def test_a_path_without_tremor_has_none() -> None:
    path = whole(shaken(9.0, 0.0), T0, T0 + 6050 * MS, 2.0)
    assert tone(path, T0, 9.0).size_m < 2e-8


def test_the_delay_between_two_tones_is_what_it_is() -> None:
    before, after = (
        tone(whole(shaken(1.5, 1e-3, lag), T0, T0 + 4050 * MS, 2.0), T0, 1.5)
        for lag in (0.003, 0.027)
    )
    assert delay_between(before, after) == pytest.approx(0.024, abs=1e-5)


def test_a_group_delay_is_the_slope_of_the_filters_own_phases() -> None:
    period_ns = 1_000_000
    sections = tremor.design(period_ns)

    def delay_s(hz: float) -> float:
        z = cmath.exp(-1j * math.tau * hz * period_ns * 1e-9)
        gain = 1.0 + 0.0j
        for b0, b1, b2, a1, a2 in sections.tolist():
            gain *= (b0 + (b1 + b2 * z) * z) / (1.0 + (a1 + a2 * z) * z)
        return -cmath.phase(gain) / (math.tau * hz)

    found = group_delay_s(CHORD_HZ, [delay_s(hz) for hz in CHORD_HZ], 1.0)
    assert found == pytest.approx(tremor.delay_us(sections, period_ns) * 1e-6, abs=6e-5)
    assert group_delay_s(CHORD_HZ, [0.01] * len(CHORD_HZ), 1.0) == pytest.approx(0.01)


def test_whole_periods_are_cut_by_the_scripts_clock() -> None:
    path = whole(shaken(9.0, 0.0), T0, T0 + 5999 * MS, 2.0)
    assert (path.t_ns[-1] - path.t_ns[0]) * S == pytest.approx(3.999)


# Releases ----------------------------------------------------------------------------------------


def clutched(jump_m: float) -> Motion:
    """A hand that goes from station to station; its tip stays behind while the clutch is open."""
    t_ns = T0 + np.arange(5500) * MS
    t_s = np.maximum(0.0, (t_ns - T0) * S)
    hand = Path(t_ns, np.array([stations(t) for t in t_s]))
    ids = 1 + np.floor((t_s + 0.10) / 0.52).astype(np.int64)
    at_m = np.zeros((len(t_ns), 3))  # it follows nothing at all, but for what a release does
    for index in np.flatnonzero(np.diff(ids) > 0) + 1:
        at_m[index + 8 : index + 12, 1] += jump_m
    return motion(Path(t_ns, at_m), hand, ids)


def test_a_tip_that_stays_where_it_is_was_moved_by_nothing() -> None:
    found = releases(clutched(0.0), DELAY_S)
    assert len(found) >= 7
    assert max(release.moved_m for release in found) < 1e-12
    assert min(release.open_m for release in found) > 0.005, "the hand went on meanwhile"


def test_a_leap_at_a_release_is_found_though_it_is_brief() -> None:
    found = releases(clutched(60e-6), DELAY_S)
    assert all(release.moved_m == pytest.approx(60e-6) for release in found)


def test_a_hand_that_moves_at_a_release_is_a_wrong_script() -> None:
    wrong = clutched(0.0)
    wrong.hand.at_m[:, 2] += np.linspace(0.0, 0.01, len(wrong.hand.t_ns))
    with pytest.raises(AssertionError, match="the hand moved"):
        releases(wrong, DELAY_S)
