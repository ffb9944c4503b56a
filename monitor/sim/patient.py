"""Put a patient together: a script of episodes, what spoils them, and the truth.

Each part draws from a stream of its own of `(seed, patient)`, so that one can be changed and the
others stay as they are, to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitor.sim import defects, noise, pulses, splices, waves, waviness
from monitor.sim.defects import Spoiled
from monitor.sim.pulses import Body
from monitor.sim.rhythms import RHYTHMS, Beats, Waviness, beats_of, joined
from monitor.sim.splices import Real
from monitor.vitals.events import Label

ECG_HZ, PLETH_HZ, ABP_HZ, RESP_HZ = 250.0, 125.0, 125.0, 62.5
PACE_LEAD_S: Final = 0.05
"""A pacemaker's pulse comes so long before the R wave that it makes."""
TURN_DEG_MAX: Final = 12.0
"""How far a patient's heart lies turned from the tables'."""
SIZE_SPREAD: Final = 0.15
AMPLIFIER_MV: Final = 0.003
"""What every lead carries, root mean square: a heart that stands still is no cable that is off."""


class Stream(IntEnum):
    """Streams of chance, one a part; a new part is added at the end."""

    RHYTHM = 0
    WAVINESS = 1
    BODY = 2
    NOISE = 3
    DEFECTS = 4
    AMPLIFIER = 5
    SPLICES = 6


_WAVY: Final = {
    Waviness.VENTRICULAR: waviness.ventricular,
    Waviness.ATRIAL: waviness.atrial,
}
_Streams: TypeAlias = Callable[[Stream], np.random.Generator]
_Episodes: TypeAlias = tuple[tuple[str, float, float], ...]


class Episode(NamedTuple):
    """One rhythm for some seconds; a rate of None is the row's own."""

    rhythm: str
    lasts_s: float
    rate_bpm: float | None = None
    gain: float = 1.0


class Heard(NamedTuple):
    """Noise of equal parts of some kinds, on all leads but drawn for each."""

    kinds: tuple[str, ...]
    snr_db: float


class Pace(NamedTuple):
    """Pulses of a pacemaker on the leads, before each paced beat."""

    height_mv: float
    width_ms: float


class Script(NamedTuple):
    """What happens to a patient.

    Parameters
    ----------
    episodes : one behind the other
    body : pressures, saturation, breath
    heard : noise
    spoiled : defects of ECG leads
    pace : what a pacemaker adds, or None
    exact : the waves as the tables have them, not as this patient's heart lies
    """

    episodes: tuple[Episode, ...]
    body: Body = Body()
    heard: tuple[Heard, ...] = ()
    spoiled: tuple[Spoiled, ...] = ()
    pace: Pace | None = None
    exact: bool = False

    @property
    def lasts_s(self) -> float:
        """Length of all episodes."""
        return sum(episode.lasts_s for episode in self.episodes)


class Truth(NamedTuple):
    """What a monitor should find.

    Parameters
    ----------
    beats : of the heart, and how each pumps
    episodes : (rhythm, begin_s, end_s)
    breaths_s : when breaths are deepest
    paced_s : when a pacemaker pulsed
    """

    beats: Beats
    episodes: tuple[tuple[str, float, float], ...]
    breaths_s: NDArray[np.float64]
    paced_s: NDArray[np.float64]


class Patient(NamedTuple):
    """A recording, float32, and the truth.

    Parameters
    ----------
    leads : names of the ECG's
    ecg : (leads, n) mV at `ecg_hz`
    pleth, red : (n,) at 125 Hz
    abp : (n,) mmHg at 125 Hz
    resp : (n,) ohm at 62.5 Hz
    """

    leads: tuple[str, ...]
    ecg_hz: float
    ecg: NDArray[np.float32]
    pleth: NDArray[np.float32]
    red: NDArray[np.float32]
    abp: NDArray[np.float32]
    resp: NDArray[np.float32]
    truth: Truth


def make(
    script: Script,
    seed: int,
    patient: int = 0,
    leads: tuple[str, ...] = ("II", "V5", "V1"),
    ecg_hz: float = ECG_HZ,
    real: Real | None = None,
) -> Patient:
    """Make a patient; the same arguments make the same one, to the bit.

    With `real`, every ventricular beat is one of somebody's, in all leads alike.
    """

    def stream(of: Stream) -> np.random.Generator:
        return np.random.default_rng((seed, patient, of))

    beats, episodes = _rhythm(script, stream(Stream.RHYTHM))
    paced_s = beats.at_s[beats.label == Label.PACED] - PACE_LEAD_S
    ecg = _ecg(script, beats, episodes, leads, ecg_hz, stream, real)
    ecg += _paced(script, paced_s, ecg_hz, ecg.shape[1])
    for lead in range(len(leads)):
        for what in script.spoiled:
            if what.lead in (-1, lead):
                ecg[lead] = defects.spoil(ecg[lead], what, ecg_hz, stream(Stream.DEFECTS))
    lasts_s, body = script.lasts_s, script.body
    infrared, red = pulses.light(beats, body, PLETH_HZ, int(lasts_s * PLETH_HZ))
    abp = pulses.abp(beats, body, ABP_HZ, int(lasts_s * ABP_HZ))
    resp = pulses.breath(body, RESP_HZ, int(lasts_s * RESP_HZ))
    truth = Truth(beats, episodes, pulses.breaths_s(body, lasts_s), paced_s)
    ecg_, infrared_, red_, abp_, resp_ = (
        np.asarray(x, np.float32) for x in (ecg, infrared, red, abp, resp)
    )
    return Patient(leads, ecg_hz, ecg_, infrared_, red_, abp_, resp_, truth)


def _rhythm(script: Script, rng: np.random.Generator) -> tuple[Beats, _Episodes]:
    parts: list[Beats] = []
    episodes: list[tuple[str, float, float]] = []
    begin_s = 0.0
    for episode in script.episodes:
        end_s = begin_s + episode.lasts_s
        last_s = next((part.at_s[-1] for part in reversed(parts) if len(part.at_s)), begin_s)
        # An interval that began before the episode goes on into it.
        first_s = max(last_s, begin_s - 1.0) if parts else begin_s
        part = beats_of(
            RHYTHMS[episode.rhythm], rng, first_s, end_s, episode.rate_bpm, episode.gain
        )
        inside = part.at_s >= begin_s
        parts.append(part.where(inside))
        episodes.append((episode.rhythm, begin_s, end_s))
        begin_s = end_s
    return joined(parts), tuple(episodes)


def _ecg(
    script: Script,
    beats: Beats,
    episodes: _Episodes,
    leads: tuple[str, ...],
    rate_hz: float,
    stream: _Streams,
    real: Real | None,
) -> NDArray[np.float64]:
    n = int(script.lasts_s * rate_hz)
    broad = beats.label == Label.VENTRICULAR if real else np.zeros(len(beats.at_s), np.bool_)
    gain = np.where(broad, 0.0, beats.gain)
    dipole = waves.dipole(beats.at_s, beats.shape, gain, rate_hz, n)
    wavy = stream(Stream.WAVINESS)
    for (name, begin_s, end_s), episode in zip(episodes, script.episodes, strict=True):
        first, end = round(begin_s * rate_hz), min(n, round(end_s * rate_hz))
        draw = _WAVY.get(RHYTHMS[name].waviness)
        if draw is not None:
            dipole[:, first:end] += episode.gain * draw(wavy, rate_hz, end - first)
    if not script.exact:
        dipole = _lies(stream(Stream.BODY)) @ dipole
    ecg = waves.project(dipole, leads)
    if real:
        at_s, by_chance = beats.at_s[broad], stream(Stream.SPLICES)
        ecg += splices.placed(real.snippets, real.rate_hz, at_s, rate_hz, n, by_chance)
    hiss = AMPLIFIER_MV * stream(Stream.AMPLIFIER).standard_normal(ecg.shape)
    return ecg + _heard(script, ecg, beats, rate_hz, stream(Stream.NOISE)) + hiss


def _lies(rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw how this heart lies in this chest: turned a little, larger or smaller; (3, 3)."""
    a, b, c = np.radians(TURN_DEG_MAX) * rng.uniform(-1.0, 1.0, 3)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    size = np.exp(SIZE_SPREAD * rng.standard_normal())
    lies: NDArray[np.float64] = size * (about_x @ about_y @ about_z)
    return lies


def _heard(
    script: Script,
    ecg: NDArray[np.float64],
    beats: Beats,
    rate_hz: float,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Draw each lead's noise, at its ratio to this lead's own QRS."""
    total = np.zeros_like(ecg)
    at = np.round(beats.at_s * rate_hz).astype(np.int64)
    for lead, clean in enumerate(ecg):
        height_mv = noise.qrs_height(clean, at, rate_hz)
        for heard in script.heard:
            drawn = noise.mixed(rng, rate_hz, len(clean), heard.kinds)
            total[lead] += noise.factor(height_mv, heard.snr_db) * drawn
    return total


def _paced(
    script: Script, paced_s: NDArray[np.float64], rate_hz: float, n: int
) -> NDArray[np.float64]:
    if script.pace is None:
        return np.zeros(n)
    return defects.spikes(n, rate_hz, paced_s, script.pace.height_mv, script.pace.width_ms)
