"""Where a command's time went: the latency ledger of one console.

A state that acknowledges a command carries what each hop measured on its own clock. No two
clocks are compared; what nobody measured is the network's (and the kernels').

    slice       from                             to                          measured by
    console     intended send                    sent                        console
    relay up    arrival at the relay             departure                   relay, hop record
    robot       arrival at the robot             state's departure           robot, residence
    relay down  arrival at the relay             departure                   relay, hop record
    net         everything else of the round trip
    filter      what the tremor filter delays slow motion by, beside the round trip: stated by the
                robot, felt by the hand
"""

from __future__ import annotations

from typing import NamedTuple

from safety.profile import MS

#: Beyond this a command has broken the budget, and the ledger names the slice that did it.
BUDGET_NS = 10 * MS

SLICES = ("console", "relay_up", "robot", "relay_down", "net", "filter")


class Entry(NamedTuple):
    """One acknowledged command: its round trip from the intended send, and the slices, all ns."""

    rtt_ns: int
    console: int
    relay_up: int
    robot: int
    relay_down: int
    net: int
    filter: int = 0

    @property
    def felt_ns(self) -> int:
        """What lies between the hand's motion and seeing it answered."""
        return self.rtt_ns + self.filter

    @property
    def culprit(self) -> str:
        """The largest slice."""
        return max(SLICES, key=lambda name: int(getattr(self, name)))

    @property
    def breaks_budget(self) -> bool:
        """Whether the hand felt more than the budget."""
        return self.felt_ns > BUDGET_NS


def account(
    *,
    intended_ns: int,
    sent_ns: int,
    received_ns: int,
    up_ns: int,
    robot_ns: int,
    down_ns: int,
    filter_ns: int = 0,
) -> Entry:
    """Divide one round trip; the first three are on the console's clock, the others durations."""
    rtt_ns = received_ns - intended_ns
    console = sent_ns - intended_ns
    net = max(0, rtt_ns - console - up_ns - robot_ns - down_ns)
    return Entry(rtt_ns, console, up_ns, robot_ns, down_ns, net, filter_ns)
