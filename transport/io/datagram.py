"""Seals frames into datagrams and opens them: an AEAD box with a header and a replay window.

Layout
------
``connection u32 BE | counter u64 BE | AES-256-GCM(frame) with its 16-byte tag``
The first 12 bytes are authenticated too. The nonce is the direction (u32 BE) and the counter.

Rules
-----
- Each direction has its own key, derived from the connection's by HKDF-SHA256, so a datagram
  can never be turned around.
- A counter is used once for a key. A connection that starts anew gets a new key, over CURVE.
- Length and replay window are asked before the cipher; the window learns only what is authentic.
- A box knows nothing of addresses: the newest authentic datagram says where its sender is.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import ClassVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from transport.link.replay import ReplayWindow

KEY_BYTES = 32
HEADER_BYTES = 12
OVERHEAD_BYTES = HEADER_BYTES + 16

_HEADER = struct.Struct(">IQ")
_COUNTER = struct.Struct(">Q")


class Direction(IntEnum):
    """Which way a datagram goes."""

    TO_RELAY = 0
    TO_END = 1


class DatagramError(ValueError):
    """A datagram was refused; `cause` names the counter that it moves.

    DatagramError
    ├── Short     fewer bytes than header and tag
    ├── Replayed  its counter was used, or is too old to know
    └── Forged    not sealed with this connection's key for this direction
    """

    cause: ClassVar[str] = "datagram"


class Short(DatagramError):
    """Fewer bytes than header and tag."""

    cause = "short"


class Replayed(DatagramError):
    """Its counter was used, or is too old to know."""

    cause = "replayed"


class Forged(DatagramError):
    """Not sealed with this connection's key for this direction."""

    cause = "forged"


class Sealer:
    """Seals the frames of one direction of one connection."""

    __slots__ = ("_connection", "_counter", "_direction", "_encrypt")

    def __init__(self, key: bytes, direction: Direction, connection: int) -> None:
        self._encrypt = _cipher(key, direction).encrypt
        self._direction = int(direction).to_bytes(4, "big")
        self._connection = connection
        self._counter = 0

    def seal(self, frame: bytes) -> bytes:
        """Return the datagram that carries `frame`."""
        header = _HEADER.pack(self._connection, self._counter)
        self._counter += 1
        return header + self._encrypt(self._direction + header[4:], frame, header)


class Opener:
    """Opens the datagrams of one direction of one connection.

    Attributes
    ----------
    newest : bool
        Whether the datagram opened last is the newest so far: its source is the peer's address.
    """

    __slots__ = ("_decrypt", "_direction", "_window", "newest")

    def __init__(self, key: bytes, direction: Direction) -> None:
        self._decrypt = _cipher(key, direction).decrypt
        self._direction = int(direction).to_bytes(4, "big")
        self._window = ReplayWindow()
        self.newest = False

    def open(self, datagram: bytes) -> bytes:
        """Return the frame inside; the caller has matched the connection.

        Raises
        ------
        Short, Replayed, Forged
        """
        if len(datagram) < OVERHEAD_BYTES:
            raise Short
        header = datagram[:HEADER_BYTES]
        (counter,) = _COUNTER.unpack_from(header, 4)
        window = self._window
        if not window.check(counter):
            raise Replayed
        try:
            frame = self._decrypt(self._direction + header[4:], datagram[HEADER_BYTES:], header)
        except InvalidTag:
            raise Forged from None
        self.newest = counter > window.newest
        window.accept(counter)
        return frame


def _cipher(key: bytes, direction: Direction) -> AESGCM:
    if len(key) != KEY_BYTES:
        raise ValueError(f"a datagram key has {KEY_BYTES} bytes, not {len(key)}")
    info = b"trocar datagram 1 " + direction.name.lower().encode()
    return AESGCM(HKDF(SHA256(), KEY_BYTES, salt=None, info=info).derive(key))
