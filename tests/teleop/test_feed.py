"""`trocar feed`: a recording goes into a monitor, and what the monitor says comes back."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zmq

from monitor.messages import Metric, Numeric, Samples, Signal, unpack
from monitor.settings import sources, vitals
from teleop import cli
from teleop.node import feed as node_feed
from teleop.node.feed import FeedError, Wish, feed
from transport.wire.codec import Registry, encode

SAMPLES = Registry((Samples,))


class Monitor:
    """Takes what is pushed, and says a heart rate of one bed."""

    def __init__(self, run_dir: Path, bed: str = "icu/7") -> None:
        self.taken: list[Samples] = []
        self._context = zmq.Context()
        self._in = self._context.socket(zmq.PULL)
        self._in.bind(sources(run_dir))
        self._out = self._context.socket(zmq.PUB)
        self._out.bind(vitals(run_dir))
        self._bed = bed
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        self._context.destroy(linger=0)

    def _run(self) -> None:
        while not self._over.is_set():
            numeric = Numeric(66, self._bed, 1, Metric.HR, 72.0, 90, 0, 0)
            self._out.send_multipart([f"vital/{self._bed}/hr".encode(), encode(numeric)])
            if self._in.poll(10):
                self.taken.append(SAMPLES.expect(self._in.recv(), Samples))


@pytest.fixture
def monitor(tmp_path: Path) -> Iterator[Monitor]:
    made = Monitor(tmp_path)
    yield made
    made.close()


def recording(folder: Path, seconds: float = 0.4) -> Path:
    file = folder / "a.npz"
    x = np.arange(int(250 * seconds), dtype=np.float32)
    np.savez(file, x=x[:, None], fs=250, names=["II"], units=["mV"])
    return file


def test_a_recording_is_played_whole_and_in_order(
    tmp_path: Path, monitor: Monitor, capsys: pytest.CaptureFixture[str]
):
    assert feed(tmp_path, Wish("icu/7", recording(tmp_path))) == 0
    monitor.close()
    blocks = [block for message in monitor.taken for block in unpack(message)]
    assert np.concatenate([block.samples for block in blocks]).tolist() == list(range(100))
    assert {block.signal for block in blocks} == {Signal.ECG_1}
    assert {(m.bed, m.device) for m in monitor.taken} == {("icu/7", "feed")}
    said = capsys.readouterr().err
    assert "a.npz -> icu/7: II as ECG_1" in said
    assert "played 0.4 s in 10 messages, 0 lost" in said


def test_ctrl_c_ends_a_loop_cleanly(
    tmp_path: Path, monitor: Monitor, capsys: pytest.CaptureFixture[str]
):
    ending = threading.Timer(0.6, os.kill, (os.getpid(), signal.SIGINT))
    ending.start()
    assert feed(tmp_path, Wish("icu/7", recording(tmp_path, 0.2), loop=True)) == 0
    ending.join()
    assert "0 lost" in capsys.readouterr().err


def test_without_a_monitor_it_says_so(tmp_path: Path):
    with pytest.raises(FeedError, match="no monitor listens"):
        feed(tmp_path, Wish("icu/7", recording(tmp_path)))


def test_a_monitor_that_left_its_socket_behind_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    Path(sources(tmp_path).removeprefix("ipc://")).touch()
    monkeypatch.setattr(node_feed, "PATIENCE_NS", 300_000_000)
    with pytest.raises(FeedError, match="did not answer"):
        feed(tmp_path, Wish("icu/7", recording(tmp_path)))


def test_a_bed_that_the_monitor_says_nothing_of_is_told(
    tmp_path: Path, monitor: Monitor, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(node_feed, "PATIENCE_NS", 300_000_000)
    with pytest.raises(FeedError, match="said nothing of icu/8"):
        feed(tmp_path, Wish("icu/8", recording(tmp_path), loop=True))


def test_what_is_no_recording_says_what_was_expected(tmp_path: Path):
    with pytest.raises(FeedError, match="no such file"):
        feed(tmp_path, Wish("icu/7", tmp_path / "nobody.edf"))


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["feed", "icu", "a.npz"], "expected unit/bed"),
        (["feed", "icu/7", "a.npz", "--speed", "100"], "expected 0.1 to 10"),
        (["feed", "icu/7"], "FILE"),
    ],
)
def test_a_wrong_word_says_what_was_expected(
    words: list[str], why: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    assert caught.value.code == 2
    assert why in capsys.readouterr().err
