"""Who looks on knows who holds a robot, who waits, how it stands; and says what changes."""

import io
import json

import pytest
from rich.console import Console

from safety.handover import Standing
from safety.seat import Phase
from safety.state import Cause, State
from teleop.node import standing as shell
from teleop.node.config import load
from teleop.node.seat import NEWS_MAX, Seat, in_json, in_words, lasting, on_screen
from teleop.node.standing import PATIENCE_NS, StandingError, looks, observer
from teleop.node.watch import Wish
from tests.teleop.states import robot
from transport.io import keys
from transport.wire.codec import encode

S = 1_000_000_000
FREE = Standing(59, "psm", Phase.FREE, "", 0, 0, 0, "", (), (), ("student",), "")
HELD = Standing(
    59, "psm", Phase.GRANTED, "surgeon", 4, 61_000, 3600, "", (), ("second",), ("student",), ""
)
PASSES = Standing(
    59,
    "psm",
    Phase.HANDOVER,
    "surgeon",
    4,
    61_000,
    3600,
    "second",
    ("second",),
    (),
    ("student",),
    "surgeon offers psm to second",
)


def told(*words, at_ns=0):
    seat = Seat("psm")
    for word in words:
        seat.hear(word, at_ns)
    return seat


def test_a_free_robot_is_free_and_one_that_is_held_says_by_whom_and_how_long():
    assert in_words(told(FREE).facts(0)) == "psm  free; observers: student"
    assert in_words(told(HELD).facts(0)) == (
        "psm  surgeon, for 1 min, 1 h 0 min left; waiting: second; observers: student"
    )


def test_a_hand_over_says_who_has_to_confirm_still():
    facts = told(PASSES).facts(0)
    assert "it is being handed over to second, waits for surgeon to confirm" in in_words(facts)
    asked = FREE.__class__(59, "psm", Phase.REQUESTED, "", 0, 0, 0, "second", (), (), (), "")
    assert "it is being granted to second" in in_words(told(asked).facts(0))


def test_ages_grow_between_two_words_and_alone_are_no_change():
    seat = told(HELD, at_ns=5 * S)
    assert seat.change(5 * S)["held_s"] == 61
    assert seat.change(9 * S) is None
    facts = seat.facts(9 * S)
    assert (facts["held_s"], facts["left_s"]) == (65, 3596)
    seat.hear(PASSES, 10 * S)
    assert seat.change(10 * S)["phase"] == "handover"
    assert seat.facts(9999 * S)["left_s"] == 0


def test_the_robots_own_state_is_a_change_and_says_why():
    seat = told(HELD)
    assert seat.change(0)["state"] == ""
    seat.state = robot(state=State.HOLD, cause=Cause.SILENCE)
    facts = seat.change(1)
    assert (facts["state"], facts["cause"]) == ("HOLD", "no command in time")
    assert in_words(facts).endswith("HOLD  no command in time")
    assert json.loads(in_json(facts)) == facts


def test_another_robots_seat_is_nothing_here():
    seat = told(HELD)
    other = Standing(59, "psm2", Phase.FREE, "", 0, 0, 0, "", (), (), (), "why")
    seat.hear(other, 0)
    assert seat.standing == HELD
    assert seat.news == []


def test_what_was_said_is_kept_for_a_while_and_shown():
    seat = told(*[PASSES] * (NEWS_MAX + 3))
    assert len(seat.news) == NEWS_MAX
    terminal = Console(width=100, record=True, file=io.StringIO())
    terminal.print(on_screen(seat, seat.facts(0)))
    text = terminal.export_text()
    for words in (
        "held by",
        "surgeon, for 1 min",
        "waits for surgeon to confirm",
        "nobody",
        "said",
    ):
        assert words in text
    assert "not heard here" in text


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (59, "59 s"), (3599, "59 min"), (7300, "2 h 1 min")]
)
def test_a_time_is_said_as_people_do(seconds, words):
    assert lasting(seconds) == words


# The shell ---------------------------------------------------------------------------------------


class Hours:
    """A clock that goes on with each wait."""

    def __init__(self, stop_ns):
        self.now_ns, self._stop_ns = 0, stop_ns

    def wait(self, seconds):
        self.now_ns += round(seconds * 1e9)
        return self.now_ns > self._stop_ns


def seen(wish, said, stop_ns=60 * S, heard=lambda: ()):
    hours = Hours(stop_ns)
    found = looks("psm", said, heard, wish, hours.wait, lambda: hours.now_ns)
    return [(now_ns, seat.facts(now_ns)) for seat, now_ns in found]


def test_it_looks_at_its_rate_from_the_first_word_on_for_the_seconds_wished():
    looked = seen(Wish(rate_hz=10, seconds=1.0), lambda now_ns: [HELD] if now_ns > 2 * S else [])
    assert looked[0][0] > 2 * S
    assert 10 <= len(looked) <= 12
    assert looked[-1][0] - looked[0][0] == pytest.approx(S, abs=S // 10)


def test_a_service_that_says_nothing_is_named():
    with pytest.raises(StandingError, match="says nothing of psm for 5 s: does it run"):
        seen(Wish(), lambda _: [])


def test_a_service_that_says_nothing_any_more_is_named():
    with pytest.raises(StandingError, match="says nothing any more of psm"):
        seen(Wish(), lambda now_ns: [HELD] if now_ns < S else [])
    assert PATIENCE_NS == 5 * S


def test_a_robot_that_falls_silent_has_no_state_any_more():
    state = encode(robot(robot="psm", state=State.ENGAGED))
    parts = [[state], *[[]] * 200]
    looked = seen(Wish(seconds=5), lambda _: [HELD], heard=lambda: parts.pop(0))
    assert looked[0][1]["state"] == "ENGAGED"
    assert looked[-1][1]["state"] == ""


def test_an_observer_is_the_one_that_is_here_or_the_one_that_is_named(tmp_path):
    path = tmp_path / "node.toml"
    path.write_text(f"[node]\nname = 'watched'\nstate_dir = '{tmp_path}'\n")
    config = load(path)
    with pytest.raises(StandingError, match="keys new NAME --role observer"):
        observer(config, "")
    keys.new(config.keys_dir, config.session.identity, keys.Role.SESSION)
    keys.new(config.keys_dir, "surgeon", keys.Role.CONSOLE)
    with pytest.raises(StandingError, match="expected one observer's key here, found none"):
        observer(config, "")
    keys.new(config.keys_dir, "student", keys.Role.OBSERVER)
    assert observer(config, "")[0].name == "student"
    keys.new(config.keys_dir, "nurse", keys.Role.OBSERVER)
    with pytest.raises(StandingError, match="found several: nurse, student"):
        observer(config, "")
    assert observer(config, "nurse")[0].name == "nurse"
    with pytest.raises(StandingError, match=r"nobody\.secret is missing"):
        observer(config, "nobody")
    (config.keys_dir / "student.secret").unlink()
    assert shell.observer(config, "")[0].name == "nurse"
