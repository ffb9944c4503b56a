"""A robot changes hands: offered, held, confirmed by both, asked for, and only then another's."""

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from safety import handover
from safety.authority import Authority
from safety.grant import (
    VOCABULARY,
    Acceptance,
    Denied,
    Grant,
    Granted,
    GrantError,
    Release,
    Request,
    Revoke,
    Role,
    public_point,
    verify,
)
from safety.handover import LISTED_MAX, Confirm, Observe, Offer, Standing, Vouch, Withdraw
from safety.herald import BACKLOG, CEILING_TTL_MS
from safety.messages import NO_SESSION, Ceiling, Event
from safety.seat import CEILING_NS, HANDOVER_NS_MAX, PRESENCE_NS, TABLE, Act, Phase, Seat
from safety.state import Cause, State
from tests.safety.test_authority import T0, Desk, boot
from tests.world.rig import NODE, ROBOT, SIGNER, p256
from transport.wire.codec import Registry

REGISTRY = Registry(VOCABULARY, handover.VOCABULARY, (Ceiling,))
S = 1_000_000_000


class Ward(Desk):
    """A desk in words: who says what, and what is said then."""

    def all(self, answers):
        return [(answer.to, REGISTRY.decode(answer.data)) for answer in answers]

    def offer(self, to="other", console="surgeon", session=None):
        session = session or self.authority.holders[ROBOT].session
        return self.all(self.authority.offered(console, Offer(56, session, to), self.now_ns))

    def confirm(self, console):
        return self.all(self.authority.confirmed(console, Confirm(57, ROBOT), self.now_ns))

    def withdraw(self, console):
        return self.all(self.authority.withdrawn(console, Withdraw(58, ROBOT), self.now_ns))

    def vouch(self, console, boot_id=None):
        vouch = Vouch(60, ROBOT, boot_id or boot().boot, console)
        return self.all(self.authority.vouched(ROBOT, vouch, self.now_ns))

    def answers(self, grant, *, accepted=True):
        acceptance = Acceptance(53, grant.session, grant.epoch, accepted, "why")
        return self.all(self.authority.answered(ROBOT, acceptance, self.now_ns))

    def agreed(self):
        """Offered, and confirmed by both."""
        grant = self.give()
        self.offer()
        self.confirm("surgeon")
        self.confirm("other")
        return grant

    def wait(self, ns):
        self.now_ns += ns
        return self.all(self.authority.handle_deadline(self.now_ns))

    @property
    def seat(self):
        return self.authority._seats[ROBOT]

    def acts(self):
        found = []
        while (done := self.authority.next_event()) is not None:
            found.append((done.act, done.actor, done.outcome))
        return found


@pytest.fixture
def ward():
    return Ward()


def ceiling(state):
    return (ROBOT, Ceiling(19, "session", ROBOT, state, "hand-over", CEILING_TTL_MS))


def test_the_robot_is_told_to_hold_before_anybody_hears_of_the_hand_over(ward):
    ward.give()
    first, *told = ward.offer()
    assert first == ceiling(State.HOLD)
    assert [to for to, _ in told] == ["surgeon", "other"]
    standing = told[0][1]
    assert (standing.phase, standing.holder, standing.to) == (Phase.HANDOVER, "surgeon", "other")
    assert standing.why == f"surgeon offers {ROBOT} to other"


def test_after_both_have_confirmed_the_new_one_is_granted_with_the_next_epoch(ward):
    before = ward.agreed()
    robot, grant = ward.ask("other")
    assert (robot, grant.console, grant.epoch) == (ROBOT, "other", before.epoch + 1)
    assert ward.authority.holders[ROBOT].console == "surgeon", "until the robot says yes"
    (to, granted), lifted, *told = ward.answers(grant)
    assert (to, type(granted)) == ("other", Granted)
    assert lifted == ceiling(State.ENGAGED)
    assert [(to, s.holder) for to, s in told] == [("surgeon", "other"), ("other", "other")]
    assert ward.authority.holders[ROBOT].console == "other"
    assert ward.acts()[-2:] == [("grant", "other", "done"), ("handover", "surgeon", "done")]


@pytest.mark.parametrize(
    ("confirmed", "missing"),
    [([], "other"), (["surgeon"], "other"), (["other"], "surgeon")],
)
def test_before_both_have_confirmed_the_new_one_is_denied_and_told_who_is_missing(
    ward, confirmed, missing
):
    ward.give()
    ward.offer()
    for console in confirmed:
        ward.confirm(console)
    _, denied = ward.ask("other", replace=True)
    assert denied.reason == f"{missing} has not confirmed the hand-over"


def test_meanwhile_nobody_else_gets_it_not_even_its_holder_anew(ward):
    ward.agreed()
    _, denied = ward.ask("surgeon", replace=True)
    assert denied.reason == f"{ROBOT} is being handed over to other"


def test_who_is_not_part_of_it_neither_confirms_nor_withdraws(ward):
    ward.give()
    assert ward.confirm("surgeon") == [], "nothing was offered"
    ward.offer()
    assert ward.confirm("third") == ward.withdraw("third") == []
    assert ward.authority.confirmed("other", Confirm(57, "psm9"), T0) == []
    assert ward.authority.withdrawn("other", Withdraw(58, "psm9"), T0) == []


def test_only_the_holder_offers_and_not_to_itself_nor_twice(ward):
    ward.give()
    assert ward.offer(console="other", to="third") == []
    assert ward.offer(session=b"another1") == []
    assert ward.offer(to="surgeon") == []
    assert ward.offer()
    assert ward.offer(to="third") == []


@pytest.mark.parametrize("console", ["surgeon", "other"])
def test_either_may_withdraw_and_the_holder_keeps_it(ward, console):
    ward.agreed()
    lifted, *told = ward.withdraw(console)
    assert lifted == ceiling(State.ENGAGED)
    assert {to: s.holder for to, s in told} == {"surgeon": "surgeon", "other": "surgeon"}
    _, denied = ward.ask("other")
    assert denied.reason == f"{ROBOT} is held by surgeon"


def test_once_its_grant_is_with_the_robot_nobody_withdraws(ward):
    ward.agreed()
    _, grant = ward.ask("other")
    assert ward.withdraw("surgeon") == []
    assert ward.answers(grant)[0][0] == "other"


def test_the_ceiling_is_said_again_as_long_as_it_stands_and_lapses_without_us(ward):
    ward.give()
    ward.offer()
    assert ward.authority.next_deadline_ns() == T0 + CEILING_NS
    assert ward.wait(CEILING_NS - 1) == []
    assert ward.wait(1) == [ceiling(State.HOLD)]
    assert CEILING_NS * 3 < CEILING_TTL_MS * 1_000_000


def test_what_nobody_agrees_upon_in_time_is_off(ward):
    ward.give()
    ward.offer()
    lifted, *told = ward.wait(HANDOVER_NS_MAX)
    assert lifted == ceiling(State.ENGAGED)
    assert told[0][1].why == "nobody agreed in time"
    assert ward.authority.holders[ROBOT].console == "surgeon"


@pytest.mark.parametrize("how", ["refuses", "is silent"])
def test_if_the_robot_does_not_take_the_next_grant_the_holder_keeps_it(ward, how):
    ward.agreed()
    _, grant = ward.ask("other")
    said = ward.answers(grant, accepted=False) if how == "refuses" else ward.wait(2 * S)
    assert [type(m) for _, m in said if isinstance(m, Denied)] == [Denied]
    assert ceiling(State.ENGAGED) in said
    assert ward.authority.holders[ROBOT].console == "surgeon"
    assert ward.seat.phase is Phase.GRANTED


def test_a_session_that_ends_meanwhile_leaves_the_next_grant_under_way(ward):
    """The robot ends the old session first, and says so, before it says yes to the new one."""
    ward.agreed()
    _, grant = ward.ask("other")
    assert ward.all(ward.authority.introduced(boot(), T0)) == []
    assert ward.authority.holders == {}
    assert ward.seat.phase is Phase.REQUESTED
    (to, _), lifted, *_ = ward.answers(grant)
    assert (to, lifted) == ("other", ceiling(State.ENGAGED))
    assert ("expire", "surgeon", "done") not in ward.acts()


def test_a_holder_that_gives_it_back_ends_the_hand_over_too(ward):
    grant = ward.agreed()
    answers = ward.all(ward.authority.released("surgeon", Release(54, grant.session), T0))
    assert answers[:2] == [(ROBOT, Revoke(55, grant.session, "released")), ceiling(State.ENGAGED)]
    assert isinstance(ward.ask("other")[1], Grant), "it is free"


def test_a_revoked_key_ends_what_its_console_was_part_of(ward):
    ward.agreed()
    lifted, *told = ward.all(ward.authority.revoked("other", T0))
    assert lifted == ceiling(State.ENGAGED)
    assert told[0][1].why == "other has no valid key"
    assert ward.authority.consoles == {"surgeon"}


def test_a_key_that_is_revoked_while_its_grant_is_with_the_robot_voids_the_grant(ward):
    _, grant = ward.ask()
    assert ward.authority.consoles == {"surgeon"}
    (robot, revoke), (to, denied) = ward.all(ward.authority.revoked("surgeon", T0))
    assert (robot, revoke.session) == (ROBOT, grant.session)
    assert (to, denied.reason) == ("surgeon", "key revoked")
    assert ward.answers(grant) == [], "its yes makes nobody a holder"


def test_the_ceiling_is_said_again_just_before_the_grant_when_that_leaves(ward):
    """While the store was written the ceiling lapsed, or the line that bore it broke."""
    ward.agreed()
    (waits,) = ward.authority.request("other", "console", a_request(), b"sess0009", ward.now_ns)
    ward.now_ns += S
    hold, grant = ward.authority.due(waits, ward.now_ns)
    assert ward.all([hold]) == [ceiling(State.HOLD)]
    assert grant is waits
    assert ward.authority.next_deadline_ns() == ward.now_ns + CEILING_NS


# The bedside -------------------------------------------------------------------------------------


def test_the_bedside_breaks_the_glass_and_holds_the_robot_first(ward):
    ward.give()
    ward.acts()
    first, *told = ward.vouch("other")
    assert first == ceiling(State.HOLD)
    assert told[0][1].why == f"the bedside gives {ROBOT} to other"
    assert ward.acts() == [("break_glass", f"bedside of {ROBOT}", "done")]
    _, denied = ward.ask("other")
    assert denied.reason == "other has not confirmed the hand-over", "the bedside stands for one"
    ward.confirm("other")
    assert isinstance(ward.ask("other")[1], Grant)


def test_the_bedside_confirms_what_the_holder_offered(ward):
    ward.give()
    ward.offer()
    ward.acts()
    ward.vouch("other")
    assert ward.acts() == [("confirm", f"bedside of {ROBOT}", "done")]
    ward.confirm("other")
    assert isinstance(ward.ask("other")[1], Grant)


def test_the_bedside_may_give_it_to_another_than_was_offered(ward):
    ward.agreed()
    ward.vouch("third")
    assert ward.seat.handover.to == "third"
    assert ward.seat.handover.confirmed == {"surgeon"}
    assert ward.ask("other")[1].reason == f"{ROBOT} is being handed over to third"


@pytest.mark.parametrize("state", ["free", "passing", "itself", "another boot", "no robot"])
def test_a_word_of_the_bedside_that_changes_nothing(state):
    ward = Ward(robots=() if state == "no robot" else (ROBOT,))
    if state not in ("free", "no robot"):
        ward.give()
    if state == "passing":
        ward.ask(replace=True)
    before = ward.authority.holders
    ward.acts()
    said = ward.vouch(
        "surgeon" if state == "itself" else "other", bytes(8) if state == "another boot" else None
    )
    assert said == []
    assert ward.authority.holders == before
    told = state in ("free", "passing", "itself")
    assert ward.acts() == [("break_glass", f"bedside of {ROBOT}", "refused")] * told


# Who waits, who looks on -------------------------------------------------------------------------


def test_who_is_refused_waits_until_it_asks_no_more_or_is_granted(ward):
    grant = ward.give()
    ward.acts()
    for _ in range(3):
        ward.ask("other")
    assert ward.acts() == [("deny", "other", "refused")], "what is repeated is recorded once"
    assert [row.waiting for row in ward.authority.to_store()] == [("other",)]
    ward.wait(PRESENCE_NS)
    assert [row.waiting for row in ward.authority.to_store()] == [()]
    ward.ask("other")
    ward.authority.released("surgeon", Release(54, grant.session), ward.now_ns)
    ward.give("other")
    assert ward.authority.to_store()[-1].waiting == ()


def test_no_more_wait_by_name_than_can_be_listed(ward):
    ward.give()
    for number in range(LISTED_MAX + 3):
        ward.seat.wait(f"console{number}", "held", T0)
    assert len(ward.authority.to_store()[0].waiting) == LISTED_MAX


def test_observers_are_listed_without_limit_told_and_forgotten(ward):
    ward.give()
    for number in range(LISTED_MAX + 1):
        (told,) = ward.all(ward.authority.observed(f"student{number}", Observe(61, ROBOT), T0))
    to, standing = told
    assert (to, standing.holder, len(standing.observers)) == ("student16", "surgeon", LISTED_MAX)
    assert len(ward.authority.to_store()[0].observers) == LISTED_MAX + 1
    acts = ward.acts()
    ward.authority.observed("student0", Observe(61, ROBOT), T0 + PRESENCE_NS - 1)
    assert ward.acts() == [], "and it is recorded once"
    assert acts[-1] == ("observe", "student16", "done")
    ward.wait(PRESENCE_NS)
    assert ward.authority.to_store()[0].observers == ("student0",)
    assert ward.authority.observed("student", Observe(61, "psm9"), T0) == []


def test_a_standing_says_since_when_and_how_long_still(ward):
    ward.give()
    ward.now_ns += 90 * S
    ((_, standing),) = ward.all(ward.authority.observed("nurse", Observe(61, ROBOT), ward.now_ns))
    assert (standing.held_ms, standing.left_s) == (90_000, 24 * 3600 - 90)
    free = Ward()
    ((_, standing),) = free.all(free.authority.observed("nurse", Observe(61, ROBOT), T0))
    assert standing == Standing(59, ROBOT, Phase.FREE, "", 0, 0, 0, "", (), (), ("nurse",), "")


# Beds --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bound", "meant", "reason"),
    [
        ("or-3", "or-4", f"{ROBOT} stands at bed 'or-3', and bed 'or-4' was asked for"),
        ("or-3", "", f"{ROBOT} stands at bed 'or-3', and no bed was asked for"),
        ("", "or-3", f"{ROBOT} stands at no bed, and bed 'or-3' was asked for"),
    ],
)
def test_who_means_another_bed_is_refused(ward, bound, meant, reason):
    ward.introduces(boot(bed=bound))
    assert ward.ask(bed=meant)[1].reason == reason


def test_a_grant_names_the_bed_and_binding_one_is_an_act(ward):
    ward.introduces(boot(bed="or-3"))
    ward.introduces(boot(bed="or-3"))
    assert ward.acts() == [("bind", f"bedside of {ROBOT}", "done")]
    assert ward.ask(bed="or-3")[1].bed == "or-3"


def test_no_patient_is_in_what_is_stored_told_or_recorded(ward):
    ward.introduces(msgspec.structs.replace(boot(bed="or-3"), patient="p-0042"))
    ward.give(bed="or-3")
    ward.offer()
    said = repr([ward.authority.to_store(), list(ward.authority._herald.acts)])
    said += repr(ward.all(ward.authority.observed("nurse", Observe(61, ROBOT), T0)))
    assert "or-3" in said
    assert "p-0042" not in said


# What is remembered ------------------------------------------------------------------------------


def after_a_crash(ward, session=NO_SESSION):
    """Come up anew with what was in the store; the robot says whom it serves."""
    rows = ward.authority.to_store()
    again = Ward(robots=())
    again.authority = Authority(NODE, SIGNER, ward.authority.epoch, rows=rows)
    again.introduces(boot(epoch_max=ward.authority.epoch, session=session))
    return again


def test_a_holder_is_remembered_if_the_robot_still_serves_it(ward):
    grant = ward.give()
    again = after_a_crash(ward, grant.session)
    assert again.authority.holders[ROBOT].console == "surgeon"
    assert again.ask("other", replace=True)[1].reason == f"{ROBOT} is held by surgeon"
    to, revoke = again.read(again.authority.released("surgeon", Release(54, grant.session), T0))
    assert (to, revoke.session) == (ROBOT, grant.session), "and may give it back"


def test_a_grant_that_was_under_way_is_its_consoles_if_the_robot_took_it(ward):
    _, grant = ward.ask()
    again = after_a_crash(ward, grant.session)
    assert again.authority.holders[ROBOT].console == "surgeon"


def test_a_holder_is_forgotten_if_the_robot_serves_nobody(ward):
    ward.give()
    again = after_a_crash(ward)
    assert again.authority.holders == {}
    assert isinstance(again.ask("other")[1], Grant)


def test_a_hand_over_is_not_remembered_and_must_be_agreed_anew(ward):
    grant = ward.agreed()
    again = after_a_crash(ward, grant.session)
    assert again.seat.phase is Phase.GRANTED
    assert again.ask("other")[1].reason == f"{ROBOT} is held by surgeon"


def test_what_could_not_be_stored_is_denied_and_stored_later(ward):
    ward.authority.to_store()
    _, grant = ward.ask()
    (row,) = ward.authority.to_store()
    assert (row.claims, row.next.session) == (True, grant.session)
    answers = ward.all(ward.authority.not_stored(row, "the store is locked", T0))
    assert [(to, m.reason) for to, m in answers] == [("surgeon", "the store is locked")]
    assert ward.answers(grant) == []
    (row,) = ward.authority.to_store()
    assert (row.phase, row.claims, row.epoch) == (Phase.FREE, False, grant.epoch)
    assert ward.authority.not_stored(row, "still locked", T0) == []
    assert ward.authority.to_store() == [row]


def test_a_grant_that_waits_for_the_store_is_only_sent_while_it_is_meant(ward):
    answers = ward.authority.request("surgeon", "console", a_request(), b"sess0001", T0)
    (waits,) = answers
    assert waits.waits
    assert ward.authority.due(waits, T0) == [waits]
    ward.wait(2 * S)
    assert ward.authority.due(waits, T0 + 2 * S) == []
    assert ward.authority.due(waits._replace(to="psm9"), T0) == []


def a_request():
    point = public_point(p256(11))
    return Request(49, b"request1", ROBOT, Role.SURGEON, point, 1, 1000, 0.5, False, "")


@pytest.mark.parametrize(
    ("cause", "act"), [(Cause.EXPIRED, "expire"), (Cause.LONG_SILENCE, "revoke")]
)
def test_a_session_that_the_robot_ends_is_recorded_by_why(ward, cause, act):
    grant = ward.give()
    ward.introduces(boot(session=grant.session))
    ward.acts()
    for robot, said in ((ROBOT, cause), ("psm9", cause), (ROBOT, 255)):
        ward.authority.heard(Event(18, robot, bytes(8), 1, 1, 7, 3, said, 1))
    ward.introduces(boot())
    assert ward.acts() == [(act, "surgeon", "done")]


def test_the_backlog_of_acts_is_bounded(ward):
    for _ in range(BACKLOG + 10):
        ward.ask("surgeon", bed="nowhere", robot="psm9")
    assert len(ward.acts()) == BACKLOG


# The table ---------------------------------------------------------------------------------------


def test_every_phase_has_its_row_and_an_act_without_one_changes_nothing():
    assert set(TABLE) == set(Phase)
    for phase in Phase:
        for act in Act:
            seat = Seat(ROBOT)
            seat.phase = phase
            known = act in TABLE[phase]
            assert seat.act(act) is known
            assert seat.phase is TABLE[phase].get(act, phase)


def test_somebody_holds_it_in_granted_handover_and_passing_and_in_no_other_phase():
    """Follow every path of the table: who has it changes by YES and END alone."""
    held = {Phase.GRANTED, Phase.HANDOVER, Phase.PASSING}
    for before, row in TABLE.items():
        for act, after in row.items():
            if (before in held) != (after in held):
                assert act in (Act.YES, Act.END)


def test_another_key_signs_from_the_moment_it_is_given(ward):
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    ward.authority.sign_with(other)
    (answer,) = ward.authority.request("surgeon", "console", a_request(), b"sess0001", T0)
    verify(answer.data, other.public_key())
    with pytest.raises(GrantError):
        verify(answer.data, SIGNER.public_key())
