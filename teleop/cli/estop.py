"""`trocar estop`: presses or releases an emergency stop that is a file, as the demo's is."""

from __future__ import annotations

import argparse
from pathlib import Path

from teleop.cli.words import CONFIG, Commands


def add(commands: Commands) -> None:
    """Describe the command."""
    command = commands.add_parser("estop", help="press or release the demo's emergency stop")
    command.add_argument("verb", choices=("press", "release"))
    command.add_argument("name", nargs="?", default="", help="default: the only one")
    command.add_argument("--config", type=Path, help="the node's node.toml (default: the running)")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from teleop.node import estop
    from teleop.node.console import running_node

    config = running_node(arguments.config, CONFIG)
    if arguments.verb == "press":
        print(f"{estop.press(config, arguments.name)} is pressed: the robot stops")
    else:
        name = estop.release(config, arguments.name)
        print(f"{name} is released; the robot stays stopped until `trocar bedside reset`")
    return 0
