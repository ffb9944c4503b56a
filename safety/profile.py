"""How long silence may last before permission falls: one row per kind of link.

silence_ms   native  browser  wan    what happens
DEGRADED          5       12   15    velocity is capped (at least three frame periods)
HOLD             20       40   60    standstill under power
latched         100      150  300    HOLD needs clutch, alignment and intent to leave
PROTECTIVE     2000     2000 5000    controlled stop and brakes; reset at the bedside

Anchors: Franka FCI stops after 20 ms, the dVRK's FPGA cuts power after 30 ms.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

MS = 1_000_000


class Profile(IntEnum):
    """The kind of link that a grant is made for. Numbers are on the wire."""

    AUTO = 0
    NATIVE = 1
    BROWSER = 2
    WAN = 3


class Ladder(NamedTuple):
    """Ages of the newest good command, ns, at which permission falls; and when it returns."""

    degraded_ns: int
    hold_ns: int
    latched_ns: int
    stop_ns: int
    max_loop_ns: int  #: the largest loop (robot -> console -> robot) that a command may have
    recovery_ns: int = 200 * MS  #: how long no gap may exceed two periods, to leave DEGRADED

    def at_period(self, period_ns: int) -> Ladder:
        """Fit the ladder to frames this far apart: DEGRADED is never below three periods.

        Nor is it ever above HOLD: however slow the frames, silence holds in its time.
        """
        degraded_ns = max(self.degraded_ns, 3 * period_ns)
        return self._replace(degraded_ns=min(degraded_ns, self.hold_ns))


LADDERS: dict[Profile, Ladder] = {
    Profile.NATIVE: Ladder(5 * MS, 20 * MS, 100 * MS, 2000 * MS, 60 * MS),
    Profile.BROWSER: Ladder(12 * MS, 40 * MS, 150 * MS, 2000 * MS, 200 * MS),
    Profile.WAN: Ladder(15 * MS, 60 * MS, 300 * MS, 5000 * MS, 500 * MS),
}
