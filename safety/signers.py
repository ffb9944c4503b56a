"""Whose grants are believed: the pinned signers, each followed by whom it named its successor.

A signer is pinned by a person, once. From then on its key changes only by a word of its own: the
old key signs the new one. Then the old one signs nothing any more that is believed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from safety.grant import Grant, GrantError, verify
from transport.wire.codec import Bin32, Bin64, Message, Name, Registry
from transport.wire.errors import WireError

_DOMAIN = b"trocar signer succession v1\n"
_GRANTS = Registry((Grant,))


class Succession(Message, frozen=True):
    """A signer names the key that follows its own.

    Parameters
    ----------
    signer : the node
    old, new : its public keys, Ed25519
    signature : by the old key
    """

    KIND: ClassVar[int] = 62
    BYTES_MAX: ClassVar[int] = 384
    kind: Literal[62]
    signer: Name
    old: Bin32
    new: Bin32
    signature: Bin64


def succeed(signer: str, old: Ed25519PrivateKey, new: Ed25519PublicKey) -> Succession:
    """Have the old key name the new one."""
    before, after = old.public_key().public_bytes_raw(), new.public_bytes_raw()
    return Succession(62, signer, before, after, old.sign(_said(signer, before, after)))


class Signers:
    """The signers that one robot, or one console, believes.

    Parameters
    ----------
    pinned : public keys by signer
    """

    def __init__(self, pinned: Mapping[str, Ed25519PublicKey]) -> None:
        self._keys = dict(pinned)

    def key(self, signer: str) -> Ed25519PublicKey | None:
        """Return the key that this signer signs with now; None for a stranger."""
        return self._keys.get(signer)

    def pin(self, signer: str, key: Ed25519PublicKey | None) -> None:
        """Take a person's word about a signer; None: it is believed no more."""
        if key is None:
            self._keys.pop(signer, None)
        else:
            self._keys[signer] = key

    def read(self, data: bytes) -> Grant:
        """Decode a grant that one of them signed.

        Raises
        ------
        GrantError : it is none, or not theirs
        """
        try:
            grant = _GRANTS.expect(data, Grant)
        except WireError as error:
            raise GrantError(str(error)) from None
        key = self._keys.get(grant.signer)
        if key is None:
            raise GrantError(f"signer {grant.signer!r} is not pinned here")
        verify(data, key)
        return grant

    def follow(self, word: Succession) -> bool:
        """Take a signer's word about its next key; False when it is not its present key's."""
        key = self._keys.get(word.signer)
        if key is None or key.public_bytes_raw() != word.old:
            return False
        try:
            key.verify(word.signature, _said(word.signer, word.old, word.new))
            self._keys[word.signer] = Ed25519PublicKey.from_public_bytes(word.new)
        except InvalidSignature:
            return False
        return True


def _said(signer: str, old: bytes, new: bytes) -> bytes:
    return _DOMAIN + signer.encode() + b"\n" + old + new


VOCABULARY: tuple[type[Message], ...] = (Succession,)
