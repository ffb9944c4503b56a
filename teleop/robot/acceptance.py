"""Whether a robot accepts a grant: every field against what the robot knows itself."""

from __future__ import annotations

from safety.grant import Grant, GrantError, Role
from safety.messages import NO_SESSION
from safety.profile import LADDERS, MS, Ladder, Profile
from safety.signers import Signers
from transport.wire.codec import Registry
from transport.wire.errors import WireError

_GRANTS = Registry((Grant,))
#: As in `safety.grant.Request`: what no console may ask for, no grant may give.
PERIOD_US_MIN, PERIOD_US_MAX = 250, 100_000


def accept(
    data: bytes,
    *,
    signers: Signers,
    robot: str,
    boot: bytes,
    epoch_max: int,
    limits: bytes,
    simulated: bool,
    bed: str,
) -> Grant:
    """Decode a grant and check that this robot, in this boot, may act on it.

    Raises
    ------
    GrantError : the first thing that is wrong, in words
    """
    grant = signers.read(data)
    if grant.robot != robot:
        raise GrantError(f"it is for robot {grant.robot!r}, this is {robot!r}")
    if grant.boot != boot:
        raise GrantError("it is for an earlier boot of this robot")
    if grant.epoch <= epoch_max:
        raise GrantError(f"epoch {grant.epoch} is not above {epoch_max}")
    if grant.bed != bed:
        raise GrantError(f"it is for bed {grant.bed!r}, this robot stands at {bed or 'none'!r}")
    if grant.limits != limits:
        raise GrantError("it was made for other limits than this robot has loaded")
    if grant.role not in (Role.SURGEON, Role.SCRIPT):
        raise GrantError(f"role {grant.role} is unknown")
    if grant.role == Role.SCRIPT and not simulated:
        raise GrantError("a scripted console may move a simulated robot only")
    if grant.profile not in (Profile.NATIVE, Profile.BROWSER, Profile.WAN):
        raise GrantError(f"profile {grant.profile} is unknown")
    if not PERIOD_US_MIN <= grant.period_us <= PERIOD_US_MAX:
        raise GrantError(f"a period of {grant.period_us} us is not one of a hand")
    return grant


def session_of(data: bytes) -> bytes:
    """Read the session that a grant is for; zeros when it is no grant."""
    try:
        return _GRANTS.expect(data, Grant).session
    except WireError:
        return NO_SESSION


def ladder_of(grant: Grant) -> Ladder:
    """Find the ladder that a grant puts in force; `max_loop_ms` may only tighten it."""
    ladder = LADDERS[Profile(grant.profile)]
    return ladder._replace(max_loop_ns=min(ladder.max_loop_ns, grant.max_loop_ms * MS))
