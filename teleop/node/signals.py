"""Turns the signals that ask us to stop into a descriptor to wait on.

A handler that raises would cut a clean stop short, and one that only sets a flag is not noticed
while we sleep; a descriptor is both orderly and prompt.
"""

from __future__ import annotations

import os
import select
import signal
from typing import Final

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Signals:
    """Catches `STOP_SIGNALS` while it is entered.

    Attributes
    ----------
    fd : readable when one has come
    told : whether one has been taken by `take` or `wait`
    """

    def __enter__(self) -> Signals:
        self.told = False
        self.fd, self._write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._old_fd = signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)
        self._old = {number: signal.signal(number, _ignore) for number in STOP_SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._old_fd)
        os.close(self._write_fd)
        os.close(self.fd)

    def take(self) -> bool:
        """Take what has come; return whether we were ever told to stop."""
        try:
            numbers = os.read(self.fd, 64)
        except BlockingIOError:
            numbers = b""
        self.told = self.told or any(number in STOP_SIGNALS for number in numbers)
        return self.told

    def wait(self, timeout_s: float, *fds: int) -> bool:
        """Sleep until told to stop, until one of `fds` is readable, or for the time given.

        Returns whether we were ever told to stop.
        """
        if not self.told:
            poll = select.poll()
            for fd in (self.fd, *fds):
                poll.register(fd, select.POLLIN)
            poll.poll(timeout_s * 1000)
        return self.take()


def _ignore(*_: object) -> None:
    """Do nothing: the number is already on its way through the descriptor."""
