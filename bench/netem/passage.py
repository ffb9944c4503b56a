"""Takes packets through both directions of a network, each out again at its time.

The common part of the shells: whatever socket or device feeds it, the channels decide, an alarm
waits, and a flight ring keeps what happened (`bench.netem.trace.FIELDS`).

Rules
-----
- Nothing waits that need not: what is due at once leaves at once.
- At most `UNDER_WAY_MAX` packets are under way; the next is lost, and its fate is FULL.
- What is under way when the shell ends is recorded as such, and never leaves.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

import msgspec

from bench.netem.channel import Channel, Fate
from bench.netem.profile import find
from bench.netem.trace import DOWN, FIELDS, UP
from transport.io.process import ProcessSettings, Runtime

UNDER_WAY_MAX = 1 << 14
"""Eight seconds of both directions at 1 kHz: twice the longest delay of any profile."""
FLIGHT = 1 << 17
"""A minute and a half of both directions at 1 kHz; whoever reads it looks every second."""
FIFO = 70
"""A network does not wait for those that it connects: above every process of the node."""

Send = Callable[[bytes], None]


class ShellSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every shell is told: which network, and which of its kind."""

    process: ProcessSettings
    profile: str
    seed: int


class Passage:
    """Both directions of one network.

    Parameters
    ----------
    up, down : where a packet goes that has come through
    """

    def __init__(self, runtime: Runtime, settings: ShellSettings, up: Send, down: Send) -> None:
        self._now_ns = now_ns = runtime.clock.now_ns
        profile, seed = find(settings.profile), settings.seed
        start_ns = now_ns()
        self._channels: dict[int, Channel[bytes]] = {
            UP: Channel(profile.up, f"{seed}/up", start_ns),
            DOWN: Channel(profile.down, f"{seed}/down", start_ns),
        }
        self._out = {UP: up, DOWN: down}
        self._under_way: list[tuple[int, int, int, int, bytes]] = []  # due, packet, up, in, data
        self._packets = 0
        self._flight = runtime.flight("packet", FIELDS, FLIGHT)
        self._alarm = runtime.keep(runtime.loop.alarm(self.release))

    def enter(self, up: int, data: bytes) -> None:
        """Take a packet in."""
        now_ns = self._now_ns()
        self._packets += 1
        channel = self._channels[up]
        deliveries = channel.send(now_ns, data)
        fate = channel.fate
        if len(self._under_way) + len(deliveries) > UNDER_WAY_MAX:
            deliveries, fate = [], Fate.FULL
        if not deliveries:
            self._flight.append(now_ns, self._packets, up, fate, 0, 0, len(data))
        for at_ns, packet in deliveries:
            heapq.heappush(self._under_way, (at_ns, self._packets, up, now_ns, packet))
        self.release()

    def release(self) -> None:
        """Let everything out that is due, and wait for the next."""
        under_way = self._under_way
        while under_way and under_way[0][0] <= self._now_ns():
            due_ns, packet, up, in_ns, data = heapq.heappop(under_way)
            self._out[up](data)
            out_ns = self._now_ns()
            self._flight.append(in_ns, packet, up, Fate.CARRIED, due_ns, out_ns, len(data))
        self._alarm.set(under_way[0][0] if under_way else None)

    def close(self) -> None:
        """Record what is still under way."""
        for _, packet, up, in_ns, data in self._under_way:
            self._flight.append(in_ns, packet, up, Fate.UNDER_WAY, 0, 0, len(data))
        self._under_way.clear()
