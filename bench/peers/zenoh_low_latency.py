"""The ends of Zenoh's `lowlatency` transport; its router is `zenoh_router`, so configured."""

from __future__ import annotations

from collections.abc import Callable

from bench.peers.zenoh_router import ZenohLink
from transport.io.link import LinkSettings
from transport.io.process import Runtime
from transport.wire.messages import Attach


def connect(
    settings: LinkSettings, attach: Attach, runtime: Runtime, on_ready: Callable[[], None]
) -> ZenohLink:
    """Reach the router over the transport without priorities and transmit queue."""
    del attach
    return ZenohLink(settings, runtime, on_ready, low_latency=True)
