"""Every flow of a node: the tables of all floors, side by side."""

from __future__ import annotations

from monitor import topics as monitor
from safety import topics
from transport.wire import messages
from transport.wire.topic import Topic

TOPICS: tuple[Topic, ...] = (
    *topics.TOPICS,
    *monitor.TOPICS,
    Topic("clock", messages.Clock, "every end", "relayd", 10, 100.0, "with its link"),
)
