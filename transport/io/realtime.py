"""Takes the real-time rights that the machine grants, and says what each missing one costs.

Rules
-----
- Order matters: scheduling and locked memory come before the first ZMQ context, because its
  I/O threads inherit them only when they are born. (Set too late, p99 under load was 4.8 ms
  instead of 0.7.)
- A right that is refused is a `Lack`, never an error: the process runs, worse, and says so.
- Nothing ties a process to its parent: robots keep moving when the node's supervisor dies.
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
from typing import NamedTuple

DMA_LATENCY = "/dev/cpu_dma_latency"

_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4
_PR_SET_TIMERSLACK = 29
_CAP_IPC_LOCK = 14
_LIBC = ctypes.CDLL(None, use_errno=True)


class Lack(NamedTuple):
    """A right that this process does not have.

    Parameters
    ----------
    what : short name
    cost : what its absence does to the control path, measured where a number is given
    remedy : what an administrator can do about it
    """

    what: str
    cost: str
    remedy: str


NO_FIFO = Lack(
    "SCHED_FIFO",
    "a busy neighbour raises the relay's p99 from 0.7 ms to 2.4 ms and more",
    "grant CAP_SYS_NICE, or `rtprio 60` in /etc/security/limits.d",
)
NO_NICE = Lack(
    "nice",
    "ordinary priority: video and vision compete with control for every core",
    "grant CAP_SYS_NICE, or `nice -20` in /etc/security/limits.d",
)
NO_MLOCK = Lack(
    "mlockall",
    "under memory pressure a page fault may stop the process for milliseconds",
    "grant CAP_IPC_LOCK, or `memlock unlimited` in /etc/security/limits.d",
)
NO_PM_QOS = Lack(
    "PM QoS",
    "idle cores sleep: about twice the median round trip (0.40 instead of 0.20 ms)",
    f"let this user write {DMA_LATENCY} (a udev rule: GROUP and MODE 0660)",
)


def enter(fifo: int, nice: int) -> list[Lack]:
    """Take priority, locked memory and exact timers; return what was refused.

    Call it before any thread or ZMQ context exists.

    Parameters
    ----------
    fifo : SCHED_FIFO priority 1...99, or 0 for ordinary scheduling
    nice : niceness that is used when `fifo` is 0 or refused
    """
    lacks = []
    scheduled = False
    if fifo:
        scheduled = _fifo(fifo)
        if not scheduled:
            lacks.append(NO_FIFO)
            nice = min(nice, -20)
    if not scheduled and nice and not _nice(nice):
        lacks.append(NO_NICE)
    if (fifo or nice < 0) and not _mlock():
        lacks.append(NO_MLOCK)
    # Timers of ordinary threads may be 50 us late by default, to save wake-ups.
    _LIBC.prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    _raise_descriptor_limit()
    return lacks


def priority() -> int:
    """Return the SCHED_FIFO priority that this process has, 0 for ordinary scheduling."""
    if os.sched_getscheduler(0) != os.SCHED_FIFO:
        return 0
    return os.sched_getparam(0).sched_priority


def settle() -> None:
    """Stop the garbage collector from pausing the path, once everything long-lived exists."""
    gc.collect()
    gc.freeze()
    gc.disable()


def sweep_young() -> None:
    """Collect what `settle` left to us: cycles made since the last call, and no more.

    Survivors become old and are not looked at again, so that the pause stays small however
    long the process lives.
    """
    gc.collect(1)


def explain() -> list[Lack]:
    """List the rights that this user lacks, without keeping any of them.

    It asks in a child process, so that the caller's own scheduling is left alone.
    """
    child = os.fork()
    if child == 0:
        os._exit(_probe())
    _, status = os.waitpid(child, 0)
    bits = os.waitstatus_to_exitcode(status)
    lacks = [lack for bit, lack in enumerate((NO_FIFO, NO_NICE, NO_MLOCK)) if bits & 1 << bit]
    if not os.access(DMA_LATENCY, os.W_OK):
        lacks.append(NO_PM_QOS)
    return lacks


class PmQos:
    """Keeps the cores awake while held: an open descriptor, which dies with the process.

    Parameters
    ----------
    allowed : whether the node's configuration lets this process do so
    """

    def __init__(self, allowed: bool, path: str = DMA_LATENCY) -> None:
        self._path = path if allowed else None
        self._fd = -1

    @property
    def held(self) -> bool:
        """Whether the cores are kept awake by this process now."""
        return self._fd >= 0

    def hold(self, on: bool) -> bool:
        """Hold or release; return whether the wish was met. Repeating a wish costs nothing."""
        if not on:
            self.close()
            return True
        if self._fd < 0 and self._path is not None:
            try:
                fd = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
            except OSError:
                self._path = None  # asked once; the right does not appear while we run
                return False
            try:
                os.write(fd, (0).to_bytes(4, "little"))
            except OSError:
                os.close(fd)
                self._path = None
                return False
            self._fd = fd
        return self._fd >= 0

    def close(self) -> None:
        """Let the cores sleep again."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _fifo(priority: int) -> bool:
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except OSError:
        return False
    return True


def _nice(nice: int) -> bool:
    try:
        os.setpriority(os.PRIO_PROCESS, 0, nice)
    except OSError:
        return False
    return True


def _mlock() -> bool:
    # Under a finite limit mlockall may succeed now and make a later allocation fail: worse.
    limit, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if limit != resource.RLIM_INFINITY and not _capable(_CAP_IPC_LOCK):
        return False
    # ONFAULT: lock pages when they are first touched, or every thread's stack is paid for.
    locked: int = _LIBC.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT)
    return locked == 0


def _capable(capability: int) -> bool:
    with open("/proc/self/status", "rb") as status:
        for line in status:
            if line.startswith(b"CapEff:"):
                return bool(int(line.split()[1], 16) >> capability & 1)
    return False


def _raise_descriptor_limit() -> None:
    # Out of descriptors, libzmq's listener spins; half-open floods must not get us there.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _probe() -> int:
    return (not _fifo(1)) | (not _nice(-20)) << 1 | (not _mlock()) << 2
