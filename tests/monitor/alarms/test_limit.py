"""Limits, their delays, and what our view of a patient lacks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from monitor.alarms import apnoea, limit, technical
from monitor.alarms.condition import CONDITIONS, Condition, Evidence
from monitor.alarms.limit import COLUMNS, Limits
from monitor.messages import Metric, Reason, Signal
from monitor.rows import MS, ROW, SILENCE_NS
from monitor.vitals.events import EVENT, Kind

pytestmark = pytest.mark.timeout(300)

C = Condition
TICK_NS = 40 * MS
DELAYS_NS = np.array([round(1e9 * CONDITIONS[c].delay_s) for c in C], np.int64)
ALL = np.arange(len(C))


class Numbers(NamedTuple):
    values: np.ndarray
    age_ns: np.ndarray


class Watch:
    """One patient's numbers, tick by tick."""

    def __init__(self) -> None:
        self.limits = Limits.of(1)
        self.said = Evidence.of(1)
        self.begin_ns = np.zeros((1, len(C)), np.int64)
        self.numbers = Numbers(np.full((1, len(Metric)), np.nan), np.zeros((1, len(Metric)), int))
        self.now_ns = 1_000_000 * MS

    def shows(self, seconds: float, **values: float) -> set[Condition]:
        for name, value in values.items():
            self.numbers.values[0, Metric[name]] = value
        for _ in range(round(seconds / 0.04)):
            self.now_ns += TICK_NS
            limit.cross(
                COLUMNS,
                self.limits.limit,
                *self.numbers,
                self.now_ns,
                self.begin_ns,
                self.said.value,
            )
            limit.mature(
                COLUMNS.condition,
                self.begin_ns,
                DELAYS_NS,
                self.now_ns,
                self.said.holds,
                self.said.onset_ns,
            )
        return {C(column) for column in np.flatnonzero(self.said.holds[0])}


def test_a_limit_is_crossed_by_more_than_itself_and_left_by_its_hysteresis():
    watch = Watch()
    assert watch.shows(1, HR=120.0) == set()
    assert watch.shows(0.04, HR=120.5) == {C.HR_HIGH}
    assert watch.said.value[0, C.HR_HIGH] == 120.5
    assert watch.shows(1, HR=119.0) == {C.HR_HIGH}
    assert watch.shows(0.04, HR=117.9) == set()
    assert watch.shows(1, HR=119.0) == set()
    assert watch.shows(0.04, HR=49.0) == {C.HR_LOW}


def test_a_condition_holds_after_its_delay_and_began_when_it_began():
    watch = Watch()
    delay_s = CONDITIONS[C.SPO2_LOW].delay_s
    watch.numbers.age_ns[:] = 60 * MS
    begin_ns = watch.now_ns + TICK_NS - 60 * MS
    assert watch.shows(delay_s - 0.04, SPO2=88.0) == set()
    assert watch.shows(0.04) == {C.SPO2_LOW}
    assert watch.said.onset_ns[0, C.SPO2_LOW] == begin_ns
    assert watch.shows(delay_s, SPO2=79.0) == {C.SPO2_LOW, C.DESATURATION}


def test_a_break_within_the_delay_begins_it_anew():
    watch = Watch()
    assert watch.shows(9, SPO2=88.0) == set()
    assert watch.shows(0.04, SPO2=92.0) == set()
    assert watch.shows(9, SPO2=88.0) == set()


def test_a_number_that_is_missing_crosses_nothing_and_ends_what_held():
    watch = Watch()
    assert watch.shows(0.04, HR=150.0) == {C.HR_HIGH}
    assert watch.shows(0.04, HR=np.nan) == set()


def test_a_patients_limits_are_its_own_and_may_change_at_any_tick():
    watch = Watch()
    assert watch.shows(1, HR=110.0) == set()
    watch.limits.limit[0, C.HR_HIGH] = 100.0
    assert watch.shows(0.04) == {C.HR_HIGH}
    watch.limits.limit[0, C.HR_HIGH] = 130.0
    assert watch.shows(0.04) == set()
    assert Limits.of(1).limit[0, C.HR_HIGH] == CONDITIONS[C.HR_HIGH].limit


def test_every_limit_of_the_table_is_watched_on_its_side():
    for column, row in CONDITIONS.items():
        if row.metric is None:
            assert column not in COLUMNS.condition
            continue
        beyond = row.limit + (5.0 if row.is_upper else -5.0)
        found = Watch().shows(row.delay_s + 0.08, **{row.metric.name: beyond})
        assert column in found, column
        assert not Watch().shows(row.delay_s + 0.08, **{row.metric.name: row.limit}) & {column}


# What is off -----------------------------------------------------------------------------------


def looked(reason: dict[Metric, Reason], silent: tuple[Signal, ...] = ()) -> set[Condition]:
    rows = np.zeros(len(Signal), ROW)
    now_ns = 10_000 * MS
    rows["heard_ns"] = now_ns
    rows["device"] = 1
    for signal in silent:
        rows["heard_ns"][signal] = now_ns - SILENCE_NS
    reasons = np.zeros((1, len(Metric)), np.uint8)
    for metric, why in reason.items():
        reasons[0, metric] = why
    begin_ns = np.zeros((1, len(C)), np.int64)
    technical.look(rows, reasons, now_ns, begin_ns)
    return {C(column) for column in np.flatnonzero(begin_ns[0])}


@pytest.mark.parametrize(
    ("condition", "metric"),
    [(condition, metric) for condition, both in technical.OFF.items() for metric in set(both)],
)
def test_what_is_off_is_said_by_its_number(condition: Condition, metric: Metric):
    assert looked({metric: Reason.LEAD_OFF}) == {condition}
    for why in (Reason.NEVER, Reason.LEARNING, Reason.ARTEFACT, Reason.PRESENT):
        assert looked({metric: why}) == set()


def test_a_device_that_is_silent_is_said_and_one_that_never_was_is_not():
    assert looked({}, (Signal.PLETH,)) == {C.FEED_SILENT}
    rows, begin_ns = np.zeros(len(Signal), ROW), np.zeros((1, len(C)), np.int64)
    technical.look(rows, np.zeros((1, len(Metric)), np.uint8), 10_000 * MS, begin_ns)
    assert not begin_ns.any()


# Breath ----------------------------------------------------------------------------------------


def test_an_apnoea_began_with_the_last_breath_and_ends_with_the_next():
    said = Evidence.of(1)
    reason = np.zeros((1, len(Metric)), np.uint8)
    event = np.zeros(1, EVENT)
    event["kind"], event["value"][0, 0] = Kind.APNOEA, 20.0
    now_ns = 100_000 * MS
    apnoea.hear(event, np.array([now_ns]), said.onset_ns)
    reason[0, Metric.RR] = Reason.NO_PULSE
    apnoea.judge(reason, now_ns, *said)
    assert said.holds[0, C.APNOEA]
    assert said.onset_ns[0, C.APNOEA] == now_ns - 20_000 * MS
    assert said.value[0, C.APNOEA] == 20.0
    reason[0, Metric.RR] = Reason.PRESENT
    apnoea.judge(reason, now_ns + TICK_NS, *said)
    assert not said.holds[0, C.APNOEA]
