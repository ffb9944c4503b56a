"""Speaks for the team at the robot: over its local socket, without any network.

Only this socket resets a PROTECTIVE_STOP or an ESTOP. It is 0600 in the node's run directory, so
whoever may use it stands at the robot's own computer.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Final, Literal

from safety.messages import Bedside
from teleop.node.errors import NodeError
from transport.wire.codec import Registry, encode
from transport.wire.errors import WireError
from transport.wire.messages import Refused

PATIENCE_S: Final = 2.0
ANSWER_BYTES_MAX: Final = 512

_ANSWERS = Registry((Refused,))


class BedsideError(NodeError):
    """The robot did not answer at its bedside socket."""


def bedside(run_dir: Path, robot: str, verb: Literal["reset", "estop"]) -> str:
    """Say one verb to the robot; return its answer for a person.

    Raises
    ------
    BedsideError : no robot at the socket, or no answer in time
    """
    path = run_dir / f"bedside-{robot}.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as link:
        link.settimeout(PATIENCE_S)
        try:
            link.connect(str(path))
            link.send(encode(Bedside(20, verb)))
            answer = link.recv(ANSWER_BYTES_MAX)
        except OSError as error:
            raise BedsideError(
                f"{robot} does not answer at {path}: {error}; does its node run here?"
            ) from error
    try:
        return _ANSWERS.expect(answer, Refused).reason
    except WireError as error:
        raise BedsideError(f"{robot} answered with something else: {error}") from error
