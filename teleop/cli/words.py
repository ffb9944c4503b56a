"""What commands share: an option said alike everywhere, and tables for people."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from teleop.node.noded import Report
    from teleop.node.sections import NodeConfig

CONFIG: Final = Path("node.toml")
#: What `add_subparsers` returns.
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_config(command: argparse.ArgumentParser) -> None:
    """Take the node's configuration."""
    command.add_argument("--config", type=Path, default=CONFIG, help="default: ./node.toml")


def add_json(command: argparse.ArgumentParser, what: str, default: object = False) -> None:
    """Give the same facts to a program."""
    command.add_argument("--json", action="store_true", default=default, help=what)


def rate_of(text: str) -> int:
    """Read a rate of commands, 10 to 4000 a second."""
    rate = int(text)
    if not 10 <= rate <= 4000:
        raise argparse.ArgumentTypeError(f"expected 10 to 4000, found {rate}")
    return rate


def looks_of(text: str) -> float:
    """Read a rate of looks, 0.1 to 100 a second."""
    rate = float(text)
    if not 0.1 <= rate <= 100.0:
        raise argparse.ArgumentTypeError(f"expected 0.1 to 100, found {text}")
    return rate


def seconds_of(text: str) -> float:
    """Read a number of seconds."""
    seconds = float(text)
    if not 0.0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number of seconds, found {text}")
    return seconds


def config_of(arguments: argparse.Namespace) -> NodeConfig:
    """Read the node.toml that was named."""
    from teleop.node.config import load

    return load(arguments.config)


def tell(report: Report) -> None:
    """Tell a person what the node did."""
    from teleop.node.noded import in_words

    print(in_words(report), flush=True)


def tell_json(report: Report) -> None:
    """Tell a program what the node did."""
    import msgspec

    print(msgspec.json.encode(report).decode(), flush=True)


def print_table(rows: Sequence[dict[str, object]]) -> None:
    """Print rows in columns as wide as they need; no row has other columns than the first."""
    if not rows:
        return
    cells = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )
