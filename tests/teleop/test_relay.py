"""A relay judges frames by their leading fields, forwards the very bytes, and changes none."""

import msgpack
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from safety.messages import NO_SESSION, NO_TAG, Command, RobotState
from safety.profile import MS
from safety.seal import seal
from teleop.relay import CONSOLES_MAX, STREAMS_MAX, Relay, Verdict
from tests.transport.frames import longest
from transport.wire.codec import encode, split
from transport.wire.messages import Clock, decode_hops
from transport.wire.vector import ORIGIN, pack_setpoint

T0 = 3_000_000_000_000
HOLD_NS, LOOP_NS = 20 * MS, 60 * MS
POSE = pack_setpoint(ORIGIN)


def command(key=b"key", **changes):
    fields = {
        "kind": 16,
        "robot": "psm1",
        "arm": 0,
        "session": b"session1",
        "epoch": 3,
        "seq": 1,
        "t_tx": 5,
        "tick_echo": 1,
        "press_id": 1,
        "clutch_id": 1,
        "input_seq": 1,
        "input_age": 0,
        "flags": 1,
        "seen_frame_id": 0,
        "mode": 0,
        "tool": 0,
        "setpoint": POSE,
        "previous": None,
        "earlier": None,
        "tag": NO_TAG,
    }
    return seal(Command(**{**fields, **changes}), key)


def state(tick, robot="psm1", boot=b"boot0001"):
    return encode(RobotState(17, robot, boot, tick, NO_SESSION, 0, 0, 3, 1, False, 0, (), None))


class Path:
    """A relay with a robot and some consoles."""

    def __init__(self, consoles=("console1",)):
        self.now_ns = T0
        self.relay = Relay(path=4, incarnation=77)
        self.relay.attach_robot("psm1", "psm1")
        for console in consoles:
            assert self.relay.attach_console(console, "psm1", HOLD_NS, LOOP_NS)
        self.tick = self.seq = 0
        self.speak()

    def speak(self, boot=b"boot0001"):
        self.tick += 1
        self.hear("psm1", state(self.tick, boot=boot))

    def hear(self, peer, part):
        before = list(self.relay.counts)
        verdict = self.relay.receive(peer, part, self.now_ns)
        before[verdict] += 1
        after = list(self.relay.counts)
        assert sum(after) - sum(before) in (0, 1), "one verdict, and perhaps one superseded"
        return verdict

    def say(self, console="console1", **changes):
        self.seq += 1
        return self.hear(console, command(**{"seq": self.seq, "tick_echo": self.tick, **changes}))

    def out(self):
        return self.relay.to_send(self.now_ns)

    def sent(self):
        """The commands that go on, as (peer, sealed bytes, hop)."""
        return [(o.peer, *split(o.part)) for o in self.out()]


@pytest.fixture
def path():
    return Path()


# Forwarding --------------------------------------------------------------------------------------


def test_the_very_bytes_go_on_with_a_hop_record_behind(path):
    data = command()
    assert path.hear("console1", data) is Verdict.FORWARDED
    path.now_ns += 150_000
    ((peer, sealed, hops),) = path.sent()
    assert (peer, sealed) == ("psm1", data)
    (hop,) = decode_hops(hops)
    assert hop == (type(hop))(4, 77, 150_000, 0, 0)
    assert path.out() == [], "and once"


def test_of_what_arrived_together_only_the_newest_goes_on(path):
    for _ in range(5):
        assert path.say() is Verdict.FORWARDED
    ((_, sealed, hops),) = path.sent()
    assert sealed == command(seq=5, tick_echo=path.tick)
    assert decode_hops(hops)[0].merged == 4
    assert path.relay.counts[Verdict.MERGED] == 4
    assert [(r.seq, r.verdict.name) for r in path.relay.take_records()] == [
        (1, "FORWARDED"),
        (1, "MERGED"),
        (2, "FORWARDED"),
        (2, "MERGED"),
        (3, "FORWARDED"),
        (3, "MERGED"),
        (4, "FORWARDED"),
        (4, "MERGED"),
        (5, "FORWARDED"),
    ]


def test_arms_and_consoles_have_streams_of_their_own():
    path = Path(("console1", "console2"))
    path.hear("console1", command(seq=9, arm=0))
    path.hear("console1", command(seq=2, arm=1))
    path.hear("console2", command(seq=1, session=b"session2", epoch=4))
    assert len(path.sent()) == 3


def test_copies_and_older_ones_are_not_forwarded(path):
    path.hear("console1", command(seq=2))
    path.out()
    assert path.hear("console1", command(seq=2)) is Verdict.DUPLICATE
    assert path.hear("console1", command(seq=1)) is Verdict.OLD
    assert path.hear("console1", command(seq=60_003)) is Verdict.FAR_FUTURE
    assert path.out() == []
    assert path.hear("console1", command(seq=3)) is Verdict.FORWARDED


def test_age_is_taken_from_the_tick_on_the_relays_own_clock(path):
    path.now_ns += 2 * MS
    assert path.say() is Verdict.FORWARDED
    path.now_ns += 20 * MS
    assert path.say() is Verdict.FORWARDED  # exactly the hold above the floor
    path.now_ns += 1
    assert path.say() is Verdict.LATE
    path.speak()
    path.now_ns += 5 * MS
    assert path.say() is Verdict.FORWARDED
    *_, hops = path.sent()[-1]
    assert decode_hops(hops)[0].late == 1


def test_after_a_stall_nothing_of_the_queue_goes_on():
    """A pause of 500 ms: states and commands wait, and are heard at once when it ends."""
    path = Path()
    for _ in range(50):
        path.now_ns += MS
        path.say()
        path.out()
        if path.now_ns % (4 * MS) == 0:
            path.speak()
    echoed = path.tick
    queue = []
    for _ in range(500):
        path.seq += 1
        queue.append(command(seq=path.seq, tick_echo=echoed))
    path.now_ns += 500 * MS
    for _ in range(125):
        path.speak()
    verdicts = {path.hear("console1", part) for part in queue}
    assert verdicts == {Verdict.LATE}
    assert path.out() == []
    path.now_ns += MS
    assert path.say() is Verdict.FORWARDED, "what follows is welcome at once"


def test_a_command_for_a_robot_that_is_gone_waits_for_nobody(path):
    path.say()
    path.relay.detach("psm1")
    assert path.out() == []
    assert path.say() is Verdict.NO_ROBOT
    path.relay.attach_robot("psm1", "psm1")
    path.speak()
    assert path.say() is Verdict.FORWARDED
    assert len(path.out()) == 1


# States ------------------------------------------------------------------------------------------


def test_a_state_goes_to_every_console_of_its_robot_once():
    path = Path(("console1", "console2"))
    path.relay.attach_robot("psm2", "psm2")
    path.relay.attach_console("console3", "psm2", HOLD_NS, LOOP_NS)
    path.relay.states(path.now_ns)
    path.speak()
    path.now_ns += 1000
    (spoken,) = path.relay.states(path.now_ns)
    assert spoken.robot == "psm1"
    assert spoken.consoles == ["console1", "console2"]
    sealed, hops = split(spoken.part)
    assert sealed == state(2)
    assert decode_hops(hops)[0].dwell_ns == 1000
    assert path.relay.states(path.now_ns) == []


def test_of_several_states_the_newest_is_said(path):
    path.relay.states(path.now_ns)
    path.speak()
    path.tick += 1
    assert path.hear("psm1", state(path.tick)) is Verdict.MERGED
    (spoken,) = path.relay.states(path.now_ns)
    assert split(spoken.part)[0] == state(path.tick)


def test_a_state_that_is_copied_or_old_is_not_said(path):
    path.speak()
    assert path.hear("psm1", state(path.tick)) is Verdict.DUPLICATE
    path.tick += 3
    path.hear("psm1", state(path.tick))
    assert path.hear("psm1", state(path.tick - 1)) is Verdict.OLD


def test_a_rebooted_robot_begins_its_ticks_again(path):
    for _ in range(20):
        path.speak()
    path.tick = 0
    path.speak(boot=b"boot0002")
    assert path.say(tick_echo=1) is Verdict.FORWARDED
    assert path.say(tick_echo=15) is Verdict.NEVER_SENT, "the old boot's ticks are gone"


def test_a_robots_newer_attachment_replaces_its_older_one(path):
    path.relay.states(path.now_ns)
    path.relay.attach_robot("psm1 again", "psm1")
    assert path.hear("psm1", state(50)) is Verdict.ROBOT
    assert path.hear("psm1 again", state(51)) is Verdict.FORWARDED
    path.relay.detach("psm1")
    assert path.say() is Verdict.FORWARDED
    assert path.out()[0].peer == "psm1 again"


def test_a_robot_that_attaches_anew_from_the_same_place_stays(path):
    path.relay.attach_robot("psm1", "psm1")
    assert path.say() is Verdict.FORWARDED


# Who may what ------------------------------------------------------------------------------------


def test_a_robot_has_so_many_consoles_and_no_more():
    path = Path(tuple(f"console{n}" for n in range(CONSOLES_MAX)))
    assert not path.relay.attach_console("one more", "psm1", HOLD_NS, LOOP_NS)
    assert path.hear("one more", command()) is not Verdict.FORWARDED
    assert path.relay.attach_console("console0", "psm1", HOLD_NS, LOOP_NS), "again is not more"
    assert path.relay.attach_console("elsewhere", "psm2", HOLD_NS, LOOP_NS)
    path.relay.detach("console0")
    assert path.relay.attach_console("one more", "psm1", HOLD_NS, LOOP_NS)


def test_a_forger_moves_windows_of_his_own_only():
    path = Path(("console1", "mallory"))
    path.say()
    path.out()
    assert path.hear("mallory", command(seq=50_000)) is Verdict.FORWARDED
    assert path.hear("mallory", command(seq=2**63 - 1)) is Verdict.FAR_FUTURE
    path.out()
    assert path.say() is Verdict.FORWARDED
    assert split(path.out()[-1].part)[0] == command(seq=path.seq, tick_echo=path.tick)


def test_a_console_of_many_sessions_is_bounded_and_older_grants_are_forgotten(path):
    for arm in range(STREAMS_MAX):
        assert path.say(arm=arm) is Verdict.FORWARDED
    assert path.say(arm=STREAMS_MAX) is Verdict.STREAMS
    assert path.say(session=b"another1") is Verdict.STREAMS
    assert path.say(session=b"session2", epoch=5) is Verdict.FORWARDED
    assert path.say(session=b"session1", epoch=3, arm=0, seq=1) is Verdict.FORWARDED


def test_a_console_cannot_speak_to_another_robot(path):
    path.relay.attach_robot("psm2", "psm2")
    assert path.say(robot="psm2") is Verdict.ROBOT


def test_whether_anybody_is_here():
    relay = Relay(1, 1)
    assert not relay.is_busy
    relay.attach_console("console1", "psm1", HOLD_NS, LOOP_NS)
    assert relay.is_busy
    relay.detach("console1")
    relay.detach("never here")
    assert not relay.is_busy


# Bad input ---------------------------------------------------------------------------------------

STATE = encode(longest(RobotState))


def with_field(name, value):
    fields = msgpack.unpackb(command())
    fields[Command.__struct_fields__.index(name) + 1] = value
    return msgpack.packb(fields)


FROM_CONSOLE = [
    ("nothing", b"", "MALFORMED"),
    ("garbage", b"\xc1" * 300, "MALFORMED"),
    ("http", b"GET / HTTP/1.1\r\nHost: relay\r\n\r\n", "MALFORMED"),
    ("oversized", bytes(10_000), "OVERSIZED"),
    ("oversized for its kind", command() + bytes(400), "OVERSIZED"),
    ("truncated in the head", command()[:3], "MALFORMED"),
    ("truncated", command()[:100], "MALFORMED"),
    ("truncated by one byte", command()[:-1], "MALFORMED"),
    ("trailed by something", command() + b"\x00", "MALFORMED"),
    ("wrong version", b"\xdc\x00\x15\x02" + command()[4:], "VERSION"),
    ("unknown kind", b"\xdc\x00\x15\x01\x70" + command()[5:], "KIND"),
    ("a state", encode(longest(RobotState))[:500], "KIND"),
    ("a ping", encode(Clock(3, 1, 2, 3)), "KIND"),
    ("10000 nested arrays", b"\x91" * 10_000, "OVERSIZED"),
    ("400 nested arrays", b"\x91" * 400, "VERSION"),
    ("nested arrays behind a head", command()[:60] + b"\x91" * 400, "MALFORMED"),
    ("a map", msgpack.packb({"version": 1, "kind": 16}), "MALFORMED"),
    ("a map in place of a field", with_field("seq", {"a": 1}), "FIELD"),
    ("a negative sequence", with_field("seq", -1), "FIELD"),
    ("a float", with_field("seq", 1.5), "FIELD"),
    ("a session of seven bytes", with_field("session", bytes(7)), "FIELD"),
    ("another robot's", command(robot="psm2"), "ROBOT"),
    ("a tick never sent", command(tick_echo=2), "NEVER_SENT"),
    ("no tick", command(tick_echo=0), "NEVER_SENT"),
]
FROM_ROBOT = [
    ("nothing", b"", "MALFORMED"),
    ("oversized", STATE + bytes(2000), "OVERSIZED"),
    ("2000 nested arrays", b"\x9e\x01\x11" + b"\x91" * 2000, "FIELD"),
    ("nested arrays behind a head", state(9)[:-2] + b"\x91" * 1900, "MALFORMED"),
    ("truncated", state(9)[:-1], "MALFORMED"),
    ("wrong version", b"\x9e\x05" + state(9)[2:], "VERSION"),
    ("a command", command(), "KIND"),
    ("another robot's", state(9, robot="psm2"), "ROBOT"),
    ("a tick as text", state(9).replace(b"boot0001\x09", b"boot0001\xa1"), "FIELD"),
    ("a tick of the far future", state(2**63 - 1), "FAR_FUTURE"),
]


@pytest.mark.parametrize(
    ("part", "name"), [b[1:] for b in FROM_CONSOLE], ids=[b[0] for b in FROM_CONSOLE]
)
def test_what_a_console_may_send_wrongly_is_counted_by_name(path, part, name):
    assert path.hear("console1", part).name == name
    assert path.out() == []
    assert path.say(seq=2) is Verdict.FORWARDED


@pytest.mark.parametrize(
    ("part", "name"), [b[1:] for b in FROM_ROBOT], ids=[b[0] for b in FROM_ROBOT]
)
def test_what_a_robot_may_send_wrongly_is_counted_by_name(path, part, name):
    path.relay.states(path.now_ns)
    assert path.hear("psm1", part).name == name
    assert path.relay.states(path.now_ns) == []
    path.speak()
    assert path.relay.states(path.now_ns)


def test_every_verdict_is_told_in_this_file():
    told = {b[2] for b in (*FROM_CONSOLE, *FROM_ROBOT)}
    told |= {"FORWARDED", "MERGED", "NO_ROBOT", "DUPLICATE", "OLD", "LATE", "STREAMS"}
    assert told == {verdict.name for verdict in Verdict}


def anything():
    return st.one_of(
        st.binary(max_size=600),
        st.binary(max_size=300).map(lambda rest: b"\xdc\x00\x15\x01\x10" + rest),
        st.binary(max_size=300).map(lambda rest: b"\x9e\x01\x11" + rest),
    )


@settings(max_examples=300)
@given(st.sampled_from(["console1", "psm1", "stranger"]), anything())
@example("psm1", b"\x9e\x01\x11\xa4psm1" + b"\x91" * 2000)
def test_any_bytes_from_anybody_are_counted_and_go_nowhere(peer, part):
    path = Path()
    path.relay.states(path.now_ns)
    path.hear(peer, part)
    assert path.out() == []
    assert path.relay.states(path.now_ns) == []


@settings(max_examples=300)
@given(st.data())
def test_a_frame_that_was_changed_or_cut_never_breaks_the_relay(data):
    path = Path()
    good = data.draw(st.sampled_from([("console1", command()), ("psm1", state(2))]))
    peer, part = good[0], bytearray(good[1])
    for _ in range(data.draw(st.integers(1, 3))):
        part[data.draw(st.integers(0, len(part) - 1))] ^= data.draw(st.integers(1, 255))
    part = bytes(part[: data.draw(st.integers(0, len(part)))])
    if path.hear(peer, part) is Verdict.FORWARDED and peer == "console1":
        assert [o.part.startswith(part) for o in path.out()] == [True]
