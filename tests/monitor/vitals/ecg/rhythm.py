"""Rhythms drawn with few strokes: enough to say what a sensor must make of them.

A QRS is a triangle, a T wave half a sine, 180 ms long, that ends 350 ms after the QRS began: the
measures that IEC 60601-2-27 gives for the test of tall T waves.
"""

import numpy as np

from monitor.vitals.ecg.sensor import Ecg
from monitor.vitals.events import Events, Kind

RATE = Ecg.RATE_HZ


def regular(bpm, until_s, start_s=0.5):
    return np.arange(start_s, until_s, 60 / bpm)


def beat(t_s, at_s, qrs_mv=1.0, qrs_s=0.08, t_mv=0.2, t_length_s=0.18, qt_s=0.35):
    x = qrs_mv * np.clip(1 - np.abs(t_s - at_s) / (qrs_s / 2), 0, None)
    phase = (t_s - (at_s - qrs_s / 2 + qt_s - t_length_s)) / t_length_s
    return x + t_mv * np.sin(np.pi * phase) * ((phase >= 0) & (phase < 1))


def wave(t_s, at_s, bpm, mv):
    """One beat of a ventricular tachycardia: round, and as wide as the interval allows."""
    phase = np.clip((t_s - at_s) * bpm / 60, -0.5, 0.5)
    return mv * np.cos(np.pi * phase) ** 3


def draw(times_s, length_s, shape=beat, noise_mv=0.01, seed=0, **how):
    """Draw beats into (n,) float32, mV."""
    t_s = np.arange(round(length_s * RATE)) / RATE
    x = noise_mv * np.random.default_rng(seed).standard_normal(len(t_s))
    for at_s in times_s:
        near = slice(max(0, int((at_s - 0.5) * RATE)), max(0, int((at_s + 0.7) * RATE)))
        x[near] += shape(t_s[near], at_s, **how)
    return x.astype(np.float32)


def watch(*leads, tick=10):
    """Feed one patient tick by tick; give beats, rate after each tick, all events, the sensor."""
    x = np.stack(leads)[None]
    sensor, events = Ecg(1, len(leads)), Events()
    rates = []
    for start in range(0, x.shape[2], tick):
        sensor.step(np.ascontiguousarray(x[:, :, start : start + tick]), events)
        rates.append(float(sensor.rate_bpm[0]))
    found = events.drain()
    return found[found["kind"] == Kind.QRS], np.array(rates), found, sensor


def match(reference_s, beats, start_s, end_s, window_s=0.15):
    """Count beats found, missed and invented, each reference at most once (AAMI EC57)."""
    reference = [t for t in reference_s if start_s <= t < end_s]
    found = [t for t in np.sort(beats["at"]) / RATE if start_s <= t < end_s]
    hits = i = j = 0
    while i < len(reference) and j < len(found):
        if abs(reference[i] - found[j]) <= window_s:
            hits, i, j = hits + 1, i + 1, j + 1
        elif found[j] < reference[i]:
            j += 1
        else:
            i += 1
    return hits, len(reference) - hits, len(found) - hits
