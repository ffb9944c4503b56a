"""What flows in a node: one row per topic, with its rate and its budget.

Watchdog, bench and documentation read these rows; nothing states a rate or a budget twice. Each
vocabulary's owner keeps its own table, and `teleop.topics` lays them side by side.
"""

from __future__ import annotations

from typing import NamedTuple

from transport.wire.codec import Message


class Topic(NamedTuple):
    """One flow.

    Parameters
    ----------
    name : what it is called in logs, metrics and on screens
    message : what it carries
    source, sink : processes
    rate_hz : how often, when it flows; 0 = on occasion
    budget_ms : from source to sink; beyond it the flow counts as broken
    carrier : what carries it
    """

    name: str
    message: type[Message]
    source: str
    sink: str
    rate_hz: int
    budget_ms: float
    carrier: str
