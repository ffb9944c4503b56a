"""Where a sample belongs in time: packets into rings by their sample numbers, rings into ticks.

A row is one signal of one patient. Its ring holds the device's samples by their numbers, so that
what is reordered falls into its place and what is missing stays NaN. Its playhead moves with our
time and hands the sensors a stretch of exactly one tick, at the sensors' rate.

Rules
-----
1. No clock of the device is read. A sample's transit (arrival - age at sending - number / rate) is
   compared with other transits of the same row only: the least of the last 10 to 20 s is the way
   without waiting, the greatest says how long the playhead must wait for the rest.
2. A new row proves itself for a second: its samples must come as fast as its rate says, or it is
   never played. One that drifts afterwards is followed by slips, one sample a second, counted.
3. The playhead waits for what has not come, up to `DELAY_NS`; then that is missing. What waits is
   NaN, what is missing is NaN, and neither is ever made up.
4. A sample that is there is never overwritten; one that comes after its turn is late.
5. Rate, device or its start changed: the row begins anew, and its patient alone forgets.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transport.kernel.jit import jit

MS: Final = 1_000_000
#: Samples that a ring holds, and the padding that keeps rows off each other's cache lines.
RING: Final = 1024
PAD: Final = 16
#: What transits are compared over, and the reserve beside their spread.
WINDOW_NS: Final = 10_000 * MS
RESERVE_NS: Final = 10 * MS
#: A playhead waits no longer than this behind the newest sample's least transit.
DELAY_NS: Final = 500 * MS
#: How long, and how truly, a row shows its rate before it is played: a quarter too fast never is.
PROOF_NS: Final = 1_000 * MS
PROOF_DRIFT_NS: Final = 250 * MS
#: Samples that come earlier than any before by more than this are from the future.
FUTURE_NS: Final = 1_000 * MS
#: Refused in a row for so long, or silent for so long: the row begins anew.
RESYNC_NS: Final = 1_000 * MS
SILENCE_NS: Final = 2_000 * MS
#: At most one slip in this time (4000 ppm at 250 Hz; crystals drift by 100), and beyond this
#: distance a leap.
SLIP_NS: Final = 1_000 * MS
LEAP_NS: Final = 250 * MS
#: A device may take a row from one that has been silent for so long.
TAKEOVER_NS: Final = 2_000 * MS


class Cause(IntEnum):
    """What was counted: the first group are refusals of a block, the others are not."""

    MALFORMED = 0  # no such signal, twice the same, counts that do not fit
    RATE = 1  # a rate that this signal does not have
    OCCUPIED = 2  # another device speaks for this signal
    RETIRED = 3  # the device's earlier start
    DUPLICATE = 4
    OVERLAP = 5  # numbers that were there already
    LATE = 6  # after its turn
    FUTURE = 7  # ahead of the time that has passed
    IMPLAUSIBLE = 8  # not as fast as its rate says
    REORDERED = 9
    INFINITE = 10  # samples
    GAP = 11  # samples that never came
    WAIT = 12  # ticks in which the playhead waited
    SLIP = 13  # samples skipped or repeated to follow a clock
    LEAP = 14
    RESTART = 15  # rows that began anew


#: What stands in a ring where nothing has come; devices' own infinities become NaN.
EMPTY: Final = np.float32(np.inf)

#: One row; numbers of samples count from the device's start.
ROW: Final = np.dtype(
    [
        ("device", np.int64),  # 0: nobody; this and the next two are read for every number
        ("heard_ns", np.int64),  # last message that was taken
        ("delay_ns", np.int64),  # age of the newest sample that was played
        ("incarnation", np.int64),
        ("retired", np.int64),  # the device's incarnation before, -1: none
        ("rate_mhz", np.int64),
        ("up", np.int64),  # the sensor's rate / this one = up / down
        ("down", np.int64),
        ("width", np.int64),  # taps of a phase, and where the first phase lies
        ("offset", np.int64),
        ("seq", np.int64),  # newest message
        ("seen", np.uint64),  # bit k: message seq - k was taken
        ("base", np.int64),  # number of the first sample
        ("newest", np.int64),  # one past the number of the newest
        ("cleared", np.int64),  # numbers below have left the ring
        ("played", np.int64),  # next output sample, counted from `base` at the sensor's rate
        ("playing", np.int64),
        ("span_ns", np.int64),  # longest message
        ("least_ns", np.int64, (2,)),  # transits of this window and of the one before
        ("most_ns", np.int64, (2,)),
        ("window_ns", np.int64),  # when this window began, 0: no transit yet
        ("first_ns", np.int64),  # first transit of the proof
        ("proof_ns", np.int64),  # when the proof began
        ("proven", np.int64),
        ("refused_ns", np.int64),  # first of an unbroken row of refusals, 0: none
        ("slip_ns", np.int64),
        ("drift_ppm", np.float64),  # of the device's clock against ours, slow
    ],
    align=True,
)

ROW_BYTES: Final = ROW.itemsize

#: A ratio of rates: target / rate = up / down, and where its taps lie.
RATIO: Final = np.dtype(
    [
        ("rate_mhz", np.int64),
        ("target_mhz", np.int64),
        ("up", np.int64),
        ("down", np.int64),
        ("width", np.int64),
        ("offset", np.int64),
    ],
    align=True,
)

#: Columns of the table of messages that one tick takes.
PATIENT, DEVICE, INCARNATION, SEQ, AGE_NS, ARRIVAL_NS, BLOCKS, SAMPLES = range(8)


@jit
def duration_ns(samples: int, rate_mhz: int) -> int:
    """Return how long so many samples take, ns."""
    return int(samples * (1e12 / rate_mhz))


@jit
def turn(row: Any) -> int:
    """Return the number of the oldest sample whose turn has not passed."""
    return int(row["base"] + row["played"] * row["down"] // row["up"])


@jit
def clear(row: Any, ring: NDArray[np.float32]) -> None:
    """Empty the ring behind the playhead, but for what a filter or a step back still needs."""
    end = turn(row) - row["width"] - PAD // 2
    for number in range(max(row["cleared"], end - RING), end):
        ring[number & (RING - 1)] = EMPTY
    row["cleared"] = max(row["cleared"], end)
