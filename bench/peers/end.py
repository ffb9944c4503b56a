"""What the peers' ends have in common: they carry bytes, and are attached as soon as they exist."""

from __future__ import annotations

from collections import deque

from transport.io.link import INBOX_MAX, LinkStats
from transport.link.rtt import MinFilter


class PeerEnd:
    """A link without attaching, pings or ages; see `transport.io.link.Link`.

    A full inbox forgets its oldest, like our own links' does.
    """

    attached = True
    refusal = ""

    def __init__(self) -> None:
        self.stats = LinkStats()
        self.rtt = MinFilter()
        self.inbox: deque[bytes] = deque(maxlen=INBOX_MAX)

    def receive(self) -> list[bytes]:
        """Return the frames that wait, oldest first."""
        frames = []
        while self.inbox:  # not a copy and a clear: a carrier's thread may append meanwhile
            frames.append(self.inbox.popleft())
        self.stats.received += len(frames)
        return frames

    def count(self, sent: bool) -> bool:
        """Count one frame that was sent, or dropped."""
        if sent:
            self.stats.sent += 1
        else:
            self.stats.dropped_send += 1
        return sent
