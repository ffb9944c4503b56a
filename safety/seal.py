"""How a message is sealed end to end: its last field is an HMAC over every byte before it.

HMAC-SHA-256 (RFC 2104) cut to 128 bit. WebCrypto in a browser computes the same.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final, Generic, TypeVar

import msgpack
import msgspec

from safety.messages import TAG_BYTES
from transport.wire.codec import HOPS_BYTES_MAX, VERSION, Message, Registry, encode, split

_BLOCK_BYTES: Final = 64  # of SHA-256
_INNER, _OUTER = bytes(b ^ 0x36 for b in range(256)), bytes(b ^ 0x5C for b in range(256))
M = TypeVar("M", bound=Message)
#: How MessagePack announces a tag.
_TAG_HEAD: Final = msgpack.packb(bytes(TAG_BYTES))[:-TAG_BYTES]


def seal(message: Message, key: bytes) -> bytes:
    """Encode a message whose last field is a 16-byte tag, with the tag made under `key`."""
    body = encode(message)[:-TAG_BYTES]
    return body + hmac.digest(key, body, "sha256")[:TAG_BYTES]


def is_sealed(data: bytes, key: bytes) -> bool:
    """Tell whether the last 16 bytes are the tag of the rest under `key`, in constant time."""
    tag = hmac.digest(key, data[:-TAG_BYTES], "sha256")[:TAG_BYTES]
    return hmac.compare_digest(tag, data[-TAG_BYTES:])


class Tags:
    """Checks tags under one key.

    What HMAC makes of the key alone is made once: two of its blocks need not be hashed again.
    """

    def __init__(self, key: bytes) -> None:
        assert len(key) <= _BLOCK_BYTES
        padded = key.ljust(_BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(padded.translate(_INNER))
        self._outer = hashlib.sha256(padded.translate(_OUTER))

    def hold(self, data: bytes) -> bool:
        """Tell what `is_sealed` tells, under this key."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(data[:-TAG_BYTES])
        outer.update(inner.digest())
        return hmac.compare_digest(outer.digest()[:TAG_BYTES], data[-TAG_BYTES:])


class Envelope(Generic[M]):
    """Takes parts apart that hold one class of sealed message, and hop records behind it.

    To find a message's end from its beginning costs thrice what it costs to read it. But the last
    place in a part that looks like the beginning of a tag nearly always is one, and what can be
    read up to that tag's end as one message is that message. Any other part is taken apart from
    its beginning, and what is wrong with it named.
    """

    def __init__(self, message: type[M]) -> None:
        self._message = message
        self._registry = Registry((message,))
        self._decode = msgspec.msgpack.Decoder(message).decode
        array = msgpack.Packer().pack_array_header(1 + len(message.__struct_fields__))
        self._head = array + bytes((VERSION, message.KIND))

    def take_apart(self, part: bytes) -> tuple[M, bytes, bytes]:
        """Divide a part into the message, its bytes, and the hop records behind them.

        Raises
        ------
        WireError : one of its kinds, naming what was wrong
        """
        end = part.rfind(_TAG_HEAD) + len(_TAG_HEAD) + TAG_BYTES
        if end <= self._message.BYTES_MAX and len(part) <= end + HOPS_BYTES_MAX:
            data = part[:end]
            if data.startswith(self._head):
                try:
                    return self._decode(data), data, part[end:]
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                    pass
        data, hops = split(part)
        return self._registry.expect(data, self._message), data, hops
