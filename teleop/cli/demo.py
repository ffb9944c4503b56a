"""`trocar demo`: a whole node with a simulated robot and a hand."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from teleop.cli.words import Commands, rate_of

#: The demo's hand moves as far as its instrument, so that one sees it.
DEMO_SCALE: Final = 1.0


def add(commands: Commands) -> None:
    """Describe the command."""
    demo = commands.add_parser("demo", help="run a whole node with a simulated robot and a hand")
    demo.add_argument("--dir", type=Path, default=Path("var/demo"), help="where its keys are kept")
    demo.add_argument("--link", choices=("udp", "zmq"), default="udp")
    demo.add_argument("--rate", type=rate_of, default=1000, metavar="HZ", help="commands a second")
    demo.add_argument("--seconds", type=float, default=0.0, help="stop by itself after this time")
    demo.add_argument("--json", type=Path, metavar="FILE", help="write what was measured")
    demo.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from teleop.node.demo import demo
    from teleop.node.slices import Wish

    wish = Wish(
        link=arguments.link, rate_hz=arguments.rate, seconds=arguments.seconds, scale=DEMO_SCALE
    )
    return demo(arguments.dir, wish, arguments.json)
