"""What a robot does with the key of its boot, and how the same is done again without it.

No key may stand on a recording. So the agent asks a `Seals` to open a grant's session and whether
a tag holds. The robot's process gives it a `Secret`, and records what that said of each command; a
replay gives it a `Recalled`, which has no key and says the same again.
"""

from __future__ import annotations

from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import ec

from safety.grant import SessionKeys, derive, public_point
from safety.seal import Tags

#: Everybody's: what it derives seals nothing.
_NO_KEY = ec.derive_private_key(1, ec.SECP256R1())


class Seals(Protocol):
    """The secrets of one boot."""

    @property
    def point(self) -> bytes:
        """The public point of the key of this boot."""

    def open(self, grant: bytes, console_key: bytes) -> SessionKeys:
        """Derive the keys of a grant's session.

        Raises
        ------
        GrantError : the console's key is no point of the curve
        """

    def holds(self, data: bytes, key: bytes) -> bool:
        """Tell whether the tag that ends `data` is that of the rest under `key`."""


class Secret:
    """The key of this boot.

    Attributes
    ----------
    point : its public half
    held : what was said of the last tag; whoever records sets it before, and reads it after
    """

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self.point = public_point(key)
        self.held = True
        self._tags_key, self._tags = b"", Tags(b"")

    def open(self, grant: bytes, console_key: bytes) -> SessionKeys:
        """Derive the keys of a grant's session."""
        return derive(grant, self._key, console_key)

    def holds(self, data: bytes, key: bytes) -> bool:
        """Check a tag."""
        if key is not self._tags_key:  # another session's
            self._tags_key, self._tags = key, Tags(key)
        self.held = held = self._tags.hold(data)
        return held


class Recalled:
    """No key, but what was said.

    Attributes
    ----------
    point : the public half of the key that was there
    held : what is said of the next tag; whoever replays sets it
    """

    def __init__(self, point: bytes) -> None:
        self.point = point
        self.held = True

    def open(self, grant: bytes, console_key: bytes) -> SessionKeys:
        """Derive keys that are nobody's secret, and refuse what `Secret` would."""
        return derive(grant, _NO_KEY, console_key)

    def holds(self, data: bytes, key: bytes) -> bool:
        """Say what was said."""
        return self.held
