"""Presses and releases the emergency stops that are files: the demo's, and a test's.

A stop that is a contact is pressed by a hand. Whoever may write to the node's run directory stands
at its computer.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from teleop.node.errors import NodeError
from teleop.node.sections import NodeConfig
from transport.io.buttons.file import path_of

FILE: Final = "transport.io.buttons.file"


class EstopError(NodeError):
    """There is no such button to press; the text says which there are."""


def files(config: NodeConfig) -> list[str]:
    """Name the emergency stops of a node that are files."""
    return [name for name, button in config.estop.items() if button.module == FILE]


def press(config: NodeConfig, name: str = "") -> str:
    """Press a button, the only one if none is named; return its name.

    Raises
    ------
    EstopError
    """
    name, path = _button(config, name)
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    except OSError as error:
        raise EstopError(f"{path}: {error.strerror}; does the node run?") from error
    return name


def release(config: NodeConfig, name: str = "") -> str:
    """Release a button, pressed or not; return its name.

    Raises
    ------
    EstopError
    """
    name, path = _button(config, name)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise EstopError(f"{path}: {error.strerror}") from error
    return name


def _button(config: NodeConfig, name: str) -> tuple[str, Path]:
    names = files(config)
    if not name and len(names) == 1:
        name = names[0]
    if name not in names:
        there = f"one of {', '.join(names)}" if names else "none: no table of [estop] is a file"
        raise EstopError(f"no button {name!r} to press here; expected {there}")
    try:
        return name, path_of(config.run_dir, config.estop[name].device)
    except ValueError as error:
        raise EstopError(f"estop.{name}.device: expected {error}") from error
