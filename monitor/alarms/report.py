"""Puts the roster's alerts into messages, with ages in place of times.

Rules
-----
- A page has as many beds as fit; one bed with every alert there is fits into one message.
- Ages are those of the moment at which it is said.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Final

import msgspec

from monitor.alarms.alert import Alert, Bed, Said
from monitor.alarms.messages import Alert as AlertMessage
from monitor.alarms.messages import AlertRow, BedRow, Page, Place, SettingRow
from transport.wire.codec import Message

_US: Final = 1000
_MS: Final = 1_000_000
#: Of a page, what its own fields take, at most.
_HEAD_BYTES: Final = 64


def topic(said: Said) -> bytes:
    """Name the topic under which it is published."""
    if said.alert is None:
        return f"bed/{said.bed}".encode()
    priority, condition = said.alert.priority.name, said.alert.condition.name
    return f"alarm/{priority.lower()}/{said.bed}/{condition.lower()}".encode()


def message(said: Said, bed: Bed, incarnation: int, now_ns: int) -> Message:
    """Say what has happened to a bed."""
    if said.alert is None:
        state = bed_row(bed, now_ns)
        return Place(70, incarnation, said.by, _without_alerts(state, said.seq))
    return AlertMessage(69, said.bed, incarnation, said.seq, alert_row(said.alert, now_ns))


def alert_row(alert: Alert, now_ns: int) -> AlertRow:
    """Say an alert as it is now."""
    answered_ns = alert.acknowledged_ns
    return AlertRow(
        alert.condition,
        alert.presence,
        alert.priority,
        alert.id,
        alert.value,
        max(0, now_ns - alert.onset_ns) // _US,
        max(0, now_ns - alert.detected_ns) // _US,
        alert.by,
        alert.where,
        max(0, now_ns - answered_ns) // _US if answered_ns else 0,
    )


def bed_row(bed: Bed, now_ns: int) -> BedRow:
    """Say a bed as it is now."""
    return BedRow(
        bed.name,
        bed.seq,
        max(0, bed.paused_until_ns - now_ns) // _MS,
        bed.occupied,
        tuple(SettingRow(c, s.limit, s.enabled) for c, s in bed.settings),
        tuple(alert_row(alert, now_ns) for alert in bed.alerts.values()),
    )


def page(beds: Sequence[Bed], request: int, first: int, incarnation: int, now_ns: int) -> Page:
    """Say as many beds as fit, from the one of that number on."""
    rows: list[BedRow] = []
    size = _HEAD_BYTES
    for bed in itertools.islice(beds, first, None):
        row = bed_row(bed, now_ns)
        size += len(encode_row(row))
        if size > Page.BYTES_MAX:
            break
        rows.append(row)
    return Page(73, request, first, len(beds), incarnation, tuple(rows))


encode_row: Final = msgspec.msgpack.Encoder().encode


def _without_alerts(state: BedRow, seq: int) -> BedRow:
    return msgspec.structs.replace(state, seq=seq, alerts=())
