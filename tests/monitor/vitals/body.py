"""A body drawn with few strokes: what pulses and breaths look like to a sensor."""

from __future__ import annotations

import numpy as np

from monitor.vitals.events import Events


def clock(seconds: float, rate_hz: float) -> np.ndarray:
    return np.arange(round(seconds * rate_hz)) / rate_hz


def pulses(t_s: np.ndarray, bpm: float = 72.0) -> np.ndarray:
    """A pulse each beat, 0 to 1: a rise of 125 ms, a decay, a dicrotic wave."""
    period = 60.0 / bpm
    since = (t_s / period) % 1.0 * period
    foot = np.exp(-3.0 * (period - 0.125))
    rise = foot + (1.0 - foot) * np.sin(np.minimum(since / 0.125, 1.0) * np.pi / 2) ** 2
    decay = np.exp(-3.0 * np.maximum(0.0, since - 0.125))
    return rise * decay + 0.1 * np.exp(-(((since - 0.38) / 0.04) ** 2))


def pleth(seconds: float, bpm: float = 72.0, seed: int = 0) -> np.ndarray:
    """(n,) float32 at 125 Hz, a level of 10 and 2 % of pulse."""
    x = 10.0 + 0.2 * pulses(clock(seconds, 125.0), bpm)
    return (x + 0.002 * np.random.default_rng(seed).standard_normal(len(x))).astype(np.float32)


def pressure(
    seconds: float, bpm: float = 72.0, low: float = 80.0, pulse: float = 40.0
) -> np.ndarray:
    """(n,) float32 at 125 Hz, mmHg."""
    x = low + pulse * pulses(clock(seconds, 125.0), bpm)
    noise = np.random.default_rng(1).standard_normal(len(x))
    return (x + 0.2 * noise).astype(np.float32)


def chest(seconds: float, a_minute: float = 15.0, depth: float = 1.0) -> np.ndarray:
    """(n,) float32 at 62.5 Hz, ohm: breaths, the heart, noise."""
    t_s = clock(seconds, 62.5)
    x = 800.0 + depth * np.sin(2 * np.pi * t_s * a_minute / 60.0)
    x += 0.05 * np.sin(2 * np.pi * t_s * 1.2)
    return (x + 0.01 * np.random.default_rng(2).standard_normal(len(x))).astype(np.float32)


def run(sensor, x: np.ndarray, tick: int = 5):
    """Feed (patients, ..., n) in ticks; return all events, and `values` and `reason` of each."""
    events = Events(100_000)
    values, reasons = [], []
    for start in range(0, x.shape[-1], tick):
        sensor.step(np.ascontiguousarray(x[..., start : start + tick]), events)
        values.append(sensor.values.copy())
        reasons.append(sensor.reason.copy())
    return events.drain(), np.array(values), np.array(reasons)
