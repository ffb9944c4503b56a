"""Decides which process to start, to restart and to stop, and when.

Three rules:

1. What is wanted is everything in the table or, once a stop was asked for, nothing. A process
   that ends while it is wanted comes back after a pause that doubles from 100 ms to 5 s; ten
   seconds of life forgive the past.
2. A clean stop is TERM to all at once, KILL after 1.5 s, and giving up after 1.9 s, so that the
   node is gone within 2 s. Nothing else here ends a process: one that hangs while it is wanted
   is the watchdog's to judge, not ours. (The watchdog itself is watched by the shell.)
3. Every change of a process's phase is a row of `TABLE`; a fact without a row is a mistake of
   the program, not of the process.

The core owns neither clock nor pid. Its shell (`noded.py`) reports facts with `receive`, does
what `to_send` orders, tells what `next_event` tells, and calls `handle_deadline` at
`next_deadline_ns`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from enum import IntEnum
from typing import Final, NamedTuple

from teleop.node.processes import Process, Restart

MS: Final = 1_000_000
BACKOFF_FIRST_NS: Final = 100 * MS
BACKOFF_LAST_NS: Final = 5_000 * MS
FORGIVEN_AFTER_NS: Final = 10_000 * MS
TERM_PATIENCE_NS: Final = 1_500 * MS
"""For a process to leave by itself; the rest of the 2 s is for KILL, strays and files."""
KILL_PATIENCE_NS: Final = 400 * MS
"""Who is still there so long after KILL waits for a device: nobody can end it sooner."""
EVENTS_MAX: Final = 1024


class Phase(IntEnum):
    """What there is of a process now."""

    GONE = 0  # not running and not wanted: where every clean stop ends
    WAITING = 1  # not running; starts when due
    STARTING = 2  # the shell was told to spawn it and has not answered yet
    RUNNING = 3  # has a pid
    READY = 4  # says on its board that it does its work
    STOPPING = 5  # was sent TERM; is killed when due
    KILLING = 6  # was sent KILL; is abandoned when due


class Fact(IntEnum):
    """What the shell or the clock says of one process."""

    DUE = 0  # its deadline has come
    SPAWNED = 1  # it has a pid now, freshly spawned or adopted alive
    FAILED = 2  # it could not be spawned
    READY = 3
    EXITED = 4
    STOP = 5  # nobody wants it any longer


class Act(IntEnum):
    """What the core does on the way into the next phase."""

    NOTHING = 0
    SPAWN = 1
    REST = 2  # wait out the backoff, unless the row says that it never returns
    TERM = 3
    KILL = 4
    ABANDON = 5


TABLE: Final[dict[Phase, dict[Fact, tuple[Phase, Act]]]] = {
    Phase.GONE: {
        Fact.EXITED: (Phase.GONE, Act.NOTHING),  # it was abandoned, and left after all
        Fact.STOP: (Phase.GONE, Act.NOTHING),
    },
    Phase.WAITING: {
        Fact.DUE: (Phase.STARTING, Act.SPAWN),
        Fact.SPAWNED: (Phase.RUNNING, Act.NOTHING),
        Fact.STOP: (Phase.GONE, Act.NOTHING),
    },
    Phase.STARTING: {
        Fact.SPAWNED: (Phase.RUNNING, Act.NOTHING),
        Fact.FAILED: (Phase.WAITING, Act.REST),
        Fact.STOP: (Phase.STOPPING, Act.TERM),
    },
    Phase.RUNNING: {
        Fact.READY: (Phase.READY, Act.NOTHING),
        Fact.EXITED: (Phase.WAITING, Act.REST),
        Fact.STOP: (Phase.STOPPING, Act.TERM),
    },
    Phase.READY: {
        Fact.EXITED: (Phase.WAITING, Act.REST),
        Fact.STOP: (Phase.STOPPING, Act.TERM),
    },
    Phase.STOPPING: {
        Fact.SPAWNED: (Phase.STOPPING, Act.TERM),  # the stop overtook the spawn
        Fact.FAILED: (Phase.GONE, Act.NOTHING),
        Fact.READY: (Phase.STOPPING, Act.NOTHING),
        Fact.EXITED: (Phase.GONE, Act.NOTHING),
        Fact.DUE: (Phase.KILLING, Act.KILL),
        Fact.STOP: (Phase.STOPPING, Act.NOTHING),
    },
    Phase.KILLING: {
        Fact.SPAWNED: (Phase.KILLING, Act.KILL),
        Fact.FAILED: (Phase.GONE, Act.NOTHING),
        Fact.READY: (Phase.KILLING, Act.NOTHING),
        Fact.EXITED: (Phase.GONE, Act.NOTHING),
        Fact.DUE: (Phase.GONE, Act.ABANDON),
        Fact.STOP: (Phase.KILLING, Act.NOTHING),
    },
}


# Facts, from the shell


class Spawned(NamedTuple):
    """`name` runs as `pid`; `adopted` when it was found alive, not started by our shell."""

    name: str
    pid: int
    adopted: bool = False


class SpawnFailed(NamedTuple):
    """`name` could not be started; `why` is the system's word."""

    name: str
    why: str


class BecameReady(NamedTuple):
    """`name` says that it does its work."""

    name: str


class Exited(NamedTuple):
    """`name` has ended: status >= 0 is an exit code, < 0 a signal, None unknown (adopted).

    `why` has the words of whoever ended it.
    """

    name: str
    status: int | None
    why: str = ""


class Stop(NamedTuple):
    """Nothing is wanted any longer."""


Message = Spawned | SpawnFailed | BecameReady | Exited | Stop


# Orders, to the shell


class Spawn(NamedTuple):
    """Start `name` and answer with `Spawned` or `SpawnFailed`."""

    name: str


class Signal(NamedTuple):
    """Ask `name` to leave, or make it."""

    name: str
    kill: bool


Order = Spawn | Signal


class Event(NamedTuple):
    """One thing worth telling, once.

    Parameters
    ----------
    name : str
        Of the process.
    what : str
        started, adopted, ready, exited, failed, killed or abandoned.
    detail : str
        For people: pid, exit status, cause.
    after_ns : int
        ready: the time it took; exited, failed: the pause until the restart (0: none); else 0.
    """

    name: str
    what: str
    detail: str = ""
    after_ns: int = 0


class Track:
    """What is known of one process."""

    __slots__ = ("due_ns", "failures", "phase", "pid", "row", "since_ns")

    def __init__(self, row: Process, now_ns: int) -> None:
        self.row = row
        self.phase = Phase.WAITING
        self.pid = 0
        self.due_ns: int | None = now_ns
        self.since_ns = now_ns
        self.failures = 0


class Supervisor:
    """Keeps a table of processes running until told to stop.

    Parameters
    ----------
    rows : iterable of Process
        What shall run, in the order in which it is started.
    now_ns : int
        Monotonic.
    """

    def __init__(self, rows: Iterable[Process], now_ns: int) -> None:
        self._tracks = {row.name: Track(row, now_ns) for row in rows}
        self._orders: list[Order] = []
        self._events: deque[Event] = deque(maxlen=EVENTS_MAX)
        self._stopping = False

    # The five verbs

    def receive(self, message: Message, now_ns: int) -> None:
        """Take one fact from the shell."""
        match message:
            case Spawned(name, pid, adopted):
                self._spawned(self._tracks[name], pid, adopted, now_ns)
            case SpawnFailed(name, why):
                self._apply(self._tracks[name], Fact.FAILED, now_ns, why)
            case BecameReady(name):
                self._ready(self._tracks[name], now_ns)
            case Exited(name, status, why):
                detail = ", ".join(filter(None, (why, words_of(status))))
                self._apply(self._tracks[name], Fact.EXITED, now_ns, detail)
            case Stop():
                self._stop(now_ns)

    def next_event(self) -> Event | None:
        """Return the oldest event not yet told, or None."""
        return self._events.popleft() if self._events else None

    def to_send(self, now_ns: int) -> list[Order]:
        """Return what the shell must do now, in order, and forget it."""
        orders, self._orders = self._orders, []
        return orders

    def next_deadline_ns(self) -> int | None:
        """Return when `handle_deadline` must be called next, or None."""
        return min((t.due_ns for t in self._tracks.values() if t.due_ns is not None), default=None)

    def handle_deadline(self, now_ns: int) -> None:
        """Let everything that is due happen."""
        for track in self._tracks.values():
            if track.due_ns is not None and track.due_ns <= now_ns:
                track.due_ns = None
                self._apply(track, Fact.DUE, now_ns)

    # What a shell may ask

    @property
    def stopping(self) -> bool:
        """A stop was asked for."""
        return self._stopping

    @property
    def finished(self) -> bool:
        """The stop is complete: nothing runs any longer, as far as we know."""
        return self._stopping and all(t.phase is Phase.GONE for t in self._tracks.values())

    @property
    def all_ready(self) -> bool:
        """Every process says that it does its work."""
        return all(t.phase is Phase.READY for t in self._tracks.values())

    def phase(self, name: str) -> Phase:
        """Return where `name` is now."""
        return self._tracks[name].phase

    def pids(self) -> dict[str, int]:
        """Return the pids of everything that runs, by name."""
        return {name: t.pid for name, t in self._tracks.items() if t.pid}

    # What only the table decides

    def _apply(self, track: Track, fact: Fact, now_ns: int, detail: str = "") -> None:
        """Move one process along its row; the only place where a phase changes."""
        row = TABLE[track.phase]
        assert fact in row, f"{track.row.name}: {fact.name} in {track.phase.name}"
        track.phase, act = row[fact]
        pause_ns = 0
        match act:
            case Act.SPAWN:
                track.since_ns = now_ns
                self._orders.append(Spawn(track.row.name))
            case Act.REST:
                pause_ns = self._rest(track, now_ns)
            case Act.TERM:
                self._signal(track, now_ns + TERM_PATIENCE_NS, kill=False)
            case Act.KILL:
                self._tell(track, "killed", f"did not leave within {TERM_PATIENCE_NS / 1e9:.1f} s")
                self._signal(track, now_ns + KILL_PATIENCE_NS, kill=True)
            case Act.ABANDON:
                self._tell(track, "abandoned", f"pid {track.pid} survives SIGKILL")
        if fact in (Fact.EXITED, Fact.FAILED):
            self._ended(track, fact, detail, pause_ns)

    def _ended(self, track: Track, fact: Fact, detail: str, pause_ns: int) -> None:
        track.pid = 0
        if not pause_ns:
            track.due_ns = None
        self._tell(track, "exited" if fact is Fact.EXITED else "failed", detail, pause_ns)

    def _tell(self, track: Track, what: str, detail: str = "", after_ns: int = 0) -> None:
        self._events.append(Event(track.row.name, what, detail, after_ns))

    def _signal(self, track: Track, due_ns: int, *, kill: bool) -> None:
        if track.due_ns is None:  # a stop that overtook its spawn keeps its first deadline
            track.due_ns = due_ns
        if track.pid:
            self._orders.append(Signal(track.row.name, kill))

    def _rest(self, track: Track, now_ns: int) -> int:
        """Set the restart after a pause that doubles with every short life."""
        if track.row.restart is Restart.NEVER:
            track.phase = Phase.GONE
            return 0
        if now_ns - track.since_ns >= FORGIVEN_AFTER_NS:
            track.failures = 0
        pause_ns = min(BACKOFF_FIRST_NS << min(track.failures, 16), BACKOFF_LAST_NS)
        track.failures += 1
        track.due_ns = now_ns + pause_ns
        return pause_ns

    def _spawned(self, track: Track, pid: int, adopted: bool, now_ns: int) -> None:
        track.pid = pid
        if track.phase is Phase.WAITING:
            track.due_ns = None
            track.since_ns = now_ns
        self._apply(track, Fact.SPAWNED, now_ns)
        self._tell(track, "adopted" if adopted else "started", f"pid {pid}")

    def _ready(self, track: Track, now_ns: int) -> None:
        self._apply(track, Fact.READY, now_ns)
        if track.phase is Phase.READY:
            self._tell(track, "ready", "", now_ns - track.since_ns)

    def _stop(self, now_ns: int) -> None:
        if self._stopping:
            return
        self._stopping = True
        for track in self._tracks.values():
            track.due_ns = None
            self._apply(track, Fact.STOP, now_ns)


def words_of(status: int | None) -> str:
    """Put an exit status into words: a code, a signal's number, or that nobody knows."""
    if status is None:
        return "exit status unknown"
    return f"exit {status}" if status >= 0 else f"signal {-status}"
