"""The pages' process: who was let in stays in when it dies, and it goes nowhere without TLS."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.ports import free_ports
from teleop import cli
from teleop.settings import WebdSettings
from teleop.webd import address_of, key_of
from tests.teleop.web.certificate import Files
from transport.io.process import ProcessSettings

ROOT = Path(__file__).resolve().parents[2]


class Pages:
    """A running webd of a node without a camera."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.port, metrics = free_ports(2)
        self.toml = folder / "node.toml"
        self.run_dir = folder / "run"
        self.toml.write_text(
            f"[node]\nrun_dir = '{self.run_dir}'\n[web]\nlisten = '127.0.0.1:{self.port}'\n"
        )
        self.run_dir.mkdir(mode=0o700)
        self.settings = {
            "process": {"name": "webd", "run_dir": str(self.run_dir), "skew_seed": 3},
            "listen": f"127.0.0.1:{self.port}",
            "metrics": f"127.0.0.1:{metrics}",
            **settings,
        }
        self.metrics = metrics
        self.start()

    def start(self) -> None:
        path = self.run_dir / "webd.json"
        path.write_text(json.dumps(self.settings))
        (self.run_dir / "web.sock").unlink(missing_ok=True)
        self.process = subprocess.Popen([sys.executable, "-m", "teleop.webd", str(path)], cwd=ROOT)
        until = time.monotonic() + 20
        while not (self.run_dir / "web.sock").exists():
            assert self.process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.02)

    def ask(self, verb: str, path: str, body: object = None, cookie: str = "", port: int = 0):
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=10)
        headers = {"Cookie": cookie, "Origin": f"http://127.0.0.1:{self.port}"}
        headers["Content-Type"] = "application/json"
        connection.request(verb, path, json.dumps(body) if body else None, headers)
        answer = connection.getresponse()
        said = answer.read().decode()
        connection.close()
        return answer.status, said, (answer.headers["Set-Cookie"] or "").partition(";")[0]

    def close(self) -> None:
        self.process.terminate()
        assert self.process.wait(20) == 0


@pytest.fixture
def pages(tmp_path: Path):
    made = Pages(tmp_path)
    yield made
    made.close()


def link(pages: Pages, capsys: pytest.CaptureFixture[str]) -> str:
    assert cli.main(["link", "observer", "--config", str(pages.toml)]) == 0
    return capsys.readouterr().out.strip()


def test_a_visit_outlives_the_pages_process_and_a_link_does_not(pages, capsys):
    first, second = (link(pages, capsys) for _ in range(2))
    home, _, code = first.partition("#")
    assert home == f"http://127.0.0.1:{pages.port}/"
    status, _, cookie = pages.ask("POST", "/api/enter", {"code": code})
    assert status == 200
    assert pages.ask("GET", "/api/visit", cookie=cookie)[0] == 200
    pages.process.send_signal(signal.SIGKILL)
    pages.process.wait()
    pages.start()
    assert pages.ask("GET", "/api/visit", cookie=cookie)[0] == 200
    assert pages.ask("POST", "/api/enter", {"code": second.partition("#")[2]})[0] == 403


def test_refusals_stand_in_the_metrics(pages):
    assert pages.ask("POST", "/api/enter", {"code": "guess"})[0] == 403
    _, page, _ = pages.ask("GET", "/metrics", port=pages.metrics)
    assert 'trocar_web_refused_total{cause="link",process="webd"} 1.0' in page
    assert 'trocar_page_age_seconds_count{process="webd"} 0.0' in page


def test_secrets_are_its_owners_alone(pages):
    for name in ("web.key", "web.sock"):
        assert (pages.run_dir / name).stat().st_mode & 0o777 == 0o600


def test_a_link_is_said_to_programs_too(pages, capsys):
    assert cli.main(["link", "observer", "--json", "--config", str(pages.toml)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["role"] == "observer"
    assert said["link"].startswith(f"http://127.0.0.1:{pages.port}/#")


def test_without_pages_there_is_no_link(tmp_path, capsys):
    toml = tmp_path / "node.toml"
    toml.write_text(f"[node]\nrun_dir = '{tmp_path}'\n")
    assert cli.main(["link", "observer", "--config", str(toml)]) == 2
    assert "nobody answers" in capsys.readouterr().err
    toml.write_text("[web]\nlisten = ''\n")
    assert cli.main(["link", "observer", "--config", str(toml)]) == 2
    assert "serves no pages" in capsys.readouterr().err


def test_beyond_loopback_it_does_not_start_without_tls(tmp_path):
    settings = {"process": {"name": "webd", "run_dir": str(tmp_path)}, "listen": "0.0.0.0:7417"}
    path = tmp_path / "webd.json"
    path.write_text(json.dumps(settings))
    done = subprocess.run(
        [sys.executable, "-m", "teleop.webd", str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert "0.0.0.0:7417 is beyond loopback: pages go there by TLS only" in done.stderr


def test_pages_by_tls_outlive_whoever_speaks_something_else(tmp_path):
    files = Files(tmp_path)
    tls = {"certificate": str(files.certificate), "key": str(files.key), "name": "localhost"}
    pages = Pages(tmp_path, **tls)
    try:
        for data in (b"GET / HTTP/1.1\r\n\r\n", bytes(2000), b"\x16\x03\x01\x00\x05hello", b""):
            with socket.create_connection(("127.0.0.1", pages.port)) as stranger:
                stranger.sendall(data)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            trust = ssl.create_default_context(cafile=files.certificate)
            trust.maximum_version = version
            connection = http.client.HTTPSConnection(
                "localhost", pages.port, context=trust, timeout=10
            )
            if version is ssl.TLSVersion.TLSv1_2:
                with pytest.raises(ssl.SSLError):
                    connection.request("GET", "/")
            else:
                connection.request("GET", "/")
                assert connection.getresponse().status == 200
            connection.close()
        with socket.socket(socket.AF_UNIX) as desk:
            desk.connect(str(pages.run_dir / "web.sock"))
            desk.sendall(b'{"ask": "observer"}\n')
            said = desk.recv(4096)
        assert f"https://localhost:{pages.port}/#".encode() in said
    finally:
        pages.close()


@pytest.mark.parametrize(
    ("listen", "name", "certificate", "address"),
    [
        ("127.0.0.1:7417", "", "", "http://127.0.0.1:7417"),
        ("[::1]:7417", "", "", "http://[::1]:7417"),
        ("*:7417", "edge.example", "page.pem", "https://edge.example:7417"),
    ],
)
def test_a_link_says_what_browsers_call_the_host(listen, name, certificate, address):
    process = ProcessSettings(name="webd", run_dir="")
    settings = WebdSettings(process=process, listen=listen, name=name, certificate=certificate)
    assert address_of(settings) == address


def test_a_damaged_key_is_made_anew_and_a_whole_one_kept(tmp_path):
    path = tmp_path / "web.key"
    first = key_of(path)
    assert key_of(path) == first
    path.write_bytes(first[:7])
    assert key_of(path) not in (first, first[:7])
    assert len(path.read_bytes()) == 32
