"""Finds a node that runs here, and reads no more of its node.toml than where it is.

Whoever stands at the bedside waits for this before a key of theirs counts. All of a node's
configuration costs most of a second of a core to import, which on a busy machine became 17 s
(measured beside a demo); this file costs a tenth. And a mistake that somebody makes in a running
node's node.toml does not keep the team from the robot.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from teleop.node.errors import NodeError
from teleop.node.rundir import default_path, keeper_of

DEMO: Final = "demo"


class NoNodeError(NodeError):
    """No node runs here."""


class Whereabouts(NamedTuple):
    """Where a node is, and what its robot is called."""

    run_dir: Path
    robot: str


class _Node(msgspec.Struct):
    """Of `teleop.node.config.Node`."""

    name: str = "node"
    run_dir: str = ""


class _Robot(msgspec.Struct):
    """Of `teleop.node.config.Robot`."""

    name: str = "robot"


class _File(msgspec.Struct):
    """What is read of a node.toml; whatever else stands there is passed over."""

    node: _Node = msgspec.field(default_factory=_Node)
    robot: _Robot = msgspec.field(default_factory=_Robot)


def whereabouts(path: Path) -> Whereabouts:
    """Read where the node of a node.toml is.

    Raises
    ------
    ConfigError : the file cannot be read so far
    """
    try:
        found = msgspec.convert(tomllib.loads(path.read_text()), _File)
    except (OSError, ValueError):  # of either library, or of the encoding
        from teleop.node.config import load  # which says in a sentence what is wrong

        config = load(path)
        return Whereabouts(config.run_dir, config.robot.name)
    node = found.node
    run_dir = path.absolute().parent / node.run_dir if node.run_dir else default_path(node.name)
    return Whereabouts(run_dir, found.robot.name)


def node_toml(asked: Path | None, usual: Path) -> Path:
    """Choose the node to use: the one asked for, else the usual file's if it runs, else the demo's.

    Raises
    ------
    NoNodeError : none runs
    ConfigError : the usual node.toml cannot be read
    """
    if asked is not None:
        return asked
    if usual.exists() and keeper_of(whereabouts(usual).run_dir):
        return usual
    keeper = keeper_of(default_path(DEMO))
    if keeper is None:
        raise NoNodeError(
            f"no node runs here: neither that of ./{usual} nor the demo. "
            "Start one (`trocar up` or `trocar demo`), or name its node.toml with --config"
        )
    return Path(keeper.config)
