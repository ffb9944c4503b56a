"""A console believes only its robot: what it echoes, says, shows and adds up."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safety.grant import Denied, Granted, Release, Request, SessionKeys, derive, public_point
from safety.messages import NO_SESSION, NO_TAG, ArmState, Command, Flags, RobotState
from safety.profile import MS, Profile
from safety.seal import is_sealed, seal
from safety.state import Cause, State
from teleop.console.ledger import Entry
from teleop.console.operator import STRANGE_NS_MAX, Lost, Operator, OperatorSettings, Refused, Seen
from teleop.console.script import SCRIPTS, Person
from tests.world.rig import NODE, ROBOT, SIGNER, STRANGER, Rig, p256
from transport.wire.codec import Registry, encode
from transport.wire.messages import Clock, encode_hop
from transport.wire.vector import ORIGIN, pack_setpoint

T0 = 2_000_000_000_000
POSE = pack_setpoint(ORIGIN)
COMMANDS = Registry((Command,))
REQUESTS = Registry((Request,))


class Console:
    """An operator, and a robot that says what the story wants."""

    def __init__(self, arm=0, robot_arms=1):
        self.now_ns = T0
        self.rig = Rig()
        self.rig.measure()
        self.settings = OperatorSettings(console="console1", robot=ROBOT, arm=arm)
        self.person = Person(SCRIPTS["figure8"], self.now_ns)
        self.operator = Operator(self.settings, {NODE: SIGNER.public_key()}, self.person)
        self.arms = robot_arms
        self.tick = 0
        self.epoch = 0
        self.keys = SessionKeys(b"", b"")
        self.session = NO_SESSION

    def ask(self, key=11):
        data = self.operator.request(b"request1", p256(key), replace=False)
        return REQUESTS.expect(data, Request)

    def grant(self, *, key=11, signing=SIGNER, **changes):
        """Ask, and have the grant."""
        asked = self.ask(key)
        self.epoch += 1
        fields = {
            "session": b"sess%04d" % self.epoch,
            "console_key": asked.console_key,
            "epoch": self.epoch,
            "period_us": asked.period_us,
        }
        data = self.rig.make_grant(signing, **{**fields, **changes})
        self.operator.answered(Granted(51, asked.request, data))
        if self.operator.is_granted:
            self.session = {**fields, **changes}["session"]
            self.keys = derive(data, p256(key), self.rig.agent.robot_key)
        return data

    def state(self, *, key=None, seq=0, hops=b"", sealed=True, arm=None, **changes):
        self.tick += 1
        fields = {
            "kind": 17,
            "robot": ROBOT,
            "boot": self.rig.agent.boot,
            "tick": self.tick,
            "session": self.session,
            "epoch": self.epoch,
            "epoch_max": self.epoch,
            "state": State.IDLE,
            "cause": Cause.NONE,
            "estop_seen": False,
            "driver": 7,
            "arms": tuple(
                ArmState(
                    n,
                    seq,
                    1,
                    100_000,
                    hops,
                    seq,
                    0,
                    0,
                    False,
                    POSE,
                    bytes(48),
                    b"",
                    POSE,
                    POSE,
                    0,
                    0,
                    0,
                )
                for n in range(self.arms)
            ),
            "tag": NO_TAG if sealed else None,
        }
        message = RobotState(**{**fields, **(arm or {}), **changes})
        return seal(message, key or self.keys.to_console) if sealed else encode(message)

    def hear(self, part=None, **state):
        self.operator.receive(self.state(**state) if part is None else part, self.now_ns)
        return self.events()

    def events(self):
        events = []
        while (event := self.operator.next_event()) is not None:
            events.append(event)
        return events

    def say(self):
        self.now_ns += MS
        data = self.operator.to_send(self.now_ns - 1000, self.now_ns)
        return None if data is None else COMMANDS.expect(data, Command)


@pytest.fixture
def console():
    return Console()


@pytest.fixture
def granted(console):
    console.grant()
    console.hear()
    return console


# Asking ------------------------------------------------------------------------------------------


def test_a_request_says_who_and_what_with_a_key_of_its_own(console):
    first, second = console.ask(11), console.ask(12)
    assert first.console_key == public_point(p256(11))
    assert first.console_key != second.console_key
    assert (first.robot, first.period_us, first.scale) == (ROBOT, 1000, 0.2)
    assert first.profile == Profile.AUTO


def test_a_denial_is_told_in_the_services_words(console):
    console.ask()
    console.operator.answered(Denied(52, b"request1", "psm1 is held by surgeon"))
    assert console.events() == [Refused("psm1 is held by surgeon")]
    assert not console.operator.is_granted


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"signing": STRANGER}, "signature"),
        ({"signer": "mallory"}, "not pinned here"),
        ({"robot": "psm2"}, "another request"),
        ({"console_key": public_point(p256(99))}, "another request"),
        ({"robot_key": bytes(65)}, "P-256"),
        ({"scale": 5.0}, "scale"),
    ],
)
def test_a_grant_that_is_not_good_is_not_taken(console, how, reason):
    console.grant(**how)
    (refused,) = console.events()
    assert reason in refused.reason
    assert not console.operator.is_granted
    assert console.say() is None


def test_a_grant_that_nobody_asked_for_is_not_taken(console):
    data = console.rig.make_grant(console_key=public_point(p256(11)))
    console.operator.answered(Granted(51, b"request1", data))
    assert "another request" in console.events()[0].reason


@pytest.mark.parametrize("grant", [b"", b"\x91" * 900, bytes(1024)])
def test_bytes_that_are_no_grant_are_refused(console, grant):
    console.ask()
    console.operator.answered(Granted(51, b"request1", grant))
    assert isinstance(console.events()[0], Refused)


def test_what_is_no_answer_is_ignored(console):
    console.operator.answered(Clock(3, 1, 2, 3))
    assert console.events() == []


def test_giving_back_needs_a_session(console):
    assert console.operator.release() is None
    console.grant()
    released = Registry((Release,)).expect(console.operator.release(), Release)
    assert released.session == console.session


# Speaking ----------------------------------------------------------------------------------------


def test_nothing_is_said_before_the_robot_was_seen_under_this_session(console):
    assert console.say() is None
    console.grant()
    assert console.say() is None
    console.hear()
    command = console.say()
    assert (command.session, command.epoch, command.seq) == (console.session, 1, 1)
    assert command.tick_echo == console.tick


def test_commands_are_sealed_numbered_and_echo_the_newest_tick(granted):
    for seq in range(1, 20):
        granted.hear()
        granted.now_ns += MS
        data = granted.operator.to_send(granted.now_ns, granted.now_ns)
        assert is_sealed(data, granted.keys.to_robot)
        command = COMMANDS.expect(data, Command)
        assert (command.seq, command.tick_echo, command.t_tx) == (seq, granted.tick, granted.now_ns)


def test_history_is_carried_while_the_pedals_stay_the_same(granted):
    one, two, three = granted.say(), granted.say(), granted.say()
    assert (one.previous, one.earlier) == (None, None)
    assert (two.previous, two.earlier) == (one.setpoint, None)
    assert (three.previous, three.earlier) == (two.setpoint, one.setpoint)


def test_history_ends_where_a_pedal_moved(granted):
    granted.hear(state=State.ARMED)
    granted.say()
    granted.now_ns += 100 * MS
    pressed = granted.say()
    assert pressed.flags & Flags.DEADMAN
    assert (pressed.previous, pressed.earlier) == (None, None)
    later = granted.say()
    assert (later.previous, later.earlier) == (pressed.setpoint, None)


def test_under_a_new_grant_numbers_go_on_and_history_does_not(granted):
    for _ in range(5):
        granted.say()
    granted.grant(key=12)
    assert granted.say() is None, "the robot was not seen yet under it"
    granted.hear()
    command = granted.say()
    assert (command.seq, command.epoch, command.previous) == (6, 2, None)


# Believing ---------------------------------------------------------------------------------------


def test_a_forged_state_is_neither_echoed_nor_shown(granted):
    tick = granted.tick
    assert granted.hear(key=bytes(32), state=State.ENGAGED, tick=tick + 50) == []
    assert granted.say().tick_echo == tick
    assert granted.operator.unverified == 1
    assert granted.operator.state is State.IDLE


def test_a_state_that_is_changed_on_the_way_is_not_believed(granted):
    part = bytearray(granted.state())
    part[-30] ^= 1
    granted.hear(bytes(part))
    assert granted.operator.unverified == 1


def test_a_state_of_another_robot_is_not_believed(granted):
    granted.hear(robot="psm2")
    assert granted.operator.unverified == 1


def test_older_states_and_copies_by_the_other_path_are_not_looked_at_twice(granted):
    part, newer = granted.state(state=State.ARMED), granted.state(state=State.HOLD)
    assert len(granted.hear(newer)) == 1
    assert granted.hear(part) == []
    assert granted.hear(newer) == []
    assert granted.operator.state is State.HOLD


def test_a_state_before_the_grant_is_shown_but_never_echoed(console):
    assert console.hear(sealed=False, state=State.ESTOP) == [Seen(State.ESTOP, Cause.NONE, False)]
    console.grant()
    assert console.say() is None


def test_another_robots_state_is_not_shown_either(console):
    assert console.hear(sealed=False, robot="psm2", state=State.ESTOP) == []
    assert console.operator.state is State.BOOT


def test_when_the_robot_no_longer_speaks_under_our_session_it_is_lost(granted):
    def strange(ms):
        events = []
        for _ in range(ms // 4):
            events += granted.hear(sealed=False, session=NO_SESSION, state=State.ESTOP)
            granted.now_ns += 4 * MS
        return events

    assert strange(STRANGE_NS_MAX // MS) == []
    granted.hear()
    assert strange(STRANGE_NS_MAX // MS) == [], "one good state, and the time starts again"
    assert granted.operator.is_granted
    assert granted.operator.state is State.IDLE, "what nobody vouched for is not shown"
    assert strange(4) == [Lost(taken=False)]
    assert not granted.operator.is_granted
    assert granted.say() is None


@pytest.mark.parametrize(
    ("first", "then", "taken"),
    [
        (NO_SESSION, b"another!", False),  # the robot ended it; somebody was quicker to ask anew
        (b"another!", b"another!", True),  # it was replaced: whoever took the robot has it
        (b"another!", NO_SESSION, True),
    ],
)
def test_a_lost_session_was_taken_if_another_followed_it_at_once(granted, first, then, taken):
    events = granted.hear(sealed=False, session=first)
    while not events:
        granted.now_ns += 4 * MS
        events = granted.hear(sealed=False, session=then)
    assert [event for event in events if isinstance(event, Lost)] == [Lost(taken)]


def test_a_liar_who_shouts_does_not_drown_the_robot(granted):
    """A thousand states of another session within a moment say nothing."""
    for _ in range(1000):
        granted.hear(sealed=False, session=NO_SESSION)
    assert granted.operator.is_granted


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize("change", [{"state": 200}, {"cause": 250}, {"state": 8, "cause": 255}])
def test_a_number_that_this_console_does_not_know_breaks_nothing(granted, sealed, change):
    """A newer robot has more causes; a forger any number."""
    granted.hear(sealed=sealed, session=granted.session if sealed else NO_SESSION, **change)
    granted.hear(state=State.ARMED)
    assert granted.operator.state is State.ARMED


def test_a_robot_without_our_arm_is_not_ours():
    console = Console(arm=3)
    console.grant()
    assert console.hear() == []
    assert console.operator.unverified == 1
    assert console.say() is None


@pytest.mark.parametrize(
    "part", [b"", b"\x91" * 3000, bytes(5000), encode(Clock(3, 1, 2, 3)), b"\xc1" * 100]
)
def test_bytes_that_are_no_state_are_counted(granted, part):
    assert granted.hear(part) == []
    assert granted.operator.unverified == 1


@settings(max_examples=200)
@given(st.data())
def test_no_bytes_from_a_relay_break_a_console(data):
    console = Console()
    console.grant()
    good = data.draw(st.sampled_from([console.state(), console.state(sealed=False)]))
    part = bytearray(good + encode_hop(1, 2, 3))
    for _ in range(data.draw(st.integers(1, 4))):
        part[data.draw(st.integers(0, len(part) - 1))] ^= data.draw(st.integers(1, 255))
    console.hear(bytes(part[: data.draw(st.integers(0, len(part)))]))
    console.hear(data.draw(st.binary(max_size=300)))


# Adding up ---------------------------------------------------------------------------------------


def test_an_acknowledgement_becomes_an_entry_of_the_ledger(granted):
    granted.say()
    sent_ns = granted.now_ns
    granted.now_ns += 2 * MS
    up, down = encode_hop(1, 2, 300_000), encode_hop(1, 2, 200_000)
    (entry,) = granted.hear(granted.state(seq=1, hops=up) + down)
    assert entry == Entry(
        rtt_ns=granted.now_ns - sent_ns + 1000,
        console=1000,
        relay_up=300_000,
        robot=100_000,
        relay_down=200_000,
        net=2 * MS - 600_000,
    )


def test_a_command_is_acknowledged_once(granted):
    granted.say()
    assert [type(e) for e in granted.hear(seq=1)] == [Entry]
    assert granted.hear(seq=1) == []
    assert granted.hear(seq=0) == []


def test_an_acknowledgement_of_what_was_never_sent_is_not_believed(granted):
    granted.say()
    assert granted.hear(seq=500) == []
    assert granted.operator.tally.sent == 0


def test_hop_records_that_cannot_be_read_stop_nothing(granted):
    granted.say()
    assert [type(e) for e in granted.hear(granted.state(seq=1, hops=b"\xc1") + b"\xc1\xc1")] == [
        Entry
    ]


def test_what_became_of_the_commands_is_counted_with_what_relays_dropped(granted):
    for _ in range(10):
        granted.say()
    hops = encode_hop(1, 2, 3, merged=2, late=1)
    arms = (ArmState(0, 10, 1, 0, hops, 5, 1, 1, True, POSE, bytes(48), b"", POSE, POSE, 0, 0, 0),)
    granted.hear(arms=arms)
    tally = granted.operator.tally
    assert (tally.sent, tally.admitted, tally.merged, tally.late) == (10, 5, 3, 2)
    assert tally.lost == 0
    assert tally._replace(admitted=3).lost == 2
    assert tally._replace(admitted=30).lost == 0


def test_the_error_is_the_distance_between_setpoint_and_tip(granted):
    away = pack_setpoint(ORIGIN._replace(x=0.003, y=0.004))
    granted.hear(
        arms=(ArmState(0, 0, 1, 0, b"", 0, 0, 0, False, POSE, bytes(48), b"", away, away, 0, 0, 0),)
    )
    assert granted.operator.error_m == pytest.approx(0.005)
    assert granted.operator.measured == ORIGIN


def test_letting_go_is_for_good(granted):
    granted.hear(state=State.ARMED)
    granted.now_ns += 200 * MS
    assert granted.say().flags & Flags.DEADMAN
    granted.operator.let_go()
    assert not granted.say().flags & Flags.DEADMAN
    granted.now_ns += 500 * MS
    assert not granted.say().flags & Flags.DEADMAN
    assert granted.operator.seq == 3
