"""One console a robot, epochs that only grow, and a grant only after the robot said yes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety.authority import Authority
from safety.grant import (
    VOCABULARY,
    Acceptance,
    Boot,
    Denied,
    Grant,
    Granted,
    Release,
    Request,
    Revoke,
    Role,
    boot_id,
    public_point,
    verify,
)
from safety.messages import NO_SESSION
from safety.profile import LADDERS, MS, Profile
from safety.seat import ANSWER_NS_MAX
from tests.world.rig import NODE, ROBOT, SIGNER, p256
from transport.wire.codec import Registry, encode

T0 = 1_000_000_000_000
REGISTRY = Registry(VOCABULARY)
ROLES = {"surgeon": "console", "other": "console", "script1": "script", "nurse": "observer"}


def boot(robot=ROBOT, epoch_max=0, session=NO_SESSION, key=7, bed=""):
    point = public_point(p256(key))
    return Boot(48, robot, 1, boot_id(point), point, epoch_max, True, bytes(32), session, bed, "")


class Desk:
    """The authority, with a robot that says yes unless told otherwise."""

    def __init__(self, epoch=0, robots=(ROBOT,)):
        self.now_ns = T0
        self.authority = Authority(NODE, SIGNER, epoch)
        for robot in robots:
            self.introduces(boot(robot))
        self.sessions = 0

    def introduces(self, boot):
        return self.read(self.authority.introduced(boot, self.now_ns))

    def ask(self, console="surgeon", *, robot=ROBOT, role=Role.SURGEON, replace=False, **changes):
        self.sessions += 1
        fields = {
            "kind": 49,
            "request": b"request%d" % (self.sessions % 10),
            "robot": robot,
            "role": role,
            "console_key": public_point(p256(11)),
            "profile": Profile.AUTO,
            "period_us": 1000,
            "scale": 0.5,
            "replace": replace,
            "bed": "",
        }
        request = Request(**{**fields, **changes})
        session = b"sess%04d" % self.sessions
        answers = self.authority.request(console, ROLES[console], request, session, self.now_ns)
        return self.read(answers[-1:])

    def read(self, answers):
        decoded = self.all(answers)
        assert len(decoded) <= 1, "one answer, to one of them"
        return decoded[0] if decoded else (None, None)

    def all(self, answers):
        return [(answer.to, REGISTRY.decode(answer.data)) for answer in answers]

    def says(self, grant, *, accepted=True, reason="", robot=ROBOT):
        acceptance = Acceptance(53, grant.session, grant.epoch, accepted, reason)
        return self.read(self.authority.answered(robot, acceptance, self.now_ns))

    def give(self, console="surgeon", **request):
        """Ask and be granted."""
        to, grant = self.ask(console, **request)
        assert isinstance(grant, Grant), grant
        self.says(grant, robot=to)
        return grant


@pytest.fixture
def desk():
    return Desk()


def test_a_grant_goes_to_the_robot_first_and_to_the_console_when_it_said_yes(desk):
    to, grant = desk.ask()
    assert to == ROBOT
    assert isinstance(grant, Grant)
    assert desk.authority.holders == {}
    to, granted = desk.says(grant)
    assert to == "surgeon"
    assert isinstance(granted, Granted)
    assert granted.grant == encode(grant)
    verify(granted.grant, SIGNER.public_key())
    assert desk.authority.holders[ROBOT].console == "surgeon"


def test_a_grant_says_what_was_asked_and_what_the_robot_is(desk):
    _, grant = desk.ask(period_us=2000, scale=0.25, profile=Profile.WAN)
    known = boot()
    assert (grant.boot, grant.robot_key, grant.limits) == (
        known.boot,
        known.robot_key,
        known.limits,
    )
    assert (grant.console, grant.role) == ("surgeon", Role.SURGEON)
    assert (grant.period_us, grant.scale, grant.profile) == (2000, 0.25, Profile.WAN)
    assert grant.max_loop_ms == LADDERS[Profile.WAN].max_loop_ns // MS
    assert grant.signer == NODE


def test_what_the_robot_refuses_the_console_is_told_in_its_words(desk):
    _, grant = desk.ask()
    to, denied = desk.says(grant, accepted=False, reason="epoch 1 is not above 5")
    assert to == "surgeon"
    assert isinstance(denied, Denied)
    assert denied.reason == "psm1 refused: epoch 1 is not above 5"
    assert desk.authority.holders == {}
    assert isinstance(desk.ask()[1], Grant), "and may ask again"


def test_a_reason_of_any_length_reaches_the_console(desk):
    _, grant = desk.ask()
    _, denied = desk.says(grant, accepted=False, reason="x" * 200)
    assert denied.reason.startswith("psm1 refused: xxx")


def test_a_robot_that_could_not_read_the_grant_refuses_without_its_name(desk):
    desk.ask()
    refusal = Acceptance(53, NO_SESSION, 0, False, "signer is not pinned here")
    to, denied = desk.read(desk.authority.answered(ROBOT, refusal, T0))
    assert (to, type(denied)) == ("surgeon", Denied)


@pytest.mark.parametrize("session", [NO_SESSION, b"another1"])
def test_a_yes_to_something_else_makes_nobody_a_holder(desk, session):
    desk.ask()
    assert desk.authority.answered(ROBOT, Acceptance(53, session, 1, True, ""), T0) == []
    assert desk.authority.holders == {}


def test_an_answer_that_nobody_waits_for_changes_nothing(desk):
    assert desk.authority.answered(ROBOT, Acceptance(53, b"sess0001", 1, True, ""), T0) == []


# Epochs ------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 1000)), min_size=1, max_size=20))
def test_epochs_only_grow_whatever_robots_and_stores_say(happenings):
    desk = Desk(epoch=5)
    last = 5
    for says_yes, epoch_max in happenings:
        desk.introduces(boot(epoch_max=epoch_max))
        _, grant = desk.ask(replace=True)
        assert grant.epoch > max(last, epoch_max)
        last = grant.epoch
        desk.says(grant, accepted=says_yes)
    assert desk.authority.epoch == last


def test_a_restarted_service_goes_on_above_its_store():
    assert Desk(epoch=41).ask()[1].epoch == 42


def test_a_robot_that_knows_more_than_the_store_is_believed(desk):
    desk.introduces(boot(epoch_max=99))
    assert desk.ask()[1].epoch == 100


# Who may -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("console", "changes", "reason"),
    [
        ("script1", {"role": Role.SURGEON}, "has the key of a script, this role needs a console"),
        ("surgeon", {"role": Role.SCRIPT}, "this role needs a script"),
        ("nurse", {"role": Role.SURGEON}, "has the key of a observer"),
        ("surgeon", {"role": 0}, "role 0 is unknown"),
        ("surgeon", {"role": 77}, "role 77 is unknown"),
        ("surgeon", {"profile": 9}, "profile 9 is unknown"),
        ("surgeon", {"robot": "psm9"}, "'psm9' is not connected"),
    ],
)
def test_a_request_beyond_ones_rights_is_denied_in_words(desk, console, changes, reason):
    to, denied = desk.ask(console, **changes)
    assert to == console
    assert isinstance(denied, Denied)
    assert reason in denied.reason
    assert desk.authority.epoch == 0, "and costs no epoch"


def test_a_robot_that_nobody_knows_leaves_no_trace_in_the_store(desk):
    desk.authority.to_store()
    desk.ask(robot="psm9")
    assert desk.authority.to_store() == []


def test_a_robot_that_is_held_is_not_granted_to_another(desk):
    desk.give()
    for replace in (False, True):
        _, denied = desk.ask("other", replace=replace)
        assert denied.reason == "psm1 is held by surgeon"


def test_its_holder_may_replace_its_own_session_if_it_says_so(desk):
    first = desk.give()
    assert isinstance(desk.ask()[1], Denied)
    second = desk.give(replace=True)
    assert second.epoch > first.epoch
    assert desk.authority.holders[ROBOT].session == second.session


def test_a_script_gives_way_to_a_console_that_asks_so(desk):
    desk.give("script1", role=Role.SCRIPT)
    assert isinstance(desk.ask("surgeon")[1], Denied)
    assert desk.give("surgeon", replace=True)
    assert isinstance(desk.ask("script1", role=Role.SCRIPT, replace=True)[1], Denied)


def test_while_a_robot_is_being_granted_nobody_else_is_considered(desk):
    desk.ask("surgeon")
    _, denied = desk.ask("other")
    assert denied.reason == "psm1 is being granted to surgeon"


def test_robots_are_held_one_by_one():
    desk = Desk(robots=(ROBOT, "psm2"))
    desk.give("surgeon")
    desk.give("other", robot="psm2")
    assert {robot: h.console for robot, h in desk.authority.holders.items()} == {
        ROBOT: "surgeon",
        "psm2": "other",
    }


def test_after_a_restart_of_the_service_a_running_session_is_not_given_away():
    """The store knows epochs, not holders: that a robot serves somebody is the robot's to say."""
    desk = Desk(epoch=7)
    desk.introduces(boot(epoch_max=7, session=b"running1"))
    _, denied = desk.ask("other", replace=True)
    assert isinstance(denied, Denied)
    assert "session" in denied.reason
    desk.introduces(boot(epoch_max=7))
    assert isinstance(desk.ask("other")[1], Grant)


# Ends --------------------------------------------------------------------------------------------


def test_a_release_frees_the_robot_and_only_by_its_holder(desk):
    grant = desk.give()
    assert desk.authority.released("other", Release(54, grant.session), T0) == []
    assert desk.authority.released("surgeon", Release(54, b"another1"), T0) == []
    to, revoke = desk.read(desk.authority.released("surgeon", Release(54, grant.session), T0))
    assert (to, revoke) == (ROBOT, Revoke(55, grant.session, "released"))
    assert desk.authority.holders == {}
    assert desk.authority.released("surgeon", Release(54, grant.session), T0) == []


def test_a_revoked_key_ends_every_session_of_its_console():
    desk = Desk(robots=(ROBOT, "psm2", "psm3"))
    desk.give()
    desk.give(robot="psm2")
    desk.give("other", robot="psm3")
    answers = desk.authority.revoked("surgeon", T0)
    assert {answer.to for answer in answers} == {ROBOT, "psm2"}
    assert set(desk.authority.holders) == {"psm3"}


def test_a_robot_that_no_longer_has_the_session_is_free(desk):
    grant = desk.give()
    desk.introduces(boot(session=grant.session))
    assert desk.authority.holders
    desk.introduces(boot())
    assert desk.authority.holders == {}


def test_a_robot_that_does_not_answer_in_two_seconds_is_not_there(desk):
    _, grant = desk.ask()
    assert desk.authority.next_deadline_ns() == T0 + ANSWER_NS_MAX
    assert desk.authority.handle_deadline(T0 + ANSWER_NS_MAX - 1) == []
    (robot, revoke), (to, denied) = desk.all(desk.authority.handle_deadline(T0 + ANSWER_NS_MAX))
    assert (robot, revoke.session) == (ROBOT, grant.session), "if it is there after all"
    assert (to, denied.reason) == ("surgeon", "psm1 did not answer")
    assert desk.authority.next_deadline_ns() is None
    assert desk.says(grant) == (None, None), "its yes comes too late"
    assert desk.authority.holders == {}
