"""A subscriber and what lies between: nothing is missed for longer than a sign of life takes."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.alarms import report
from monitor.alarms.alert import Bed, Presence
from monitor.alarms.condition import CONDITIONS, Condition, Evidence
from monitor.alarms.listener import SILENCE_NS, Listener
from monitor.alarms.messages import VOCABULARY, Alert, Alive, BedRow, Page
from monitor.alarms.roster import Roster
from monitor.alarms.wishes import Ask
from monitor.rows import MS
from transport.wire.codec import Registry, encode

BEDS = ("icu/1", "icu/2", "or/1")
C = Condition
SOME = (C.VF, C.HR_HIGH, C.ECG_OFF)
REGISTRY = Registry(VOCABULARY)


class Bus:
    """A roster that publishes, a desk that answers, a listener; time goes by in 0.1 s."""

    def __init__(self, incarnation: int = 7) -> None:
        self.now_ns = 1_000_000 * MS
        self.incarnation = incarnation
        self.roster = Roster(BEDS, 1)
        self.listener = Listener(self.now_ns)
        self.holds: set[tuple[int, Condition]] = set()

    def judges(self, *flips: tuple[int, Condition]) -> list:
        self.holds ^= set(flips)
        evidence = Evidence.of(len(BEDS))
        for at in self.holds:
            evidence.holds[at] = True
        self.roster.judge(evidence, 1 << 60, self.now_ns)
        return self.says()

    def says(self) -> list:
        return [
            report.message(said, self.roster.beds[said.bed], self.incarnation, self.now_ns)
            for said in iter(self.roster.next_event, None)
        ]

    def alive(self) -> Alive:
        return Alive(71, "alarms", self.incarnation, self.roster.total, 0, "")

    def hears(self, *messages) -> None:
        for message in messages:
            self.listener.receive(REGISTRY.decode(encode(message)), self.now_ns)

    def answers(self, ask: Ask) -> Page:
        beds = list(self.roster.beds.values())
        return report.page(beds, ask.request, ask.first, self.incarnation, self.now_ns)

    def asks(self) -> None:
        while (ask := self.listener.to_send(self.now_ns)) is not None:
            self.hears(self.answers(ask))

    def agrees(self) -> bool:
        return self.listener.is_whole and {
            bed: (view.seq, {c: row.id for c, (row, _) in view.alerts.items()})
            for bed, view in self.listener.beds.items()
        } == {
            name: (bed.seq, {int(c): alert.id for c, alert in bed.alerts.items()})
            for name, bed in self.roster.beds.items()
        }


@pytest.fixture
def bus() -> Bus:
    bus = Bus()
    bus.asks()
    assert bus.agrees()
    return bus


def test_who_joins_late_knows_what_holds():
    bus = Bus()
    bus.judges((0, C.VF), (2, C.ECG_OFF))
    assert not bus.listener.is_whole
    bus.asks()
    assert bus.agrees()
    assert [shown.bed for shown in bus.listener.alerts()] == ["icu/1", "or/1"], "most urgent first"


def test_what_is_said_is_known_with_its_times(bus):
    bus.hears(*bus.judges((0, C.HR_HIGH)))
    (shown,) = bus.listener.alerts()
    assert (shown.row.presence, shown.heard_ns) == (Presence.ON, bus.now_ns)
    assert [each.row for each in bus.listener.newest] == [shown.row]
    bus.hears(*bus.judges((0, C.HR_HIGH)))
    assert bus.listener.alerts() == []
    assert bus.agrees()


def test_a_gap_is_noticed_and_mended(bus):
    bus.judges((0, C.VF))  # lost
    bus.hears(*bus.judges((0, C.ECG_OFF)))
    assert not bus.listener.is_whole
    bus.asks()
    assert bus.agrees()
    assert bus.listener.gaps == 1


def test_the_last_word_that_is_lost_is_missed_with_the_next_sign_of_life(bus):
    bus.judges((0, C.VF))  # lost, and nothing follows
    assert bus.listener.is_whole
    bus.hears(bus.alive())
    assert not bus.listener.is_whole
    bus.asks()
    assert bus.agrees()


def test_what_is_said_while_pages_are_turned_is_in_the_end_known(bus, monkeypatch):
    monkeypatch.setattr(Page, "BYTES_MAX", 90)  # two beds at most
    bus.hears(Alive(71, "alarms", 7, 1, 0, ""))  # as if something had been missed
    first = bus.answers(bus.listener.to_send(bus.now_ns))
    assert len(first.beds) < len(BEDS)
    bus.listener.receive(first, bus.now_ns)
    bus.hears(*bus.judges((0, C.VF), (2, C.VF)))
    bus.asks()
    assert bus.agrees()


def test_another_start_of_the_service_means_asking_again(bus):
    bus.hears(*bus.judges((0, C.VF)))
    bus.incarnation += 1
    bus.hears(bus.alive())
    assert not bus.listener.is_whole
    assert bus.listener.alerts(), "what was known is still shown"
    bus.asks()
    assert bus.agrees()


def test_an_old_page_is_passed_over(bus):
    bus.hears(bus.alive(), Alive(71, "alarms", 8, 0, 0, ""))
    bus.incarnation = 8
    old = bus.answers(bus.listener.to_send(bus.now_ns))
    bus.asks()  # not answered in time: asked again below
    bus.now_ns += 1000 * MS
    ask = bus.listener.to_send(bus.now_ns)
    bus.hears(old)
    assert not bus.listener.is_whole
    bus.hears(bus.answers(ask))
    assert bus.agrees()


def test_silence_is_an_alarm_of_its_own_after_a_second_and_not_before(bus):
    bus.hears(bus.alive())
    began_ns = bus.now_ns
    assert bus.listener.next_deadline_ns() == began_ns + SILENCE_NS
    assert not bus.listener.is_silent(began_ns + SILENCE_NS - 1)
    assert bus.listener.is_silent(began_ns + SILENCE_NS)
    bus.now_ns = began_ns + SILENCE_NS + 1
    bus.hears(bus.alive())
    assert not bus.listener.is_silent(bus.now_ns)


def test_that_nobody_judges_is_told_too(bus):
    bus.hears(bus.alive())
    assert not bus.listener.is_unjudged(bus.now_ns)
    bus.hears(Alive(71, "alarms", 7, 0, 1500, ""))
    assert not bus.listener.is_unjudged(bus.now_ns)
    assert bus.listener.is_unjudged(bus.now_ns + 600 * MS)


def test_the_sign_of_life_of_another_publisher_is_none_of_ours(bus):
    bus.hears(Alive(71, "vitals", 1, 99, 0, ""))
    assert bus.listener.is_whole


flips = st.tuples(st.integers(0, 2), st.sampled_from(SOME))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(flips, st.floats(0, 1)), max_size=40), st.integers(0, 1 << 32))
def test_whatever_is_lost_or_comes_late_it_is_known_after_the_next_sign_of_life(story, seed):
    dice, bus = random.Random(seed), Bus()
    late: list = []
    for flip, fate in story:
        said = bus.judges(flip)
        if fate < 0.3:
            continue  # lost
        if fate < 0.5:
            late += said
        else:
            bus.hears(*said)
        if dice.random() < 0.3 and (ask := bus.listener.to_send(bus.now_ns)) is not None:
            late.append(bus.answers(ask))
        if dice.random() < 0.5:
            dice.shuffle(late)
            bus.hears(*late)
            late.clear()
        bus.now_ns += 100 * MS
    bus.now_ns += 2000 * MS
    bus.hears(bus.alive())
    bus.asks()
    assert bus.agrees()


def test_a_bed_with_every_alert_there_is_fits_into_a_page():
    bed = Bed("u" * 15 + "/" + "b" * 15, itertools.count(1 << 61))
    most_ns = 1 << 62
    for condition in Condition:
        ((said), *_) = bed.begin(condition, 0, -123456.789, most_ns)
        if condition % 2:
            bed.acknowledge(said.alert.id, "d" * 32, "w" * 32, 1)
    for condition, row in CONDITIONS.items():
        if row.metric is not None:
            bed.set(condition, bed.settings[condition]._replace(limit=row.limit), "desk")
    bed.seq = (1 << 63) - 1
    page = report.page([bed], 1, 0, (1 << 63) - 1, most_ns)
    assert len(page.beds) == 1
    assert isinstance(REGISTRY.decode(encode(page)), Page)


def test_the_largest_messages_fit():
    bed = Bed("u" * 15 + "/" + "b" * 15, itertools.count(1 << 61))
    most_ns = 1 << 62
    (said,) = bed.begin(C.HR_HIGH, 0, -123456.789, most_ns)
    _, (said,) = bed.acknowledge(said.alert.id, "d" * 32, "w" * 32, 1)
    for condition, row in CONDITIONS.items():
        if row.metric is not None:
            bed.set(condition, bed.settings[condition]._replace(limit=row.limit), "desk")
    _, (about,) = bed.pause(120, "d" * 32, most_ns)
    for each in (said, about):
        data = encode(report.message(each, bed, (1 << 63) - 1, most_ns))
        assert REGISTRY.decode(data)
    assert isinstance(REGISTRY.decode(encode(Alive(71, "n" * 32, 1, 1, 1, "t" * 200))), Alive)


def test_the_topic_says_how_urgent_it_is_and_where(bus):
    bus.roster.pause("icu/2", 60, "desk", bus.now_ns)
    pause = bus.roster.next_event()
    bus.holds = {(2, C.HR_HIGH)}
    evidence = Evidence.of(3)
    evidence.holds[2, C.HR_HIGH] = True
    bus.roster.judge(evidence, 1 << 60, bus.now_ns)
    assert report.topic(pause) == b"bed/icu/2"
    assert report.topic(bus.roster.next_event()) == b"alarm/medium/or/1/hr_high"


def test_a_bed_that_is_said_in_the_stream_keeps_its_alerts(bus):
    bus.hears(*bus.judges((1, C.VF)))
    bus.roster.pause("icu/2", 60, "desk", bus.now_ns)
    bus.hears(*bus.says())
    view = bus.listener.beds["icu/2"]
    assert view.paused_until_ns == bus.now_ns + 60_000 * MS
    assert set(view.alerts) == {C.VF}
    assert bus.agrees()


def test_a_bed_s_row_is_small_when_nothing_is_the_matter():
    assert len(report.encode_row(BedRow("icu/1", 3, 0, True, (), ()))) < 20


def test_alerts_are_messages_of_our_kinds():
    assert all(64 <= message.KIND <= 79 for message in VOCABULARY)
    assert Alert in VOCABULARY
