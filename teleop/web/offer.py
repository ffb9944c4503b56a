"""Looks at an offer before anything parses it: how large it is, and whose certificate it names.

Rules
-----
- Its size is bounded before its first line is read, then its lines and candidates.
- One SHA-256 fingerprint, the same wherever it stands: the connection is then with the holder of
  that certificate, and with nobody else.
- What else is in an offer is the peer connection's to judge.
"""

from __future__ import annotations

import re
from typing import Final

from teleop.web.refusal import Cause, Refused

#: A browser's offer has 3 to 9 kB.
BYTES_MAX: Final = 32 * 1024
LINES_MAX: Final = 400
#: What a server is told to talk to by somebody it does not know yet.
CANDIDATES_MAX: Final = 32
_FINGERPRINT = re.compile(r"sha-256 ([0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){31})")


def fingerprint_of(sdp: str) -> str:
    """Return the fingerprint of an offer's certificate, in upper case: "AB:CD:...".

    Raises
    ------
    Refused : SIZE or OFFER
    """
    if len(sdp) > BYTES_MAX:
        raise Refused(Cause.SIZE, f"an offer has at most {BYTES_MAX} bytes")
    if not sdp.isascii():
        raise Refused(Cause.OFFER, "an offer is ASCII")
    lines = sdp.splitlines()  # as the one who parses it does, or a line could hide in a line
    if len(lines) > LINES_MAX:
        raise Refused(Cause.OFFER, f"more than {LINES_MAX} lines")
    if sum(line.startswith("a=candidate:") for line in lines) > CANDIDATES_MAX:
        raise Refused(Cause.OFFER, f"more than {CANDIDATES_MAX} candidates")
    told = [line.removeprefix("a=fingerprint:") for line in lines if _tells(line)]
    found = {normal(words) for words in told}
    if len(found) != 1:
        raise Refused(Cause.OFFER, f"{len(found)} fingerprints; one certificate makes a connection")
    return found.pop()


def normal(words: str) -> str:
    """Return a fingerprint ("sha-256 ab:cd:...") without its algorithm, in upper case.

    Raises
    ------
    Refused : OFFER, it is none
    """
    match = _FINGERPRINT.fullmatch(words)
    if match is None:
        raise Refused(Cause.OFFER, "a fingerprint is sha-256 and 32 bytes")
    return match[1].upper()


def _tells(line: str) -> bool:
    return line.lower().startswith("a=fingerprint:")
