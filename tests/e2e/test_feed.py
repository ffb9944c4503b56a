"""A generated patient is fed into the monitor's process, and its numbers are the patient's."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.feed.readers import GENERATED_SEED
from monitor.messages import Metric
from monitor.sim.patient import make
from monitor.sim.pulses import Body
from monitor.sim.scripts import SCRIPTS
from teleop.node import feed as node_feed
from teleop.node.feed import Line, Wish, feed
from tests.e2e.test_monitord import Ward

pytestmark = pytest.mark.timeout(300)  # kernels may have to be compiled
SCRIPT = "steady-80"
SECONDS = 40.0


@pytest.fixture
def ward() -> Iterator[Ward]:
    made = Ward()
    made.opens()
    yield made
    made.closes()


def test_the_numbers_of_a_generated_patient_are_the_patients(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
):
    lines: list[Line] = []

    class Kept(Line):
        """Stays with us when the feed is over."""

        def __init__(self, run_dir: Path, bed: str) -> None:
            super().__init__(run_dir, bed)
            lines.append(self)

        def listen(self) -> None:
            super().listen()
            if {metric for metric, said in self.numbers.items() if said.value} >= SHOWN:
                os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(node_feed, "Line", Kept)
    latest = threading.Timer(SECONDS, os.kill, (os.getpid(), signal.SIGINT))
    latest.start()
    assert feed(ward.run_dir, Wish("icu/1", Path(f"sim:{SCRIPT}"), loop=True)) == 0
    latest.cancel()
    body = Body()
    values = {metric: said.value for metric, said in lines[0].numbers.items() if said.value}
    assert values[Metric.HR] == pytest.approx(80.0, abs=1.0)
    assert values[Metric.PR] == pytest.approx(80.0, abs=2.0)
    assert values[Metric.SPO2] == pytest.approx(body.spo2_percent, abs=1.0)
    abp = make(SCRIPTS[SCRIPT], GENERATED_SEED).abp[20 * 125 :]
    assert values[Metric.SYS] == pytest.approx(abp.max(), abs=3.0)
    assert values[Metric.DIA] == pytest.approx(abp.min(), abs=3.0)
    assert lines[0].lost == 0


#: The feed ends when all of them are there.
SHOWN = {Metric.HR, Metric.PR, Metric.SPO2, Metric.SYS, Metric.DIA}
