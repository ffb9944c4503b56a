"""`trocar feed`: play a recording into the running node's monitor."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from teleop.cli.words import CONFIG, Commands

_BED = re.compile(r"[a-z0-9][a-z0-9._-]*/[a-z0-9][a-z0-9._-]*")


def add(commands: Commands) -> None:
    """Describe the command."""
    feed = commands.add_parser(
        "feed",
        help="play a recording into the monitor: EDF, CSV, WFDB, npz",
        description="Play a recording into the running node's monitor, as a device at a bed would. "
        "Channels are known by their names: ECG leads, PLETH, RED, ABP, RESP.",
    )
    feed.add_argument("bed", metavar="BED", type=_bed, help="whose it shall be: unit/bed, icu/7")
    feed.add_argument(
        "file",
        metavar="FILE",
        type=Path,
        help=".edf, .bdf, .csv, .npz, a WFDB record's name, or sim:SCRIPT: a generated patient",
    )
    feed.add_argument("--speed", type=_speed, default=1.0, metavar="X", help="0.1 to 10 (1)")
    feed.add_argument("--loop", action="store_true", help="again and again, until Ctrl-C")
    feed.add_argument(
        "--rate", type=float, metavar="HZ", help="of a CSV that has no column of seconds"
    )
    feed.add_argument("--config", type=Path, help="the node's node.toml (default: the running)")
    feed.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from teleop.node.console import running_node
    from teleop.node.feed import Wish, feed

    config = running_node(arguments.config, CONFIG)
    wish = Wish(
        arguments.bed, arguments.file, arguments.speed, arguments.loop, arguments.rate or None
    )
    return feed(Path(config.run_dir), wish)


def _bed(text: str) -> str:
    if not _BED.fullmatch(text):
        raise argparse.ArgumentTypeError(f"expected unit/bed, such as icu/7, found {text!r}")
    return text


def _speed(text: str) -> float:
    speed = float(text)
    if not 0.1 <= speed <= 10.0:
        raise argparse.ArgumentTypeError(f"expected 0.1 to 10, found {text}")
    return speed
