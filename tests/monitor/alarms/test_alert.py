"""One bed's alerts: the table, who answers what, pauses, and what nobody may switch off."""

import itertools

import pytest

from monitor.alarms.alert import PAUSE_S_MAX, TABLE, Bed, Edge, Presence, Refusal, Verb, step
from monitor.alarms.condition import CONDITIONS, Condition, Kind, Priority
from monitor.alarms.setting import Setting, limit_of, range_of

S = 1_000_000_000
C = Condition


@pytest.fixture
def bed() -> Bed:
    return Bed("icu/7", itertools.count(100))


def begins(bed: Bed, condition: Condition, now_s: float = 10.0) -> int:
    bed.begin(condition, int((now_s - 4) * S), None, int(now_s * S))
    return bed.alerts[condition].id


def test_every_presence_has_a_way_out_and_none_leads_up_but_a_condition_that_holds():
    for presence in set(Presence) - {Presence.OFF}:
        assert TABLE[presence, Edge.RESET] == (Presence.OFF, Presence.OFF)
    for (old, edge), new in TABLE.items():
        assert edge is Edge.HOLDS or max(new) <= old


def test_what_has_no_row_is_nothing():
    assert step(Presence.OFF, Edge.ACKNOWLEDGE, C.VF) is None
    assert step(Presence.ON, Edge.HOLDS, C.VF) is None


def test_an_alert_says_when_it_began_when_it_was_known_and_what_decided(bed):
    (said,) = bed.begin(C.HR_HIGH, 3 * S, 131.0, 5 * S)
    assert said.seq == 1
    assert said.alert[1:] == (Presence.ON, 100, 3 * S, 5 * S, 131.0, "", "", 0)
    assert said.alert.priority is Priority.MEDIUM


def test_a_limit_that_is_kept_again_is_off(bed):
    begins(bed, C.HR_HIGH)
    (said,) = bed.end(C.HR_HIGH)
    assert said.alert.presence is Presence.OFF
    assert not bed.alerts


def test_a_lethal_rhythm_stays_until_somebody_acknowledges_that_it_was(bed):
    alert_id = begins(bed, C.VF)
    (said,) = bed.end(C.VF)
    assert said.alert.presence is Presence.LATCH
    refusal, (said,) = bed.acknowledge(alert_id, "desk", "icu", 20 * S)
    assert refusal is Refusal.NONE
    assert said.alert.presence is Presence.OFF
    assert (said.alert.by, said.alert.where, said.alert.acknowledged_ns) == ("desk", "icu", 20 * S)
    assert said.by == "desk"


def test_what_was_acknowledged_while_it_held_is_off_when_it_ends(bed):
    bed.acknowledge(begins(bed, C.VF), "desk", "", 11 * S)
    assert bed.alerts[C.VF].presence is Presence.ACK
    (said,) = bed.end(C.VF)
    assert said.alert.presence is Presence.OFF


def test_a_new_alarm_breaks_through_an_acknowledgement(bed):
    first = begins(bed, C.VF)
    bed.acknowledge(first, "desk", "", 11 * S)
    begins(bed, C.ASYSTOLE)
    assert bed.alerts[C.ASYSTOLE].presence is Presence.ON
    bed.end(C.VF)
    assert begins(bed, C.VF) != first
    assert bed.alerts[C.VF].presence is Presence.ON


def test_nobody_acknowledges_what_he_has_not_seen(bed):
    first = begins(bed, C.VF)
    bed.end(C.VF)
    begins(bed, C.VF)  # again, while the screen still shows the first
    assert bed.acknowledge(first, "desk", "", 12 * S) == (Refusal.ALERT, [])
    assert bed.alerts[C.VF].presence is Presence.ON


def test_acknowledging_twice_is_refused_and_changes_nothing(bed):
    alert_id = begins(bed, C.VF)
    bed.acknowledge(alert_id, "desk", "", 11 * S)
    seq = bed.seq
    assert bed.acknowledge(alert_id, "other", "", 12 * S) == (Refusal.ACKNOWLEDGED, [])
    assert (bed.seq, bed.alerts[C.VF].by) == (seq, "desk")


def test_a_pause_is_of_sound_alone_and_ends_by_itself(bed):
    begins(bed, C.HR_HIGH)
    bed.pause(PAUSE_S_MAX, "desk", 20 * S)
    assert bed.alerts[C.HR_HIGH].presence is Presence.ON
    assert bed.handle_deadline(20 * S + PAUSE_S_MAX * S - 1) == []
    assert len(bed.handle_deadline(20 * S + PAUSE_S_MAX * S)) == 1
    assert bed.paused_until_ns == 0


@pytest.mark.parametrize("seconds", [-1, PAUSE_S_MAX + 1])
def test_no_pause_is_longer_than_it_may_be(bed, seconds):
    assert bed.pause(seconds, "desk", 0)[0] is Refusal.PAUSE


def test_a_new_high_alarm_ends_a_pause_and_says_so_a_lower_one_does_not(bed):
    bed.pause(60, "desk", 10 * S)
    bed.begin(C.HR_HIGH, 0, None, 11 * S)
    assert bed.paused_until_ns == 70 * S
    alert, pause = bed.begin(C.VT, 0, None, 12 * S)
    assert alert.alert.condition is C.VT
    assert pause.alert is None
    assert bed.paused_until_ns == 0
    assert set(bed.alerts) == {C.HR_HIGH, C.VT}, "and it ends no alert"


@pytest.mark.parametrize("condition", [c for c, row in CONDITIONS.items() if row.priority == 3])
def test_a_high_condition_cannot_be_switched_off(bed, condition):
    assert bed.set(condition, Setting(enabled=False), "desk")[0] is Refusal.HIGH
    assert bed.tells(condition)


def test_a_limit_moves_within_its_range_only(bed):
    assert bed.set(C.HR_HIGH, Setting(140.0), "desk")[0] is Refusal.NONE
    assert limit_of(CONDITIONS[C.HR_HIGH], bed.settings[C.HR_HIGH]) == 140.0
    assert bed.set(C.HR_HIGH, Setting(500.0), "desk")[0] is Refusal.RANGE
    assert bed.set(C.DESATURATION, Setting(50.0), "desk")[0] is Refusal.RANGE
    assert bed.set(C.VF, Setting(50.0), "desk")[0] is Refusal.NO_LIMIT
    assert bed.settings[C.HR_HIGH] == Setting(140.0)


def test_every_limit_of_the_table_has_a_range_and_lies_within_it():
    for condition, row in CONDITIONS.items():
        if row.metric is not None:
            least, most = range_of(condition)
            assert least <= row.limit <= most


@pytest.mark.parametrize("verb", Verb)
def test_another_patient_begins_with_nothing_and_every_alert_that_goes_is_told(bed, verb):
    begins(bed, C.VF)
    bed.end(C.VF)
    begins(bed, C.HR_HIGH)
    bed.pause(60, "desk", 20 * S)
    bed.set(C.HR_LOW, Setting(40.0), "desk")
    said = bed.change(verb, "desk")
    assert {s.alert.condition for s in said if s.alert} == {C.VF, C.HR_HIGH}
    assert all(s.alert.presence is Presence.OFF for s in said if s.alert)
    assert {s.by for s in said} == {"desk"}
    assert (bed.alerts, bed.paused_until_ns) == ({}, 0)
    kept = verb is Verb.ASSOCIATE
    assert bed.settings[C.HR_LOW] == (Setting(40.0) if kept else Setting())


def test_an_empty_bed_has_no_technical_alarms_but_whoever_lies_there_is_still_watched(bed):
    bed.change(Verb.DISCHARGE, "desk")
    told = {c for c in Condition if bed.tells(c)}
    assert {c for c, row in CONDITIONS.items() if row.kind is Kind.PHY} <= told
    assert C.ECG_OFF not in told
    bed.change(Verb.ADMIT, "desk")
    assert bed.tells(C.ECG_OFF)
