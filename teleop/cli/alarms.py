"""`trocar alarms`: what holds at the running node's beds; acknowledge, pause, set limits."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from teleop.cli.words import CONFIG, Commands, add_json, print_table

#: As long as a pause may be.
PAUSE_S: int = 120


def add(commands: Commands) -> None:
    """Describe the command and its acts."""
    alarms = commands.add_parser(
        "alarms",
        help="show what is wrong at the node's beds; acknowledge, pause, set limits",
        description="Show every alarm of the running node's beds. Answering needs a key of role "
        "icu here (`trocar keys new NAME --role icu`). `trocar watch alarms` shows them live.",
    )
    _add_config(alarms)
    add_json(alarms, "JSON instead of a table")
    alarms.set_defaults(run=_show)
    acts = alarms.add_subparsers(metavar="ACT")
    ack = _act(acts, "ack", "acknowledge a bed's alarms, or one of them", _ack)
    ack.add_argument("condition", nargs="?", default="", help="such as asystole (default: all)")
    ack.add_argument("--where", default="", metavar="PLACE", help="from where, for the record")
    pause = _act(acts, "pause", "silence a bed's sound for a while", _pause)
    pause.add_argument(
        "--seconds", type=int, default=PAUSE_S, metavar="S", help=f"0 ends it ({PAUSE_S})"
    )
    limits = _act(acts, "limits", "show what is set at a bed, or set it", _limits)
    limits.add_argument("condition", nargs="?", default="", help="such as hr_high")
    limits.add_argument("to", nargs="?", default="", help="a number, usual, off or on")
    for verb, what in (
        ("admit", "another patient lies there: everything begins anew"),
        ("associate", "the same patient, other devices: alarms begin anew, limits stay"),
        ("discharge", "nobody lies there: no technical alarms"),
    ):
        _act(acts, verb, what, _change).set_defaults(verb=verb)


def _act(acts: Commands, name: str, what: str, run: object) -> argparse.ArgumentParser:
    act = acts.add_parser(name, help=what)
    act.add_argument("bed", metavar="BED", help="unit/bed, such as icu/7")
    act.add_argument("--as", dest="name", default="", metavar="NAME", help="whose key, if several")
    _add_config(act)
    act.set_defaults(run=run)
    return act


def _add_config(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", type=Path, help="the node's node.toml (default: the running)")


def _show(arguments: argparse.Namespace) -> int:
    from teleop.node.alarms import listing
    from teleop.node.console import running_node

    rows = listing(running_node(arguments.config, CONFIG))
    if arguments.json:
        print(json.dumps(rows, indent=2))
    elif rows:
        names = ("bed", "priority", "words", "presence", "value", "onset_s", "by")
        print_table([{name: row[name] for name in names} for row in rows])
    else:
        print("no alarms")
    return 0


def _ack(arguments: argparse.Namespace) -> int:
    from teleop.node.alarm_desk import acknowledge
    from teleop.node.console import running_node

    config = running_node(arguments.config, CONFIG)
    bed, condition = arguments.bed, arguments.condition
    for line in acknowledge(config, bed, condition, arguments.name, arguments.where):
        print(f"acknowledged  {line}")
    return 0


def _pause(arguments: argparse.Namespace) -> int:
    from teleop.node.alarm_desk import pause
    from teleop.node.alarms import AlarmError
    from teleop.node.console import running_node

    if not 0 <= arguments.seconds <= PAUSE_S:
        raise AlarmError(f"a pause lasts 0 to {PAUSE_S} s, not {arguments.seconds}")
    pause(running_node(arguments.config, CONFIG), arguments.bed, arguments.seconds, arguments.name)
    words = f"paused for {arguments.seconds} s" if arguments.seconds else "no longer paused"
    print(f"{arguments.bed}: sound is {words}; a new alarm of high priority ends a pause")
    return 0


def _limits(arguments: argparse.Namespace) -> int:
    from teleop.node.alarm_desk import limits, set_limit
    from teleop.node.alarms import AlarmError
    from teleop.node.console import running_node

    config = running_node(arguments.config, CONFIG)
    bed, condition, to = arguments.bed, arguments.condition, arguments.to
    if to:
        set_limit(config, bed, condition, to, arguments.name)
    rows = [row for row in limits(config, bed) if condition.lower() in ("", row["condition"])]
    if not rows:
        raise AlarmError(f"there is no condition {condition!r}")
    print_table(rows)
    return 0


def _change(arguments: argparse.Namespace) -> int:
    from teleop.node.alarm_desk import change
    from teleop.node.console import running_node

    config = running_node(arguments.config, CONFIG)
    change(config, arguments.bed, arguments.verb, arguments.name)
    print(f"{arguments.bed}: {arguments.verb}; its alarms begin anew")
    return 0
