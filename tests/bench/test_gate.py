"""What the gate costs is told beside what any gate would, of the same commands in the same run."""

import pytest

from bench import gate


@pytest.mark.parametrize("measure", [gate.hot, gate.paced])
def test_each_cost_is_told_beside_its_floor(measure):
    cost, floor = measure(100)
    assert cost.n == floor.n == 100
    assert cost.refused == 0, "the hand is an honest one"
    assert cost.extra["p50_floors"] == cost.p50_us / floor.p50_us
    assert cost.extra["p99_floors"] == cost.p99_us / floor.p99_us
    assert (cost.variant.removeprefix("gate"), floor.extra) == (
        floor.variant.removeprefix("floor"),
        {},
    )


def test_the_floor_reads_and_tags_what_the_gate_admits():
    robot, floor = gate.Robot(0), gate.Floor()
    robot.ticks.sent(1, gate.MS)
    (part,) = gate.commands(1, 1)
    robot.take(part, gate.MS)
    floor.take(part, gate.MS)
    forged = bytes([*part[:-30], part[-30] ^ 1, *part[-29:]])
    for taker in (robot, floor):
        with pytest.raises(AssertionError):
            taker.take(forged, 2 * gate.MS)
