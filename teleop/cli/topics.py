"""`trocar topics`: what is said in a node, how often, in what time."""

from __future__ import annotations

import argparse
import json

from teleop.cli.words import Commands, add_json, print_table


def add(commands: Commands) -> None:
    """Describe the command."""
    topics = commands.add_parser("topics", help="list what is said, how often, in what time")
    add_json(topics, "JSON instead of a table")
    topics.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from teleop.topics import TOPICS

    rows = [{**topic._asdict(), "message": topic.message.__name__} for topic in TOPICS]
    if arguments.json:
        print(json.dumps(rows, indent=2))
    else:
        print_table(rows)
    return 0
