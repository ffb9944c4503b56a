"""Decides who is let in: a link opens one visit, once, and not for long.

Rules
-----
- Of a link only its digest is kept; who reads this process's memory cannot follow it.
- A link is gone with its first use, whatever comes of that.
- Wrong links are answered slowly, then not at all: guessing 128 bits is hopeless anyway, and shall
  cost us nothing.
"""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

from teleop.web.refusal import Cause, Refused
from teleop.web.token import S, Visit
from transport.link.bucket import TokenBucket

LINKS_MAX: Final = 64
LINK_NS: Final = 600 * S
#: A day in an operating theatre.
VISIT_NS: Final = 12 * 3600 * S
#: Longer than any code of ours.
CODE_MAX: Final = 64
GUESSES_HZ, GUESSES_BURST = 1, 10
ROLES: Final = ("observer",)


class Link(NamedTuple):
    """A link that nobody has followed yet: what it is for, and until when."""

    role: str
    until_ns: int


class Admission:
    """The links of one node."""

    def __init__(self) -> None:
        self._links: dict[bytes, Link] = {}
        self._guesses = TokenBucket(GUESSES_HZ, GUESSES_BURST)

    def __len__(self) -> int:
        return len(self._links)

    def issue(self, role: str, code: str, now_ns: int) -> None:
        """Have a link, made of a random `code`, open one visit.

        Raises
        ------
        Refused : FORM, no such role; FULL, so many links wait that one may be lost or sold
        """
        if role not in ROLES:
            raise Refused(Cause.FORM, f"a link is for one of {', '.join(ROLES)}")
        self._links = {key: link for key, link in self._links.items() if now_ns < link.until_ns}
        if len(self._links) >= LINKS_MAX:
            raise Refused(Cause.FULL, f"{LINKS_MAX} links wait to be used")
        self._links[_digest(code)] = Link(role, now_ns + LINK_NS)

    def enter(self, code: str, name: str, now_ns: int) -> Visit:
        """Exchange a link's code for a visit of a random `name`.

        Raises
        ------
        Refused : LINK; GUESSES when there were too many of them
        """
        link = self._links.pop(_digest(code), None) if len(code) <= CODE_MAX else None
        if link is not None and now_ns < link.until_ns:
            return Visit(name=name, role=link.role, until_ns=now_ns + VISIT_NS)
        raise Refused(Cause.LINK if self._guesses.take(now_ns) else Cause.GUESSES)


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.encode(errors="surrogatepass")).digest()
