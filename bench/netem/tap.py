"""A link that carries what another link carries, and notes where hand and instrument were.

Its endpoint names the carrier in front of the scheme: ``udp+tcp://127.0.0.2:7411``. A console's
tap keeps the setpoint of each command, a robot's the poses of each state; both in flight rings, on
their process's clock, after the frame has left. It changes nothing of what it carries.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from safety.messages import Command, RobotState
from transport.io.link import Link, LinkFault, LinkSettings, open_link
from transport.io.process import Runtime
from transport.wire.codec import Registry
from transport.wire.messages import Attach
from transport.wire.vector import Setpoint, unpack_setpoint

HAND = ("t_ns", "seq", "press_id", "clutch_id", "flags", "x_nm", "y_nm", "z_nm")
POSE = ("t_ns", "seq", "state", "following", "x_nm", "y_nm", "z_nm", "sx_nm", "sy_nm", "sz_nm")
"""Measured, then setpoint."""
FLIGHT = 1 << 16

_REGISTRY = Registry((Command, RobotState))


class Tap:
    """A link around a link."""

    def __init__(self, inner: Link, runtime: Runtime, *, commands: bool) -> None:
        self._inner = inner
        self._now_ns = runtime.clock.now_ns
        name, fields = ("hand", HAND) if commands else ("pose", POSE)
        self._flight = runtime.flight(name, fields, FLIGHT)
        self.stats = inner.stats
        self.rtt = inner.rtt
        self.receive = inner.receive
        self.close = inner.close

    @property
    def attached(self) -> bool:
        """Whether the relay carries our frames now."""
        return self._inner.attached

    @property
    def refusal(self) -> str:
        """Why we were refused last, "" if never."""
        return self._inner.refusal

    def send(self, data: bytes) -> bool:
        """Send one frame, then note it."""
        now_ns = self._now_ns()
        sent = self._inner.send(data)
        message = _REGISTRY.decode(data)
        if isinstance(message, Command):
            at = _nm(unpack_setpoint(message.setpoint))
            pedals = (message.press_id, message.clutch_id, message.flags)
            self._flight.append(now_ns, message.seq, *pedals, *at)
        elif isinstance(message, RobotState):
            arm = message.arms[0]
            measured, setpoint = (_nm(unpack_setpoint(p)) for p in (arm.measured, arm.setpoint))
            following = int(arm.following)
            self._flight.append(now_ns, arm.seq, message.state, following, *measured, *setpoint)
        return sent


def connect(
    settings: LinkSettings, attach: Attach, runtime: Runtime, on_ready: Callable[[], None]
) -> Tap:
    """Open the link that the endpoint names, and tap it; see `transport.io.link.open_link`."""
    carrier, plus, endpoint = settings.endpoint.partition("+")
    if not plus:
        raise LinkFault(f"endpoint {settings.endpoint!r}: expected carrier+tcp://host:port")
    module = f"transport.io.links.{carrier}"
    inner = msgspec.structs.replace(settings, module=module, endpoint=endpoint)
    commands = settings.identity != attach.robot  # a robot's device is named like the robot
    return Tap(open_link(inner, attach, runtime, on_ready), runtime, commands=commands)


def _nm(pose: Setpoint) -> tuple[int, int, int]:
    return round(pose.x * 1e9), round(pose.y * 1e9), round(pose.z * 1e9)
