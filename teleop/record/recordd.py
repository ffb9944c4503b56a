"""The recorder's process: copies what the node's processes keep in shared memory into files.

It stands beside those whom it records: they write to memory and never wait for it, and if it dies
they do not notice. Restarted in time it finds what it missed still there.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from pathlib import Path
from typing import Final

import msgspec

from safety.profile import MS
from teleop.record.archive import Archive, Bounds, Channel, files_of
from teleop.record.sources import Ringed, Sources, Taped
from teleop.record.views import views
from teleop.settings import RecorddSettings
from transport.io.process import Runtime, main
from transport.telemetry.tape import Entry

#: A look, a flush and a sync: what a SIGKILL costs is a look and a flush, a power cut a sync more.
LOOK_NS: Final = 50 * MS
FLUSH_LOOKS, SYNC_LOOKS = 4, 20
#: The process whose tape people look at.
ROBOT: Final = "robotd"
COUNTERS: Final = (
    "records_total",
    'lost_total{where="memory"}',  # overwritten before they were read
    'lost_total{where="disk"}',  # messages that no file took
    "removed_total",  # files that went to make room
    "unshown_total",  # pieces of a tape that no view could be made of
)
GAUGES: Final = ("alarm", "files", "unreadable")
_ENCODE = msgspec.msgpack.Encoder().encode


class Recordd:
    """The copier."""

    def __init__(self, settings: RecorddSettings, runtime: Runtime) -> None:
        board = runtime.open_board(COUNTERS, GAUGES, ("look_ns",))
        self._counters = [board.counter(name) for name in COUNTERS]
        self._gauges = {name: board.gauge(name) for name in GAUGES}
        self._looked = board.histogram("look_ns")
        self._now_ns = runtime.clock.now_ns
        self._sources = Sources(runtime.path("flight"))
        bounds = Bounds(
            settings.file_mb << 20, settings.file_s * 1_000_000_000, settings.total_mb << 20
        )
        self._archive = Archive(Path(settings.folder), bounds)
        self._ahead: dict[str, deque[int]] = {}
        self._looks = 0
        runtime.loop.every(LOOK_NS, self._look)
        runtime.ready()

    def close(self) -> None:
        """Copy what there is, and finish the file."""
        self._copy()
        self._archive.close()
        self._count()

    def _look(self) -> None:
        start_ns = self._now_ns()
        self._copy()
        self._looks += 1
        if self._looks % FLUSH_LOOKS == 0:
            self._archive.flush(time.time_ns(), sync=self._looks % SYNC_LOOKS == 0)
            self._count()
        self._looked.record(self._now_ns() - start_ns)

    def _copy(self) -> None:
        for found in self._sources.look():
            if isinstance(found, Taped):
                self._copy_tape(found)
            else:
                self._copy_ring(found)

    def _copy_tape(self, taped: Taped) -> None:
        process, identity, entries, lost = taped
        now_ns = time.time_ns()
        ahead_ns = self._ahead_ns(identity, entries[-1].t_ns if entries else None, now_ns)
        batch = _ENCODE((identity, ahead_ns, lost, entries))
        self._archive.add(Channel(f"/tape/{process}", "msgpack"), now_ns, batch)
        self._counters[0].add(len(entries))
        self._counters[1].add(lost)
        if process == ROBOT:
            self._show(entries, ahead_ns)

    def _show(self, entries: list[Entry], ahead_ns: int) -> None:
        """Write what people look at; what cannot be read of it is on the tape all the same."""
        try:
            for view in views(entries, ahead_ns):
                self._archive.add(view.channel, view.t_ns + ahead_ns, view.data)
        except (ValueError, msgspec.MsgspecError):
            self._counters[4].add()

    def _copy_ring(self, ringed: Ringed) -> None:
        name, fields, records, lost = ringed
        now_ns = time.time_ns()
        is_timed = fields[0] == "t_ns" and bool(records)
        ahead_ns = self._ahead_ns(name, records[-1][0] if is_timed else None, now_ns)
        channel = Channel(f"/ring/{name}", "msgpack", notes=(("fields", " ".join(fields)),))
        self._archive.add(channel, now_ns, _ENCODE((ahead_ns, lost, records)))
        self._counters[0].add(len(records))
        self._counters[1].add(lost)

    def _ahead_ns(self, whose: str, t_ns: int | None, t_utc_ns: int) -> int:
        """Tell how far the wall's clock is ahead of that of a record that was just read.

        Wall time is for people, and orders nothing. A record is some milliseconds old when it is
        read: the youngest of the last looks tells best.
        """
        ahead = self._ahead.setdefault(whose, deque(maxlen=SYNC_LOOKS))
        if t_ns is not None:
            ahead.append(t_utc_ns - t_ns)
        return min(ahead, default=0)

    def _count(self) -> None:
        archive = self._archive
        for counter, total in zip(
            self._counters[2:4], (archive.failed, archive.removed), strict=True
        ):
            counter.add(total - counter.value)
        self._gauges["alarm"].set(int(archive.is_failing))
        self._gauges["files"].set(len(files_of(archive.folder)))
        self._gauges["unreadable"].set(self._sources.unreadable)


if __name__ == "__main__":
    sys.exit(main(RecorddSettings, Recordd))
