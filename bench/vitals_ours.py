"""Stream a recording through the sensor as a bed does: every 40 ms a tick, nothing of the future.

A lead at another rate passes the resampler first; its outcome does not depend on how the recording
is cut, so it is resampled at once. What a beat waits for is counted at the sensor's rate, as if its
device had that: what resampling adds (`Resampler.delay_s`, 39 ms from 360 Hz) is not in it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.dsp.resample import Resampler
from monitor.vitals.ecg.sensor import Ecg
from monitor.vitals.events import Events, Kind

TICK_S = 0.040
TICK = round(TICK_S * Ecg.RATE_HZ)
SEARCH_BACK_S = 0.4
"""A beat that was told later than this after its R wave was found by looking back."""

#: Longer than any beat takes to be decided.
BEYOND_S = 0.6


class Found(NamedTuple):
    """What the sensor made of a recording.

    Parameters
    ----------
    at_s : R waves as they were reported, in order of time
    decided_s : when the sensor had the sample that decided it
    told_s : when the tick that held this sample was over
    label : class of each beat
    rate_bpm, quality : after each tick; of the best lead
    """

    at_s: NDArray[np.float64]
    decided_s: NDArray[np.float64]
    told_s: NDArray[np.float64]
    label: NDArray[np.uint8]
    rate_bpm: NDArray[np.float64]
    quality: NDArray[np.float64]


def stream(x: NDArray[np.float32], rate_hz: float, tick: int = TICK) -> Found:
    """Run a recording, (leads, n) mV, and so far beyond its end that its last beat is decided.

    A monitor's signal goes on; a recording's does not, and each beat is decided some 220 ms after
    it. So the last sample is held for `BEYOND_S`, and what lies beyond the end does not count.
    """
    sensor, events = Ecg(1, len(x)), Events()
    samples = at_sensors_rate(x, rate_hz)
    last = samples.shape[1]
    samples = np.pad(samples, ((0, 0), (0, round(BEYOND_S * Ecg.RATE_HZ))), mode="edge")
    ticks = samples.shape[1] // tick
    rate_bpm, quality = np.empty(ticks), np.empty(ticks)
    parts = []
    for number in range(ticks):
        sensor.step(samples[None, :, number * tick : (number + 1) * tick], events)
        rate_bpm[number] = sensor.rate_bpm[0]
        quality[number] = sensor.quality[0].max()
        if len(events):
            parts.append(events.drain())
    rows = np.concatenate(parts) if parts else events.drain()
    is_beat = (rows["kind"] == Kind.QRS) & (rows["at"] < last)
    rows = np.sort(rows[is_beat], order="at", kind="stable")
    told = (rows["emitted"] // tick + 1) * tick
    return Found(
        rows["at"] / Ecg.RATE_HZ,
        rows["emitted"] / Ecg.RATE_HZ,
        told / Ecg.RATE_HZ,
        rows["label"].copy(),
        rate_bpm,
        quality,
    )


def at_sensors_rate(x: NDArray[np.float32], rate_hz: float) -> NDArray[np.float32]:
    """Resample (leads, n) to the sensor's rate."""
    resampled = Resampler(len(x), rate_hz, Ecg.RATE_HZ).step(np.ascontiguousarray(x, np.float32))
    return np.ascontiguousarray(resampled)
