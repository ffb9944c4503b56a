"""A link that goes over to new keys, its end's own or its relay's, without losing a frame.

The new link is opened beside the old; once the relay carries it, frames leave by it alone. What
was under way by the old one is received for a while still.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING

from transport.io.keys import KeyFault, Keyring
from transport.io.process import Runtime

if TYPE_CHECKING:
    from transport.io.link import Link, LinkSettings, LinkStats
    from transport.link.rtt import MinFilter

TICK_NS = 50_000_000
#: So long after the change what was under way has come, or never will.
LINGER_TICKS = 4


class Relink:
    """See `transport.io.link.Link`.

    Parameters
    ----------
    connect : opens a link with the keys of the moment
    """

    send: Callable[[bytes], bool]
    receive: Callable[[], list[bytes]]
    stats: LinkStats
    rtt: MinFilter

    def __init__(
        self, settings: LinkSettings, runtime: Runtime, connect: Callable[[], Link]
    ) -> None:
        self._settings = settings
        self._connect = connect
        self._keyring = Keyring.load(settings.keys)
        self._keys = self._current()
        self._fresh: Link | None = None
        self._before: Link | None = None
        self._lingers = 0
        self._use(connect())
        self.receive = self._link.receive
        self._ticks = runtime.loop.every(TICK_NS, self._tick)

    @property
    def attached(self) -> bool:
        """Whether the relay carries our frames now."""
        return self._link.attached

    @property
    def refusal(self) -> str:
        """Why we were refused last, "" if never."""
        return self._link.refusal

    def close(self) -> None:
        """Close for good."""
        self._ticks.close()
        for link in (self._link, self._fresh, self._before):
            if link is not None:
                link.close()

    def _tick(self) -> None:
        if self._keyring.refresh():
            self._follow_keys()
        self._look()
        if self._before is not None:
            self._lingers -= 1
            if self._lingers <= 0:
                self._before.close()
                self._before = None
        if self._before is None and self._fresh is None:
            self.receive = self._link.receive

    def _follow_keys(self) -> None:
        try:
            keys = self._current()
            if keys == self._keys:
                return
            fresh = self._connect()
        except KeyFault as fault:  # revoked: the relay will let us go
            sys.stderr.write(f"{fault}\n")
            return
        if self._fresh is not None:
            self._fresh.close()
        self._keys, self._fresh = keys, fresh
        self.send, self.receive = self._send, self._receive

    def _look(self) -> None:
        """Go over to the new link, if the relay carries it."""
        fresh = self._fresh
        if fresh is None or not fresh.attached:
            return
        if self._before is not None:
            self._before.close()
        self._before, self._fresh, self._lingers = self._link, None, LINGER_TICKS
        before = self.stats
        self._use(fresh)
        for field in fields(before):
            name = field.name
            setattr(self.stats, name, getattr(self.stats, name) + getattr(before, name))

    def _use(self, link: Link) -> None:
        self._link = link
        self.send, self.stats, self.rtt = link.send, link.stats, link.rtt

    def _send(self, data: bytes) -> bool:
        self._look()
        return self._link.send(data)

    def _receive(self) -> list[bytes]:
        links = (self._before, self._link, self._fresh)
        return [frame for link in links if link is not None for frame in link.receive()]

    def _current(self) -> tuple[bytes, bytes]:
        settings, keyring = self._settings, self._keyring
        return keyring.identity(settings.identity).public_z85, keyring.server(settings.server)
