"""Numbers that devices measure by themselves: temperature, cuff pressure, carbon dioxide.

Rules
-----
- A number is as old as its device says, plus the time it has been here; beyond what its metric
  bears (`SHELF_S`) it is shown no more.
- A measurement that failed replaces the one before: its metric is there without a value.
- A metric that a sensor computes from a waveform is the sensor's: a device's own is refused.
- The newest message of a device wins; an older or doubled one is refused. A device that started
  anew, or another device once the first has been silent for the metric's time, takes over.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from monitor.messages import Metric, Reading, Reason

#: Seconds after which a number is too old; a cuff measures every 5 to 15 minutes.
SHELF_S: Final[dict[Metric, int]] = {
    Metric.TEMP: 60,
    Metric.NIBP_SYS: 1200,
    Metric.NIBP_DIA: 1200,
    Metric.NIBP_MEAN: 1200,
    Metric.ETCO2: 15,
    Metric.FIO2: 60,
    Metric.CVP: 15,
}
#: What a living patient can have; outside, the device is wrong.
BOUNDS: Final[dict[Metric, tuple[float, float]]] = {
    Metric.TEMP: (10.0, 46.0),
    Metric.NIBP_SYS: (10.0, 320.0),
    Metric.NIBP_DIA: (5.0, 250.0),
    Metric.NIBP_MEAN: (5.0, 280.0),
    Metric.ETCO2: (0.0, 200.0),
    Metric.FIO2: (15.0, 100.0),
    Metric.CVP: (-30.0, 100.0),
}
CAUSES: Final = ("metric", "range", "stale", "occupied")
_SECOND_NS: Final = 1_000_000_000


class Numerics:
    """The plain numbers of some patients.

    Attributes
    ----------
    values : (patients, metrics) float64, in the metrics' units, NaN where there is none
    reason : (patients, metrics) uint8, `Reason`
    age_ns : (patients, metrics) int64, as of the last `advance`; of those that were ever measured
    refused : how often each of `CAUSES` was met
    """

    def __init__(self, patients: int) -> None:
        shape = patients, len(Metric)
        self.values = np.full(shape, np.nan)
        self.reason = np.full(shape, Reason.NEVER, np.uint8)
        self.age_ns = np.zeros(shape, np.int64)
        self.refused = dict.fromkeys(CAUSES, 0)
        self._measured = np.full(shape, np.nan)
        self._at_ns = np.zeros(shape, np.int64)
        self._ever = np.zeros(shape, np.bool_)
        self._shelf_ns = np.array([SHELF_S.get(m, 0) * _SECOND_NS for m in Metric], np.int64)
        self._said: dict[tuple[int, int], tuple[str, int, int, int]] = {}

    def receive(self, patient: int, reading: Reading, now_ns: int) -> str:
        """Take one number; return why it was refused, or ""."""
        cause = self._judge(patient, reading, now_ns)
        if cause:
            self.refused[cause] += 1
            return cause
        place = patient, reading.metric
        self._said[place] = (reading.device, reading.incarnation, reading.seq, now_ns)
        self._measured[place] = np.nan if reading.value is None else reading.value
        self._at_ns[place] = now_ns - reading.age_us * 1000
        self._ever[place] = True
        return ""

    def advance(self, now_ns: int) -> None:
        """Let everything grow older."""
        np.subtract(now_ns, self._at_ns, out=self.age_ns)
        stale = self._ever & (self.age_ns > self._shelf_ns)
        failed = self._ever & np.isnan(self._measured)
        self.reason[self._ever] = Reason.PRESENT
        self.reason[failed] = Reason.ARTEFACT
        self.reason[stale] = Reason.STALE
        self.values[:] = np.where(self.reason == Reason.PRESENT, self._measured, np.nan)

    def _judge(self, patient: int, reading: Reading, now_ns: int) -> str:
        if reading.metric not in SHELF_S:
            return "metric"
        metric = Metric(reading.metric)
        least, most = BOUNDS[metric]
        if reading.value is not None and not least <= reading.value <= most:
            return "range"
        said = self._said.get((patient, reading.metric))
        if said is None:
            return ""
        device, incarnation, seq, heard_ns = said
        if device != reading.device:
            return "" if now_ns - heard_ns > SHELF_S[metric] * _SECOND_NS else "occupied"
        return "stale" if incarnation == reading.incarnation and reading.seq <= seq else ""
