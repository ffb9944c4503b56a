"""`trocar bedside`: what the team at the robot says to it."""

from __future__ import annotations

import argparse
from pathlib import Path

from teleop.cli.words import CONFIG, Commands


def add(commands: Commands) -> None:
    """Describe the command."""
    bedside = commands.add_parser("bedside", help="at the robot: reset a latched stop, or stop it")
    bedside.add_argument("verb", choices=("reset", "estop"))
    bedside.add_argument("--config", type=Path, help="the node's node.toml (default: the running)")
    bedside.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from teleop.node.bedside import bedside
    from teleop.node.console import running_node

    config = running_node(arguments.config, CONFIG)
    print(
        f"{config.robot.name}: {bedside(Path(config.run_dir), config.robot.name, arguments.verb)}"
    )
    return 0
