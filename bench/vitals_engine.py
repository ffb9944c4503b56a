"""Time the engine for a ward: a thousand patients with two ECG leads, pleth, pressure and breath.

Each bed's device sends a message every 40 ms; every one of them is there before its tick. Making
and decoding messages is not the engine's and is not timed; taking them is timed by itself, for they
come spread over the tick, and the tick is what everybody then waits for.
"""

from __future__ import annotations

import time
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.vitals_speed import DIFFERENT, PATIENTS, SCRIPT
from monitor.engine import TICK_NS, Engine, warm
from monitor.feed.player import SENSOR_HZ, Player, Track
from monitor.messages import Metric, Signal
from monitor.sim.patient import Patient, make
from monitor.vitals.seam import Options

LEADS: Final = 2
TURNS: Final = 5
WARM_TICKS, TICKS = 375, 500
"""After fifteen seconds every sensor has learned and says its numbers."""


class Ward(NamedTuple):
    """Times, ns.

    Parameters
    ----------
    tick, tick_busy : (n,) of a tick, wall and processor time
    receive : (n,) of taking a tick's messages
    shown : part of the patients with a heart rate at the end
    """

    tick: NDArray[np.int64]
    tick_busy: NDArray[np.int64]
    receive: NDArray[np.int64]
    shown: float


def measure(seed: int) -> Ward:
    """Run a ward in virtual time, and time it in ours."""
    warm()
    beds = [f"icu/{number}" for number in range(PATIENTS)]
    players = _players(beds, seed)
    engine = Engine(beds, 0, options=Options(leads=LEADS))
    tick, tick_busy, receive = (np.empty(TICKS, np.int64) for _ in range(3))
    for number in range(-WARM_TICKS, TICKS):
        now_ns = (number + WARM_TICKS + 1) * TICK_NS
        messages = [message for player in players for message in player.handle_deadline(now_ns)]
        began = time.perf_counter_ns()
        for message in messages:
            engine.receive(message, now_ns)
        received, busy = time.perf_counter_ns(), time.thread_time_ns()
        engine.handle_deadline(now_ns)
        if number >= 0:
            tick[number] = time.perf_counter_ns() - received
            tick_busy[number] = time.thread_time_ns() - busy
            receive[number] = received - began
    shown = np.isfinite(engine.numerics.values[:, Metric.HR]).mean()
    return Ward(tick, tick_busy, receive, float(shown))


def _players(beds: list[str], seed: int) -> list[Player]:
    """Give each bed a device that plays one of the patients, from one of a few places."""
    made = [make(SCRIPT, seed, number, ("II", "V5")) for number in range(DIFFERENT)]
    tracks = [_tracks(patient, turn / TURNS) for patient in made for turn in range(TURNS)]
    return [
        Player(tracks[n % len(tracks)], bed, f"device{n}", 1, 0, loop=True)
        for n, bed in enumerate(beds)
    ]


def _tracks(patient: Patient, turn: float) -> list[Track]:
    signals = {
        Signal.ECG_1: patient.ecg[0],
        Signal.ECG_2: patient.ecg[1],
        Signal.PLETH: patient.pleth,
        Signal.ABP: patient.abp,
        Signal.RESP: patient.resp,
    }
    return [
        Track(signal, signal.name, SENSOR_HZ[signal], np.roll(x, int(turn * len(x))))
        for signal, x in signals.items()
    ]
