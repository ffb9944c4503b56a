"""What devices tell of a patient, and what the monitor makes of it.

A device sends `Samples` (waveforms) and `Readings` (plain numbers). The monitor publishes `Numeric`
and `Beat`, each under a topic that begins with the bed's place, so that a subscriber asks for a
unit, a bed or one number by a prefix:

    vital/<unit>/<bed>/<metric>         Numeric
    beat/<unit>/<bed>                   Beat

Rules it keeps
--------------
- A bed is "unit/bed", such as "icu/7": a place, never a patient.
- No clock of a device is ever read: its samples are numbered, and a message carries the age that
  its newest sample had when it was sent.
- A sample that was not taken is NaN. A numeric that is not known is nil, and says why.
- Clinical units: mV, mmHg, ohm, beats and breaths per minute, percent, degrees Celsius.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from enum import IntEnum
from typing import Annotated, ClassVar, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from transport.wire.codec import U8, U32, U63, Message, Name

BLOCKS_MAX = 8
SAMPLES_MAX = 896  # of all blocks of a message, so that the message stays below 4096 bytes

#: A row of the table of a `Samples`, little endian.
BLOCK = np.dtype(
    [
        ("signal", "u1"),
        ("spare", "u1"),
        ("count", "<u2"),
        ("rate_mhz", "<u4"),
        ("first", "<u8"),
    ]
)
_BLOCK = struct.Struct("<BxHIQ")

Value = Annotated[float, msgspec.Meta(gt=-1e6, le=1e6)]
Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]


class Signal(IntEnum):
    """A waveform of a patient; the order is that of the engine's rows."""

    ECG_1 = 0  #: first ECG lead, mV
    ECG_2 = 1  #: second ECG lead, mV
    ECG_3 = 2  #: third ECG lead, mV
    PLETH = 3  #: photoplethysmogram, infrared, arbitrary units; grows with the blood's volume
    RED = 4  #: the same in red light
    ABP = 5  #: arterial pressure, mmHg
    RESP = 6  #: respiration: impedance of the chest in ohm, or anything that grows with a breath


class Metric(IntEnum):
    """A number of a patient."""

    HR = 0  #: heart rate from the ECG, 1/min
    PR = 1  #: pulse rate from the photoplethysmogram, 1/min
    SPO2 = 2  #: oxygen saturation by pulse oximetry, %
    PI = 3  #: perfusion index, %
    SYS = 4  #: arterial pressure, systolic, mmHg
    DIA = 5  #: arterial pressure, diastolic, mmHg
    MEAN = 6  #: arterial pressure, mean, mmHg
    PR_ART = 7  #: pulse rate from the arterial pressure, 1/min
    RR = 8  #: respiration rate, 1/min
    TEMP = 9  #: temperature, °C
    NIBP_SYS = 10  #: cuff pressure, systolic, mmHg
    NIBP_DIA = 11  #: cuff pressure, diastolic, mmHg
    NIBP_MEAN = 12  #: cuff pressure, mean, mmHg
    ETCO2 = 13  #: end-tidal carbon dioxide, mmHg
    FIO2 = 14  #: inspired oxygen, %
    CVP = 15  #: central venous pressure, mmHg


class Reason(IntEnum):
    """Why a number is not there; of several reasons the first in this order is said."""

    PRESENT = 0  #: it is there
    NEVER = 1  #: no device has sent it since the monitor started
    SILENT = 2  #: its device sends no more
    LEAD_OFF = 3  #: electrode, probe or line is off, flat, or saturated
    ARTEFACT = 4  #: a signal, but too poor, flushed or damped to be counted
    LEARNING = 5  #: not enough of it yet
    NO_PULSE = 6  #: a good signal without beats or breaths
    STALE = 7  #: last known too long ago


class Samples(Message, frozen=True):
    """Waveforms of one device: some samples of each signal, all ending at the same moment.

    Parameters
    ----------
    bed : where the patient lies, "unit/bed"
    device : name of the device; over CURVE that of its key
    incarnation : another after each start of the device
    seq : number of this message since that start
    age_us : µs, age of the newest sample when this was sent
    table : a row of 16 bytes per signal, little endian: signal (u8), 0 (u8), count of samples
        (u16), rate in 1/1000 Hz (u32), number of the first sample since the device's start (u64)
    samples : float32, little endian: those of the first row, then the next; NaN = not taken
    """

    KIND: ClassVar[int] = 64
    BYTES_MAX: ClassVar[int] = 4096
    kind: Literal[64]
    bed: Name
    device: Name
    incarnation: U32
    seq: U63
    age_us: U32
    table: Annotated[bytes, msgspec.Meta(min_length=16, max_length=16 * BLOCKS_MAX)]
    samples: Annotated[bytes, msgspec.Meta(min_length=4, max_length=4 * SAMPLES_MAX)]


class Reading(Message, frozen=True):
    """A number that a device measured by itself: a temperature, a cuff's pressure.

    Parameters
    ----------
    bed : where the patient lies, "unit/bed"
    device : name of the device; over CURVE that of its key
    incarnation : another after each start of the device
    seq : number of this message since that start
    metric : which number (`Metric`)
    value : the number in the metric's unit, or nil: measured, without a result
    age_us : µs, how long ago it was measured when this was sent
    """

    KIND: ClassVar[int] = 65
    BYTES_MAX: ClassVar[int] = 512
    kind: Literal[65]
    bed: Name
    device: Name
    incarnation: U32
    seq: U63
    metric: U8
    value: Value | None
    age_us: U32


class Numeric(Message, frozen=True):
    """A number of a patient now, or why there is none.

    Parameters
    ----------
    bed : where the patient lies, "unit/bed"
    seq : grows with each Numeric since the monitor's start; who hears all of them sees a loss
    metric : which number (`Metric`)
    value : in the metric's unit, or nil
    quality : of the signal it comes from, 0 worst to 100 best
    reason : why there is no value (`Reason`)
    age_us : µs, of the newest sample behind it, or of the measurement, when this was said
    """

    KIND: ClassVar[int] = 66
    BYTES_MAX: ClassVar[int] = 512
    kind: Literal[66]
    bed: Name
    seq: U63
    metric: U8
    value: Value | None
    quality: Percent
    reason: U8
    age_us: U63


class Beat(Message, frozen=True):
    """Something that happened in a signal: a beat, a pulse, a breath.

    Parameters
    ----------
    bed : where the patient lies, "unit/bed"
    seq : grows with each Beat since the monitor's start; who hears all of them sees a loss
    source : what kind of event (`Kind`)
    label : of a heart beat, its class (`Label`)
    quality : of the signal there, 0 worst to 100 best
    value : of the event, in its kind's unit, or nil: it has none yet
    age_us : µs, from its fiducial point in the signal to this message
    """

    KIND: ClassVar[int] = 67
    BYTES_MAX: ClassVar[int] = 512
    kind: Literal[67]
    bed: Name
    seq: U63
    source: U8
    label: U8
    quality: Percent
    value: Value | None
    age_us: U63


VOCABULARY: tuple[type[Message], ...] = (Samples, Reading, Numeric, Beat)


class Block(NamedTuple):
    """Samples of one signal, as a device has them.

    Parameters
    ----------
    signal : which
    rate_hz : a multiple of 1/1000
    first : number of the first of them since the device's start
    samples : (n,) float32
    """

    signal: Signal
    rate_hz: float
    first: int
    samples: NDArray[np.float32]


def pack(
    bed: str, device: str, incarnation: int, seq: int, age_us: int, blocks: Iterable[Block]
) -> Samples:
    """Make a `Samples` of blocks that end at the same moment, at most 8 with 896 samples in all."""
    blocks = tuple(blocks)
    table = b"".join(
        _BLOCK.pack(b.signal, len(b.samples), round(b.rate_hz * 1000), b.first) for b in blocks
    )
    samples = b"".join(b.samples.astype("<f4").tobytes() for b in blocks)
    assert len(blocks) <= BLOCKS_MAX, blocks
    assert len(samples) <= 4 * SAMPLES_MAX, f"{len(samples) // 4} samples"
    return Samples(64, bed, device, incarnation, seq, age_us, table, samples)


def unpack(message: Samples) -> list[Block]:
    """Take a `Samples` apart.

    Raises
    ------
    ValueError : the table names no signal, or another number of samples than there are
    """
    rows = np.frombuffer(message.table, BLOCK)
    samples = np.frombuffer(message.samples, "<f4").astype(np.float32)
    if int(rows["count"].sum()) != len(samples):
        raise ValueError(f"{int(rows['count'].sum())} samples in the table, {len(samples)} behind")
    blocks, at = [], 0
    for row in rows:
        count = int(row["count"])
        signal, rate_hz = Signal(int(row["signal"])), int(row["rate_mhz"]) / 1000
        blocks.append(Block(signal, rate_hz, int(row["first"]), samples[at : at + count]))
        at += count
    return blocks
