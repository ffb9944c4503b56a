"""A console between a relay that lies and its robot: it believes the robot, and nobody else."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from safety.grant import Grant, Granted, SessionKeys, boot_id, derive, public_point, sign
from safety.messages import NO_TAG, ArmState, RobotState
from safety.profile import MS
from safety.seal import seal
from safety.state import Cause, State
from teleop.console.operator import Lost, Operator, OperatorSettings, Seen
from teleop.console.script import SCRIPTS, Person
from teleop.sim.arm import HOME
from transport.wire.codec import encode
from transport.wire.vector import pack_setpoint

SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(32))
SESSION = b"session1"
START_NS = 5_000 * MS


class Console:
    """An operator that holds a robot, the robot's key, and time."""

    def __init__(self) -> None:
        settings = OperatorSettings(console="console", robot="psm")
        signers = {"node": SIGNER.public_key()}
        self.operator = Operator(settings, signers, Person(SCRIPTS["hold"], START_NS))
        self.now_ns = START_NS
        self.keys = self._grant()
        self.tick = 0

    def _grant(self) -> SessionKeys:
        console, robot = (ec.derive_private_key(n, ec.SECP256R1()) for n in (1, 2))
        self.operator.request(bytes(8), console, replace=False)
        point = public_point(robot)
        grant = Grant(
            50, SESSION, "psm", boot_id(point), point, "console", public_point(console), 2, 1,
            bytes(32), 1, 1000, 60, 0.5, False, "", 3600, "node", bytes(64),
        )  # fmt: skip
        data = sign(grant, SIGNER)
        self.operator.answered(Granted(51, bytes(8), data))
        assert self.operator.is_granted
        return derive(data, robot, public_point(console))

    def hear(self, *, session: bytes = SESSION, robot: str = "psm", true: bool = True, **said: int):
        """Receive a state: the robot's own, or one that only looks like it."""
        self.tick += 1
        pose = pack_setpoint(HOME)
        arm = ArmState(0, 0, 0, 0, b"", 0, 0, 0, False, pose, bytes(48), b"", pose, pose, 0, 0, 0)
        state = RobotState(
            17, robot, bytes(8), self.tick, session, 1, 1, said.get("state", State.ARMED),
            said.get("cause", Cause.ALIGNED), False, 1, (arm,), NO_TAG,
        )  # fmt: skip
        data = seal(state, self.keys.to_console) if true else encode(state)
        self.operator.receive(data, self.now_ns)

    def told(self) -> list[object]:
        found = []
        while (event := self.operator.next_event()) is not None:
            found.append(event)
        return found


@pytest.fixture
def console() -> Console:
    made = Console()
    made.hear()
    made.told()
    return made


@pytest.mark.parametrize("session", [SESSION, b"another1", bytes(8)])
def test_what_nobody_vouches_for_is_not_shown_to_a_surgeon_who_holds_the_robot(console, session):
    console.hear(session=session, true=False, state=State.ENGAGED)
    assert console.operator.state is State.ARMED
    assert not [event for event in console.told() if isinstance(event, Seen)]
    assert console.operator.unverified == 1


def test_a_flood_of_strange_states_does_not_end_a_session_that_the_robot_confirms(console):
    for _ in range(50):
        console.now_ns += 4 * MS
        for _ in range(100):
            console.hear(session=b"another1", true=False)
        console.hear()
    assert console.operator.is_granted


def test_a_robot_that_only_speaks_under_another_session_has_ended_ours(console):
    for _ in range(60):
        console.now_ns += 4 * MS
        console.hear(session=b"another1", true=False)
    assert [type(event) for event in console.told()] == [Lost]
    assert not console.operator.is_granted


def test_the_states_of_another_robot_end_nothing(console):
    for _ in range(100):
        console.now_ns += 4 * MS
        console.hear(robot="psm2", session=b"another1", true=False)
    assert console.operator.is_granted


@pytest.mark.parametrize("true", [True, False])
@pytest.mark.parametrize("granted", [True, False])
def test_a_state_that_is_unknown_here_breaks_nothing(console, true, granted):
    if not granted:
        console.operator._grant = None
    console.hear(true=true, state=200)
    assert console.operator.state is State.ARMED
    assert console.operator.unverified == 1


def test_the_cause_of_a_later_build_has_no_name_here(console):
    console.hear(cause=200)
    assert (console.operator.state, console.operator.cause) == (State.ARMED, Cause.NONE)
    assert console.operator.unverified == 0


def test_a_verified_state_without_our_arm_breaks_nothing(console):
    console.operator.settings = OperatorSettings(console="console", robot="psm", arm=3)
    console.hear()
    assert console.operator.unverified == 1
