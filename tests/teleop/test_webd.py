"""The boards of a node, as Prometheus reads them."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from teleop.web.metrics import BOUNDS_S, BoardsCollector
from transport.io.mapping import Mapping
from transport.telemetry.board import Board

US = 1_000


def make(folder: Path, process: str, counters=(), gauges=(), histograms=()) -> Board:
    size = Board.size(counters, gauges, histograms)
    mapping = Mapping.create(folder / f"{process}.board", size)
    return Board.create(mapping.view, counters, gauges, histograms)


class Page:
    """One scrape, parsed as a monitoring system would."""

    def __init__(self, folder: Path) -> None:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(BoardsCollector(folder))
        self.text = generate_latest(registry).decode()
        families = list(text_string_to_metric_families(self.text))
        self.kinds = {family.name: family.type for family in families}
        self._samples = {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in families
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float:
        return self._samples[name, tuple(sorted(labels.items()))]


def test_numbers_of_all_processes_stand_side_by_side(tmp_path: Path):
    make(tmp_path, "relayd", ['relay_total{verdict="late"}']).counter(
        'relay_total{verdict="late"}'
    ).add(3)
    for process, ready in (("relayd2", 1), ("robotd", 0)):
        make(tmp_path, process, gauges=["ready"]).gauge("ready").set(ready)
    page = Page(tmp_path)
    assert page.value("trocar_relay_total", process="relayd", verdict="late") == 3
    assert page.value("trocar_ready", process="relayd2") == 1
    assert page.value("trocar_ready", process="robotd") == 0
    assert page.text.count("# TYPE trocar_ready gauge") == 1, "one family, however many processes"
    assert page.value("trocar_unreadable_boards") == 0


def test_durations_are_seconds_in_growing_buckets(tmp_path: Path):
    dwell = make(tmp_path, "relayd", histograms=["dwell_ns"]).histogram("dwell_ns")
    for duration_us in (40, 40, 350, 20_000, 5_000_000):
        dwell.record(duration_us * US)
    page = Page(tmp_path)
    name = "trocar_dwell_seconds"
    assert page.kinds[name] == "histogram"
    counts = [page.value(f"{name}_bucket", process="relayd", le=str(le)) for le in BOUNDS_S]
    assert counts == sorted(counts)
    assert page.value(f"{name}_bucket", process="relayd", le="5e-05") == 2
    assert page.value(f"{name}_bucket", process="relayd", le="0.0004") == 3
    assert page.value(f"{name}_bucket", process="relayd", le="1.0") == 4
    assert page.value(f"{name}_count", process="relayd") == 5
    assert page.value(f"{name}_sum", process="relayd") == pytest.approx(5.02043)


def test_labels_of_a_histogram_stay(tmp_path: Path):
    make(tmp_path, "natived", histograms=['dwell_ns{slice="net"}'])
    page = Page(tmp_path)
    assert page.value("trocar_dwell_seconds_count", process="natived", slice="net") == 0


def test_a_board_that_cannot_be_read_is_counted_and_hides_no_other(tmp_path: Path):
    make(tmp_path, "relayd", gauges=["ready"])
    (tmp_path / "garbage.board").write_bytes(b"not a board")
    (tmp_path / "empty.board").touch()
    page = Page(tmp_path)
    assert page.value("trocar_unreadable_boards") == 2
    assert page.value("trocar_ready", process="relayd") == 0


def test_no_folder_is_an_empty_page(tmp_path: Path):
    assert Page(tmp_path / "none").value("trocar_unreadable_boards") == 0
