"""Every row of the fault matrix, played in several worlds, against its bound and its page."""

import pytest

from docs.generate import faults
from tests.world.matrix import ROWS, kept, measure

#: The rows that may wait, because what they are about is not built yet.
MAY_WAIT = {20, 21, *range(24, 28), 29, 34, 35, 36, 38, 39, 45, *range(60, 65)}
PLAYED = [row for row in ROWS if row.scene is not None]


@pytest.mark.parametrize("row", PLAYED, ids=lambda row: f"{row.number}-{row.fault}")
def test_a_row_keeps_its_bounds_and_its_line_on_the_page_says_so(row):
    found = measure(row)
    for bound, value in zip(row.bounds, found, strict=True):
        assert kept(bound, value), f"{bound.what}: {value} {bound.unit}, not {bound.limit}"
    assert faults.line(row, found) in faults.PAGE.read_text(), "run `make docs`"


def test_there_are_65_rows_and_each_is_played_or_waits_by_name():
    assert [row.number for row in ROWS] == list(range(1, 66))
    for row in ROWS:
        assert row.scene is not None or row.waits
        assert len(row.bounds) > 0 or row.scene is None
    assert {row.number for row in ROWS if row.waits} <= MAY_WAIT


def test_the_page_is_the_tables():
    """Everything on the page but the measured lines, which the rows' own tests look for."""
    frame, page = faults.page({}).splitlines(), faults.PAGE.read_text().splitlines()
    assert len(page) == len(frame)
    measured = {faults.line(row, ()) for row in PLAYED}
    assert [line for line in frame if line not in measured] == [
        line for line, blank in zip(page, frame, strict=True) if blank not in measured
    ]
