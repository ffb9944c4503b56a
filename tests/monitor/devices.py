"""A device and its network, in virtual time: what the monitor hears of it, and what it plays."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from itertools import chain
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from monitor.ingest import Ingest
from monitor.messages import Block, Samples, Signal, pack
from monitor.rows import MS

TICK_NS = 40 * MS
BEDS = ("icu/1", "icu/2")
TARGETS = {Signal.ECG_1: 250.0, Signal.ECG_2: 250.0, Signal.RESP: 62.5}


class Sent(NamedTuple):
    """A message on its way."""

    arrives_ns: int
    order: int
    message: Samples


class Device:
    """Sends 40 ms of one signal at a time; a sample's value is its number.

    Parameters
    ----------
    delay_ms : of message k on its way; None: it is lost
    fast : how much faster its clock is than its rate says
    """

    def __init__(
        self,
        bed: str = "icu/1",
        name: str = "ecg",
        incarnation: int = 1,
        rate_hz: float = 250.0,
        signal: Signal = Signal.ECG_1,
        first: int = 0,
        fast: float = 1.0,
        delay_ms: Callable[[int], float | None] = lambda k: 5.0,
        value: Callable[[np.ndarray], np.ndarray] = lambda number: number,
    ) -> None:
        self.bed, self.name, self.incarnation = bed, name, incarnation
        self.rate_hz, self.signal, self.first, self.fast = rate_hz, signal, first, fast
        self.delay_ms, self.value = delay_ms, value
        self.seq = 0

    def message(self, k: int) -> Samples:
        per = self.rate_hz * 0.04 * self.fast
        numbers = np.arange(int(k * per + 1e-6), int((k + 1) * per + 1e-6)) + self.first
        x = self.value(numbers).astype(np.float32)
        block = Block(self.signal, self.rate_hz, int(numbers[0]), x)
        self.seq += 1
        return pack(self.bed, self.name, self.incarnation, self.seq - 1, 1000, [block])

    def sends(self, seconds: float, start_s: float = 0.0) -> list[Sent]:
        """Say everything that it sends, with its time of arrival."""
        found = []
        for k in range(round(seconds / 0.04)):
            message, delay_ms = self.message(k), self.delay_ms(k)
            if delay_ms is not None:
                at_ns = round(start_s * 1e9) + (k + 1) * TICK_NS
                found.append(Sent(at_ns + MS + int(delay_ms * MS), k, message))
        return found


class Story:
    """The ingest, ticking."""

    def __init__(self, beds: tuple[str, ...] = BEDS) -> None:
        self.ingest = Ingest(beds, TARGETS)
        self.now_ns = 1_000_000 * MS
        self.start_ns = self.now_ns
        self.changed: list[tuple[int, int]] = []  # tick, patient
        self.ticks = 0
        self._played: list[np.ndarray] = []

    def hears(self, *streams: Iterable[Sent], until_s: float) -> None:
        """Let messages arrive and ticks pass until that time."""
        waiting = deque(sorted(chain(*streams), key=attrgetter("arrives_ns")))
        while self.now_ns < self.start_ns + round(until_s * 1e9):
            self.now_ns += TICK_NS
            while waiting and self.start_ns + waiting[0].arrives_ns <= self.now_ns:
                sent = waiting.popleft()
                self.ingest.receive(sent.message, self.start_ns + sent.arrives_ns)
            self.tick()

    def tick(self) -> None:
        self.changed += [(self.ticks, patient) for patient in self.ingest.settle()]
        out = np.empty((len(BEDS), 2, 10), np.float32)
        self.ingest.fill(Signal.ECG_1, 250.0, self.now_ns, out)
        resp = np.empty((len(BEDS), 1, 2 + self.ticks % 2), np.float32)
        self.ingest.fill(Signal.RESP, 62.5, self.now_ns, resp)
        self.ticks += 1
        self._played.append(out)

    def played(self, patient: int = 0, lead: int = 0, after_s: float = 0.0) -> np.ndarray:
        """Return what a sensor saw of a signal."""
        whole = np.concatenate([out[patient, lead] for out in self._played])
        return whole[round(after_s * 250) :]

    def counted(self) -> dict[str, int]:
        return {cause: n for cause, n in self.ingest.counted().items() if n}
