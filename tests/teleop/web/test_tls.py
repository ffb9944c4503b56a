"""TLS is 1.3, with the hospital's own files; what cannot be used is named."""

import asyncio
import contextlib
import ssl
from pathlib import Path

import aiohttp
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from teleop.node.config import parse
from teleop.node.up import unusable_certificate
from teleop.web.refusal import Counters
from teleop.web.site import COOKIE, Site
from teleop.web.tls import TlsFault, context_of
from teleop.web.token import KEY_BYTES, Mint
from tests.teleop.web.certificate import Files
from transport.io.clock import Clock, Skew


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_a_pair_is_used_for_1_3_alone(files: Files):
    context = context_of(files.certificate, files.key)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_that_others_can_read_is_refused(files: Files, mode: int):
    files.key.chmod(mode)
    with pytest.raises(TlsFault, match=f"open to others .mode {mode:04o}.: chmod 600"):
        context_of(files.certificate, files.key)


def test_what_is_no_pair_is_refused(files: Files, tmp_path: Path):
    with pytest.raises(TlsFault, match="No such file"):
        context_of(files.certificate, tmp_path / "none.key")
    with pytest.raises(TlsFault, match="no certificate and its key"):
        context_of(tmp_path / "none.pem", files.key)
    files.write_key(ec.generate_private_key(ec.SECP256R1()), serialization.NoEncryption())
    with pytest.raises(TlsFault, match="no certificate and its key"):
        context_of(files.certificate, files.key)


def test_a_key_that_asks_for_a_password_is_refused_and_asks_nobody(files: Files):
    secret = serialization.BestAvailableEncryption(b"secret")
    files.write_key(ec.generate_private_key(ec.SECP256R1()), secret)
    with pytest.raises(TlsFault, match="no certificate and its key"):
        context_of(files.certificate, files.key)


def test_a_node_says_so_before_it_starts(files: Files):
    text = f"[web]\ncertificate = '{files.certificate}'\nkey = '{files.key}'\n"
    assert unusable_certificate(parse(text)) == []
    files.key.chmod(0o644)
    (said,) = unusable_certificate(parse(text))
    assert said.startswith("web.certificate: ")
    assert "chmod 600" in said


def test_pages_by_tls_bind_the_cookie_to_it_and_refuse_what_is_older(files: Files):
    async def story() -> None:
        counters = Counters(lambda _: None, lambda _: None, lambda _: None)
        tls = context_of(files.certificate, files.key)

        async def ask(_: int, __: str) -> str:
            return ""

        site = Site(Clock(Skew.NONE), Mint(bytes(KEY_BYTES)), (0,), ask, counters, tls)
        port = await site.open("127.0.0.1", 0)
        home = f"https://localhost:{port}"
        trust = ssl.create_default_context(cafile=files.certificate)
        try:
            async with aiohttp.ClientSession() as session:
                headers = {"Content-Type": "application/json", "Origin": home}
                async with session.post(
                    f"{home}/api/enter",
                    json={"code": site.link("observer")},
                    headers=headers,
                    ssl=trust,
                ) as answer:
                    cookie = answer.headers["Set-Cookie"]
                assert cookie.startswith(f"__Host-{COOKIE}=")
                assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} <= set(
                    cookie.split("; ")
                )
                old = ssl.create_default_context(cafile=files.certificate)
                old.maximum_version = ssl.TLSVersion.TLSv1_2
                with pytest.raises(aiohttp.ClientConnectorError):
                    await session.get(home, ssl=old)
                await nonsense(port)
                async with session.get(home, ssl=trust) as page:
                    assert page.status == 200
        finally:
            await site.close()

    asyncio.run(story())


async def nonsense(port: int) -> None:
    """Speak plain HTTP, and bytes, where TLS is expected."""
    for data in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", bytes(1000)):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(OSError):
            writer.write(data)
            await writer.drain()
        writer.close()
