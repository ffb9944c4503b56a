"""What a person sees of a console, from a board that a test has written."""

import json

import pytest
from rich.console import Console as Terminal

from safety.state import Cause, State
from teleop.console.ledger import SLICES
from teleop.console.natived import GAUGES, HISTOGRAMS
from teleop.console.screen import Durations, View, in_line, on_screen, result, view
from transport.telemetry.board import Board
from transport.telemetry.histogram import Histogram

US = 1_000


@pytest.fixture
def board() -> Board:
    size = Board.size((), GAUGES, HISTOGRAMS)
    return Board.create(memoryview(bytearray(size)), (), GAUGES, HISTOGRAMS)


def put(board: Board, **gauges: int) -> None:
    for name, value in gauges.items():
        board.gauge(name).set(value)


def engaged(board: Board) -> View:
    put(board, state=State.ENGAGED, cause=Cause.PRESSED, granted=1)
    return view(board)


def test_a_fresh_board_is_a_console_that_waits(board: Board):
    now = view(board)
    assert not now.granted
    assert now.rms_mm is None
    assert in_line(now, None).startswith("WAITING ")


def test_lost_is_what_nobody_accounts_for(board: Board):
    put(board, seq=1000, admitted=980, merged=12, late=3)
    assert view(board).lost == 5


def test_tracking_is_the_root_of_the_mean_square(board: Board):
    put(board, error_um2=4 * 90**2, error_n=4)
    assert view(board).rms_mm == pytest.approx(0.09)


def test_live_percentiles_are_those_since_the_last_look(board: Board):
    rtt = board.histogram("rtt_ns")
    for _ in range(1000):
        rtt.record(20_000 * US)
    before = engaged(board)
    for _ in range(99):
        rtt.record(500 * US)
    rtt.record(3_000 * US)
    recent = engaged(board).rtt.since(before.rtt)
    assert recent.total == 100
    p50, p99, p999 = recent.percentiles_ns
    assert p50 == pytest.approx(500 * US, rel=0.02)
    assert p99 == pytest.approx(500 * US, rel=0.02)
    assert p999 == pytest.approx(3_000 * US, rel=0.02)
    assert recent.max_ns == pytest.approx(3_000 * US, rel=0.02)


def test_no_news_is_no_percentile():
    histogram = Histogram()
    histogram.record(500 * US)
    durations = Durations.of(histogram)
    assert durations.since(durations) == Durations({}, (0, 0, 0), 0)
    assert durations.since(None) == durations


def test_a_plain_line_has_what_matters(board: Board):
    board.histogram("rtt_ns").record(640 * US)
    put(board, seq=10, admitted=9, error_um=80)
    line = in_line(engaged(board), None)
    assert line.startswith("ENGAGED ")
    for word in ("error 0.08 mm", "sent 10", "lost 1", "late 0", "merged 0", "missed 0"):
        assert word in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("state", "cause", "why"),
    [
        (State.ENGAGED, Cause.PRESSED, ""),
        (State.HOLD, Cause.SILENCE, "no command in time"),
        (
            State.PROTECTIVE_STOP,
            Cause.TOKEN_LOST,
            "a wired emergency stop is no longer heard (at the robot: trocar bedside reset)",
        ),
    ],
)
def test_line_and_screen_say_why_it_stands_and_where_that_ends(
    board: Board, state: State, cause: Cause, why: str
):
    put(board, state=state, cause=cause, granted=1)
    now = view(board)
    assert in_line(now, None).endswith(f"missed 0{'  ' + why if why else ''}")
    with open("/dev/null", "w") as sink:
        terminal = Terminal(width=140, record=True, file=sink)
        terminal.print(on_screen(now, None, "figure8 over udp"))
        assert why in terminal.export_text()


def test_the_screen_names_the_slice_that_broke_the_budget(board: Board):
    put(board, state=State.HOLD, cause=Cause.SILENCE, granted=1)
    board.gauge('over_budget{slice="net"}').set(3)
    terminal = Terminal(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    terminal.print(on_screen(view(board), None, "figure8 over udp"))
    text = terminal.export_text()
    assert "HOLD" in text
    assert "no command in time" in text
    (row,) = [line for line in text.splitlines() if "network and kernels" in line]
    assert row.rstrip().endswith("3")
    assert all(len(line) <= 100 for line in text.splitlines())
    terminal.file.close()


@pytest.mark.parametrize("state", list(State))
def test_every_state_has_a_look(state: State, board: Board):
    put(board, state=state, granted=1)
    on_screen(view(board), None, "title")


def test_a_result_has_every_name_that_was_promised(board: Board):
    for _ in range(100):
        board.histogram("rtt_ns").record(640 * US)
        board.histogram('dwell_ns{slice="robot"}').record(40 * US)
    put(board, error_um2=100, error_n=1, holds=2)
    run = json.loads(json.dumps(result(view(board))))
    assert {"lost", "late", "merged", "tracking_rms_mm", "rtt_us", "dwell_us"} <= set(run)
    assert set(run["rtt_us"]) == {"p50", "p99", "p999", "max", "n"}
    assert run["rtt_us"]["p99"] == pytest.approx(640, rel=0.01)
    assert set(run["dwell_us"]) == set(SLICES)
    assert run["dwell_us"]["robot"]["max"] == 40
    assert run["tracking_rms_mm"] == 0.01
    assert run["holds"] == 2
