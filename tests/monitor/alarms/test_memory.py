"""What a bed remembers is what it knew; what is no record of ours is an error."""

import itertools

import pytest

from monitor.alarms import memory
from monitor.alarms.alert import PAUSE_S_MAX, Bed
from monitor.alarms.condition import Condition
from monitor.alarms.setting import Setting

S = 1_000_000_000
AHEAD_NS = 1_700_000_000 * S


def known() -> Bed:
    bed = Bed("icu/7", itertools.count(100))
    bed.begin(Condition.VF, 5 * S, None, 9 * S)
    bed.begin(Condition.HR_HIGH, 6 * S, 131.0, 10 * S)
    bed.acknowledge(101, "desk", "icu, left", 12 * S)
    bed.set(Condition.SPO2_LOW, Setting(85.0, False), "desk")
    bed.pause(60, "desk", 13 * S)
    return bed


def test_another_process_with_another_clock_knows_what_this_one_knew():
    bed, fresh = known(), Bed("icu/7", itertools.count(1))
    clock_ns = 5000 * S  # theirs is so far ahead
    data = memory.write(bed, AHEAD_NS)
    assert memory.read(fresh, data, AHEAD_NS - clock_ns, 20 * S + clock_ns) == 101
    assert (fresh.seq, fresh.occupied) == (bed.seq, True)
    assert fresh.paused_until_ns - clock_ns == bed.paused_until_ns
    assert dict(fresh.settings) == {Condition.SPO2_LOW: Setting(85.0, False)}
    for mine, theirs in zip(bed.alerts.values(), fresh.alerts.values(), strict=True):
        assert theirs.onset_ns - clock_ns == mine.onset_ns
        assert theirs._replace(onset_ns=0, detected_ns=0, acknowledged_ns=0) == mine._replace(
            onset_ns=0, detected_ns=0, acknowledged_ns=0
        )


def test_a_wall_clock_that_was_set_back_lengthens_no_pause_and_ages_nothing_into_the_future():
    fresh = Bed("icu/7", itertools.count(1))
    memory.read(fresh, memory.write(known(), AHEAD_NS), AHEAD_NS - 3600 * S, 20 * S)
    assert fresh.paused_until_ns == (20 + PAUSE_S_MAX) * S
    assert all(alert.onset_ns <= 20 * S for alert in fresh.alerts.values())


@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        b"\xff",
        memory.write(known(), AHEAD_NS).replace(b'"VF"', b'"XY"'),
        memory.write(known(), AHEAD_NS).replace(b'"presence":3', b'"presence":9'),
        memory.write(known(), AHEAD_NS).replace(b"85.0", b"8.5"),
    ],
)
def test_what_is_no_record_is_an_error(data):
    with pytest.raises(ValueError, match=r"."):
        memory.read(Bed("icu/7", itertools.count(1)), data, AHEAD_NS, 20 * S)
