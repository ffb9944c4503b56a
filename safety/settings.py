"""What the watchdog's process is told."""

from __future__ import annotations

from typing import Annotated

import msgspec

from safety.watchdog import SLOW_LOOKS
from safety.watched import Flow, Watched
from transport.io.process import ProcessSettings


class WatchdogdSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The slice of `watchdogd`.

    Parameters
    ----------
    keys, identity : key directory, and the watchdog's device in it: a guard
    robots : guard endpoint by robot name
    processes, flows : what it watches
    """

    process: ProcessSettings
    keys: str
    identity: str
    robots: dict[str, str]
    processes: Annotated[tuple[Watched, ...], msgspec.Meta(max_length=SLOW_LOOKS - 1)]
    flows: tuple[Flow, ...] = ()
