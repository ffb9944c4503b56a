"""`python -m bench <bench>`: measure, print, write JSON; 1 when a claim failed, 130 on Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from rich.console import Console

from bench import arm, attacks, demo, faults, gate, hostile, relay, wan
from bench.blocks import BLOCKS_MIN
from bench.course import PARTS, Course
from bench.netem import profile
from bench.netem.stage import SHELLS
from bench.stall import TARGETS

INTERRUPTED = 130
LOG_COLUMNS = 140
QUICK = Course(blocks=2, repeats_max=0, warm_s=0.4, measure_s=1.0, quick=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the bench that the arguments name."""
    arguments = _parser().parse_args(argv)
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        console.width = LOG_COLUMNS
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        if arguments.bench == "arm":
            length = arm.QUICK if arguments.quick else arm.Course()
            return arm.run(length, console, arguments.json, arguments.seed)
        if arguments.bench == "demo":
            return demo.run(arguments.minutes, console, arguments.json)
        if arguments.bench == "faults":
            return faults.run(
                console,
                arguments.json,
                steps=int(arguments.steps),
                seeds=arguments.seeds,
                first=arguments.seed,
            )
        if arguments.bench == "gate":
            return gate.run(console, arguments.json)
        if arguments.bench == "hostile":
            chosen = tuple(arguments.attack or attacks.BY_NAME)
            links = tuple(arguments.link or hostile.LINKS)
            return hostile.run(_hostile(arguments), console, arguments.json, links, chosen)
        if arguments.bench == "wan":
            course = wan.Course(
                arguments.profile, arguments.seconds, arguments.link, arguments.seed
            )
            return wan.run(course, console, arguments.json, arguments.trace)
        return relay.run(_course(arguments), console, arguments.json)
    except KeyboardInterrupt:
        console.print("interrupted: every process is ended, nothing was written")
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    benches = parser.add_subparsers(dest="bench", required=True)
    found = benches.add_parser(
        "relay",
        help="our relay beside its peers, with the same two ends",
        description=relay.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument("--json", type=Path, metavar="FILE", help="write the whole report there")
    found.add_argument(
        "--quick",
        action="store_true",
        help="a minute or two, to see that all runs: too short to judge, so claims are only shown",
    )
    found.add_argument(
        "--part", choices=PARTS, action="append", default=[], help="only this part; may repeat"
    )
    found.add_argument("--load", choices=["mix"], help="only the part under load")
    found.add_argument("--stall", choices=TARGETS, help="only the stall of this process")
    _add_course(found, "6")
    tip = benches.add_parser(
        "arm",
        help="how the tip of a simulated arm follows a hand, and what an arm costs",
        description=arm.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    tip.add_argument("--json", type=Path, metavar="FILE", help="write the whole report there")
    tip.add_argument("--quick", action="store_true", help="a minute or so, too short to judge")
    tip.add_argument("--seed", type=int, default=0, help="of clocks and random inputs (0)")
    whole = benches.add_parser(
        "demo",
        help="what a whole node costs, and whether anything held its robot without cause",
        description=demo.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument("--json", type=Path, metavar="FILE", help="write the whole report there")
    whole.add_argument("--minutes", type=float, default=10.0, help="how long (10)")
    random = benches.add_parser(
        "faults",
        help="random worlds by the thousand, in virtual time: 1 when any breaks a rule",
        description=faults.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    random.add_argument("--json", type=Path, metavar="FILE", help="write the whole report there")
    random.add_argument(
        "--steps", type=float, default=faults.STEPS_MIN, help="events at least (1e7)"
    )
    random.add_argument(
        "--seeds", type=int, default=faults.SEEDS_MIN, help="worlds at least (1000)"
    )
    random.add_argument("--seed", type=int, default=0, help="of the first world (0)")
    judged = benches.add_parser(
        "gate",
        help="what the gate and the limits cost a command",
        description=gate.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    judged.add_argument("--json", type=Path, metavar="FILE", help="write the whole report there")
    bad = benches.add_parser(
        "hostile",
        help="what an attacker costs the rightful hand",
        description=hostile.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    bad.add_argument("--json", type=Path, metavar="FILE", help="write the whole report there")
    bad.add_argument("--quick", action="store_true", help="a minute or two, too short to judge")
    bad.add_argument("--attack", action="append", choices=sorted(attacks.BY_NAME), help="only it")
    bad.add_argument("--link", action="append", choices=hostile.LINKS, help="only this one")
    _add_course(bad, "3")
    far = benches.add_parser(
        "wan",
        help="how a robot follows a hand through a bad network",
        description=wan.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    far.add_argument("--profile", type=_network, required=True, help=", ".join(profile.BY_NAME))
    far.add_argument("--seconds", type=_wan_seconds, default=60.0, help="of the window (60)")
    far.add_argument("--link", choices=sorted(SHELLS), default="udp", help="the console's (udp)")
    far.add_argument("--seed", type=int, default=0, help="of network and clocks (0)")
    far.add_argument("--json", type=Path, metavar="FILE", help="write the whole report there")
    far.add_argument(
        "--trace", type=Path, metavar="FILE", help="of the network; else beside --json"
    )
    return parser


def _network(name: str) -> profile.Profile:
    try:
        return profile.find(name)
    except profile.UnknownProfile as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _wan_seconds(text: str) -> float:
    seconds = float(text)
    if not 0.0 < seconds <= wan.SECONDS_MAX:
        raise argparse.ArgumentTypeError(f"{text}: more than 0, at most {wan.SECONDS_MAX:g}")
    return seconds


def _add_course(bench: argparse.ArgumentParser, seconds: str) -> None:
    bench.add_argument("--blocks", type=int, help=f"blocks in a run (at least {BLOCKS_MIN})")
    bench.add_argument("--seconds", type=float, help=f"of each measurement ({seconds})")
    bench.add_argument("--repeats", type=int, help="of a run whose ratios are too noisy (2)")
    bench.add_argument("--seed", type=int, default=0, help="of order, clocks and bootstrap (0)")


def _hostile(arguments: argparse.Namespace) -> Course:
    return _shaped(hostile.QUICK if arguments.quick else hostile.COURSE, arguments)


def _course(arguments: argparse.Namespace) -> Course:
    course = _shaped(QUICK if arguments.quick else Course(), arguments)
    parts = [
        *arguments.part,
        *(["load"] if arguments.load else []),
        *([f"stall-{arguments.stall}"] if arguments.stall else []),
    ]
    return course._replace(parts=tuple(parts) or PARTS)


def _shaped(course: Course, arguments: argparse.Namespace) -> Course:
    """Fit a course to what the arguments say of its length."""
    if arguments.blocks is not None:
        if arguments.blocks < BLOCKS_MIN and not arguments.quick:
            raise SystemExit(f"--blocks {arguments.blocks}: a ratio needs {BLOCKS_MIN} at least")
        course = course._replace(blocks=arguments.blocks)
    if arguments.seconds is not None:
        course = course._replace(measure_s=arguments.seconds)
    if arguments.repeats is not None:
        course = course._replace(repeats_max=arguments.repeats)
    return course._replace(seed=arguments.seed)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
