"""`trocar session`: who holds the robot; offer it to another console, confirm, call it off."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from teleop.cli.words import CONFIG, Commands, add_json


def add(commands: Commands) -> None:
    """Describe the command and its acts."""
    session = commands.add_parser(
        "session",
        help="show who holds the robot; hand it over",
        description="Show who holds the robot, since when, until when, and who waits. A hand-over: "
        "its holder offers it, the robot holds, both consoles confirm, the new one aligns.",
    )
    _add_config(session)
    add_json(session, "JSON instead of a sentence")
    session.set_defaults(run=_show)
    acts = session.add_subparsers(metavar="ACT")
    offer = acts.add_parser("offer", help="offer the robot to another console; it holds from now")
    offer.add_argument("to", metavar="CONSOLE", help="who shall have it")
    for act in (
        offer,
        acts.add_parser("confirm", help="confirm the hand-over that stands, for one console"),
        acts.add_parser("withdraw", help="call it off: the holder keeps the robot"),
        acts.add_parser("release", help="give the robot back, and end the console"),
    ):
        _add_config(act)
        act.add_argument("--console", default="", metavar="NAME", help="who says it, if several")
        act.set_defaults(run=_say, verb=act.prog.split()[-1])


def _add_config(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", type=Path, help="the node's node.toml (default: the running)")


def _show(arguments: argparse.Namespace) -> int:
    from teleop.node.console import running_node
    from teleop.node.session import in_words, standings

    rows = standings(running_node(arguments.config, CONFIG))
    if arguments.json:
        print(json.dumps(rows, indent=2))
    for row in () if arguments.json else rows:
        print(in_words(row))
    return 0


def _say(arguments: argparse.Namespace) -> int:
    from teleop.node.console import running_node
    from teleop.node.session import say

    config = running_node(arguments.config, CONFIG)
    to = getattr(arguments, "to", "")
    print(say(config, arguments.verb, to, arguments.console))
    return 0
