"""All patients of a ward, one tick at a time: samples in, events and numbers out.

    receive(message, now_ns)  ->  next_deadline_ns()  ->  handle_deadline(now_ns)  ->  read

A tick is 40 ms of every patient. It moves the playheads (`monitor.ingest`), advances every sensor
by one call, and lays what they found side by side: `numerics`, one row a patient, and `found`, the
events of each sensor. Both are to be read in place until the next tick: alarms stand here.

Rules
-----
- A sensor is a file found by its module path (`monitor.vitals.seam`); a metric has one sensor.
- A number is never silent: it is there, or `reason` says why not. That its device never spoke, or
  speaks no more, is told before what the sensor thinks of it.
- Ticks that are overdue are made up for, a few at a time; after a longer standstill they are left
  out, counted, and the playheads find their place again.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from monitor.ingest import Ingest
from monitor.messages import Block, Metric, Reading, Reason, Samples, Signal, pack
from monitor.rows import MS, SILENCE_NS
from monitor.sensors import SENSORS
from monitor.vitals.events import Events
from monitor.vitals.numerics import Numerics
from monitor.vitals.resp import Resp
from monitor.vitals.seam import Options, Sensor
from transport.kernel.jit import jit

TICK_NS: Final = 40 * MS
#: After a standstill this long, ticks are left out.
LATE_NS: Final = 1_000 * MS
#: Events of one sensor and tick, a patient; a full table counts what finds no room.
EVENTS_EACH: Final = 4
EVENTS_LEAST: Final = 256
OPTIONS: Final = Options()
#: Plain numbers grow older, and are looked at, in so many ticks.
PLAIN_TICKS: Final = 5
_NEVER, _SILENT = int(Reason.NEVER), int(Reason.SILENT)


class Found(NamedTuple):
    """What one sensor found in the last tick.

    Parameters
    ----------
    sensor : which
    events : its rows are `events.rows[: len(events)]`, times in samples at `sensor.RATE_HZ`
    at : samples that the sensor has taken since the start
    """

    sensor: Sensor
    events: Events
    at: int


class Numbers(NamedTuple):
    """Every number of every patient, one row a patient, one column a `Metric`.

    Parameters
    ----------
    values : (patients, metrics) float64, in the metrics' units, NaN where there is none
    quality : (patients, metrics) float64, 0 to 1
    reason : (patients, metrics) uint8, `Reason`
    age_ns : (patients, metrics) int64, of the newest sample, or of the measurement, behind it
    """

    values: NDArray[np.float64]
    quality: NDArray[np.float64]
    reason: NDArray[np.uint8]
    age_ns: NDArray[np.int64]


class _Group(NamedTuple):
    """Neighbouring signals at one rate, and where this tick's samples of them are."""

    signals: tuple[Signal, ...]
    rate_hz: float
    buffers: dict[int, NDArray[np.float32]]


class Engine:
    """The sensors of some beds.

    Parameters
    ----------
    beds : their places
    start_ns : our time of the first tick's begin
    sensors : module paths
    options : what sensors are told

    Attributes
    ----------
    numerics : all numbers, as of the last tick
    found : all events of the last tick, a row a sensor
    samples : what sensors took in the last tick, by signal: (patients, n) float32, NaN: none
    changed : patients whose device became another in the last tick
    ticks, skipped : made, and left out after a standstill
    """

    def __init__(
        self,
        beds: Sequence[str],
        start_ns: int,
        sensors: Sequence[str] = SENSORS,
        options: Options = OPTIONS,
    ) -> None:
        patients = len(beds)
        shape = patients, len(Metric)
        self.beds = tuple(beds)
        self.ticks = self.skipped = 0
        self.numerics = Numbers(
            np.full(shape, np.nan),
            np.zeros(shape),
            np.full(shape, Reason.NEVER, np.uint8),
            np.zeros(shape, np.int64),
        )
        self._sensors = [connect(module, patients, options) for module in sensors]
        _check(self._sensors)
        self.ingest = Ingest(beds, _targets(self._sensors))
        self.plain = Numerics(patients)
        self._groups = _groups(self._sensors)
        self._places = [_place(sensor, self._groups) for sensor in self._sensors]
        self._events = [Events(max(EVENTS_LEAST, EVENTS_EACH * patients)) for _ in self._sensors]
        self.found: list[Found] = []
        self.samples: dict[Signal, NDArray[np.float32]] = {}
        self.changed: list[int] = []
        self._patients = {bed: patient for patient, bed in enumerate(beds)}
        self._plain_columns = _plain_columns(self._sensors)
        self._columns = [
            (sensor, np.array(sensor.SIGNALS, np.int64), np.array(sensor.METRICS, np.int64))
            for sensor in self._sensors
        ]
        self._tick_ns = start_ns + TICK_NS
        self.unknown = 0

    def receive(self, message: Samples | Reading, now_ns: int) -> None:
        """Take what a device says."""
        if isinstance(message, Samples):
            self.ingest.receive(message, now_ns)
            return
        patient = self._patients.get(message.bed)
        if patient is None:
            self.unknown += 1
        else:
            self.plain.receive(patient, message, now_ns)

    def next_deadline_ns(self) -> int:
        """Return when the next tick is due."""
        return self._tick_ns

    def handle_deadline(self, now_ns: int) -> bool:
        """Make one tick that is due; return whether there was one.

        A caller repeats this until there is none, and reads `numerics` and `found` after each.
        """
        if now_ns < self._tick_ns:
            return False
        late = (now_ns - self._tick_ns) // TICK_NS
        if late > LATE_NS // TICK_NS:
            self.skipped += late
            self._tick_ns += late * TICK_NS
        self.tick(self._tick_ns)
        self._tick_ns += TICK_NS
        return True

    def tick(self, now_ns: int) -> None:
        """Advance everything by one tick, which ends at `now_ns`."""
        self.changed = self.ingest.settle()
        for patient in self.changed:
            for sensor in self._sensors:
                sensor.reset(patient)
        filled = []
        for group in self._groups:
            out = group.buffers[_samples(group.rate_hz, self.ticks)]
            self.ingest.fill(group.signals[0], group.rate_hz, now_ns, out)
            filled.append(out)
            for k, signal in enumerate(group.signals):
                self.samples[signal] = out[:, k]
        self.ticks += 1
        self.found = [
            self._step(sensor, events, filled[group][:, columns])
            for sensor, events, (group, columns) in zip(
                self._sensors, self._events, self._places, strict=True
            )
        ]
        self._lay_out(now_ns)

    def _step(self, sensor: Sensor, events: Events, x: NDArray[np.float32]) -> Found:
        events.tally[0] = 0
        if isinstance(sensor, Resp):
            sensor.heart_bpm[:] = self.numerics.values[:, Metric.HR]
        # Who takes a whole group takes it in place; others get a copy, for kernels want no gaps.
        sensor.step(np.ascontiguousarray(x), events)
        return Found(sensor, events, int(self.ticks * sensor.RATE_HZ * TICK_NS / 1e9))

    def _lay_out(self, now_ns: int) -> None:
        """Put every sensor's numbers, and now and then the plain ones, into their columns."""
        numbers = self.numerics
        for sensor, signals, metrics in self._columns:
            lay_out(
                self.ingest.rows,
                signals,
                metrics,
                sensor.NEEDS_ALL,
                now_ns,
                sensor.values,
                sensor.quality,
                sensor.reason,
                *numbers,
            )
        if self.ticks % PLAIN_TICKS == 0:
            plain, columns = self.plain, self._plain_columns
            plain.advance(now_ns)
            numbers.values[:, columns] = plain.values[:, columns]
            numbers.reason[:, columns] = plain.reason[:, columns]
            numbers.quality[:, columns] = plain.reason[:, columns] == Reason.PRESENT
            numbers.age_ns[:, columns] = plain.age_ns[:, columns]


@jit
def lay_out(
    rows: NDArray[Any],
    signals: NDArray[np.int64],
    metrics: NDArray[np.int64],
    needs_all: bool,
    now_ns: int,
    said: NDArray[np.float64],
    said_quality: NDArray[np.float64],
    said_reason: NDArray[np.uint8],
    values: NDArray[np.float64],
    quality: NDArray[np.float64],
    reason: NDArray[np.uint8],
    age_ns: NDArray[np.int64],
) -> None:
    """Put one sensor's numbers into their columns, unless its device is not heard.

    Parameters
    ----------
    rows : (patients * all signals,) ROW
    signals, metrics : which the sensor takes and gives
    needs_all, now_ns : see `Sensor`; end of the tick
    said, said_quality, said_reason : of the sensor
    values, quality, reason, age_ns : of `Numbers`, filled
    """
    each = rows.shape[0] // said.shape[0]
    for patient in range(said.shape[0]):
        known, heard_ns, delay_ns = 0, 0, 0
        for k in range(signals.shape[0]):
            row = rows[patient * each + signals[k]]
            known += int(row["device"] != 0)
            heard_ns = max(heard_ns, row["heard_ns"])
            delay_ns = max(delay_ns, row["delay_ns"])
        why = 0
        if known == 0 or (needs_all and known < signals.shape[0]):
            why = _NEVER
        elif now_ns - heard_ns >= SILENCE_NS:
            why = _SILENT
        for k in range(metrics.shape[0]):
            at = metrics[k]
            reason[patient, at] = why if why else said_reason[patient, k]
            values[patient, at] = np.nan if why else said[patient, k]
            quality[patient, at] = 0.0 if why else said_quality[patient]
            age_ns[patient, at] = delay_ns


def connect(module: str, patients: int, options: Options) -> Sensor:
    """Make a sensor from its module path.

    Raises
    ------
    ImportError : there is no such module
    """
    return cast(Sensor, importlib.import_module(module).connect(patients, options))


def warm(sensors: Sequence[str] = SENSORS) -> None:
    """Compile every kernel that a ward needs."""
    for module in sensors:
        importlib.import_module(module).warm()
    engine = Engine(("icu/1",), 0, sensors)
    engine.tick(TICK_NS)
    block = Block(Signal.ECG_1, 250.0, 0, np.zeros(10, np.float32))
    engine.receive(pack("icu/1", "device", 0, 0, 0, [block]), TICK_NS)
    engine.tick(2 * TICK_NS)


def _check(sensors: Sequence[Sensor]) -> None:
    metrics = [metric for sensor in sensors for metric in sensor.METRICS]
    assert len(set(metrics)) == len(metrics), "a metric has one sensor"


def _targets(sensors: Sequence[Sensor]) -> dict[Signal, float]:
    targets: dict[Signal, float] = {}
    for sensor in sensors:
        for signal in sensor.SIGNALS:
            rate_hz = targets.setdefault(signal, sensor.RATE_HZ)
            assert rate_hz == sensor.RATE_HZ, f"{signal!r} is wanted at two rates"
    return targets


def _groups(sensors: Sequence[Sensor]) -> list[_Group]:
    """Lay neighbours at one rate together, with a buffer for each length that a tick may have."""
    targets = _targets(sensors)
    runs: list[list[Signal]] = []
    for signal in sorted(targets):
        last = runs[-1][-1] if runs else None
        if last == signal - 1 and targets[last] == targets[signal]:
            runs[-1].append(signal)
        else:
            runs.append([signal])
    patients = len(sensors[0].quality) if sensors else 0
    groups = []
    for run in runs:
        rate_hz = targets[run[0]]
        lengths = {_samples(rate_hz, tick) for tick in range(25)}
        buffers = {n: np.empty((patients, len(run), n), np.float32) for n in lengths}
        groups.append(_Group(tuple(run), rate_hz, buffers))
    return groups


def _place(sensor: Sensor, groups: Sequence[_Group]) -> tuple[int, slice | int]:
    """Say in which group a sensor's signals are, and which of its columns they are."""
    first, each = sensor.SIGNALS[0], len(sensor.SIGNALS)
    for number, group in enumerate(groups):
        if first in group.signals:
            column = group.signals.index(first)
            return number, slice(column, column + each) if each > 1 else column
    raise AssertionError("a sensor's signals are among those that are wanted")


def _samples(rate_hz: float, tick: int) -> int:
    """Return how many samples a tick has: at 62.5 Hz 2 and 3 by turns."""
    per_tick = rate_hz * TICK_NS / 1e9
    return int((tick + 1) * per_tick) - int(tick * per_tick)


def _plain_columns(sensors: Sequence[Sensor]) -> NDArray[np.int64]:
    taken = {metric for sensor in sensors for metric in sensor.METRICS}
    return np.array([metric for metric in Metric if metric not in taken], np.int64)
