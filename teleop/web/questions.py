"""What a page may ask, and how large it may be: JSON of these shapes, and nothing else."""

from __future__ import annotations

from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta

from teleop.web.admission import CODE_MAX
from teleop.web.offer import BYTES_MAX
from teleop.web.refusal import Cause, Refused

#: An offer, and what JSON makes of its line ends.
BODY_BYTES_MAX: Final = 2 * BYTES_MAX
#: A page reports each two seconds; a display of 120 Hz shows as many pictures meanwhile.
AGES_MAX: Final = 256

Age = Annotated[int, Meta(ge=0, le=60_000_000)]


class Enter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A link's code."""

    code: Annotated[str, Meta(max_length=CODE_MAX)]


class Want(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a ticket is wanted for."""

    camera: int
    fingerprint: Annotated[str, Meta(max_length=128)]


class Offer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be answered."""

    ticket: str
    sdp: str


class Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How old the pictures were that a page has shown since its last report, us."""

    ages_us: Annotated[tuple[Age, ...], Meta(max_length=AGES_MAX)]
    freezes: Annotated[int, Meta(ge=0, le=1000)]


Q = TypeVar("Q", Enter, Want, Offer, Seen)


def read(data: bytes, kind: type[Q]) -> Q:
    """Read a question of a kind.

    Raises
    ------
    Refused : SIZE or FORM
    """
    if len(data) > BODY_BYTES_MAX:
        raise Refused(Cause.SIZE, f"at most {BODY_BYTES_MAX} bytes")
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, ValueError) as error:
        raise Refused(Cause.FORM, str(error)) from error
