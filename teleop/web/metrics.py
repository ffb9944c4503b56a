"""Boards as Prometheus reads them: every board of the run directory, each number by its name.

Rules
-----
- Reading a board costs its writer nothing; nothing is kept between two scrapes.
- Names on a board are the metric names: `frames_total{arm="0"}` of relayd becomes
  `trocar_frames_total{process="relayd",arm="0"}`. Durations become seconds, as is the custom.
- A board that cannot be read is itself a number, `trocar_unreadable_boards`.
- It is served from a thread of its own: a scrape never stands in the way of a page.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from transport.io.mapping import Mapping
from transport.telemetry.board import Board, parse_name
from transport.telemetry.header import TelemetryError
from transport.telemetry.histogram import Histogram

PREFIX: Final = "trocar_"
NS: Final = 1e-9
#: Bounds of the exported buckets, s: fine around the budget of 10 ms. Boards keep far more.
BOUNDS_S: Final = (
    *(0.000_05, 0.000_1, 0.000_2, 0.000_3, 0.000_4, 0.000_6, 0.000_8),
    *(0.001, 0.002, 0.003, 0.005, 0.007, 0.010, 0.020, 0.050, 0.1, 0.5, 1.0),
)


class BoardsCollector(Collector):
    """Reads all boards of a folder at each scrape; keeps nothing between two."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        """Return every board's numbers, one family per name."""
        families: dict[str, Metric] = {}
        unreadable = 0
        for path in sorted(self._folder.glob("*.board")):
            try:
                for metric in _read(path):
                    _merge(families, metric)
            except (OSError, ValueError, TelemetryError):
                unreadable += 1
        health = GaugeMetricFamily(f"{PREFIX}unreadable_boards", "Boards that cannot be read")
        health.add_metric([], unreadable)
        return [*families.values(), health]


class Metrics:
    """The page `/metrics` of a run directory.

    Parameters
    ----------
    listen : "host:port", on loopback
    """

    def __init__(self, listen: str, boards: Path) -> None:
        host, _, port = listen.rpartition(":")
        registry = CollectorRegistry(auto_describe=False)
        registry.register(BoardsCollector(boards))
        self._server: WSGIServer
        self._thread: threading.Thread
        self._server, self._thread = start_http_server(int(port), host.strip("[]"), registry)

    def close(self) -> None:
        """Stop serving and close the socket."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _read(path: Path) -> Iterator[Metric]:
    """Copy one board's numbers, each as a family with one sample set."""
    file = Mapping.open(path)
    try:
        board = Board.attach(file.view)
        process = path.stem
        for name, count in board.counters():
            family, labels, values = _named(process, name)
            counter = CounterMetricFamily(family, family, labels=labels)
            counter.add_metric(values, count)
            yield counter
        for name, number in board.gauges():
            family, labels, values = _named(process, name)
            gauge = GaugeMetricFamily(family, family, labels=labels)
            gauge.add_metric(values, number)
            yield gauge
        for name, histogram in board.histograms():
            family, labels, values = _named(process, name)
            metric = HistogramMetricFamily(family, family, labels=labels)
            metric.add_metric(values, _buckets(histogram), histogram.sum_ns * NS)
            yield metric
        del board
    finally:
        file.close()


def _named(process: str, name: str) -> tuple[str, list[str], list[str]]:
    """Return a metric's family, the names of its labels, and their values."""
    parsed = parse_name(name)
    family = PREFIX + parsed.family
    if family.endswith("_ns"):
        family = family.removesuffix("_ns") + "_seconds"
    labels = [("process", process), *parsed.labels]
    return family, [label for label, _ in labels], [value for _, value in labels]


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """Sum a board's fine buckets up to the exported bounds."""
    fine = [(end_ns * NS, count) for end_ns, count in histogram.buckets()]
    total = sum(count for _, count in fine)
    bounds = [
        (str(bound_s), float(sum(count for end_s, count in fine if end_s <= bound_s)))
        for bound_s in BOUNDS_S
    ]
    return [*bounds, ("+Inf", float(total))]


def _merge(families: dict[str, Metric], metric: Metric) -> None:
    known = families.setdefault(metric.name, metric)
    if known is not metric:
        known.samples += metric.samples
