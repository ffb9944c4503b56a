"""What stands on a tape is enough to do all of it again; what was changed on it is found."""

import struct

import msgspec
import pytest

from safety.gate import Verdict
from safety.state import State
from teleop.relay_tape import Kind as RelayKind
from teleop.relay_tape import RelayReplay
from teleop.robot.replay import RobotReplay
from teleop.robot.tape import Drained, Kind
from tests.teleop.record.days import changed, moving, tapes
from tests.world.storm import Storm
from transport.wire.codec import split

SEEDS = (3, 8, 11)


def replayed(entries):
    replay = RobotReplay()
    for entry in entries:
        if replay.take(entry) is not None:
            break
    return replay


def parts(entries, skip=100):
    """Places of commands that moved the robot."""
    moved = {
        (record[1], record[2])
        for entry in entries
        if entry.kind == Kind.DRAIN
        for record in msgspec.msgpack.decode(entry.data, type=Drained).records
        if record[5]
    }
    found = []
    for place, entry in enumerate(entries):
        if entry.kind == Kind.PART:
            _, _, _, arm, _, _, seq, *_ = msgspec.msgpack.decode(split(entry.data)[0])
            if (arm, seq) in moved:
                found.append(place)
    return found[skip:]


def with_bit_flipped(part):
    """The hand's pose a nanometre further."""
    sealed, _ = split(part)
    pose = msgspec.msgpack.decode(sealed)[17]
    at = part.index(pose)
    x = struct.unpack_from("<d", part, at)[0]
    return part[:at] + struct.pack("<d", x + 1e-9) + part[at + 8 :]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_storm_replayed_gives_the_same_bit_for_bit(seed):
    world = Storm(seed).run()
    transitions = 0
    for entries in tapes(world):
        replay = replayed(entries)
        assert replay.difference is None
        assert replay.inputs > 500
        assert replay.portraits > 0
        transitions += replay.transitions
    assert transitions == len(world.robot.transitions)
    for reel in (reel for relay in world.relays for reel in relay.reels):
        replay = RelayReplay()
        assert not any(map(replay.take, reel.entries))
        assert replay.inputs > 10


def _is_command(place, entry):
    return place > 500 and entry.kind == RelayKind.PART and entry.data[0] == 2  # the robot is 1


def test_a_part_that_was_changed_on_a_relays_tape_is_found():
    reel = moving().relays[0].reels[0]
    place = next(n for n, e in enumerate(reel.entries) if _is_command(n, e))
    reel.entries[place] = changed(reel.entries[place], lambda part: part[:-1] + b"?")
    replay = RelayReplay()
    found = next(filter(None, map(replay.take, reel.entries)))
    assert found.input_number == reel.entries[place].number
    assert found.what.startswith("a part that went on was")


def test_no_key_is_on_a_tape():
    world = moving()
    keys = world.robot.agent.gate.session.keys
    for entry in tapes(world)[0]:
        assert keys.to_robot not in entry.data
        assert keys.to_console not in entry.data


def test_one_bit_of_one_command_is_found_where_it_first_shows():
    entries = tapes(moving())[0]
    place = parts(entries)[0]
    entries[place] = changed(entries[place], with_bit_flipped)
    replay = replayed(entries)
    found = replay.difference
    assert found is not None
    assert found.input_number == entries[place].number
    assert found.input.startswith("command ")
    assert found.number == entries[place].number + 1, "at the drain that follows it"
    assert "driver was told Servo with setpoint" in found.what


def test_a_byte_of_a_part_that_was_damaged_is_named_itself():
    entries = tapes(moving())[0]
    place = parts(entries)[0]
    data = bytearray(entries[place].data)
    data[-20] ^= 1
    entries[place] = entries[place]._replace(data=bytes(data))
    found = replayed(entries).difference
    assert found is not None
    assert found.number == entries[place].number
    assert "check sum" in found.what


def test_a_record_that_is_missing_ends_it():
    entries = tapes(moving())[0]
    gone = entries.pop(parts(entries)[0])
    found = replayed(entries).difference
    assert found is not None
    assert f"records {gone.number} to {gone.number} are missing" in found.what


def test_a_verdict_that_is_turned_round_is_found():
    entries = tapes(moving())[0]
    place = parts(entries)[0]
    forged = changed(entries[place], lambda part: part)._replace(kind=Kind.FORGED)
    entries[place] = changed(forged, lambda part: part)
    found = replayed(entries).difference
    assert found is not None
    assert found.input.startswith("forged command")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Kind.GRANT, "the relays were told RobotState with session ="),
        (Kind.STORED, ""),
        (Kind.MEASURE, ""),
    ],
)
def test_an_input_that_is_turned_into_another_is_found(kind, words):
    entries = tapes(moving())[0]
    place = next(n for n, entry in enumerate(entries) if entry.kind == kind)
    other = entries[place]._replace(kind=Kind.DEADLINE)
    entries[place] = changed(other, lambda _: b"")
    found = replayed(entries).difference
    assert found is not None
    assert found.number >= entries[place].number
    assert words in found.what


def test_a_fate_that_was_another_is_found():
    entries = tapes(moving())[0]
    drains = [n for n, entry in enumerate(entries) if entry.kind == Kind.DRAIN]
    drained = [msgspec.msgpack.decode(entries[n].data, type=Drained) for n in drains]
    place, at = next((n, d) for n, d in zip(drains, drained, strict=True) if d.records)
    t_ns, arm, seq, _, loop_ns, _ = at.records[0]
    otherwise = (t_ns, arm, seq, int(Verdict.LATE), loop_ns, False)
    other = msgspec.structs.replace(at, records=[otherwise, *at.records[1:]])
    entries[place] = changed(entries[place], lambda _: msgspec.msgpack.encode(other))
    found = replayed(entries).difference
    assert found is not None
    assert found.number == entries[place].number
    assert found.what.startswith(f"a command was judged LATE (command {seq} of arm 0, loop")


def test_a_portrait_says_what_is_otherwise():
    entries = tapes(moving(ms=900))[0]
    place = next(n for n, e in enumerate(entries) if e.kind == Kind.SNAPSHOT and n > 1000)

    def slower(data):
        fields = msgspec.msgpack.decode(data)
        for field in fields:
            if field[0] == "interlock.state":
                assert field[1] == State.ENGAGED
                field[1] = int(State.HOLD)
        return msgspec.msgpack.encode(fields)

    entries[place] = changed(entries[place], slower)
    found = replayed(entries).difference
    assert found is not None
    assert found.what == "interlock.state was 4, and is 7 when done again"


def at_rest():
    """A world whose hand has moved the robot, and is gone for seconds."""
    world = moving(seed=2)
    world.kill(world.consoles["console1"])
    world.run(3000)
    world.reset_at_bedside()
    world.run(3000)
    return world


def test_a_replay_may_begin_where_nobody_held_the_robot():
    world = at_rest()
    world.engaged("console2")
    world.run(700)
    entries = tapes(world)[0]
    place = max(n for n, entry in enumerate(entries) if entry.kind == Kind.REST)
    assert place > 1000, "behind the first session"
    replay = replayed(entries[place - 20 :])
    assert replay.difference is None
    assert replay.has_begun
    assert replay.transitions >= 2, "the second session is done again"
    assert replay.portraits > 1
    late = parts(entries[place:], skip=50)[0] + place
    entries[late] = changed(entries[late], with_bit_flipped)
    found = replayed(entries[place:]).difference
    assert found is not None
    assert found.input_number == entries[late].number


def test_no_key_is_on_a_tape_at_rest_either():
    world = at_rest()
    secret = world.robot.agent._seals._key.private_numbers().private_value.to_bytes(32, "big")
    rests = [entry for entry in tapes(world)[0] if entry.kind == Kind.REST]
    assert rests
    assert not any(secret in entry.data for entry in rests)


def test_a_tape_without_its_beginning_is_not_begun():
    entries = tapes(moving())[0]
    replay = replayed(entries[1:])
    assert not replay.has_begun
    assert replay.difference is None


def test_a_record_that_is_nonsense_is_a_difference_not_a_crash():
    entries = tapes(moving())[0]
    for kind, body in (
        (Kind.DRAIN, b"\xc1"),
        (Kind.GUARD, b"\x05ab"),
        (99, b""),
        (Kind.STORED, b""),
    ):
        broken = [*entries[:50], changed(entries[50]._replace(kind=kind), lambda _, b=body: b)]
        found = replayed(broken).difference
        assert found is not None
        assert found.number == 51
