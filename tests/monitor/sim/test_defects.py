"""What is spoiled is spoiled where the script says, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.sim import splices
from monitor.sim.defects import RAIL_MV, Defect, Spoiled, spikes, spoil
from monitor.sim.patient import Episode, Pace, Script, make
from monitor.sim.scripts import SCRIPTS
from monitor.vitals.events import Label

RATE_HZ = 250.0
X = np.sin(np.arange(2500) / 40.0) + 1.5
CHECKS = {
    Defect.MISSING: lambda part: np.isnan(part).all(),
    Defect.ZERO: lambda part: (part == 0.0).all(),
    Defect.FROZEN: lambda part: (part == X[499]).all(),
    Defect.RAIL: lambda part: (part == RAIL_MV).all(),
    Defect.CLIPPED: lambda part: part.max() == pytest.approx(0.5 * X[500:1000].max()),
    Defect.SPECKLED: lambda part: 0 < np.isnan(part).sum() < 30,
    Defect.INFINITE: lambda part: np.isinf(part).all(),
}


@pytest.mark.parametrize("defect", Defect)
def test_a_defect_is_where_it_is_said_and_what_it_is_called(defect: Defect):
    spoiled = spoil(X, Spoiled(defect, 2.0, 4.0), RATE_HZ, np.random.default_rng(1))
    assert np.array_equal(spoiled[:500], X[:500])
    assert np.array_equal(spoiled[1000:], X[1000:])
    assert CHECKS[defect](spoiled[500:1000])


def test_a_defect_beyond_the_end_spoils_nothing():
    rng = np.random.default_rng(1)
    assert np.array_equal(spoil(X, Spoiled(Defect.RAIL, 20.0, 30.0), RATE_HZ, rng), X)


def test_one_lead_is_spoiled_and_the_others_go_on():
    patient, clean = make(SCRIPTS["one-lead-off"], 1), make(SCRIPTS["sinus"], 1)
    off = slice(40 * 250, 55 * 250)
    assert (patient.ecg[0, off] == 0.0).all()
    assert np.ptp(patient.ecg[1, off]) > 0.3
    # The truth goes on as if nothing had happened.
    same = patient.truth.beats.at_s[:50] == clean.truth.beats.at_s[:50]
    assert same.all()


@pytest.mark.parametrize("rate_hz", [250.0, 500.0, 1000.0])
@pytest.mark.parametrize("width_ms", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("begin_s", [1.0, 1.0013, 1.9999])
def test_a_converter_sees_all_of_a_pulse_however_short(
    rate_hz: float, width_ms: float, begin_s: float
):
    drawn = spikes(int(3 * rate_hz), rate_hz, np.array([begin_s]), -700.0, width_ms)
    assert drawn.sum() / rate_hz == pytest.approx(-700.0 * width_ms / 1e3)
    assert np.count_nonzero(drawn) <= width_ms / 1e3 * rate_hz + 2


def test_pulses_of_a_pacemaker_come_before_the_beats_that_they_make():
    script = Script((Episode("paced", 30.0),), pace=Pace(700.0, 2.0))
    patient = make(script, 1, leads=("II",))
    high = np.flatnonzero(patient.ecg[0] > 50.0) / 250.0
    pulses_s = high[np.diff(high, prepend=-1.0) > 0.1]
    assert pulses_s == pytest.approx(patient.truth.beats.at_s - 0.05, abs=0.005)
    assert patient.truth.paced_s == pytest.approx(patient.truth.beats.at_s - 0.05)


def test_a_beat_that_is_cut_out_and_placed_is_the_beat_that_it_was():
    patient = make(SCRIPTS["bidirectional-90"], 1, leads=("II",))
    lead = patient.ecg[0]
    at = np.round(patient.truth.beats.at_s * 250).astype(np.int64)[::2]
    snippets = splices.cut(lead, at, 250.0, height_mv=2.0)
    assert len(snippets) == len(at[(at >= 40) & (at + 100 <= len(lead))])
    for piece in snippets:
        assert np.ptp(piece) == pytest.approx(2.0)
        assert abs(piece[0]) < 0.01
        assert abs(piece[-1]) < 0.01
    rng = np.random.default_rng(1)
    placed = splices.placed(snippets, 250.0, np.array([1.0, 2.0]), 500.0, 1500, rng)
    assert np.ptp(placed[400:800]) == pytest.approx(2.0, rel=0.02)
    assert np.abs(placed[:415]).max() < 0.01
    # Its R wave is where it was asked for.
    top = 415 + int(np.argmax(np.abs(placed[415:580])))
    assert top / 500.0 == pytest.approx(1.0, abs=0.03)


def test_beats_at_an_edge_or_with_a_hole_are_not_cut():
    lead = make(SCRIPTS["bigeminy-80"], 1, leads=("II",)).ecg[0].copy()
    lead[500] = np.nan
    assert splices.cut(lead, np.array([3, 490, len(lead) - 5]), 250.0) == []
    assert len(splices.cut(lead, np.arange(1000, 12_000, 50), 250.0)) == splices.SNIPPETS_MAX


def test_a_tachycardia_may_be_made_of_somebodys_own_beats():
    somebody = make(SCRIPTS["bigeminy-80"], 3, leads=("II",))
    broad = somebody.truth.beats.label == Label.VENTRICULAR
    at = np.round(somebody.truth.beats.at_s[broad] * 250).astype(np.int64)
    real = splices.Real(splices.cut(somebody.ecg[0], at, 250.0, height_mv=1.5), 250.0)
    script = SCRIPTS["tachycardia-195"]
    spliced, drawn = make(script, 1, real=real), make(script, 1)
    before, running = slice(0, 59 * 250), slice(62 * 250, 88 * 250)
    assert np.array_equal(spliced.ecg[:, before], drawn.ecg[:, before])
    assert spliced.truth.beats.at_s.tobytes() == drawn.truth.beats.at_s.tobytes()
    assert 0.7 < np.ptp(spliced.ecg[0, running]) < 2.2  # beats run into each other, and add up
    assert spliced.ecg[0, running].tobytes() != drawn.ecg[0, running].tobytes()
    assert make(script, 1, real=real).ecg.tobytes() == spliced.ecg.tobytes()
