"""`trocar check`: what this machine lacks, and what that costs."""

from __future__ import annotations

import argparse
import json

from teleop.cli.words import Commands, add_config, add_json


def add(commands: Commands) -> None:
    """Describe the command."""
    check = commands.add_parser("check", help="name what this machine lacks, and what it costs")
    add_config(check)
    add_json(check, "JSON instead of a table")
    check.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from teleop.node.check import check, print_findings, worst

    findings = check(arguments.config)
    if arguments.json:
        print(json.dumps([finding._asdict() for finding in findings], indent=2))
    else:
        print_findings(findings)
    return 1 if worst(findings) == "red" else 0
