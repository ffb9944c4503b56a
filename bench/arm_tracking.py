"""How a tip follows a hand: error behind a stated delay, tones, and what a clutch moves.

Pure: paths in, numbers out. Nothing is fitted but where the name says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.arm_record import Floats, Motion, Path

#: The clutch is watched for so long after its release has come to the tip.
RELEASE_S = 0.020
#: A fitted delay is sought this far to both sides of the stated one.
FIT_S = 0.010


class Error(NamedTuple):
    """How far the tip was from where the hand had been."""

    rms_m: float
    max_m: float


class Tone(NamedTuple):
    """One frequency of a path, by one bin over whole periods: a complex amplitude per axis, m."""

    hz: float
    at_m: npt.NDArray[np.complex128]

    @property
    def size_m(self) -> float:
        """Amplitude over all axes."""
        return float(np.linalg.norm(self.at_m))


def error(motion: Motion, scale: float, delay_s: float) -> Error:
    """Compare the tip in the window with the hand `delay_s` before it.

    Both count from the first reference: the hand's last reading before it moved, and the tip at
    the same time. That is one record each, not a mean, and not what fits best.
    """
    start_ns = motion.start_ns
    tip = motion.tip.between(*motion.window)
    away = _from(motion.tip, start_ns, tip.t_ns) - scale * _from(
        motion.hand, start_ns, tip.t_ns - round(delay_s * 1e9)
    )
    square = np.sum(away**2, axis=1)
    return Error(math.sqrt(float(square.mean())), math.sqrt(float(square.max())))


def fitted_delay_s(motion: Motion, scale: float, stated_s: float) -> float:
    """Find the delay with the least RMS error, by golden section: to say how true a stated is."""
    low, high = stated_s - FIT_S, stated_s + FIT_S
    ratio = (math.sqrt(5.0) - 1.0) / 2.0
    for _ in range(24):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if error(motion, scale, left).rms_m < error(motion, scale, right).rms_m:
            high = right
        else:
            low = left
    return 0.5 * (low + high)


def tone(
    path: Path, origin_ns: int, hz: float, rate: float = 1.0, known: Floats | None = None
) -> Tone:
    """Take one frequency out of a path; its phase counts from `origin_ns`.

    Parameters
    ----------
    path : over whole periods, see `whole`; it need not be evenly sampled
    rate : of the clock that `hz` is told by, against the machine's
    known : (n, 3), m, what of it is known, and is no part of the tone
    """
    at_m = path.at_m if known is None else path.at_m - known
    t_s = (path.t_ns - origin_ns) * 1e-9 * rate
    turns = np.exp(-2j * math.pi * hz * t_s)
    weights = np.gradient(t_s)
    found = 2.0 * ((at_m - at_m.mean(axis=0)) * (turns * weights)[:, None]).sum(axis=0)
    return Tone(hz, found / weights.sum())


def whole(path: Path, start_ns: int, end_ns: int, period_s: float, rate: float = 1.0) -> Path:
    """Cut a path to as many whole periods as the time holds."""
    period_ns = period_s * 1e9 / rate
    periods = int((end_ns - start_ns) / period_ns)
    assert periods > 0
    return path.between(start_ns, start_ns + round(periods * period_ns))


def script_at(
    script: Callable[[float], tuple[float, float, float]], t_ns: npt.NDArray[np.int64], rate: float
) -> Floats:
    """Give a script's path at times since its start, (n, 3), m."""
    return np.array([script(t * 1e-9 * rate) for t in t_ns.tolist()])


def delay_between(before: Tone, after: Tone) -> float:
    """Give the delay by which one tone of x comes after another, s; less than half its period."""
    turn = np.angle(before.at_m[0] / after.at_m[0])
    return float(turn) / (2.0 * math.pi * before.hz)


def group_delay_s(hz: Sequence[float], delays_s: Sequence[float], at_hz: float) -> float:
    """Give the group delay at a frequency from the delays of tones below and above it.

    A phase is odd in frequency: a f + b f^3 through all tones, whose slope is far less noisy than
    the difference of two. Of the filter's own phases, 0.5 to 2 Hz, it makes 0.06 ms too much at 1.
    """
    f = np.array(hz)
    odd = np.stack((f, f**3), axis=1)
    (a, b), *_ = np.linalg.lstsq(odd, f * np.array(delays_s), rcond=None)
    return float(a + 3.0 * b * at_hz**2)


class Release(NamedTuple):
    """What a release of the clutch did.

    Parameters
    ----------
    moved_m : how far the tip went within 20 ms
    open_m : how far the hand had gone while the clutch was open: what a release without a new
        reference would have made the tip leap by
    """

    moved_m: float
    open_m: float


def releases(motion: Motion, delay_s: float) -> list[Release]:
    """Find how far the tip moved within 20 ms after each release of the clutch.

    The hand goes on while the clutch is open, then rests; it is released at rest, and the hand
    stays for as long as is looked: whatever the tip does then it does because of the release. It
    counts from where the tip was when the released clutch was read, to any place until 20 ms after
    its command can first be seen at the tip.
    """
    found = []
    before_ns = motion.start_ns
    for index in np.flatnonzero(np.diff(motion.clutch_id) > 0) + 1:
        start_ns = int(motion.hand.t_ns[index])
        end_ns = start_ns + round((delay_s + RELEASE_S) * 1e9)
        if motion.window.holds(start_ns) and end_ns < motion.tip.t_ns[-1]:
            hand = motion.hand.between(start_ns, end_ns + 1)
            assert np.all(hand.at_m == hand.at_m[0]), "the hand moved: its script is wrong"
            tip = motion.tip.between(start_ns, end_ns + 1)
            now = np.array([start_ns])
            away = tip.at_m - motion.tip.at(now)
            alone = _from(motion.hand, before_ns, now) - _from(motion.tip, before_ns, now)
            moved_m = float(np.linalg.norm(away, axis=1).max())
            found.append(Release(moved_m, float(np.linalg.norm(alone))))
        before_ns = start_ns
    return found


def _from(path: Path, start_ns: int, t_ns: npt.NDArray[np.int64]) -> Floats:
    """Give a path at these times, less where it was at the start."""
    return path.at(t_ns) - path.at(np.array([start_ns]))
