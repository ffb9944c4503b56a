"""The team at the robot, over its real socket: it takes over, moves it out, and is not kept out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench import readings
from safety.bedside import Bind, Report, Token
from safety.messages import Bedside
from safety.state import State
from teleop.node.bedside import BedsideError, Bedsocket, Verb, hold, new_press
from tests.e2e.conftest import ROBOT, Room
from tests.e2e.test_hostile import seqpacket
from transport.wire.codec import encode


def refusals(room: Room, cause: str) -> int:
    board = readings.board(room.run_dir, "robotd")
    assert board is not None
    return board.counter(f'robot_refused_total{{cause="{cause}"}}').value


@pytest.fixture
def room(empty_room: Room) -> Iterator[Room]:
    """A node without consoles, given back as it was."""
    yield empty_room
    say(empty_room, "give")
    say(empty_room, "reset")


def say(room: Room, verb: Verb) -> Report:
    with Bedsocket(room.run_dir, ROBOT) as link:
        return link.say(verb)


def _rests(room: Room) -> bool:
    first, *_, last = [room.state().arms[0].setpoint for _ in range(40)]
    return first == last


class TestTheTeam:
    def test_a_held_key_retracts_the_arm_and_a_client_that_hangs_stops_it(self, room: Room) -> None:
        with Bedsocket(room.run_dir, ROBOT) as link:
            assert link.say("take").local
            before = room.state().arms[0].setpoint
            report = hold(link, "retract", 0, 0.4)
            assert (report.why, report.state, report.moving) == ("", State.HOLD, "")
            assert room.state().arms[0].setpoint != before
            assert link.ask(Token(21, "release", 0, new_press())).moving == "release"
            # The client hangs: it neither says that the key is still held nor that it is up.
            room.until(lambda: _rests(room), "an arm at rest")
            assert link.say("status").moving == ""
            assert link.say("give").state == State.IDLE

    def test_a_second_client_is_served_and_the_first_one_told(self, room: Room) -> None:
        with Bedsocket(room.run_dir, ROBOT) as first:
            assert first.say("status").robot == ROBOT
            assert say(room, "status").robot == ROBOT
            with pytest.raises(BedsideError):
                first.say("status")

    def test_a_flood_is_counted_and_an_emergency_stop_passes_through_it(self, room: Room) -> None:
        before = refusals(room, "rate")
        with seqpacket(str(room.run_dir / f"bedside-{ROBOT}.sock")) as link:
            for _ in range(400):
                link.send(encode(Bedside(20, "status")))
            link.send(encode(Bedside(20, "estop")))
            room.until(lambda: room.state().state == State.ESTOP, "the stop")
            room.until(lambda: refusals(room, "rate") > before, "the count")

    def test_a_bed_is_bound_and_reported(self, room: Room) -> None:
        with Bedsocket(room.run_dir, ROBOT) as link:
            report = link.ask(Bind(22, "or-3", "p-1"))
            assert (report.bed, report.patient, report.why) == ("or-3", "p-1", "")
            assert link.ask(Bind(22, "", "")).bed == ""
