"""`trocar ports`: what a firewall must let through for this node."""

from __future__ import annotations

import argparse
import json

from teleop.cli.words import Commands, add_config, add_json, config_of, print_table


def add(commands: Commands) -> None:
    """Describe the command."""
    ports = commands.add_parser("ports", help="list what a firewall must let through")
    add_config(ports)
    add_json(ports, "JSON instead of a table")
    ports.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from teleop.node.ports import openings

    rows = [opening._asdict() for opening in openings(config_of(arguments))]
    if arguments.json:
        print(json.dumps(rows, indent=2))
    else:
        print_table(rows)
    return 0
