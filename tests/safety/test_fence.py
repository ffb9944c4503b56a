"""The fence: what is within passes, what is beyond slides along it, what is outside comes back."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety.fence import Fence
from safety.limits import Limits
from tests.safety.test_rotation import poses
from transport.wire.vector import ORIGIN

LIMITS = Limits()
FENCE = Fence(LIMITS.corner_m_min, LIMITS.corner_m_max, LIMITS.reach_m)
HERE = ORIGIN._replace(z=-0.13)
anywhere = st.floats(-1.0, 1.0)


def outside_m(pose, fence=LIMITS):
    """How far a tip is beyond each side of the box, and beyond the reach."""
    sides = [
        max(low - w, w - high)
        for low, w, high in zip(fence.corner_m_min, pose[:3], fence.corner_m_max, strict=True)
    ]
    return [*sides, math.hypot(*pose[:3]) - fence.reach_m]


def is_within(pose):
    return max(outside_m(pose)) <= 1e-9


@given(poses(st.floats(-0.3, 0.3)))
def test_what_is_within_passes_as_it_is(wish):
    kept = FENCE.keep(HERE, wish)
    assert (kept is wish) == (max(outside_m(wish)) <= 0.0)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("side", [0, 1], ids=["low", "high"])
def test_each_side_is_exact_a_place_on_it_is_within_and_one_beyond_comes_to_it(axis, side):
    corners = ((-0.03, -0.04, -0.2), (0.05, 0.06, -0.1))
    fence = Fence(*corners, 0.26)
    edge = list(HERE[:3])
    edge[axis] = corners[side][axis]
    on = HERE._replace(x=edge[0], y=edge[1], z=edge[2])
    assert fence.keep(HERE, on) is on
    edge[axis] = math.nextafter(edge[axis], math.inf if side else -math.inf)
    beyond = HERE._replace(x=edge[0], y=edge[1], z=edge[2])
    kept = fence.keep(HERE, beyond)
    assert kept is not beyond
    assert kept == on


def test_the_reach_is_exact_too():
    ball = Fence((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0), 0.25)
    on = ORIGIN._replace(z=-0.25)
    assert ball.keep(HERE, on) is on
    beyond = ORIGIN._replace(z=-0.2500001)
    assert ball.keep(HERE, beyond)[:3] == pytest.approx(on[:3], abs=1e-12)


def test_what_the_box_leaves_a_picometre_beyond_the_reach_is_brought_onto_the_reach():
    fence = Fence((-1.0, -1.0, -1.0), (0.25 + 1.5e-12, 1.0, 1.0), 0.25)
    assert fence.keep(ORIGIN, ORIGIN._replace(x=0.5)).x <= 0.25 + 1e-12


@given(poses(st.floats(-0.24, 0.24)).filter(is_within), poses(anywhere))
def test_from_within_nothing_leads_out(old, wish):
    kept = FENCE.keep(old, wish)
    assert is_within(kept)
    assert kept[3:] == wish[3:], "only the tip is fenced"
    assert math.dist(kept[:3], wish[:3]) <= math.dist(old[:3], wish[:3]) + 1e-9


@given(poses(anywhere), poses(anywhere))
def test_from_outside_nothing_leads_further_out_and_nothing_is_pulled_in(old, wish):
    kept = FENCE.keep(old, wish)
    pairs = zip(outside_m(old), outside_m(kept), strict=True)
    assert all(now <= max(0.0, before) + 1e-9 for before, now in pairs)


def test_from_outside_nothing_leads_away_from_the_wish_either():
    """The nearest place on the reach would be further from this wish than the tip is already."""
    old = ORIGIN._replace(x=-0.377, y=-0.205, z=0.192)
    wish = ORIGIN._replace(x=-0.507, y=-0.246, z=0.374)
    assert FENCE.keep(old, wish)[:3] == old[:3]


def test_a_standing_tip_stands_wherever_it_is():
    for z in (0.1, -0.5, -0.13):
        old = ORIGIN._replace(z=z)
        assert FENCE.keep(old, old)[:3] == pytest.approx(old[:3], abs=1e-12)


def test_beyond_a_side_the_tip_slides_along_it():
    kept = FENCE.keep(HERE, ORIGIN._replace(x=0.05, y=0.02, z=0.3))
    assert kept[:3] == (0.05, 0.02, LIMITS.corner_m_max[2])


def test_beyond_the_reach_the_tip_slides_along_the_ball():
    kept = FENCE.keep(HERE, ORIGIN._replace(x=0.18, z=-0.24))
    assert kept[:3] == pytest.approx((0.156, 0.0, -0.208))


def test_at_the_rim_of_box_and_reach_the_tip_stays():
    wish = ORIGIN._replace(x=0.5, y=0.5, z=0.5)
    low = Fence((-1.0, -1.0, -1.0), (1.0, 1.0, -0.02), 0.26)
    assert low.keep(HERE, wish)[:3] == HERE[:3]
    assert low.keep(HERE, wish._replace(z=-0.2))[:3] != HERE[:3]
