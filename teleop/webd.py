"""Serves pages to browsers, and the node's numbers to the hospital's monitoring.

- A process of its own, at low priority: whoever asks never stands in the way of a frame.
- Pages beyond loopback only by TLS; the numbers ask no key and are on loopback only.
- A visit outlives this process, not the node: its key lies in the run directory. Links do not.
- Links are made for who asks at a socket that only this node's user can open.
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
from contextlib import ExitStack
from pathlib import Path

from teleop.settings import WebdSettings, is_loopback
from teleop.web.metrics import Metrics
from teleop.web.refusal import Cause, Counters
from teleop.web.refusal import Refused as NotDone
from teleop.web.site import Site
from teleop.web.tls import TlsFault, context_of
from teleop.web.token import KEY_BYTES, Mint
from transport.io.desk import Desk, Refused, ask
from transport.io.process import Runtime, main

LOOK_NS = 1_000_000_000
DID = ("links", "visits", "tickets", "offers", "freezes", "faults")
_DID = {what: f'web_total{{what="{what}"}}' for what in DID}
_REFUSED = {cause: f'web_refused_total{{cause="{cause}"}}' for cause in Cause}


class Webd:
    """What is open, newest last."""

    def __init__(self, settings: WebdSettings, runtime: Runtime) -> None:
        self._settings, self._runtime = settings, runtime
        board = runtime.open_board((*_DID.values(), *_REFUSED.values()), (), ("page_age_ns",))
        self._counters = Counters(
            refused=lambda cause: board.counter(_REFUSED[cause]).add(),
            did=lambda what: board.counter(_DID[what]).add(),
            age=board.histogram("page_age_ns").record,
        )
        self._open = ExitStack()
        if settings.metrics:
            metrics = Metrics(settings.metrics, runtime.path("boards"))
            self._open.callback(metrics.close)
        if settings.listen:
            self._serve_pages()
        else:
            runtime.ready()

    def close(self) -> None:
        """Close everything."""
        self._open.close()

    def _serve_pages(self) -> None:
        settings, runtime = self._settings, self._runtime
        tls = None
        if settings.certificate:
            tls = context_of(Path(settings.certificate), Path(settings.key))
        elif not is_loopback(settings.listen):
            raise TlsFault(f"{settings.listen} is beyond loopback: pages go there by TLS only")
        mint = Mint(key_of(runtime.path("web.key")))
        clock, cameras = runtime.clock, settings.cameras
        self._site = Site(clock, mint, cameras, self._ask, self._counters, tls)
        desk = Desk(
            runtime.path("web.sock"), self._link, lambda: self._counters.refused(Cause.FORM)
        )
        self._open.callback(lambda: runtime.loop.finish(self._site.close()))
        self._open.callback(desk.close)
        runtime.loop.spawn(self._listen(desk))

    async def _listen(self, desk: Desk) -> None:
        host, _, port = self._settings.listen.rpartition(":")
        await self._site.open(None if host == "*" else host.strip("[]"), int(port))
        await desk.open()
        self._runtime.loop.every(LOOK_NS, self._site.look)
        self._runtime.ready()

    async def _ask(self, camera: int, offer: str) -> str:
        """Have a camera's process answer an offer."""
        return await ask(self._runtime.path(f"video-{camera}.sock"), offer)

    async def _link(self, role: str) -> str:
        """Make a one-time link for a role."""
        try:
            code = self._site.link(role)
        except NotDone as error:
            raise Refused(str(error)) from error
        return f"{address_of(self._settings)}/#{code}"


def address_of(settings: WebdSettings) -> str:
    """Return how a browser calls these pages."""
    host, _, port = settings.listen.rpartition(":")
    if host in ("*", "0.0.0.0", "[::]"):
        host = socket.gethostname()
    scheme = "https" if settings.certificate else "http"
    return f"{scheme}://{settings.name or host}:{port}"


def key_of(path: Path) -> bytes:
    """Return the key that signs visits; it lives as long as the run directory."""
    try:
        key = path.read_bytes()
        if len(key) == KEY_BYTES:
            return key
    except FileNotFoundError:
        pass
    key = secrets.token_bytes(KEY_BYTES)
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key)
    return key


if __name__ == "__main__":
    sys.exit(main(WebdSettings, Webd))
