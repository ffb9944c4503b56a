"""Who is granted which robot: one console at a time, with an epoch above every earlier one.

Rules
-----
1. A robot that is held is not granted again, except to its holder who asks to replace. A script
   gives way to every console that asks so: it moves a simulated robot, and needs it for nobody.
   A robot that says it serves a session is held, also when we have forgotten (or never knew) whose.
2. epoch = max(own store, what the robot says) + 1. The robot refuses anything not above its own.
3. A grant reaches the console only after the robot accepted it.
4. What a device may ask for is its key's role: a `console` is a surgeon, a `script` a script.
"""

from __future__ import annotations

from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from safety.grant import (
    Acceptance,
    Boot,
    Denied,
    Grant,
    Granted,
    Release,
    Request,
    Revoke,
    Role,
    sign,
)
from safety.messages import NO_SESSION
from safety.profile import LADDERS, MS, Profile
from transport.wire.codec import Message, encode

#: A robot that has not answered a grant for this long is not there.
ANSWER_NS_MAX = 2_000 * MS
#: What `transport.wire.codec.Text` carries.
REASON_MAX = 200
#: How long a grant lasts, on the robot's clock: longer than any operation.
DURATION_S = 24 * 3600

#: The device role (transport.io.keys) that each session role needs.
DEVICE_ROLE = {Role.SURGEON: "console", Role.SCRIPT: "script"}


class Answer(NamedTuple):
    """A message for a console (by device name) or a robot (by name)."""

    to: str
    data: bytes


class Holder(NamedTuple):
    """Who holds a robot."""

    console: str
    session: bytes
    role: Role


class _Asked(NamedTuple):
    """A grant that its robot has not answered yet."""

    console: str
    request: bytes
    session: bytes
    role: Role
    grant: bytes
    deadline_ns: int


class Authority:
    """The authority over every robot that introduced itself.

    Parameters
    ----------
    signer, key : the node whose key signs
    epoch : highest epoch ever granted here, from the store
    """

    def __init__(self, signer: str, key: Ed25519PrivateKey, epoch: int) -> None:
        self._signer = signer
        self._key = key
        self.epoch = epoch
        self._robots: dict[str, Boot] = {}
        self._asked: dict[str, _Asked] = {}
        self._holders: dict[str, Holder] = {}

    @property
    def holders(self) -> dict[str, Holder]:
        """Who holds which robot."""
        return dict(self._holders)

    def introduced(self, boot: Boot) -> None:
        """Take what a robot says of itself; it ends our idea of a session that it no longer has."""
        self._robots[boot.robot] = boot
        holder = self._holders.get(boot.robot)
        if holder is not None and holder.session != boot.session:
            del self._holders[boot.robot]

    def request(
        self, console: str, device_role: str, request: Request, session: bytes, now_ns: int
    ) -> list[Answer]:
        """Judge a console's request.

        Parameters
        ----------
        console, device_role : the name and role bound to the connection's key
        session : eight random bytes, the id of the session if it comes about
        """
        reason = self._objection(console, device_role, request)
        if reason:
            return [Answer(console, encode(Denied(52, request.request, reason)))]
        boot = self._robots[request.robot]
        self.epoch = max(self.epoch, boot.epoch_max) + 1
        profile = Profile(request.profile)
        if profile is Profile.AUTO:
            profile = Profile.NATIVE
        grant = Grant(
            kind=50,
            session=session,
            robot=request.robot,
            boot=boot.boot,
            robot_key=boot.robot_key,
            console=console,
            console_key=request.console_key,
            role=request.role,
            epoch=self.epoch,
            limits=boot.limits,
            profile=profile,
            period_us=request.period_us,
            max_loop_ms=LADDERS[profile].max_loop_ns // MS,
            scale=request.scale,
            video_gate=False,
            bed="",
            duration_s=DURATION_S,
            signer=self._signer,
            signature=bytes(64),
        )
        data = sign(grant, self._key)
        self._asked[request.robot] = _Asked(
            console, request.request, session, Role(request.role), data, now_ns + ANSWER_NS_MAX
        )
        return [Answer(request.robot, data)]

    def answered(self, robot: str, acceptance: Acceptance) -> list[Answer]:
        """Take a robot's answer to a grant."""
        asked = self._asked.get(robot)
        if asked is None:
            return []
        # A robot that could not even read a grant refuses it without the session's name.
        nameless = not acceptance.accepted and acceptance.session == NO_SESSION
        if acceptance.session != asked.session and not nameless:
            return []
        del self._asked[robot]
        if not acceptance.accepted:
            reason = f"{robot} refused: {acceptance.reason}"[:REASON_MAX]
            return [Answer(asked.console, encode(Denied(52, asked.request, reason)))]
        self._holders[robot] = Holder(asked.console, asked.session, asked.role)
        return [Answer(asked.console, encode(Granted(51, asked.request, asked.grant)))]

    def released(self, console: str, release: Release) -> list[Answer]:
        """End the session that this console gives back; others' sessions it cannot end."""
        return [
            self._revoke(robot, holder.session, "released")
            for robot, holder in self.holders.items()
            if holder.console == console and holder.session == release.session
        ]

    def revoked(self, console: str) -> list[Answer]:
        """End every session of a console whose key is no longer valid."""
        return [
            self._revoke(robot, holder.session, "key revoked")
            for robot, holder in self.holders.items()
            if holder.console == console
        ]

    def next_deadline_ns(self) -> int | None:
        """When an asked robot counts as absent."""
        return min((asked.deadline_ns for asked in self._asked.values()), default=None)

    def handle_deadline(self, now_ns: int) -> list[Answer]:
        """Deny what a robot did not answer in time."""
        out = []
        for robot, asked in list(self._asked.items()):
            if asked.deadline_ns <= now_ns:
                del self._asked[robot]
                denied = Denied(52, asked.request, f"{robot} did not answer")
                out.append(Answer(asked.console, encode(denied)))
        return out

    def _objection(self, console: str, device_role: str, request: Request) -> str:
        """Why not; empty when there is no reason."""
        if request.role not in DEVICE_ROLE:
            return f"role {request.role} is unknown"
        needed = DEVICE_ROLE[Role(request.role)]
        if device_role != needed:
            return f"{console} has the key of a {device_role}, this role needs a {needed}"
        if request.profile not in list(Profile):
            return f"profile {request.profile} is unknown"
        if request.robot not in self._robots:
            return f"robot {request.robot!r} is not connected to this node"
        if request.robot in self._asked:
            return f"{request.robot} is being granted to {self._asked[request.robot].console}"
        holder = self._holders.get(request.robot)
        if holder is not None:
            gives_way = holder.console == console or holder.role is Role.SCRIPT
            if not (gives_way and request.replace):
                return f"{request.robot} is held by {holder.console}"
        elif self._robots[request.robot].session != NO_SESSION:
            return f"{request.robot} still serves a session of before"
        return ""

    def _revoke(self, robot: str, session: bytes, reason: str) -> Answer:
        self._holders.pop(robot, None)
        message: Message = Revoke(55, session, reason)
        return Answer(robot, encode(message))
