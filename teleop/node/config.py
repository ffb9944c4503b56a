"""Reads node.toml into typed values, or says what is wrong with it.

Rules
-----
- Complete: the repository's node.toml names every key with its default; a test holds it to that.
- Strict: an unknown key, a wrong type and a value out of range each end the start. The error
  names file, line and key, and says what was expected there.
- Nothing listens beyond loopback without keys: CURVE endpoints may, pages may by TLS, the metrics
  page may not.
- Units are in the keys. Secrets are paths.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Final

import msgspec

from teleop.node.checks import CHECKS
from teleop.node.mistakes import ConfigError, line_of, syntax_mistake, type_mistake
from teleop.node.rundir import default_path
from teleop.node.sections import NodeConfig

BYTES_MAX: Final = 256 * 1024


def load(path: Path) -> NodeConfig:
    """Read a node.toml; its paths come back absolute, its run directory filled in.

    Raises
    ------
    ConfigError
    """
    try:
        with path.open("rb") as file:
            data = file.read(BYTES_MAX + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigError(str(path), 1, "file", "a readable node.toml", reason) from error
    if len(data) > BYTES_MAX:
        raise ConfigError(str(path), 1, "file", f"at most {BYTES_MAX} bytes", "more")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(str(path), line, "file", "UTF-8", repr(data[error.start])) from error
    return resolve(parse(text, str(path)), path.absolute().parent)


def parse(text: str, file: str = "node.toml") -> NodeConfig:
    """Turn the text of a node.toml into a configuration.

    Raises
    ------
    ConfigError : the first thing that is wrong
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise syntax_mistake(text, file, str(error)) from error
    try:
        config = msgspec.convert(raw, NodeConfig)
    except msgspec.ValidationError as error:
        raise type_mistake(text, file, raw, NodeConfig, str(error)) from error
    for check in CHECKS:
        if found := check.found(config):
            line = line_of(text, check.key)
            raise ConfigError(file, line, check.key, check.expected, found)
    return config


def resolve(config: NodeConfig, folder: Path) -> NodeConfig:
    """Make the paths of a configuration absolute: `folder` is where its file lies."""
    node, web = config.node, config.web
    run_dir = folder / node.run_dir if node.run_dir else default_path(node.name)
    paths = {"state_dir": str(folder / node.state_dir), "run_dir": str(run_dir)}
    second = config.audit.second or f"{paths['state_dir']}/audit-head"
    return msgspec.structs.replace(
        config,
        node=msgspec.structs.replace(node, **paths),
        audit=msgspec.structs.replace(config.audit, second=str(folder / second)),
        web=msgspec.structs.replace(
            config.web,
            certificate=str(folder / web.certificate) if web.certificate else "",
            key=str(folder / web.key) if web.key else "",
        ),
    )
