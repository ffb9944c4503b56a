"""The relay's process: doors and sockets around `teleop.relay`, and nothing else in here.

One busy thread beside the relay moved its p99 from 0.7 to over 30 ms (measured), so whatever is
not on the path of a command or a state has another process.
"""

from __future__ import annotations

import sys

import zmq

from safety.profile import MS
from teleop.relay import Verdict
from teleop.relay_tape import TAPE_BYTES, Taped
from teleop.settings import RelaydSettings
from transport.io.hub import COUNTERS, GAUGES, Hub
from transport.io.keys import Role
from transport.io.peer import Peer
from transport.io.process import Runtime, main
from transport.io.zmq import Port, tune

#: A minute of one arm at 1 kHz, and what led to it still after seven seconds of a flood.
FLIGHT = 1 << 16
FIELDS = ("t_ns", "arm", "seq", "verdict")
#: The tape has a portrait of the relay so often.
PORTRAIT_NS = 500 * MS
TICK_NS = 50 * MS
#: What a pass does, in order, for the watchdog.
STAGES = ("fed", "judged", "sent")
FED, JUDGED, SENT = range(3)


class Relayd:
    """The relay between its doors."""

    def __init__(self, settings: RelaydSettings, runtime: Runtime) -> None:
        self._now_ns = runtime.clock.now_ns
        self._verdicts = tuple(f'relay_total{{verdict="{v.name.lower()}"}}' for v in Verdict)
        sent = tuple(f'relay_sent_total{{what="{what}"}}' for what in ("command", "state"))
        board = runtime.open_board((*COUNTERS, *self._verdicts, *sent), GAUGES, ("dwell_ns",))
        self._sent_commands, self._sent_states = (board.counter(name) for name in sent)
        self._counters = tuple(board.counter(name) for name in self._verdicts)
        self._dwell = board.histogram("dwell_ns")
        self._pulse = runtime.open_pulse(STAGES)
        self._flight = runtime.flight("relay", FIELDS, FLIGHT)
        self._arrived_ns = 0
        self._runtime = runtime
        publisher = tune(runtime.context.socket(zmq.PUB))
        publisher.bind(f"ipc://{runtime.path(f'state.{settings.hub.path}.ipc')}")
        self._publisher = runtime.keep(Port(runtime.loop, publisher, lambda _: None))
        self._hub = runtime.keep(
            Hub(
                runtime,
                settings.hub,
                self._attached,
                self._received,
                self._detached,
                self._drained,
            )
        )
        tape = runtime.tape(TAPE_BYTES) if settings.tape else None
        self._taped: Taped[Peer] = Taped(
            tape, settings.hub.path, self._hub.incarnation, self._now_ns()
        )
        self._relay = self._taped.relay
        runtime.loop.every(TICK_NS, self._tick)
        runtime.loop.every(PORTRAIT_NS, self._describe)
        runtime.ready()

    def close(self) -> None:
        """Count for the last time."""
        self._count()

    def _attached(self, peer: Peer) -> str | None:
        attach = peer.attach
        if peer.device.role is Role.ROBOT:
            if attach.robot != peer.device.name:
                return f"the key of {peer.device.name} does not speak for {attach.robot}"
            self._taped.attach_robot(peer, attach.robot, self._now_ns())
            return None
        hold_ns, loop_ns = attach.hold_us * 1000, attach.max_loop_us * 1000
        now_ns = self._now_ns()
        if not self._taped.attach_console(peer, attach.robot, hold_ns, loop_ns, now_ns):
            return f"{attach.robot} has too many consoles here"
        return None

    def _detached(self, peer: Peer) -> None:
        self._taped.detach(peer, self._now_ns())

    def _received(self, peer: Peer, part: bytes) -> None:
        now_ns = self._now_ns()
        if self._arrived_ns == 0:
            self._arrived_ns = now_ns
        self._taped.receive(peer, part, now_ns)

    def _drained(self) -> None:
        relay, reach, now_ns = self._relay, self._pulse.reach, self._now_ns()
        reach(FED)
        out = relay.to_send(now_ns)
        reach(JUDGED)
        for peer, part in out:
            peer.send(part)
        reach(SENT)
        # What follows is in nobody's way any more, but the next frame's.
        spoken = relay.states(now_ns)
        for _, part, consoles in spoken:
            for peer in consoles:
                peer.send(part)
            self._publisher.send(part)
        if self._arrived_ns:
            self._dwell.record(self._now_ns() - self._arrived_ns)
            self._arrived_ns = 0
        self._sent_commands.add(len(out))
        self._sent_states.add(len(spoken))
        records = relay.take_records()
        for record in records:
            self._flight.append(*record)
        self._taped.drained(out, spoken, records, now_ns)

    def _describe(self) -> None:
        self._taped.describe(self._now_ns())

    def _tick(self) -> None:
        self._runtime.pm_qos.hold(self._relay.is_busy)
        self._count()

    def _count(self) -> None:
        for counter, total in zip(self._counters, self._relay.counts, strict=True):
            counter.add(total - counter.value)


if __name__ == "__main__":
    sys.exit(main(RelaydSettings, Relayd))
