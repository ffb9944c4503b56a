"""Signs what a browser shall bring back, and tells what of that is still good.

Two kinds, each with a type of its own in the signed header, so that one is never taken for the
other. A *visit* is the cookie that a one-time link was exchanged for. A *ticket* lets one offer
through: of one visit, to one camera, with one DTLS fingerprint, within seconds.

Rules
-----
- The signature comes before anything else is believed; the algorithm is ours, never the token's.
- Times are of the server's own monotonic clock: no wall clock lets anybody in.
- Compact JWS (RFC 7515) with Ed25519 (RFC 8037, named as RFC 9864 has it).
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from teleop.web.refusal import Cause, Refused

ALGORITHM: Final = "Ed25519"
KEY_BYTES: Final = 32
#: A visit has about 250 characters, a ticket 350; nothing longer is parsed.
TEXT_MAX: Final = 1024
S: Final = 1_000_000_000


class Visit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who was let in.

    Parameters
    ----------
    name : of this visit, random
    role : what its link was for
    until_ns : it ends
    """

    name: str
    role: str
    until_ns: int


class Ticket(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One offer that is let through.

    Parameters
    ----------
    name : of this ticket, random; it is used once
    visit : whose it is
    camera : where it leads
    fingerprint : of the offer's DTLS certificate, see `teleop.web.offer`
    until_ns : it ends
    """

    name: str
    visit: str
    camera: int
    fingerprint: str
    until_ns: int


T = TypeVar("T", Visit, Ticket)
_TYPES: Final[dict[type, str]] = {Visit: "trocar-visit", Ticket: "trocar-ticket"}
_REFUSALS: Final[dict[type, Cause]] = {Visit: Cause.VISIT, Ticket: Cause.TOKEN}


class Mint:
    """Signs and reads tokens.

    Parameters
    ----------
    seed : the Ed25519 private key, 32 bytes
    """

    def __init__(self, seed: bytes) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        assert len(seed) == KEY_BYTES
        self._key = OKPKey.import_key(Ed25519PrivateKey.from_private_bytes(seed))

    def sign(self, token: Visit | Ticket) -> str:
        """Write a token."""
        header = {"alg": ALGORITHM, "typ": _TYPES[type(token)]}
        payload = msgspec.json.encode(token)
        return jws.serialize_compact(header, payload, self._key, algorithms=[ALGORITHM])

    def read(self, kind: type[T], text: str, now_ns: int) -> T:
        """Read a token of a kind.

        Raises
        ------
        Refused : VISIT or TOKEN by its kind: forged, of another kind, or too old
        """
        cause = _REFUSALS[kind]
        if len(text) > TEXT_MAX:
            raise Refused(cause)
        try:
            signed = jws.deserialize_compact(text, self._key, algorithms=[ALGORITHM])
            if signed.headers().get("typ") != _TYPES[kind]:
                raise Refused(cause)
            token = msgspec.json.decode(signed.payload or b"", type=kind)
        except (JoseError, msgspec.MsgspecError, ValueError) as error:
            raise Refused(cause) from error
        if now_ns >= token.until_ns:
            raise Refused(cause)
        return token
