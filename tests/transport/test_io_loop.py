"""Timers, signals and ends of the loop."""

import asyncio
import os
import signal
import time

import pytest

from transport.io.clock import Clock, Skew
from transport.io.loop import SAFETY_TICK_NS, Loop

MS = 1_000_000


@pytest.fixture(params=[Skew.NONE, Skew(10**14, 150_000)], ids=["plain", "skewed"])
def loop(request):
    made = Loop(Clock(request.param))
    yield made
    made.close()


def test_an_alarm_fires_at_its_time_in_the_process_s_own_clock(loop):
    fired = []
    alarm = loop.alarm(lambda: (fired.append(loop.clock.now_ns()), loop.stop()))
    due = loop.clock.now_ns() + 5 * MS
    alarm.set(due)
    loop.run()
    alarm.close()
    assert due <= fired[0] + 1_000  # drift rounds a nanosecond; the kernel never fires early
    assert fired[0] < due + 500 * MS


def test_an_alarm_in_the_past_fires_at_once_and_once(loop):
    fired = []
    alarm = loop.alarm(lambda: fired.append(1))
    end = loop.alarm(loop.stop)
    alarm.set(0)
    end.set(loop.clock.now_ns() + 20 * MS)
    loop.run()
    alarm.close()
    end.close()
    assert fired == [1]


def test_setting_an_alarm_replaces_its_deadline_and_none_unsets_it(loop):
    fired = []
    early = loop.alarm(lambda: fired.append("early"))
    never = loop.alarm(lambda: fired.append("never"))
    now = loop.clock.now_ns()
    early.set(now + 3600_000 * MS)
    early.set(now + 2 * MS)
    never.set(now + 2 * MS)
    never.set(None)
    end = loop.alarm(loop.stop)
    end.set(now + 20 * MS)
    loop.run()
    for alarm in (early, never, end, end):  # closing twice is harmless
        alarm.close()
    assert fired == ["early"]


def test_a_period_ticks_and_the_safety_tick_serves_all_who_asked(loop):
    ticks, looks, others = [], [], []
    every = loop.every(1 * MS, lambda: ticks.append(1) or (len(ticks) == 10 and loop.stop()))
    loop.sweep(lambda: looks.append(1))
    loop.sweep(other := lambda: others.append(1))
    loop.unsweep(other)
    loop.run()
    every.close()
    assert len(ticks) == 10
    assert looks
    assert not others
    with pytest.raises(ValueError, match="period_ns"):
        loop.every(0, lambda: None)


def test_timers_begin_on_one_grid_after_at_least_their_period(loop):
    raw_ns = time.monotonic_ns
    points = []
    for period in (1, 1 * MS, 7 * MS, 50 * MS):
        before = raw_ns()
        point = loop.on_grid_ns(period)
        assert before + period - 1_000 <= point  # drift rounds a nanosecond
        assert point < raw_ns() + period + SAFETY_TICK_NS
        points.append(point)
        time.sleep(0.0007)  # made at different times
    assert {(point - points[0]) % SAFETY_TICK_NS for point in points} == {0}


def test_another_thread_can_wake_it(loop):
    import threading

    thread = threading.Thread(target=lambda: loop.call_from_thread(loop.stop))
    thread.start()
    assert loop.run() == 0
    thread.join()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_a_clean_end(loop, number):
    loop.call_soon(lambda: os.kill(os.getpid(), number))
    assert loop.run() == 0


def test_an_error_nobody_expected_ends_it_with_code_1(loop, capsys):
    def broken():
        raise RuntimeError("this test broke it")

    loop.call_soon(broken)
    assert loop.run() == 1
    assert "this test broke it" in capsys.readouterr().err


def test_what_has_to_be_waited_for_is_finished_after_the_run(loop):
    done = []

    async def work():
        await asyncio.sleep(0)
        done.append(1)

    loop.call_soon(loop.stop)
    loop.run()
    loop.finish(work())
    assert done == [1]


def test_the_worst_code_wins(loop):
    loop.call_soon(lambda: (loop.stop(3), loop.stop(0)))
    assert loop.run() == 3
