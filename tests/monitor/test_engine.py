"""A ward ticks: every number is there or says why not, and what changed is said in time."""

import numpy as np
import pytest

from monitor import bulletin
from monitor.bulletin import CHANGE_NS, REPEAT_NS, SAID_MAX, Bulletin
from monitor.engine import EVENTS_EACH, EVENTS_LEAST, LATE_NS, TICK_NS, Engine, Numbers
from monitor.messages import Block, Metric, Reading, Reason, Signal, pack
from monitor.rows import MS
from monitor.vitals.events import Kind
from tests.monitor.vitals import body

#: Whoever runs first compiles the kernels, which takes minutes on a busy machine.
pytestmark = pytest.mark.timeout(300)

BEDS = ("icu/1", "icu/2", "or/1")
START_NS = 5_000 * MS
RATES = {Signal.PLETH: 125.0, Signal.RED: 125.0, Signal.ABP: 125.0, Signal.RESP: 62.5}
SENSORS = ("monitor.vitals.ppg", "monitor.vitals.spo2", "monitor.vitals.abp", "monitor.vitals.resp")


def signals(seconds: float = 30.0) -> dict[Signal, np.ndarray]:
    pleth = body.pleth(seconds)
    return {
        Signal.PLETH: pleth,
        Signal.RED: (4 + (pleth - 10) * 0.24).astype(np.float32),
        Signal.ABP: body.pressure(seconds),
        Signal.RESP: body.chest(seconds),
    }


WHOLE = signals()


def message(
    k: int, bed: str = "icu/1", device: str = "bedside", only: frozenset = frozenset(RATES)
):
    blocks = []
    for signal in sorted(only):
        first, end = (int(RATES[signal] * 0.04 * n) for n in (k, k + 1))
        blocks.append(Block(signal, RATES[signal], first, WHOLE[signal][first:end]))
    return pack(bed, device, 1, k, 1000, blocks)


def engine() -> Engine:
    return Engine(BEDS, START_NS, SENSORS)


def ticks(engine: Engine, seconds: float, *streams, first: int = 0) -> list[np.ndarray]:
    """Tick, each stream saying its message k in tick k; return the events of all ticks."""
    found = []
    for k in range(first, first + round(seconds / 0.04)):
        now_ns = engine.next_deadline_ns()
        for stream in streams:
            said = stream(k)
            if said is not None:
                engine.receive(said, now_ns - MS)
        assert engine.handle_deadline(now_ns)
        found += [one.events.rows[: len(one.events)].copy() for one in engine.found]
    return found


def said(engine: Engine, metric: Metric, patient: int = 0) -> tuple[float, Reason]:
    numbers = engine.numerics
    return numbers.values[patient, metric], Reason(numbers.reason[patient, metric])


def test_signals_become_numbers_of_their_own_bed_alone():
    ward = engine()
    found = np.concatenate(ticks(ward, 20.0, message))
    assert said(ward, Metric.PR)[0] == pytest.approx(72, abs=1)
    assert said(ward, Metric.SPO2)[0] == pytest.approx(95, abs=0.7)
    assert said(ward, Metric.MEAN)[0] == pytest.approx(WHOLE[Signal.ABP].mean(), abs=2)
    assert said(ward, Metric.RR)[0] == pytest.approx(15, abs=0.5)
    assert set(found["kind"]) == {Kind.PULSE, Kind.ONSET, Kind.BREATH}
    assert set(found["patient"]) == {0}
    assert (ward.numerics.reason[1:] == Reason.NEVER).all()
    assert np.isnan(ward.numerics.values[1:]).all()


def test_a_number_says_how_old_the_sample_behind_it_is():
    ward = engine()
    ticks(ward, 10.0, message)
    assert 40 * MS <= ward.numerics.age_ns[0, Metric.PR] <= 120 * MS


def test_without_red_light_there_is_a_pulse_and_no_saturation():
    ward = engine()
    ticks(ward, 12.0, lambda k: message(k, only=frozenset({Signal.PLETH})))
    assert said(ward, Metric.PR)[1] == Reason.PRESENT
    assert said(ward, Metric.SPO2)[1] == Reason.NEVER
    assert said(ward, Metric.SYS)[1] == Reason.NEVER


def test_a_device_that_is_silent_for_two_seconds_is_told_so():
    ward = engine()
    ticks(ward, 12.0, message)
    ticks(ward, 1.9)
    assert said(ward, Metric.PR)[1] != Reason.SILENT
    ticks(ward, 0.2)
    assert {said(ward, m)[1] for m in (Metric.PR, Metric.SYS, Metric.RR)} == {Reason.SILENT}
    assert (ward.numerics.quality[0] == 0).all()


def test_another_device_makes_its_patient_forget_and_no_other():
    ward = engine()
    both = (message, lambda k: message(k, bed="icu/2", device="two"))
    ticks(ward, 12.0, *both)
    ticks(ward, 2.1, both[1], first=300)
    ticks(ward, 2.0, both[1], lambda k: message(k, device="other"), first=353)
    assert said(ward, Metric.PR)[1] in (Reason.LEAD_OFF, Reason.LEARNING)
    assert said(ward, Metric.PR, 1)[1] == Reason.PRESENT


def test_beds_in_another_order_say_the_same():
    there, back = Engine(BEDS, START_NS, SENSORS), Engine(BEDS[::-1], START_NS, SENSORS)
    streams = (message, lambda k: message(k, bed="or/1", only=frozenset({Signal.ABP})))
    for ward in (there, back):
        ticks(ward, 10.0, *streams)
    for mine, other in zip(there.numerics, back.numerics, strict=True):
        assert mine.tobytes() == other[::-1].tobytes()


def test_a_plain_number_is_laid_beside_the_others_within_a_fifth_of_a_second():
    ward = engine()
    reading = Reading(65, "icu/2", "probe", 1, 1, Metric.TEMP, 36.8, 0)
    ticks(ward, 0.24, lambda k: reading if k == 0 else None)
    assert said(ward, Metric.TEMP, 1) == (36.8, Reason.PRESENT)
    ward.receive(Reading(65, "icu/9", "probe", 1, 1, Metric.TEMP, 36.8, 0), 0)
    assert ward.unknown == 1


def test_overdue_ticks_are_made_up_for_and_a_standstill_is_left_out():
    ward = engine()
    late_ns = START_NS + 5 * TICK_NS
    made = 0
    while ward.handle_deadline(late_ns):
        made += 1
    assert (made, ward.skipped) == (5, 0)
    assert ward.handle_deadline(late_ns + LATE_NS + 10 * TICK_NS)
    assert not ward.handle_deadline(late_ns + LATE_NS + 10 * TICK_NS)
    assert ward.skipped > LATE_NS // TICK_NS


def test_a_sensor_that_is_no_file_is_named():
    with pytest.raises(ImportError, match="nose"):
        Engine(BEDS, START_NS, ("monitor.vitals.nose",))


def test_two_sensors_of_one_metric_are_a_mistake():
    with pytest.raises(AssertionError, match="one sensor"):
        Engine(BEDS, START_NS, ("monitor.vitals.ppg", "monitor.vitals.ppg"))


def test_events_of_a_busy_ward_have_room():
    ward = engine()
    assert all(len(found.events.rows) >= EVENTS_LEAST for found in ward.found)
    assert EVENTS_EACH * TICK_NS >= 4 * 40 * MS  # no sensor finds four things of a patient in 40 ms


# What is said ----------------------------------------------------------------------------------


def numbers(patients: int = 3) -> Numbers:
    shape = patients, len(Metric)
    return Numbers(
        np.full(shape, 70.0), np.ones(shape), np.zeros(shape, np.uint8), np.zeros(shape, np.int64)
    )


def everything(patients: int = 3) -> set[tuple[int, int]]:
    return {(patient, metric) for patient in range(patients) for metric in Metric}


def test_everything_is_said_first_and_again_after_five_seconds():
    board, all_of_it = Bulletin(3), numbers()
    assert set(board.due(all_of_it, START_NS)) == everything()
    assert board.due(all_of_it, START_NS + REPEAT_NS - 1) == []
    assert set(board.due(all_of_it, START_NS + REPEAT_NS)) == everything()


def test_a_change_is_said_once_a_second_and_a_loss_at_once():
    board, all_of_it = Bulletin(3), numbers()
    board.due(all_of_it, START_NS)
    all_of_it.values[1, Metric.HR] = 72.0
    all_of_it.values[2, Metric.HR] = 70.4  # no screen shows that
    assert board.due(all_of_it, START_NS + CHANGE_NS - 1) == []
    assert board.due(all_of_it, START_NS + CHANGE_NS) == [(1, Metric.HR)]
    all_of_it.values[1, Metric.HR] = np.nan
    all_of_it.reason[1, Metric.HR] = Reason.SILENT
    assert board.due(all_of_it, START_NS + CHANGE_NS + 1) == [(1, Metric.HR)]
    assert board.due(all_of_it, START_NS + CHANGE_NS + 2) == []


def test_a_quality_that_falls_is_said():
    board, all_of_it = Bulletin(3), numbers()
    board.due(all_of_it, START_NS)
    all_of_it.quality[0, Metric.PR] = 0.85
    assert board.due(all_of_it, START_NS + CHANGE_NS) == [(0, Metric.PR)]


def test_a_ward_that_says_all_at_once_takes_turns_and_leaves_nobody_out():
    patients = 100
    board, all_of_it = Bulletin(patients), numbers(patients)
    heard: list[tuple[int, int]] = []
    for k in range(-(-patients * len(Metric) // SAID_MAX)):
        said = board.due(all_of_it, START_NS + k * TICK_NS)
        assert len(said) <= SAID_MAX
        heard += said
    assert len(heard) == len(set(heard))
    assert set(heard) == everything(patients)
    assert bulletin.REPEAT_NS > CHANGE_NS
