"""Alarms in a terminal of 60 columns: the urgent first, in the standard's colours, and honest."""

import io

import pytest
from rich.console import Console

from monitor.alarms.alert import Presence, Refusal
from monitor.alarms.condition import CONDITIONS, Condition, Priority
from monitor.alarms.listener import Listener
from monitor.alarms.messages import AlertRow, Alive, BedRow, Page
from teleop.node import alarm_screen
from teleop.node.alarm_screen import COLOURS, in_facts, in_line, local, on_screen

S = 1_000_000_000
NOW_NS = 1_000 * S
COLUMNS = 60
C, P = Condition, Presence


def row(condition: Condition, presence: Presence = P.ON, seconds: int = 75, value=None) -> AlertRow:
    priority, by = CONDITIONS[condition].priority, "desk" if presence is P.ACK else ""
    us = seconds * 1_000_000
    return AlertRow(condition, presence, priority, 77, value, us, us, by)


def knows(*beds: BedRow) -> Listener:
    listener = Listener(NOW_NS)
    ask = listener.to_send(NOW_NS)
    listener.receive(Page(73, ask.request, 0, len(beds), 5, beds), NOW_NS)
    listener.receive(Alive(71, "alarms", 5, 0, 20, ""), NOW_NS)
    assert listener.is_whole
    return listener


WARD = (
    BedRow("icu/7", 0, 0, True, (), (row(C.HR_HIGH, value=141.2), row(C.VF, P.ACK))),
    BedRow("icu/8", 0, 60_000, True, (), (row(C.ASYSTOLE, seconds=5), row(C.APNOEA, P.LATCH))),
    BedRow("or/1", 0, 0, True, (), (row(C.ECG_SUSPENDED, seconds=4000),)),
)


def drawn(listener: Listener, now_ns: int = NOW_NS, colours: bool = False) -> str:
    out = io.StringIO()
    system = "standard" if colours else None
    console = Console(file=out, width=COLUMNS, force_terminal=True, color_system=system)
    console.print(on_screen(listener, now_ns))
    return out.getvalue()


def test_the_most_urgent_stands_at_the_top_and_nothing_is_wider_than_the_terminal():
    text = drawn(knows(*WARD))
    lines = text.splitlines()
    assert "5 alarms, 3 beds, sound paused: icu/8" in lines[0]
    assert [line.split()[0] for line in lines[1:6]] == ["icu/8", "icu/7", "icu/8", "icu/7", "or/1"]
    assert "Asystole" in lines[1]
    assert "0:05" in lines[1]
    assert "Heart rate high 141" in lines[4]
    assert "1 h 06" in lines[5]
    assert all(len(line) <= COLUMNS for line in lines)


@pytest.mark.parametrize("condition", Condition)
def test_the_longest_words_fit_with_how_it_stands(condition):
    for presence in (P.ON, P.ACK, P.LATCH):
        bed = BedRow("icu/7", 0, 0, True, (), (row(condition, presence),))
        line = drawn(knows(bed)).splitlines()[1]
        assert "1:15" in line
        assert CONDITIONS[condition].words[:24] in line


def test_what_nobody_answered_stands_on_its_colour_and_nothing_blinks():
    on = drawn(knows(WARD[1]), colours=True)
    assert "41m" in on, "white on red"
    assert "\x1b[5m" not in on
    answered = BedRow("icu/7", 0, 0, True, (), (row(C.VF, P.ACK),))
    assert "41m" not in drawn(knows(answered), colours=True)
    assert COLOURS[Priority.MEDIUM][1] == "yellow"


def test_a_feed_that_is_silent_is_the_first_thing_that_is_said():
    listener = knows(*WARD)
    assert local(listener, NOW_NS + S // 2) == []
    assert drawn(listener, NOW_NS + S).splitlines()[0].startswith("FEED SILENT")


def test_a_judge_that_is_silent_is_said_and_so_is_a_full_disk():
    listener = knows(*WARD)
    listener.receive(Alive(71, "alarms", 5, 0, 2500, "alarms are not remembered: x"), NOW_NS)
    text = drawn(listener)
    assert text.startswith("NOT JUDGED")
    assert "not remembered" in text


def test_what_is_not_known_yet_is_not_called_calm():
    assert "asking" in drawn(Listener(NOW_NS))


def test_a_line_says_who_answered():
    shown = knows(*WARD).alerts()
    lines = [in_line(each, NOW_NS) for each in shown]
    assert lines[0] == "HIGH    icu/8      Asystole  0:05"
    assert lines[1].endswith("acknowledged by desk")
    assert lines[2].endswith("over, not acknowledged")


def test_programs_get_the_names_of_sdc():
    facts = in_facts(knows(WARD[1]).alerts()[0], NOW_NS + S)
    assert facts == {
        "bed": "icu/8",
        "condition": "asystole",
        "presence": "On",
        "priority": "Hi",
        "kind": "Phy",
        "code": "3:3076",
        "words": "Asystole",
        "value": None,
        "id": 77,
        "onset_s": 6.0,
        "detected_s": 6.0,
        "by": "",
        "where": "",
    }


def test_more_than_a_screen_holds_is_counted_and_not_drawn():
    beds = [BedRow(f"icu/{n}", 0, 0, True, (), (row(C.VF),)) for n in range(60)]
    text = drawn(knows(*beds))
    assert f"and {60 - alarm_screen.ROWS_MAX} more" in text


def test_every_refusal_is_a_sentence_for_a_person():
    assert all(" " in str(refusal) for refusal in Refusal if refusal)
