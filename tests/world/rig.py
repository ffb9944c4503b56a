"""One robot on a bench: its agent, a driver that obeys at once, and a hand that says what it likes.

No links and no latency: for stories told to the nanosecond, and for frames that no honest console
would send. `tests.world.world` has the honest consoles.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from safety.driver import Measure, Servo, Stop
from safety.gate import Verdict
from safety.grant import Acceptance, Boot, Grant, Role, SessionKeys, derive, public_point, sign
from safety.handover import Vouch
from safety.interlock import Transition
from safety.limits import Limits
from safety.messages import NO_TAG, Command, Driver, Event, Flags, RobotState
from safety.profile import MS, Profile
from safety.seal import seal
from safety.secret import Secret
from safety.state import Cause, State
from teleop.robot.agent import Agent, Judged, Persist, RobotSettings, To
from teleop.robot.fixture import ShapeSettings
from teleop.sim.arm import HOME
from transport.wire.codec import Registry
from transport.wire.vector import Setpoint, pack_setpoint, unpack_setpoint

ROBOT = "psm1"
NODE = "node1"
CONSOLE = "console1"
SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(32))
START_NS = 7_000_000_000_000

_DRIVER = Registry((Servo, Stop))
_STATES = Registry((RobotState,))
_GUARD = Registry((Event, Acceptance, Boot, Vouch))


def p256(number: int) -> ec.EllipticCurvePrivateKey:
    """A key of its own for each small number, the same in each run."""
    return ec.derive_private_key(number, ec.SECP256R1())


class Asked(NamedTuple):
    """What the driver heard, and when."""

    t_ns: int
    message: Servo | Stop


class Rig:
    """A robot without a network."""

    def __init__(
        self,
        *,
        arms: int = 1,
        stored: State = State.BOOT,
        epoch_max: int = 0,
        ceilings: dict[str, str] | None = None,
        limits: Limits | None = None,
        shape: ShapeSettings | None = None,
        estops: tuple[str, ...] = (),
        watchdogs: tuple[str, ...] = (),
        boot: int = 7,
        simulated: bool = True,
    ) -> None:
        self.now_ns = START_NS
        self.settings = RobotSettings(
            name=ROBOT,
            arms=arms,
            limits=limits or Limits(),
            shape=shape or ShapeSettings(),
            ceilings=ceilings or {},
            estops=estops,
            watchdogs=watchdogs,
        )
        self.key = p256(boot)
        signers = {NODE: SIGNER.public_key()}
        self.agent = Agent(self.settings, Secret(self.key), signers, epoch_max, stored, self.now_ns)
        self.driver: list[Asked] = []
        self.transitions: list[Transition] = []
        self.stored: list[Persist] = []
        self.states: list[tuple[int, RobotState]] = []
        self.told: list[Event | Acceptance | Boot | Vouch] = []
        self.records: list[Judged] = []
        self.writes = True
        # The driver
        self.instance = 1
        self.flags = Driver.SIMULATED if simulated else Driver(0)
        self.enabled = False
        self.pose = [HOME] * arms
        self.obeys = True
        self.powers = True
        self.measures = True
        # The hand
        self.session = b"session0"
        self.epoch = 0
        self.keys = SessionKeys(bytes(32), bytes(32))
        self.seq = [0] * arms
        self.hand: dict[str, Any] = {"press_id": 0, "clutch_id": 1, "flags": 0}
        self.at = Setpoint(0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0)
        self.input_seq = 0
        self.drain()

    # What one can ask ----------------------------------------------------------------------

    @property
    def state(self) -> State:
        return self.agent.interlock.state

    @property
    def cause(self) -> Cause:
        return self.agent.interlock.cause

    @property
    def servos(self) -> list[Asked]:
        return [asked for asked in self.driver if isinstance(asked.message, Servo)]

    @property
    def stops(self) -> list[int | None]:
        return [a.message.category for a in self.driver if isinstance(a.message, Stop)]

    def setpoint(self, arm: int = 0) -> Setpoint:
        return self.agent.arms[arm].setpoint

    def count(self, verdict: Verdict) -> int:
        return self.agent.gate.counts[verdict]

    def path(self) -> list[tuple[State, Cause]]:
        """The states entered since the last call, with their causes."""
        entered = [(t.new, t.cause) for t in self.transitions]
        self.transitions.clear()
        return entered

    def verified(self) -> RobotState:
        """The newest state."""
        return self.states[-1][1]

    # Grants --------------------------------------------------------------------------------

    def make_grant(self, key: Ed25519PrivateKey = SIGNER, **changes: Any) -> bytes:
        fields: dict[str, Any] = {
            "kind": 50,
            "session": self.session,
            "robot": ROBOT,
            "boot": self.agent.boot,
            "robot_key": self.agent.robot_key,
            "console": CONSOLE,
            "console_key": public_point(p256(11)),
            "role": Role.SCRIPT,
            "epoch": self.agent.epoch_max + 1,
            "limits": self.settings.digest(),
            "profile": Profile.NATIVE,
            "period_us": 1000,
            "max_loop_ms": 60,
            "scale": 1.0,
            "video_gate": False,
            "bed": "",
            "duration_s": 3600,
            "signer": NODE,
            "signature": bytes(64),
        }
        return sign(Grant(**{**fields, **changes}), key)

    def grant(self, **changes: Any) -> None:
        """Have the robot accept a grant; the hand speaks under it from now on."""
        epoch = changes.setdefault("epoch", self.agent.epoch_max + 1)
        self.session = changes.setdefault("session", b"sess%04d" % epoch)
        data = self.make_grant(**changes)
        self.keys = derive(data, p256(11), self.agent.robot_key)
        self.epoch = epoch
        self.seq = [0] * self.settings.arms
        self.agent.receive_grant(data, self.now_ns)
        self.drain()

    # What happens --------------------------------------------------------------------------

    def drain(self) -> None:
        """What the shell does after it fed the agent."""
        for to, data in self.agent.to_send(self.now_ns):
            if to is To.DRIVER:
                message = _DRIVER.decode(data)
                assert isinstance(message, Servo | Stop)
                self.driver.append(Asked(self.now_ns, message))
                self._obey(message)
            elif to is To.RELAYS:
                self.states.append((self.now_ns, _STATES.expect(data, RobotState)))
            else:
                told = _GUARD.decode(data)
                assert isinstance(told, Event | Acceptance | Boot | Vouch)
                self.told.append(told)
        self.records += self.agent.take_records()
        while (event := self.agent.next_event()) is not None:
            if isinstance(event, Transition):
                self.transitions.append(event)
            else:
                self.stored.append(event)
                if self.writes:
                    self.agent.persisted(event)
        if self.agent.has_output:
            self.drain()

    def _obey(self, message: Servo | Stop) -> None:
        if isinstance(message, Stop):
            self.enabled = message.category is None and self.powers
        elif self.obeys and self.enabled:
            self.pose[message.arm] = unpack_setpoint(message.setpoint)

    def measure(self, **changes: Any) -> None:
        """The driver measures every arm."""
        power = Driver.ENABLED if self.enabled else Driver.BRAKED
        for arm, pose in enumerate(self.pose):
            fields = {
                "kind": 32,
                "driver_tick": self.now_ns // 3,
                "instance": self.instance,
                "flags": self.flags | power,
                "arm": arm,
                "joints": b"",
                "measured": pack_setpoint(pose),
                "velocity": bytes(48),
                "rule": 0,
            }
            self.agent.receive_driver(Measure(**{**fields, **changes}), self.now_ns)
        self.drain()

    def command(self, *, key: bytes | None = None, arm: int = 0, **changes: Any) -> bytes:
        """The hand's next command, sealed; any field can be changed."""
        self.seq[arm if arm < len(self.seq) else 0] += 1
        self.input_seq += 1
        fields: dict[str, Any] = {
            "kind": 16,
            "robot": ROBOT,
            "arm": arm,
            "session": self.session,
            "epoch": self.epoch,
            "seq": self.seq[arm if arm < len(self.seq) else 0],
            "t_tx": self.now_ns // 7,
            "tick_echo": self.verified().tick if self.states else 0,
            "input_seq": self.input_seq,
            "input_age": 0,
            "seen_frame_id": 0,
            "mode": 0,
            "tool": 0,
            "setpoint": pack_setpoint(self.at),
            "previous": None,
            "earlier": None,
            "tag": NO_TAG,
            **self.hand,
        }
        return seal(Command(**{**fields, **changes}), key or self.keys.to_robot)

    def say(self, **changes: Any) -> None:
        """One command arrives now."""
        self.agent.receive(self.command(**changes), self.now_ns)
        self.drain()

    def wait(self, until_ns: int) -> None:
        """Let time pass to `until_ns` as the shell would: every deadline at its nanosecond."""
        handled = -1
        while True:
            deadline = self.agent.next_deadline_ns(self.now_ns)
            if deadline > until_ns:
                break
            assert deadline != handled, "a deadline that has come must be gone once handled"
            handled, self.now_ns = deadline, max(self.now_ns, deadline)
            self.agent.handle_deadline(self.now_ns)
            self.drain()
        self.now_ns = until_ns

    def run(
        self,
        ms: int,
        *,
        says: bool = True,
        move: Callable[[int], Setpoint] | None = None,
        arms: tuple[int, ...] = (0,),
        **changes: Any,
    ) -> None:
        """Go on for so many milliseconds at 1 kHz: a measurement, a command of each arm."""
        for step in range(ms):
            self.wait(self.now_ns + MS)
            if self.measures:
                self.measure()
            if move is not None:
                self.at = move(step)
            if says:
                for arm in arms:
                    self.agent.receive(self.command(arm=arm, **changes), self.now_ns)
                self.drain()

    # Stories' first chapters ---------------------------------------------------------------

    def press(self) -> None:
        self.hand["press_id"] += 1
        self.hand["flags"] |= Flags.DEADMAN

    def release(self) -> None:
        self.hand["flags"] &= ~Flags.DEADMAN

    def cycle_clutch(self) -> None:
        """Press the clutch for five commands and release it."""
        self.hand["flags"] |= Flags.CLUTCH
        self.run(5)
        self.hand["flags"] &= ~Flags.CLUTCH
        self.hand["clutch_id"] += 1

    def to_armed(self, **grant: Any) -> Rig:
        self.measure()
        self.grant(**grant)
        self.run(60)
        assert self.state is State.ARMED
        return self

    def to_engaged(self, **grant: Any) -> Rig:
        self.to_armed(**grant)
        self.press()
        self.run(2)
        assert self.state is State.ENGAGED
        self.path()
        return self
