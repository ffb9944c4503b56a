"""Rhythms that one can die of are told, and soon; what another signal denies is not."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.alarms.condition import CONDITIONS, Condition, Priority
from monitor.messages import Signal
from monitor.sim.defects import Defect, Spoiled
from monitor.sim.patient import Episode, Heard, Patient, Script, make
from tests.monitor.alarms.stories import Told, first, held, tell, tracks_of

#: Whoever runs first compiles the kernels, which takes minutes on a busy machine.
pytestmark = pytest.mark.timeout(300)

C = Condition
BEFORE_S, LASTS_S, END_S = 15.0, 15.0, 35.0
MIXED = (Heard(("electrode", "muscle", "baseline"), 12.0),)
HIGH = {c for c, row in CONDITIONS.items() if row.priority is Priority.HIGH}


def episode(rhythm: str, heard: tuple[Heard, ...] = (), seed: int = 200) -> Patient:
    parts = (Episode("sinus", BEFORE_S), Episode(rhythm, LASTS_S), Episode("sinus", 5.0))
    return make(Script(parts, heard=heard), seed)


def spoiled(defect: Defect, lead: int = -1) -> Patient:
    whole = (Episode("sinus", END_S),)
    return make(Script(whole, spoiled=(Spoiled(defect, BEFORE_S, 30.0, lead),)), 200)


LETHAL = {
    "asystole": (C.ASYSTOLE, 5.0),
    "extreme-tachycardia": (C.EXTREME_TACHY, 7.0),
    "extreme-bradycardia": (C.EXTREME_BRADY, 12.0),
    "tachycardia-206": (C.VT, 7.0),
    "ventricular-fibrillation": (C.VF, 6.5),
}
HARMLESS = ("sinus", "ectopic", "bigeminy", "atrial-fibrillation")
SPOILED = (Defect.ZERO, Defect.FROZEN, Defect.MISSING, Defect.INFINITE, Defect.RAIL)


@pytest.fixture(scope="module")
def told() -> dict[str, list[Told]]:
    """A ward of everything, judged once."""
    patients = {
        **{name: episode(name) for name in (*LETHAL, *HARMLESS)},
        **{f"{name}, noisy": episode(name, MIXED) for name in (*LETHAL, *HARMLESS)},
        **{defect.name: spoiled(defect) for defect in SPOILED},
        "one lead off": spoiled(Defect.ZERO, 0),
        "speckled": spoiled(Defect.SPECKLED),
    }
    found = tell(tracks_of(list(patients.values())), END_S)
    return dict(zip(patients, found, strict=True))


@pytest.mark.parametrize("noise", ["", ", noisy"])
@pytest.mark.parametrize("rhythm", LETHAL)
def test_a_lethal_rhythm_is_told_in_time_with_its_begin(
    told: dict[str, list[Told]], rhythm: str, noise: str
):
    condition, within_s = LETHAL[rhythm]
    found = first(told[rhythm + noise], condition)
    assert found is not None
    assert BEFORE_S < found.t_s < BEFORE_S + within_s
    assert abs(found.onset_s - BEFORE_S) < 3.0
    assert found.onset_s <= found.t_s


@pytest.mark.parametrize("rhythm", LETHAL)
def test_it_is_told_as_nothing_else_and_ends(told: dict[str, list[Told]], rhythm: str):
    condition, _ = LETHAL[rhythm]
    assert held(told[rhythm]) & HIGH == {condition}
    assert [one.holds for one in told[rhythm] if one.condition is condition][-1] is False


@pytest.mark.parametrize("noise", ["", ", noisy"])
@pytest.mark.parametrize("rhythm", HARMLESS)
def test_other_rhythms_call_nobody_at_once(told: dict[str, list[Told]], rhythm: str, noise: str):
    assert not held(told[rhythm + noise]) & HIGH


@pytest.mark.parametrize("defect", SPOILED)
def test_a_cable_that_is_off_is_technical_and_no_asystole(
    told: dict[str, list[Told]], defect: Defect
):
    found = told[defect.name]
    off = first(found, C.ECG_OFF)
    assert off is not None
    assert off.t_s < BEFORE_S + 5.0
    assert not held(found) & HIGH
    assert [one.holds for one in found if one.condition is C.ECG_OFF] == [True, False]


def test_one_lead_that_is_off_is_carried_by_the_others(told: dict[str, list[Told]]):
    assert not held(told["one lead off"]) & (HIGH | {C.ECG_OFF})
    assert not held(told["speckled"]) & (HIGH | {C.ECG_OFF})


def test_a_pulse_denies_asystole_and_fibrillation_and_that_is_told():
    still, wavy = episode("asystole"), episode("ventricular-fibrillation")
    well = episode("sinus")
    tracks = dict(tracks_of([still, wavy]))
    for signal in (Signal.PLETH, Signal.RED, Signal.ABP):
        tracks[signal] = np.repeat(tracks_of([well])[signal], 2, axis=0)
    for found in tell(tracks, 30.0):
        assert not held(found) & {C.ASYSTOLE, C.VF}
        suspended = first(found, C.ECG_SUSPENDED)
        assert suspended is not None
        assert suspended.t_s > BEFORE_S


def test_without_any_pulse_signal_the_ecg_is_enough():
    patients = [episode(rhythm) for rhythm in LETHAL]
    tracks = {s: x for s, x in tracks_of(patients).items() if s <= Signal.ECG_3}
    for found, (condition, _) in zip(tell(tracks, 30.0), LETHAL.values(), strict=True):
        assert first(found, condition) is not None


def test_a_tachycardia_with_a_pulse_is_one():
    """Its pulses are generated with it, and are seen: VT is never denied by a pulse alone."""
    fast = make(Script((Episode("sinus", BEFORE_S), Episode("tachycardia-195", 15.0, 150.0))), 200)
    found = tell(tracks_of([fast]), 30.0)[0]
    assert C.VT in held(found)
    assert C.PR_HIGH in held(found)


def test_an_amplifier_at_its_rail_is_waited_for():
    well = make(Script((Episode("sinus", 30.0),)), 200, leads=("II", "V5", "V1"))
    x = well.ecg.copy()
    blocked = slice(15 * 250, 20 * 250)
    away = np.arange(5 * 250) / 250
    x[:, blocked] = -5.0 * np.exp(-away / 2.5)[None] + 0.002 * x[:, blocked]
    x[:, 15 * 250 : 15 * 250 + 125] = -5.12
    tracks = {Signal(k): x[k : k + 1].astype(np.float32) for k in range(3)}
    found = tell(tracks, 30.0)[0]
    assert not held(found) & HIGH
    assert C.ECG_SUSPENDED in held(found)
