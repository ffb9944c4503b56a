"""What a robot's agent is fed with, as it stands on the tape: enough to do all of it again.

    BOOT          what the agent was made of; repeated, so that a part of a tape says whose it is
    SNAPSHOT      what it is like at this moment, to compare
    PART FORGED MEASURE GONE GRANT GUARD BEDSIDE STORED PIN DEADLINE     what it was fed with
    DRAIN         that it was drained, and what came out
    REST          all that it is, while nobody holds the robot: a replay may begin there too

Rules
-----
- Each has the time that the agent was given with it. An agent that is made of the same and fed
  with the same does the same, bit for bit (teleop.robot.replay).
- No key is on a tape. Whether a command's tag held is in its kind: PART or FORGED.
- What an agent dies of is the last record of its tape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from safety import bedside, driver, grant, messages
from safety.grant import SessionKeys
from safety.secret import Recalled, Seals, Secret
from safety.signers import Succession
from safety.state import State
from teleop.robot.agent import Agent, Outgoing, Persist, RobotSettings
from teleop.robot.records import Drained as Drained
from teleop.robot.records import Kind as Kind
from transport.telemetry.freeze import ThawError, freeze, thaw
from transport.telemetry.portrait import portrait
from transport.telemetry.tape import Recorder
from transport.wire.codec import Registry
from transport.wire.errors import WireError

#: A tape goes back about half a minute at 1 kHz, so that a recorder may be restarted meanwhile.
TAPE_BYTES: Final = 24 << 20
#: Every so many snapshots it is said again what the agent is made of.
BOOT_EACH: Final = 20
#: The same for what it is at rest, whole: it costs a millisecond, and there nobody waits for it.
REST_EACH: Final = 10
#: What no snapshot shows.
SECRETS: Final = (SessionKeys, Secret, Recalled)

_MEASURES = Registry((driver.Measure,))
_GUARD = Registry(grant.VOCABULARY, (Succession,), (messages.Event, messages.Ceiling))
_BEDSIDE = Registry(bedside.WORDS)


class Boot(msgspec.Struct, frozen=True, array_like=True):
    """What an agent is made of, its key's secret half left out.

    Parameters
    ----------
    settings : what it is
    point : the public half of its key of this boot
    signers : pinned signers of grants, by name: their public keys
    epoch_max, stored : from the store
    made_ns : when
    """

    settings: RobotSettings
    point: bytes
    signers: dict[str, bytes]
    epoch_max: int
    stored: State
    made_ns: int

    def make(self, seals: Seals) -> Agent:
        """Make the agent."""
        signers = {name: Ed25519PublicKey.from_public_bytes(k) for name, k in self.signers.items()}
        return Agent(self.settings, seals, signers, self.epoch_max, self.stored, self.made_ns)


class Fed(NamedTuple):
    """Something that an agent is fed with, on the robot's clock.

    Parameters
    ----------
    kind : one of those that an agent is fed with
    now_ns : when
    data : as it came; of STORED the record, encoded
    source : of what a guard says: whose key its connection has
    """

    kind: Kind
    now_ns: int
    data: bytes = b""
    source: str = ""

    @classmethod
    def stored(cls, record: Persist, now_ns: int) -> Fed:
        """Make what an agent is told of a record that is on disk."""
        return cls(Kind.STORED, now_ns, msgspec.msgpack.encode(record))

    @classmethod
    def pin(cls, signer: str, key: bytes | None, now_ns: int) -> Fed:
        """Make what an agent is told of a signer: its public key, or None."""
        return cls(Kind.PIN, now_ns, msgspec.msgpack.encode((signer, key)))

    def to(self, agent: Agent) -> bool:
        """Feed it; whether it changed anything, as far as the agent says.

        Raises
        ------
        WireError : it is no message of its kind; the agent was not asked
        """
        return _FEEDS[self.kind](agent, self) is not False

    def body(self) -> bytes:
        """Give what stands on the tape."""
        if self.kind is not Kind.GUARD:
            return self.data
        source = self.source.encode()
        return bytes((len(source),)) + source + self.data

    @classmethod
    def of(cls, kind: int, t_ns: int, body: bytes) -> Fed:
        """Read what stands on the tape."""
        if kind != Kind.GUARD:
            return cls(Kind(kind), t_ns, body)
        end = 1 + body[0]
        return cls(Kind.GUARD, t_ns, body[end:], body[1:end].decode())


class Taped:
    """An agent whose tape is written: it is fed and drained through this, and through nothing else.

    Parameters
    ----------
    tape : takes the records; None for none
    settings, secret, signers, epoch_max, stored, now_ns : of `Agent`
    """

    def __init__(
        self,
        tape: Recorder | None,
        settings: RobotSettings,
        secret: Secret,
        signers: Mapping[str, Ed25519PublicKey],
        epoch_max: int,
        stored: State,
        now_ns: int,
    ) -> None:
        keys = {name: key.public_bytes_raw() for name, key in signers.items()}
        self._boot = Boot(settings, secret.point, keys, epoch_max, stored, now_ns)
        self._secret = secret
        self._append = tape.append if tape is not None else None
        self._described = 0
        self.agent = self._boot.make(secret)
        if self._append is not None:
            self._append(Kind.BOOT, now_ns, msgspec.msgpack.encode(self._boot))

    def feed(self, fed: Fed) -> bool:
        """Feed the agent; whether it changed anything, as far as the agent says.

        Raises
        ------
        WireError : it is no message of its kind, and not on the tape
        """
        append = self._append
        if append is None:
            return fed.to(self.agent)
        self._secret.held = True
        try:
            done = fed.to(self.agent)
        except WireError:
            raise
        except BaseException:
            append(fed.kind, fed.now_ns, fed.body())
            raise
        kind = fed.kind
        if kind is Kind.PART and not self._secret.held:
            kind = Kind.FORGED
        append(kind, fed.now_ns, fed.body())
        return done

    def drained(self, now_ns: int, out: list[Outgoing], records: list[Any], looked_ns: int) -> None:
        """Note that the agent was drained, and what came out."""
        if self._append is not None:
            self._append(Kind.DRAIN, now_ns, _ENCODE((looked_ns, out, records)))

    def describe(self, now_ns: int) -> None:
        """Note what the agent is like at this moment, and now and then what it is made of."""
        if self._append is None:
            return
        if self._described % BOOT_EACH == 0:
            self._append(Kind.BOOT, now_ns, msgspec.msgpack.encode(self._boot))
        self._described += 1
        self._append(Kind.SNAPSHOT, now_ns, portrait(self.agent, SECRETS))
        if self._described % REST_EACH == 0 and is_at_rest(self.agent):
            self._append(Kind.REST, now_ns, freeze(self.agent, _name_of))


def is_at_rest(agent: Agent) -> bool:
    """Tell whether nobody holds the robot, and nothing is under way."""
    idle = agent.gate.session is None and agent.interlock.state <= State.IDLE
    return idle and not agent.has_output


def wake(data: bytes, seals: Seals) -> Agent:
    """Make the agent of what it was at rest.

    Raises
    ------
    ThawError : it is no agent
    """

    def thing_of(name: object) -> object:
        return Ed25519PublicKey.from_public_bytes(name) if isinstance(name, bytes) else seals

    agent = thaw(data, thing_of)
    if not isinstance(agent, Agent):
        raise ThawError(f"a {type(agent).__name__} is no agent")
    return agent


def _name_of(thing: object) -> object:
    """Name what does not belong on a tape as it is."""
    if isinstance(thing, Secret | Recalled):
        return "seals"
    return thing.public_bytes_raw() if isinstance(thing, Ed25519PublicKey) else None


_ENCODE = msgspec.msgpack.Encoder().encode
_PIN = msgspec.msgpack.Decoder(tuple[str, bytes | None])
_PERSIST = msgspec.msgpack.Decoder(Persist)


def _bedside(agent: Agent, fed: Fed) -> bool:
    return agent.bedside(_BEDSIDE.decode(fed.data), fed.now_ns)


def _pin(agent: Agent, signer: str, key: bytes | None) -> None:
    agent.pin(signer, None if key is None else Ed25519PublicKey.from_public_bytes(key))


_FEEDS: Final[dict[Kind, Callable[[Agent, Fed], bool | None]]] = {
    Kind.PART: lambda agent, fed: agent.receive(fed.data, fed.now_ns),
    Kind.FORGED: lambda agent, fed: agent.receive(fed.data, fed.now_ns),
    Kind.MEASURE: lambda agent, fed: agent.receive_driver(_MEASURES.decode(fed.data), fed.now_ns),
    Kind.GONE: lambda agent, fed: agent.driver_gone(fed.now_ns),
    Kind.GRANT: lambda agent, fed: agent.receive_grant(fed.data, fed.now_ns),
    Kind.GUARD: lambda agent, fed: agent.receive_guard(
        fed.source, _GUARD.decode(fed.data), fed.now_ns
    ),
    Kind.BEDSIDE: _bedside,
    Kind.PIN: lambda agent, fed: _pin(agent, *_PIN.decode(fed.data)),
    Kind.STORED: lambda agent, fed: agent.persisted(_PERSIST.decode(fed.data)),
    Kind.DEADLINE: lambda agent, fed: agent.handle_deadline(fed.now_ns),
}
