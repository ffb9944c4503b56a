"""Where a link keeps what came, from the drain of its socket to whoever calls `receive`.

A full inbox forgets its oldest frame: newest wins.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from transport.io.link import INBOX_MAX


class Inbox:
    """Frames that wait for `receive`.

    Parameters
    ----------
    poll : takes what waits in the socket and calls `put`, then `drained`
    on_ready : called after a pass that brought frames, unless `receive` itself asked for it
    """

    __slots__ = ("_frames", "_on_ready", "_poll", "_polling", "_ready", "put")

    def __init__(self, poll: Callable[[], None], on_ready: Callable[[], None]) -> None:
        self._frames: deque[bytes] = deque(maxlen=INBOX_MAX)
        self._poll = poll
        self._on_ready = on_ready
        self._polling = False
        self._ready = False
        self.put = self._frames.append

    def drained(self) -> None:
        """Tell the reader that a pass is over."""
        if self._frames and not self._polling:
            self._ready = True
            try:
                self._on_ready()
            finally:
                self._ready = False

    def receive(self) -> list[bytes]:
        """Return all frames that wait, oldest first; what is still in the socket, too."""
        if not self._ready:  # in `on_ready` the socket has just been drained
            self._polling = True
            try:
                self._poll()
            finally:
                self._polling = False
        frames = list(self._frames)
        self._frames.clear()
        return frames
