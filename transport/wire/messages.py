"""The link's own vocabulary: how an end attaches to a relay, and how both know their distance.

These messages never leave the link that carries them. Their authentication is the link's (the
CURVE key of the connection); what an operator or a robot says is sealed end to end and lives in
safety.messages.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgpack
import msgspec

from transport.wire.codec import U8, U16, U32, U63, Message, Name, Text
from transport.wire.errors import Malformed


class Attach(Message, frozen=True):
    """An end asks a relay to carry its frames: the first message on a connection.

    Parameters
    ----------
    robot : the robot that this end speaks to (a console) or for (a robot)
    hold_us : silence after which this end would hold, µs; the relay judges age by it
    max_loop_us : largest loop that this end would accept, µs
    datagrams : ask for a datagram key beside this connection; the link that carries them says so
    """

    KIND: ClassVar[int] = 1
    kind: Literal[1]
    robot: Name
    hold_us: U32
    max_loop_us: U32
    datagrams: bool


class Attached(Message, frozen=True):
    """The relay's answer to `Attach`.

    Parameters
    ----------
    path : number of this relay's path, unique among the relays of a robot
    incarnation : differs after each start of the relay
    datagram_key : 32 bytes of secret for the datagrams of this connection, or nil
    connection : name of the connection in the datagrams' header
    port : UDP port of the relay, 0 without datagrams
    """

    KIND: ClassVar[int] = 2
    kind: Literal[2]
    path: U8
    incarnation: U32
    datagram_key: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)] | None
    connection: U32
    port: U16


class Clock(Message, frozen=True):
    """A ping (t2 = t3 = 0) or its answer; also the link's heartbeat.

    Parameters
    ----------
    t1 : ns, sender's monotonic clock when the ping left
    t2, t3 : ns, answerer's monotonic clock when it came and when the answer left
    """

    KIND: ClassVar[int] = 3
    kind: Literal[3]
    t1: U63
    t2: U63
    t3: U63


class Refused(Message, frozen=True):
    """A request was refused; `reason` is a sentence for a person."""

    KIND: ClassVar[int] = 4
    BYTES_MAX: ClassVar[int] = 1024
    kind: Literal[4]
    reason: Text


class Hop(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """What a relay appends behind a frame that it forwards; never trusted, only shown.

    Parameters
    ----------
    path : the relay's path number
    incarnation : of the relay
    dwell_ns : from the frame's arrival at the relay to its departure
    merged, late : frames of this stream that this relay did not forward so far, because a newer
        one had come or because they were too old: what is missing behind it and not counted
        here was lost
    """

    path: U8
    incarnation: U32
    dwell_ns: U32
    merged: U63
    late: U63


VOCABULARY: tuple[type[Message], ...] = (Attach, Attached, Clock, Refused)

_HOP = msgspec.msgpack.Encoder()


def encode_hop(path: int, incarnation: int, dwell_ns: int, merged: int = 0, late: int = 0) -> bytes:
    """Write one hop record; a dwell beyond 4.29 s is written as that."""
    return _HOP.encode((path, incarnation, min(dwell_ns, 0xFFFF_FFFF), merged, late))


def decode_hops(hops: bytes) -> list[Hop]:
    """Read the hop records behind a message, nearest the sender first.

    Raises
    ------
    Malformed : something else stands there
    """
    unpacker = msgpack.Unpacker(max_buffer_size=len(hops) or 1, max_array_len=5)
    unpacker.feed(hops)
    records: list[Hop] = []
    try:
        while unpacker.tell() < len(hops):  # iterating would end quietly within a record
            records.append(msgspec.convert(unpacker.unpack(), Hop))
    except (msgpack.UnpackException, msgspec.ValidationError, ValueError, TypeError) as error:
        raise Malformed(f"hop record: {error!r}") from None
    return records
