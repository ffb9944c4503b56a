"""Keeps what a network did to each packet, and says what that was: a file that can be replayed.

A trace is JSON lines: a head, then one array for each crossing, ordered by its entry. Times are
raw CLOCK_MONOTONIC of the machine that recorded it.

    {"version": 1, "profile": "ge5", ...}
    [t_in_ns, packet, up, fate, t_due_ns, t_out_ns, bytes]

A packet that was copied crosses twice under one number. Of one that did not come through `t_due_ns`
and `t_out_ns` are 0; for the others they are when it should have left the shell, and when it did.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import msgspec

from bench.netem.channel import Fate
from bench.netem.ladder import Step
from safety.profile import MS

VERSION = 1
FIELDS = ("t_in_ns", "packet", "up", "fate", "t_due_ns", "t_out_ns", "bytes")
"""Of a shell's flight ring, and of a line here."""
MESSAGE_BYTES_MIN = 128
"""A sealed ping has some 60 bytes, a command or a state more than 250."""
UP, DOWN = 1, 0


class Crossing(NamedTuple):
    """One packet's way through a shell, or its end."""

    t_in_ns: int
    packet: int
    up: int
    fate: int
    t_due_ns: int
    t_out_ns: int
    bytes: int


class Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a trace is of.

    Parameters
    ----------
    profile, seed, link, shell : how it came about
    ladder : `safety.profile.Profile` of the grant
    scale, script : of the hand
    start_ns, end_ns : the window that was judged
    resets_ns : when the bedside reset a PROTECTIVE_STOP
    steps : what the robot did: (t_ns, old, new, cause) of each transition, as `safety.state` counts
    """

    version: int = VERSION
    profile: str
    seed: int
    link: str
    shell: str
    ladder: int
    scale: float
    script: str
    start_ns: int
    end_ns: int
    resets_ns: tuple[int, ...] = ()
    steps: tuple[Step, ...] = ()


class Trace(NamedTuple):
    """A head and its crossings, by time of entry."""

    head: Head
    crossings: Sequence[Crossing]

    def messages(self, up: int) -> list[Crossing]:
        """Return the commands (up) or the states (down): what is no ping."""
        return [c for c in self.crossings if c.up == up and c.bytes >= MESSAGE_BYTES_MIN]


class TraceFault(ValueError):
    """A file that is no trace; the message is for a person."""


class Figures(NamedTuple):
    """What one direction did to the packets that entered in a window.

    Parameters
    ----------
    packets, lost, copied, overtaken : how many; lost to whatever cause
    bursts, burst_packets, burst_ms_mean, burst_ms_max : runs of lost packets: how many, their mean
        length, and the time from the first lost to the next that came through
    delay_p50_ms, delay_p99_ms, delay_max_ms : from entry to exit
    shell_late_p50_us, shell_late_p99_us : exit behind the due time: what the shell itself added
    """

    packets: int = 0
    lost: int = 0
    copied: int = 0
    overtaken: int = 0
    bursts: int = 0
    burst_packets: float = 0.0
    burst_ms_mean: float = 0.0
    burst_ms_max: float = 0.0
    delay_p50_ms: float = 0.0
    delay_p99_ms: float = 0.0
    delay_max_ms: float = 0.0
    shell_late_p50_us: float = 0.0
    shell_late_p99_us: float = 0.0

    @property
    def lost_share(self) -> float:
        """Lost of all."""
        return self.lost / self.packets if self.packets else 0.0


def figures(crossings: Iterable[Crossing], up: int, start_ns: int, end_ns: int) -> Figures:
    """Say what one direction did to what entered in [start, end)."""
    held = [c for c in crossings if c.up == up and start_ns <= c.t_in_ns < end_ns]
    first = list({c.packet: c for c in reversed(held)}.values())[::-1]
    if not first:
        return Figures()
    came = [c for c in held if c.fate == Fate.CARRIED]
    delays = sorted(c.t_out_ns - c.t_in_ns for c in came) or [0]
    late = sorted(c.t_out_ns - c.t_due_ns for c in came) or [0]
    runs = list(_bursts(first))
    times_ms = [ms for _, ms in runs] or [0.0]
    return Figures(
        packets=len(first),
        lost=sum(c.fate != Fate.CARRIED for c in first),
        copied=len(held) - len(first),
        overtaken=_overtaken(came),
        bursts=len(runs),
        burst_packets=sum(n for n, _ in runs) / max(1, len(runs)),
        burst_ms_mean=sum(times_ms) / len(times_ms),
        burst_ms_max=max(times_ms),
        delay_p50_ms=_at(delays, 0.5) / MS,
        delay_p99_ms=_at(delays, 0.99) / MS,
        delay_max_ms=delays[-1] / MS,
        shell_late_p50_us=_at(late, 0.5) / 1e3,
        shell_late_p99_us=_at(late, 0.99) / 1e3,
    )


def write(path: Path, trace: Trace) -> None:
    """Write a trace."""
    path.parent.mkdir(parents=True, exist_ok=True)
    encode = msgspec.json.encode
    with path.open("wb") as file:
        file.write(encode(trace.head) + b"\n")
        file.writelines(encode(crossing) + b"\n" for crossing in trace.crossings)


def read(path: Path) -> Trace:
    """Read a trace.

    Raises
    ------
    TraceFault : no such file, or a line that is none; it says which
    """
    crossings: list[Crossing] = []
    try:
        with path.open("rb") as file:
            head = msgspec.json.decode(file.readline(), type=Head)
            decode = msgspec.json.Decoder(Crossing).decode
            crossings.extend(decode(line) for line in file)
    except OSError as error:
        raise TraceFault(f"{path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        # What was decoded before it stands in the list, and the head before that.
        raise TraceFault(f"{path}, behind {len(crossings)} crossings: {error}") from error
    if head.version != VERSION:
        raise TraceFault(f"{path}: a trace of version {head.version}, not {VERSION}")
    return Trace(head, ordered(crossings))


def ordered(crossings: Iterable[Crossing]) -> list[Crossing]:
    """Order by entry; a shell records what comes through only when it leaves."""
    return sorted(crossings, key=lambda c: (c.t_in_ns, c.packet, c.t_out_ns))


def _bursts(first: Sequence[Crossing]) -> Iterator[tuple[int, float]]:
    """Yield each run of lost packets: how many, and for how many ms nothing came through."""
    at = 0
    for lost, run in groupby(first, lambda c: c.fate != Fate.CARRIED):
        length = len(list(run))
        if lost:
            end = first[min(at + length, len(first) - 1)]
            yield length, (end.t_in_ns - first[at].t_in_ns) / MS
        at += length


def _overtaken(came: Iterable[Crossing]) -> int:
    """Count the crossings that left before one that had entered earlier."""
    newest_ns, count = 0, 0
    for crossing in came:
        count += crossing.t_out_ns < newest_ns
        newest_ns = max(newest_ns, crossing.t_out_ns)
    return count


def _at(ascending: Sequence[int], quantile: float) -> int:
    return ascending[int(quantile * (len(ascending) - 1))]
