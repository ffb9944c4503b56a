"""What a robot does about who holds it: beds, signers that change, and a glass that is broken."""

import pytest

from safety.bedside import Bind, Override
from safety.grant import Acceptance, Boot, Revoke
from safety.handover import Vouch
from safety.messages import NO_SESSION, Ceiling
from safety.signers import succeed
from safety.state import Cause, State
from tests.world.rig import NODE, ROBOT, SIGNER, STRANGER, Rig


def told(rig, kind):
    return [message for message in rig.told if isinstance(message, kind)]


@pytest.fixture
def rig():
    rig = Rig(ceilings={"session": "none"})
    rig.measure()
    return rig


def test_a_robot_says_where_it_stands_and_for_whom_as_soon_as_it_is_bound(rig):
    assert rig.agent.bedside(Bind(22, "or-3", "p-0042"), rig.now_ns)
    rig.drain()
    boot = told(rig, Boot)[-1]
    assert (boot.bed, boot.patient, boot.session) == ("or-3", "p-0042", NO_SESSION)
    assert rig.agent.introduction() == boot


def test_a_grant_for_another_bed_is_refused_and_ends_nothing(rig):
    rig.agent.bedside(Bind(22, "or-3", ""), rig.now_ns)
    rig.grant()
    refused = told(rig, Acceptance)[-1]
    assert not refused.accepted
    assert "bed ''" in refused.reason
    assert "'or-3'" in refused.reason
    rig.grant(bed="or-3")
    assert told(rig, Acceptance)[-1].accepted


def test_while_it_is_held_it_is_not_moved_to_another_bed(rig):
    rig.agent.bedside(Bind(22, "or-3", "p-1"), rig.now_ns)
    rig.grant(bed="or-3")
    assert not rig.agent.bedside(Bind(22, "or-4", "p-1"), rig.now_ns)
    assert not rig.agent.bedside(Bind(22, "or-3", "p-2"), rig.now_ns)
    assert rig.agent.bedside(Bind(22, "or-3", "p-1"), rig.now_ns), "what is so may be said again"
    assert (rig.agent.introduction().bed, rig.agent.introduction().patient) == ("or-3", "p-1")


def test_the_bedside_breaks_the_glass_and_the_robot_holds_at_once(rig):
    rig.to_engaged()
    rig.path()
    rig.agent.bedside(Override(23, "surgeon2"), rig.now_ns)
    rig.drain()
    assert rig.path() == [(State.HOLD, Cause.BREAK_GLASS)]
    assert told(rig, Vouch) == [Vouch(60, ROBOT, rig.agent.boot, "surgeon2")]
    assert rig.agent.gate.session is not None, "its holder holds it until somebody else does"


def test_a_glass_that_is_broken_where_nothing_moves_changes_no_state(rig):
    rig.agent.bedside(Override(23, "surgeon2"), rig.now_ns)
    rig.drain()
    assert rig.state is State.IDLE
    assert len(told(rig, Vouch)) == 1


def test_a_signer_is_followed_and_its_old_key_believed_no_more(rig):
    word = succeed(NODE, SIGNER, STRANGER.public_key())
    assert rig.agent.receive_guard("session", word, rig.now_ns)
    assert not rig.agent.receive_guard("session", word, rig.now_ns)
    assert not rig.agent.receive_grant(rig.make_grant(epoch=1), rig.now_ns)
    assert rig.agent.receive_grant(rig.make_grant(STRANGER, epoch=1), rig.now_ns)


def test_a_new_signer_does_not_end_the_session_that_the_old_one_granted(rig):
    rig.to_engaged()
    word = succeed(NODE, SIGNER, STRANGER.public_key())
    assert rig.agent.receive_guard("session", word, rig.now_ns)
    assert rig.state is State.ENGAGED


def test_a_signer_that_a_person_took_away_signs_nothing(rig):
    rig.agent.pin(NODE, None)
    assert not rig.agent.receive_grant(rig.make_grant(epoch=1), rig.now_ns)
    rig.agent.pin(NODE, SIGNER.public_key())
    assert rig.agent.receive_grant(rig.make_grant(epoch=1), rig.now_ns)


def test_a_grant_that_was_accepted_once_is_not_accepted_again(rig):
    data = rig.make_grant(epoch=5)
    assert rig.agent.receive_grant(data, rig.now_ns)
    assert not rig.agent.receive_grant(data, rig.now_ns), "repeated at once"
    rig.agent.receive_guard("session", Revoke(55, rig.session, ""), rig.now_ns)
    assert not rig.agent.receive_grant(data, rig.now_ns), "and after its end"
    again = Rig(epoch_max=5, boot=8)
    assert not again.agent.receive_grant(data, again.now_ns), "and after a reboot"


def test_a_grant_whose_time_is_over_moves_nothing_and_is_not_accepted_anew(rig):
    data = rig.make_grant(epoch=1, duration_s=1)
    assert rig.agent.receive_grant(data, rig.now_ns)
    rig.drain()
    rig.agent.handle_deadline(rig.now_ns + 1_000_000_000)
    rig.drain()
    assert rig.agent.gate.session is None
    assert not rig.agent.receive_grant(data, rig.now_ns + 1_000_000_000)


def test_the_session_service_holds_the_robot_and_lets_go_by_its_silence(rig):
    rig.to_engaged()
    hold = Ceiling(19, "session", ROBOT, State.HOLD, "hand-over", 1000)
    assert rig.agent.receive_guard("session", hold, rig.now_ns)
    assert rig.state is State.HOLD
    rig.run(1001)
    assert rig.agent.interlock.ceiling is State.ENGAGED, "nothing is held down any more"
    assert rig.state is State.HOLD, "and nothing resumes by itself"
