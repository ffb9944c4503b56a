"""How a message is sealed end to end: its last field is an HMAC over every byte before it.

HMAC-SHA-256 (RFC 2104) cut to 128 bit. WebCrypto in a browser computes the same.
"""

from __future__ import annotations

import hmac

from safety.messages import TAG_BYTES
from transport.wire.codec import Message, encode


def seal(message: Message, key: bytes) -> bytes:
    """Encode a message whose last field is a 16-byte tag, with the tag made under `key`."""
    body = encode(message)[:-TAG_BYTES]
    return body + hmac.digest(key, body, "sha256")[:TAG_BYTES]


def is_sealed(data: bytes, key: bytes) -> bool:
    """Tell whether the last 16 bytes are the tag of the rest under `key`, in constant time."""
    tag = hmac.digest(key, data[:-TAG_BYTES], "sha256")[:TAG_BYTES]
    return hmac.compare_digest(tag, data[-TAG_BYTES:])
