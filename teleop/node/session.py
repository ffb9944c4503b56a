"""Who holds which robot, and a person's word about it to a console that runs here.

What is shown is what the session service has stored, whether it runs now or not. A word goes to
the console's own process, over its local socket (0600): that one has the key that it needs.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from safety.grant import Release
from safety.handover import Confirm, Offer, Withdraw
from safety.messages import NO_SESSION
from safety.seat import Phase, Row
from safety.store.authority import Listed
from safety.store.sqlite import SqliteStore
from teleop.node.console import STALE
from teleop.node.errors import NodeError
from teleop.node.rundir import base_path, keeper_of
from teleop.node.sections import NodeConfig
from teleop.node.slices import authority_path
from teleop.settings import NativedSettings
from transport.wire.codec import Message, Registry, encode
from transport.wire.errors import WireError
from transport.wire.messages import Refused

PATIENCE_S: Final = 2.0
ANSWER_BYTES_MAX: Final = 1024
SOCKET: Final = "natived.sock"

_ANSWERS = Registry((Refused,))


class SessionError(NodeError):
    """There is no console to say it to, or it does not answer."""


class Console(NamedTuple):
    """A console that runs here."""

    name: str
    robot: str
    socket: Path


def standings(config: NodeConfig) -> list[dict[str, object]]:
    """Return who holds what, a row a robot.

    Raises
    ------
    StoreError : there is no store, or it cannot be read
    """
    store = SqliteStore(authority_path(config), reads=True)
    kept = store.read()
    store.close()
    return [_row(listed) for listed in kept.robots]


def _row(listed: Listed) -> dict[str, object]:
    row = listed.row
    return {
        "robot": row.robot,
        "bed": row.bed,
        "state": row.phase.name.lower(),
        "holder": row.holder.console if row.holder else "",
        "epoch": row.holder.epoch if row.holder else row.epoch,
        "since_utc": _when(listed.since_utc_ns),
        "until_utc": _when(listed.until_utc_ns),
        "to": row.to,
        "waiting": list(row.waiting),
        "observers": list(row.observers),
    }


def in_words(row: dict[str, object]) -> str:
    """Put a robot's row into a line for a person."""
    at = f" at bed {row['bed']}" if row["bed"] else ""
    holder = f"held by {row['holder']} since {row['since_utc']}, until {row['until_utc']}"
    line = f"{row['robot']}{at}: {holder if row['holder'] else 'free'}"
    if row["to"]:
        doing = "is being handed over to" if row["state"] == "handover" else "is being granted to"
        line += f"; it {doing} {row['to']}"
    for what in ("waiting", "observers"):
        names = row[what]
        assert isinstance(names, list)
        if names:
            line += f"; {what}: {', '.join(names)}"
    return line


def consoles() -> list[Console]:
    """Find the consoles of this user that run here."""
    return sorted(_consoles())


def _consoles() -> Iterator[Console]:
    for path in base_path().glob(f"{STALE}*"):
        if keeper_of(path) is None or not (path / SOCKET).exists():
            continue
        try:
            data = (path / "natived.json").read_bytes()
            operator = msgspec.json.decode(data, type=NativedSettings).operator
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            continue
        yield Console(operator.console, operator.robot, path / SOCKET)


def say(config: NodeConfig, verb: str, to: str = "", name: str = "") -> str:
    """Say a word to the console that it is for; return its answer, for a person.

    Parameters
    ----------
    verb : offer, confirm, withdraw or release
    to : the console that is offered the robot
    name : which console says it, where several could

    Raises
    ------
    SessionError : no such console runs here, several do, or it does not answer
    """
    found = [each for each in consoles() if each.robot == config.robot.name]
    console = choose(found, _rows(config), verb, name)
    words: dict[str, Message] = {
        "offer": Offer(56, NO_SESSION, to),
        "confirm": Confirm(57, console.robot),
        "withdraw": Withdraw(58, console.robot),
        "release": Release(54, NO_SESSION),
    }
    return f"{console.name}: {_ask(console, words[verb])}"


def choose(found: list[Console], rows: dict[str, Row], verb: str, name: str) -> Console:
    """Find the one console that a word is for: the one that is named, or the only one it fits.

    Raises
    ------
    SessionError
    """
    if name:
        found = [console for console in found if console.name == name]
    elif len(found) > 1:
        found = [each for each in found if _fits(each, rows.get(each.robot), verb)] or found
    if not found:
        which = f"{name!r}" if name else "of this robot"
        raise SessionError(f"no console {which} runs here: `trocar console` starts one")
    if len(found) > 1:
        names = ", ".join(sorted(console.name for console in found))
        raise SessionError(f"{names} run here: say which with --console")
    return found[0]


def _fits(console: Console, row: Row | None, verb: str) -> bool:
    if row is None or row.holder is None:
        return False
    concerned = {row.holder.console}
    if verb in ("confirm", "withdraw") and row.phase is Phase.HANDOVER:
        concerned.add(row.to)
    return console.name in concerned


def _rows(config: NodeConfig) -> dict[str, Row]:
    store = SqliteStore(authority_path(config), reads=True)
    kept = store.read()
    store.close()
    return {listed.row.robot: listed.row for listed in kept.robots}


def _ask(console: Console, message: Message) -> str:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as link:
        link.settimeout(PATIENCE_S)
        try:
            link.connect(str(console.socket))
            link.send(encode(message))
            return _ANSWERS.expect(link.recv(ANSWER_BYTES_MAX), Refused).reason
        except (OSError, WireError) as error:
            raise SessionError(f"console {console.name!r} does not answer: {error}") from error


def _when(t_utc_ns: int) -> str:
    if not t_utc_ns:
        return ""
    return datetime.fromtimestamp(t_utc_ns // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
