"""A full table keeps what came first and counts the rest; draining empties it."""

import math

from monitor.vitals.events import Events, Kind, Label, append


def put(events, at):
    append(events.rows, events.tally, 7, Kind.QRS, at, at + 50, 0.8, 0.1, 1.2, 0.9, Label.NORMAL)


def test_rows_come_out_as_they_went_in_and_once():
    events = Events(4)
    put(events, 100)
    put(events, 300)
    assert len(events) == 2
    rows = events.drain()
    assert list(rows["at"]) == [100, 300]
    assert list(rows["emitted"]) == [150, 350]
    assert set(rows["patient"]) == {7}
    assert math.isclose(rows["value"][0, 2], 1.2, rel_tol=1e-6)
    assert Label(rows["label"][0]) is Label.NORMAL
    assert len(events) == 0
    assert len(events.drain()) == 0


def test_a_full_table_keeps_the_oldest_and_counts_the_rest():
    events = Events(2)
    for at in range(5):
        put(events, at)
    assert events.overflow == 3
    assert list(events.drain()["at"]) == [0, 1]
    put(events, 9)
    assert list(events.drain()["at"]) == [9]
    assert events.overflow == 3


def test_what_was_drained_is_not_written_over():
    events = Events(2)
    put(events, 1)
    kept = events.drain()
    put(events, 2)
    assert list(kept["at"]) == [1]
