"""`trocar link`: a one-time link that lets a browser watch."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from teleop.cli.words import CONFIG, Commands, add_json


def add(commands: Commands) -> None:
    """Describe the command."""
    link = commands.add_parser(
        "link",
        help="make a one-time link to the node's pages",
        description="Make a link to the pages of the running node. It lets one browser in, once, "
        "within ten minutes; that browser may then come back for twelve hours.",
    )
    link.add_argument(
        "role", choices=("observer",), help="observer: sees the picture, moves nothing"
    )
    link.add_argument("--config", type=Path, help="the node's node.toml (default: the running)")
    add_json(link, "JSON instead of the link alone")
    link.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from teleop.node.console import running_node
    from teleop.node.link import link

    made = link(running_node(arguments.config, CONFIG), arguments.role)
    print(json.dumps({"role": arguments.role, "link": made}) if arguments.json else made)
    return 0
