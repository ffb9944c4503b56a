"""Names every reason why the pages' server does not do what it is asked.

A cause is a counter on the board and a word in the answer; its status is HTTP's. Nobody is told
which of several secrets was nearly right.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Final, NamedTuple


class Cause(StrEnum):
    """Why not."""

    FULL = "full"
    SLOW = "slow"
    SIZE = "size"
    FORM = "form"
    ORIGIN = "origin"
    LINK = "link"
    GUESSES = "guesses"
    VISIT = "visit"
    TOKEN = "token"
    REUSED = "reused"
    FINGERPRINT = "fingerprint"
    OFFER = "offer"
    BUSY = "busy"
    OFTEN = "often"
    CAMERA = "camera"


class Answer(NamedTuple):
    """How a cause is answered: HTTP's status, and words for a person."""

    status: int
    words: str


ANSWERS: Final = {
    Cause.FULL: Answer(503, "more connections than are served"),
    Cause.SLOW: Answer(408, "nothing came, or nobody read, for too long"),
    Cause.SIZE: Answer(413, "more bytes than are read"),
    Cause.FORM: Answer(400, "not what is taken here"),
    Cause.ORIGIN: Answer(403, "not asked by one of our own pages"),
    Cause.LINK: Answer(403, "this link was used, or is too old, or never was one"),
    Cause.GUESSES: Answer(429, "too many wrong links"),
    Cause.VISIT: Answer(401, "nobody we know: a link lets you in"),
    Cause.TOKEN: Answer(403, "a token that is not ours, not yours, or too old"),
    Cause.REUSED: Answer(403, "a token that was used before"),
    Cause.FINGERPRINT: Answer(403, "a token for another connection"),
    Cause.OFFER: Answer(400, "an offer that we do not look at"),
    Cause.BUSY: Answer(429, "too many connections are being made"),
    Cause.OFTEN: Answer(429, "more often than is listened to"),
    Cause.CAMERA: Answer(503, "the camera's process does not answer"),
}
assert set(ANSWERS) == set(Cause)


class Refused(Exception):
    """Something that is not done.

    Parameters
    ----------
    cause : why not
    detail : for a person, after the cause's own words
    """

    def __init__(self, cause: Cause, detail: str = "") -> None:
        super().__init__(f"{ANSWERS[cause].words}{': ' if detail else ''}{detail}")
        self.cause = cause


class Counters(NamedTuple):
    """Where it is counted what was refused, what was done, and how old a picture was, ns."""

    refused: Callable[[Cause], object]
    did: Callable[[str], object]
    age: Callable[[int], object]
