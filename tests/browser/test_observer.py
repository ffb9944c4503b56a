"""A person opens the one-time link: the picture moves, its age is said, and it comes back."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from bench.ports import free_ports
from transport.io.mapping import Mapping
from transport.media import strip
from transport.telemetry.board import Board

pytestmark = pytest.mark.timeout(120)

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_MS = 20_000
WIDTH, HEIGHT = 640, 360
#: Of one picture: its number as the page says, its strip and the whole of it as small as a stamp,
#: both as they are drawn (red alone: the chart is grey).
LOOK = """
() => new Promise((done) => {
  const video = document.querySelector("video");
  video.requestVideoFrameCallback(() => {
    const said = Number(document.querySelector("#frame").textContent);
    const draw = (width, height, rows) => {
      const pen = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
      pen.drawImage(video, 0, 0, width, height);
      return [...pen.getImageData(0, 0, width, rows).data].filter((_, index) => index % 4 === 0);
    };
    const size = [video.videoWidth, video.videoHeight];
    done({ said, size, strip: draw(...size, 16), stamp: draw(40, 30, 30) });
  });
})
"""


class Node:
    """A camera's process and the pages', as a node runs them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (port,) = free_ports(1)
        chart = {"module": "transport.io.cameras.chart", "rate_hz": 30}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.start(
            "videod",
            camera={**chart, "width": WIDTH, "height": HEIGHT},
            addresses=["127.0.0.1"],
        )
        self.start("webd", listen=f"127.0.0.1:{port}", cameras=[0])

    def start(self, name: str, **settings: object) -> None:
        process = {"name": name, "run_dir": str(self.folder), "skew_seed": len(name)}
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps({"process": process, **settings}))
        command = [sys.executable, "-m", f"teleop.{name}", str(path)]
        self.processes[name] = subprocess.Popen(command, cwd=ROOT)
        self.until(lambda: self.number(name, "ready"), name)

    def until(self, condition, what: str) -> None:
        end = time.monotonic() + PATIENCE_MS / 1000
        while not condition():
            assert time.monotonic() < end, f"no {what}"
            assert all(process.poll() is None for process in self.processes.values())
            time.sleep(0.02)

    def number(self, process: str, name: str) -> int:
        path = self.folder / "boards" / f"{process}.board"
        if not path.exists():
            return 0
        file = Mapping.open(path)
        board = Board.attach(file.view)
        histograms = {name: found.count for name, found in board.histograms()}
        found = {**dict(board.counters()), **dict(board.gauges()), **histograms}[name]
        del board
        file.close()
        return found

    def link(self) -> str:
        """Ask as `trocar link observer` does; playwright has this thread's event loop."""
        with socket.socket(socket.AF_UNIX) as desk:
            desk.connect(str(self.folder / "web.sock"))
            desk.sendall(b'{"ask": "observer"}\n')
            return json.loads(desk.makefile().readline())["answer"]

    def signal(self, name: str, number: int) -> None:
        os.kill(self.processes[name].pid, number)

    def close(self) -> None:
        for process in self.processes.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        assert [process.wait(20) for process in self.processes.values()] == [0, 0]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    made = Node(tmp_path_factory.mktemp("node"))
    yield made
    made.close()


class Visit:
    """A page, and what its browser complained about."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._heard)

    def _heard(self, message) -> None:
        # A refused request is told here too; that is asked for, and no mistake of the page.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def becomes(self, state: str) -> None:
        expect(self.page.locator(f"body[data-state={state}]")).to_be_attached(timeout=PATIENCE_MS)

    def says(self, name: str) -> str:
        return self.page.locator(f"#{name}").text_content() or ""

    def looked(self) -> tuple[int, int | None, np.ndarray]:
        """Return a picture's number as the page says and as it is drawn, and the stamp of it."""
        seen = self.page.evaluate(LOOK)
        assert seen["size"] == [WIDTH, HEIGHT]
        drawn = strip.read(np.array(seen["strip"], np.uint8).reshape(16, WIDTH))
        return seen["said"], drawn, np.array(seen["stamp"], np.int16)


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1280, "height": 720})
    yield made
    made.close()


@pytest.fixture
def visit(node: Node, context: BrowserContext) -> Iterator[Visit]:
    made = Visit(context)
    made.page.goto(node.link())
    made.becomes("live")
    yield made
    assert made.complaints == []


def test_the_link_shows_a_moving_picture_with_its_number_and_its_age(node: Node, visit: Visit):
    told = node.number("webd", "page_age_ns")
    numbers, stamps = [], []
    for _ in range(4):
        said, number, stamp = visit.looked()
        assert number is not None
        assert abs(number - said) <= 3, "the page knows which picture it shows"
        numbers.append(number)
        stamps.append(stamp)
        visit.page.wait_for_timeout(150)
    assert numbers == sorted(set(numbers))
    assert np.abs(stamps[-1] - stamps[0]).max() > 60, "something moves"
    expect(visit.page.locator("#fps")).not_to_have_text("–", timeout=PATIENCE_MS)
    age = float(visit.says("age")) * {"ms": 1, "s": 1000}[visit.says("age-unit")]
    assert 0 < age < 5000
    assert "#" not in visit.page.url, "the link's code does not stay in the address"
    node.until(lambda: node.number("webd", "page_age_ns") > told + 20, "report of the page")


def test_a_reload_needs_no_link_and_a_link_lets_in_one(
    node: Node, browser: Browser, context: BrowserContext
):
    link = node.link()
    first = Visit(context)
    first.page.goto(link)
    first.becomes("live")
    first.page.reload()
    first.becomes("live")
    first.page.goto("about:blank")
    first.page.goto(link)
    first.becomes("live")  # whoever is in already loses nothing by the old link
    stranger = browser.new_context()
    second = Visit(stranger)
    second.page.goto(link)
    second.becomes("outside")
    assert "this link was used" in second.says("what").lower()
    assert "trocar link observer" in second.says("why")
    stranger.close()


def test_a_picture_that_stands_still_is_named_and_comes_back_by_itself(node: Node, visit: Visit):
    freezes = node.number("webd", 'web_total{what="freezes"}')
    node.signal("videod", signal.SIGSTOP)
    try:
        visit.becomes("still")
        assert visit.says("what") == "The picture stands still"
        assert visit.says("why") == "Nothing arrives here"
        visit.becomes("lost")
        assert "trying again" in visit.says("why")
    finally:
        node.signal("videod", signal.SIGCONT)
    visit.becomes("live")
    node.until(lambda: node.number("webd", 'web_total{what="freezes"}') > freezes, "freeze told")


def test_the_keyboard_reaches_everything(visit: Visit):
    page = visit.page
    card, figures = page.locator("#card"), page.locator("#figures")
    page.keyboard.press("h")
    expect(card).to_be_visible()
    page.keyboard.press("Escape")
    expect(card).to_be_hidden()
    page.keyboard.press("i")
    expect(figures).to_be_hidden()
    page.keyboard.press("i")
    expect(figures).to_be_visible()
    for name in ("fullscreen", "details", "help"):
        page.keyboard.press("Tab")
        expect(page.locator(f"#{name}")).to_be_focused()
    page.keyboard.press("Enter")
    expect(card).to_be_visible()
    page.keyboard.press("Enter")
    expect(card).to_be_hidden()
    page.keyboard.press("r")
    visit.becomes("live")


def test_an_age_is_told_whichever_of_note_and_picture_comes_first(visit: Visit):
    told = visit.page.evaluate("""async () => {
      const { Ages } = await import("/age.js");
      const ages = new Ages();
      const note = (timestamp) => ({ timestamp, frame: 7n, age: 10 });
      const meta = (rtpTimestamp, more) => ({ rtpTimestamp, receiveTime: 100, ...more });
      const told = {};
      told.way = [9, 4, 6].map((ms) => (ages.answered(ms), ages.way)).at(-1);
      ages.noted(note(1), 99);
      told.after = ages.displayed(103, meta(1)).age;
      ages.noted(note(2), 99);
      told.planned = ages.displayed(103, meta(2, { expectedDisplayTime: 109 })).age;
      ages.noted(note(3), 99);
      told.past = ages.displayed(103, meta(3, { expectedDisplayTime: 90 })).age;
      told.early = [ages.displayed(103, meta(4)), ages.noted(note(4), 150).age];
      told.unnoted = ages.displayed(103, meta(5));
      told.unnamed = ages.displayed(103, {});
      for (let n = 10; n < 1000; n += 1) ages.noted(note(n), 0);
      told.forgotten = ages.displayed(103, meta(10));
      return told;
    }""")
    assert told == {
        "way": 2,
        "after": 10 + 2 + 3,
        "planned": 10 + 2 + 9,
        "past": 10 + 2 + 3,
        "early": [None, 10 + 2 + 3],
        "unnoted": None,
        "unnamed": None,
        "forgotten": None,
    }


def test_nothing_is_cut_off(node: Node, context: BrowserContext):
    """Without a picture: a 4K one costs a machine without a GPU seconds, and no layout."""
    visit = Visit(context)
    page = visit.page
    page.goto(node.link().partition("#")[0])
    visit.becomes("outside")
    for width, height in ((1280, 720), (1920, 1080), (3840, 2160), (800, 900)):
        page.set_viewport_size({"width": width, "height": height})
        for one in ("#picture", "#what", "#age", "#trace", "#state", "#fps", "#frame", "#help"):
            box = page.locator(one).bounding_box()
            assert box is not None, one
            assert min(box["x"], box["y"]) >= 0, one
            assert box["x"] + box["width"] <= width + 1, one
            assert box["y"] + box["height"] <= height + 1, one
        picture = page.locator("#picture").bounding_box()
        assert picture is not None
        assert picture["height"] > height * 0.6, "the picture first"
    assert visit.complaints == []
