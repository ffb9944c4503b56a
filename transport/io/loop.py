"""Waits for sockets, timers and signals, and calls back; decides nothing.

Rules
-----
- uvloop, because stock asyncio tripled the relay's latency (measured); but none of its timers:
  they are whole milliseconds and round half of one down to a busy loop. Alarms are timerfds.
- A callback that raises ends the process with code 1. A control process that goes on after an
  error it did not expect is worse than one that is restarted.
- SIGTERM and SIGINT stop the loop with code 0; whoever called `run` then cleans up.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import traceback
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop

from transport.io.clock import Clock

#: How long a lost edge of a ZMQ descriptor can stay unseen: a beat (transport.telemetry.pulse), so
#: that looking wakes nobody; and less than any ladder's first rung.
SAFETY_TICK_NS = 4_000_000

_CLOCK_MONOTONIC = 1
_TFD_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC
_TFD_TIMER_ABSTIME = 1
_BILLION = 1_000_000_000


#: struct itimerspec: seconds and nanoseconds of the interval, then of the value.
_Itimerspec = ctypes.c_long * 4
# os.timerfd_create comes with Python 3.13; until then the C library is asked directly.
_LIBC = ctypes.CDLL(None, use_errno=True)


class Alarm:
    """A one-shot timer with nanosecond deadlines in the process's own clock.

    Setting it replaces the deadline it had. A deadline in the past fires at once.
    """

    __slots__ = ("_clock", "_fd", "_loop", "_on_alarm", "_pointer", "_spec")

    def __init__(self, loop: Loop, clock: Clock, on_alarm: Callable[[], None]) -> None:
        self._loop = loop
        self._clock = clock
        self._on_alarm = on_alarm
        self._fd = _timerfd()
        self._spec = _Itimerspec()
        self._pointer = ctypes.byref(self._spec)
        loop.add_reader(self._fd, self._fired)

    def set(self, at_ns: int | None) -> None:
        """Fire at `at_ns` of the process's clock, or never when it is None."""
        # An absolute time of zero would disarm the timer instead of firing it.
        raw_ns = 0 if at_ns is None else max(self._clock.raw_ns(at_ns), 1)
        self._spec[2], self._spec[3] = divmod(raw_ns, _BILLION)
        _settime(self._fd, _TFD_TIMER_ABSTIME, self._pointer)

    def close(self) -> None:
        """Forget the alarm. Closing twice is harmless."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _fired(self) -> None:
        if _expired(self._fd):
            self._on_alarm()


class Every:
    """A periodic timer. Periods that were missed while the loop was busy give one call.

    It begins on the loop's grid: timers that fall together wake the process once, not each.
    """

    __slots__ = ("_fd", "_loop", "_on_tick")

    def __init__(self, loop: Loop, period_ns: int, on_tick: Callable[[], None]) -> None:
        if period_ns <= 0:
            raise ValueError(f"period_ns must be positive, not {period_ns}")
        self._loop = loop
        self._on_tick = on_tick
        self._fd = _timerfd()
        first_ns = loop.on_grid_ns(period_ns)
        spec = _Itimerspec(*divmod(period_ns, _BILLION), *divmod(first_ns, _BILLION))
        _settime(self._fd, _TFD_TIMER_ABSTIME, ctypes.byref(spec))
        loop.add_reader(self._fd, self._fired)

    def close(self) -> None:
        """Stop ticking. Closing twice is harmless."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _fired(self) -> None:
        if _expired(self._fd):
            self._on_tick()


class Loop:
    """One process's event loop.

    Attributes
    ----------
    call_soon : callable
        Call a function after the callbacks that are already due.
    call_from_thread : callable
        The same from another thread, the only one of these that may be called there.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._loop = uvloop.new_event_loop()
        self._loop.set_exception_handler(self._failed)
        self._code = 0
        self._stopping = False
        self._sweeps: list[Callable[[], None]] = []
        self._tasks: set[asyncio.Task[None]] = set()  # the loop itself holds them weakly
        self._tick: Every | None = None
        self._born_ns = clock.raw_ns(clock.now_ns())
        self.call_soon = self._loop.call_soon
        self.call_from_thread = self._loop.call_soon_threadsafe

    def add_reader(self, fd: int, on_readable: Callable[[], None]) -> None:
        """Call `on_readable` whenever `fd` has something to read."""
        self._loop.add_reader(fd, on_readable)

    def remove_reader(self, fd: int) -> None:
        """Stop watching `fd`. Do so before closing it."""
        self._loop.remove_reader(fd)

    def alarm(self, on_alarm: Callable[[], None]) -> Alarm:
        """Make an alarm that is not set yet."""
        return Alarm(self, self.clock, on_alarm)

    def every(self, period_ns: int, on_tick: Callable[[], None]) -> Every:
        """Call `on_tick` every `period_ns`, first after one period, or a little more."""
        return Every(self, period_ns, on_tick)

    def on_grid_ns(self, after_ns: int) -> int:
        """Return the first point of the grid after so long, on CLOCK_MONOTONIC.

        The grid begins with the loop: its periodic timers fall together, those of two processes
        need not.
        """
        then_ns = self.clock.raw_ns(self.clock.now_ns()) + after_ns
        return then_ns + (self._born_ns - then_ns) % SAFETY_TICK_NS

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Begin what waits for more than one thing; an error in it ends the process."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def finish(self, work: Coroutine[Any, Any, None]) -> None:
        """Run what has to be waited for at the end, after `run` has returned."""
        self._loop.run_until_complete(work)

    def sweep(self, look: Callable[[], None]) -> None:
        """Call `look` on the process's one safety tick, every `SAFETY_TICK_NS`.

        It catches what an edge-triggered descriptor failed to announce.
        """
        self._sweeps.append(look)
        if self._tick is None:
            self._tick = self.every(SAFETY_TICK_NS, self._sweep)

    def unsweep(self, look: Callable[[], None]) -> None:
        """Take `look` off the safety tick."""
        if look in self._sweeps:
            self._sweeps.remove(look)

    def run(self) -> int:
        """Run until `stop`, SIGTERM or SIGINT; return the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self.stop)
        try:
            self._loop.run_forever()
        finally:
            self._stopping = False
            for number in (signal.SIGTERM, signal.SIGINT):
                self._loop.remove_signal_handler(number)
        code, self._code = self._code, 0
        return code

    def stop(self, code: int = 0) -> None:
        """End `run`, or the next one if it is not running. The worst code asked for wins."""
        self._code = max(self._code, code)
        if not self._stopping:  # a second stop would be left over, and end the next run
            self._stopping = True
            self._loop.stop()

    def close(self) -> None:
        """Close the loop and the safety tick; readers must be gone by then."""
        if self._tick is not None:
            self._tick.close()
            self._tick = None
        self._loop.close()

    def _sweep(self) -> None:
        for look in self._sweeps.copy():
            look()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            traceback.print_exception(error)
            self.stop(1)

    def _failed(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, BaseException):
            traceback.print_exception(error)
        self.stop(1)


def _timerfd() -> int:
    fd: int = _LIBC.timerfd_create(_CLOCK_MONOTONIC, _TFD_FLAGS)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "timerfd_create")
    return fd


def _settime(fd: int, flags: int, spec: Any) -> None:
    if _LIBC.timerfd_settime(fd, flags, spec, None) != 0:
        raise OSError(ctypes.get_errno(), "timerfd_settime")


def _expired(fd: int) -> bool:
    try:
        os.read(fd, 8)
    except BlockingIOError:  # set anew between the wake-up and this call
        return False
    return True
