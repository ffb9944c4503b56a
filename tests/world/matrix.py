"""The fault matrix: what may go wrong, who notices, what happens, within which bound; as data.

Every row that a core can answer has a scene in the world: a function of a seed that returns one
measured value for each bound. Times are virtual and exact, on the robot's own clock. A row whose
scene is still missing says which part of the node it waits for. `docs/fault-matrix.md` is written
from this table and its measurements.

Numbers are the `native` profile's (safety.profile) unless a row names another one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tests.world.scenes import attackers, authority, drives, hands, links, processes, records, watch

Scene = Callable[[int], tuple[float, ...]]
#: So many seeds a row: clocks, jitter and the moment within a period differ in each.
SEEDS = 4


class Bound(NamedTuple):
    """What is measured, and what it must not exceed; `exact` ones must be met to the nanosecond."""

    what: str
    limit: float
    unit: str
    exact: bool = False


class Row(NamedTuple):
    """One fault.

    Parameters
    ----------
    number, fault : the row's, and what goes wrong
    detected, reaction : by what it is noticed, and what follows
    bounds : of what the scene measures, in its order
    scene : None while the row waits
    elsewhere : where what a core cannot show is proven: a real socket, a real process
    waits : the part of the node that the row waits for
    seeds : how many worlds
    """

    number: int
    fault: str
    detected: str
    reaction: str
    bounds: tuple[Bound, ...] = ()
    scene: Scene | None = None
    elsewhere: str = ""
    waits: str = ""
    seeds: int = SEEDS


def exact(what: str, limit: float) -> Bound:
    """A rung of the ladder: neither sooner nor later."""
    return Bound(what, limit, "ms", exact=True)


def most(what: str, limit: float, unit: str = "ms") -> Bound:
    """An upper bound."""
    return Bound(what, limit, unit)


def none(what: str) -> Bound:
    """What must not happen once."""
    return Bound(what, 0.0, "")


HOLD = exact("HOLD after silence of", 20.0)
DEGRADED = exact("DEGRADED after silence of", 5.0)
#: Its row's 20 ms, less a beat, and two looks more.
FENCED = most("fenced", 21.5)
#: The grant's `max_loop` bounds a command's age, whatever its path; the driver's socket is 0.02 ms.
OLDEST = most("oldest command applied", 60.0)

ROWS: tuple[Row, ...] = (
    Row(
        1,
        "one of two relays is killed",
        "nobody needs to: the first copy of each command wins",
        "none at the robot",
        (none("commands lost"), most("gap added", 5.0)),
        processes.one_of_two_relays_dies,
        elsewhere="respawn: tests/teleop/test_supervisor.py",
    ),
    Row(
        2,
        "one of two relays stands still",
        "its heartbeat's age",
        "none at the robot; the path is fenced",
        (none("commands lost"), most("gap added", 5.0), FENCED),
        watch.one_of_two_relays_stands_still,
        elsewhere="real processes: tests/e2e/test_watchdog.py",
        seeds=2,
    ),
    Row(
        3,
        "a relay goes on after it stood still, and its session has been replaced",
        "epoch at the gate, echo at the relay",
        "what it held is refused",
        (none("old commands applied"), OLDEST),
        processes.a_relay_goes_on_after_three_seconds,
        seeds=2,
    ),
    Row(
        4,
        "both relays die",
        "silence at the gate",
        "DEGRADED, HOLD",
        (DEGRADED, HOLD),
        processes.both_relays_die,
    ),
    Row(
        5,
        "relays, session service and console die",
        "silence at the gate",
        "HOLD, PROTECTIVE_STOP, brakes",
        (HOLD, exact("PROTECTIVE_STOP after silence of", 2000.0)),
        processes.everything_but_the_robot_dies,
        seeds=2,
    ),
    Row(6, "the console's process dies", "silence", "HOLD", (HOLD,), processes.the_console_dies),
    Row(
        7,
        "the console freezes, its network card repeats the last frame",
        "sequence",
        "repetitions are refused, HOLD",
        (HOLD, none("repetitions applied")),
        hands.the_network_card_repeats_the_last_frame,
    ),
    Row(
        8,
        "a browser's tab is hidden, its timers are throttled",
        "silence, by the `browser` ladder",
        "HOLD",
        (exact("HOLD after silence of", 40.0),),
        processes.a_tab_is_hidden,
    ),
    Row(
        9,
        "a link loses everything",
        "silence",
        "DEGRADED, HOLD, latched after 100 ms",
        (HOLD, DEGRADED),
        links.nothing_passes,
    ),
    Row(
        10,
        "1 % is lost at random, on one path",
        "gaps in the sequence",
        "none; each is counted",
        (none("falls"), none("losses not counted")),
        links.one_in_a_hundred_is_lost,
    ),
    Row(
        11,
        "10 % is lost",
        "share of commands lost within a second",
        "DEGRADED, with that cause",
        (most("DEGRADED", 1000.0), OLDEST),
        links.one_in_ten_is_lost,
    ),
    Row(
        12,
        "50 % is lost in bursts",
        "silence within a burst",
        "HOLD",
        (HOLD, OLDEST),
        links.half_is_lost_in_bursts,
    ),
    Row(
        13,
        "the delay steps up by 50 ms",
        "silence, then age by echo",
        "HOLD",
        (HOLD, OLDEST),
        links.delay_steps_by_50_ms,
    ),
    Row(
        14,
        "the delay creeps up to 100 ms without a gap",
        "age by echo, above the path's best",
        "HOLD",
        (most("delay at HOLD", 60.0), OLDEST),
        links.delay_creeps_to_100_ms,
    ),
    Row(
        15,
        "jitter of ±10 ms",
        "silence, age",
        "DEGRADED until the stream is clean",
        (most("rises to ENGAGED", 1.0, "/s"), OLDEST),
        links.everything_jitters_by_10_ms,
        seeds=2,
    ),
    Row(
        16,
        "frames overtake each other",
        "sequence",
        "the older is dropped",
        (none("older ones applied"),),
        links.frames_overtake_each_other,
    ),
    Row(
        17,
        "frames come twice",
        "sequence",
        "the copy is dropped",
        (none("copies applied"),),
        links.frames_come_twice,
    ),
    Row(
        18,
        "the link is away for up to two seconds in each 8.5 (NetFI's CLM-1)",
        "silence",
        "HOLD, latched: clutch, alignment, a new press",
        (HOLD, most("longest step after it", 1.0, "mm")),
        links.the_link_comes_and_goes,
        seeds=2,
    ),
    Row(
        19,
        "the way back alone is cut",
        "age by echo: commands come, formed on an old picture",
        "HOLD",
        (most("HOLD", 50.0), OLDEST),
        links.only_the_way_back_is_cut,
    ),
    Row(
        20,
        "the picture stands still while control works",
        "age of the frame on the display",
        "ceiling, HOLD",
        waits="videod and its ceiling `picture`",
    ),
    Row(
        21,
        "the picture is 300 ms late",
        "age of the frame on the display",
        "DEGRADED, alarm",
        waits="videod and its ceiling `picture`",
    ),
    Row(
        22,
        "the only relay's loop is blocked for 50 ms",
        "its heartbeat's age",
        "the path is fenced, HOLD",
        (FENCED, most("HOLD", 21.5)),
        watch.a_relays_loop_is_blocked,
    ),
    Row(
        23,
        "a thread or a compilation holds the interpreter of one of two relays",
        "its heartbeat's age",
        "none at the robot; the path is fenced",
        (none("commands lost"), FENCED),
        watch.an_interpreter_is_held,
        seeds=2,
    ),
    Row(
        24,
        "every core is busy",
        "missed deadlines",
        "vision, frame rate, observers are shed; control is not",
        elsewhere="relay under load: python -m bench relay --load mix",
        waits="visiond and videod, which are shed",
    ),
    Row(
        25,
        "the vision process is out of memory",
        "its end",
        "it is restarted; control does not notice",
        waits="visiond",
    ),
    Row(
        26,
        "the accelerator hangs",
        "deadline of 1 s",
        "overlay off, alarm",
        waits="visiond",
    ),
    Row(
        27,
        "a disk is full, or a sync hangs",
        "what waits for the audit's disk",
        "buffered; alarm; no new session",
        (none("holds of the running session"), none("new sessions granted")),
        records.the_audit_takes_nothing_more,
        elsewhere="nothing is lost: tests/safety/test_audit_log.py; the robot's store: storms",
    ),
    Row(
        28,
        "a process leaks memory",
        "steps of its size",
        "alarm; to end it is a person's decision",
        (most("alarm at 2 MiB/s", 60_000.0),),
        watch.a_process_leaks,
        seeds=1,
    ),
    Row(
        29,
        "file descriptors run out",
        "errors of accept",
        "observers are shed",
        waits="webd's observers",
    ),
    Row(
        30,
        "the wall clock leaps by an hour",
        "nobody asks it: monotonic clocks alone",
        "none",
        (none("falls"), none("setpoints that differ from a calm day's")),
        processes.the_wall_clock_leaps,
    ),
    Row(
        31,
        "the robot's machine stands still for 500 ms",
        "its own lateness; the drive's watchdog meanwhile",
        "HOLD or lower; nothing of before is applied",
        (most("below motion after going on", 5.0), none("commands applied"), OLDEST),
        processes.the_robots_machine_stands_still,
    ),
    Row(
        32,
        "the robot reboots",
        "its key is new with each boot",
        "sessions of before are refused",
        (none("commands applied"),),
        processes.the_robot_reboots,
    ),
    Row(
        33,
        "a relay returns with everything of an old epoch",
        "epoch at the gate",
        "refused",
        (none("commands applied"),),
        processes.a_relay_returns_with_an_old_epoch,
    ),
    Row(
        34,
        "etcd's leader is killed",
        "watch, timeout",
        "the session goes on; no new grants meanwhile",
        waits="the authority's store on etcd",
    ),
    Row(
        35,
        "etcd has no quorum",
        "keep-alive",
        "the session goes on; no new grants",
        waits="the authority's store on etcd",
    ),
    Row(
        36,
        "two surgeons ask at once",
        "one session service decides",
        "exactly one is granted",
        (Bound("granted", 1.0, "", exact=True), most("grant", 50.0)),
        authority.two_ask_at_once,
    ),
    Row(
        37,
        "two services both believe that they hold the authority",
        "epoch at the gate",
        "the lower is refused",
        (none("its commands applied"),),
        authority.two_services_both_believe,
    ),
    Row(
        38,
        "a hand-over while the arm moves",
        "the authority's own ceiling; both consoles confirm",
        "HOLD first, then a new epoch",
        (most("HOLD", 20.0), most("epochs", 1.0, ""), none("commands of the old hand applied")),
        authority.a_hand_over_while_the_arm_moves,
        elsewhere="two consoles, real processes: tests/e2e/test_handover.py",
    ),
    Row(
        39,
        "break-glass",
        "the bedside's word, and the new console's",
        "HOLD, a new epoch, audit, alarm",
        (most("HOLD", 200.0), most("epochs", 1.0, ""), none("commands of the old hand applied")),
        authority.the_bedside_breaks_the_glass,
    ),
    Row(
        40,
        "frames are forged without the key",
        "the tag",
        "dropped, counted",
        (none("setpoints that differ from a calm day's"),),
        attackers.forged,
        elsewhere="real sockets: tests/e2e/test_hostile.py, python -m bench hostile",
    ),
    Row(
        41,
        "frames are replayed",
        "sequence, session, epoch",
        "dropped",
        (none("setpoints that differ from a calm day's"),),
        attackers.replayed,
    ),
    Row(
        42,
        "a forged frame runs ahead of the sequence (RAVEN II)",
        "the tag, before the sequence",
        "dropped; the window stands",
        (none("setpoints that differ from a calm day's"), none("numbers the window moved")),
        attackers.leading,
    ),
    Row(
        43,
        "a relay edits what it forwards",
        "the tag, counted by relay",
        "told; none beside an honest relay; alone, HOLD. A fence would let any console end a relay",
        (none("commands lost beside an honest relay"), most("FORGERY is told", 100.0), HOLD),
        attackers.a_relay_edits_what_it_forwards,
        elsewhere="which relay it was: tests/e2e/test_hostile.py",
    ),
    Row(
        44,
        "a key is revoked while its console moves the robot",
        "the session service",
        "the session ends",
        (most("IDLE", 100.0), none("commands applied after it")),
        attackers.a_key_is_revoked,
        elsewhere="the live connection: tests/transport/test_io_hub.py",
    ),
    Row(
        45,
        "keys are rotated in a session",
        "the old key names the new one; a second link before the first is let go",
        "no gap",
        (none("commands lost"), none("grants of the old key accepted")),
        authority.keys_are_rotated_in_a_session,
        elsewhere="keys of consoles, relays, robots, session service: tests/e2e/test_handover.py",
    ),
    Row(
        46,
        "emergency stops are forged in a flood; then one is true",
        "the tag",
        "forged ones do nothing; a true one stops",
        (none("setpoints that differ from a calm day's"), most("ESTOP after a true one", 10.0)),
        attackers.an_estop_is_forged,
    ),
    Row(
        47,
        "the cable of a wired emergency stop is cut",
        "absence of its token",
        "PROTECTIVE_STOP",
        (most("PROTECTIVE_STOP", 20.0),),
        drives.a_wired_stop_falls_silent,
    ),
    Row(
        48,
        "a flood of garbage, half-open connections",
        "rate and number per connection, before decoding",
        "dropped",
        (none("setpoints that differ from a calm day's"),),
        attackers.a_flood_of_garbage,
        elsewhere="latency under it: python -m bench hostile; tests/e2e/test_hostile.py",
    ),
    Row(
        49,
        "hostile MessagePack: a megabyte, nesting, cut short",
        "size before decoding, types",
        "dropped, named",
        (none("setpoints that differ from a calm day's"),),
        attackers.a_flood_of_garbage,
        elsewhere="tests/transport/test_codec.py, tests/e2e/test_hostile.py",
        seeds=1,
    ),
    Row(
        50,
        "a pose is NaN or infinite",
        "the gate looks at every number",
        "refused; three are a PROTECTIVE_STOP",
        (none("applied"), most("refused until the stop", 3.0, "")),
        hands.a_pose_is_no_number,
    ),
    Row(
        51,
        "a hand leaps by 50 mm, again and again",
        "limits: step, speed, acceleration",
        "clipped; three are a PROTECTIVE_STOP",
        (most("longest step of a setpoint", 10.0, "mm"), most("PROTECTIVE_STOP", 1000.0)),
        hands.a_hand_leaps,
    ),
    Row(
        52,
        "a hand drifts slowly out of the workspace",
        "the fence",
        "HOLD at the fence",
        (none("beyond the fence"),),
        hands.a_hand_drifts_out_of_the_field,
        seeds=2,
    ),
    Row(
        53,
        "a deadman is stuck since the start",
        "it was never seen up",
        "nothing arms",
        (none("commands applied"), Bound("highest state (IDLE)", 3.0, "", exact=True)),
        hands.a_deadman_is_stuck,
    ),
    Row(
        54,
        "a sensor repeats one value while the arm is told to move",
        "change of value, with ticks that advance",
        "HOLD",
        (most("HOLD", 50.0),),
        drives.a_sensor_freezes,
    ),
    Row(
        55,
        "the gate's process dies",
        "the drive's own watchdog",
        "controlled stop, brakes",
        (most("brakes", 50.0),),
        processes.the_gate_dies,
    ),
    Row(
        56,
        "the gate's loop stands still for 18 ms",
        "its own deadline",
        "HOLD",
        (most("HOLD after going on", 10.0), OLDEST),
        processes.the_gates_loop_is_late,
    ),
    Row(
        57,
        "the watchdog's process dies",
        "age of its ceiling",
        "DEGRADED, nothing new arms; noded starts it anew",
        (most("DEGRADED", 50.0), none("ms armed after a HOLD")),
        watch.the_watchdog_dies,
        elsewhere="noded: tests/e2e/test_watchdog.py",
    ),
    Row(
        58,
        "the watchdog errs",
        "k of n looks; time in which it did not look itself is nobody's",
        "none, whatever stands still for less than 20 ms",
        (none("processes fenced"), none("HOLDs")),
        watch.the_watchdog_errs,
    ),
    Row(
        59,
        "the robot has loaded other limits than were granted",
        "their hash in the grant",
        "refused",
        (none("grants accepted"),),
        authority.other_limits_were_granted,
    ),
    Row(
        60,
        "software is updated in a session",
        "version pinned in the session",
        "refused",
        waits="updates",
    ),
    Row(
        61,
        "the way to the intensive-care alarm is lost",
        "its acknowledgement is late",
        "second way, local alarm",
        waits="monitord",
    ),
    Row(
        62,
        "a thousand devices flood the vital signs",
        "bucket",
        "shed; true alarms within 500 ms",
        waits="monitord",
    ),
    Row(
        63,
        "an audit record is changed or cut off",
        "chain of hashes",
        "found at the exact record",
        (none("changes not found"), none("changes found elsewhere")),
        records.a_record_is_tampered_with,
        elsewhere="a million records: python -m bench audit",
    ),
    Row(
        64,
        "the time reference (GPS, PTP) is lost",
        "bound of the offset",
        "ages are by echo anyway; wall times are marked",
        waits="the monitor of wall clocks",
    ),
    Row(
        65,
        "an arm is blocked, or asked for more than it can",
        "its distance from its setpoint",
        "HOLD; PROTECTIVE_STOP if it stays away",
        (most("behind at HOLD", 6.0, "mm"), most("PROTECTIVE_STOP after HOLD", 310.0)),
        drives.an_arm_is_blocked,
        elsewhere="with joints and masses: tests/world/test_standstill.py",
    ),
)
BY_NUMBER = {row.number: row for row in ROWS}


def measure(row: Row) -> tuple[float, ...]:
    """Play a row's scene in every one of its worlds; return the worst value for each bound."""
    assert row.scene is not None
    found = [row.scene(100 * row.number + seed) for seed in range(row.seeds)]
    return tuple(map(max, zip(*found, strict=True)))


def kept(bound: Bound, value: float) -> bool:
    """Tell whether a measured value is within its bound."""
    return value == bound.limit if bound.exact else value <= bound.limit
