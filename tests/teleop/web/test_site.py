"""The pages' server over real sockets: the way in, each refusal by its name, and garbage."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
import pytest

from teleop.web.connections import OPEN_MAX
from teleop.web.files import PAGES
from teleop.web.negotiation import EACH_MAX
from teleop.web.offer import BYTES_MAX
from teleop.web.questions import AGES_MAX
from teleop.web.refusal import Cause, Counters
from teleop.web.site import COOKIE, REPORTS_BURST, Site
from teleop.web.token import KEY_BYTES, Mint, S
from transport.io.clock import Clock, Skew
from transport.io.desk import Refused

PRINT = ":".join(f"{n:02X}" for n in range(32))
OTHER = ":".join(f"{n:02X}" for n in range(1, 33))
SDP = f"v=0\r\na=fingerprint:sha-256 {PRINT}\r\n"


class Browser:
    """What a browser would do, a request at a time."""

    def __init__(self, home: str, session: aiohttp.ClientSession) -> None:
        self.home, self.session = home, session

    async def get(self, path: str, **headers: str) -> aiohttp.ClientResponse:
        async with self.session.get(self.home + path, headers=headers) as answer:
            await answer.read()
            return answer

    async def post(self, path: str, body: object, **headers: str) -> tuple[int, dict[str, Any]]:
        sent = {"Content-Type": "application/json", "Origin": self.home, **headers}
        data = io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
        async with self.session.post(self.home + path, data=data, headers=sent) as answer:
            said = await answer.read()
            return answer.status, json.loads(said) if said else {}

    async def refused(self, path: str, body: object, **headers: str) -> tuple[int, str]:
        status, said = await self.post(path, body, **headers)
        return status, said["cause"]

    async def ticket(self, fingerprint: str = PRINT) -> str:
        status, said = await self.post(
            "/api/ticket", {"camera": 0, "fingerprint": f"sha-256 {fingerprint}"}
        )
        assert status == 200, said
        ticket: str = said["ticket"]
        return ticket

    async def offer(self, ticket: str, sdp: str = SDP) -> tuple[int, dict[str, Any]]:
        return await self.post("/api/offer", {"ticket": ticket, "sdp": sdp})


class House:
    """A site, its counters, and who comes."""

    def __init__(self, **settings: Any) -> None:
        self.refused: Counter[Cause] = Counter()
        self.did: Counter[str] = Counter()
        self.ages_ns: list[int] = []
        self.asked: list[tuple[int, str]] = []
        self.answers: Callable[[], str] = lambda: "an answer"
        counters = Counters(
            lambda cause: self.refused.update([cause]),
            lambda what: self.did.update([what]),
            self.ages_ns.append,
        )
        mint = Mint(bytes(KEY_BYTES))
        self.site = Site(Clock(Skew.NONE), mint, (0,), self._ask, counters, **settings)
        self.port = 0

    async def _ask(self, camera: int, offer: str) -> str:
        self.asked.append((camera, offer))
        return self.answers()

    @contextlib.asynccontextmanager
    async def stranger(self):
        jar = aiohttp.CookieJar(unsafe=True)  # an address is no name, and that is what demos have
        async with aiohttp.ClientSession(cookie_jar=jar) as session:
            yield Browser(f"http://127.0.0.1:{self.port}", session)

    @contextlib.asynccontextmanager
    async def visitor(self):
        async with self.stranger() as browser:
            status, _ = await browser.post("/api/enter", {"code": self.site.link("observer")})
            assert status == 200
            yield browser


def story(told: Callable[[House], Coroutine[Any, Any, None]], **settings: Any) -> House:
    """Open a house, tell a story in it, close it."""

    async def run() -> House:
        house = House(**settings)
        house.port = await house.site.open("127.0.0.1", 0)
        try:
            await told(house)
        finally:
            await house.site.close()
        return house

    return asyncio.run(run())


def test_a_link_a_ticket_an_offer_an_answer():
    async def told(house: House) -> None:
        async with house.visitor() as browser:
            async with browser.session.get(browser.home + "/api/visit") as answer:
                assert await answer.json() == {"role": "observer", "cameras": [0]}
            assert await browser.offer(await browser.ticket()) == (200, {"sdp": "an answer"})

    house = story(told)
    assert house.asked == [(0, SDP)]
    assert house.did == {"links": 1, "visits": 1, "tickets": 1, "offers": 1}
    assert not house.refused


def test_the_cookie_is_no_script_s_and_no_other_site_s():
    async def told(house: House) -> None:
        async with house.stranger() as browser:
            code = {"code": house.site.link("observer")}
            headers = {"Content-Type": "application/json", "Origin": browser.home}
            async with browser.session.post(
                browser.home + "/api/enter", json=code, headers=headers
            ) as answer:
                cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith(f"{COOKIE}=")
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
        assert "Secure" not in cookie, "loopback has no TLS"

    story(told)


def test_without_a_visit_there_is_nothing():
    async def told(house: House) -> None:
        async with house.stranger() as browser:
            assert (await browser.get("/api/visit")).status == 401
            ticket = {"camera": 0, "fingerprint": f"sha-256 {PRINT}"}
            for path, body in (
                ("/api/ticket", ticket),
                ("/api/offer", {"ticket": "", "sdp": SDP}),
                ("/api/seen", {"ages_us": [], "freezes": 0}),
            ):
                assert await browser.refused(path, body) == (401, "visit")
            forged = {"Cookie": f"{COOKIE}=eyJhbGciOiJub25lIn0.e30."}
            assert await browser.refused("/api/ticket", ticket, **forged) == (401, "visit")

    house = story(told)
    assert house.asked == []
    assert house.refused == {Cause.VISIT: 5}


def test_a_link_is_followed_once():
    async def told(house: House) -> None:
        code = {"code": house.site.link("observer")}
        async with house.stranger() as first, house.stranger() as second:
            assert (await first.post("/api/enter", code))[0] == 200
            assert await second.refused("/api/enter", code) == (403, "link")
            assert await second.refused("/api/enter", {"code": "guess"}) == (403, "link")

    assert story(told).refused == {Cause.LINK: 2}


def test_a_ticket_is_one_visit_s_for_one_connection_once():
    async def told(house: House) -> None:
        async with house.visitor() as owner, house.visitor() as thief:
            ticket = await owner.ticket()
            assert (await thief.offer(ticket))[1]["cause"] == "token"
            stolen = SDP.replace(PRINT, OTHER)
            assert (await owner.offer(ticket, stolen))[1]["cause"] == "fingerprint"
            assert house.asked == []
            assert (await owner.offer(ticket))[0] == 200
            assert (await owner.offer(ticket))[1]["cause"] == "reused"
            assert (await owner.offer("not.a.ticket"))[1]["cause"] == "token"

    assert len(story(told).asked) == 1


def test_200_negotiations_by_one_visitor_leave_room_for_another():
    async def told(house: House) -> None:
        async with house.visitor() as busy, house.visitor() as other:
            tickets = [await busy.ticket() for _ in range(200)]
            statuses = Counter([(await busy.offer(ticket))[0] for ticket in tickets])
            assert statuses == {200: EACH_MAX, 429: 200 - EACH_MAX}
            assert (await other.offer(await other.ticket()))[0] == 200

    assert story(told).refused[Cause.BUSY] == 200 - EACH_MAX


@pytest.mark.parametrize(
    ("sdp", "status", "cause"),
    [
        ("", 400, "offer"),
        ("garbage", 400, "offer"),
        ("v=0\r\n" * 1000, 400, "offer"),
        (SDP + f"a=fingerprint:sha-256 {OTHER}", 400, "offer"),
        ("x" * (BYTES_MAX + 1), 413, "size"),
        ("x" * (10 << 20), 413, "size"),
    ],
    ids=["nothing", "garbage", "long", "two", "large", "10MB"],
)
def test_an_offer_that_is_none_never_reaches_a_camera(sdp: str, status: int, cause: str):
    async def told(house: House) -> None:
        async with house.visitor() as browser:
            ticket = await browser.ticket()
            try:
                got, said = await browser.offer(ticket, sdp)
            except aiohttp.ClientError:
                assert len(sdp) > 1 << 20, "what is not read may end in a reset"
            else:
                assert (got, said["cause"]) == (status, cause)
            assert (await browser.offer(ticket))[0] == 200

    house = story(told)
    assert house.asked == [(0, SDP)]
    assert house.refused == {Cause(cause): 1}


def test_ten_megabytes_in_pieces_are_not_kept():
    async def told(house: House) -> None:
        async with house.visitor() as browser:
            headers = {"Content-Type": "application/json", "Origin": browser.home}

            async def pieces():
                for _ in range(160):
                    yield b"x" * 65536

            with contextlib.suppress(aiohttp.ClientError):
                url = f"{browser.home}/api/offer"
                async with browser.session.post(url, data=pieces(), headers=headers) as answer:
                    assert answer.status == 413
            assert (await browser.get("/api/visit")).status == 200

    assert story(told).refused == {Cause.SIZE: 1}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"code": 7}', b'{"code": "x", "more": 1}', b"\xff\xfe", b"[" * 30_000],
)
def test_what_is_no_question_is_refused(body: bytes):
    async def told(house: House) -> None:
        async with house.stranger() as browser:
            assert await browser.refused("/api/enter", body) == (400, "form")

    assert story(told).refused == {Cause.FORM: 1}


def test_another_site_s_page_asks_nothing():
    async def told(house: House) -> None:
        async with house.visitor() as browser:
            body = {"camera": 0, "fingerprint": f"sha-256 {PRINT}"}
            for origin in (
                "https://evil.example",
                "null",
                "",
                f"http://127.0.0.1:{house.port + 1}",
            ):
                assert await browser.refused("/api/ticket", body, Origin=origin) == (403, "origin")
            text = {"Content-Type": "text/plain"}
            assert await browser.refused("/api/ticket", body, **text) == (400, "form")

    assert story(told).refused == {Cause.ORIGIN: 4, Cause.FORM: 1}


def test_a_camera_that_does_not_answer_is_named():
    async def told(house: House) -> None:
        def nobody() -> str:
            raise Refused("nobody answers")

        house.answers = nobody
        async with house.visitor() as browser:
            status, said = await browser.offer(await browser.ticket())
            assert (status, said["cause"]) == (503, "camera")
            assert "nobody answers" in said["words"]
            other = {"camera": 7, "fingerprint": f"sha-256 {PRINT}"}
            assert await browser.refused("/api/ticket", other) == (503, "camera")

    story(told)


def test_a_mistake_of_ours_is_counted_and_told_without_its_insides(capsys):
    async def told(house: House) -> None:
        house.answers = lambda: {}["secret"]  # type: ignore[index]
        async with house.visitor() as browser:
            status, said = await browser.offer(await browser.ticket())
            assert (status, said) == (500, {"cause": "fault", "words": "a mistake of ours"})

    assert story(told).did["faults"] == 1
    assert "KeyError: 'secret'" in capsys.readouterr().err


def test_a_page_says_how_old_its_pictures_were_within_bounds():
    async def told(house: House) -> None:
        async with house.visitor() as browser:
            seen = {"ages_us": [41_000, 9_500], "freezes": 2}
            assert (await browser.post("/api/seen", seen))[0] == 204
            for wrong in (
                {"ages_us": [1] * (AGES_MAX + 1), "freezes": 0},
                {"ages_us": [-1], "freezes": 0},
                {"ages_us": [10**9], "freezes": 0},
                {"ages_us": [1.5], "freezes": 0},
                {"ages_us": [], "freezes": 1001},
            ):
                assert await browser.refused("/api/seen", wrong) == (400, "form")
            outcomes = [(await browser.post("/api/seen", seen))[0] for _ in range(20)]
            assert outcomes.count(429) >= 20 - REPORTS_BURST - 2

    house = story(told)
    assert house.ages_ns[:2] == [41_000_000, 9_500_000]
    assert house.refused[Cause.OFTEN] > 0


def test_every_answer_is_dressed():
    async def told(house: House) -> None:
        async with house.stranger() as browser:
            for path in ("/", "/observer.js", "/nowhere", "/api/visit"):
                headers = (await browser.get(path)).headers
                policy = headers["Content-Security-Policy"]
                assert "default-src 'none'" in policy
                assert "unsafe" not in policy
                assert headers["X-Content-Type-Options"] == "nosniff"
                assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
                assert headers["Server"] == "trocar"

    story(told)


def test_pages_load_nothing_from_elsewhere_and_are_small():
    files = [path for path in PAGES.iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 300_000
    for path in files:
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "://" not in text, path
        assert "innerHTML" not in text, path


def test_a_page_that_is_known_is_not_sent_again():
    async def told(house: House) -> None:
        async with house.stranger() as browser:
            tag = (await browser.get("/style.css")).headers["ETag"]
            again = await browser.get("/style.css", **{"If-None-Match": tag})
            assert again.status == 304

    story(told)


@pytest.mark.parametrize(
    "path",
    [
        "/../site.py",
        "/%2e%2e/site.py",
        "/..%2fsite.py",
        "/pages/observer.js",
        "//etc/passwd",
        "/.git",
    ],
)
def test_only_the_files_of_the_folder_are_served(path: str):
    async def told(house: House) -> None:
        said = await raw(house.port, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert said.startswith(b"HTTP/1.1 404")

    assert story(told).refused == {Cause.FORM: 1}


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET " + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 10_000 + b"\r\n",
        b"POST /api/enter HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/enter HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        bytes(range(256)) * 100,
    ],
    ids=["tls", "version", "line", "headers", "length", "chunk", "bytes"],
)
def test_what_is_no_http_disturbs_nobody(garbage: bytes):
    async def told(house: House) -> None:
        async with house.visitor() as browser:
            await raw(house.port, garbage)
            assert (await browser.get("/api/visit")).status == 200

    assert story(told).did["faults"] == 0


def test_connections_beyond_the_bound_are_closed_and_who_never_asks_is_let_go():
    async def told(house: House) -> None:
        silent = [
            await asyncio.open_connection("127.0.0.1", house.port) for _ in range(OPEN_MAX + 72)
        ]
        await until(house, lambda: house.refused[Cause.FULL] == 72)
        await until(house, lambda: house.refused[Cause.SLOW] == OPEN_MAX)
        async with house.visitor() as browser:
            assert (await browser.get("/api/visit")).status == 200
        for _, writer in silent:
            writer.transport.abort()

    story(told, patience_ns=8 * S)


def test_who_sends_a_question_a_byte_at_a_time_is_let_go():
    async def told(house: House) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(b"GET /api/visit HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        for _ in range(100):
            if house.refused[Cause.SLOW]:
                break
            with contextlib.suppress(OSError):
                writer.write(b"y")
                await writer.drain()
            await asyncio.sleep(0.05)
            house.site.look()
        assert house.refused[Cause.SLOW] == 1
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()

    story(told, patience_ns=S)


def test_who_asks_and_never_reads_is_let_go():
    async def told(house: House) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port, limit=1024)
        question = b"GET /observer.js HTTP/1.1\r\nHost: x\r\n\r\n"
        writer.write(question * 5_000)  # 35 MB of answers
        await until(house, lambda: house.refused[Cause.SLOW] == 1)
        del reader
        writer.transport.abort()

    story(told, patience_ns=S)


async def raw(port: int, data: bytes) -> bytes:
    """Send bytes and return what comes back within a moment."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    said = b""
    with contextlib.suppress(OSError, TimeoutError):
        writer.write(data)
        async with asyncio.timeout(2):
            said = await reader.read(65536)
    writer.close()
    return said


async def until(house: House, condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)
            house.site.look()
