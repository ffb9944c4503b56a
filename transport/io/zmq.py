"""Drains ZeroMQ sockets in the loop: everything that waits, then one word that it was all.

Rules
-----
- Plain sockets, their descriptor in `Loop.add_reader`. Futures cost 0.14 ms a round trip.
- The descriptor is edge-triggered. One wake-up may stand for 300 messages, and a send may
  swallow the edge of a message that came meanwhile (499 of 500 were not seen, measured). So a
  pump drains until empty, every send looks again, and a tick looks once more at sockets that send.
- A pump takes at most `limit` messages before the others have their turn. Of a message with too
  many parts the rest is thrown away under the same limit: 50,000 of them at once stood in the
  way of everything else for long enough to hold the robot (measured).
- Nothing blocks and nothing lingers: what cannot be sent now is old motion, and is dropped.
- No ZMTP heartbeats. In libzmq 4.3.5 a heartbeat that falls due while a receive queue is full
  and its peer has just hung up aborts the whole process (`!_io_error`, stream_engine_base.cpp):
  after half a second of SIGSTOP, or at a peer's will. Ends beat in their own messages instead;
  TCP's keep-alive and user timeout clear away connections to dead machines.
- For the same reason, and so that a pass sees everything, the receive queue is deep: what
  bounds the age of motion is not a queue's length but the drain to the newest.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable
from enum import IntEnum
from typing import Any, NamedTuple

import zmq

from transport.io.loop import Loop

PARTS_MAX = 4  # our messages have one part, or two behind a routing id
PUMP_MAX = 256
#: Frames that may wait to leave. At 1 kHz the oldest is then beyond the shortest HOLD, and would be
#: refused for its age; newest wins among the rest. Eight lost commands to stalls of the I/O thread.
HWM = 32
RECEIVE_HWM = 1024
TOS_EF = 0xB8  # DSCP expedited forwarding
HANDSHAKE_MS_MAX = 1000  # a half-open connection lives no longer
READ_BYTES_MAX = 8_192  # libzmq hangs up beyond; smaller limits are refused by name above it
CONNECT_MS_MAX = 1000
UNACKNOWLEDGED_MS_MAX = 2000

_NOBLOCK = int(zmq.NOBLOCK)
_SENDMORE = _NOBLOCK | int(zmq.SNDMORE)
_POLLIN = int(zmq.POLLIN)
_EVENTS = zmq.EVENTS
_MUTE = (zmq.PUB, zmq.PUSH)  # sockets that nothing can be read from
_ALL_EARS = (zmq.PAIR, zmq.SUB, zmq.PULL)  # ours send nothing: no edge of theirs is swallowed
_EVENT = struct.Struct("=hi")

Socket = zmq.Socket[bytes]
Context = zmq.Context[Socket]


class Tuning(NamedTuple):
    """Limits of one socket.

    Parameters
    ----------
    hwm : frames that may wait to leave, each connection
    read_bytes_max : a larger part ends its connection
    """

    hwm: int = HWM
    read_bytes_max: int = READ_BYTES_MAX


TUNING = Tuning()


def tune(socket: Socket, tuning: Tuning = TUNING) -> Socket:
    """Set what every socket of ours has in common, before it binds or connects."""
    socket.linger = 0
    socket.sndhwm = tuning.hwm
    socket.rcvhwm = RECEIVE_HWM
    socket.maxmsgsize = tuning.read_bytes_max
    socket.immediate = 1  # never queue for a connection that does not exist yet
    socket.handshake_ivl = HANDSHAKE_MS_MAX
    socket.reconnect_ivl = 20
    socket.reconnect_ivl_max = 200
    socket.tos = TOS_EF
    socket.connect_timeout = CONNECT_MS_MAX
    socket.tcp_maxrt = UNACKNOWLEDGED_MS_MAX
    socket.tcp_keepalive = 1
    socket.tcp_keepalive_idle = 2  # seconds, and two probes a second apart
    socket.tcp_keepalive_intvl = 1
    socket.tcp_keepalive_cnt = 2
    if socket.type == zmq.ROUTER:
        # Say so when a peer is gone. Routing ids are libzmq's own, fresh for each connection;
        # without handover nobody can take an id, and with it the stream, of somebody else.
        socket.router_mandatory = 1
        socket.router_handover = 0
    return socket


def bound_to(socket: Socket) -> str:
    """Return the endpoint that a socket is bound to, with the port it was given."""
    endpoint = socket.getsockopt(zmq.LAST_ENDPOINT)
    assert isinstance(endpoint, bytes)
    return endpoint.rstrip(b"\0").decode()


class Port:
    """One socket in the loop.

    Parameters
    ----------
    loop : the process's loop
    socket : tuned, bound or connected; the port owns it from here on
    on_frames : called with the parts of each message
    on_drained : called after a pass that brought something
    limit : messages a pass
    parts_max : a message with more parts is refused
    on_surplus : called for each that was

    Attributes
    ----------
    received, sent, dropped, unreachable, surplus : int
        Messages in; out; not sent because the queue was full or nobody was connected; not sent
        because that peer is gone; refused for having too many parts.
    """

    __slots__ = (
        "_events",
        "_fd",
        "_limit",
        "_loop",
        "_on_drained",
        "_on_frames",
        "_on_surplus",
        "_parts_max",
        "_pumping",
        "_recv",
        "_send",
        "_sent_in_pump",
        "_skipping",
        "closed",
        "dropped",
        "received",
        "sent",
        "socket",
        "surplus",
        "unreachable",
    )

    def __init__(
        self,
        loop: Loop,
        socket: Socket,
        on_frames: Callable[[list[zmq.Frame]], None],
        on_drained: Callable[[], None] | None = None,
        limit: int = PUMP_MAX,
        parts_max: int = PARTS_MAX,
        on_surplus: Callable[[], None] | None = None,
    ) -> None:
        self.socket = socket
        self.closed = False
        self.received = self.sent = self.dropped = self.unreachable = self.surplus = 0
        self._loop = loop
        self._on_frames = on_frames
        self._on_drained = on_drained
        self._limit = limit
        self._parts_max = parts_max
        self._on_surplus = on_surplus
        self._skipping = False  # amid the rest of a refused message
        self._recv: Callable[..., Any] = socket.recv
        # The method beneath pyzmq's own, which looks for draft options at every call.
        self._send: Callable[..., Any] = super(zmq.Socket, socket).send
        self._events: Callable[..., Any] = socket.getsockopt
        self._pumping = False
        self._sent_in_pump = False
        self._fd = int(socket.getsockopt(zmq.FD))
        if socket.type in _MUTE:
            # Its descriptor still asks for attention, when a subscriber comes or goes.
            loop.add_reader(self._fd, self.poll)
            return
        loop.add_reader(self._fd, self.pump)
        if socket.type not in _ALL_EARS:
            loop.sweep(self.poll)
        loop.call_soon(self.poll)  # what came before we watched has no edge left

    def poll(self) -> None:
        """Take what waits now, without waiting for the loop to come round."""
        if self._waiting():
            self.pump()

    def pump(self) -> None:
        """Drain the socket, up to the limit."""
        if self._pumping or self.closed:
            return
        self._pumping = True
        self._sent_in_pump = False
        try:
            more = self._drain()
        finally:
            self._pumping = False
        if more or (self._sent_in_pump and self._waiting()):
            self._loop.call_soon(self.pump)

    def send(self, data: bytes) -> bool:
        """Send one part to the peer (or all, from a PUB); False = dropped and counted."""
        try:
            self._send(data, _NOBLOCK)
        except zmq.Again:
            self.dropped += 1
            self._look_after_send()
            return False
        self.sent += 1
        self._look_after_send()
        return True

    def send_to(self, route: bytes, data: bytes) -> bool:
        """Send one part to the peer with this routing id; False = dropped and counted."""
        try:
            self._send(route, _SENDMORE)
            self._send(data, _NOBLOCK)
        except zmq.Again:
            self.dropped += 1
            self._look_after_send()
            return False
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            self.unreachable += 1
            self._look_after_send()
            return False
        self.sent += 1
        self._look_after_send()
        return True

    def close(self) -> None:
        """Leave the loop and close the socket. Closing twice is harmless."""
        if self.closed:
            return
        self.closed = True
        self._loop.unsweep(self.poll)
        self._loop.remove_reader(self._fd)
        self.socket.close(0)

    def _drain(self) -> bool:
        recv, on_frames, parts_max = self._recv, self._on_frames, self._parts_max
        taken, more = 0, True
        while taken < self._limit:
            # Asking first is cheaper than an exception at the end of every pass, and descriptors
            # also call for what is no message.
            if not self._events(_EVENTS) & _POLLIN:
                more = False
                break
            frame = recv(_NOBLOCK, False)
            taken += 1
            if self._skipping:
                self._skipping = frame.more
                continue
            frames = [frame]
            while frame.more and len(frames) <= parts_max:
                frame = recv(_NOBLOCK, False)
                frames.append(frame)
            if len(frames) > parts_max:
                self._refuse(frame)
                continue
            on_frames(frames)
            if self.closed:
                return False
        self.received += taken
        if taken and self._on_drained is not None:
            self._on_drained()
        return more

    def _refuse(self, last: zmq.Frame) -> None:
        """Count a message with too many parts, of which this one was read last."""
        self._skipping = last.more
        self.surplus += 1
        if self._on_surplus is not None:
            self._on_surplus()

    def _waiting(self) -> bool:
        return not self.closed and bool(self._events(_EVENTS) & _POLLIN)

    def _look_after_send(self) -> None:
        # A pump that is under way looks itself when it is done, once for all its sends.
        if self._pumping:
            self._sent_in_pump = True
        elif self._waiting():
            self._loop.call_soon(self.pump)


class Happened(IntEnum):
    """What a monitor tells of a connection; the values are libzmq's."""

    DISCONNECTED = 0x0200
    FAILED_NO_DETAIL = 0x0800
    SUCCEEDED = 0x1000
    FAILED_PROTOCOL = 0x2000
    FAILED_AUTH = 0x4000


REFUSALS = (Happened.FAILED_NO_DETAIL, Happened.FAILED_PROTOCOL, Happened.FAILED_AUTH)


_MONITORS = itertools.count()


class Monitor(Port):
    """What is told about a socket.

    Nothing may be told any more when nobody listens: libzmq's I/O thread says it by a blocking
    send, and with no peer it would wait for ever, and every socket of the process with it.
    """

    __slots__ = ("_watched",)

    def __init__(
        self,
        loop: Loop,
        socket: Socket,
        on_frames: Callable[[list[zmq.Frame]], None],
        watched: Socket,
    ) -> None:
        self._watched = watched
        super().__init__(loop, socket, on_frames)

    def close(self) -> None:
        """Have nothing told any more, then stop listening. Closing twice is harmless."""
        if not (self.closed or self._watched.closed):
            self._watched.disable_monitor()
        super().close()


def watch(loop: Loop, socket: Socket, on_event: Callable[[Happened], None]) -> Monitor:
    """Tell about the handshakes and disconnections of a socket; close the port before it.

    The monitor's queue has no limit, because libzmq's I/O thread would wait for room in a full
    one. Only these five kinds of event enter it, and each costs its author a TCP connection.
    """
    mask = 0
    for event in Happened:
        mask |= event
    # Not its id(): that may be another socket's whose name libzmq has not let go of yet.
    address = f"inproc://monitor.{next(_MONITORS)}"
    socket.monitor(address, mask)
    monitor = socket.context.socket(zmq.PAIR)
    monitor.linger = 0
    monitor.rcvhwm = 0
    monitor.connect(address)

    def on_frames(frames: list[zmq.Frame]) -> None:
        kind, _ = _EVENT.unpack_from(frames[0].bytes)
        on_event(Happened(kind))

    return Monitor(loop, monitor, on_frames, socket)
