"""Speaks for the team at the robot: over its local socket, without any network.

Only this socket resets a PROTECTIVE_STOP or an ESTOP. It is 0600 in the node's run directory, and
the robot asks the kernel who is there, so whoever may use it stands at the robot's own computer.
"""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Literal

from safety.bedside import Report, Token
from safety.messages import Bedside
from safety.state import WORDS, Cause, State
from teleop.node.errors import NodeError
from transport.wire.codec import Message, Registry, encode
from transport.wire.errors import WireError

PATIENCE_S: Final = 2.0
ANSWER_BYTES_MAX: Final = Report.BYTES_MAX
#: A held key says so this often.
TOKEN_S: Final = 0.05
#: Facts begin in this column, behind their names.
LABEL_COLUMNS: Final = 11

Motion = Literal["retract", "release"]
Verb = Literal["reset", "estop", "take", "give", "stop", "status"]
_ANSWERS = Registry((Report,))


class BedsideError(NodeError):
    """The robot did not answer at its bedside socket."""


class Bedsocket:
    """One client at the bedside; the robot lets go of it when another one comes.

    Raises
    ------
    BedsideError : no robot at the socket, no answer in time, or another client has taken over
    """

    def __init__(self, run_dir: Path, robot: str) -> None:
        self.robot = robot
        self._path = run_dir / f"bedside-{robot}.sock"
        self._link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._link.settimeout(PATIENCE_S)
        try:
            self._link.connect(str(self._path))
        except OSError as error:
            self._link.close()
            raise self._silent(str(error)) from error

    def __enter__(self) -> Bedsocket:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._link.close()

    def ask(self, message: Message) -> Report:
        """Say something; give the answer."""
        try:
            self._link.send(encode(message))
            answer = self._link.recv(ANSWER_BYTES_MAX)
        except OSError as error:
            raise self._silent(str(error)) from error
        if not answer:
            raise BedsideError(f"{self.robot} listens to another bedside now; this one has ended")
        try:
            return _ANSWERS.expect(answer, Report)
        except WireError as error:
            raise BedsideError(f"{self.robot} answered with something else: {error}") from error

    def say(self, verb: Verb) -> Report:
        """Say one of the plain words."""
        return self.ask(Bedside(20, verb))

    def _silent(self, why: str) -> BedsideError:
        return BedsideError(
            f"{self.robot} does not answer at {self._path}: {why}; does its node run here?"
        )


def bedside(run_dir: Path, robot: str, verb: Literal["reset", "estop"]) -> str:
    """Say one verb to the robot; return its answer for a person.

    Raises
    ------
    BedsideError : no robot at the socket, or no answer in time
    """
    with Bedsocket(run_dir, robot) as link:
        report = link.say(verb)
    return report.why or State(report.state).name


def hold(
    link: Bedsocket,
    motion: Motion,
    arm: int,
    seconds: float,
    *,
    wait: Callable[[float], None] = time.sleep,
) -> Report:
    """Hold a key for so long, or until the robot ends its press; give how the robot stands then."""
    token = Token(21, motion, arm, new_press())
    report = link.ask(token)
    for _ in range(int(seconds / TOKEN_S) if not report.why else 0):
        wait(TOKEN_S)
        report = link.ask(token)
        if report.why:
            return report  # the fence, a fault, or another press
    return report if report.why else link.say("stop")


def new_press() -> int:
    """Draw a number for a press that no other has."""
    return secrets.randbits(32)


def in_words(report: Report) -> list[str]:
    """Say to a person how a robot stands, in lines."""
    lines = [standing(report)]
    lines += [f"{name.ljust(LABEL_COLUMNS)}{what}" for name, what in facts(report)]
    return [*lines, report.why] if report.why else lines


def standing(report: Report) -> str:
    """Say the state of a robot, and why it is so."""
    words = WORDS[Cause(report.cause)]
    return f"{report.robot}: {State(report.state).name}{f': {words}' if words else ''}"


def facts(report: Report) -> list[tuple[str, str]]:
    """Say what else a person at the robot has to know: its name, and what is so."""
    held_s = report.held_ms // 1000
    whose = (
        f"{report.console}, epoch {report.epoch}, for {held_s} s" if report.console else "nobody"
    )
    bed = f"bed {report.bed}" if report.bed else "no bed"
    patient = f", patient {report.patient}" if report.patient else ""
    has_it = "the team at the robot (LOCAL)" if report.local else "whoever has authority"
    moving = [("moving", report.moving)] if report.moving else []
    return [
        ("control", has_it),
        ("authority", whose),
        ("stands at", f"{bed}{patient}"),
        *moving,
    ]
