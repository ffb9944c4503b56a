"""What somebody has set reaches a judge that was restarted, and goes when it was taken back."""

import itertools

from monitor.alarms.alert import Bed, Verb
from monitor.alarms.condition import CONDITIONS, Condition
from monitor.alarms.reminder import EACH, Reminder
from monitor.alarms.setting import Setting

C = Condition


def ward(beds: int) -> dict[str, Bed]:
    ids = itertools.count(1)
    return {f"icu/{n}": Bed(f"icu/{n}", ids) for n in range(beds)}


def test_nothing_is_told_where_nothing_was_set():
    reminder = Reminder(ward(2))
    assert list(reminder.turn()) == []
    assert list(reminder.about("icu/1")) == []


def test_what_is_set_is_told_at_once_and_again():
    beds = ward(2)
    reminder = Reminder(beds)
    beds["icu/1"].set(C.HR_HIGH, Setting(140.0), "desk")
    (limit,) = reminder.about("icu/1")
    assert (limit.bed, limit.condition, limit.limit, limit.enabled) == (
        "icu/1",
        C.HR_HIGH,
        140.0,
        True,
    )
    assert list(reminder.turn()) == list(reminder.turn()) == [limit]


def test_what_was_taken_back_is_told_too():
    beds = ward(1)
    reminder = Reminder(beds)
    beds["icu/0"].set(C.HR_HIGH, Setting(140.0, False), "desk")
    list(reminder.about("icu/0"))
    beds["icu/0"].change(Verb.DISCHARGE, "desk")
    for told in (reminder.about("icu/0"), reminder.turn()):
        (limit,) = told
        assert (limit.limit, limit.enabled) == (None, True)


def test_what_was_restored_is_told_and_everything_has_its_turn():
    beds = ward(5)
    limits = [c for c, row in CONDITIONS.items() if row.metric is not None]
    for bed in beds.values():
        for condition in limits:
            bed.set(condition, Setting(CONDITIONS[condition].limit), "desk")
    reminder = Reminder(beds)
    wanted = {(bed, condition) for bed in beds for condition in limits}
    told = set()
    for _ in range(-(-len(wanted) // EACH)):
        some = list(reminder.turn())
        assert len(some) <= EACH
        told |= {(limit.bed, limit.condition) for limit in some}
    assert told == wanted
