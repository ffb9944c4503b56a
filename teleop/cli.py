"""The command `trocar`: what a person says to a node, and what it answers.

Rules
-----
- An error a person can mend is one clear line (or one a reason) and exit code 2, no traceback.
- `--json` gives the same facts to a program.
- Nothing heavy is imported until its command runs.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from teleop.node.config import NodeConfig
    from teleop.node.noded import Report

EXIT_ERROR: Final = 2
PACKAGES: Final = ("teleop", "monitor", "safety", "transport")
CONFIG: Final = Path("node.toml")
#: The demo's hand moves as far as its instrument, so that one sees it.
DEMO_SCALE: Final = 1.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    try:
        stranger = strangers({name: importlib.import_module(name) for name in PACKAGES})
    except ImportError as error:
        stranger = f"one of trocar's packages is not whole: {error}; install it anew"
    if stranger:
        return _fail(stranger)
    arguments = parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 0
    except Exception as error:
        if not isinstance(error, _for_people()):
            raise
        return _fail(str(error))
    return code


def strangers(packages: dict[str, ModuleType]) -> str:
    """Say which of our packages is somebody else's; "" when all are ours.

    `teleop` and `safety` are also the names of unrelated distributions: pip installs them over
    ours, file by file, without a word. Ours lie in one folder and have one version.
    """
    folders = {name: _folder(package) for name, package in packages.items()}
    versions = {name: getattr(package, "__version__", "none") for name, package in packages.items()}
    if len(set(folders.values())) == 1 and len(set(versions.values())) == 1:
        return ""
    found = ", ".join(f"{name} {versions[name]} in {folders[name]}" for name in packages)
    return (
        f"trocar's packages do not belong together: {found}. Another distribution has one of "
        "these names. Install trocar in an environment of its own (`make setup`)."
    )


def _folder(package: ModuleType) -> str:
    file = getattr(package, "__file__", None)
    return str(Path(file).resolve().parents[1]) if file else "nowhere"


def parser() -> argparse.ArgumentParser:
    """Describe every command."""
    top = argparse.ArgumentParser(
        prog="trocar",
        description="The port between a surgeon's hands and a robot somewhere else. "
        "Research software, not a medical device.",
    )
    commands = top.add_subparsers(metavar="COMMAND", required=True)

    up = commands.add_parser("up", help="run the node that node.toml describes")
    _add_config(up)
    _add_json(up, "one JSON line for each event")
    up.add_argument("--skew-seed", type=int, help="give each process a clock of its own (tests)")
    up.set_defaults(run=_up)

    demo = commands.add_parser("demo", help="run a whole node with a simulated robot and a hand")
    demo.add_argument("--dir", type=Path, default=Path("var/demo"), help="where its keys are kept")
    demo.add_argument("--link", choices=("udp", "zmq"), default="udp")
    demo.add_argument("--rate", type=_rate, default=1000, metavar="HZ", help="commands a second")
    demo.add_argument("--seconds", type=float, default=0.0, help="stop by itself after this time")
    demo.add_argument("--json", type=Path, metavar="FILE", help="write what was measured")
    demo.set_defaults(run=_demo)

    check = commands.add_parser("check", help="name what this machine lacks, and what it costs")
    _add_config(check)
    _add_json(check, "JSON instead of a table")
    check.set_defaults(run=_check)

    topics = commands.add_parser("topics", help="list what is said, how often, in what time")
    _add_json(topics, "JSON instead of a table")
    topics.set_defaults(run=_topics)

    bedside = commands.add_parser("bedside", help="at the robot: reset a latched stop, or stop it")
    bedside.add_argument("verb", choices=("reset", "estop"))
    bedside.add_argument("--config", type=Path, help="the node's node.toml (default: the running)")
    bedside.set_defaults(run=_bedside)

    _add_watch(commands)
    _add_keys(commands.add_parser("keys", help="make, list and revoke devices' keys"))
    _add_console(commands.add_parser("console", help="move the robot: by keys, or by a script"))
    return top


def _add_watch(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    watch = commands.add_parser(
        "watch",
        help="show what the node's robots say of themselves, by CRTK's names",
        description="Show what the robots of the running node say of themselves. It needs no key, "
        "and is unverified: an observer cannot check the seal.",
    )
    watch.add_argument("--config", type=Path, help="the node's node.toml (default: the running)")
    watch.add_argument("--robot", metavar="R", help="this robot alone (default: all)")
    _add_json(watch, "an object for each arm and look, with CRTK's names")
    watch.add_argument("--rate", type=_looks, default=10.0, metavar="HZ", help="looks a second")
    watch.add_argument(
        "--seconds", type=_seconds, default=0.0, metavar="S", help="from the first state on"
    )
    watch.set_defaults(run=_watch)


def _add_keys(keys: argparse.ArgumentParser) -> None:
    acts = keys.add_subparsers(metavar="ACT", required=True)
    init = acts.add_parser("init", help="make what this node lacks: its devices, its robot's store")
    new = acts.add_parser("new", help="make a device")
    new.add_argument("name")
    new.add_argument("--role", required=True, help="console, script, robot, observer, ...")
    listing = acts.add_parser("list", help="list the devices")
    _add_json(listing, "JSON instead of a table")
    revoke = acts.add_parser("revoke", help="refuse a device from now on, everywhere")
    revoke.add_argument("name")
    for act, run in ((init, _keys_init), (new, _keys_new), (listing, _keys_list)):
        _add_config(act)
        act.set_defaults(run=run)
    _add_config(revoke)
    revoke.set_defaults(run=_keys_revoke)


def _add_console(console: argparse.ArgumentParser) -> None:
    console.add_argument(
        "--config", type=Path, help="the node's node.toml (default: ./node.toml's, or the demo's)"
    )
    console.add_argument("--link", choices=("udp", "zmq"), default="udp")
    hand = console.add_mutually_exclusive_group()
    hand.add_argument(
        "--script",
        choices=("hold", "figure8", "tremor"),
        help="a scripted hand (default: figure8 where there is no terminal)",
    )
    hand.add_argument(
        "--keyboard",
        action="store_true",
        help="your own, by keys, with the endoscope's picture (default in a terminal)",
    )
    console.add_argument("--arm", type=int, default=0, help="which of the robot's arms (0)")
    console.add_argument(
        "--scale", type=float, default=0.2, help="instrument motion per hand motion (0.2)"
    )
    console.add_argument("--rate", type=_rate, default=1000, metavar="HZ")
    console.add_argument("--seconds", type=float, default=0.0, help="0: until Ctrl-C")
    console.add_argument("--device", help="its device among the node's keys (console, or script)")
    console.add_argument("--skew-seed", type=int, help="give it a clock of its own (tests)")
    console.add_argument("--json", type=Path, metavar="FILE", help="write what was measured")
    console.set_defaults(run=_console)


def _add_config(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", type=Path, default=CONFIG, help="default: ./node.toml")


def _add_json(command: argparse.ArgumentParser, what: str) -> None:
    command.add_argument("--json", action="store_true", help=what)


def _rate(text: str) -> int:
    rate = int(text)
    if not 10 <= rate <= 4000:
        raise argparse.ArgumentTypeError(f"expected 10 to 4000, found {rate}")
    return rate


def _looks(text: str) -> float:
    rate = float(text)
    if not 0.1 <= rate <= 100.0:
        raise argparse.ArgumentTypeError(f"expected 0.1 to 100, found {text}")
    return rate


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0.0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number of seconds, found {text}")
    return seconds


# Commands


def _up(arguments: argparse.Namespace) -> int:
    from teleop.node.config import load
    from teleop.node.up import up

    config = load(arguments.config)
    tell = _tell_json if arguments.json else _tell
    return up(config, arguments.config, tell, arguments.skew_seed)


def _demo(arguments: argparse.Namespace) -> int:
    from teleop.node.demo import demo
    from teleop.node.slices import Wish

    wish = Wish(
        link=arguments.link, rate_hz=arguments.rate, seconds=arguments.seconds, scale=DEMO_SCALE
    )
    return demo(arguments.dir, wish, arguments.json)


def _check(arguments: argparse.Namespace) -> int:
    from teleop.node.check import check, print_findings, worst

    findings = check(arguments.config)
    if arguments.json:
        print(json.dumps([finding._asdict() for finding in findings], indent=2))
    else:
        print_findings(findings)
    return 1 if worst(findings) == "red" else 0


def _topics(arguments: argparse.Namespace) -> int:
    from teleop.topics import TOPICS

    rows = [{**topic._asdict(), "message": topic.message.__name__} for topic in TOPICS]
    if arguments.json:
        print(json.dumps(rows, indent=2))
    else:
        _print_table(rows)
    return 0


def _keys_init(arguments: argparse.Namespace) -> int:
    from teleop.node.commission import commission

    config = _config(arguments)
    for made in commission(config) or ["nothing: all is there"]:
        print(f"made {made}")
    return 0


def _keys_new(arguments: argparse.Namespace) -> int:
    from transport.io import keys

    config = _config(arguments)
    try:
        role = keys.Role(arguments.role)
    except ValueError:
        raise keys.KeyFault(
            f"--role: expected one of {', '.join(keys.Role)}, found {arguments.role!r}"
        ) from None
    device = keys.new(config.keys_dir, arguments.name, role)
    print(f"made {device.name} ({device.role}), public key {device.public_z85}")
    print(f"its secret: {config.keys_dir / device.name}.secret")
    return 0


def _keys_list(arguments: argparse.Namespace) -> int:
    from transport.io import keys

    rows: list[dict[str, object]] = [
        {
            "name": device.name,
            "role": str(device.role),
            "public_z85": device.public_z85,
            "created_utc": device.created_utc,
            "revoked": device.revoked,
        }
        for device in keys.list_devices(_config(arguments).keys_dir)
    ]
    if arguments.json:
        print(json.dumps(rows, indent=2))
    else:
        _print_table(rows)
    return 0


def _keys_revoke(arguments: argparse.Namespace) -> int:
    from transport.io import keys

    device = keys.revoke(_config(arguments).keys_dir, arguments.name)
    print(f"revoked {device.name} ({device.role}); running nodes refuse it at once")
    return 0


def _console(arguments: argparse.Namespace) -> int:
    from teleop.node.console import console, running_node
    from teleop.node.slices import Wish

    keyboard = arguments.keyboard or (not arguments.script and sys.stdin.isatty())
    wish = Wish(
        device=arguments.device or ("console" if keyboard else "script"),
        link=arguments.link,
        script=arguments.script or "figure8",
        keyboard=keyboard,
        scale=arguments.scale,
        arm=arguments.arm,
        rate_hz=arguments.rate,
        seconds=arguments.seconds,
        skew_seed=arguments.skew_seed,
    )
    return console(running_node(arguments.config, CONFIG), wish, arguments.json)


def _bedside(arguments: argparse.Namespace) -> int:
    from teleop.node.bedside import bedside
    from teleop.node.console import running_node

    config = running_node(arguments.config, CONFIG)
    print(
        f"{config.robot.name}: {bedside(Path(config.run_dir), config.robot.name, arguments.verb)}"
    )
    return 0


def _watch(arguments: argparse.Namespace) -> int:
    from teleop.node.console import running_node
    from teleop.node.watch import Wish, watch

    wish = Wish(arguments.robot, arguments.rate, arguments.seconds, arguments.json)
    return watch(running_node(arguments.config, CONFIG), wish)


# What a person reads


def _config(arguments: argparse.Namespace) -> NodeConfig:
    from teleop.node.config import load

    return load(arguments.config)


def _tell(report: Report) -> None:
    from teleop.node.noded import in_words

    print(in_words(report), flush=True)


def _tell_json(report: Report) -> None:
    import msgspec

    print(msgspec.json.encode(report).decode(), flush=True)


def _print_table(rows: Sequence[dict[str, object]]) -> None:
    """Print rows in columns as wide as they need; no row has other columns than the first."""
    if not rows:
        return
    cells = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )


def _fail(message: str) -> int:
    for line in message.splitlines():
        print(f"trocar: {line}", file=sys.stderr)
    return EXIT_ERROR


def _for_people() -> tuple[type[Exception], ...]:
    """Return the errors whose text says what to mend; imported only when there is an error."""
    from safety.store.file import StoreError
    from teleop.node.errors import NodeError
    from transport.io.keys import KeyFault

    return (NodeError, KeyFault, StoreError)
