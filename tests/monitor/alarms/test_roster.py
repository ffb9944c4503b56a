"""A ward's alerts under any evidence, any answers and any restart."""

import subprocess
import sys

import numpy as np
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from monitor.alarms import memory
from monitor.alarms.alert import PAUSE_S_MAX, Presence, Refusal, Verb
from monitor.alarms.condition import CONDITIONS, Condition, Evidence, Priority
from monitor.alarms.roster import SETTLE_NS, Roster
from monitor.alarms.setting import Setting

S = 1_000_000_000
BEDS = ("icu/1", "or/1")
C = Condition
CONDITIONS_TOLD = (C.ASYSTOLE, C.VF, C.DESATURATION, C.HR_HIGH, C.ECG_OFF, C.ROBOT_STOPPED)
AHEAD_NS = 1_700_000_000 * S


def evidence(*holding: tuple[int, Condition], onset_ns: int = 0) -> Evidence:
    found = Evidence.of(len(BEDS))
    for patient, condition in holding:
        found.holds[patient, condition] = True
        found.onset_ns[patient, condition] = onset_ns
    return found


def heard(roster: Roster) -> list:
    return list(iter(roster.next_event, None))


def test_what_begins_is_told_once_however_often_it_is_judged():
    roster = Roster(BEDS, 1)
    for now_s in (60, 61, 62):
        roster.judge(evidence((1, C.VF), onset_ns=50 * S), 60 * S, now_s * S)
    (said,) = heard(roster)
    assert (said.bed, said.seq, said.alert.onset_ns) == ("or/1", 1, 50 * S)


def test_no_onset_is_later_than_now():
    roster = Roster(BEDS, 1)
    roster.judge(evidence((0, C.VF), onset_ns=70 * S), 60 * S, 60 * S)
    assert heard(roster)[0].alert.onset_ns == 60 * S


def test_what_is_switched_off_ends_and_is_not_judged_until_it_is_on_again():
    roster = Roster(BEDS, 1)
    holding = evidence((0, C.HR_HIGH))
    roster.judge(holding, 60 * S, 60 * S)
    assert roster.set("icu/1", C.HR_HIGH, Setting(enabled=False), "desk") is Refusal.NONE
    roster.judge(holding, 61 * S, 61 * S)
    assert not roster.beds["icu/1"].alerts
    roster.set("icu/1", C.HR_HIGH, Setting(), "desk")
    roster.judge(holding, 62 * S, 62 * S)
    assert roster.beds["icu/1"].alerts[C.HR_HIGH].presence is Presence.ON


def test_a_judge_that_was_restarted_ends_nothing_until_it_has_heard_enough():
    roster = Roster(BEDS, 1)
    roster.judge(evidence((0, C.VF)), 60 * S, 60 * S)
    first = heard(roster)
    roster.judge(evidence(), 0, 61 * S)
    roster.judge(evidence((0, C.VF)), 10 * S, 71 * S)
    roster.judge(evidence(), SETTLE_NS - 1, 91 * S)
    assert heard(roster) == []
    roster.judge(evidence(), SETTLE_NS, 92 * S)
    (said,) = heard(roster)
    assert said.alert.presence is Presence.LATCH
    assert said.alert.id == first[0].alert.id


def test_what_is_new_needs_no_settled_judge():
    roster = Roster(BEDS, 1)
    roster.judge(evidence((0, C.VF)), 0, S)
    assert heard(roster)[0].alert.presence is Presence.ON


def test_a_robot_s_stop_is_not_the_judge_s_to_end():
    roster = Roster(BEDS, 1)
    roster.hear("or/1", C.ROBOT_STOPPED, True, S)
    roster.judge(evidence(), SETTLE_NS, 2 * S)
    (said,) = heard(roster)
    assert (said.bed, said.alert.condition) == ("or/1", C.ROBOT_STOPPED)
    roster.hear("or/1", C.ROBOT_STOPPED, False, 3 * S)
    assert heard(roster)[0].alert.presence is Presence.OFF


def test_refusals_have_names():
    roster = Roster(BEDS, 1)
    assert roster.acknowledge("icu/9", 1, "desk", "", 0) is Refusal.BED
    assert roster.acknowledge("icu/1", 1, "desk", "", 0) is Refusal.ALERT
    assert roster.pause("icu/1", PAUSE_S_MAX + 1, "desk", 0) is Refusal.PAUSE
    assert roster.set("icu/1", 200, Setting(), "desk") is Refusal.CONDITION
    assert roster.change("icu/1", "leave", "desk") is Refusal.VERB
    assert heard(roster) == []


class Ward(RuleBasedStateMachine):
    """Conditions come and go, people answer, the service is killed: what must hold holds."""

    @initialize()
    def opens(self):
        self.now_ns = 100 * S
        self.judged_ns = 100 * S
        self.roster = Roster(BEDS, 1)
        self.holding: set[tuple[int, Condition]] = set()
        self.told: dict[str, list] = {bed: [] for bed in BEDS}
        self.ids: set[int] = set()
        self.unanswered: dict[str, set[int]] = {bed: set() for bed in BEDS}

    @rule(
        what=st.sampled_from([(p, c) for p in range(len(BEDS)) for c in CONDITIONS_TOLD]),
        seconds=st.integers(0, 40),
    )
    def a_condition_comes_or_goes(self, what, seconds):
        self._goes_by(seconds)
        self.holding ^= {what}
        self._judges()

    @rule(bed=st.sampled_from(BEDS), which=st.integers(0, 5))
    def somebody_acknowledges(self, bed, which):
        alerts = sorted(self.roster.beds[bed].alerts.values())
        if alerts:
            alert = alerts[which % len(alerts)]
            refusal = self.roster.acknowledge(bed, alert.id, "desk", "", self.now_ns)
            assert (refusal is Refusal.NONE) == (alert.presence is not Presence.ACK)
            self.unanswered[bed].discard(alert.id)
        self._hears()

    @rule(bed=st.sampled_from(BEDS), seconds=st.integers(0, PAUSE_S_MAX))
    def somebody_pauses(self, bed, seconds):
        self.roster.pause(bed, seconds, "desk", self.now_ns)
        self._hears()

    @rule(bed=st.sampled_from(BEDS), enabled=st.booleans(), c=st.sampled_from(CONDITIONS_TOLD))
    def somebody_switches(self, bed, enabled, c):
        self.roster.set(bed, c, Setting(enabled=enabled), "desk")
        self._judges()

    @rule(bed=st.sampled_from(BEDS), verb=st.sampled_from(Verb))
    def the_patient_changes(self, bed, verb):
        self.roster.change(bed, verb, "desk")
        self.unanswered[bed].clear()
        self._judges()

    @rule(seconds=st.integers(0, 5))
    def the_service_is_killed_and_comes_back(self, seconds):
        kept = {bed: memory.write(self.roster.beds[bed], AHEAD_NS) for bed in BEDS}
        before = {bed: dict(self.roster.beds[bed].alerts) for bed in BEDS}
        self.now_ns += seconds * S
        self.judged_ns += seconds * S
        fresh = Roster(BEDS, max(self.ids, default=0) + 1000)
        for bed, data in kept.items():
            memory.read(fresh.beds[bed], data, AHEAD_NS, self.now_ns)
            assert fresh.beds[bed].alerts == before[bed]
        fresh.take_up(0)
        self.roster = fresh
        raised = len(self.ids)
        self._judges()
        assert len(self.ids) == raised, "nothing was raised anew"

    @precondition(lambda self: self.judged_ns >= SETTLE_NS)
    @rule()
    def the_judge_is_killed_and_knows_nothing_yet(self):
        before = {bed: dict(self.roster.beds[bed].alerts) for bed in BEDS}
        self.judged_ns = 0
        self.roster.judge(evidence(), 0, self.now_ns)
        self._hears()
        assert {bed: dict(self.roster.beds[bed].alerts) for bed in BEDS} == before
        self._judges()

    @invariant()
    def no_high_condition_that_holds_is_silent(self):
        for patient, condition in self.holding:
            if CONDITIONS[condition].priority is Priority.HIGH:
                assert self._presence(patient, condition) in (Presence.ON, Presence.ACK)

    @invariant()
    def nothing_unanswered_of_what_latches_disappears(self):
        for bed in BEDS:
            active = {alert.id for alert in self.roster.beds[bed].alerts.values()}
            assert self.unanswered[bed] <= active

    @invariant()
    def nothing_is_told_with_a_gap(self):
        for bed in BEDS:
            assert [said.seq for said in self.told[bed]] == [*range(1, len(self.told[bed]) + 1)]
        assert self.roster.total == sum(map(len, self.told.values()))

    @invariant()
    def no_pause_is_endless(self):
        for bed in self.roster.beds.values():
            assert bed.paused_until_ns <= self.now_ns + PAUSE_S_MAX * S

    def _presence(self, patient, condition):
        alert = self.roster.beds[BEDS[patient]].alerts.get(condition)
        return alert.presence if alert else Presence.OFF

    def _goes_by(self, seconds):
        self.now_ns += seconds * S
        self.judged_ns += seconds * S
        self.roster.handle_deadline(self.now_ns)
        self._hears()

    def _judges(self):
        self.roster.judge(evidence(*self.holding), self.judged_ns, self.now_ns)
        for patient, bed in enumerate(BEDS):
            stopped = (patient, C.ROBOT_STOPPED) in self.holding
            self.roster.hear(bed, C.ROBOT_STOPPED, stopped, self.now_ns)
        self._hears()

    def _hears(self):
        for said in heard(self.roster):
            self.told[said.bed].append(said)
            if said.alert is None:
                continue
            alert = said.alert
            if alert.presence is Presence.ON:
                assert alert.id not in self.ids, "an id is nobody else's"
                self.ids.add(alert.id)
                if CONDITIONS[alert.condition].latching:
                    self.unanswered[said.bed] -= {
                        each.alert.id
                        for each in self.told[said.bed]
                        if each.alert and each.alert.condition is alert.condition
                    }
                    self.unanswered[said.bed].add(alert.id)


TestWard = Ward.TestCase
TestWard.settings = settings(
    max_examples=30,
    stateful_step_count=25,
    deadline=None,
    phases=(Phase.reuse, Phase.generate, Phase.shrink),
)


def test_the_wards_evidence_is_left_as_it_was():
    roster, holding = Roster(BEDS, 1), evidence((0, C.HR_HIGH))
    roster.set("icu/1", C.HR_HIGH, Setting(enabled=False), "desk")
    roster.judge(holding, 0, S)
    assert np.argwhere(holding.holds).tolist() == [[0, C.HR_HIGH]]


def test_what_tells_alarms_starts_without_what_judges_them():
    program = "import sys, monitor.alarmd; print('numba' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert found.stdout.strip() == "False", found.stderr
