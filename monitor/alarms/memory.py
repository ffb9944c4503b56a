"""What a bed's alarms must remember across a restart, as one record of JSON.

Monotonic times mean nothing to another process; so they are written as wall-clock times, and read
back as ages. A wall clock that was set meanwhile moves ages that people read, and decides nothing:
a pause is never longer than it may be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from monitor.alarms.alert import PAUSE_S_MAX, Alert, Bed, Presence
from monitor.alarms.condition import Condition
from monitor.alarms.setting import Setting

_PAUSE_NS_MAX: Final = PAUSE_S_MAX * 1_000_000_000
_CONDITIONS: Final = {condition.name: condition for condition in Condition}


class Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An alert; times in ns since 1970."""

    condition: str
    presence: int
    id: int
    onset_utc_ns: int
    detected_utc_ns: int
    value: float | None
    by: str
    where: str
    acknowledged_utc_ns: int


class Set(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody has set."""

    condition: str
    limit: float | None
    enabled: bool


class Memory(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bed."""

    seq: int
    occupied: bool
    paused_until_utc_ns: int
    alerts: tuple[Kept, ...]
    settings: tuple[Set, ...]


_decode: Final = msgspec.json.Decoder(Memory).decode


def write(bed: Bed, ahead_ns: int) -> bytes:
    """Write a bed down.

    Parameters
    ----------
    ahead_ns : by how much the wall clock is ahead of ours
    """

    def utc_ns(t_ns: int) -> int:
        return t_ns + ahead_ns if t_ns else 0

    alerts = tuple(
        Kept(
            a.condition.name,
            a.presence,
            a.id,
            utc_ns(a.onset_ns),
            utc_ns(a.detected_ns),
            a.value,
            a.by,
            a.where,
            utc_ns(a.acknowledged_ns),
        )
        for a in bed.alerts.values()
    )
    settings = tuple(Set(c.name, s.limit, s.enabled) for c, s in bed.settings)
    paused_ns = utc_ns(bed.paused_until_ns)
    return msgspec.json.encode(Memory(bed.seq, bed.occupied, paused_ns, alerts, settings))


def read(bed: Bed, data: bytes, ahead_ns: int, now_ns: int) -> int:
    """Let a bed remember; return its greatest id.

    Raises
    ------
    ValueError : it is no record of ours
    """
    memory = _decode(data)
    alerts = [_alert(kept, ahead_ns, now_ns) for kept in memory.alerts]
    for each in memory.settings:
        condition = _condition(each.condition)
        if not bed.settings.set(condition, Setting(each.limit, each.enabled)):
            raise ValueError(f"a limit of {each.condition} is out of its range")
    bed.restore(memory.seq, alerts)
    bed.occupied = memory.occupied
    left_ns = memory.paused_until_utc_ns - ahead_ns - now_ns
    bed.paused_until_ns = now_ns + min(left_ns, _PAUSE_NS_MAX) if left_ns > 0 else 0
    return max((alert.id for alert in alerts), default=0)


def read_all(
    beds: Mapping[str, Bed], records: Mapping[str, bytes], ahead_ns: int, now_ns: int
) -> tuple[int, int]:
    """Let a ward's beds remember; return the greatest id, and how many records were none.

    A bed that is not of this ward any more is passed over.
    """
    last_id = lost = 0
    for name, data in records.items():
        if name in beds:
            try:
                last_id = max(last_id, read(beds[name], data, ahead_ns, now_ns))
            except ValueError:
                lost += 1
    return last_id, lost


def _alert(kept: Kept, ahead_ns: int, now_ns: int) -> Alert:
    def ours_ns(t_utc_ns: int) -> int:
        return min(now_ns, t_utc_ns - ahead_ns) if t_utc_ns else 0

    return Alert(
        _condition(kept.condition),
        Presence(kept.presence),
        kept.id,
        ours_ns(kept.onset_utc_ns),
        ours_ns(kept.detected_utc_ns),
        kept.value,
        kept.by,
        kept.where,
        ours_ns(kept.acknowledged_utc_ns),
    )


def _condition(name: str) -> Condition:
    if name not in _CONDITIONS:
        raise ValueError(f"there is no condition {name!r}")
    return _CONDITIONS[name]
