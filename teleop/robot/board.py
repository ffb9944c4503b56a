"""What the robot's process counts where others may read it: verdicts, refusals, its state."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Final

from safety.gate import Verdict
from safety.interlock import Transition
from teleop.robot.agent import Agent
from transport.telemetry.board import Board

#: Why something was refused beside the commands, which have their own names (safety.gate), and
#: beside what its socket refused already.
CAUSES: Final = (
    "wire",  # not a message of that socket
    "forbidden",  # not for a device of this role or name to say
    "grant",  # a grant that does not hold here
    "session",  # a revocation of a session that is not in force
    "store",  # a write that failed: it is tried again
    "measure",  # a pose that is no pose, or an arm that is not there
)
HANDSHAKES: Final = ("admitted", "unknown_key", "wrong_role", "unknown_domain", "not_curve")
GAUGES: Final = ("state", "cause", "epoch", "driver", "link_dropped")


class RobotBoard:
    """The board of `robotd`.

    Parameters
    ----------
    open_board : makes one of the names of its counters, gauges and histograms
    relays : a name a link
    refusals : why sockets refuse
    """

    def __init__(
        self, open_board: Callable[..., Board], relays: Sequence[str], refusals: Sequence[str]
    ) -> None:
        self._relays = relays
        self._blamed: set[str] = set()
        verdicts = [f'gate_total{{verdict="{verdict.name.lower()}"}}' for verdict in Verdict]
        refused = {
            cause: f'robot_refused_total{{cause="{cause}"}}' for cause in (*refusals, *CAUSES)
        }
        shaken = {name: f'robot_handshake_total{{result="{name}"}}' for name in HANDSHAKES}
        forged = [f'robot_forged_total{{relay="{relay}"}}' for relay in self._relays]
        board = open_board(
            (*verdicts, *refused.values(), *shaken.values(), *dict.fromkeys(forged)),
            GAUGES,
            ("late_ns",),
        )
        #: Commands with a false tag, a counter a link.
        self.forged = [board.counter(name) for name in forged]
        #: How late the process came to a deadline.
        self.late = board.histogram("late_ns")
        self._verdicts = [board.counter(name) for name in verdicts]
        self._refused = {cause: board.counter(name) for cause, name in refused.items()}
        self._shaken = {result: board.counter(name) for result, name in shaken.items()}
        self._gauges = {name: board.gauge(name) for name in GAUGES}

    def refuse(self, cause: str) -> None:
        """Count something that was refused."""
        self._refused[cause].add()

    def shake(self, result: str) -> None:
        """Count how a handshake ended."""
        self._shaken[result].add()

    def note(self, event: Transition) -> None:
        """Show the state that the robot is in now, and why."""
        self._gauges["state"].set(event.new)
        self._gauges["cause"].set(event.cause)

    def count(self, agent: Agent, dropped: int) -> None:
        """Show what the core and the links have counted; name a relay of false tags, once."""
        for counter, total in zip(self._verdicts, agent.gate.counts, strict=True):
            counter.add(total - counter.value)
        measure = self._refused["measure"]
        measure.add(agent.drive.refused - measure.value)
        for relay, counter in zip(self._relays, self.forged, strict=True):
            if counter.value and relay not in self._blamed:
                self._blamed.add(relay)
                sys.stderr.write(f"robotd: commands with a false tag come by {relay}\n")
        self._gauges["epoch"].set(agent.epoch_max)
        self._gauges["driver"].set(agent.drive.flags)
        self._gauges["link_dropped"].set(dropped)
