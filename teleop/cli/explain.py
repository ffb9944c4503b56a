"""`trocar explain`: why a robot stopped, from a recording, and whether it would again."""

from __future__ import annotations

import argparse
from pathlib import Path

from teleop.cli.words import CONFIG, Commands, add_json

EXIT_DIFFERENT = 1


def add(commands: Commands) -> None:
    """Describe the command."""
    explain = commands.add_parser(
        "explain",
        help="say why a robot stopped, and replay its recording",
        description="Say in words why a robot's state changed, from a recording, and do what is "
        "recorded again with the same code: 1 when anything comes out otherwise.",
    )
    explain.add_argument(
        "file", type=Path, nargs="?", help="a recording (default: the running node's newest)"
    )
    explain.add_argument(
        "time",
        nargs="?",
        metavar="T",
        help="what was in force then: a time of day (UTC), HH:MM[:SS[.mmm]]",
    )
    explain.add_argument("--config", type=Path, help="the node's node.toml (default: the running)")
    add_json(explain, "one object: transitions with their chains, and what the replay gave")
    explain.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from teleop.node import explain

    told = explain.explain(arguments.file or _newest(arguments.config))
    lines = explain.at(told, arguments.time) if arguments.time else told.lines
    if arguments.json:
        print(explain.in_json(told, lines).decode())
    else:
        print(explain.in_words(told, lines))
    return 0 if told.is_same else EXIT_DIFFERENT


def _newest(config: Path | None) -> Path:
    from teleop.node.console import running_node
    from teleop.node.explain import newest_of
    from teleop.node.slices import records_path

    return newest_of(records_path(running_node(config, CONFIG)))
