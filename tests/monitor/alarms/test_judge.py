"""A judge keeps patients apart, forgets who changed, and goes on where another stopped."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.alarms.condition import Condition
from monitor.alarms.judge import Judge
from monitor.engine import TICK_NS
from monitor.messages import Signal
from monitor.sim.patient import Episode, Script, make
from monitor.sim.ward import Tracks, ward
from tests.monitor.alarms.stories import advance, is_same, tracks_of

pytestmark = pytest.mark.timeout(300)

C = Condition
RHYTHMS = ("asystole", "ventricular-fibrillation", "tachycardia-206", "atrial-fibrillation")
HALF_S = 12.0


@pytest.fixture(scope="module")
def tracks() -> Tracks:
    scripts = [Script((Episode("sinus", 10.0), Episode(rhythm, 15.0))) for rhythm in RHYTHMS]
    return tracks_of([make(script, 300) for script in scripts])


def some(tracks: Tracks, who: list[int]) -> Tracks:
    return {signal: x[who] for signal, x in tracks.items()}


def judged(tracks: Tracks, seconds: float = 2 * HALF_S) -> Judge:
    engine = ward(tracks)
    judge = Judge(len(engine.beds))
    advance(engine, judge, seconds)
    return judge


def test_who_else_is_there_and_in_which_order_changes_nothing(tracks: Tracks):
    order = [2, 0, 3, 1]
    whole, turned, alone = judged(tracks), judged(some(tracks, order)), judged(some(tracks, [1]))
    assert whole.evidence.holds[:3, :3].any(axis=1).all()  # there is something to compare
    for a, b, c in zip(whole.memory(), turned.memory(), alone.memory(), strict=True):
        assert is_same(a[order], b)
        assert is_same(a[1:2], c)


def test_what_is_remembered_can_be_put_into_another_judge(tracks: Tracks):
    engine, before = ward(tracks), Judge(len(RHYTHMS))
    advance(engine, before, HALF_S)
    before.limits.limit[0, C.HR_HIGH] = 77.0
    after = Judge(len(RHYTHMS))
    after.restore(before.memory())
    assert after.limits.limit[0, C.HR_HIGH] == 77.0
    for _ in range(round(HALF_S * 1e9) // TICK_NS):
        now_ns = engine.next_deadline_ns()
        engine.handle_deadline(now_ns)
        before.tick(engine, now_ns)
        after.tick(engine, now_ns)
    assert before.evidence.holds.any()
    for mine, other in zip(before.memory(), after.memory(), strict=True):
        assert is_same(mine, other)


def test_memory_of_another_ward_is_refused():
    with pytest.raises(AssertionError, match="other patients"):
        Judge(2).restore(Judge(3).memory())


def test_a_patient_whose_device_changed_is_judged_anew_and_keeps_its_limits(tracks: Tracks):
    engine, judge = ward(tracks), Judge(len(RHYTHMS))
    advance(engine, judge, 2 * HALF_S)
    judge.limits.limit[1, C.HR_HIGH] = 99.0
    others = [0, 2, 3]
    kept = judge.memory()
    judge.reset(1)
    assert not judge.evidence.holds[1].any()
    assert judge.limits.limit[1, C.HR_HIGH] == 99.0
    assert all(
        is_same(now[others], then[others]) for now, then in zip(judge.memory(), kept, strict=True)
    )
    fresh = Judge(1)
    for mine, other in zip(judge.memory()[2:], fresh.memory()[2:], strict=True):
        assert is_same(mine[1:2], other)


def test_what_the_engine_says_changed_is_reset(tracks: Tracks):
    engine, judge = ward(tracks), Judge(len(RHYTHMS))
    advance(engine, judge, 2 * HALF_S)
    assert judge.evidence.holds[0, C.ASYSTOLE]
    now_ns = engine.next_deadline_ns()
    engine.handle_deadline(now_ns)
    engine.changed = [0]
    assert not judge.tick(engine, now_ns).holds[0, C.ASYSTOLE]
    assert judge.evidence.holds[1, C.VF]


def test_gaps_poison_nothing(tracks: Tracks):
    rng = np.random.default_rng(1)
    holed = {signal: x.copy() for signal, x in some(tracks, [0]).items()}
    for x in holed.values():
        x[:, rng.random(x.shape[1]) < 0.02] = np.nan
        x[:, x.shape[1] // 5 : x.shape[1] // 5 + 60] = np.inf
    judge = judged(holed)
    assert judge.evidence.holds[0, C.ASYSTOLE]
    begin = judge.evidence.onset_ns[0, C.ASYSTOLE]
    assert 8e9 < begin < 11e9


def test_what_is_not_enabled_never_holds(tracks: Tracks):
    engine, judge = ward(some(tracks, [0])), Judge(1)
    judge.limits.enabled[0, C.ASYSTOLE] = False
    advance(engine, judge, 2 * HALF_S)
    assert not judge.evidence.holds[0, C.ASYSTOLE]


def test_a_standstill_of_the_machine_is_nobodys_asystole():
    tracks = tracks_of([make(Script((Episode("sinus", 30.0),)), 300)])
    engine, judge = ward(tracks), Judge(1)
    advance(engine, judge, 15.0)
    late_ns = engine.next_deadline_ns() + 6_000_000_000
    assert engine.handle_deadline(late_ns)
    judge.tick(engine, engine.next_deadline_ns() - TICK_NS)
    assert engine.skipped > 100
    found = advance(engine, judge, 10.0)[0]
    assert not {C.ASYSTOLE, C.EXTREME_BRADY} & {one.condition for one in found}


@pytest.mark.parametrize("leads", [1, 2])
def test_a_ward_of_fewer_leads_is_judged(tracks: Tracks, leads: int):
    fewer = {s: x for s, x in some(tracks, [0]).items() if s > Signal.ECG_3 or s < leads}
    engine = ward(fewer)
    judge = Judge(1, 3)
    advance(engine, judge, 2 * HALF_S)
    assert judge.evidence.holds[0, C.ASYSTOLE]
