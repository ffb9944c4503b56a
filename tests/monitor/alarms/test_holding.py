"""What the judge says of all patients arrives, or is said again."""

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.alarms.condition import Condition, Evidence
from monitor.alarms.holding import REPEAT_NS, Judged, Teller
from monitor.alarms.messages import VOCABULARY, Holding
from monitor.rows import MS
from transport.wire.codec import Registry, encode

BEDS = tuple(f"icu/{n}" for n in range(40))
REGISTRY = Registry(VOCABULARY)
AT = st.tuples(st.integers(0, len(BEDS) - 1), st.sampled_from(Condition))


def evidence(*at, onset_ns=0, value=float("nan")) -> Evidence:
    found = Evidence.of(len(BEDS))
    for each in at:
        found.holds[each], found.onset_ns[each], found.value[each] = True, onset_ns, value
    return found


def passed(parts: list[Holding]) -> list[Holding]:
    return [REGISTRY.expect(encode(part), Holding) for part in parts]


def test_a_change_is_said_at_once_and_everything_each_half_second():
    teller = Teller(BEDS, 1, 0)
    assert len(teller.tell(evidence(), 0)) == 1
    assert teller.tell(evidence(), 40 * MS) == []
    assert len(teller.tell(evidence((3, Condition.VF)), 80 * MS)) == 1
    assert teller.tell(evidence((3, Condition.VF)), 80 * MS + REPEAT_NS - 1) == []
    assert len(teller.tell(evidence((3, Condition.VF)), 80 * MS + REPEAT_NS)) == 1


def test_an_onset_arrives_as_an_age_on_the_other_clock():
    teller, judged = Teller(BEDS, 1, 0), Judged(BEDS)
    said = teller.tell(
        evidence((3, Condition.HR_HIGH), onset_ns=6_000 * MS, value=131.5), 9_000 * MS
    )
    (part,) = passed(said)
    assert part.judged_ms == 9_000
    found = judged.receive(part, 77_000 * MS)
    at = 3, Condition.HR_HIGH
    assert np.argwhere(found.holds).tolist() == [list(at)]
    assert (found.onset_ns[at], found.value[at]) == (74_000 * MS, 131.5)
    assert judged.heard_ns == 77_000 * MS


@settings(max_examples=50, deadline=None)
@given(st.sets(AT, max_size=900), st.randoms())
def test_however_many_hold_and_in_whatever_order_the_parts_come(at, dice):
    parts = passed(Teller(BEDS, 1, 0).tell(evidence(*at), 0))
    dice.shuffle(parts)
    judged = Judged(BEDS)
    found = [judged.receive(part, MS) for part in parts]
    assert found[:-1] == [None] * (len(parts) - 1)
    assert {tuple(each) for each in np.argwhere(found[-1].holds).tolist()} == at


def test_a_lost_part_is_no_half_a_judgement():
    everything = evidence(*((p, c) for p in range(len(BEDS)) for c in Condition))
    teller, judged = Teller(BEDS, 1, 0), Judged(BEDS)
    parts = passed(teller.tell(everything, 0))
    assert len(parts) > 2
    assert [judged.receive(part, MS) for part in parts[:-1]] == [None] * (len(parts) - 1)
    again = passed(teller.tell(everything, REPEAT_NS))
    found = [judged.receive(part, REPEAT_NS) for part in again]
    assert found[-1].holds.all()


def test_another_ward_s_judge_and_numbers_out_of_range_are_refused():
    (part,) = Teller(BEDS[:3], 1, 0).tell(evidence_of(3), 0)
    judged = Judged(BEDS)
    assert judged.receive(part, MS) is None
    (good,) = Teller(BEDS, 1, 0).tell(evidence((0, Condition.VF)), 0)
    for table in (b"\xff" * 16, good.table[:2] + b"\xff" + good.table[3:]):
        assert judged.receive(msgspec.structs.replace(good, table=table), MS) is None
    assert judged.receive(msgspec.structs.replace(good, part=9), MS) is None
    assert judged.refused == 4
    assert judged.heard_ns is None


def test_an_age_that_no_clock_could_have_shown_is_cut():
    (part,) = Teller(BEDS, 1, 0).tell(evidence((0, Condition.VF), onset_ns=-(1 << 61)), 0)
    assert Judged(BEDS).receive(part, 5 * MS).onset_ns[0, Condition.VF] == 0


def evidence_of(patients: int) -> Evidence:
    return Evidence.of(patients)
