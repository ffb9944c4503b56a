"""Any order of words, losses, crashes and stale messages: one holder, rising epochs, no theft.

The robot is the judge here, as in life: it accepts a signed grant above its highest epoch, and
nothing else. The ledger beside it knows what people agreed upon, and believes no authority.
"""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from safety import handover
from safety.authority import Authority
from safety.grant import (
    VOCABULARY,
    Acceptance,
    Boot,
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
from safety.handover import Confirm, Offer, Vouch, Withdraw
from safety.messages import NO_SESSION, Ceiling
from safety.seat import HANDOVER_NS_MAX
from safety.state import State
from tests.world.rig import NODE, ROBOT, SIGNER, p256
from transport.wire.codec import Registry

REGISTRY = Registry(VOCABULARY, handover.VOCABULARY, (Ceiling,))
CONSOLES = st.sampled_from(["surgeon1", "surgeon2", "surgeon3"])
KEY = public_point(p256(11))
MS = 1_000_000
#: Machines fail more seldom than people speak.
TROUBLE = st.sampled_from([False, False, False, True])
#: Mostly what was said is heard before anything else happens.
CALM = st.sampled_from([True, True, True, False])


class Robot:
    """What a robot's agent decides of a grant, and no more."""

    def __init__(self):
        self.boots = 0
        self.epoch_max = 0
        self.accepted = []
        self.log = []  # what the driver's state would show: "HOLD" or a console
        self.reboot()

    def reboot(self):
        self.boots += 1
        self.key = public_point(p256(20 + self.boots))
        self.session, self.console = NO_SESSION, ""
        self.held = False

    def boot(self):
        boot = boot_id(self.key)
        return Boot(
            48, ROBOT, 1, boot, self.key, self.epoch_max, True, bytes(32), self.session, "", ""
        )

    def hears(self, data):
        """Return what it says to that."""
        message = REGISTRY.decode(data)
        if isinstance(message, Ceiling):
            self.held = message.max_state <= State.HOLD
        elif isinstance(message, Revoke):
            if message.session == self.session:
                self.session, self.console = NO_SESSION, ""
                return [self.boot()]
        elif isinstance(message, Grant):
            return self._takes(message, data)
        return []

    def _takes(self, grant, data):
        verify(data, SIGNER.public_key())
        if grant.epoch <= self.epoch_max or grant.boot != boot_id(self.key):
            return [Acceptance(53, grant.session, self.epoch_max, False, "old")]
        ended = []
        if self.session != NO_SESSION:
            self.session = NO_SESSION
            ended = [self.boot()]
        self.epoch_max = grant.epoch
        self.accepted.append((grant.epoch, grant.console, self.console, self.held))
        self.session, self.console = grant.session, grant.console
        return [*ended, Acceptance(53, grant.session, grant.epoch, True, "")]


class Machine(RuleBasedStateMachine):
    """One robot, one session service with its store, three consoles."""

    def __init__(self):
        super().__init__()
        self.now_ns = 1_000_000_000_000
        self.robot = Robot()
        self.to_robot, self.from_robot, self.recorded = [], [], []
        self.store = (0, {})  # epoch, rows
        self.sessions = {}  # console -> the session that it believes to have
        self.agreed = {}  # who may take it from whom: (holder, to) -> confirmed
        self.epochs = []  # of every grant that ever left
        self.waiting = []  # (rows, answers) that the store has not written
        self.number = 0
        self.authority = Authority(NODE, SIGNER, 0)
        self.introduce()

    def introduce(self):
        self.learn(self.robot.boot())

    def learn(self, message):
        if isinstance(message, Boot):
            self.tell(self.authority.introduced(message, self.now_ns))
        else:
            self.tell(self.authority.answered(ROBOT, message, self.now_ns))

    def tell(self, answers):
        """Send what may leave, and have the rest wait for the store."""
        self.send([answer for answer in answers if not answer.waits])
        rows = self.authority.to_store()
        if rows:
            self.waiting.append((rows, [answer for answer in answers if answer.waits]))

    def send(self, answers):
        for answer in answers:
            if answer.to == ROBOT:
                self.to_robot.append(answer.data)
                message = REGISTRY.decode(answer.data)
                if isinstance(message, Grant):
                    self.epochs.append(message.epoch)
            else:
                message = REGISTRY.decode(answer.data)
                if isinstance(message, Granted):
                    grant = REGISTRY.expect(message.grant, Grant)
                    assert grant.epoch in [epoch for epoch, *_ in self.robot.accepted]
                    self.sessions[answer.to] = grant.session

    def say(self, answers, calm):
        self.tell(answers)
        while calm and (self.waiting or self.to_robot or self.from_robot):
            if self.waiting:
                self.stored(fails=False)
            elif self.to_robot:
                self.arrived()
            else:
                self.learn(self.from_robot.pop(0))

    def arrived(self):
        data = self.to_robot.pop(0)
        self.recorded.append(data)
        before = len(self.robot.accepted)
        self.from_robot += self.robot.hears(data)
        if len(self.robot.accepted) > before:
            self.judge()

    def stored(self, fails):
        rows, answers = self.waiting.pop(0)
        if fails:
            for row in rows:
                self.send(self.authority.not_stored(row, "the disk is full", self.now_ns))
            return
        epoch, known = self.store
        known = {**known, **{row.robot: row for row in rows}}
        self.store = max(epoch, *(row.epoch for row in rows)), known
        for answer in answers:
            self.send(self.authority.due(answer, self.now_ns))

    # What people and machines do -----------------------------------------------------------------

    @rule(console=CONSOLES, replace=st.booleans(), calm=CALM)
    def ask(self, console, replace, calm):
        self.number += 1
        session = self.number.to_bytes(8, "big")
        request = Request(49, session, ROBOT, Role.SURGEON, KEY, 1, 1000, 0.5, replace, "")
        self.say(self.authority.request(console, "console", request, session, self.now_ns), calm)

    @rule(console=CONSOLES, to=CONSOLES, calm=CALM)
    def offer(self, console, to, calm):
        session = self.sessions.get(console, NO_SESSION)
        answers = self.authority.offered(console, Offer(56, session, to), self.now_ns)
        if answers:
            self.agreed = {(console, to): set()}
        self.say(answers, calm)

    @rule(console=CONSOLES, calm=CALM)
    def confirm(self, console, calm):
        answers = self.authority.confirmed(console, Confirm(57, ROBOT), self.now_ns)
        if answers:
            for pair, confirmed in self.agreed.items():
                if console in pair:
                    confirmed.add(console)
        self.say(answers, calm)

    @rule(console=CONSOLES, calm=CALM)
    def withdraw(self, console, calm):
        self.say(self.authority.withdrawn(console, Withdraw(58, ROBOT), self.now_ns), calm)

    @rule(console=CONSOLES, calm=CALM)
    def release(self, console, calm):
        session = self.sessions.get(console, NO_SESSION)
        self.say(self.authority.released(console, Release(54, session), self.now_ns), calm)

    @rule(console=CONSOLES, calm=CALM)
    def revoke(self, console, calm):
        self.say(self.authority.revoked(console, self.now_ns), calm)

    @rule(to=CONSOLES, calm=CALM)
    def vouch(self, to, calm):
        word = Vouch(60, ROBOT, boot_id(self.robot.key), to)
        answers = self.authority.vouched(ROBOT, word, self.now_ns)
        if answers:
            for holder in (self.robot.console, *self.sessions):
                self.agreed.setdefault((holder, to), set()).add(holder)
        self.say(answers, calm)

    @rule(to=CONSOLES, calm=CALM)
    def hand_over(self, to, calm):
        """Everything that it takes, in its order."""
        for holder in self.authority.holders.values():
            self.offer(holder.console, to, calm)
            self.confirm(to, calm)
            self.confirm(holder.console, calm)
            self.ask(to, False, calm)

    @precondition(lambda self: self.to_robot)
    @rule()
    def arrive(self):
        self.arrived()

    @rule(strikes=TROUBLE)
    def cut(self, strikes):
        """The line to the robot breaks: what was on it is gone, and the robot says who it is."""
        if strikes:
            self.to_robot.clear()
            self.from_robot = [self.robot.boot()]

    @precondition(lambda self: self.from_robot)
    @rule()
    def answer(self):
        self.learn(self.from_robot.pop(0))

    @precondition(lambda self: self.recorded)
    @rule(data=st.data())
    def replay(self, data):
        self.robot.hears(data.draw(st.sampled_from(self.recorded)))

    @precondition(lambda self: self.waiting)
    @rule(fails=st.sampled_from([False, False, True]))
    def write(self, fails):
        self.stored(fails)

    @rule(strikes=TROUBLE)
    def crash(self, strikes):
        """The service dies with all that it had not written; what it sent is under way still."""
        if not strikes:
            return
        epoch, rows = self.store
        self.waiting.clear()
        self.agreed.clear()
        self.authority = Authority(NODE, SIGNER, epoch, rows=rows.values())
        self.from_robot.append(self.robot.boot())

    @rule(strikes=TROUBLE)
    def reboot(self, strikes):
        if not strikes:
            return
        self.robot.reboot()
        self.from_robot = [self.robot.boot()]

    @rule(ms=st.sampled_from([100, 2_000, HANDOVER_NS_MAX // MS]))
    def wait(self, ms):
        self.now_ns += ms * MS
        self.tell(self.authority.handle_deadline(self.now_ns))

    # What holds always ---------------------------------------------------------------------------

    @invariant()
    def epochs_strictly_rise(self):
        accepted = [epoch for epoch, *_ in self.robot.accepted]
        assert accepted == sorted(set(accepted))
        assert self.epochs == sorted(set(self.epochs)), "nor does one ever leave twice"

    def judge(self):
        """Nobody takes it from another."""
        _, to, holder, held = self.robot.accepted[-1]
        if holder and holder != to:
            confirmed = self.agreed.get((holder, to), set())
            assert confirmed == {holder, to}, f"{to} took it from {holder}: {confirmed}"
            assert held, "and the robot was told to hold before"

    @invariant()
    def what_left_was_stored(self):
        assert max(self.epochs, default=0) <= self.store[0]

    @invariant()
    def a_holder_is_one_and_the_robots(self):
        if not (self.to_robot or self.from_robot or self.waiting):
            holders = self.authority.holders
            if ROBOT in holders and self.robot.session != NO_SESSION:
                assert holders[ROBOT].session == self.robot.session


Machine.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestAuthority = Machine.TestCase


def test_the_ledger_would_see_a_theft():
    """Break the rule once: the machine's own judgement is not blind."""
    machine = Machine()
    machine.robot.accepted.append((1, "surgeon2", "surgeon1", True))
    with pytest.raises(AssertionError, match="surgeon2 took it from surgeon1"):
        machine.judge()
