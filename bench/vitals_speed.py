"""Time the sensor for a thousand patients, and beside its peers.

tick      1000 patients, two leads, 40 ms of samples: one call
whole     a recording in one call, beside peers who take it in one call: seconds a second costs
window    what a peer costs that looks again at the last ten seconds at each tick, as one must who
          keeps no state; beside one lead of the thousand patients, and beside a patient alone

Times are processor time of this thread, so that what others take of a core does not count; ticks
are wall time, for that is what a bed waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.peers import qrs
from bench.peers.qrs import Peer, PeerFailedError
from bench.vitals_ours import TICK, TICK_S, at_sensors_rate
from bench.vitals_records import Recording
from monitor.sim.patient import Episode, Heard, Script, make
from monitor.vitals.ecg.sensor import Ecg
from monitor.vitals.events import Events

PATIENTS, LEADS = 1000, 2
DIFFERENT: Final = 20
"""Patients that are made; the thousand are these, each at a place of its own."""
SECONDS: Final = 60.0
WARM_TICKS: Final = 250
TICKS, ALONE_TICKS = 1500, 5000
WINDOW_S: Final = 10.0
WINDOWS: Final = 20
TRIES: Final = 3
SCRIPT: Final = Script(
    (Episode("ectopic", SECONDS),), heard=(Heard(("electrode", "muscle", "baseline"), 18.0),)
)


class Speed(NamedTuple):
    """Times, ns.

    Parameters
    ----------
    ticks : (n,) a thousand patients, wall time
    lead_ns : processor time of one lead's tick among a thousand patients
    alone_ns : of a patient with one lead alone
    whole_ns, window_ns : by detector: of the recording, of ten seconds of it
    lasts_s : of the recording
    """

    ticks: NDArray[np.int64]
    lead_ns: float
    alone_ns: float
    whole_ns: dict[str, float]
    window_ns: dict[str, float]
    lasts_s: float

    @property
    def channels(self) -> float:
        """How many leads a core carries."""
        return TICK_S * 1e9 / self.lead_ns


def measure(
    recording: Recording, peers: dict[str, Peer], seed: int, say: Callable[[str], None]
) -> Speed:
    """Time all of it; the recording is one lead of somebody."""
    say(f"a thousand patients, {TICKS} ticks")
    ticks, lead_ns = _thousand(seed)
    say("a patient alone")
    alone_ns = _alone(recording)
    whole_ns, window_ns = {"trocar": _whole_ns(recording)}, {}
    for name, peer in peers.items():
        say(f"{name}, {recording.name}")
        try:
            run = partial(qrs.detect, peer, recording.x[0], recording.rate_hz)
            run()  # it compiles, or reads a table
            whole_ns[name] = _least_ns(run)
            window_ns[name] = _window_ns(recording, peer)
        except PeerFailedError:
            continue
    return Speed(ticks, lead_ns, alone_ns, whole_ns, window_ns, recording.lasts_s)


def thousand(seed: int) -> NDArray[np.float32]:
    """Make a thousand patients, (PATIENTS, LEADS, n) mV, no two at the same place."""
    made = [make(SCRIPT, seed, number, ("II", "V5")).ecg for number in range(DIFFERENT)]
    rng = np.random.default_rng(seed)
    shifts = rng.integers(0, made[0].shape[1], PATIENTS)
    rows = [np.roll(made[k % DIFFERENT], int(shifts[k]), axis=1) for k in range(PATIENTS)]
    return np.stack(rows)


def _thousand(seed: int) -> tuple[NDArray[np.int64], float]:
    x = thousand(seed)
    sensor, events = Ecg(PATIENTS, LEADS), Events(65_536)
    wall = np.empty(TICKS, np.int64)
    spent = 0
    for number in range(-WARM_TICKS, TICKS):
        first = (number + WARM_TICKS) * TICK % (x.shape[2] - TICK)
        samples = np.ascontiguousarray(x[:, :, first : first + TICK])
        began, busy = time.perf_counter_ns(), time.thread_time_ns()
        sensor.step(samples, events)
        if number >= 0:
            spent += time.thread_time_ns() - busy
            wall[number] = time.perf_counter_ns() - began
        events.drain()
    return wall, spent / TICKS / (PATIENTS * LEADS)


def _alone(recording: Recording) -> float:
    x = at_sensors_rate(recording.x[:1], recording.rate_hz)[None]
    sensor, events = Ecg(1, 1), Events()
    last = (x.shape[2] - TICK) // TICK
    for number in range(WARM_TICKS):
        sensor.step(x[:, :, number % last * TICK : number % last * TICK + TICK], events)
    events.drain()
    began = time.thread_time_ns()
    for number in range(ALONE_TICKS):
        first = number % last * TICK
        sensor.step(x[:, :, first : first + TICK], events)
        if len(events):
            events.drain()
    return (time.thread_time_ns() - began) / ALONE_TICKS


def _whole_ns(recording: Recording) -> float:
    def run() -> None:
        x = at_sensors_rate(recording.x[:1], recording.rate_hz)
        Ecg(1, 1).step(x[None], Events(65_536))

    run()
    return _least_ns(run)


def _window_ns(recording: Recording, peer: Peer) -> float:
    """Time ten seconds at several places, each once: none is cheaper for having been seen."""
    width = round(WINDOW_S * recording.rate_hz)
    places = np.linspace(0, recording.x.shape[1] - width, WINDOWS).astype(int)
    began = time.thread_time_ns()
    for first in places:
        try:
            qrs.detect(peer, recording.x[0, first : first + width], recording.rate_hz)
        except PeerFailedError:
            continue  # some cannot without a beat
    return (time.thread_time_ns() - began) / WINDOWS


def _least_ns(run: Callable[[], object]) -> float:
    """Return the least of a few tries: the others were disturbed."""
    times = []
    for _ in range(TRIES):
        began = time.thread_time_ns()
        run()
        times.append(time.thread_time_ns() - began)
    return float(min(times))
