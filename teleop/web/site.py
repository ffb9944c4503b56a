"""Serves the pages, and has a browser's offer answered by the camera's process.

The way of a visitor: a link's code for a visit (a cookie), a visit for a ticket, a ticket and an
offer for an answer. Each step is decided by a pure neighbour of this file; here is HTTP.

Rules
-----
- Whatever is refused has a cause, in the answer and on the board; nothing is refused silently.
- What is posted is JSON, of one of our own pages, and bounded before it is read.
- A page loads nothing from elsewhere and runs nothing that is not a file of ours.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import ssl
import sys
import traceback
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from teleop.web.admission import VISIT_NS, Admission
from teleop.web.connections import HANDSHAKE_NS, OPEN_MAX, PATIENCE_NS, Connections
from teleop.web.files import HEADERS, File, load
from teleop.web.negotiation import TICKET_NS, Negotiations
from teleop.web.offer import fingerprint_of, normal
from teleop.web.questions import BODY_BYTES_MAX, Enter, Offer, Q, Seen, Want, read
from teleop.web.refusal import ANSWERS, Cause, Counters, Refused
from teleop.web.token import Mint, S, Ticket, Visit
from transport.io.clock import Clock
from transport.io.desk import Refused as Unanswered
from transport.link.bucket import TokenBucket

BODY_S: Final = 10.0
REPORTS_HZ, REPORTS_BURST = 1, 4
REPORTERS_MAX: Final = 256
COOKIE: Final = "trocar"


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Site:
    """The pages of one node.

    Parameters
    ----------
    cameras : numbers of its cameras
    ask : has a camera's process answer an offer
    tls : of the listening socket, None on loopback
    """

    def __init__(
        self,
        clock: Clock,
        mint: Mint,
        cameras: tuple[int, ...],
        ask: Callable[[int, str], Awaitable[str]],
        counters: Counters,
        tls: ssl.SSLContext | None = None,
        open_max: int = OPEN_MAX,
        patience_ns: int = PATIENCE_NS,
    ) -> None:
        self._clock, self._mint, self._cameras, self._ask = clock, mint, cameras, ask
        self._counters, self._tls = counters, tls
        self._cookie = f"__Host-{COOKIE}" if tls else COOKIE
        self.admission = Admission()
        self._negotiations = Negotiations()
        self._reports: dict[str, TokenBucket] = {}
        self._connections: Connections[Any] = Connections(open_max, patience_ns)
        self._runner = web.AppRunner(
            self._application(),
            handle_signals=False,
            access_log=None,
            logger=_silence(),
            keepalive_timeout=patience_ns / S / 2,
            shutdown_timeout=0.2,
            auto_decompress=False,  # a body is as large as it is
        )
        self._server: asyncio.Server | None = None

    async def open(self, host: str | None, port: int) -> int:
        """Listen; return the port."""
        await self._runner.setup()
        waits_s = HANDSHAKE_NS / S - 1 if self._tls else None
        self._server = await asyncio.get_running_loop().create_server(
            self._accept, host, port, ssl=self._tls, ssl_handshake_timeout=waits_s
        )
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Let go of everybody."""
        if self._server is not None:
            self._server.close()
        await self._runner.cleanup()

    def look(self) -> None:
        """End connections on which nothing has begun for too long; once a second."""
        server = self._runner.server
        assert server is not None
        for handler in self._connections.look(server.connections, self._clock.now_ns()):
            if handler.transport is not None:
                handler.transport.abort()
                self._counters.refused(Cause.SLOW)

    def link(self, role: str) -> str:
        """Make a one-time link's code.

        Raises
        ------
        Refused
        """
        code = secrets.token_urlsafe(16)
        self.admission.issue(role, code, self._clock.now_ns())
        self._counters.did("links")
        return code

    def _accept(self) -> asyncio.BaseProtocol:
        server = self._runner.server
        assert server is not None
        now_ns = self._clock.now_ns()
        self._connections.look(server.connections, now_ns)
        if not self._connections.may_open():
            self._counters.refused(Cause.FULL)
            return _Shut()
        handler = server()
        self._connections.opened(handler, now_ns)
        return handler

    def _application(self) -> web.Application:
        app = web.Application(middlewares=[self._judge], client_max_size=BODY_BYTES_MAX)
        app.on_response_prepare.append(_dress)
        for path, file in load().items():
            app.router.add_get(path, _serve(file))
        app.router.add_get("/api/visit", self._visit)
        app.router.add_post("/api/enter", self._enter)
        app.router.add_post("/api/ticket", self._ticket)
        app.router.add_post("/api/offer", self._offer)
        app.router.add_post("/api/seen", self._seen)
        return app

    # What every request meets ---------------------------------------------------------------

    @web.middleware
    async def _judge(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self._connections.asked(request.protocol, self._clock.now_ns())
        try:
            return await handler(request)
        except Refused as refused:
            self._counters.refused(refused.cause)
            body = {"cause": refused.cause.value, "words": str(refused)}
            response = _json(body, ANSWERS[refused.cause].status)
            if refused.cause is Cause.SIZE:
                response.force_close()  # the rest of the body is not read
            return response
        except web.HTTPException as refused:  # no such address, no such verb
            self._counters.refused(Cause.FORM)
            return _json({"cause": Cause.FORM.value, "words": refused.reason}, refused.status)
        except Exception:
            traceback.print_exc(file=sys.stderr)
            self._counters.did("faults")
            return _json({"cause": "fault", "words": "a mistake of ours"}, 500)

    def _its(self, request: web.Request) -> Visit:
        cookie = request.cookies.get(self._cookie, "")
        return self._mint.read(Visit, cookie, self._clock.now_ns())

    # What a page asks -----------------------------------------------------------------------

    async def _visit(self, request: web.Request) -> web.Response:
        visit = self._its(request)
        return _json({"role": visit.role, "cameras": list(self._cameras)})

    async def _enter(self, request: web.Request) -> web.Response:
        asked = await _body(request, Enter)
        name = secrets.token_urlsafe(12)
        visit = self.admission.enter(asked.code, name, self._clock.now_ns())
        response = _json({"role": visit.role})
        response.set_cookie(
            self._cookie,
            self._mint.sign(visit),
            max_age=VISIT_NS // S,
            path="/",
            httponly=True,
            samesite="Strict",
            secure=self._tls is not None,
        )
        self._counters.did("visits")
        return response

    async def _ticket(self, request: web.Request) -> web.Response:
        visit = self._its(request)
        want = await _body(request, Want)
        if want.camera not in self._cameras:
            raise Refused(Cause.CAMERA, f"there is no camera {want.camera}")
        ticket = Ticket(
            name=secrets.token_urlsafe(12),
            visit=visit.name,
            camera=want.camera,
            fingerprint=normal(want.fingerprint),
            until_ns=self._clock.now_ns() + TICKET_NS,
        )
        self._counters.did("tickets")
        return _json({"ticket": self._mint.sign(ticket)})

    async def _offer(self, request: web.Request) -> web.Response:
        visit = self._its(request)
        offer = await _body(request, Offer)
        now_ns = self._clock.now_ns()
        ticket = self._mint.read(Ticket, offer.ticket, now_ns)
        if ticket.visit != visit.name:
            raise Refused(Cause.TOKEN)
        self._negotiations.begin(ticket, fingerprint_of(offer.sdp), now_ns)
        try:
            answer = await self._ask(ticket.camera, offer.sdp)
        except Unanswered as unanswered:
            raise Refused(Cause.CAMERA, str(unanswered)) from unanswered
        self._counters.did("offers")
        return _json({"sdp": answer})

    async def _seen(self, request: web.Request) -> web.Response:
        visit = self._its(request)
        seen = await _body(request, Seen)
        if visit.name not in self._reports and len(self._reports) >= REPORTERS_MAX:
            del self._reports[next(iter(self._reports))]
        bucket = self._reports.setdefault(visit.name, TokenBucket(REPORTS_HZ, REPORTS_BURST))
        if not bucket.take(self._clock.now_ns()):
            raise Refused(Cause.OFTEN)
        for age_us in seen.ages_us:
            self._counters.age(age_us * 1000)
        for _ in range(seen.freezes):
            self._counters.did("freezes")
        return web.Response(status=204)


class _Shut(asyncio.Protocol):
    """A connection that is not served."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close it."""
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


async def _body(request: web.Request, kind: type[Q]) -> Q:
    """Read what was posted.

    Raises
    ------
    Refused : ORIGIN, FORM, SIZE or SLOW
    """
    origin = request.headers.get("Origin", "")
    if urlsplit(origin).netloc.lower() != request.host.lower():
        raise Refused(Cause.ORIGIN)
    if request.content_type != "application/json":
        raise Refused(Cause.FORM, "JSON is")
    try:
        async with asyncio.timeout(BODY_S):
            data = await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise Refused(Cause.SIZE, f"at most {BODY_BYTES_MAX}") from error
    except TimeoutError as error:
        raise Refused(Cause.SLOW) from error
    return read(data, kind)


def _json(body: object, status: int = 200) -> web.Response:
    data = msgspec.json.encode(body)
    headers = {"Cache-Control": "no-store"}
    return web.Response(body=data, status=status, content_type="application/json", headers=headers)


def _serve(file: File) -> Handler:
    headers = {"Cache-Control": "no-cache", "ETag": file.tag}

    async def serve(request: web.Request) -> web.Response:
        if request.headers.get("If-None-Match") == file.tag:
            return web.Response(status=304, headers=headers)
        return web.Response(
            body=file.data, content_type=file.kind, charset="utf-8", headers=headers
        )

    return serve


async def _dress(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


def _silence() -> logging.Logger:
    """Return a logger for what strangers send: it is counted, and would fill a disk."""
    logger = logging.getLogger("trocar.web")
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    return logger
