"""Default deny: a command is admitted when every check has passed; refusals have names."""

import copy
import math

import msgpack
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from safety.gate import Gate, Session, Verdict
from safety.grant import SessionKeys
from safety.messages import NO_SESSION, NO_TAG, Command, Flags, RobotState
from safety.profile import LADDERS, MS, Profile
from safety.seal import seal
from tests.transport.frames import longest, valid
from transport.link.age import EchoAge
from transport.wire.codec import encode
from transport.wire.messages import Clock, encode_hop
from transport.wire.vector import ORIGIN, pack_setpoint

T0 = 9_000_000_000_000
KEYS = SessionKeys(to_robot=bytes(range(32)), to_console=bytes(range(32, 64)))
LADDER = LADDERS[Profile.NATIVE]
POSE = pack_setpoint(ORIGIN)

GOOD = {
    "kind": 16,
    "robot": "psm1",
    "arm": 0,
    "session": b"session1",
    "epoch": 3,
    "seq": 8,
    "t_tx": 5,
    "tick_echo": 1,
    "press_id": 1,
    "clutch_id": 1,
    "input_seq": 1,
    "input_age": 0,
    "flags": Flags.DEADMAN,
    "seen_frame_id": 0,
    "mode": 0,
    "tool": 0,
    "setpoint": POSE,
    "previous": None,
    "earlier": None,
    "tag": NO_TAG,
}


def command(key=KEYS.to_robot, **changes):
    return seal(Command(**{**GOOD, **changes}), key)


class Robot:
    """A gate, its ticks, and a session in force."""

    def __init__(self, arms=2):
        self.now_ns = T0
        self.ticks = EchoAge()
        self.gate = Gate("psm1", arms, self.ticks)
        self.gate.session = Session(b"session1", 3, KEYS, LADDER, arms)
        self.gate.session.persisted = True
        self.seq = 0
        self.tick = 0
        self.send_state()

    def send_state(self):
        self.tick += 1
        self.ticks.sent(self.tick, self.now_ns)

    def admit(self, part):
        before = list(self.gate.counts)
        admission = self.gate.admit(part, self.now_ns)
        before[admission.verdict] += 1
        assert self.gate.counts == before, "each part is counted once, under its verdict"
        return admission

    def hear(self, **changes):
        """The next command, a millisecond later."""
        self.now_ns += MS
        self.seq += 1
        return self.admit(command(**{"seq": self.seq, "tick_echo": self.tick, **changes}))

    def memory(self):
        """All that a frame could move."""
        session = self.gate.session
        return (
            [(w.newest, w.counts()) for w in session.windows],
            session.floor.value_ns(self.now_ns),
            session.persisted,
            copy.copy(self.ticks._ticks),
        )


@pytest.fixture
def robot():
    return Robot()


def test_a_good_command_is_admitted_with_its_pose_hops_and_loop(robot):
    robot.now_ns += 3 * MS
    hop = encode_hop(1, 2, 3)
    admission = robot.admit(command() + hop)
    assert admission.verdict is Verdict.ADMITTED
    assert admission.setpoint == ORIGIN
    assert admission.hops == hop
    assert admission.loop_ns == 3 * MS
    assert admission.command.seq == 8


def test_without_a_session_nothing_is_admitted(robot):
    robot.gate.session = None
    assert robot.admit(command()).verdict is Verdict.UNKNOWN_SESSION
    zeros = command(bytes(32), session=NO_SESSION, epoch=0)
    assert robot.admit(zeros).verdict is Verdict.UNKNOWN_SESSION


def test_nothing_of_an_epoch_is_admitted_before_it_is_on_disk(robot):
    robot.gate.session.persisted = False
    before = robot.memory()
    assert robot.admit(command()).verdict is Verdict.NOT_PERSISTED
    assert robot.memory() == before
    robot.gate.session.persisted = True
    assert robot.admit(command()).verdict is Verdict.ADMITTED, "and the same command is good then"


def nested(depth):
    return b"\x91" * depth


def with_field(name, value):
    """A command whose field is `value`, of whatever type, sealed or not."""
    fields = msgpack.unpackb(command())
    fields[Command.__struct_fields__.index(name) + 1] = value
    return msgpack.packb(fields)


def pose(**changes):
    return pack_setpoint(ORIGIN._replace(**changes))


BAD = [
    # The list: what arrives, and the name under which it is refused
    ("nothing", b"", "MALFORMED"),
    ("garbage", b"\xc1" * 300, "MALFORMED"),
    ("http", b"GET / HTTP/1.1\r\nHost: robot\r\n\r\n", "MALFORMED"),
    ("oversized for any kind", bytes(10_000), "OVERSIZED"),
    ("oversized for its kind", command(robot="psm1")[:-16] + bytes(600), "OVERSIZED"),
    ("too many hops", command() + encode_hop(1, 2, 3) * 40, "OVERSIZED"),
    ("truncated in the head", command()[:2], "MALFORMED"),
    ("truncated in the middle", command()[:100], "MALFORMED"),
    ("truncated by one byte", command()[:-1], "MALFORMED"),
    ("wrong version", b"\xdc\x00\x15\x02" + command()[4:], "VERSION"),
    ("unknown kind", b"\xdc\x00\x15\x01\x70" + command()[5:], "KIND"),
    ("a kind of another direction", encode(longest(RobotState)), "KIND"),
    ("a kind of the link", encode(Clock(3, 1, 2, 3)), "KIND"),
    ("10000 nested arrays", nested(10_000), "OVERSIZED"),
    ("1000 nested arrays", nested(1000), "MALFORMED"),
    ("4000 nested arrays", nested(4000), "MALFORMED"),
    ("nested arrays in a field", b"\xdc\x00\x15\x01\x10" + nested(400) + b"\x00" * 20, "FIELD"),
    ("doubled keys in place of a field", with_field("seq", {"a": 1}), "FIELD"),
    ("a map", msgpack.packb({"version": 1, "kind": 16}), "MALFORMED"),
    ("a map with doubled keys", b"\x82\xa1a\x01\xa1a\x02", "MALFORMED"),
    ("a field too few", msgpack.packb(msgpack.unpackb(command())[:-1]), "FIELD"),
    ("a field too many", msgpack.packb([*msgpack.unpackb(command()), 1]), "FIELD"),
    ("a negative sequence", with_field("seq", -1), "FIELD"),
    ("a sequence beyond 63 bit", with_field("seq", 2**63), "FIELD"),
    ("a sequence as a float", with_field("seq", 1.0), "FIELD"),
    ("a sequence as text", with_field("seq", "1"), "FIELD"),
    ("a pose that is too short", with_field("setpoint", bytes(63)), "FIELD"),
    ("a pose as text", with_field("setpoint", "x" * 64), "FIELD"),
    ("a robot without a name", with_field("robot", ""), "FIELD"),
    ("a name that is not UTF-8", command().replace(b"psm1", b"\xff\xfe\xfd\xfc"), "MALFORMED"),
    ("a reserved mode", command(mode=1), "MODE"),
    ("another robot's", command(robot="psm2"), "ROBOT"),
    ("an arm that is not there", command(arm=2), "ARM"),
    ("a replayed session", command(session=b"session0"), "UNKNOWN_SESSION"),
    ("an old epoch", command(epoch=2), "UNKNOWN_SESSION"),
    ("a coming epoch", command(epoch=4), "UNKNOWN_SESSION"),
    ("a forged tag", command(bytes(32)), "TAG"),
    ("no tag", encode(Command(**GOOD)), "TAG"),
    ("sealed in the other direction", command(KEYS.to_console), "TAG"),
    ("a forged far-future sequence", command(bytes(32), seq=2**63 - 1), "TAG"),
    ("a changed pose", command().replace(POSE, pose(x=0.001)), "TAG"),
    ("a copy", command(seq=7), "DUPLICATE"),
    ("a past sequence", command(seq=6), "OLD"),
    ("a sequence of zero", command(seq=0), "OLD"),
    ("a far-future sequence", command(seq=60_008), "FAR_FUTURE"),
    ("the last sequence there could be", command(seq=2**63 - 1), "FAR_FUTURE"),
    ("a tick never sent", command(tick_echo=2), "NEVER_SENT"),
    ("no tick", command(tick_echo=0), "NEVER_SENT"),
    ("the last tick there could be", command(tick_echo=2**63 - 1), "NEVER_SENT"),
    ("NaN", command(setpoint=pose(x=math.nan)), "NOT_FINITE"),
    ("infinity", command(setpoint=pose(jaw=math.inf)), "NOT_FINITE"),
    ("NaN in the orientation", command(setpoint=pose(qx=math.nan)), "NOT_FINITE"),
    ("a stretched quaternion", command(setpoint=pose(qw=1.001)), "NOT_UNIT"),
    ("no quaternion", command(setpoint=pose(qw=0.0)), "NOT_UNIT"),
    ("all zeros", command(setpoint=bytes(64)), "NOT_UNIT"),
]


@pytest.mark.parametrize(("part", "name"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_bad_input_is_refused_and_counted_by_name(robot, part, name):
    robot.admit(command(seq=7))
    assert robot.admit(part).verdict.name == name
    rightful = robot.admit(command(seq=9))
    assert rightful.verdict is Verdict.ADMITTED, "the rightful stream goes on untouched"


def test_every_refusal_of_the_gate_is_among_the_bad_inputs():
    elsewhere = {"ADMITTED", "MERGED", "NOT_PERSISTED", "LATE"}
    assert {b[2] for b in BAD} | elsewhere == {verdict.name for verdict in Verdict}


def test_past_sequences_are_duplicates_or_old(robot):
    for _ in range(3):
        assert robot.hear().verdict is Verdict.ADMITTED
    assert robot.admit(command(seq=5, tick_echo=1)).verdict is Verdict.ADMITTED
    assert robot.admit(command(seq=2, tick_echo=1)).verdict is Verdict.DUPLICATE
    assert robot.admit(command(seq=4, tick_echo=1)).verdict is Verdict.OLD
    assert robot.admit(command(seq=4, tick_echo=1)).verdict is Verdict.DUPLICATE


@pytest.mark.parametrize(
    ("history", "repaired"),
    [({}, 0), ({"previous": POSE}, 1), ({"previous": POSE, "earlier": POSE}, 2)],
    ids=["none", "the one before", "the two before"],
)
def test_a_hole_is_repaired_by_what_the_next_command_repeats(robot, history, repaired):
    robot.admit(command(seq=1))
    robot.admit(command(seq=4, **history))
    counts = robot.gate.session.windows[0].counts()
    assert (counts.missing, counts.repaired) == (2, repaired)


def test_what_is_refused_before_its_age_is_known_has_none(robot):
    robot.now_ns += 3 * MS
    assert robot.admit(command(bytes(32))).loop_ns == 0
    assert robot.admit(command(tick_echo=2)).loop_ns == 0


def test_arms_have_windows_of_their_own(robot):
    assert robot.admit(command(seq=7)).verdict is Verdict.ADMITTED
    assert robot.admit(command(seq=7, arm=1)).verdict is Verdict.ADMITTED
    assert robot.admit(command(seq=7, arm=1)).verdict is Verdict.DUPLICATE


def test_a_command_is_late_beyond_floor_and_hold_by_one_nanosecond(robot):
    robot.now_ns += 2 * MS
    assert robot.admit(command(seq=1)).verdict is Verdict.ADMITTED  # the floor: 2 ms
    robot.now_ns = T0 + 22 * MS
    assert robot.admit(command(seq=2)).verdict is Verdict.ADMITTED
    robot.now_ns += 1
    late = robot.admit(command(seq=3))
    assert late.verdict is Verdict.LATE
    assert late.loop_ns == 22 * MS + 1
    assert late.setpoint is None


def test_a_command_is_late_beyond_the_longest_loop_whatever_the_floor(robot):
    robot.now_ns = T0 + 60 * MS
    assert robot.admit(command(seq=1)).verdict is Verdict.ADMITTED
    robot.now_ns += 1
    assert robot.admit(command(seq=2)).verdict is Verdict.LATE


def test_a_late_command_teaches_the_floor_nothing_lower(robot):
    robot.now_ns += MS
    robot.hear()
    floor = robot.gate.session.floor.value_ns(robot.now_ns)
    robot.now_ns += 50 * MS
    assert robot.hear(tick_echo=1).verdict is Verdict.LATE
    assert robot.gate.session.floor.value_ns(robot.now_ns) == floor


# Forgers ---------------------------------------------------------------------------------------

forged_fields = st.fixed_dictionaries(
    {},
    optional={
        "arm": st.integers(0, 1),
        "seq": st.integers(0, 2**63 - 1),
        "tick_echo": st.integers(0, 2**63 - 1),
        "epoch": st.integers(0, 5),
        "session": st.sampled_from([b"session1", b"session0"]),
        "flags": st.integers(0, 255),
        "setpoint": st.binary(min_size=64, max_size=64),
    },
)


@settings(max_examples=200)
@given(st.lists(forged_fields, min_size=1, max_size=8), st.binary(min_size=32, max_size=32))
def test_no_forged_frame_changes_what_the_gate_remembers(forgeries, key):
    robot = Robot()
    for _ in range(5):
        robot.hear()
    before = robot.memory()
    for fields in forgeries:
        admission = robot.admit(command(key, **fields))
        assert admission.verdict in (Verdict.TAG, Verdict.UNKNOWN_SESSION)
    assert robot.memory() == before
    assert robot.hear().verdict is Verdict.ADMITTED


def test_a_forger_can_neither_move_the_window_nor_lower_the_floor(robot):
    robot.now_ns += 30 * MS
    robot.admit(command(bytes(32), seq=60_000, tick_echo=1))
    robot.send_state()
    robot.admit(command(bytes(32), seq=2**63 - 1, tick_echo=robot.tick))
    assert robot.gate.session.floor.value_ns(robot.now_ns) is None
    robot.now_ns += 25 * MS
    assert robot.admit(command(seq=1, tick_echo=robot.tick)).verdict is Verdict.ADMITTED


@settings(max_examples=300)
@given(st.data())
def test_a_good_frame_that_was_changed_or_cut_is_refused_by_some_name(data):
    robot = Robot()
    hop = encode_hop(1, 2, 3)
    good = command()
    part = bytearray(good + hop)
    for _ in range(data.draw(st.integers(1, 3))):
        part[data.draw(st.integers(0, len(part) - 1))] ^= data.draw(st.integers(1, 255))
    part = bytes(part[: data.draw(st.integers(0, len(part)))])
    admission = robot.admit(part)
    if part[: len(good)] != good:
        assert admission.verdict not in (Verdict.ADMITTED, Verdict.LATE)
        assert robot.gate.session.windows[0].newest == -1, "as before any command"


@settings(max_examples=300)
@given(st.binary(max_size=700))
@example(nested(4096))
def test_any_bytes_at_all_are_refused_by_some_name(part):
    robot = Robot()
    before = robot.memory()
    assert robot.admit(part).verdict not in (Verdict.ADMITTED, Verdict.LATE)
    assert robot.memory() == before


@settings(max_examples=200)
@given(valid(Command))
def test_whatever_the_right_console_says_never_breaks_the_gate(said):
    """A console with the keys and a wild program: admitted poses are poses, the rest is named."""
    robot = Robot()
    fields = {name: getattr(said, name) for name in Command.__struct_fields__}
    fields |= {"robot": "psm1", "session": b"session1", "epoch": 3}
    admission = robot.admit(seal(Command(**fields), KEYS.to_robot))
    if admission.verdict is Verdict.ADMITTED:
        assert all(math.isfinite(value) for value in admission.setpoint)


def test_numbers_in_recordings_never_change():
    assert [(v.name, int(v)) for v in Verdict] == [
        ("ADMITTED", 0),
        ("MERGED", 1),
        ("OVERSIZED", 2),
        ("MALFORMED", 3),
        ("VERSION", 4),
        ("KIND", 5),
        ("FIELD", 6),
        ("ROBOT", 7),
        ("ARM", 8),
        ("UNKNOWN_SESSION", 9),
        ("TAG", 10),
        ("NOT_PERSISTED", 11),
        ("DUPLICATE", 12),
        ("OLD", 13),
        ("FAR_FUTURE", 14),
        ("NEVER_SENT", 15),
        ("LATE", 16),
        ("NOT_FINITE", 17),
        ("NOT_UNIT", 18),
        ("MODE", 19),
    ]
