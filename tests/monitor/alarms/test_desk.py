"""The desk: who may ask, who may answer, what is recorded, and what is refused by which name."""

import msgspec
import pytest

from monitor.alarms.alert import Presence, Refusal, Verb
from monitor.alarms.condition import Condition, Evidence
from monitor.alarms.desk import NOT_ICU, Desk
from monitor.alarms.messages import VOCABULARY, Page
from monitor.alarms.roster import Roster
from monitor.alarms.wishes import Acknowledge, Ask, Done, Limit, Patient, Pause
from safety.audit import ACTS
from transport.wire.codec import Message, Registry, encode

BEDS = ("icu/1", "or/1")
C = Condition
S = 1_000_000_000
REGISTRY = Registry(VOCABULARY)


class Room:
    """A roster with asystole at the second bed, and its desk."""

    def __init__(self) -> None:
        self.roster = Roster(BEDS, 99)
        found = Evidence.of(len(BEDS))
        found.holds[1, C.ASYSTOLE] = True
        self.roster.judge(found, 1 << 60, 10 * S)
        self.desk = Desk(self.roster, 7)

    def says(self, wish: Message, *, is_icu: bool = True, by: str = "desk") -> Message | None:
        answer = self.desk.receive(by, is_icu, encode(wish), 20 * S)
        return None if answer is None else REGISTRY.decode(answer)

    def acts(self) -> list:
        return list(iter(self.desk.next_event, None))


@pytest.fixture
def room() -> Room:
    return Room()


WISHES = (
    (Acknowledge(74, 5, "or/1", 100, "door"), "acknowledge", "Asystole (100) at door"),
    (Pause(75, 5, "or/1", 60), "pause", "60 s"),
    (Pause(75, 5, "or/1", 0), "pause", "ended"),
    (Limit(76, 5, "or/1", C.HR_HIGH, 140.0, True), "limits", "Heart rate high: limit 140"),
    (Limit(76, 5, "or/1", C.HR_HIGH, None, True), "limits", "Heart rate high: usual limit"),
    (Limit(76, 5, "or/1", C.AF, None, False), "limits", "Atrial fibrillation: not judged"),
    (Patient(77, 5, "or/1", "discharge"), "patient", "discharge"),
)


@pytest.mark.parametrize(("wish", "act", "detail"), WISHES)
def test_what_is_done_is_answered_and_recorded(room, wish, act, detail):
    assert room.says(wish) == Done(78, 5, "")
    assert room.acts() == [(act, "desk", "or/1", detail)]
    assert act in ACTS


@pytest.mark.parametrize(("wish", "act", "detail"), WISHES)
def test_an_observer_may_do_nothing_of_it(room, wish, act, detail):
    seq = room.roster.total
    assert room.says(wish, is_icu=False) == Done(78, 5, NOT_ICU)
    assert (room.acts(), room.roster.total) == ([], seq)
    assert list(room.desk.refused) == ["role"]


REFUSED = (
    (Acknowledge(74, 5, "icu/9", 100, ""), Refusal.BED),
    (Acknowledge(74, 5, "or/1", 101, ""), Refusal.ALERT),
    (Pause(75, 5, "or/1", 121), Refusal.PAUSE),
    (Limit(76, 5, "or/1", 200, None, True), Refusal.CONDITION),
    (Limit(76, 5, "or/1", C.VF, None, False), Refusal.HIGH),
    (Limit(76, 5, "or/1", C.VF, 1.0, True), Refusal.NO_LIMIT),
    (Limit(76, 5, "or/1", C.HR_HIGH, 1.0, True), Refusal.RANGE),
    (Patient(77, 5, "or/1", "leave"), Refusal.VERB),
)


@pytest.mark.parametrize(("wish", "refusal"), REFUSED)
def test_what_is_refused_has_a_name_and_no_record(room, wish, refusal):
    assert room.says(wish) == Done(78, 5, refusal)
    assert list(room.desk.refused) == [refusal.name.lower()]
    assert room.acts() == []


def test_everybody_may_ask(room):
    page = room.says(Ask(72, 3, 0), is_icu=False, by="screen")
    assert isinstance(page, Page)
    assert (page.request, page.first, page.total, page.incarnation) == (3, 0, 2, 7)
    (alert,) = page.beds[1].alerts
    assert (alert.presence, alert.detected_us) == (Presence.ON, 10_000_000)
    beyond = room.says(Ask(72, 4, 9), is_icu=False)
    assert (beyond.beds, beyond.total) == ((), 2)


def test_what_is_no_question_and_no_wish_is_not_answered(room):
    assert room.desk.receive("desk", True, b"nonsense", 0) is None
    assert room.says(Done(78, 1, "")) is None
    assert list(room.desk.refused) == ["wire", "wire"]


@pytest.mark.parametrize("where", ["two\nlines", "\x1b[31m", "w" * 33])
def test_a_place_is_one_line_of_plain_words(room, where):
    wish = msgspec.structs.replace(WISHES[0][0], where=where)
    assert room.says(wish) is None


def test_every_verb_is_one_that_may_be_said():
    for verb in Verb:
        assert Room().says(Patient(77, 1, "icu/1", verb)) == Done(78, 1, "")
