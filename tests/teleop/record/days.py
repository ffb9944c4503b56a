"""Days of the virtual world, as a recorder would have written them to a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from teleop.record.archive import Archive, Bounds, Channel, files_of
from tests.world.world import World
from transport.telemetry.tape import Entry, check_sum

#: The wall's clock when the robot's shows nothing: 2027-01-15, 08:00:00 UTC.
EPOCH_NS = 1_800_000_000_000_000_000
TAPE = Channel("/tape/robotd", "msgpack")
BATCH = 200


def moving(seed: int = 1, ms: float = 300, **hand: object) -> World:
    """A world whose hand has moved the robot for so long."""
    there = World(seed=seed)
    there.engaged(**hand)
    there.run(ms)
    return there


def tapes(world: World) -> list[list[Entry]]:
    """The robot's tapes, one a boot."""
    return [list(reel.entries) for reel in world.robot.reels]


def recorded(folder: Path, reels: Iterable[list[Entry]], *, finish: bool = True) -> Path:
    """Write tapes as recordd does."""
    archive = Archive(folder, Bounds())
    for number, entries in enumerate(reels):
        ahead_ns = EPOCH_NS - entries[0].t_ns
        for start in range(0, len(entries), BATCH):
            batch = entries[start : start + BATCH]
            t_utc_ns = batch[-1].t_ns + ahead_ns
            data = msgspec.msgpack.encode((f"tape{number}", ahead_ns, 0, batch))
            archive.add(TAPE, t_utc_ns, data)
            archive.flush(t_utc_ns)
    if finish:
        archive.close()
    return files_of(folder)[-1]


def changed(entry: Entry, change: Callable[[bytes], bytes]) -> Entry:
    """The same record with another body, its check sum made to agree."""
    data = change(entry.data)
    number, t_ns, kind = entry[:3]
    return Entry(number, t_ns, kind, data, check_sum(number, t_ns, kind, data))
