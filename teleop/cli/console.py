"""`trocar console`: move the robot, by keys or by a script."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from teleop.cli.words import CONFIG, Commands, rate_of


def add(commands: Commands) -> None:
    """Describe the command."""
    console = commands.add_parser("console", help="move the robot: by keys, or by a script")
    console.add_argument(
        "--config", type=Path, help="the node's node.toml (default: ./node.toml's, or the demo's)"
    )
    console.add_argument("--link", choices=("udp", "zmq"), default="udp")
    hand = console.add_mutually_exclusive_group()
    hand.add_argument(
        "--script",
        choices=("hold", "figure8", "tremor"),
        help="a scripted hand (default: figure8 where there is no terminal)",
    )
    hand.add_argument(
        "--keyboard",
        action="store_true",
        help="your own, by keys, with the endoscope's picture (default in a terminal)",
    )
    console.add_argument("--arm", type=int, default=0, help="which of the robot's arms (0)")
    console.add_argument(
        "--scale", type=float, default=0.2, help="instrument motion per hand motion (0.2)"
    )
    console.add_argument("--rate", type=rate_of, default=1000, metavar="HZ")
    console.add_argument("--seconds", type=float, default=0.0, help="0: until Ctrl-C")
    console.add_argument("--device", help="its device among the node's keys (console, or script)")
    console.add_argument("--bed", default="", help="the bed that is meant, as bound at the robot")
    console.add_argument(
        "--wait", action="store_true", help="wait for a hand-over, as long as it takes"
    )
    console.add_argument("--skew-seed", type=int, help="give it a clock of its own (tests)")
    console.add_argument("--json", type=Path, metavar="FILE", help="write what was measured")
    console.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from teleop.node.console import console, running_node
    from teleop.node.slices import Wish

    keyboard = arguments.keyboard or (not arguments.script and sys.stdin.isatty())
    wish = Wish(
        device=arguments.device or ("console" if keyboard else "script"),
        link=arguments.link,
        script=arguments.script or "figure8",
        keyboard=keyboard,
        scale=arguments.scale,
        arm=arguments.arm,
        rate_hz=arguments.rate,
        seconds=arguments.seconds,
        bed=arguments.bed,
        yields=arguments.wait,
        skew_seed=arguments.skew_seed,
    )
    return console(running_node(arguments.config, CONFIG), wish, arguments.json)
