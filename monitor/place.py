"""Judges the messages of a tick, and puts their samples into the rings; rules in `monitor.rows`."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.rows import (
    AGE_NS,
    ARRIVAL_NS,
    BLOCKS,
    DEVICE,
    EMPTY,
    FUTURE_NS,
    INCARNATION,
    PAD,
    PATIENT,
    PROOF_DRIFT_NS,
    PROOF_NS,
    RESYNC_NS,
    RING,
    ROW_BYTES,
    SAMPLES,
    SEQ,
    SILENCE_NS,
    TAKEOVER_NS,
    WINDOW_NS,
    Cause,
    clear,
    duration_ns,
    turn,
)
from transport.kernel.jit import jit
from transport.kernel.prefetch import prefetch

_MALFORMED = int(Cause.MALFORMED)
_RATE = int(Cause.RATE)
_OCCUPIED = int(Cause.OCCUPIED)
_RETIRED = int(Cause.RETIRED)
_DUPLICATE = int(Cause.DUPLICATE)
_OVERLAP = int(Cause.OVERLAP)
_LATE = int(Cause.LATE)
_FUTURE = int(Cause.FUTURE)
_IMPLAUSIBLE = int(Cause.IMPLAUSIBLE)
_REORDERED = int(Cause.REORDERED)
_INFINITE = int(Cause.INFINITE)
_RESTART = int(Cause.RESTART)
_TAKEN: Final = -1


@jit
def place(
    messages: NDArray[np.int64],
    blocks: NDArray[Any],
    samples: NDArray[np.float32],
    limits: NDArray[np.int64],
    ratios: NDArray[Any],
    rows: NDArray[Any],
    ring: NDArray[np.float32],
    counts: NDArray[np.int64],
    fresh: NDArray[np.bool_],
) -> None:
    """Put the messages of a tick into the rings.

    Parameters
    ----------
    messages : (n, 8) int64, see the names of the columns; BLOCKS and SAMPLES say how many follow
    blocks : (sum of BLOCKS,) `monitor.messages.BLOCK`
    samples : (sum of SAMPLES,) float32
    limits : (signals, 2) int64, 1/1000 Hz: least rate of a signal, its sensor's rate (0: none)
    ratios : (known,) RATIO
    rows : (patients * signals,) ROW
    ring : (patients * signals, RING + PAD) float32
    counts : (causes,) int64, added to
    fresh : (patients * signals,) bool, set where another device or rate began
    """
    signals = limits.shape[0]
    block_at, sample_at = 0, 0
    for m in range(messages.shape[0]):
        message = messages[m]
        block_end = block_at + message[BLOCKS]
        if m + 1 < messages.shape[0]:
            _fetch(messages[m + 1], blocks, block_end, rows, ring, signals)
        if _is_well_formed(blocks[block_at:block_end], message[SAMPLES], signals):
            at = sample_at
            for b in range(block_at, block_end):
                block = blocks[b]
                count = int(np.int64(block["count"]))
                signal = int(np.int64(block["signal"]))
                index = message[PATIENT] * signals + signal
                ratio = _find(ratios, limits[signal], int(np.int64(block["rate_mhz"])))
                if ratio < 0:
                    counts[_RATE] += 1
                else:
                    _take(
                        rows[index],
                        ring[index],
                        message,
                        ratios[ratio],
                        int(np.int64(block["first"])),
                        samples[at : at + count],
                        counts,
                        fresh[index : index + 1],
                    )
                at += count
        else:
            counts[_MALFORMED] += 1
        block_at = block_end
        sample_at += message[SAMPLES]


@jit
def _fetch(
    message: NDArray[np.int64],
    blocks: NDArray[Any],
    first: int,
    rows: NDArray[Any],
    ring: NDArray[np.float32],
    signals: int,
) -> None:
    """Ask for the rows and places in rings that a message's blocks name, whatever they name."""
    for b in range(first, min(first + message[BLOCKS], blocks.shape[0])):
        index = message[PATIENT] * signals + int(np.int64(blocks[b]["signal"]))
        place = int(np.int64(blocks[b]["first"])) & (RING - 1)
        prefetch(rows, index * ROW_BYTES, ROW_BYTES)
        prefetch(ring, 4 * (index * (RING + PAD) + place), 64)


@jit
def _is_well_formed(blocks: NDArray[Any], samples: int, signals: int) -> bool:
    """Tell whether a table names each signal once, and as many samples as there are."""
    seen, total = 0, 0
    for b in range(blocks.shape[0]):
        signal = int(np.int64(blocks[b]["signal"]))
        count = int(np.int64(blocks[b]["count"]))
        if signal >= signals or (seen >> signal) & 1 or count == 0 or count > RING // 2:
            return False
        if blocks[b]["spare"] != 0 or blocks[b]["first"] > np.uint64(1 << 62):
            return False
        seen |= 1 << signal
        total += count
    return total == samples


@jit
def _find(ratios: NDArray[Any], limit: NDArray[np.int64], rate_mhz: int) -> int:
    """Find the way from a rate to the sensor's; -1 when there is none."""
    if rate_mhz >= limit[0]:
        for r in range(ratios.shape[0]):
            if ratios[r]["rate_mhz"] == rate_mhz and ratios[r]["target_mhz"] == limit[1]:
                return r
    return -1


@jit
def _take(
    row: Any,
    ring: NDArray[np.float32],
    message: NDArray[np.int64],
    ratio: Any,
    first: int,
    x: NDArray[np.float32],
    counts: NDArray[np.int64],
    fresh: NDArray[np.bool_],
) -> None:
    """Judge one block, and put it into its ring."""
    now_ns = message[ARRIVAL_NS]
    verdict = _claim(row, ring, message, ratio, first, counts, fresh)
    if verdict != _TAKEN:
        counts[verdict] += 1
        return
    end = first + x.shape[0]
    if not row["playing"]:
        _make_room(row, ring, end)
    transit_ns = now_ns - message[AGE_NS] - duration_ns(end - row["base"], row["rate_mhz"])
    verdict = _judge(row, ring, row["seq"] - message[SEQ], first, end, transit_ns)
    if verdict != _TAKEN:
        counts[verdict] += 1
        _refuse(row, ring, message, ratio, first, verdict, counts)
        return
    _note(row, message, x.shape[0], transit_ns, counts)
    row["newest"] = max(row["newest"], end)
    late = max(0, turn(row) - first)
    counts[_LATE] += int(late > 0)
    for k in range(late, x.shape[0]):
        value = x[k]
        if math.isinf(value):
            counts[_INFINITE] += 1
            value = np.float32(np.nan)
        ring[(first + k) & (RING - 1)] = value


@jit
def _claim(
    row: Any,
    ring: NDArray[np.float32],
    message: NDArray[np.int64],
    ratio: Any,
    first: int,
    counts: NDArray[np.int64],
    fresh: NDArray[np.bool_],
) -> int:
    """Find out whether this device may speak for the row, and begin the row where it must."""
    silent_ns = message[ARRIVAL_NS] - row["heard_ns"]
    if row["device"] == 0:
        row["retired"] = -1
        _begin(row, ring, message, ratio, first)
        return _TAKEN
    if row["device"] != message[DEVICE]:
        if silent_ns < TAKEOVER_NS:
            return _OCCUPIED
        row["retired"] = -1
    elif row["incarnation"] != message[INCARNATION]:
        if message[INCARNATION] == row["retired"]:
            return _RETIRED
        row["retired"] = row["incarnation"]
    elif row["rate_mhz"] == ratio["rate_mhz"]:
        if silent_ns >= SILENCE_NS:
            _begin(row, ring, message, ratio, first)
            counts[_RESTART] += 1
        return _TAKEN
    _begin(row, ring, message, ratio, first)
    counts[_RESTART] += 1
    fresh[0] = True
    return _TAKEN


@jit
def _begin(
    row: Any, ring: NDArray[np.float32], message: NDArray[np.int64], ratio: Any, first: int
) -> None:
    """Begin a row with this block."""
    row["device"] = message[DEVICE]
    row["incarnation"] = message[INCARNATION]
    row["rate_mhz"] = ratio["rate_mhz"]
    row["up"] = ratio["up"]
    row["down"] = ratio["down"]
    row["width"] = ratio["width"]
    row["offset"] = ratio["offset"]
    row["seq"] = message[SEQ] - 1
    row["seen"] = np.uint64(0)
    row["base"] = first
    row["newest"] = first
    row["cleared"] = first
    row["played"] = 0
    row["playing"] = 0
    row["span_ns"] = 0
    row["window_ns"] = 0
    row["proof_ns"] = message[ARRIVAL_NS]
    row["proven"] = 0
    row["heard_ns"] = message[ARRIVAL_NS]
    row["refused_ns"] = 0
    row["slip_ns"] = message[ARRIVAL_NS]
    row["drift_ppm"] = 0.0
    ring[:] = EMPTY


@jit
def _make_room(row: Any, ring: NDArray[np.float32], end: int) -> None:
    """Let go of the oldest samples of a row that is not played yet."""
    over = end - (turn(row) + RING - row["width"] - PAD)
    if 0 < over <= RING:
        row["played"] += (over * row["up"]) // row["down"] + 1
        clear(row, ring)


@jit
def _judge(
    row: Any, ring: NDArray[np.float32], behind: int, first: int, end: int, transit_ns: int
) -> int:
    """Say why a block of the row's own device is refused."""
    if behind > 63:
        return _LATE
    if behind >= 0 and (row["seen"] >> np.uint64(behind)) & np.uint64(1):
        return _DUPLICATE
    due = turn(row)
    if end <= due:
        return _LATE
    if end > due + RING - row["width"] - PAD:
        return _FUTURE
    if row["window_ns"] != 0:
        if not row["proven"]:
            if abs(transit_ns - row["first_ns"]) > PROOF_DRIFT_NS:
                return _IMPLAUSIBLE
        elif transit_ns < min(row["least_ns"][0], row["least_ns"][1]) - FUTURE_NS:
            return _FUTURE
    if first < row["newest"]:
        for number in range(max(first, due), end):
            if ring[number & (RING - 1)] != EMPTY:
                return _OVERLAP
    return _TAKEN


@jit
def _refuse(
    row: Any,
    ring: NDArray[np.float32],
    message: NDArray[np.int64],
    ratio: Any,
    first: int,
    verdict: int,
    counts: NDArray[np.int64],
) -> None:
    """Begin the row anew when its own device has been refused for long enough."""
    if verdict == _DUPLICATE:
        return
    now_ns = message[ARRIVAL_NS]
    if row["refused_ns"] == 0:
        row["refused_ns"] = now_ns
    if verdict == _IMPLAUSIBLE or now_ns - row["refused_ns"] >= RESYNC_NS:
        _begin(row, ring, message, ratio, first)
        counts[_RESTART] += 1


@jit
def _note(
    row: Any,
    message: NDArray[np.int64],
    samples: int,
    transit_ns: int,
    counts: NDArray[np.int64],
) -> None:
    """Remember a message that was taken, and how long it was on its way."""
    now_ns = message[ARRIVAL_NS]
    behind = row["seq"] - message[SEQ]
    if behind > 0:
        counts[_REORDERED] += 1
        row["seen"] |= np.uint64(1) << np.uint64(behind)
    else:
        gone = row["seen"] << np.uint64(min(63, -behind))
        row["seen"] = np.uint64(1) if behind < -63 else gone | np.uint64(1)
        row["seq"] = message[SEQ]
    row["refused_ns"] = 0
    row["heard_ns"] = now_ns
    row["span_ns"] = max(row["span_ns"], duration_ns(samples, row["rate_mhz"]))
    least_ns, most_ns = row["least_ns"], row["most_ns"]
    if row["window_ns"] == 0:
        row["first_ns"] = transit_ns
        row["window_ns"] = now_ns
        least_ns[:] = transit_ns
        most_ns[:] = transit_ns
    elif now_ns - row["window_ns"] >= WINDOW_NS:
        drift_ppm = (least_ns[1] - least_ns[0]) * 1e6 / (now_ns - row["window_ns"])
        row["drift_ppm"] += (drift_ppm - row["drift_ppm"]) / 4
        row["window_ns"] = now_ns
        least_ns[1] = least_ns[0]
        most_ns[1] = most_ns[0]
        least_ns[0] = transit_ns
        most_ns[0] = transit_ns
    least_ns[0] = min(least_ns[0], transit_ns)
    most_ns[0] = max(most_ns[0], transit_ns)
    if now_ns - row["proof_ns"] >= PROOF_NS:
        row["proven"] = 1
