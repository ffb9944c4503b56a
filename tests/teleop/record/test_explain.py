"""A recording says in words why the robot stopped: three stories, and what is wrong with a file."""

import re

import msgspec
import pytest

from safety.messages import Bedside
from safety.profile import MS
from safety.state import Cause, State
from safety.watchdog import Fault
from teleop.cli import main
from teleop.node.explain import ExplainError, at, clock, explain, in_json, in_words
from teleop.record.archive import Archive, Bounds, Channel
from teleop.record.around import Around
from teleop.record.recording import Rows
from teleop.relay import Verdict as Passed
from tests.teleop.record.days import EPOCH_NS, TAPE, changed, moving, recorded, tapes
from tests.teleop.record.test_replay import parts, with_bit_flipped
from tests.world.rig import ROBOT
from tests.world.world import World


def falls(explanation, state=State.HOLD):
    """The lines of the falls to this state out of motion."""
    return [
        line
        for line in explanation.lines
        if line.told.new is state and line.told.old >= State.DEGRADED
    ]


def story(tmp_path, world):
    return explain(recorded(tmp_path, tapes(world)))


def facts(line):
    return [link.words for link in line.chain]


# Three stories -----------------------------------------------------------------------------------


def test_silence_names_the_last_command_and_how_long_ago_it_came(tmp_path):
    world = moving()
    for wire in (*world.consoles["console1"].paths,):
        wire.cut = True
    world.run(400)
    told = story(tmp_path, world)
    (line,) = falls(told)
    assert line.told.cause is Cause.SILENCE
    last = next(link for link in line.chain if "the last, came" in link.words)
    assert last.before_ns == 20 * MS, "the rung of the ladder, to the nanosecond"
    assert f"command {line.told.seq} of arm 0" in last.words
    assert any(words == "DEGRADED began" for words in facts(line))
    text = in_words(told, (line,))
    assert re.search(r"\d\d:\d\d:\d\d\.\d{3}  HOLD <- DEGRADED: no command in time", text)
    assert "20.000 ms before: command" in text


def test_late_commands_are_counted_with_the_worst_of_their_loops(tmp_path):
    world = moving()
    for _ in range(4):
        world.relays[0].down[ROBOT].delay_ns += (
            10 * MS
        )  # behind the relay: it is the robot's to see
        world.run(40)
    (line, *_) = falls(story(tmp_path, world))
    assert line.told.cause is Cause.LATE
    refused = next(words for words in facts(line) if "refused" in words)
    assert re.search(r"from here \d+ commands were refused: LATE, loops up to \d+\.\d+ ms", refused)


def test_a_hand_beyond_the_fence_names_the_command_that_was(tmp_path):
    world = moving(ms=1000, script=lambda t_s: (0.0, 0.0, -0.2 * t_s), scale=1.0)
    (line, *_) = falls(story(tmp_path, world))
    assert line.told.cause is Cause.FENCE
    assert line.told.words == "the hand reaches beyond the fence of the workspace"
    assert f"command {line.told.seq} of arm 0, the last, came" in facts(line)[0]


def test_a_ceiling_names_its_source_and_repeats_its_words(tmp_path):
    world = World(ceilings={"watchdogd": "degraded"})
    world.engaged()
    world.run(100)
    world.ceiling("watchdogd", State.ENGAGED, 500, "all beat")
    world.run(100)
    world.ceiling("watchdogd", State.HOLD, 500, "relayd was fenced: no beat for 20.3 ms")
    world.run(100)
    (line,) = falls(story(tmp_path, world))
    assert line.told.cause is Cause.CEILING
    assert line.chain[0].before_ns == 0
    assert line.chain[0].words == (
        "watchdogd lowered the ceiling to HOLD: relayd was fenced: no beat for 20.3 ms"
    )


def test_a_source_that_fell_silent_is_named_too(tmp_path):
    world = World(ceilings={"watchdogd": "hold"})
    world.run(5)
    world.ceiling("watchdogd", State.ENGAGED, 1000, "all beat")
    world.engaged()
    world.run(1200)
    (line,) = falls(story(tmp_path, world))
    assert facts(line)[0] == "the word of watchdogd lapsed: nothing was heard of it since"
    assert line.chain[0].before_ns == 0


def test_a_fence_of_the_watchdog_stands_in_the_chain(tmp_path):
    world = moving()
    for wire in world.consoles["console1"].paths:
        wire.cut = True
    world.run(100)
    reels = tapes(world)
    hold = next(t for t in world.robot.transitions if t.cause is Cause.SILENCE)
    ahead_ns = EPOCH_NS - reels[0][0].t_ns
    path = recorded(tmp_path, reels)
    archive = Archive(tmp_path / "again", Bounds())
    fields = "t_ns row pid start fault age_ns"
    ring = Channel("/ring/watchdogd.notice", "msgpack", notes=(("fields", fields),))
    fence = (hold.t_ns - 3 * MS, 1, 4711, 99, int(Fault.HUNG), 20_300_000)
    archive.add(ring, EPOCH_NS, msgspec.msgpack.encode((ahead_ns, 0, [fence])))
    archive.add(TAPE, EPOCH_NS, msgspec.msgpack.encode(("tape0", ahead_ns, 0, reels[0])))
    archive.close()
    (line,) = falls(explain(tmp_path / "again"))
    fenced = next(link for link in line.chain if "fenced" in link.words)
    assert fenced.words == "watchdogd saw that process 4711 hung for 20 ms, and was fenced"
    assert fenced.before_ns == 3 * MS
    assert "fenced" not in in_words(explain(path), explain(path).lines)


def test_the_relay_says_what_it_did_with_what_the_robot_missed():
    told = falls_told(seq=100)
    around = Around()
    fields = ("t_ns", "arm", "seq", "verdict")
    rows = [(t * MS, 0, 90 + t, Passed.FORWARDED) for t in range(15)]
    rows += [(t * MS, 0, 90 + t, Passed.LATE) for t in range(15, 25)]
    around.take(Rows("relayd.relay", fields, 0, 0, rows))
    words = [link.words for link in around.links(told, 30 * MS)]
    assert words == [
        "the relay forwarded command 104, 4 more than reached the robot",
        "from here the relay refused 10 commands: LATE",
    ]


def falls_told(seq):
    world = moving(ms=50)
    world.consoles["console1"].paths[0].cut = True
    world.run(60)
    from teleop.record.causes import Chronicle

    chronicle = Chronicle()
    told = [one for entry in tapes(world)[0] for one in chronicle.take(entry)]
    return next(one for one in told if one.new is State.HOLD)._replace(seq=seq)


# People, and the bedside -------------------------------------------------------------------------


def test_stops_at_the_bedside_and_resets_say_who_said_so(tmp_path):
    world = moving()
    world.stop_at_bedside()
    world.run(50)
    world.reset_at_bedside()
    world.run(50)
    lines = {line.told.cause: line for line in story(tmp_path, world).lines}
    assert facts(lines[Cause.BEDSIDE_ESTOP])[0] == "the bedside said estop"
    assert facts(lines[Cause.BEDSIDE_RESET])[0] == "the bedside said reset"


def test_a_robot_that_its_team_takes_says_so(tmp_path):
    world = moving()
    assert world.robot.bedside(Bedside(20, "take"))
    world.run(50)
    told = story(tmp_path, world)
    line = next(x for x in told.lines if x.told.cause is Cause.LOCAL)
    assert facts(line)[0] == "the bedside said take"
    assert told.is_same


def test_a_driver_that_is_gone_says_when_it_measured_last(tmp_path):
    world = moving()
    world.robot.gone()
    world.run(20)
    fell = next(x for x in story(tmp_path, world).lines if x.told.cause is Cause.DRIVER_LOST)
    assert "the driver's connection ended" in facts(fell)
    assert any("measured, for the last time" in words for words in facts(fell))


def test_a_pause_of_the_robots_own_process_says_how_long(tmp_path):
    world = moving()
    world.robot.pause(60 * MS)
    world.run(200)
    (line, *_) = [x for x in story(tmp_path, world).lines if x.told.cause is Cause.SELF_LATE]
    served = next(link for link in line.chain if "did anything" in link.words)
    assert 55 * MS < served.before_ns < 65 * MS


# The replay, and what is wrong with a file -------------------------------------------------------


def test_a_whole_day_is_replayed_and_said_to_be_identical(tmp_path):
    world = moving(ms=700)
    told = story(tmp_path, world)
    assert told.is_same
    assert told.damages == ()
    assert re.search(
        r"replayed: robotd: \d+ inputs, 3 transitions, \d portraits, identical",
        in_words(told, told.lines),
    )
    report = msgspec.json.decode(in_json(told, told.lines))
    assert [t["to"] for t in report["transitions"]] == ["IDLE", "ARMED", "ENGAGED"]
    assert report["replays"][0]["identical"] is True


def test_a_flipped_input_is_named_and_the_command_ends_with_one(tmp_path, capsys):
    entries = tapes(moving())[0]
    place = parts(entries)[0]
    entries[place] = changed(entries[place], with_bit_flipped)
    path = recorded(tmp_path, [entries])
    assert main(["explain", str(path)]) == 1
    text = capsys.readouterr().out
    assert f"after record {entries[place].number} (command " in text
    assert "then the first difference: at record" in text
    assert main(["explain", str(path), "--json"]) == 1
    report = msgspec.json.decode(capsys.readouterr().out)
    assert report["replays"][0]["difference"]["input_number"] == entries[place].number


def test_a_robot_that_was_started_twice_has_two_replays(tmp_path):
    world = moving()
    world.robot.boot(8)
    world.run(100)
    told = story(tmp_path, world)
    assert len(told.replays) == 2
    assert all(done.replay.has_begun for done in told.replays)
    assert told.is_same


def test_a_file_without_the_boot_looks_for_it_in_those_before(tmp_path):
    entries = tapes(moving(ms=700))[0]
    first = Archive(tmp_path, Bounds(file_bytes=1))
    ahead_ns = EPOCH_NS - entries[0].t_ns
    for start in range(0, len(entries), 800):
        batch = entries[start : start + 800]
        first.add(TAPE, EPOCH_NS + start, msgspec.msgpack.encode(("t", ahead_ns, 0, batch)))
        first.flush(EPOCH_NS + start)
    files = sorted(tmp_path.iterdir())
    assert len(files) > 2
    told = explain(files[-1])
    assert told.files == tuple(files)
    assert told.is_same
    assert f"its beginning is in {files[0].name}" in in_words(told, told.lines)
    files[0].unlink()
    told = explain(files[-1])
    assert "where a replay could begin is in no file here" in in_words(told, told.lines)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_file_that_was_cut_is_explained_up_to_there(tmp_path, share):
    path = recorded(tmp_path, tapes(moving(ms=700)))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    told = explain(path)
    assert told.is_same
    assert told.replays[0].replay.inputs > 0
    assert re.search(r"unread: .* ends here, \d+ bytes before the end", in_words(told, ()))


def test_a_chunk_that_is_damaged_is_named_and_ends_the_replay_there(tmp_path):
    path = recorded(tmp_path, tapes(moving(ms=700)))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))
    told = explain(path)
    assert "damaged and left out" in str(told.damages[0])
    difference = told.replays[0].replay.difference
    assert difference is not None
    assert "are missing" in difference.what


def test_what_cannot_be_explained_is_one_line(tmp_path, capsys):
    with pytest.raises(ExplainError, match="no recording in"):
        explain(tmp_path)
    nothing = tmp_path / "nothing.mcap"
    nothing.write_bytes(b"nothing")
    assert main(["explain", str(nothing)]) == 2
    assert "holds nothing of a robot" in capsys.readouterr().err
    assert main(["explain", str(tmp_path / "missing.mcap")]) == 2
    assert "No such file" in capsys.readouterr().err


# A time of day -----------------------------------------------------------------------------------


def test_a_time_chooses_what_was_in_force_then(tmp_path):
    told = story(tmp_path, moving(ms=700))
    boot, armed, engaged = told.lines
    assert at(told, clock(told.last_utc_ns)) == (engaged,)
    assert at(told, clock(engaged.t_utc_ns)) == (engaged,)
    assert at(told, clock(engaged.t_utc_ns - 2 * MS)) == (armed,)
    assert at(told, clock(boot.t_utc_ns)) == (boot,)
    assert at(told, clock(told.last_utc_ns)[:5]) == (engaged,)
    assert at(told, clock(told.last_utc_ns)[:8]) == (engaged,)


@pytest.mark.parametrize("time", ["noon", "8", "8:0:0:0", "25:00", "08:61", "08:00.5", "-1:00"])
def test_what_is_no_time_is_refused(tmp_path, time):
    told = story(tmp_path, moving(ms=20))
    with pytest.raises(ExplainError):
        at(told, time)


def test_before_the_first_there_is_none(tmp_path):
    told = story(tmp_path, moving(ms=20))
    with pytest.raises(ExplainError, match="no transition up to"):
        at(told, "07:59:59")
