"""Moves the playheads by a tick, and fills what the sensors see; rules in `monitor.rows`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.rows import (
    DELAY_NS,
    EMPTY,
    LEAP_NS,
    PAD,
    RESERVE_NS,
    RING,
    ROW_BYTES,
    SILENCE_NS,
    SLIP_NS,
    Cause,
    clear,
    duration_ns,
    turn,
)
from transport.kernel.jit import jit
from transport.kernel.prefetch import prefetch

_GAP = int(Cause.GAP)
_WAIT = int(Cause.WAIT)
_SLIP = int(Cause.SLIP)
_LEAP = int(Cause.LEAP)


@jit
def play(
    rows: NDArray[Any],
    ring: NDArray[np.float32],
    taps: NDArray[np.float64],
    signals: int,
    first: int,
    target_mhz: int,
    now_ns: int,
    out: NDArray[np.float32],
    counts: NDArray[np.int64],
) -> None:
    """Fill one tick of some neighbouring signals of all patients.

    Parameters
    ----------
    rows, ring : see `place`
    taps : (all,) float64, of all ratios
    signals : rows of a patient
    first : the first signal
    target_mhz : the sensor's rate
    now_ns : end of the tick
    out : (patients, n signals, n samples) float32, NaN where there is none
    counts : (causes,) int64, added to
    """
    for patient in range(out.shape[0]):
        if patient + 2 < out.shape[0]:
            _fetch(rows, ring, patient * signals + first, signals, out.shape[1])
        for k in range(out.shape[1]):
            index = patient * signals + first + k
            _play(rows[index], ring[index], taps, target_mhz, now_ns, out[patient, k], counts)


@jit
def _fetch(rows: NDArray[Any], ring: NDArray[np.float32], index: int, each: int, n: int) -> None:
    """Ask for the rows of the patient after next, and for the rings, by their rows, of the next."""
    prefetch(rows, (index + 2 * each) * ROW_BYTES, n * ROW_BYTES)
    for next_one in range(index + each, index + each + n):
        row = rows[next_one]
        if row["playing"]:
            # Three lines: what is read, and what is cleared behind it.
            place = (turn(row) - PAD) & (RING - 1)
            prefetch(ring, 4 * (next_one * (RING + PAD) + place), 192)


@jit
def _play(
    row: Any,
    ring: NDArray[np.float32],
    taps: NDArray[np.float64],
    target_mhz: int,
    now_ns: int,
    out: NDArray[np.float32],
    counts: NDArray[np.int64],
) -> None:
    """Fill one tick of one row."""
    n = out.shape[0]
    out[:] = np.nan
    if row["device"] == 0 or not row["proven"] or now_ns - row["heard_ns"] >= SILENCE_NS:
        return
    least_ns = min(row["least_ns"][0], row["least_ns"][1])
    spread_ns = max(row["most_ns"][0], row["most_ns"][1]) - least_ns
    wait_ns = min(DELAY_NS, row["span_ns"] + spread_ns + RESERVE_NS)
    wait_ns += duration_ns(row["width"] // 2, row["rate_mhz"])
    ideal = int((now_ns - least_ns - wait_ns) * (target_mhz / 1e12))
    if not row["playing"]:
        if ideal < n:
            return
        row["playing"] = 1
        row["played"] = ideal - n
    _steer(row, ring, ideal - n, target_mhz, now_ns, counts)
    known = _known(row)
    given = min(n, known - row["played"])
    if row["width"] == 0:
        _copy(row["base"] + row["played"], given, ring, out, counts)
    else:
        for k in range(given):
            out[k] = _sample(row, ring, taps, row["played"] + k, counts)
    if given < n:
        counts[_WAIT] += 1
        patience = int(max(0, DELAY_NS - wait_ns) * (target_mhz / 1e12))
        due = min(row["played"] + n, ideal - patience)
        row["played"] = max(row["played"] + max(0, given), due)
    else:
        row["played"] += n
    clear(row, ring)
    row["delay_ns"] = now_ns - least_ns - duration_ns(row["played"], target_mhz)


@jit
def _steer(
    row: Any,
    ring: NDArray[np.float32],
    ideal: int,
    target_mhz: int,
    now_ns: int,
    counts: NDArray[np.int64],
) -> None:
    """Bring the playhead nearer to where it should be."""
    away = ideal - row["played"]
    if abs(away) * (1e12 / target_mhz) > LEAP_NS + DELAY_NS:
        row["played"] = max(0, ideal)
        counts[_LEAP] += 1
        return
    while away > 0 and turn(row) < row["newest"] and ring[turn(row) & (RING - 1)] == EMPTY:
        row["played"] += 1  # what it waited for never came: the wait was the gap
        counts[_GAP] += 1
        away -= 1
    is_waiting = away > 0 and turn(row) >= row["newest"]
    if abs(away) >= 2 and now_ns - row["slip_ns"] >= SLIP_NS and not is_waiting:
        row["played"] += 1 if away > 0 else -1
        row["slip_ns"] = now_ns
        counts[_SLIP] += 1


@jit
def _known(row: Any) -> int:
    """Return one past the last output sample that can be told from what has come."""
    # The last of its inputs is numbered base + out * down // up + width // 2.
    inputs = row["newest"] - row["base"] - row["width"] // 2
    return int((inputs * row["up"] + row["down"] - 1) // row["down"])


@jit
def _copy(
    first: int,
    n: int,
    ring: NDArray[np.float32],
    out: NDArray[np.float32],
    counts: NDArray[np.int64],
) -> None:
    """Give the samples as they are: the rates are equal."""
    for k in range(n):
        value = ring[(first + k) & (RING - 1)]
        if value == EMPTY:
            counts[_GAP] += 1
        else:
            out[k] = value


@jit
def _sample(
    row: Any,
    ring: NDArray[np.float32],
    taps: NDArray[np.float64],
    k: int,
    counts: NDArray[np.int64],
) -> float:
    """Return output sample k, by the same arithmetic as `monitor.dsp.resample.weigh`."""
    up, width = row["up"], row["width"]
    number = row["base"] + k * row["down"] // up
    phase = k * row["down"] % up
    nearest = number if 2 * phase < up else number + 1
    value = ring[nearest & (RING - 1)]
    if not math.isfinite(value):
        counts[_GAP] += np.int64(value == EMPTY)
        return math.nan
    held = float(value)
    a = b = c = d = 0.0
    at, even = row["offset"] + phase * width, width // 4 * 4
    for j in range(width):
        value = ring[(number - width // 2 + 1 + j) & (RING - 1)]
        if math.isfinite(value):
            held = float(value)
        part = taps[at + j] * held
        if j & 3 == 0 or j >= even:
            a += part
        elif j & 3 == 1:
            b += part
        elif j & 3 == 2:
            c += part
        else:
            d += part
    return (a + b) + (c + d)
