"""Make messages of a recording, each when it is due: as a device would, whose clock is ours.

Rules
-----
- Every 40 ms of the recording are a message with all signals, sent when the last of them would have
  been taken. Time is an argument. A rest shorter than that, at the end, is not played.
- A rate that no device has is brought to the sensor's. Played twice as fast, samples are said to be
  taken twice as often: a heart then beats twice as often, and the monitor is right about it.
- A loop goes on counting, and its seam is what it is: a rhythm that leaps.
- Late means late: what was due while nobody came is sent at once, with its age.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.dsp.resample import Resampler
from monitor.feed.names import UnitFault, signals_of, worth
from monitor.feed.recording import Channel, FeedFault
from monitor.ingest import RATES_HZ
from monitor.messages import SAMPLES_MAX, Block, Samples, Signal, pack

PERIOD_MS: Final = 40
SPEED_MIN, SPEED_MAX = 0.1, 10.0
BEHIND_MAX: Final = 64
"""Messages that are sent at once by who comes late; older ones are lost, as a device's would be."""
SENSOR_HZ: Final[dict[Signal, float]] = {
    Signal.ECG_1: 250.0,
    Signal.ECG_2: 250.0,
    Signal.ECG_3: 250.0,
    Signal.PLETH: 125.0,
    Signal.RED: 125.0,
    Signal.ABP: 125.0,
    Signal.RESP: 62.5,
}


class Track(NamedTuple):
    """A signal as it is played: (n,) float32 in the monitor's unit, at its rate."""

    signal: Signal
    name: str
    rate_hz: float
    x: NDArray[np.float32]


def tracks_of(channels: Sequence[Channel], speed: float = 1.0) -> list[Track]:
    """Choose what of a recording is played, and bring it to units and rates that devices have.

    Raises
    ------
    FeedFault
        No channel is a signal of a patient, or a unit is none of its signal.
    """
    chosen = signals_of([channel.name for channel in channels])
    if not chosen:
        names = ", ".join(channel.name for channel in channels)
        raise FeedFault(f"expected a channel named as an ECG lead, PLETH, ABP or RESP: {names}")
    return [_track(channels[n], signal, speed) for n, signal in sorted(chosen.items())]


class Player:
    """Plays tracks, in time.

    Parameters
    ----------
    tracks : at least one
    bed, device, incarnation : as messages say them
    start_ns : when the first sample is taken
    loop : begins anew at the end

    Attributes
    ----------
    sent, lost : messages
    """

    def __init__(
        self,
        tracks: Sequence[Track],
        bed: str,
        device: str,
        incarnation: int,
        start_ns: int,
        loop: bool = False,
    ) -> None:
        assert tracks
        self.sent = self.lost = 0
        self._tracks = tuple(tracks)
        self._names = bed, device, incarnation
        self._start_ns = start_ns
        self._loop = loop
        self._period_ms = _period_ms(tracks)
        self._whole = max(
            1, int(min(len(t.x) / t.rate_hz for t in tracks) * 1e3) // self._period_ms
        )
        self._next = 0

    @property
    def lasts_s(self) -> float:
        """Length of one round."""
        return self._whole * self._period_ms / 1e3

    @property
    def played_s(self) -> float:
        """How much was due so far, all rounds together."""
        return self._next * self._period_ms / 1e3

    def next_deadline_ns(self) -> int | None:
        """Say when the next message is due; None: all is played."""
        if not self._loop and self._next >= self._whole:
            return None
        return self._start_ns + (self._next + 1) * self._period_ms * 1_000_000

    def handle_deadline(self, now_ns: int) -> list[Samples]:
        """Make the messages that are due."""
        found: list[Samples] = []
        while (due_ns := self.next_deadline_ns()) is not None and due_ns <= now_ns:
            behind = (now_ns - due_ns) // (self._period_ms * 1_000_000)
            if behind >= BEHIND_MAX:
                self.lost += 1
            else:
                found.append(self._message(self._next, (now_ns - due_ns) // 1000))
                self.sent += 1
            self._next += 1
        return found

    def _message(self, number: int, age_us: int) -> Samples:
        bed, device, incarnation = self._names
        blocks = [self._block(track, number) for track in self._tracks]
        return pack(bed, device, incarnation, number, age_us, [b for b in blocks if len(b.samples)])

    def _block(self, track: Track, number: int) -> Block:
        """Cut a period out; a round counts on where the last ended."""
        turn, place = divmod(number, self._whole)
        first, end = (_sample(track, (place + n) * self._period_ms) for n in (0, 1))
        before = turn * _sample(track, self._whole * self._period_ms)
        return Block(track.signal, track.rate_hz, before + first, track.x[first:end])


def _sample(track: Track, at_ms: int) -> int:
    return int(at_ms * track.rate_hz / 1e3 + 1e-9)


def _period_ms(tracks: Sequence[Track]) -> int:
    """Say how long a message's stretch is: shorter where 40 ms would not fit into one."""
    a_second = sum(track.rate_hz for track in tracks)
    return min(PERIOD_MS, int(1e3 * (SAMPLES_MAX - len(tracks)) / a_second))


def _track(channel: Channel, signal: Signal, speed: float) -> Track:
    try:
        factor = np.float32(worth(signal, channel.unit))
    except UnitFault as fault:
        raise FeedFault(f"{channel.name}: {fault}") from fault
    rate_hz = channel.rate_hz * speed
    x = channel.x * factor
    if not any(abs(rate_hz - known) < 1e-3 for known in RATES_HZ):
        try:
            x = Resampler(1, rate_hz, SENSOR_HZ[signal]).step(np.ascontiguousarray(x[None]))[0]
        except ValueError as error:
            raise FeedFault(f"{channel.name}: {error}") from error
        rate_hz = SENSOR_HZ[signal]
    return Track(signal, channel.name, rate_hz, x)
