"""Stories of a whole node in virtual time: what a hand does, what goes wrong, where the arm is."""

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safety.gate import Verdict
from safety.grant import Role
from safety.messages import Bedside, Ceiling, Command, Flags
from safety.profile import MS
from safety.seal import seal
from safety.secret import Secret
from safety.state import Cause, State
from teleop.relay import Verdict as Passed
from teleop.robot.agent import Agent, To
from teleop.robot.agent import Persist as Stored
from teleop.robot.tape import Kind
from tests.world.rig import NODE, SIGNER, p256
from tests.world.world import ROBOT, US, Console, Wire, World
from transport.wire.codec import Registry, split
from transport.wire.vector import ORIGIN, pack_setpoint, unpack_setpoint

COMMANDS = Registry((Command,))


def decode(part):
    return COMMANDS.expect(split(part)[0], Command)


def heard_ns(world):
    """When the robot last admitted a command, on its own clock."""
    good = (Verdict.ADMITTED, Verdict.MERGED)
    return max(r.t_ns for r in world.robot.records if r.verdict in good)


def motion(world):
    """The setpoints that the driver took, in order, repetitions left out."""
    poses = [servo.setpoint for _, servo in world.simulator.applied]
    return [b for a, b in zip([b"", *poses], poses, strict=False) if a != b]


# The good day ------------------------------------------------------------------------------------


def test_a_hand_asks_arms_engages_is_followed_and_gives_the_robot_back():
    world = World()
    console = world.engaged(scale=0.5)
    assert world.path() == [
        (State.IDLE, "BOOTED"),
        (State.ARMED, "ALIGNED"),
        (State.ENGAGED, "PRESSED"),
    ]
    world.run(2000)
    assert world.path() == []
    tip = world.simulator.arms[0]
    lag = [math.dist(a.setpoint[:3], b.setpoint[:3]) for a, b in pairwise(world.applied(console))]
    assert max(lag) < 0.0005
    xs = [a.setpoint.x for a in world.applied(console)]
    assert max(xs) - min(xs) == pytest.approx(0.010, rel=0.01)  # half of the hand's 20 mm
    assert console.operator.error_m < 0.001
    console.operator.let_go()
    world.run(50)
    assert world.state is State.ARMED
    here = tip.pose
    console.release()
    world.run(20)
    assert world.path() == [(State.ARMED, "RELEASED"), (State.IDLE, "REVOKED")]
    assert not tip.enabled
    assert math.dist(here[:3], tip.pose[:3]) < 1e-4


def test_the_instrument_is_where_the_hand_says_scaled_from_the_first_reference():
    world = World()
    console = world.engaged(scale=0.5)
    world.run(300)
    said = {decode(f).seq: unpack_setpoint(decode(f).setpoint) for f in console.frames}
    applied = world.applied(console)
    first = applied[0]
    for taken in applied:
        for axis in range(3):
            hand = said[taken.seq][axis] - said[first.seq][axis]
            wish = first.setpoint[axis] + 0.5 * hand
            assert taken.setpoint[axis] == pytest.approx(wish, abs=1e-12)


def test_the_console_sees_every_change_and_its_ledger_adds_up():
    world = World()
    console = world.engaged()
    world.run(500)
    assert [seen.state for seen in console.seen] == [State.IDLE, State.ARMED, State.ENGAGED]
    tally = console.operator.tally
    assert (tally.lost, tally.merged, tally.late) == (0, 0, 0)
    assert len(console.entries) >= 120
    for entry in console.entries:
        assert entry.felt_ns == sum(entry[1:])
        assert entry.rtt_ns <= 10 * MS
        assert not entry.breaks_budget


def test_clocks_that_disagree_by_days_do_not_matter():
    ways = set()
    for seed in range(6):
        world = World(seed=seed)
        world.engaged()
        world.run(100)
        ways.add(tuple(world.path()))
    assert len(ways) == 1


# Silence -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_a_console_that_dies_goes_down_the_ladder_to_the_nanosecond_on_the_robots_clock(seed):
    world = World(seed=seed)
    console = world.engaged()
    world.run(200)
    world.path()
    world.kill(console)
    world.run(90)
    since = heard_ns(world)
    assert not world.robot.agent._permission.engagement.latched
    world.run(2000)
    assert [(t.t_ns - since, t.new, t.cause) for t in world.robot.transitions] == [
        (5 * MS, State.DEGRADED, Cause.GAP),
        (20 * MS, State.HOLD, Cause.SILENCE),
        (2000 * MS, State.PROTECTIVE_STOP, Cause.LONG_SILENCE),
    ]
    assert world.robot.stored.state is State.PROTECTIVE_STOP
    assert world.robot.agent.gate.session is None
    assert not world.simulator.arms[0].enabled


@pytest.mark.parametrize(("silence_ms", "latched"), [(99.9, False), (100.5, True)])
def test_the_latch_falls_at_100_ms(silence_ms, latched):
    world = World()
    console = world.engaged()
    world.run(50)
    world.kill(console)
    world.run(30)
    world.run(silence_ms - (world.robot.now_ns() - heard_ns(world)) / MS)
    assert world.robot.agent._permission.engagement.latched is latched


def test_a_protective_stop_survives_a_reboot_and_is_reset_at_the_bedside():
    world = World()
    console = world.engaged()
    world.kill(console)
    world.run(2100)
    world.robot.boot(8)
    world.run(5)
    assert world.state is State.PROTECTIVE_STOP
    other = world.add_console("console2")
    other.ask()
    world.run(400)
    assert other.operator.is_granted
    assert world.state is State.PROTECTIVE_STOP
    assert world.robot.agent.bedside(Bedside(20, "reset"), world.robot.now_ns())
    world.until(lambda: world.state is State.ENGAGED)
    assert world.robot.stored.state is State.BOOT


def cut(console, ms):
    """The console's links carry nothing for so long."""
    for wire in console.paths:
        wire.cut = True
    console.world.run(ms)
    for wire in console.paths:
        wire.cut = False


def test_a_return_before_the_latch_resumes_through_degraded():
    world = World()
    console = world.engaged(script="hold")
    world.path()
    cut(console, 60)
    assert world.state is State.HOLD
    world.run(250)
    assert world.path() == [
        (State.DEGRADED, "GAP"),
        (State.HOLD, "SILENCE"),
        (State.DEGRADED, "RESUMED"),
        (State.ENGAGED, "STREAM_CLEAN"),
    ]


def test_a_return_after_the_latch_needs_deadman_up_clutch_cycle_and_a_press():
    world = World()
    console = world.engaged(script="hold")
    world.path()
    cut(console, 150)
    frames = len(console.frames)
    world.run(100)
    assert world.state is State.HOLD, "the hand is back, the deadman still held"
    world.until(lambda: world.state is State.ENGAGED)
    assert world.path()[2:] == [(State.ARMED, "ALIGNED"), (State.ENGAGED, "PRESSED")]
    since = [decode(frame) for frame in console.frames[frames:]]
    assert len({command.clutch_id for command in since}) == 2, "a clutch cycle"
    assert len({command.press_id for command in since}) == 2, "a new press"
    assert any(not command.flags & Flags.DEADMAN for command in since)


def test_the_return_path_alone_may_die_and_the_arm_is_held():
    """Commands arrive in time, but formed on an old picture of the robot."""
    world = World()
    console = world.engaged()
    world.run(50)
    world.path()
    world.relays[0].down[console.settings.console].cut = True
    dead_ns = world.now_ns
    world.until(lambda: world.state is State.HOLD)
    assert world.now_ns - dead_ns <= 20 * MS + 20 * MS + 5 * MS
    assert world.relays[0].relay.counts[Passed.LATE] > 0


def test_a_step_of_50_ms_in_the_delay_holds():
    world = World()
    console = world.engaged()
    world.run(50)
    console.paths[0].delay_ns += 50 * MS
    world.run(60)
    assert world.state is State.HOLD


# Stalls ------------------------------------------------------------------------------------------


def bound_ns(world, console):
    """A command's greatest age: the hold above the floor of the loop, and the driver's socket."""
    floor_ns = min(r.loop_ns for r in world.robot.records if r.verdict is Verdict.ADMITTED)
    return 20 * MS + floor_ns + 100 * US


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("ordered", [False, True], ids=["datagrams", "stream"])
def test_a_stalled_relay_replays_nothing_old(seed, ordered):
    world = World(seed=seed)
    console = world.engaged()
    console.paths[0].ordered = ordered
    world.run(100)
    world.path()
    world.relays[0].pause(500 * MS)
    world.run(499)
    before = len(world.applied(console))
    world.run(30)
    fresh = world.applied(console)[before:]
    assert all(taken.age_ns <= bound_ns(world, console) for taken in fresh)
    assert world.state is State.HOLD
    world.until(lambda: world.state is State.ENGAGED)
    assert max(t.age_ns for t in world.applied(console)) <= bound_ns(world, console)


@pytest.mark.parametrize("seed", range(3))
def test_a_stalled_robot_replays_nothing_old_and_its_arm_moves_again_under_a_new_grant(seed):
    world = World(seed=seed)
    console = world.engaged()
    world.run(100)
    world.robot.pause(500 * MS)
    world.run(1500)
    assert max(t.age_ns for t in world.applied(console)) <= bound_ns(world, console)
    assert world.simulator.arms[0].watchdog_trips == 1
    assert console.lost == 1
    world.until(lambda: world.state is State.ENGAGED, ms=2000)
    before = world.simulator.arms[0].pose
    world.run(300)
    assert math.dist(before[:3], world.simulator.arms[0].pose[:3]) > 0.001


def test_a_pause_of_some_milliseconds_is_a_gap_and_no_more():
    world = World()
    console = world.engaged()
    world.run(50)
    world.path()
    world.robot.pause(8 * MS)
    world.run(300)
    assert world.path() == [(State.DEGRADED, "GAP"), (State.ENGAGED, "STREAM_CLEAN")]
    assert max(t.age_ns for t in world.applied(console)) <= bound_ns(world, console)


# Two paths at once -------------------------------------------------------------------------------


def test_a_killed_relay_is_invisible_beside_another():
    world = World(relays=2)
    console = world.engaged()
    world.run(100)
    world.path()
    world.kill(world.relays[0])
    world.run(500)
    assert world.path() == []
    window = world.robot.agent.gate.session.windows[0]
    assert window.counts().missing == 0
    moved = [record.seq for record in world.robot.records if record.applied]
    assert moved == list(range(moved[0], moved[-1] + 1))
    assert console.operator.seq - moved[-1] <= 1, "that one is under way"
    assert world.count(Verdict.DUPLICATE) > 0


def replay(world, trace):
    """Feed another agent with a trace and return what its driver is told."""
    robot = world.robot
    start_ns = trace[0].now_ns
    agent = Agent(
        robot.settings, Secret(p256(7)), {NODE: SIGNER.public_key()}, 0, State.BOOT, start_ns
    )
    told = []

    def drain(now_ns):
        told.extend((now_ns, data) for to, data in agent.to_send(now_ns) if to is To.DRIVER)
        agent.take_records()
        while agent.next_event() is not None:
            pass
        if agent.has_output:
            drain(now_ns)

    for fed in trace:
        while (deadline_ns := agent.next_deadline_ns(fed.now_ns)) < fed.now_ns:
            deadline_ns = max(deadline_ns, start_ns)
            agent.handle_deadline(deadline_ns)
            drain(deadline_ns)
        fed.to(agent)
        drain(fed.now_ns)
    return told


def first_of_each(trace):
    """The same trace as one path would have given it: each command at its earlier arrival."""
    seen, kept = set(), []
    for fed in trace:
        if fed.kind is Kind.PART:
            command = decode(fed.data)
            key = command.epoch, command.arm, command.seq
            if key in seen:
                continue
            seen.add(key)
        kept.append(fed)
    return kept


@pytest.mark.parametrize("seed", range(5))
def test_two_paths_give_the_driver_bit_for_bit_what_the_faster_of_them_would(seed):
    world = World(seed=seed, relays=2)
    world.run(5)
    console = world.add_console()
    for n, wire in enumerate(console.paths):
        wire.jitter_ns = (1 + 3 * n) * MS
        wire.loss = 0.1
        wire.copies = 0.05
    console.ask()
    world.run(700)
    told = world.robot.told
    kept = first_of_each(world.robot.trace)
    assert len(kept) < len(world.robot.trace) - 200, "both paths carried"
    single = replay(world, kept)
    assert motion_of(single) == motion_of(told)
    assert len(motion_of(told)) > 200


def motion_of(told):
    """What the driver was told when something changed: keep-alives repeat, and move nothing."""
    changed, last = [], b""
    for now_ns, data in told:
        if data[-120:] != last:
            changed.append((now_ns, data))
        last = data[-120:]
    return changed


@pytest.mark.parametrize("seed", range(3))
def test_a_recorded_trace_replayed_tells_the_driver_the_same(seed):
    world = World(seed=seed)
    world.engaged()
    world.run(300)
    assert replay(world, world.robot.trace) == world.robot.told


# Who may ---------------------------------------------------------------------------------------


def test_a_robot_that_reboots_has_forgotten_the_session_and_serves_a_new_epoch():
    world = World()
    console = world.engaged()
    world.run(50)
    old = console.operator._grant
    world.robot.boot(8)
    world.run(50)
    for frame in console.frames[-40:]:
        world.robot.arrive(frame)
    world.run(50)
    assert world.count(Verdict.UNKNOWN_SESSION) == 40
    assert world.relays[0].relay.counts[Passed.NEVER_SENT] > 0, "no relay lets them so far"
    assert world.state is State.IDLE
    world.until(lambda: world.state is State.ENGAGED, ms=2000)
    new = console.operator._grant
    assert new.epoch > old.epoch
    assert new.boot != old.boot


def test_a_replaced_grant_leaves_nothing_to_its_predecessor():
    world = World()
    console = world.engaged()
    world.run(50)
    old = console.frames[-1]
    world.path()
    console.ask(replace=True)
    world.run(10)
    assert world.path()[0] == (State.IDLE, "ENDED")
    world.robot.arrive(old)
    world.robot.arrive(old)
    world.run(10)
    assert world.count(Verdict.UNKNOWN_SESSION) >= 2
    world.until(lambda: world.state is State.ENGAGED)


def test_a_second_console_is_told_who_holds_the_robot():
    world = World()
    world.engaged("surgeon", role=Role.SURGEON)
    other = world.add_console("other", role=Role.SURGEON)
    other.ask(replace=True)
    world.run(20)
    assert other.refusals == ["psm1 is held by surgeon"]
    assert world.state is State.ENGAGED


def test_a_surgeon_takes_the_robot_from_a_script():
    world = World()
    script = world.engaged("script1", role=Role.SCRIPT)
    script.asks_again = False
    surgeon = world.add_console("surgeon", role=Role.SURGEON)
    surgeon.ask(replace=True)
    world.until(lambda: surgeon.operator.is_granted)
    world.until(lambda: world.state is State.ENGAGED)
    world.run(200)
    assert script.lost == 1
    assert world.robot.agent.gate.session.id == surgeon.operator._grant.session


def test_a_script_cannot_have_a_real_robot():
    world = World(simulated=False)
    world.run(5)
    console = world.add_console(role=Role.SCRIPT)
    console.ask()
    world.run(50)
    assert "simulated robot only" in console.refusals[0]
    assert world.state is State.IDLE


# Attackers ---------------------------------------------------------------------------------------


def attacks(world, console):
    """Everything that somebody on the way could send who holds no key of the session."""
    grant = console.operator._grant
    good = decode(console.frames[-1])
    fields = {name: getattr(good, name) for name in Command.__struct_fields__}
    leap = pack_setpoint(ORIGIN._replace(x=0.5))
    forged = [
        {"setpoint": leap},
        {"seq": good.seq + 1, "setpoint": leap},
        {"seq": good.seq + 50_000},
        {"seq": 2**63 - 1},
        {"tick_echo": 2**62, "seq": good.seq + 1},
        {"robot": "psm2"},
        {"arm": 3},
        {"epoch": grant.epoch + 1},
        {"session": bytes(8)},
        {"flags": Flags.ESTOP, "seq": good.seq + 1},
        {"flags": 0, "seq": good.seq + 1},
    ]
    yield from (seal(Command(**{**fields, **change}), bytes(32)) for change in forged)
    yield console.frames[-1]  # a copy
    yield console.frames[5]  # of long ago
    yield console.frames[-1][:-20]
    yield b"\x91" * 3000
    yield bytes(5000)
    yield b""


@pytest.mark.parametrize("where", ["at the robot", "at the relay"])
def test_an_attacker_without_the_sessions_key_changes_not_one_bit_of_the_motion(where):
    def day(attacked):
        world = World(seed=3)
        console = world.engaged()
        if where == "at the relay":
            world.relays[0].relay.attach_console("mallory", ROBOT, 20 * MS, 60 * MS)
            world.relays[0].down["mallory"] = Wire(world, lambda part: None, loss=1.0)
        for _ in range(100):
            world.run(1)
            for part in attacks(world, console) if attacked else ():
                if where == "at the robot":
                    world.robot.arrive(part)
                else:
                    world.relays[0].arrive("mallory", part)
        world.run(50)
        assert world.state is State.ENGAGED
        assert len(world.path()) == 3
        return motion(world), world

    (calm, _), (attacked, world) = day(False), day(True)
    assert attacked == calm
    if where == "at the robot":
        assert world.count(Verdict.TAG) >= 600


def test_states_of_a_forger_are_not_echoed():
    world = World()
    console = world.engaged()
    world.run(20)
    tick = console.operator._tick
    part = world_state(world)
    for change in (part[:-1] + b"\x00", part[:60], b"\x91" * 2000, b"", bytes(5000)):
        console.operator.receive(change, console.now_ns())
    assert console.operator._tick == tick
    assert console.operator.unverified >= 5


def world_state(world):
    seen = []
    wire = world.relays[0].down["console1"]
    deliver, wire._deliver = wire._deliver, seen.append
    world.run(5)
    wire._deliver = deliver
    return split(seen[0])[0]


# Stops -------------------------------------------------------------------------------------------


def press_estop(console: Console):
    reads = console.person.reads

    def pressed(now_ns):
        hand = reads(now_ns)
        return hand._replace(flags=hand.flags | Flags.ESTOP)

    console.person.reads = pressed


def test_the_estop_bit_latches_through_one_network_delay_and_is_acknowledged():
    world = World()
    console = world.engaged()
    world.run(20)
    world.path()
    press_estop(console)
    pressed_ns = world.now_ns
    world.until(lambda: world.state is State.ESTOP)
    assert world.now_ns - pressed_ns <= 3 * MS
    world.until(lambda: console.operator.state is State.ESTOP)
    world.run(1000)
    assert world.path() == [(State.ESTOP, "ESTOP_PRESSED")]
    assert world.robot.stored == Stored(1, State.ESTOP)


def test_a_watchdogs_ceiling_holds_and_lifts_without_latching_when_brief():
    world = World(ceilings={"watchdogd": "hold"})
    world.engaged(script="hold")
    world.path()
    agent, now = world.robot.agent, world.robot.now_ns
    agent.receive_guard("watchdogd", Ceiling(19, "watchdogd", ROBOT, 4, "hang", 60), now())
    world.run(50)
    agent.receive_guard("watchdogd", Ceiling(19, "watchdogd", ROBOT, 7, "", 5000), now())
    world.run(5)
    assert world.path() == [(State.HOLD, "CEILING"), (State.DEGRADED, "RESUMED")]


# The driver --------------------------------------------------------------------------------------


def test_a_driver_that_falls_silent_holds_and_the_arm_brakes_by_itself():
    world = World()
    world.engaged()
    world.run(50)
    world.path()
    world.simulator.mute = True
    world.run(90)
    assert world.path() == [(State.HOLD, "DRIVER_SILENT")]
    assert not world.simulator.arms[0].enabled


def test_a_driver_that_measures_nan_is_silent():
    world = World()
    world.engaged()
    world.run(50)
    world.path()
    world.simulator.lies = ORIGIN._replace(y=math.nan)
    world.run(60)
    assert world.path()[0] == (State.HOLD, "DRIVER_SILENT")


def test_a_driver_that_restarts_ends_the_session_and_the_next_begins_where_it_stands():
    world = World()
    console = world.engaged()
    world.run(300)
    world.path()
    world.robot.gone()
    world.simulator.instance = 2
    world.simulator.arms[0].stop(1, world.simulator.now_ns())
    world.run(20)
    assert world.path() == [(State.IDLE, "DRIVER_LOST")]
    stands = world.simulator.arms[0].pose
    world.until(lambda: world.simulator.arms[0].enabled, ms=2000)
    world.run(10)
    assert math.dist(stands[:3], world.simulator.arms[0].pose[:3]) < 1e-6
    world.until(lambda: world.state is State.ENGAGED)
    assert console.lost == 1


# Any network -------------------------------------------------------------------------------------


@settings(max_examples=12)
@given(st.integers(0, 10**6), st.data())
def test_whatever_the_network_does_nothing_old_is_applied_and_nothing_leaps(seed, data):
    world = World(seed=seed, relays=data.draw(st.integers(1, 2)))
    console = world.engaged()
    wires = [*console.paths, *world.robot.up]
    for relay in world.relays:
        wires += relay.down.values()
    for _ in range(data.draw(st.integers(1, 4))):
        wire = data.draw(st.sampled_from(wires))
        wire.loss = data.draw(st.sampled_from([0.0, 0.05, 0.3]))
        wire.copies = data.draw(st.sampled_from([0.0, 0.2]))
        wire.jitter_ns = data.draw(st.integers(0, 8)) * MS + 1
        wire.delay_ns = data.draw(st.integers(0, 30)) * MS // 10
        process = data.draw(st.sampled_from([None, console, world.robot, *world.relays]))
        if process is not None:
            process.pause(data.draw(st.integers(1, 120)) * MS)
        world.run(data.draw(st.integers(10, 150)))
    for taken in world.applied(console):
        assert taken.age_ns <= 60 * MS + 100 * US
    for (t0, a), (t1, b) in pairwise(world.simulator.applied):
        step = math.dist(unpack_setpoint(a.setpoint)[:3], unpack_setpoint(b.setpoint)[:3])
        assert step <= 0.5 * 0.020 + 1e-9
        assert t1 >= t0
