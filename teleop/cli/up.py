"""`trocar up`: run the node that node.toml describes."""

from __future__ import annotations

import argparse

from teleop.cli.words import Commands, add_config, add_json, tell, tell_json


def add(commands: Commands) -> None:
    """Describe the command."""
    up = commands.add_parser("up", help="run the node that node.toml describes")
    add_config(up)
    add_json(up, "one JSON line for each event")
    up.add_argument("--skew-seed", type=int, help="give each process a clock of its own (tests)")
    up.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from teleop.node.config import load
    from teleop.node.up import up

    config = load(arguments.config)
    say = tell_json if arguments.json else tell
    return up(config, arguments.config, say, arguments.skew_seed)
