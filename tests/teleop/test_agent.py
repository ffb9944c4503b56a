"""The robot's side: what raises it, what stops it, what its driver and its store are told."""

import math
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from safety.brake import STOP_NS_MAX
from safety.clamp import Rule
from safety.driver import VALID_FOR_US, Measure, Servo
from safety.estop import Button
from safety.gate import Verdict
from safety.grant import Acceptance, Boot, Revoke, Role, public_point
from safety.limits import Limits
from safety.messages import NO_SESSION, Bedside, Ceiling, Driver, Event, Flags
from safety.profile import MS, Profile
from safety.seal import is_sealed
from safety.secret import Secret
from safety.state import Cause, State
from teleop.robot.agent import Agent, Persist, RobotSettings
from teleop.robot.drive import MEASURE_NS_MAX, SERVO_NS_MAX
from teleop.robot.fixture import HalfSpace, ShapeSettings
from tests.world.rig import NODE, ROBOT, SIGNER, START_NS, STRANGER, Rig, p256
from transport.wire.codec import encode
from transport.wire.messages import encode_hop
from transport.wire.vector import ORIGIN, Setpoint, pack_setpoint, unpack_setpoint, unpack_twist

LIMITS = Limits()
CEILINGS = {"watchdogd": "hold", "visiond": "degraded", "relayd1": "none"}


def ceiling(state, source="watchdogd", ttl_ms=10_000, robot=ROBOT):
    return Ceiling(19, source, robot, state, "why", ttl_ms)


def rule(rig):
    """What keeps the arm from its hand, by the robot itself."""
    return Rule(rig.agent.arms[0].state(rig.now_ns).rule)


def travel(m_s):
    """How far a setpoint may run on that is to come to rest."""
    return m_s**2 / (2 * LIMITS.brake_m_s2) + 0.0005


def told(rig, kind):
    return [message for message in rig.told if isinstance(message, kind)]


# Boot --------------------------------------------------------------------------------------------


def test_a_robot_boots_to_idle_and_tells_its_driver_to_brake():
    rig = Rig()
    assert rig.path() == [(State.IDLE, Cause.BOOTED)]
    rig.measure()
    assert rig.stops == [1]
    assert not rig.servos


@pytest.mark.parametrize("stored", [State.ESTOP, State.PROTECTIVE_STOP])
def test_a_stop_survives_a_restart_and_is_left_at_the_bedside_only(stored):
    rig = Rig(stored=stored)
    assert rig.state is stored
    rig.measure()
    rig.grant()
    rig.run(100)
    rig.press()
    rig.run(100)
    assert rig.state is stored, "a grant may be given in any state; motion still needs the reset"
    assert rig.agent.bedside(Bedside(20, "reset"), rig.now_ns)
    rig.drain()
    assert rig.state is State.IDLE
    assert rig.stored[-1] == Persist(1, State.BOOT)
    rig.release()
    rig.run(60)
    assert rig.state is State.ARMED


def test_a_rebooted_robot_has_forgotten_every_session():
    old = Rig().to_engaged()
    rig = Rig(boot=8, epoch_max=old.agent.epoch_max)
    rig.measure()
    rig.agent.receive(old.command(tick_echo=1), rig.now_ns)
    assert rig.count(Verdict.UNKNOWN_SESSION) == 1
    rig.grant(boot=old.agent.boot)
    assert "earlier boot" in told(rig, Acceptance)[-1].reason


# Grants ------------------------------------------------------------------------------------------


def test_a_grant_is_answered_after_it_is_on_disk():
    rig = Rig(epoch_max=4)
    rig.writes = False
    rig.measure()
    rig.grant()
    assert rig.stored == [Persist(5, State.BOOT)]
    assert not told(rig, Acceptance)
    rig.run(60)
    assert rig.count(Verdict.NOT_PERSISTED) == 60
    assert rig.state is State.IDLE
    rig.agent.persisted(rig.stored[0])
    rig.drain()
    assert told(rig, Acceptance) == [Acceptance(53, rig.session, 5, True, "")]
    rig.run(1)
    assert rig.state is State.ARMED


def test_a_record_of_an_older_epoch_puts_nothing_in_force():
    rig = Rig()
    rig.writes = False
    rig.measure()
    rig.grant()
    rig.grant()
    rig.agent.persisted(rig.stored[0])
    rig.drain()
    assert not rig.agent.gate.session.persisted
    assert not told(rig, Acceptance)
    rig.agent.persisted(rig.stored[1])
    assert rig.agent.gate.session.persisted


def test_a_replaced_grant_is_fenced_off_and_its_arm_is_put_down_first():
    rig = Rig().to_engaged()
    old = rig.command()
    rig.grant()
    assert rig.path() == [(State.IDLE, Cause.ENDED)]
    assert rig.stops[-1] == 1
    rig.agent.receive(old, rig.now_ns)
    assert rig.count(Verdict.UNKNOWN_SESSION) == 1
    rig.release()
    rig.run(60)
    assert rig.state is State.ARMED


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"robot": "psm2"}, "for robot 'psm2'"),
        ({"boot": bytes(8)}, "earlier boot"),
        ({"epoch": 3}, "not above 3"),
        ({"epoch": 0}, "not above 3"),
        ({"limits": bytes(32)}, "other limits"),
        ({"role": 9}, "role 9"),
        ({"profile": 0}, "profile 0"),
        ({"profile": 9}, "profile 9"),
        ({"period_us": 0}, "period"),
        ({"period_us": 1_000_000}, "period"),
        ({"signer": "node9"}, "not pinned"),
        ({"console_key": bytes(65)}, "P-256"),
        ({"scale": 0.0}, "scale"),
        ({"scale": 2.0}, "scale"),
    ],
)
def test_a_grant_that_does_not_fit_is_refused_in_words_and_changes_nothing(changes, reason):
    rig = Rig(epoch_max=3).to_engaged()
    rig.agent.epoch_max = 3
    session = rig.agent.gate.session
    rig.agent.receive_grant(rig.make_grant(**{"epoch": 9, **changes}), rig.now_ns)
    rig.drain()
    answer = told(rig, Acceptance)[-1]
    assert not answer.accepted
    assert reason in answer.reason
    assert rig.agent.gate.session is session
    assert rig.state is State.ENGAGED
    assert rig.agent.epoch_max == 3


@pytest.mark.parametrize("data", [b"", b"\x90", bytes(2000), b"\x91" * 900])
def test_bytes_that_are_no_grant_are_refused(data):
    rig = Rig()
    rig.agent.receive_grant(data, rig.now_ns)
    rig.drain()
    assert not told(rig, Acceptance)[-1].accepted
    assert rig.agent.gate.session is None


def test_a_strangers_signature_opens_nothing():
    rig = Rig()
    rig.agent.receive_grant(rig.make_grant(STRANGER), rig.now_ns)
    rig.drain()
    assert "signature" in told(rig, Acceptance)[-1].reason


def test_a_script_is_refused_unless_the_driver_says_simulated():
    rig = Rig(simulated=False)
    rig.measure()
    rig.grant(role=Role.SCRIPT)
    assert "simulated robot only" in told(rig, Acceptance)[-1].reason
    rig.grant(role=Role.SURGEON)
    assert told(rig, Acceptance)[-1].accepted


def test_a_script_is_refused_before_any_driver_has_spoken():
    rig = Rig()
    rig.grant(role=Role.SCRIPT)
    assert not told(rig, Acceptance)[-1].accepted


def test_a_script_loses_its_grant_when_a_real_robot_takes_the_simulators_place():
    rig = Rig().to_engaged(role=Role.SCRIPT)
    rig.agent.driver_gone(rig.now_ns)
    rig.flags, rig.instance = Driver(0), 2
    rig.run(5)
    assert rig.agent.gate.session is None
    assert rig.state is State.IDLE


def test_a_grants_time_is_counted_on_the_robots_clock_from_acceptance():
    rig = Rig().to_engaged(duration_s=1)
    accepted_ns = rig.now_ns - 62 * MS
    rig.run(1000)
    ended = [t for t in rig.transitions if t.cause is Cause.EXPIRED]
    assert [(t.new, t.t_ns - accepted_ns) for t in ended] == [(State.IDLE, 1000 * MS)]


def test_a_revoked_session_ends_at_once_and_anothers_does_not():
    rig = Rig().to_engaged()
    assert not rig.agent.receive_guard("sessiond", Revoke(55, b"othersid", ""), rig.now_ns)
    assert rig.state is State.ENGAGED
    assert rig.agent.receive_guard("sessiond", Revoke(55, rig.session, ""), rig.now_ns)
    rig.drain()
    assert rig.path() == [(State.IDLE, Cause.REVOKED)]
    assert rig.agent.gate.session is None
    assert told(rig, Boot)[-1].session == NO_SESSION


def test_an_introduction_says_what_a_grant_must_know():
    rig = Rig(arms=2, epoch_max=6).to_armed()
    boot = rig.agent.introduction()
    assert (boot.robot, boot.arms, boot.epoch_max) == (ROBOT, 2, 7)
    assert boot.session == rig.session
    assert boot.robot_key == public_point(p256(7))
    assert boot.simulated


def test_any_other_limit_or_shape_is_another_digest():
    corners = {"corner_m_min": (-0.1, -0.1, -0.1), "corner_m_max": (0.1, 0.1, 0.1)}
    floor = HalfSpace(name="floor", point_m=(0.0, 0.0, -0.2), normal=(0.0, 0.0, 1.0))
    limits = [Limits(**{f: corners.get(f, 0.0123)}) for f in Limits.__struct_fields__]
    shapes = [ShapeSettings(tremor=True), ShapeSettings(fixtures=(floor,))]
    others = [RobotSettings(name=ROBOT, limits=other) for other in limits]
    others += [RobotSettings(name=ROBOT, shape=other) for other in shapes]
    digests = {settings.digest() for settings in (RobotSettings(name="psm9"), *others)}
    assert len(digests) == 1 + len(others)
    assert all(len(digest) == 32 for digest in digests)


# Commands ----------------------------------------------------------------------------------------


def test_the_arm_follows_differences_of_the_hand_scaled():
    rig = Rig()
    rig.pose[0] = rig.pose[0]._replace(x=0.05)
    rig.at = ORIGIN._replace(x=7.0)
    rig.to_engaged(scale=0.5)
    assert rig.setpoint().x == 0.05
    rig.run(100, move=lambda ms: ORIGIN._replace(x=7.0 + 1e-4 * ms, jaw=0.001 * ms))
    assert rig.setpoint().x == pytest.approx(0.05 + 0.5 * 0.0099)
    assert rig.setpoint().jaw == pytest.approx(0.099)
    assert rig.servos[-1].message.seq == rig.seq[0]
    assert rig.servos[-1].message.valid_for_us == VALID_FOR_US


def test_an_open_clutch_lets_the_hand_wander():
    rig = Rig().to_engaged()
    rig.run(20, move=lambda ms: ORIGIN._replace(x=1e-4 * ms))
    opened = rig.setpoint()
    rig.hand["flags"] |= Flags.CLUTCH
    rig.run(50, move=lambda ms: ORIGIN._replace(y=0.01 * ms))
    before = rig.setpoint()
    assert 0.0 < before.x - opened.x <= travel(0.1), "it came to rest along its own way"
    assert before[1:] == opened[1:]
    rig.run(5)
    assert rig.setpoint() == before
    assert not rig.verified().arms[0].following
    rig.hand["flags"] &= ~Flags.CLUTCH
    rig.hand["clutch_id"] += 1
    rig.run(5)
    assert rig.setpoint() == before, "re-referenced: no leap"
    rig.run(20, move=lambda ms: rig.at._replace(x=1e-4 * ms))
    assert rig.setpoint().x > before.x


def test_a_hand_that_leaps_is_followed_no_faster_than_the_limits():
    rig = Rig().to_engaged()
    rig.run(10)
    rig.at = ORIGIN._replace(x=0.1)
    before = rig.setpoint().x
    rig.run(1)
    assert rule(rig) is Rule.STEP
    rig.run(39)
    gone = 0.5 * LIMITS.acceleration_m_s2 * 0.04**2
    assert rig.setpoint().x - before == pytest.approx(gone, rel=0.05), "first a ramp"
    assert rule(rig) is Rule.ACCELERATION
    rig.run(15)
    before = rig.setpoint().x
    rig.run(10)
    assert rig.setpoint().x - before == pytest.approx(10 * 0.0005), "then the speed"
    assert rule(rig) is Rule.SPEED
    rig.run(400)
    assert rig.setpoint().x == pytest.approx(0.1)
    assert rule(rig) is Rule.NONE


def test_three_leaps_within_a_second_are_a_protective_stop():
    rig = Rig().to_engaged()
    for x in (0.05, 0.0, 0.05):
        assert rig.state is State.ENGAGED
        rig.at = ORIGIN._replace(x=x)
        rig.run(100)
    assert rig.path() == [(State.PROTECTIVE_STOP, Cause.LEAPS)]
    assert rig.stops[-1] == 1
    assert rig.stored[-1].state is State.PROTECTIVE_STOP


def test_three_leaps_in_more_than_a_second_are_not():
    rig = Rig().to_engaged()
    for x in (0.05, 0.0, 0.05, 0.0):
        rig.at = ORIGIN._replace(x=x)
        rig.run(600)
    assert rig.path() == []


def creep(rig, axis, m_s, ms):
    """The hand goes on at an even speed."""
    start = rig.at
    rig.run(ms, move=lambda step: start._replace(**{axis: start[axis_of(axis)] + m_s * step / 1e3}))


def axis_of(axis):
    return Setpoint._fields.index(axis)


def test_a_creep_across_the_fence_ends_in_a_hold_at_the_fence():
    rig = Rig().to_engaged()
    rig.run(5)
    creep(rig, "x", 0.2, 1200)
    assert rig.state is State.ENGAGED
    creep(rig, "x", 0.2, 50)
    assert rig.path() == [(State.HOLD, Cause.FENCE)]
    rig.run(50)
    assert math.hypot(*rig.setpoint()[:3]) == pytest.approx(LIMITS.reach_m, abs=1e-9)
    assert rig.verified().arms[0].following is False


def test_along_the_fence_the_tip_slides():
    rig = Rig().to_engaged()
    rig.run(5)
    creep(rig, "z", 0.1, 820)
    assert rig.setpoint().z == pytest.approx(LIMITS.corner_m_max[2])
    assert rule(rig) is Rule.WORKSPACE
    before = rig.setpoint().x
    creep(rig, "x", 0.1, 100)
    assert rig.setpoint().x - before == pytest.approx(0.0099, abs=1e-4)
    assert rig.state is State.ENGAGED


@pytest.mark.parametrize("bad", [{"x": math.nan}, {"y": math.inf}, {"qw": 2.0}], ids=str)
def test_three_commands_that_are_no_pose_are_a_protective_stop(bad):
    rig = Rig().to_engaged()
    rig.run(10)
    before = rig.setpoint()
    for _ in range(3):
        assert rig.state is State.ENGAGED
        rig.run(1, setpoint=pack_setpoint(ORIGIN._replace(**bad)))
        rig.run(1)
    assert rig.path()[0][1] is Cause.NO_POSE
    assert rig.state is State.PROTECTIVE_STOP
    assert rig.setpoint() == before


def test_degraded_is_slow_and_a_lag_of_two_millimetres_holds():
    rig = Rig().to_engaged()
    rig.run(7, says=False)
    assert rig.state is State.DEGRADED
    rig.run(1)
    rig.run(10, move=lambda ms: ORIGIN._replace(x=1e-4 * ms))
    assert rig.state is State.DEGRADED
    rig.run(10, move=lambda ms: ORIGIN._replace(x=0.001 + 5e-4 * ms))
    assert rig.path()[-1] == (State.HOLD, Cause.LAG)


def test_the_step_that_would_lag_too_far_is_not_made():
    rig = Rig().to_engaged()
    rig.run(30, says=False)
    rig.run(20)
    assert rig.state is State.DEGRADED
    before = rig.setpoint()
    rig.at = ORIGIN._replace(x=0.03)
    rig.run(1)
    assert rig.state is State.HOLD
    assert rig.setpoint() == before
    assert rig.servos[-1].message.setpoint == pack_setpoint(before)


def test_of_what_arrived_together_only_the_newest_is_applied():
    rig = Rig().to_engaged()
    rig.run(10)
    rig.driver.clear()
    rig.records.clear()
    parts = [rig.command(setpoint=pack_setpoint(ORIGIN._replace(x=1e-5 * n))) for n in range(5)]
    for part in parts:
        rig.agent.receive(part, rig.now_ns)
    rig.drain()
    assert [s.message.seq for s in rig.servos] == [rig.seq[0]]
    assert [r.verdict.name for r in rig.records] == ["MERGED"] * 4 + ["ADMITTED"]
    assert [r.applied for r in rig.records] == [False] * 4 + [True]
    arm = rig.agent.arms[0].state(rig.now_ns)
    assert (arm.merged, arm.admitted) == (4, rig.seq[0] - 4)


def test_a_stall_is_not_replayed_even_if_its_last_command_is_applied():
    rig = Rig().to_engaged()
    rig.run(10)
    queued = [rig.command() for _ in range(5)]
    released = rig.command(flags=0)
    for part in [*queued, released]:
        rig.agent.receive(part, rig.now_ns)
    rig.driver.clear()
    rig.drain()
    assert not rig.servos, "the newest says: released"
    assert rig.state is State.ARMED


@pytest.mark.parametrize(
    "bad",
    [
        {"key": bytes(32)},
        {"robot": "psm2"},
        {"session": b"session9"},
        {"tick_echo": 10**9},
        {"mode": 3},
    ],
    ids=str,
)
def test_what_is_refused_moves_nothing_and_is_no_sign_of_life(bad):
    rig = Rig().to_engaged()
    rig.run(10)
    before, heard_ns = rig.setpoint(), rig.now_ns
    good = rig.at
    rig.at = ORIGIN._replace(x=0.01)
    for ms in range(1, 25):
        rig.wait(heard_ns + ms * MS)
        rig.measure()
        rig.say(**bad)
    assert rig.setpoint() == before
    assert [(t.t_ns - heard_ns, t.new) for t in rig.transitions] == [
        (5 * MS, State.DEGRADED),
        (20 * MS, State.HOLD),
    ]
    assert all(r.verdict is not Verdict.ADMITTED for r in rig.records[-24:])
    rig.at = good


def test_a_lag_of_one_arm_holds_the_other_in_the_same_breath():
    rig = Rig(arms=2)
    rig.to_engaged()
    rig.run(10, arms=(0, 1))
    fall = rig.now_ns
    rig.run(7, says=False)
    rig.run(2, arms=(0, 1))
    assert rig.state is State.DEGRADED, fall
    before = rig.setpoint(1)
    rig.agent.receive(
        rig.command(arm=0, setpoint=pack_setpoint(ORIGIN._replace(x=0.02))), rig.now_ns
    )
    rig.agent.receive(
        rig.command(arm=1, setpoint=pack_setpoint(ORIGIN._replace(x=0.001))), rig.now_ns
    )
    rig.drain()
    assert rig.state is State.HOLD
    assert rig.setpoint(1) == before
    assert not rig.agent.arms[1].following


def test_an_arm_whose_own_command_says_released_does_not_follow_though_another_engages():
    rig = Rig(arms=2).to_engaged()
    rig.run(20, arms=(0, 1))
    before = rig.setpoint(0)
    moved = pack_setpoint(rig.at._replace(x=0.0004))
    rig.agent.receive(rig.command(arm=0, flags=0, setpoint=moved), rig.now_ns)
    rig.agent.receive(rig.command(arm=1), rig.now_ns)
    rig.driver.clear()
    rig.drain()
    assert rig.setpoint(0) == before
    assert [s.message.arm for s in rig.servos] == [1]


# Emergency stop ----------------------------------------------------------------------------------


def test_the_consoles_estop_latches_and_is_acknowledged_and_stored():
    rig = Rig().to_engaged()
    rig.say(flags=Flags.DEADMAN | Flags.ESTOP)
    assert rig.path() == [(State.ESTOP, Cause.ESTOP_PRESSED)]
    assert rig.verified().estop_seen
    assert rig.stops[-1] == 1
    assert rig.stored[-1] == Persist(1, State.ESTOP)
    rig.run(300)
    rig.release()
    rig.cycle_clutch()
    rig.press()
    rig.run(300)
    assert rig.state is State.ESTOP


@pytest.mark.parametrize("start", ["idle", "armed", "engaged"])
def test_the_estop_bit_stops_from_every_state(start):
    rig = Rig()
    if start == "idle":
        rig.measure()
        rig.grant()
    else:
        getattr(rig, f"to_{start}")()
    rig.say(flags=Flags.ESTOP)
    assert rig.state is State.ESTOP


def test_an_estop_that_comes_late_stops_all_the_same():
    """The path is bad, and that may be why it was pressed: a stop is never too old."""
    rig = Rig().to_engaged()
    stale = rig.verified().tick
    rig.run(15, says=False)
    rig.measure()
    heard_ns = rig.now_ns
    for ms in range(1, 60):
        rig.wait(heard_ns + ms * MS)
        rig.measure()
        rig.say(tick_echo=stale)
    assert rig.cause is Cause.LATE
    rig.say(tick_echo=stale, flags=Flags.ESTOP)
    assert rig.records[-1].verdict is Verdict.LATE
    assert rig.state is State.ESTOP


def test_a_forged_or_replayed_estop_stops_nothing():
    rig = Rig().to_engaged()
    rig.run(5)
    pressed = rig.command(flags=Flags.ESTOP)
    rig.agent.receive(pressed, rig.now_ns)
    rig.drain()
    rig.agent.bedside(Bedside(20, "reset"), rig.now_ns)
    rig.drain()
    assert rig.state is State.IDLE
    rig.agent.receive(pressed, rig.now_ns)
    rig.say(key=bytes(32), flags=Flags.ESTOP)
    assert rig.state is State.IDLE


def test_a_reset_while_the_console_still_presses_does_not_last():
    rig = Rig().to_engaged()
    rig.hand["flags"] |= Flags.ESTOP
    rig.run(10)
    assert rig.agent.bedside(Bedside(20, "reset"), rig.now_ns)
    rig.drain()
    rig.run(1)
    assert rig.state is State.ESTOP


def test_the_bedside_stops_and_resets_without_any_network():
    rig = Rig().to_engaged()
    assert rig.agent.bedside(Bedside(20, "estop"), rig.now_ns)
    rig.drain()
    assert rig.path() == [(State.ESTOP, Cause.BEDSIDE_ESTOP)]
    assert rig.agent.bedside(Bedside(20, "reset"), rig.now_ns)
    rig.drain()
    assert rig.path() == [(State.IDLE, Cause.BEDSIDE_RESET)]
    assert rig.stored[-1].state is State.BOOT
    assert not rig.agent.bedside(Bedside(20, "reset"), rig.now_ns), "nothing to reset"


def test_an_estop_in_a_protective_stop_goes_lower_and_a_reset_of_either_is_one_act():
    rig = Rig().to_engaged()
    rig.run(2020, says=False)
    assert rig.state is State.PROTECTIVE_STOP
    rig.agent.bedside(Bedside(20, "estop"), rig.now_ns)
    rig.drain()
    assert rig.stored[-1].state is State.ESTOP
    rig.agent.bedside(Bedside(20, "reset"), rig.now_ns)
    assert rig.state is State.IDLE


# Ceilings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.ESTOP, State.PROTECTIVE_STOP, State.IDLE, State.HOLD])
def test_a_ceiling_lowers_at_once(state):
    rig = Rig(ceilings=CEILINGS).to_engaged()
    assert rig.agent.receive_guard("watchdogd", ceiling(state), rig.now_ns)
    rig.drain()
    assert rig.path() == [(state, Cause.CEILING)]


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("start", ["idle", "armed", "engaged"])
def test_no_ceiling_raises_anything(state, start):
    rig = Rig(ceilings=CEILINGS)
    if start != "idle":
        getattr(rig, f"to_{start}")()
    before = rig.state
    rig.agent.receive_guard("watchdogd", ceiling(state), rig.now_ns)
    rig.drain()
    assert rig.state <= before
    assert rig.state <= state or state is State.BOOT


@pytest.mark.parametrize(
    ("key", "source", "robot"),
    [
        ("visiond", "watchdogd", ROBOT),  # in another's name
        ("relayd9", "relayd9", ROBOT),  # without the right
        ("watchdogd", "watchdogd", "psm2"),  # for another robot
    ],
)
def test_a_ceiling_without_the_right_is_refused(key, source, robot):
    rig = Rig(ceilings=CEILINGS).to_engaged()
    message = ceiling(State.HOLD, source=source, robot=robot)
    assert not rig.agent.receive_guard(key, message, rig.now_ns)
    rig.drain()
    assert rig.state is State.ENGAGED


def test_what_is_no_guards_business_is_refused():
    rig = Rig(ceilings=CEILINGS)
    assert not rig.agent.receive_guard("watchdogd", Bedside(20, "reset"), rig.now_ns)


def test_a_degraded_ceiling_is_no_flicker():
    rig = Rig(ceilings=CEILINGS).to_engaged()
    rig.agent.receive_guard("visiond", ceiling(State.DEGRADED, "visiond"), rig.now_ns)
    rig.run(600)
    assert rig.path() == [(State.DEGRADED, Cause.CEILING)]
    rig.agent.receive_guard("visiond", ceiling(State.ENGAGED, "visiond"), rig.now_ns)
    rig.run(205)
    assert rig.path() == [(State.ENGAGED, Cause.STREAM_CLEAN)]


def test_under_a_degraded_ceiling_a_press_engages_no_higher():
    rig = Rig(ceilings=CEILINGS).to_armed()
    rig.path()
    rig.agent.receive_guard("visiond", ceiling(State.DEGRADED, "visiond"), rig.now_ns)
    rig.press()
    rig.run(300)
    assert [state for state, _ in rig.path()] == [State.DEGRADED]


def test_a_hold_ceiling_holds_without_flicker_while_the_hand_keeps_pressing():
    rig = Rig(ceilings=CEILINGS).to_engaged()
    rig.agent.receive_guard("watchdogd", ceiling(State.HOLD), rig.now_ns)
    rig.driver.clear()
    rig.run(80)
    assert rig.path() == [(State.HOLD, Cause.CEILING)]
    assert not rig.stops
    rig.agent.receive_guard("watchdogd", ceiling(State.ENGAGED), rig.now_ns)
    rig.run(1)
    assert rig.path() == [(State.DEGRADED, Cause.RESUMED)], "brief: resumed"


def test_a_hold_ceiling_that_lasts_is_latched():
    rig = Rig(ceilings=CEILINGS).to_engaged()
    rig.agent.receive_guard("watchdogd", ceiling(State.HOLD), rig.now_ns)
    rig.run(101)
    rig.agent.receive_guard("watchdogd", ceiling(State.ENGAGED), rig.now_ns)
    rig.run(200)
    assert rig.path() == [(State.HOLD, Cause.CEILING)]
    rig.release()
    rig.cycle_clutch()
    rig.run(1)
    assert rig.state is State.ARMED


@pytest.mark.parametrize("state", [State.IDLE, State.HOLD])
def test_a_raised_deadman_arms_nothing_under_a_ceiling_and_nothing_flickers(state):
    rig = Rig(ceilings=CEILINGS).to_armed()
    rig.path()
    rig.agent.receive_guard("watchdogd", ceiling(state), rig.now_ns)
    rig.run(200)
    assert rig.path() == [(state, Cause.CEILING)]
    assert rig.stops.count(None) == 1, "power is not toggled"


def test_a_ceiling_that_is_not_renewed_becomes_its_sources_silence_policy_in_its_time():
    rig = Rig(ceilings=CEILINGS).to_engaged()
    set_ns = rig.now_ns
    rig.agent.receive_guard("watchdogd", ceiling(State.ENGAGED, ttl_ms=50), set_ns)
    rig.run(60)
    held = [(t.new, t.t_ns - set_ns) for t in rig.transitions]
    assert held == [(State.HOLD, 50 * MS)]


def test_a_source_whose_silence_means_nothing_lapses():
    rig = Rig(ceilings=CEILINGS).to_engaged()
    rig.agent.receive_guard("relayd1", ceiling(State.HOLD, "relayd1", 50), rig.now_ns)
    rig.run(49)
    assert rig.state is State.HOLD
    rig.run(3)
    assert rig.state is State.DEGRADED


def test_a_ceiling_no_state_has_a_way_out_of_is_not_taken_literally():
    """BOOT is left by booting only: a source that asks for it must not brick the robot."""
    rig = Rig(ceilings=CEILINGS).to_engaged()
    rig.agent.receive_guard("watchdogd", ceiling(State.BOOT), rig.now_ns)
    rig.drain()
    assert rig.state <= State.BOOT
    rig.agent.receive_guard("watchdogd", ceiling(State.ENGAGED), rig.now_ns)
    assert rig.agent.bedside(Bedside(20, "reset"), rig.now_ns)
    assert rig.state is State.IDLE


def test_a_state_number_beyond_the_highest_is_engaged():
    rig = Rig(ceilings=CEILINGS).to_engaged()
    assert rig.agent.receive_guard("watchdogd", ceiling(255), rig.now_ns)
    rig.run(5)
    assert rig.state is State.ENGAGED


def test_a_bedside_reset_under_a_standing_stop_ceiling_changes_nothing():
    rig = Rig(ceilings=CEILINGS).to_engaged()
    rig.agent.receive_guard("watchdogd", ceiling(State.PROTECTIVE_STOP), rig.now_ns)
    rig.drain()
    assert not rig.agent.bedside(Bedside(20, "reset"), rig.now_ns)
    rig.run(50)
    assert rig.state is State.PROTECTIVE_STOP
    rig.agent.receive_guard("watchdogd", ceiling(State.ENGAGED), rig.now_ns)
    assert rig.agent.bedside(Bedside(20, "reset"), rig.now_ns)


# The driver --------------------------------------------------------------------------------------


def test_while_powered_the_driver_hears_a_setpoint_at_least_every_10_ms():
    rig = Rig().to_armed()
    rig.driver.clear()
    rig.run(15, says=True)
    rig.run(300, says=False)
    assert rig.state is State.HOLD
    times = [asked.t_ns for asked in rig.servos]
    gaps = [b - a for a, b in pairwise(times)]
    assert max(gaps) <= SERVO_NS_MAX


def test_below_hold_the_driver_hears_no_setpoint():
    rig = Rig()
    rig.run(100, says=False)
    assert not rig.servos
    assert rig.stops == [1]


def test_power_comes_with_a_setpoint_where_the_arm_stands():
    rig = Rig()
    rig.pose[0] = rig.pose[0]._replace(x=0.03)
    rig.to_armed()
    first = rig.servos[0].message
    assert isinstance(first, Servo)
    assert first.setpoint == pack_setpoint(rig.pose[0])


def test_a_driver_that_goes_while_engaged_ends_the_session():
    rig = Rig().to_engaged()
    rig.measures = False
    rig.agent.driver_gone(rig.now_ns)
    rig.drain()
    assert rig.path() == [(State.IDLE, Cause.DRIVER_LOST)]
    assert rig.agent.gate.session is None
    assert rig.stops[-1] == 1
    rig.driver.clear()
    rig.run(90)
    assert rig.path() == []
    assert not rig.driver


def test_a_driver_that_restarts_unseen_ends_the_session_too():
    rig = Rig().to_engaged()
    rig.instance += 1
    rig.run(1)
    assert rig.path() == [(State.IDLE, Cause.DRIVER_LOST)]
    assert rig.stops[-1] == 1


def test_a_driver_that_falls_silent_holds_after_30_ms_and_stays_held():
    rig = Rig().to_engaged()
    measured_ns = rig.now_ns
    rig.measures = False
    rig.run(90)
    held = [(t.new, t.cause, t.t_ns - measured_ns) for t in rig.transitions]
    assert held == [(State.HOLD, Cause.DRIVER_SILENT, MEASURE_NS_MAX + 1)]


def test_a_driver_that_was_silent_for_long_leaves_a_latched_hold():
    rig = Rig().to_engaged()
    rig.measures = False
    rig.run(200)
    rig.measures = True
    rig.run(200)
    assert rig.state is State.HOLD


def test_with_a_silent_driver_nobody_engages():
    rig = Rig().to_armed()
    rig.measures = False
    rig.run(40)
    rig.press()
    rig.run(100)
    assert rig.state is State.HOLD


def test_a_driver_that_brakes_by_itself_ends_the_session_and_a_new_epoch_powers_it():
    """A pause of the robot's process trips the drive's own watchdog: nothing may look engaged."""
    rig = Rig().to_engaged()
    rig.enabled = False
    rig.run(1)
    assert rig.path() == [(State.IDLE, Cause.DRIVER_BRAKED)]
    rig.release()
    rig.run(60)
    assert rig.state is State.IDLE
    assert not rig.enabled
    rig.to_engaged()
    assert rig.enabled


def test_a_driver_has_some_time_to_enable():
    rig = Rig()
    rig.measure()
    rig.grant()
    rig.powers = False
    rig.run(199)
    assert rig.state is State.ARMED
    rig.run(5)
    assert rig.path()[-1] == (State.IDLE, Cause.DRIVER_BRAKED)


def test_a_driver_that_is_not_enabled_yet_moves_nothing():
    rig = Rig()
    rig.measure()
    rig.grant()
    rig.powers = False
    rig.run(60)
    rig.press()
    rig.run(50)
    assert rig.state is State.ARMED
    rig.enabled = True
    rig.run(5)
    assert rig.state is State.ENGAGED


def test_a_restarted_driver_is_held_where_it_stands():
    rig = Rig(arms=2).to_engaged()
    rig.run(20, arms=(0, 1))
    rig.agent.driver_gone(rig.now_ns)
    rig.instance, rig.enabled = 2, False
    rig.pose = [pose._replace(z=-0.05) for pose in rig.pose]
    rig.driver.clear()
    rig.run(50, arms=(0, 1))
    assert rig.state <= State.HOLD
    for asked in rig.servos:
        assert asked.message.setpoint == pack_setpoint(rig.pose[asked.message.arm])


def test_a_driver_whose_instance_is_zero_is_a_driver_too():
    rig = Rig()
    rig.instance = 0
    rig.measure()
    assert rig.stops == [1]
    assert told(rig, Boot)


@pytest.mark.parametrize(
    "pose",
    [
        ORIGIN._replace(x=math.nan),
        ORIGIN._replace(jaw=math.inf),
        ORIGIN._replace(qw=0.5),
        Setpoint(*[0.0] * 8),
    ],
)
def test_a_measurement_that_is_no_pose_is_refused_and_counts_as_silence(pose):
    rig = Rig().to_engaged()
    measured = rig.agent.arms[0].measured
    good = rig.pose[0]
    rig.pose[0] = pose
    rig.obeys = False
    measured_ns = rig.now_ns
    rig.run(40)
    assert rig.agent.arms[0].measured == measured
    assert rig.agent.drive.refused == 40
    assert [(t.cause, t.t_ns - measured_ns) for t in rig.transitions] == [
        (Cause.DRIVER_SILENT, MEASURE_NS_MAX + 1)
    ]
    rig.pose[0] = good


def test_what_is_no_measurement_of_an_arm_we_have_is_counted():
    rig = Rig()
    rig.agent.receive_driver(Bedside(20, "reset"), rig.now_ns)
    pose = pack_setpoint(ORIGIN)
    rig.agent.receive_driver(Measure(32, 1, 1, 1, 5, b"", pose, bytes(48), 0), rig.now_ns)
    assert rig.agent.drive.refused == 2


def test_a_driver_that_repeats_one_measurement_under_way_holds_within_50_ms():
    rig = Rig().to_engaged()
    rig.run(30, move=lambda ms: ORIGIN._replace(x=5e-5 * ms))
    rig.obeys = False
    frozen_ns = rig.now_ns
    rig.run(80, move=lambda ms: ORIGIN._replace(x=0.0015 + 5e-5 * ms))
    [(state, cause, at_ns)] = [(t.new, t.cause, t.t_ns - frozen_ns) for t in rig.transitions]
    assert (state, cause) == (State.HOLD, Cause.DRIVER_FROZEN)
    assert at_ns <= 50 * MS
    rig.run(300)
    assert rig.state is State.HOLD, "until it sees, and then latched"
    rig.obeys = True
    rig.run(20)
    rig.release()
    rig.cycle_clutch()
    rig.run(2)
    assert rig.state is State.ARMED


def test_a_driver_that_says_one_measurement_again_and_again_is_silent():
    rig = Rig().to_engaged()
    tick, measured_ns = rig.agent.arms[0].driver_tick, rig.now_ns
    rig.measures = False
    for _ in range(40):
        rig.run(1)
        rig.measure(driver_tick=tick)
    assert [(t.cause, t.t_ns - measured_ns) for t in rig.transitions] == [
        (Cause.DRIVER_SILENT, MEASURE_NS_MAX + 1)
    ]


# Coming to rest ----------------------------------------------------------------------------------


def to_speed(rig, m_s=0.2):
    """The hand moves evenly, after a gentle start."""
    start = rig.at.x
    rig.run(100, move=lambda ms: ORIGIN._replace(x=start + m_s * (ms * 1e-3) ** 2 * 5))
    assert rig.state is State.ENGAGED


def test_a_hold_comes_to_rest_by_deadlines_of_its_own_within_its_way_and_time():
    rig = Rig(ceilings=CEILINGS).to_engaged()
    to_speed(rig)
    rig.driver.clear()
    held_ns, held = rig.now_ns, rig.setpoint()
    rig.agent.receive_guard("watchdogd", ceiling(State.HOLD), rig.now_ns)
    rig.drain()
    assert rig.state is State.HOLD
    rig.run(160, says=False)
    heard = [(asked.t_ns, unpack_setpoint(asked.message.setpoint)) for asked in rig.servos]
    moving = [(t, pose) for t, pose in heard if pose != heard[-1][1]]
    assert 0.0 < heard[-1][1].x - held.x <= travel(0.2)
    assert moving[-1][0] - held_ns <= 150 * MS
    assert all(b[0] - a[0] <= MS for a, b in pairwise(moving)), "every millisecond"
    xs = [pose.x for _, pose in heard]
    assert all(c - b <= b - a + 1e-12 for a, b, c in zip(xs, xs[1:], xs[2:], strict=False))


def test_a_released_deadman_and_an_open_clutch_come_to_rest_too():
    for let_go in (0, Flags.DEADMAN | Flags.CLUTCH):
        rig = Rig().to_engaged()
        to_speed(rig)
        left = rig.setpoint()
        rig.hand["flags"] = let_go
        rig.run(100)
        assert 0.0 < rig.setpoint().x - left.x <= travel(0.2)
        here = rig.setpoint()
        rig.run(20)
        assert rig.setpoint() == here


def test_the_drives_are_told_how_fast_a_braking_setpoint_is():
    rig = Rig(ceilings=CEILINGS).to_engaged()
    to_speed(rig)
    rig.agent.receive_guard("watchdogd", ceiling(State.HOLD), rig.now_ns)
    rig.run(100)
    last = {
        unpack_setpoint(a.message.setpoint): unpack_twist(a.message.velocity) for a in rig.servos
    }
    told = [(pose.x, twist.vx) for pose, twist in list(last.items())[-10:]]
    assert told[-1][1] == 0.0
    assert all(b[1] <= a[1] for a, b in pairwise(told))
    assert told[0][1] > 0.0


def test_pressing_again_while_it_brakes_begins_where_it_is():
    rig = Rig().to_engaged()
    to_speed(rig)
    rig.release()
    rig.run(5)
    rig.press()
    rig.run(1)
    assert rig.state is State.ENGAGED
    path = [rig.setpoint().x]
    start = rig.at
    for ms in range(1, 40):
        rig.run(1, move=lambda _, ms=ms: start._replace(x=start.x + 5e-5 * ms))
        path.append(rig.setpoint().x)
    assert max(abs(b - a) for a, b in pairwise(path)) <= 0.2e-3
    assert rule(rig) is Rule.NONE


def test_a_braking_setpoint_stays_out_of_a_fixture():
    """It would run on for 2.5 mm, and the wall stands 2 mm ahead."""
    wall = HalfSpace(
        name="wall", point_m=(0.0118, 0.0, 0.0), normal=(-1.0, 0.0, 0.0), margin_m=0.001
    )
    rig = Rig(ceilings=CEILINGS, shape=ShapeSettings(fixtures=(wall,)))
    rig.to_engaged()
    to_speed(rig, 0.2)
    assert rig.setpoint().x > 0.0097
    rig.agent.receive_guard("watchdogd", ceiling(State.HOLD), rig.now_ns)
    rig.run(150)
    assert 0.0108 < rig.setpoint().x < 0.0118


def test_a_fixture_that_holds_the_tip_back_is_named():
    wall = HalfSpace(name="wall", point_m=(0.002, 0.0, 0.0), normal=(-1.0, 0.0, 0.0))
    rig = Rig(shape=ShapeSettings(fixtures=(wall,))).to_engaged()
    rig.run(300, move=lambda ms: ORIGIN._replace(x=1e-5 * ms))
    state = rig.agent.arms[0].state(rig.now_ns)
    assert (state.rule, state.fixture) == (Rule.FIXTURE, 1)
    assert unpack_setpoint(state.requested).x == pytest.approx(0.00299)
    assert rig.setpoint().x < 0.002


# Its own lateness --------------------------------------------------------------------------------


def stand_still(rig, ms):
    """The process does nothing for so long; then its shell hears what waits, and looks."""
    rig.agent.next_deadline_ns(rig.now_ns)
    rig.now_ns += ms * MS
    rig.measure()
    rig.agent.handle_deadline(rig.now_ns)
    rig.drain()


def test_a_loop_that_was_late_holds_as_soon_as_it_runs_again():
    rig = Rig().to_engaged()
    rig.run(20)
    stand_still(rig, 16)
    assert rig.path()[0] == (State.HOLD, Cause.SELF_LATE)
    rig.run(1)
    assert rig.state is State.DEGRADED, "brief: resumed"


def test_a_loop_that_was_a_little_late_does_not():
    rig = Rig().to_engaged()
    rig.run(20)
    stand_still(rig, 9)
    assert Cause.SELF_LATE not in [cause for _, cause in rig.path()]


def test_after_a_pause_of_half_a_second_the_hold_is_latched():
    rig = Rig().to_engaged()
    rig.run(20)
    stand_still(rig, 500)
    assert rig.path() == [(State.HOLD, Cause.SELF_LATE)]
    rig.run(300)
    assert rig.state is State.HOLD
    assert rig.cause is Cause.LATCHED


def test_a_loop_that_is_late_while_nothing_moves_is_no_matter():
    rig = Rig().to_armed()
    rig.run(20)
    stand_still(rig, 12)
    assert Cause.SELF_LATE not in [cause for _, cause in rig.path()]


# Wired emergency stops ---------------------------------------------------------------------------


def wired(rig, button, ms, *, cut=False):
    """A box at the robot's guard, and everything else as ever."""
    for _ in range(ms):
        rig.run(1)
        token = button.to_send(rig.now_ns)
        if token is not None and not cut:
            rig.agent.receive_guard("pillar", token, rig.now_ns)
            rig.drain()


def with_button():
    rig, button = Rig(estops=("pillar",)), Button("pillar", ROBOT)
    rig.measure()
    rig.grant()
    wired(rig, button, 60)
    rig.press()
    wired(rig, button, 2)
    assert rig.state is State.ENGAGED
    rig.path()
    return rig, button


def test_nothing_arms_before_a_wired_stop_was_heard():
    rig = Rig(estops=("pillar",))
    rig.measure()
    rig.grant()
    rig.run(300)
    assert rig.state is State.IDLE


def test_a_cut_cable_is_a_protective_stop_after_20_ms():
    rig, button = with_button()
    wired(rig, button, 5)
    heard_ns = rig.agent._permission._ceilings._held["pillar"].expires_ns - 20 * MS
    wired(rig, button, 25, cut=True)
    assert [(t.new, t.cause, t.t_ns - heard_ns) for t in rig.transitions] == [
        (State.PROTECTIVE_STOP, Cause.TOKEN_LOST, 20 * MS)
    ]
    wired(rig, button, 20)
    assert rig.state is State.PROTECTIVE_STOP, "left at the bedside only"
    assert rig.agent.bedside(Bedside(20, "reset"), rig.now_ns)


def test_a_pressed_button_is_an_estop_at_once_and_its_acknowledgement_an_event():
    rig, button = with_button()
    wired(rig, button, 5)
    button.read(down=True)
    pressed_ns = rig.now_ns
    wired(rig, button, 3)
    [stop] = rig.transitions
    assert (stop.new, stop.cause) == (State.ESTOP, Cause.WIRED_ESTOP)
    assert not rig.agent.bedside(Bedside(20, "reset"), rig.now_ns)
    assert rig.agent.why_not("reset", rig.now_ns) == "no reset yet: pillar: pressed"
    assert stop.t_ns - pressed_ns <= 10 * MS
    button.acknowledged(State(told(rig, Event)[-1].new))
    button.read(down=False)
    assert not button.is_pressed


def test_a_token_of_somebody_else_keeps_nothing_alive():
    rig, button = with_button()
    token = Button("pillar", ROBOT).to_send(0)
    for _ in range(25):
        rig.run(1)
        assert not rig.agent.receive_guard("visiond", token, rig.now_ns)
    assert rig.state is State.PROTECTIVE_STOP
    assert button.is_pressed is False


# Forgers -----------------------------------------------------------------------------------------


def test_forged_commands_and_stops_are_counted_and_told_and_stop_nothing():
    rig = Rig().to_engaged()
    rig.told.clear()
    for ms in range(100):
        rig.run(1)
        for _ in range(5):
            rig.say(key=bytes(32), flags=Flags.ESTOP, seq=rig.seq[0] + 1)
            rig.seq[0] -= 1
        assert rig.state is State.ENGAGED, ms
    alarms = told(rig, Event)
    assert [(e.old, e.new, e.cause) for e in alarms] == [
        (State.ENGAGED, State.ENGAGED, Cause.FORGERY)
    ], "once a second"
    assert rig.count(Verdict.TAG) == 500
    rig.say(flags=Flags.ESTOP)
    assert rig.state is State.ESTOP, "a keyed one stops at once"


def test_nine_forged_commands_in_a_second_are_counted_only():
    rig = Rig().to_engaged()
    rig.told.clear()
    for _ in range(20):
        rig.run(115)
        rig.say(key=bytes(32), seq=rig.seq[0] + 1)
        rig.seq[0] -= 1
    assert not told(rig, Event)
    assert rig.count(Verdict.TAG) == 20


# Energy ------------------------------------------------------------------------------------------


def energies(rig):
    return [asked.message.energy for asked in rig.servos]


def test_energy_flows_in_engaged_only():
    rig = Rig().to_armed()
    rig.run(20, flags=Flags.CUT)
    rig.run(20)
    rig.press()
    rig.run(5)
    assert not any(energies(rig))
    rig.hand["flags"] |= Flags.CUT
    rig.run(5)
    assert energies(rig)[-1] == Flags.CUT


@pytest.mark.parametrize("leave", ["release", "silence", "ceiling", "hand"])
def test_energy_is_off_at_once_when_engaged_is_left(leave):
    rig = Rig(ceilings=CEILINGS).to_engaged()
    rig.hand["flags"] |= Flags.COAG
    rig.run(5)
    assert energies(rig)[-1] == Flags.COAG
    if leave == "release":
        rig.release()
        rig.say()
    elif leave == "silence":
        rig.run(5, says=False)
    elif leave == "ceiling":
        rig.agent.receive_guard("watchdogd", ceiling(State.HOLD), rig.now_ns)
        rig.drain()
    else:
        reading = rig.input_seq
        while rig.state is State.ENGAGED:
            rig.wait(rig.now_ns + MS)
            rig.measure()
            rig.say(input_seq=reading)
    assert rig.state is not State.ENGAGED
    assert energies(rig)[-1] == 0
    assert rig.servos[-1].t_ns == rig.transitions[0].t_ns, "in the same breath"


def test_energy_never_resumes_by_itself():
    rig = Rig().to_engaged()
    rig.hand["flags"] |= Flags.CUT
    rig.run(5)
    rig.run(30, says=False)
    rig.run(300)
    assert rig.state is State.ENGAGED
    assert energies(rig)[-1] == 0, "the pedal was held all the time"
    rig.hand["flags"] &= ~Flags.CUT
    rig.run(1)
    rig.hand["flags"] |= Flags.CUT
    rig.run(2)
    assert energies(rig)[-1] == Flags.CUT


def test_a_pedal_pressed_before_engaging_must_be_pressed_anew():
    rig = Rig().to_armed()
    rig.hand["flags"] |= Flags.BIPOLAR
    rig.run(10)
    rig.press()
    rig.run(20)
    assert rig.state is State.ENGAGED
    assert not any(energies(rig))


# States and events -------------------------------------------------------------------------------


def test_states_leave_at_250_hz_when_commands_come():
    rig = Rig().to_engaged()
    rig.states.clear()
    rig.run(1000)
    assert len(rig.states) >= 250


def test_states_leave_at_250_hz_when_nothing_comes():
    rig = Rig()
    rig.run(5, says=False)
    rig.states.clear()
    rig.run(1000, says=False)
    assert len(rig.states) >= 250


def test_states_are_numbered_without_a_gap_and_sealed_under_the_session():
    rig = Rig().to_engaged()
    ticks = [state.tick for _, state in rig.states]
    assert ticks == list(range(1, len(ticks) + 1))
    state = rig.verified()
    assert (state.session, state.epoch, state.boot) == (rig.session, 1, rig.agent.boot)
    assert is_sealed(encode(state), rig.keys.to_console)


def test_a_transition_is_said_in_the_same_breath():
    rig = Rig(ceilings=CEILINGS).to_engaged()
    rig.agent.receive_guard("watchdogd", ceiling(State.HOLD), rig.now_ns)
    rig.drain()
    said_ns, state = rig.states[-1]
    assert said_ns == rig.now_ns
    assert (state.state, state.cause) == (State.HOLD, Cause.CEILING)
    event = told(rig, Event)[-1]
    assert (event.old, event.new, event.cause) == (State.ENGAGED, State.HOLD, Cause.CEILING)
    assert event.seq == rig.seq[0]


def test_a_state_acknowledges_the_newest_command_with_its_hops_and_residence():
    rig = Rig().to_engaged()
    hop = encode_hop(1, 2, 3)
    rig.agent.receive(rig.command() + hop, rig.now_ns)
    arrived_ns = rig.now_ns
    rig.states.clear()
    while not rig.states:
        rig.wait(rig.now_ns + MS)
        rig.drain()
    said_ns, state = rig.states[0]
    arm = state.arms[0]
    assert (arm.seq, arm.hops) == (rig.seq[0], hop)
    assert arm.residence_ns == said_ns - arrived_ns


def test_the_robot_says_each_grant_anew_with_counts_from_zero():
    rig = Rig().to_engaged()
    rig.run(20)
    rig.grant()
    rig.run(1, says=False)
    arm = rig.agent.arms[0].state(rig.now_ns)
    assert (arm.seq, arm.admitted, arm.merged, arm.late) == (0, 0, 0, 0)


# Anything in any order ---------------------------------------------------------------------------

happenings = st.sampled_from(
    [
        "say",
        "say",
        "say",
        "press",
        "release",
        "clutch",
        "estop",
        "bad",
        "silence",
        "pause",
        "hold",
        "lift",
        "driver gone",
        "grant",
        "revoke",
        "reset",
        "jump",
    ]
)


def happen(rig, what):
    agent = rig.agent
    if what == "say":
        rig.run(20)
    elif what in ("press", "release"):
        getattr(rig, what)()
        rig.run(60)
    elif what == "clutch":
        rig.cycle_clutch()
        rig.run(5)
    elif what == "estop":
        rig.say(flags=Flags.ESTOP)
    elif what == "bad":
        rig.say(key=bytes(32), seq=50_000)
    elif what == "silence":
        rig.run(30, says=False)
    elif what == "pause":
        rig.now_ns += 45 * MS
    elif what == "hold":
        agent.receive_guard("watchdogd", ceiling(State.HOLD, ttl_ms=200), rig.now_ns)
    elif what == "lift":
        agent.receive_guard("watchdogd", ceiling(State.ENGAGED, ttl_ms=10_000), rig.now_ns)
    elif what == "driver gone":
        agent.driver_gone(rig.now_ns)
        rig.instance += 1
        rig.enabled = False
    elif what == "grant":
        rig.grant()
    elif what == "revoke":
        agent.receive_guard("sessiond", Revoke(55, rig.session, ""), rig.now_ns)
    elif what == "reset":
        agent.bedside(Bedside(20, "reset"), rig.now_ns)
    else:
        rig.at = rig.at._replace(x=rig.at.x + 0.03)
    agent.handle_deadline(rig.now_ns)
    rig.drain()


@settings(max_examples=40)
@example(["press", "jump", "say", "press"])
@given(st.lists(happenings, max_size=14))
def test_whatever_happens_the_arm_moves_only_in_motion_and_never_too_fast(whats):
    rig = Rig(ceilings=CEILINGS)
    rig.measure()
    rig.grant()
    rig.run(60)
    for what in whats:
        happen(rig, what)
    state_at = sorted((t.t_ns, i, t.new) for i, t in enumerate(rig.transitions))
    limits = Limits()
    last = None
    for asked in rig.driver:
        if not isinstance(asked.message, Servo):
            last = None  # a stop, or power: the setpoint is settled on the arm
            continue
        pose = asked.message.setpoint
        if last is not None and pose != last[1]:
            # What may move no longer still comes to rest.
            since_ns = asked.t_ns - STOP_NS_MAX
            before = [new for t_ns, _, new in state_at if t_ns <= since_ns]
            during = {new for t_ns, _, new in state_at if since_ns <= t_ns <= asked.t_ns}
            assert max({*before[-1:], *during}) >= State.DEGRADED
            step = math.dist(Setpoint(*memory(pose))[:3], Setpoint(*memory(last[1]))[:3])
            assert step <= limits.speed_m_s * 20e-3 + 1e-9
        last = asked.t_ns, pose
    for t in rig.transitions:
        assert t.new >= State.HOLD or t.old != t.new


def memory(pose):
    return memoryview(pose).cast("d").tolist()


def test_a_robot_without_a_hand_is_an_agent_all_the_same():
    agent = Agent(
        RobotSettings(name=ROBOT),
        Secret(p256(7)),
        {NODE: SIGNER.public_key()},
        0,
        State.BOOT,
        START_NS,
    )
    agent.driver_gone(START_NS)
    assert agent.to_send(START_NS)
    agent.handle_deadline(START_NS + 10**9)
    assert agent.next_deadline_ns(START_NS) > START_NS
    assert agent.interlock.state is State.IDLE
    assert Profile.NATIVE in Profile


def test_how_it_stands_is_an_event_that_changes_nothing():
    rig, _ = with_button()
    event = rig.agent.standing(rig.now_ns)
    assert (event.old, event.new, event.t_ns) == (State.ENGAGED, State.ENGAGED, rig.now_ns)
    assert rig.agent.bedside(Bedside(20, "estop"), rig.now_ns)
    event = rig.agent.standing(rig.now_ns)
    assert (event.old, event.new) == (State.ESTOP, State.ESTOP)
    assert event.cause == rig.agent.interlock.cause
