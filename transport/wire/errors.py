"""Why bytes from a peer were not a message.

WireError
├── Oversized       more bytes than the kind (or any kind) may have
├── Malformed       not MessagePack, cut short, or trailed by something else
├── UnknownVersion  a protocol version that this build does not speak
├── UnknownKind     a kind that is in no vocabulary of this end
└── BadField        a field of the wrong type, length or range

Every one of them blames the peer; each class names the counter that it moves (`cause`).
"""

from __future__ import annotations

from typing import ClassVar


class WireError(ValueError):
    """Bytes that are not a message of this protocol."""

    cause: ClassVar[str] = "wire"


class Oversized(WireError):
    """More bytes than allowed; refused before parsing."""

    cause = "oversized"

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"{size} bytes, at most {limit} are allowed")


class Malformed(WireError):
    """Not one MessagePack array, or cut short."""

    cause = "malformed"


class UnknownVersion(WireError):
    """A protocol version that this build does not speak."""

    cause = "version"

    def __init__(self, version: int, spoken: int) -> None:
        super().__init__(f"protocol version {version}, this end speaks {spoken}")


class UnknownKind(WireError):
    """A kind of message that this end has no vocabulary for."""

    cause = "kind"

    def __init__(self, kind: int) -> None:
        super().__init__(f"message kind {kind} is not known here")


class BadField(WireError):
    """A field of the wrong type, length or range."""

    cause = "field"

    def __init__(self, message: str, field: str, expected: str) -> None:
        super().__init__(f"{message}.{field}: {expected}")
        self.field = field
