"""Takes what devices say, and gives the sensors a stretch of samples of each patient and tick.

`receive` judges what can be judged without looking at a sample, `settle` puts a tick's messages
into their places (`monitor.place`), `fill` lets the playheads move (`monitor.play`). The last two
are one kernel call each for all patients.

Rules
-----
- A message is bounded before it comes here; a bed is bounded in messages a tick, and so are all.
- What was refused is counted by name, and touches no other patient.
- Names of devices are numbered as they come, up to `DEVICES_MAX`; beds are known from the start,
  and so are rates: whoever could bring any rate could fill the memory with its filter.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import product
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.dsp.resample import taps
from monitor.messages import BLOCK, Samples, Signal
from monitor.place import place
from monitor.play import play
from monitor.rows import EMPTY, PAD, RATIO, RING, ROW, Cause

#: Messages of one bed in one tick, and names of devices that are remembered.
BURST_MAX: Final = 16
DEVICES_MAX: Final = 65_536
#: Rates that devices have, in Hz; recordings of others are resampled by who plays them.
RATES_HZ: Final = (
    *(10, 12.5, 16, 20, 25, 30, 31.25, 32, 40, 50, 60, 62.5, 64, 75, 80),
    *(100, 120, 125, 128, 150, 160, 180, 200, 240, 250, 256, 300, 320, 360),
    *(400, 480, 500, 512, 600, 640, 720, 750, 800, 900, 960, 1000),
)
#: The least of them with which a signal still shows what is looked for in it.
LEAST_HZ: Final[dict[Signal, float]] = {
    Signal.ECG_1: 100,
    Signal.ECG_2: 100,
    Signal.ECG_3: 100,
    Signal.PLETH: 30,
    Signal.RED: 30,
    Signal.ABP: 60,
    Signal.RESP: 10,
}
#: Why a message is refused before its samples are looked at.
DOOR: Final = ("bed", "devices", "shape", "burst")
#: Every name that `Ingest.counted` gives.
CAUSES: Final = (*DOOR, *(cause.name.lower() for cause in Cause))


class Place(NamedTuple):
    """Where a device's messages go."""

    patient: int
    device: int


class Ingest:
    """The devices of some beds.

    Parameters
    ----------
    beds : their places; a patient is an index into them
    targets_hz : the rate at which a signal is wanted; one that is not is refused

    Attributes
    ----------
    rows : (patients * signals,) ROW, to be read: who speaks, delays, drift
    """

    def __init__(self, beds: Sequence[str], targets_hz: Mapping[Signal, float]) -> None:
        self.rows = np.zeros(len(beds) * len(Signal), ROW)
        self._patients = {bed: patient for patient, bed in enumerate(beds)}
        assert len(self._patients) == len(beds), "a bed is there twice"
        self._ring = np.full((len(self.rows), RING + PAD), EMPTY, np.float32)
        self._limits = _limits(targets_hz)
        self._ratios, self._taps = _ratios(set(targets_hz.values()))
        self._counts = np.zeros(len(Cause), np.int64)
        self._refused = dict.fromkeys(DOOR, 0)
        self._fresh = np.zeros(len(self.rows), np.bool_)
        self._places: dict[tuple[str, str], Place] = {}
        self._devices: dict[str, int] = {}
        self._idle = bytes(len(beds))
        self._taken = bytearray(self._idle)
        self._messages = array("q")
        self._tables: list[bytes] = []
        self._samples: list[bytes] = []

    def receive(self, message: Samples, now_ns: int) -> None:
        """Take one message; `settle` looks into it."""
        found = self._places.get((message.bed, message.device)) or self._find(message)
        if found is None:
            return
        table, samples = message.table, message.samples
        if len(table) % BLOCK.itemsize or len(samples) % 4:
            self._refused["shape"] += 1
            return
        if self._taken[found.patient] >= BURST_MAX:
            self._refused["burst"] += 1
            return
        self._taken[found.patient] += 1
        self._messages.extend(
            (
                found.patient,
                found.device,
                message.incarnation,
                message.seq,
                message.age_us * 1000,
                now_ns,
                len(table) // BLOCK.itemsize,
                len(samples) // 4,
            )
        )
        self._tables.append(table)
        self._samples.append(samples)

    def settle(self) -> list[int]:
        """Put what was received into its place; return the patients whose device is another."""
        if not self._tables:
            return []
        messages = np.frombuffer(self._messages, np.int64).reshape(-1, 8)
        blocks = np.frombuffer(b"".join(self._tables), BLOCK)
        samples = np.frombuffer(b"".join(self._samples), np.float32)
        place(
            messages,
            blocks,
            samples,
            self._limits,
            self._ratios,
            self.rows,
            self._ring,
            self._counts,
            self._fresh,
        )
        self._messages = array("q")
        self._tables.clear()
        self._samples.clear()
        self._taken[:] = self._idle
        if not self._fresh.any():
            return []
        found = np.flatnonzero(self._fresh.reshape(-1, len(Signal)).any(axis=1)).tolist()
        self._fresh[:] = False
        return list(found)

    def fill(self, first: Signal, rate_hz: float, now_ns: int, out: NDArray[np.float32]) -> None:
        """Move the playheads of some signals by a tick.

        Parameters
        ----------
        first : the first of the signals
        rate_hz : of the samples
        now_ns : end of the tick
        out : (patients, signals, samples) float32, filled; NaN where there is none
        """
        play(
            self.rows,
            self._ring,
            self._taps,
            len(Signal),
            int(first),
            round(rate_hz * 1000),
            now_ns,
            out,
            self._counts,
        )

    def counted(self) -> dict[str, int]:
        """Tell how often each of `CAUSES` was met."""
        inside = {cause.name.lower(): int(self._counts[cause]) for cause in Cause}
        return {**self._refused, **inside}

    def _find(self, message: Samples) -> Place | None:
        patient = self._patients.get(message.bed)
        if patient is None:
            self._refused["bed"] += 1
            return None
        device = self._devices.get(message.device)
        if device is None:
            if len(self._devices) >= DEVICES_MAX:
                self._refused["devices"] += 1
                return None
            device = self._devices[message.device] = len(self._devices) + 1
        if len(self._places) >= 4 * DEVICES_MAX:
            self._places.clear()
        found = self._places[message.bed, message.device] = Place(patient, device)
        return found


def _limits(targets_hz: Mapping[Signal, float]) -> NDArray[np.int64]:
    """Lay rates out: (signals, 2) int64, 1/1000 Hz, the least and the target; 0: not wanted."""
    limits = np.zeros((len(Signal), 2), np.int64)
    for signal, target_hz in targets_hz.items():
        limits[signal] = round(1000 * LEAST_HZ[signal]), round(1000 * target_hz)
    return limits


def _ratios(targets_hz: set[float]) -> tuple[NDArray[np.void], NDArray[np.float64]]:
    """Prepare every way from a rate to a target: RATIO rows, and all their taps in one row."""
    rows = np.zeros(len(RATES_HZ) * len(targets_hz), RATIO)
    found = [np.zeros(0)]
    offset = 0
    for r, (rate_hz, target_hz) in enumerate(product(RATES_HZ, sorted(targets_hz))):
        ratio = Fraction(target_hz) / Fraction(rate_hz)
        up, down = ratio.numerator, ratio.denominator
        more = np.zeros((1, 0)) if ratio == 1 else taps(up, down)
        width = more.shape[1]
        rows[r] = (round(1000 * rate_hz), round(1000 * target_hz), up, down, width, offset)
        found.append(more.ravel())
        offset += more.size
    return rows, np.concatenate(found)
