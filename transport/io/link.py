"""How an end (console or robot) reaches a relay, whatever carries the bytes.

Rules
-----
- Sending never blocks: what cannot leave now is dropped and counted. A queue would be old motion.
- Receiving returns everything that waits; whoever calls keeps the newest.
- Keys that are rotated are followed: see `transport.io.relink`.
- What a link needs for itself (Attached, Clock, Refused) never comes out of `receive`.
- A new carrier is one new file with a `connect` of the same signature, named in node.toml.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol, cast

import msgspec

from transport.io.process import Runtime
from transport.io.relink import Relink
from transport.link.rtt import MinFilter
from transport.wire.messages import Attach

INBOX_MAX = 1024  # frames; a full inbox forgets its oldest


class LinkFault(Exception):
    """A link cannot be made from these settings; the message is for a person."""


class LinkSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where and as whom to attach.

    Parameters
    ----------
    module : module path of the carrier, ``transport.io.links.zmq`` for instance
    endpoint : ``tcp://host:port`` of the relay, or what the module says
    keys : key directory
    identity : the device in it that we are
    server : the device in it that the relay must prove to be
    """

    module: str
    endpoint: str
    keys: str = ""
    identity: str = ""
    server: str = ""


@dataclass(slots=True)
class LinkStats:
    """What a link counted.

    Parameters
    ----------
    dropped_send : frames that could not leave at once
    refused : handshakes, attachments or datagrams that were refused, by either side
    reopened : connections made anew because the old one was refused or silent
    """

    sent: int = 0
    received: int = 0
    dropped_send: int = 0
    refused: int = 0
    reopened: int = 0


class Link(Protocol):
    """A live link.

    Attributes
    ----------
    stats : counters
    rtt : distance to the relay, and its clock's offset
    attached : whether the relay carries our frames now
    refusal : the newest reason that we were refused, "" when there was none
    """

    stats: LinkStats
    rtt: MinFilter

    @property
    def attached(self) -> bool:
        """Whether the relay carries our frames now."""

    @property
    def refusal(self) -> str:
        """Why we were refused last, "" if never."""

    def send(self, data: bytes) -> bool:
        """Send one frame; False = dropped and counted. Never blocks."""

    def receive(self) -> list[bytes]:
        """Return all frames that wait, in the kernel too, oldest first. Never blocks."""

    def close(self) -> None:
        """Close for good."""


Connect = Callable[[LinkSettings, Attach, Runtime, Callable[[], None]], Link]


def open_link(
    settings: LinkSettings, attach: Attach, runtime: Runtime, on_ready: Callable[[], None]
) -> Link:
    """Open the link that `settings` names; it attaches by itself, and again after any loss.

    Parameters
    ----------
    attach : what we ask of the relay
    on_ready : called in the loop when `receive` may have something

    Raises
    ------
    LinkFault : no such carrier
    KeyFault : a key that cannot be used
    """
    try:
        module = importlib.import_module(settings.module)
    except ImportError as error:
        raise LinkFault(f"link module {settings.module!r}: {error}") from error
    connect = getattr(module, "connect", None)
    if not callable(connect):
        raise LinkFault(f"link module {settings.module!r} has no connect()")
    opens = partial(cast("Connect", connect), settings, attach, runtime, on_ready)
    return Relink(settings, runtime, opens) if settings.keys else opens()
