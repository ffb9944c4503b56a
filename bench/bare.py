"""Ends without gate, interlock or driver: what a relay costs when nothing else is in the way.

The bare console sends real commands (unsealed) at the given rate; the bare robot notes each and
answers at once with a real state that acknowledges it. Both use the variant's link module, so this
is the floor under the row of the same name.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Literal

import msgspec

from safety.messages import (
    NO_SESSION,
    NO_TAG,
    ArmState,
    Command,
    CommandHead,
    RobotState,
)
from safety.state import State
from transport.io.link import Link, LinkSettings, open_link
from transport.io.process import ProcessSettings, Runtime, main
from transport.link.pacing import Pacer
from transport.wire.codec import encode, split
from transport.wire.errors import WireError
from transport.wire.messages import Attach
from transport.wire.vector import Setpoint, pack_setpoint

ROBOT = "robot"
BOOT = bytes(8)
RING = 1 << 15
IDLE_STATE_NS = 4_000_000
SENT_FIELDS = ("t_intended_ns", "t_sent_ns", "arm", "seq")
COMMAND_FIELDS = ("t_ns", "arm", "seq", "verdict", "age_ns", "t_called_ns")
ACK_FIELDS = ("t_ns", "rtt_ns")

_POSE = pack_setpoint(Setpoint(0.0, 0.0, 0.1, 1.0, 0.0, 0.0, 0.0, 0.0))
_COMMAND = msgspec.msgpack.Decoder(CommandHead)
_STATE = msgspec.msgpack.Decoder(RobotState)


class BareSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which end this is, and how it reaches the relay."""

    process: ProcessSettings
    end: Literal["console", "robot"]
    link: LinkSettings
    rate_hz: int = 1000


class BareRobot:
    """Answers each command with a state."""

    def __init__(self, settings: BareSettings, runtime: Runtime) -> None:
        self._now_ns = runtime.clock.now_ns
        self._flight = runtime.flight("command", COMMAND_FIELDS, RING)
        self._tick = 0
        self._link = _open(settings, runtime, self._ready)
        runtime.loop.every(IDLE_STATE_NS, self._idle)
        self._heard = False
        runtime.ready()

    def close(self) -> None:
        """Close the link."""
        self._link.close()

    def _ready(self) -> None:
        for part in self._link.receive():
            now_ns = self._now_ns()
            try:
                head = _COMMAND.decode(split(part)[0])
            except (WireError, msgspec.MsgspecError):
                continue
            self._link.send(self._state(head.arm, head.seq))
            self._flight.append(now_ns, head.arm, head.seq, 0, 0, now_ns)
            self._heard = True

    def _idle(self) -> None:
        # Until somebody speaks: the console needs a first tick to echo.
        if not self._heard:
            self._link.send(self._state(0, 0))
        self._heard = False

    def _state(self, arm: int, seq: int) -> bytes:
        self._tick += 1
        return encode(
            RobotState(
                kind=17,
                robot=ROBOT,
                boot=BOOT,
                tick=self._tick,
                session=NO_SESSION,
                epoch=0,
                epoch_max=0,
                state=State.ENGAGED,
                cause=0,
                estop_seen=False,
                driver=0,
                arms=(
                    ArmState(
                        arm=arm,
                        seq=seq,
                        clutch_id=0,
                        residence_ns=0,
                        hops=b"",
                        admitted=seq,
                        merged=0,
                        late=0,
                        following=True,
                        measured=_POSE,
                        velocity=bytes(48),
                        joints=b"",
                        setpoint=_POSE,
                        requested=_POSE,
                        rule=0,
                        fixture=0,
                        filter_us=0,
                    ),
                ),
                tag=NO_TAG,
            )
        )


class BareConsole:
    """Sends commands on absolute deadlines and notes when each was acknowledged."""

    def __init__(self, settings: BareSettings, runtime: Runtime) -> None:
        self._runtime = runtime
        self._now_ns = runtime.clock.now_ns
        self._sent = runtime.flight("sent", SENT_FIELDS, RING)
        self._acks = runtime.flight("ack", ACK_FIELDS, RING)
        self._intended_ns: dict[int, int] = {}
        self._seq = self._tick = 0
        self._period_ns = 1_000_000_000 // settings.rate_hz
        self._pacer: Pacer | None = None
        self._alarm = runtime.loop.alarm(self._due)
        self._link = _open(settings, runtime, self._ready)
        runtime.ready()

    def close(self) -> None:
        """Close alarm and link."""
        self._alarm.close()
        self._link.close()

    def _ready(self) -> None:
        for part in self._link.receive():
            now_ns = self._now_ns()
            try:
                state = _STATE.decode(split(part)[0])
            except (WireError, msgspec.MsgspecError):
                continue
            self._tick = max(self._tick, state.tick)
            arm = state.arms[0]
            intended_ns = self._intended_ns.pop(arm.seq, None)
            if intended_ns is not None:
                self._acks.append(now_ns, now_ns - intended_ns)
        if self._pacer is None and self._tick:
            self._pacer = Pacer(self._period_ns, self._now_ns() + self._period_ns)
            self._alarm.set(self._pacer.next_ns)

    def _due(self) -> None:
        pacer = self._pacer
        assert pacer is not None
        now_ns = self._now_ns()
        if pacer.due(now_ns):
            intended_ns = pacer.next_ns
            self._seq += 1
            self._intended_ns[self._seq] = intended_ns
            self._link.send(self._command(now_ns))
            self._sent.append(intended_ns, now_ns, 0, self._seq)
            pacer.advance(now_ns)
            self._intended_ns.pop(self._seq - 4096, None)
        self._alarm.set(pacer.next_ns)

    def _command(self, now_ns: int) -> bytes:
        return encode(
            Command(
                kind=16,
                robot=ROBOT,
                arm=0,
                session=NO_SESSION,
                epoch=1,
                seq=self._seq,
                t_tx=now_ns,
                tick_echo=self._tick,
                press_id=1,
                clutch_id=1,
                input_seq=self._seq,
                input_age=0,
                flags=1,
                seen_frame_id=0,
                mode=0,
                tool=0,
                setpoint=_POSE,
                previous=_POSE,
                earlier=_POSE,
                tag=NO_TAG,
            )
        )


def build(settings: BareSettings, runtime: Runtime) -> BareRobot | BareConsole:
    """Make the end that the settings name."""
    end = BareRobot if settings.end == "robot" else BareConsole
    return end(settings, runtime)


def _open(settings: BareSettings, runtime: Runtime, on_ready: Callable[[], None]) -> Link:
    attach = Attach(1, ROBOT, hold_us=20_000, max_loop_us=60_000, datagrams=False)
    return open_link(settings.link, attach, runtime, on_ready)


if __name__ == "__main__":
    sys.exit(main(BareSettings, build))
