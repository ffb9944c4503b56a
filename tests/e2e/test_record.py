"""The recorder beside real processes: what is lost when one of them is killed, and that what it
kept is enough to do everything again.
"""

import os
import signal
from pathlib import Path

import msgspec
import pytest

from bench import readings
from safety.profile import MS
from teleop.node.explain import explain
from teleop.record.archive import files_of
from teleop.record.recording import reels
from teleop.settings import RecorddSettings
from transport.io.mapping import Mapping
from transport.telemetry.tape import TapeReader

LOST_NS_MAX = 500 * MS


@pytest.fixture
def recorded_room(own_room):
    """Give a room with a hand that moves the robot, and a recorder."""
    own_room.records = own_room.run_dir / "records"
    process = own_room._process("recordd", 9)
    own_room._settings["recordd"] = RecorddSettings(
        process=msgspec.structs.replace(process, nice=-5),  # as sessiond: a busy machine waits
        folder=str(own_room.records),
    )
    own_room.start("recordd")
    own_room.start("natived")
    own_room.until(own_room.follows, "motion")
    return own_room


def killed(room, name):
    """kill -9, and wait until it is gone."""
    child = room.children.pop(name)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()


def memory(room, name="robotd"):
    """The tape of a process as it is in memory now; what is mapped outlives its writer."""
    return TapeReader(Mapping.open(room.run_dir / "flight" / f"{name}.tape").view)


def kept(folder: Path, identity):
    """What the files have of one tape, and what was wrong with them."""
    damages = []
    pieces = reels(files_of(folder), ("robotd",), damages)
    return [e for piece in pieces if piece.identity == identity for e in piece.entries], damages


def counted(room, name):
    return readings.board(room.run_dir, "recordd").counter(name).value


def has_copied(room, tape):
    """Whether the files hold all that the tape has, by now."""
    newest = tape.newest
    entries, _ = kept(room.records, tape.layout.identity)
    return bool(entries) and entries[-1].number >= newest


def test_a_recorder_that_is_killed_loses_half_a_second_and_finds_it_again(recorded_room):
    room = recorded_room
    tape = memory(room)
    room.until(lambda: kept(room.records, tape.layout.identity)[0], "a file")
    killed(room, "recordd")
    newest = tape.newest
    entries, damages = kept(room.records, tape.layout.identity)
    assert all("not finished" in damage.what for damage in damages)
    last_ns = next(e.t_ns for e in tape.read(newest - 1).entries if e.number == newest)
    assert last_ns - entries[-1].t_ns <= LOST_NS_MAX
    room.start("recordd")
    room.until(lambda: has_copied(room, tape), "the rest")
    entries, _ = kept(room.records, tape.layout.identity)
    numbers = [entry.number for entry in entries]
    assert numbers == list(range(1, len(numbers) + 1)), "nothing is missing between the files"
    assert counted(room, 'lost_total{where="memory"}') == 0


def test_a_robot_that_is_killed_leaves_its_last_words_and_both_lives_are_replayed(recorded_room):
    room = recorded_room
    tape = memory(room)
    killed(room, "robotd")
    room.start("robotd")
    second = memory(room)
    assert second.layout.identity != tape.layout.identity
    room.until(lambda: has_copied(room, second), "its second life")
    entries, _ = kept(room.records, tape.layout.identity)
    assert tape.newest - entries[-1].number <= 1, "all but a record that was half written"
    room.end("recordd")
    told = explain(room.records)
    robots = [done.replay for done in told.replays if done.process == "robotd"]
    assert [replay.has_begun for replay in robots] == [True, True]
    assert [done.replay.difference for done in told.replays] == [None, None, None]
    assert not any(done.other_build for done in told.replays)
    assert told.damages == ()
    assert [line.told.new.name for line in told.lines][:3] == ["IDLE", "ARMED", "ENGAGED"]


def test_a_recorder_without_a_disk_says_so_and_the_hand_goes_on(recorded_room):
    room = recorded_room
    room.end("recordd")
    settings = room._settings["recordd"]
    nowhere = room.run_dir / "nowhere"
    nowhere.write_text("")  # a file where its folder should be
    room._settings["recordd"] = RecorddSettings(
        process=settings.process, folder=str(nowhere / "records")
    )
    room.start("recordd")
    room.until(lambda: counted(room, 'lost_total{where="disk"}') > 0, "a loss that is counted")
    room.until(
        lambda: readings.board(room.run_dir, "recordd").gauge("alarm").value == 1, "the alarm"
    )
    assert room.follows()
