"""Starts a node's processes, brings back those that end, and leaves nothing when it stops.

What to start and stop, and when, `supervisor.py` decides; this file spawns, signals, reaps and
tells. Rules:

- The node outlives its keeper. Processes are in sessions of their own, write to files, and do
  not notice when noded dies; the next noded adopts them by pid and start time.
- A descriptor of the process (pidfd) says that it ended, whether it is our child or adopted.
- TERM, INT or HUP stop everything within 2 s; then strays, sockets and shared memory go too.
- Who hangs is ended by the watchdog, and why stands in its ring. The watchdog itself is watched
  here, and systemd, where it started us, hears that we live only as long as it does.
"""

from __future__ import annotations

import os
import selectors
import signal
import sys
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from teleop.node import child, living
from teleop.node.fences import why_fenced
from teleop.node.notify import READY, STOPPING, Notify
from teleop.node.processes import WATCHDOG, Process
from teleop.node.rundir import Record, RunDir, tail
from teleop.node.signals import STOP_SIGNALS, Signals
from teleop.node.supervisor import (
    BecameReady,
    Event,
    Exited,
    Phase,
    Signal,
    Spawn,
    Spawned,
    SpawnFailed,
    Stop,
    Supervisor,
)
from teleop.node.vigil import LOOK_NS, LOOKS, Vigil, pulse_of
from transport.io.clock import Clock
from transport.io.living import Identity, identity_of, lives, open_pidfd, send
from transport.io.mapping import Mapping as SharedFile
from transport.telemetry.board import Board
from transport.telemetry.header import TelemetryError

MS: Final = 1_000_000
READY_POLL_NS: Final = 20 * MS  # while something is still starting
HOUSEKEEPING_NS: Final = 1_000 * MS
STRAY_PATIENCE_MS: Final = 100
STRAY_ROUNDS_MAX: Final = 3  # a stray may fork while it is being killed
LAST_WORDS_BYTES: Final = 2_000
VIGIL_S: Final = LOOKS * LOOK_NS / 1e9


class Report(msgspec.Struct, frozen=True):
    """Something to tell a person, or as JSON a program.

    Parameters
    ----------
    name : of the process, or "node"
    what : an `Event`'s word; of a process also outdated; of the node ready, stopping, stopped
    detail : pid, exit status, cause
    after_ms : ready: the time it took; exited, failed: the pause until the restart
    last_words : what a process that failed said last
    """

    name: str
    what: str
    detail: str = ""
    after_ms: float = 0.0
    last_words: str = ""


def in_words(report: Report) -> str:
    """Put a report into a line for a person, and what its process said last below it."""
    more = {
        "ready": f"after {report.after_ms / 1000:.2f} s",
        "exited": f"starts anew in {report.after_ms:.0f} ms" if report.after_ms else "",
        "failed": f"is tried again in {report.after_ms:.0f} ms",
    }.get(report.what, "")
    about = ", ".join(filter(None, (report.detail, more)))
    line = f"{report.name:<9} {report.what:<9} {about}".rstrip()
    return "\n".join([line, *(f"    | {said}" for said in report.last_words.splitlines())])


class Noded:
    """Runs the processes of one node.

    Parameters
    ----------
    run_dir : locked
    rows : the processes
    settings : each row's settings, JSON
    tell : is given every report
    """

    def __init__(
        self,
        run_dir: RunDir,
        rows: Iterable[Process],
        settings: Mapping[str, bytes],
        tell: Callable[[Report], None],
    ) -> None:
        self._clock = Clock()
        self._born_ns = self._clock.now_ns()
        self._run_dir = run_dir
        self._rows = {row.name: row for row in rows}
        self._settings = settings
        self._tell = tell
        self._core = Supervisor(self._rows.values(), self._born_ns)
        self._selector = selectors.DefaultSelector()
        self._pidfds: dict[str, int] = {}
        self._records: dict[str, Record] = {}
        self._strays: list[Identity] = []
        self._housekeeping_ns = self._born_ns
        self._was_ready = False
        self._vigil = Vigil()
        self._notify = Notify(os.environ, os.getpid())

    def run(self) -> int:
        """Keep the node until it is told to stop; return 0 when nothing is left of it."""
        os.umask(0o077)  # whatever we or our processes make is nobody else's business
        with Signals() as signals:
            self._selector.register(signals.fd, selectors.EVENT_READ, None)
            self._run_dir.prepare()
            self._adopt()
            for name, data in self._settings.items():
                self._run_dir.write(f"{name}.json", data)
            while not self._core.finished:
                self._obey()
                self._wait(signals)
                self._look()
            self._obey()
            return self._leave()

    # Wait, feed, drain

    def _wait(self, signals: Signals) -> None:
        """Sleep until a process ends, a signal comes or something is due; feed the core."""
        for key, _ in self._selector.select(self._sleep_s()):
            if key.data is None:
                self._stop(signals)
            else:
                self._ended(key.data)
        self._core.handle_deadline(self._clock.now_ns())

    def _stop(self, signals: Signals) -> None:
        if signals.take() and not self._core.stopping:
            self._notify.say(STOPPING)
            self._report(Report("node", "stopping"))
            self._core.receive(Stop(), self._clock.now_ns())

    def _sleep_s(self) -> float:
        starting = any(self._core.phase(name) is Phase.RUNNING for name in self._rows)
        now_ns = self._clock.now_ns()
        wake_ns = self._housekeeping_ns
        if starting:
            wake_ns = min(wake_ns, now_ns + READY_POLL_NS)
        if WATCHDOG in self._pidfds:
            wake_ns = min(wake_ns, now_ns + LOOK_NS)
        due_ns = self._core.next_deadline_ns()
        if due_ns is not None:
            wake_ns = min(wake_ns, due_ns)
        return max(0, wake_ns - now_ns) / 1e9

    def _obey(self) -> None:
        """Do what the core orders, until it orders nothing more; tell what it tells."""
        while orders := self._core.to_send(self._clock.now_ns()):
            for order in orders:
                match order:
                    case Spawn(name):
                        self._core.receive(self._spawn(name), self._clock.now_ns())
                    case Signal(name, kill):
                        self._signal(name, kill)
        while (event := self._core.next_event()) is not None:
            self._report(Report(*event[:3], event.after_ns / MS, self._last_words(event)))

    def _last_words(self, event: Event) -> str:
        if event.what not in ("exited", "failed") or self._core.stopping:
            return ""
        log = tail(self._run_dir.log_path(event.name), LAST_WORDS_BYTES)
        return log.decode(errors="replace").strip()

    def _look(self) -> None:
        """See who became ready, and keep the logs short."""
        now_ns = self._clock.now_ns()
        for name in self._rows:
            if self._core.phase(name) is Phase.RUNNING and self._is_ready(name):
                self._core.receive(BecameReady(name), now_ns)
        if self._core.all_ready and not self._was_ready:
            self._was_ready = True
            self._obey()
            self._report(Report("node", "ready", "", (now_ns - self._born_ns) / MS))
            self._notify.say(READY)
        if self._is_watched(now_ns):
            self._notify.alive(now_ns)
        if now_ns >= self._housekeeping_ns:
            self._housekeeping_ns = now_ns + HOUSEKEEPING_NS
            for name in self._rows:
                self._run_dir.cap_log(name)

    def _is_watched(self, now_ns: int) -> bool:
        """Look after the watchdog; tell whether it lives, or is not wanted."""
        if WATCHDOG not in self._rows:
            return True
        record = self._records.get(WATCHDOG)
        if record is None or self._core.stopping:
            return self._core.stopping
        pulse = pulse_of(self._run_dir.path, WATCHDOG, record.identity)
        if self._vigil.look(record.identity, pulse, now_ns):
            self._report(Report(WATCHDOG, "killed", f"no beat for {VIGIL_S:g} s"))
            self._signal(WATCHDOG, kill=True)
        return self._vigil.is_kept

    def _report(self, report: Report) -> None:
        """Tell it; who listens may be gone, as with `trocar up | head`, and the node goes on."""
        try:
            self._tell(report)
        except OSError:
            pass

    # Processes

    def _spawn(self, name: str) -> Spawned | SpawnFailed:
        self._board_path(name).unlink(missing_ok=True)  # the dead one's board would say `ready`
        try:
            pid = _spawn(self._rows[name].module, self._run_dir, name)
        except OSError as error:
            return SpawnFailed(name, error.strerror or str(error))
        identity = identity_of(pid)
        fd = os.pidfd_open(pid)  # not reaped yet, so the number is still its own
        start = identity.start if identity else 0
        self._watch(name, fd, Record(pid, start, self._digest(name)))
        return Spawned(name, pid)

    def _watch(self, name: str, pidfd: int, record: Record) -> None:
        self._pidfds[name] = pidfd
        self._records[name] = record
        self._run_dir.write_records(self._records)
        self._selector.register(pidfd, selectors.EVENT_READ, name)

    def _ended(self, name: str) -> None:
        # Its number is its own until it is reaped: only now can its session be told for sure.
        identity = self._records.pop(name).identity
        strays = {*self._strays, *living.members_of(identity.pid)}
        self._strays = [identity for identity in strays if lives(identity)]
        fd = self._pidfds.pop(name)
        self._selector.unregister(fd)
        status = _reap(fd)
        os.close(fd)
        self._run_dir.write_records(self._records)
        why = why_fenced(self._run_dir.path, identity)
        self._core.receive(Exited(name, status, why), self._clock.now_ns())

    def _signal(self, name: str, kill: bool) -> None:
        fd = self._pidfds.get(name)
        if fd is None:
            return
        send(fd, signal.SIGKILL if kill else signal.SIGTERM)
        if not kill:
            send(fd, signal.SIGCONT)  # a stopped process cannot act on TERM

    def _adopt(self) -> None:
        """Take over what a dead noded left alive; clean up when it left nothing alive."""
        for name, record in survivors(self._run_dir).items():
            fd = open_pidfd(record.identity)
            if fd is None:
                continue
            if name not in self._rows:  # the table has changed: nobody wants it any longer
                send(fd, signal.SIGTERM)
                os.close(fd)
                continue
            self._watch(name, fd, record)
            self._core.receive(Spawned(name, record.pid, adopted=True), self._clock.now_ns())
            if record.settings != self._digest(name):
                note = "keeps its old settings until it starts anew"
                self._report(Report(name, "outdated", note))
        if not self._records:
            living.kill(living.marked(str(self._run_dir.path)), STRAY_PATIENCE_MS)
            self._run_dir.clear()
            self._run_dir.prepare()

    def _digest(self, name: str) -> str:
        return sha256(self._settings[name]).hexdigest()

    def _board_path(self, name: str) -> Path:
        return self._run_dir.path / "boards" / f"{name}.board"

    def _is_ready(self, name: str) -> bool:
        try:
            file = SharedFile.open(self._board_path(name))
        except (OSError, ValueError):
            return False
        try:
            return Board.attach(file.view).gauge("ready").value != 0
        except TelemetryError:
            return False
        finally:
            file.close()

    # The end

    def _leave(self) -> int:
        """Kill strays, remove the run directory; return 1 when somebody survived that."""
        left: list[Identity] = []
        for _ in range(STRAY_ROUNDS_MAX):
            strays = {*living.marked(str(self._run_dir.path)), *self._strays}
            if not strays:
                break
            left = living.kill(strays, STRAY_PATIENCE_MS)
            self._strays = left
        for identity in left:
            self._report(Report("node", "abandoned", f"pid {identity.pid} survives SIGKILL"))
        self._selector.close()
        self._notify.close()
        self._run_dir.remove()
        self._report(Report("node", "stopped"))
        return 1 if left else 0


def survivors(run_dir: RunDir) -> dict[str, Record]:
    """Return whom a dead noded left alive: written down, or started and not yet written down."""
    records = {name: record for name, record in run_dir.records().items() if lives(record.identity)}
    for identity in living.marked(str(run_dir.path)):
        path = Path(living.last_argument(identity))
        if path.parent == run_dir.path:
            records.setdefault(path.stem, Record(identity.pid, identity.start, ""))
    return records


def _spawn(module: str, run_dir: RunDir, name: str) -> int:
    """Start a process in a session of its own, its output in its log; return its pid."""
    run_dir.cap_log(name)
    log = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    return os.posix_spawn(
        sys.executable,
        child.python("-m", module, str(run_dir.path / f"{name}.json")),
        child.environment(**{living.MARK: str(run_dir.path)}),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(run_dir.log_path(name)), log, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=(),
        setsigdef=(*STOP_SIGNALS, signal.SIGPIPE),
    )


def _reap(pidfd: int) -> int | None:
    """Take a dead child's status: exit code, or minus the signal; None when it was adopted."""
    try:
        result = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)
    except ChildProcessError:
        return None
    if result is None:
        return None
    return result.si_status if result.si_code == os.CLD_EXITED else -result.si_status
