"""What holds of every patient of a ward, judged after each tick of its engine.

    while engine.handle_deadline(now_ns):
        evidence = judge.tick(engine, tick_end_ns)

Rules
-----
1. One call judges all patients, in a few kernels; what a patient gets depends on its own signals
   alone.
2. What a condition is, and how soon it holds, says the table (`monitor.alarms.condition`); whether
   anybody is told is not decided here.
3. A patient whose device became another is judged anew, but keeps its limits.
4. Time in which nobody looked is nobody's pause: after a standstill a rhythm is judged anew.
5. Everything that is remembered is in arrays that can be taken out and put back (`memory`,
   `restore`): who takes over goes on with them.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.alarms import af, apnoea, fusion, limit, pulse, rhythm, strip, technical
from monitor.alarms.af import FLUTTER
from monitor.alarms.condition import CONDITIONS, Condition, Evidence
from monitor.alarms.dating import dated
from monitor.alarms.fusion import FUSION
from monitor.alarms.limit import Limits
from monitor.alarms.pulse import ARTERY, LIGHT, PULSE, SOURCES
from monitor.alarms.rhythm import RHYTHM
from monitor.engine import TICK_NS, Engine
from monitor.engine import warm as warm_engine
from monitor.messages import Metric, Reason, Signal
from monitor.vitals.abp import Abp
from monitor.vitals.heart import Heart
from monitor.vitals.ppg import Ppg
from monitor.vitals.resp import Resp

#: A tick that ends so long after the one before it: there was a standstill.
LATE_NS: Final = 10 * TICK_NS
#: Reasons with which a source of pulses still means something when it shows none.
_LIGHT: Final = (Reason.PRESENT, Reason.NO_PULSE, Reason.ARTEFACT)
_ARTERY: Final = (Reason.PRESENT, Reason.NO_PULSE)
_LIGHT_VALID, _ARTERY_VALID = (
    np.isin(np.arange(len(Reason)), valid) for valid in (_LIGHT, _ARTERY)
)
_DELAY_NS: Final = np.array([round(1e9 * CONDITIONS[c].delay_s) for c in Condition], np.int64)
_DELAYED: Final = np.concatenate([limit.COLUMNS.condition, technical.COLUMNS])

Memory = tuple[NDArray[Any], ...]


class Judge:
    """Judges some patients.

    Parameters
    ----------
    patients : how many
    leads : ECG leads of a patient, as the engine's options say

    Attributes
    ----------
    limits : each patient's, to be written at any time
    evidence : as of the last tick
    """

    def __init__(self, patients: int, leads: int = 3) -> None:
        self.limits = Limits.of(patients)
        self.evidence = Evidence.of(patients)
        self._begin_ns = np.zeros((patients, len(Condition)), np.int64)
        self._seen_ns = np.zeros(patients, np.int64)  # end of the last tick
        self._rhythm = np.zeros(patients, RHYTHM)
        self._pulse = np.zeros((patients, SOURCES), PULSE)
        self._strip = np.zeros((patients, leads), strip.LEAD)
        self._fusion = np.zeros(patients, FUSION)
        self._af = np.zeros(patients, FLUTTER)
        self._lead_off = np.ones((patients, leads), np.bool_)
        self._quality = np.zeros((patients, leads))
        for patient in range(patients):
            self.reset(patient)

    def tick(self, engine: Engine, now_ns: int) -> Evidence:
        """Judge what the engine's last tick, which ended at `now_ns`, has brought."""
        for patient in engine.changed:
            self.reset(patient)
        self._wake(now_ns)
        self._hear(engine, now_ns)
        self._see(engine)
        numbers, said = engine.numerics, self.evidence
        for source, metric, valid in (
            (LIGHT, Metric.PR, _LIGHT_VALID),
            (ARTERY, Metric.MEAN, _ARTERY_VALID),
        ):
            pulse.watch(self._pulse, source, valid[numbers.reason[:, metric]], now_ns)
        fusion.judge(
            self._fusion,
            self._rhythm,
            self._pulse,
            self._strip,
            self._lead_off,
            self._quality,
            now_ns,
            *said,
        )
        af.judge(self._af, np.all(self._lead_off, axis=1), *said)
        apnoea.judge(numbers.reason, now_ns, *said)
        begin_ns = self._begin_ns
        limit.cross(
            limit.COLUMNS,
            self.limits.limit,
            numbers.values,
            numbers.age_ns,
            now_ns,
            begin_ns,
            said.value,
        )
        technical.look(engine.ingest.rows, numbers.reason, now_ns, begin_ns)
        limit.mature(_DELAYED, begin_ns, _DELAY_NS, now_ns, said.holds, said.onset_ns)
        np.logical_and(said.holds, self.limits.enabled, out=said.holds)
        return said

    def _wake(self, now_ns: int) -> None:
        """Begin the time of every pause anew, where ticks were left out."""
        is_late = now_ns - self._seen_ns > LATE_NS
        if is_late.any():
            self._fusion["on_ns"][is_late] = 0
            self._pulse["valid_ns"][is_late] = 0
        self._seen_ns[:] = now_ns

    def reset(self, patient: int) -> None:
        """Forget one patient: another device speaks."""
        for memory in self._memories():
            memory[patient] = np.zeros((), memory.dtype)
        for lead in range(self._strip.shape[1]):
            strip.forget(self._strip[patient, lead])
        self.evidence.holds[patient] = False
        self.evidence.onset_ns[patient] = 0
        self.evidence.value[patient] = np.nan

    def memory(self) -> Memory:
        """Copy everything that is remembered."""
        return tuple(array.copy() for array in self._arrays())

    def restore(self, memory: Memory) -> None:
        """Go on with what was remembered, of as many patients and leads."""
        for array, remembered in zip(self._arrays(), memory, strict=True):
            assert array.shape == remembered.shape, "other patients, or other leads"
            array[:] = remembered

    def _arrays(self) -> Memory:
        return (
            *self.limits,
            *self.evidence,
            *self._memories(),
        )

    def _memories(self) -> Memory:
        return (
            self._begin_ns,
            self._seen_ns,
            self._rhythm,
            self._pulse,
            self._strip,
            self._fusion,
            self._af,
        )

    def _hear(self, engine: Engine, now_ns: int) -> None:
        """Take the events of every sensor."""
        for found in engine.found:
            sensor, rows = found.sensor, found.events.rows
            times_ns = dated(found, engine.ingest.rows, now_ns)
            if isinstance(sensor, Heart):
                rhythm.hear(self._rhythm, rows, times_ns)
                af.hear(self._af, rows, times_ns)
                self._lead_off[:] = sensor.ecg.lead_off
                self._quality[:] = sensor.ecg.quality
            elif isinstance(sensor, Ppg | Abp):
                pulse.hear(self._pulse, rows, times_ns)
            elif isinstance(sensor, Resp):
                apnoea.hear(rows, times_ns, self.evidence.onset_ns)

    def _see(self, engine: Engine) -> None:
        """Take the samples of every lead."""
        for lead in range(self._strip.shape[1]):
            x = engine.samples.get(Signal(lead))
            if x is not None:
                strip.take(self._strip, lead, np.ascontiguousarray(x))


def warm(leads: int = 3) -> None:
    """Compile every kernel that a ward needs."""
    warm_engine()
    engine = Engine(("icu/1",), 0)
    engine.tick(TICK_NS)
    Judge(1, leads).tick(engine, TICK_NS)
