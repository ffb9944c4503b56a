"""How a robot follows a hand through a bad network, and whether that was to be expected.

A whole node runs as it is, with the scripted hand's link going through one of the networks of
`bench.netem.profile`: datagrams through a proxy, ZeroMQ through two network namespaces. Printed and
written are how well the instrument followed, which states the robot was in, what became of the
commands, and what the network itself did. The network's record is then replayed in virtual time
through the same cores (`bench.netem.replay`): what they would do stands beside what was done.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.claims import Condition, failed, judge, load_claims
from bench.join import Fate
from bench.netem import ladder, namespace, profile, results
from bench.netem.profile import Profile
from bench.netem.replay import Replay
from bench.netem.stage import SCALE, SCRIPT, SHELLS, WanStage, warm
from bench.netem.trace import DOWN, UP, Figures, Head, Trace, TraceFault, figures, write
from bench.readings import Window
from bench.report import Report, host, now_utc, sentinel_table, steal_condition
from bench.report import write as write_report
from bench.rows import numbers
from bench.rows import row as pooled
from bench.sentinel import Sentinel, stall_table
from bench.stage import SHM, TAIL_S, Keys, Recording, Spoiled
from bench.tables import show
from safety.state import State

PART = "wan"
WARM_S = 1.0
LOOK_S = 0.5
MOVES_WITHIN_S = 10.0
"""Behind some networks a robot never follows: then that is what is measured."""
SECONDS_MAX = 600.0
"""All records of a run are kept until its end."""
WORDS = {
    "degraded": "DEGRADED",
    "holds": "HOLD",
    "latched": "HOLD, latched",
    "stops": "PROTECTIVE_STOP",
    "others": "falls that are not the link's",
}


class Course(NamedTuple):
    """What one run is: the network, how long, which link, which seed."""

    network: Profile
    seconds: float
    link: str
    seed: int

    @property
    def label(self) -> str:
        """Name the row."""
        return f"{self.network.name}+{self.link}"


class Outcome(NamedTuple):
    """What a run gave.

    Parameters
    ----------
    recording : fate of every command of the window, and the round trips
    extra : every other number, by its name in the report
    trace : what the network did
    predicted : what `ladder.tally` counts of the replay; None where a packet is no command
    """

    recording: Recording
    extra: dict[str, float]
    trace: Trace
    predicted: Mapping[str, int] | None


def describe(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("--profile", type=_network, required=True, help=", ".join(profile.BY_NAME))
    parser.add_argument("--seconds", type=_seconds, default=60.0, help="of the window (60)")
    parser.add_argument("--link", choices=sorted(SHELLS), default="udp", help="the console's (udp)")
    parser.add_argument("--seed", type=int, default=0, help="of network and clocks (0)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the whole report there")
    parser.add_argument(
        "--trace", type=Path, metavar="FILE", help="of the network; else beside --json"
    )


def start(arguments: argparse.Namespace, console: Console) -> int:
    """Measure as the arguments say; return 1 when a claim failed."""
    course = Course(arguments.profile, arguments.seconds, arguments.link, arguments.seed)
    return run(course, console, arguments.json, arguments.trace)


def run(course: Course, console: Console, json: Path | None, trace: Path | None) -> int:
    """Measure, predict, report and judge; return the exit code (1: a claim failed, or no run)."""
    missing = {}
    lack = namespace.missing() if course.link == "zmq" else ""
    if lack:
        missing[course.label] = f"{lack}; the datagram proxy takes its place, with the udp link"
        console.print(f"[yellow]{course.label}: {missing[course.label]}")
        course = course._replace(link="udp")
    network = course.network
    console.print(f"{course.label}: {network.words}; {course.seconds:g} s, seed {course.seed}")
    warm(console.print)
    with tempfile.TemporaryDirectory(prefix="trocar-bench-", dir=SHM) as directory:
        with Sentinel(Path(directory)) as sentinel:
            sentinel.wait_ticking()
            try:
                outcome = _measure(course, Keys(Path(directory) / "keys"), console)
            except Spoiled as error:
                console.print(f"[red]{course.label}: {escape(str(error))}")
                return 1
        watches, steal_ms = sentinel.watches(), sentinel.steal_ms()
    kept = trace or (json.with_suffix(".trace.jsonl") if json is not None else None)
    if kept is not None:
        write(kept, outcome.trace)
    row = pooled(course.label, [outcome.recording], [], stall_table(watches))
    row.extra |= outcome.extra
    report = Report(
        bench=PART,
        command=" ".join(["python -m bench", *sys.argv[1:]]),
        t_utc=now_utc(),
        seed=course.seed,
        parts=[PART],
        quick=False,
        host=host(),
        sentinel=sentinel_table(watches, steal_ms),
        rows=[row],
        ratios={},
        claims=[],
        missing=missing,
    )
    claims = [c for c in load_claims().claim if c.key.split(".")[1] == course.label]
    conditions: list[Condition] = steal_condition(watches, steal_ms)
    report.claims = judge(claims, [PART], conditions, numbers([row]), {})
    _print(course, outcome, console)
    show(report, console)
    if json is not None:
        write_report(report, json)
    return int(bool(failed(report.claims)))


def _measure(course: Course, keys: Keys, console: Console) -> Outcome:
    with WanStage(course.network, course.link, keys=keys, seed=course.seed) as stage:
        moved = stage.moves_within(MOVES_WITHIN_S)
        if not moved:
            console.print(f"[yellow]it does not follow after {MOVES_WITHIN_S:g} s; measured anyway")
        start_ns = time.monotonic_ns() + round(WARM_S * 1e9)
        window = Window(start_ns, start_ns + round(course.seconds * 1e9))
        _watch(stage, window, console)
        stage.finish()
        stage.take()
        return _outcome(course, stage, window)


def _watch(stage: WanStage, window: Window, console: Console) -> None:
    """Let the window pass, and say how it goes."""
    said_s = 0.0
    while (now_ns := time.monotonic_ns()) < window.end_ns + round(TAIL_S * 1e9):
        time.sleep(LOOK_S)
        stage.look()
        done_s = max(0.0, (now_ns - window.start_ns) / 1e9)
        if done_s - said_s < (LOOK_S if console.is_terminal else 10.0):
            continue
        said_s = done_s
        steps = results.steps(stage.tapes["event"])
        counts = ladder.tally(steps, window.start_ns, now_ns)
        state = State(steps[-1].new).name if steps else "-"
        words = "  ".join(f"{name} {counts[name]}" for name in ladder.TALLIED)
        end = "\r" if console.is_terminal else "\n"
        console.print(f"{done_s:5.0f} s  {state:16}{words}", end=end)
    if console.is_terminal:
        console.print()


def _outcome(course: Course, stage: WanStage, window: Window) -> Outcome:
    tapes = stage.tapes
    start_ns, end_ns = window
    steps = results.steps(tapes["event"])
    measured = ladder.tally(steps, start_ns, end_ns)
    extra = {name: float(count) for name, count in measured.items()}
    extra["stops_per_hour"] = measured["stops"] * 3.6e12 / (end_ns - start_ns)
    for state, share in ladder.shares(steps, start_ns, end_ns).items():
        extra[f"share_{state.lower()}"] = share
    tracked = results.tracking(tapes["hand"], tapes["pose"], window)
    if tracked is not None:
        extra["tracking_rms_um"], extra["tracking_max_um"] = tracked.rms_um, tracked.max_um
    extra["lost_in_history"] = float(results.repaired(tapes, window))
    trace = Trace(
        Head(
            profile=course.network.name,
            seed=course.seed,
            link=course.link,
            shell=stage.shell,
            ladder=course.network.ladder,
            scale=SCALE,
            script=SCRIPT,
            start_ns=start_ns,
            end_ns=end_ns,
            resets_ns=tuple(stage.resets_ns),
            steps=tuple(steps),
        ),
        results.crossings(tapes["packet"]),
    )
    for way, up in (("up", UP), ("down", DOWN)):
        found = figures(trace.crossings, up, start_ns, end_ns)
        extra[f"{way}_lost_share"] = found.lost_share
        extra |= {f"{way}_{name}": float(value) for name, value in found._asdict().items()}
    predicted = _predict(trace)
    if predicted is not None:
        extra |= {f"predicted_{name}": float(predicted[name]) for name in ladder.TALLIED}
        extra |= {
            f"{name}_off": float(abs(measured[name] - predicted[name])) for name in ladder.TALLIED
        }
    recording = results.recording(tapes, window)
    extra["sent"] = float(recording.joined.sent)
    return Outcome(recording, extra, trace, predicted)


def _predict(trace: Trace) -> Mapping[str, int] | None:
    """Count what the replayed cores do; None where a packet is a segment and no command."""
    if trace.head.shell != "proxy":
        return None
    start_ns, end_ns = trace.head.start_ns, trace.head.end_ns
    try:
        return ladder.tally(Replay(trace).run(end_ns), start_ns, end_ns)
    except TraceFault:  # the hand never got to speak
        return None


def _print(course: Course, outcome: Outcome, console: Console) -> None:
    extra = outcome.extra
    console.print(_ladder_table(course, outcome))
    shares = {name: value for name, value in extra.items() if name.startswith("share_")}
    states = sorted(shares.items(), key=lambda item: -item[1])
    words = "  ".join(f"{name[6:].upper()} {value:.1%}" for name, value in states)
    console.print(f"time in each state: {words}")
    if "tracking_rms_um" in extra:
        rms, most = extra["tracking_rms_um"] / 1e3, extra["tracking_max_um"] / 1e3
        console.print(
            f"instrument behind the hand while following: {rms:.3f} mm rms, {most:.3f} max"
        )
    else:
        console.print("the instrument never followed the hand")
    joined = outcome.recording.joined
    fates = "  ".join(f"{fate.name.lower()} {joined.counts[fate]}" for fate in Fate)
    console.print(f"commands: sent {joined.sent}  {fates}")
    console.print(
        f"{extra['lost_in_history']:.0f} of the lost stood in the history of one that the gate "
        "admitted (from both ends' records: the robot keeps its own count of repaired to itself)"
    )
    console.print(_network_table(outcome.trace))


def _ladder_table(course: Course, outcome: Outcome) -> Table:
    table = Table(
        title=f"{course.label}: what the robot did, and what its cores do in virtual time"
    )
    for column, justify in (("", "left"), ("measured", "right"), ("predicted", "right")):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    predicted = outcome.predicted
    for name, word in WORDS.items():
        told = "-" if predicted is None else str(predicted[name])
        table.add_row(word, f"{outcome.extra[name]:.0f}", told)
    per_hour = outcome.extra["stops_per_hour"]
    table.add_row("PROTECTIVE_STOP per hour", f"{per_hour:.1f}", "")
    if predicted is None:
        table.caption = "no prediction: a packet of this link is no command"
    elif outcome.extra["others"]:
        table.caption = (
            "the replay knows only the link: behind a fall that is not its own the two run apart"
        )
    return table


def _network_table(trace: Trace) -> Table:
    table = Table(title="what the network did (its own record)")
    ways = [
        figures(trace.crossings, up, trace.head.start_ns, trace.head.end_ns) for up in (UP, DOWN)
    ]
    table.add_column("")
    for column in ("up", "down"):
        table.add_column(column, justify="right")
    for word, cells in _figure_rows(ways):
        table.add_row(word, *cells)
    return table


def _figure_rows(ways: Sequence[Figures]) -> list[tuple[str, list[str]]]:
    return [
        ("packets", [str(way.packets) for way in ways]),
        ("lost", [f"{way.lost} ({way.lost_share:.2%})" for way in ways]),
        ("bursts", [str(way.bursts) for way in ways]),
        ("a burst, packets", [f"{way.burst_packets:.2f}" for way in ways]),
        ("a burst, ms (max)", [f"{w.burst_ms_mean:.1f} ({w.burst_ms_max:.1f})" for w in ways]),
        ("copied, overtaken", [f"{way.copied}, {way.overtaken}" for way in ways]),
        (
            "delay, ms: p50, p99, max",
            [f"{w.delay_p50_ms:.2f}, {w.delay_p99_ms:.2f}, {w.delay_max_ms:.2f}" for w in ways],
        ),
        (
            "shell late, us: p50, p99",
            [f"{w.shell_late_p50_us:.0f}, {w.shell_late_p99_us:.0f}" for w in ways],
        ),
    ]


def _network(name: str) -> Profile:
    try:
        return profile.find(name)
    except profile.UnknownProfile as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0.0 < seconds <= SECONDS_MAX:
        raise argparse.ArgumentTypeError(f"{text}: more than 0, at most {SECONDS_MAX:g}")
    return seconds
