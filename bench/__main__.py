"""`python -m bench NAME`: measure, print, write JSON; 1 when a claim failed, 130 on Ctrl-C.

A bench is a file here with `describe(parser)` and `start(arguments, console)`; `BENCHES` lists
them. Only the one that is named is imported.
"""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Final, NoReturn, Protocol

from rich.console import Console

INTERRUPTED = 130
LOG_COLUMNS = 140

#: name, which is its file's too -> what it answers
BENCHES: Final[dict[str, str]] = {
    "relay": "our relay beside its peers, with the same two ends",
    "gate": "what the gate and the limits cost a command",
    "arm": "how the tip of a simulated arm follows a hand, and what an arm costs",
    "record": "what recording costs the hand, what it misses, and what a kill loses",
    "demo": "what a whole node costs, and whether anything held its robot without cause",
    "wan": "how a robot follows a hand through a bad network",
    "hostile": "what an attacker costs the rightful hand",
    "faults": "random worlds by the thousand, in virtual time: 1 when any breaks a rule",
    "vitals": "how well, how soon and how cheaply beats are found in an ECG",
    "alarms": "which alarms are raised, how soon, and which should not have been",
    "video": "how old a picture is when it can be shown, beside aiortc as it comes",
    "audit": "how long it takes to read a million records of the audit, and to find a change",
}


class Bench(Protocol):
    """What every bench's file has."""

    def describe(self, parser: argparse.ArgumentParser) -> None:
        """Add its arguments."""

    def start(self, arguments: argparse.Namespace, console: Console) -> int:
        """Measure; return 1 when a claim failed."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the bench that the first argument names."""
    words = list(sys.argv[1:] if argv is None else argv)
    name = _parser().parse_args(words[:1]).bench
    if name == "list":
        sys.stdout.writelines(f"{bench:8} {question}\n" for bench, question in BENCHES.items())
        return 0
    bench: Bench = importlib.import_module(f"bench.{name}")
    parser = argparse.ArgumentParser(
        prog=f"python -m bench {name}",
        description=bench.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    bench.describe(parser)
    arguments = parser.parse_args(words[1:])
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        console.width = LOG_COLUMNS
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return bench.start(arguments, console)
    except KeyboardInterrupt:
        console.print("interrupted: every process is ended, nothing was written")
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    listed = "\n".join(f"  {name:8} {question}" for name, question in BENCHES.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        epilog=f"{listed}\n\n`python -m bench NAME --help` says what a bench can be told.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bench", metavar="NAME", choices=("list", *BENCHES))
    return parser


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
