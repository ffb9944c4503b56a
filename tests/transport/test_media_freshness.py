"""Where a picture stands still: the first stage that does not follow is named."""

import pytest

from transport.media.freshness import LIMIT_NS, SAME_MAX, Freshness, Stage, Standstill

FRAME_NS = 33_000_000


def way(stuck=None, frames=30, same=False):
    """A camera's picture on its way for a second, with one stage stuck half-way."""
    fresh, now_ns = Freshness(0), 0
    for number in range(1, frames + 1):
        now_ns += FRAME_NS
        for stage in Stage:
            if stuck is not None and stage >= stuck and number > frames // 2:
                break
            fresh.passed(stage, number, now_ns)
            if stage is Stage.CAMERA:
                fresh.looked(b"same" if same else str(number).encode())
    return fresh, now_ns


def test_a_picture_that_flows_stands_nowhere_still():
    fresh, now_ns = way()
    assert fresh.standstill(now_ns) is Standstill.NONE


@pytest.mark.parametrize(
    ("stage", "name"),
    [
        (Stage.CAMERA, Standstill.CAMERA_DEAD),
        (Stage.ENCODER, Standstill.ENCODER_STUCK),
        (Stage.SENDER, Standstill.SENDER_STUCK),
        (Stage.VIEWER, Standstill.VIEWER_STUCK),
    ],
)
def test_the_first_stage_that_stands_still_is_named(stage, name):
    fresh, now_ns = way(stage)
    assert fresh.standstill(now_ns) is name


def test_a_camera_that_never_came_is_dead_after_its_time():
    fresh = Freshness(0)
    assert fresh.standstill(LIMIT_NS) is Standstill.NONE
    assert fresh.standstill(LIMIT_NS + 1) is Standstill.CAMERA_DEAD


def test_a_stage_may_lag_for_its_limit():
    fresh = Freshness(0)
    fresh.passed(Stage.CAMERA, 1, 0)
    assert fresh.standstill(LIMIT_NS) is Standstill.NONE
    fresh.passed(Stage.CAMERA, 2, LIMIT_NS)
    assert fresh.standstill(LIMIT_NS + 1) is Standstill.ENCODER_STUCK


def test_an_old_picture_that_is_sent_again_is_no_progress():
    fresh, now_ns = way(Stage.ENCODER)
    fresh.passed(Stage.ENCODER, 15, now_ns)
    assert fresh.standstill(now_ns) is Standstill.ENCODER_STUCK


def test_a_camera_that_shows_the_same_to_the_last_bit_is_frozen():
    fresh, now_ns = way(same=True)
    assert fresh.standstill(now_ns) is Standstill.CAMERA_FROZEN
    fresh.looked(b"another")
    assert fresh.standstill(now_ns) is Standstill.NONE


def test_a_few_equal_pictures_are_borne():
    fresh = Freshness(0)
    for _ in range(SAME_MAX):
        fresh.looked(b"same")
    assert fresh.standstill(0) is Standstill.NONE
    fresh.looked(b"same")
    assert fresh.standstill(0) is Standstill.CAMERA_FROZEN
