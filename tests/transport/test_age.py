"""A command's age is told by the tick it echoes; what exceeds the floor by too much is late."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport.link.age import EchoAge, Floor, judge

MS = 1_000_000
S = 1_000 * MS


class Robot:
    """A robot that sends a state each 4 ms, and judges what comes back."""

    def __init__(self, hold_ns=20 * MS, loop_ns_max=60 * MS):
        self.now_ns = 7 * S
        self.tick = 0
        self.echo = EchoAge()
        self.floor = Floor()
        self.hold_ns = hold_ns
        self.loop_ns_max = loop_ns_max

    def send_states(self, duration_ns):
        for _ in range(duration_ns // (4 * MS)):
            self.tick += 1
            self.echo.sent(self.tick, self.now_ns)
            self.now_ns += 4 * MS

    def late(self, tick_echo):
        loop_ns = self.echo.loop_ns(tick_echo, self.now_ns)
        assert loop_ns is not None
        return judge(loop_ns, self.floor.add(loop_ns, self.now_ns), self.hold_ns, self.loop_ns_max)


def test_a_frame_as_old_as_the_floor_is_not_late():
    robot = Robot()
    robot.send_states(100 * MS)
    assert not robot.late(robot.tick - 1)


def test_a_queue_makes_frames_late():
    robot = Robot()
    for _ in range(20):
        robot.send_states(4 * MS)
        assert not robot.late(robot.tick)
    robot.send_states(24 * MS)
    assert robot.late(robot.tick - 6)  # 24 ms above the floor
    assert not robot.late(robot.tick)  # what follows the queue is welcome at once


def test_a_dead_return_path_makes_frames_late_though_they_arrive_in_time():
    robot = Robot()
    robot.send_states(4 * MS)
    stuck = robot.tick
    assert not robot.late(stuck)
    robot.send_states(40 * MS)
    assert robot.late(stuck)


def test_a_path_that_slows_gently_takes_the_floor_along_up_to_the_bound():
    robot = Robot()
    delay, refused_at = 0, None
    while refused_at is None and delay < 30:
        delay += 1  # 4 ms more, then eleven seconds of it
        for _ in range(11):
            robot.send_states(S)
            if robot.late(robot.tick + 1 - delay):
                refused_at = delay
                break
    assert refused_at == 16  # 64 ms, the first above loop_ns_max


def test_a_tick_never_sent_has_no_age():
    robot = Robot()
    robot.send_states(100 * MS)
    assert robot.echo.loop_ns(robot.tick + 1, robot.now_ns) is None
    assert robot.echo.loop_ns(0, robot.now_ns) is None
    assert robot.echo.loop_ns((1 << 63) - 1, robot.now_ns) is None


def test_zero_is_no_tick_even_before_the_first():
    assert EchoAge().loop_ns(0, 5) is None


def test_a_tick_is_forgotten_when_its_place_is_needed():
    echo = EchoAge(capacity=8)
    for tick in range(1, 10):
        echo.sent(tick, tick * 100)
    assert echo.loop_ns(1, 1000) is None
    assert echo.loop_ns(2, 1000) == 800
    assert echo.loop_ns(9, 1000) == 100


def test_a_relay_that_sees_a_tick_twice_keeps_the_first_time():
    echo = EchoAge()
    echo.sent(5, 100)
    echo.sent(5, 900)
    assert echo.loop_ns(5, 1000) == 900


@given(st.lists(st.integers(1, 100), max_size=60), st.integers(1, 16))
def test_the_ring_agrees_with_a_dictionary(ticks, capacity):
    echo = EchoAge(capacity)
    known = {}
    for now_ns, tick in enumerate(ticks):
        echo.sent(tick, now_ns)
        newer = any(other > tick for other in known if other % capacity == tick % capacity)
        if not newer:
            known = {k: v for k, v in known.items() if k == tick or k % capacity != tick % capacity}
            known.setdefault(tick, now_ns)
    for tick in range(101):
        expected = 1000 - known[tick] if tick in known else None
        assert echo.loop_ns(tick, 1000) == expected


def test_an_empty_floor_says_so_and_forgets_after_its_window():
    floor = Floor(10 * S)
    assert floor.value_ns(5 * S) is None
    floor.add(3 * MS, 5 * S)
    assert floor.value_ns(15 * S) == 3 * MS
    forgotten_ns = 15 * S + 10 * S // 32
    assert floor.value_ns(forgotten_ns - 1) == 3 * MS
    assert floor.value_ns(forgotten_ns) is None
    assert floor.add(9 * MS, 16 * S) == 9 * MS


def test_a_floor_rises_when_its_best_is_forgotten():
    floor = Floor(10 * S)
    floor.add(1 * MS, 0)
    for second in range(1, 20):
        floor.add(5 * MS, second * S)
    assert floor.value_ns(20 * S) == 5 * MS


def test_a_clock_that_steps_back_raises_no_floor():
    floor = Floor(10 * S)
    floor.add(2 * MS, 100 * S)
    assert floor.add(5 * MS, 50 * S) == 2 * MS
    assert floor.add(5 * MS, 101 * S) == 2 * MS


@given(
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 10**9)), min_size=1, max_size=80),
    st.integers(32, 5000),
)
def test_the_floor_lies_between_the_minima_of_the_window_and_of_a_little_more(steps, window_ns):
    floor = Floor(window_ns)
    bucket_ns = -(-window_ns // 32)
    now_ns, history = 10**15, []
    for step_ns, value_ns in steps:
        now_ns += step_ns
        history.append((now_ns, value_ns))
        low = min(v for t, v in history if t > now_ns - 33 * bucket_ns)
        high = min(v for t, v in history if t >= now_ns - window_ns)
        assert low <= floor.add(value_ns, now_ns) <= high


@pytest.mark.parametrize(
    ("loop_ms", "floor_ms", "late"),
    [(20, 0, False), (21, 0, True), (60, 45, False), (61, 45, True), (61, 61, True)],
)
def test_both_bounds_are_inclusive(loop_ms, floor_ms, late):
    assert judge(loop_ms * MS, floor_ms * MS, 20 * MS, 60 * MS) is late
