"""The command `trocar`: what a person says to a node, and what it answers.

Rules
-----
- A file here is a command; `COMMANDS` lists them in the order of the help.
- An error a person can mend is one clear line (or one a reason) and exit code 2, no traceback.
- `--json` gives the same facts to a program.
- Nothing heavy is imported until its command runs.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Final, Protocol

from teleop.cli import (
    alarms,
    audit,
    bedside,
    check,
    console,
    demo,
    estop,
    explain,
    feed,
    keys,
    link,
    ports,
    session,
    topics,
    up,
    watch,
)

EXIT_ERROR: Final = 2
PACKAGES: Final = ("teleop", "monitor", "safety", "transport")


class Command(Protocol):
    """A file of this package: `add` describes its command, and sets what runs it as `run`."""

    def add(self, commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
        """Add the command's parser."""


COMMANDS: Final[tuple[Command, ...]] = (
    up,
    demo,
    check,
    topics,
    bedside,
    estop,
    watch,
    explain,
    feed,
    alarms,
    keys,
    console,
    session,
    link,
    audit,
    ports,
)


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


def parser() -> argparse.ArgumentParser:
    """Describe every command."""
    top = argparse.ArgumentParser(
        prog="trocar",
        description="The port between a surgeon's hands and a robot somewhere else. "
        "Research software, not a medical device.",
    )
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(commands)
    return top


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


def _fail(message: str) -> int:
    for line in message.splitlines():
        print(f"trocar: {line}", file=sys.stderr)
    return EXIT_ERROR


def _for_people() -> tuple[type[Exception], ...]:
    """Return the errors whose text says what to mend; imported only when there is an error."""
    from safety.store.audit import AuditError
    from safety.store.file import StoreError
    from teleop.node.errors import NodeError
    from transport.io.keys import KeyFault

    return (NodeError, KeyFault, StoreError, AuditError)
