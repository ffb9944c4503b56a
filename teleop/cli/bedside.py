"""`trocar bedside`: what the team at the robot says to it; without a verb, a screen of its own."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from teleop.cli.words import CONFIG, Commands, add_json, seconds_of

if TYPE_CHECKING:
    from safety.bedside import Report
    from teleop.node.bedside import Bedsocket

VERBS = (
    ("status", "how the robot stands, and who holds it"),
    ("take", "LOCAL: the team has the robot; every console holds"),
    ("give", "end LOCAL; nothing resumes by itself"),
    ("retract", "in LOCAL: the tip slowly towards the remote centre"),
    ("release", "in LOCAL: open the jaw slowly"),
    ("reset", "leave a latched stop"),
    ("estop", "stop, latched"),
    ("bind", "say where the robot stands, and for whom (pseudonyms)"),
    ("break", "give the robot to a console in its holder's stead"),
)


def add(commands: Commands) -> None:
    """Describe the command."""
    command = commands.add_parser("bedside", help="at the robot: take over, retract, reset, stop")
    command.set_defaults(run=run, verb="", config=None, json=False)
    _add_options(command)
    verbs = command.add_subparsers(metavar="VERB", dest="verb")
    parsers = {name: verbs.add_parser(name, help=help) for name, help in VERBS}
    for name in ("retract", "release"):
        parsers[name].add_argument("--seconds", type=seconds_of, default=1.0, help="default: 1")
        parsers[name].add_argument("--arm", type=int, choices=range(256), default=0, metavar="N")
    parsers["bind"].add_argument("bed")
    parsers["bind"].add_argument("patient", nargs="?", default="")
    parsers["break"].add_argument("console")
    for parser in parsers.values():
        _add_options(parser)


def _add_options(command: argparse.ArgumentParser) -> None:
    """Take what may stand on either side of the verb; where it does not, the other side counts."""
    command.add_argument(
        "--config",
        type=Path,
        default=argparse.SUPPRESS,
        help="the node's node.toml (default: the running)",
    )
    add_json(command, "print the robot's answer as JSON", default=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; 1 when nothing came of it."""
    from teleop.node.bedside import Bedsocket, in_words
    from teleop.node.whereabouts import node_toml, whereabouts

    with Bedsocket(*whereabouts(node_toml(arguments.config, CONFIG))) as link:
        if not arguments.verb:
            return _show(link)
        report = _say(link, arguments)
    if arguments.json:
        print(_json(report))
    else:
        print("\n".join(in_words(report)))
    return 1 if report.why else 0


def _show(link: Bedsocket) -> int:
    from teleop.node.bedside import BedsideError
    from teleop.node.bedside_screen import operate
    from teleop.node.signals import Signals
    from teleop.node.terminal import NoTerminalError

    try:
        with Signals() as signals:
            operate(link, signals)
    except NoTerminalError:
        raise BedsideError("the screen needs a terminal; elsewhere say a verb: status") from None
    return 0


def _say(link: Bedsocket, arguments: argparse.Namespace) -> Report:
    from safety.bedside import Bind, Override
    from teleop.node.bedside import hold

    if arguments.verb in ("retract", "release"):
        return hold(link, arguments.verb, arguments.arm, arguments.seconds)
    if arguments.verb == "bind":
        return link.ask(Bind(22, arguments.bed, arguments.patient))
    if arguments.verb == "break":
        return link.ask(Override(23, arguments.console))
    return link.say(arguments.verb)


def _json(report: Report) -> str:
    import msgspec

    from safety.state import Cause, State

    fields = msgspec.structs.asdict(report)
    del fields["kind"]
    fields |= {"state": State(report.state).name, "cause": Cause(report.cause).name}
    return msgspec.json.encode(fields).decode()
