"""What is in shared memory is read once, in order, and across the end of whoever wrote it."""

from teleop.record.sources import Ringed, Sources, Taped
from transport.io.mapping import Mapping
from transport.telemetry.flight import Flight
from transport.telemetry.tape import Tape

CAPACITY = 1 << 16


def tape(folder, identity, process="robotd"):
    made = []
    Mapping.create(
        folder / f"{process}.tape",
        Tape.size(identity, CAPACITY),
        lambda view: made.append(Tape(view, identity, CAPACITY)),
    )
    return made[0]


def ring(folder, name="robotd.event"):
    fields, made = ("t_ns", "new"), []
    Mapping.create(
        folder / f"{name}.ring",
        Flight.size(fields, 8),
        lambda view: made.append(Flight(view, fields, 8)),
    )
    return made[0]


def numbers(found):
    return [
        (one.identity, e.number) for one in found if isinstance(one, Taped) for e in one.entries
    ]


def test_each_record_is_given_once(tmp_path):
    writer, sources = tape(tmp_path, "one"), Sources(tmp_path)
    writer.append(1, 10, b"a")
    assert numbers(sources.look()) == [("one", 1)]
    assert list(sources.look()) == []
    writer.append(1, 20, b"b")
    writer.append(1, 30, b"c")
    assert numbers(sources.look()) == [("one", 2), ("one", 3)]


def test_a_writers_last_words_come_before_its_successors_first(tmp_path):
    writer, sources = tape(tmp_path, "one"), Sources(tmp_path)
    writer.append(1, 10, b"a")
    list(sources.look())
    writer.append(1, 20, b"last")
    tape(tmp_path, "two").append(1, 5, b"first")
    assert numbers(sources.look()) == [("one", 2), ("two", 1)]


def test_what_was_overwritten_is_counted(tmp_path):
    writer, sources = tape(tmp_path, "one"), Sources(tmp_path)
    for number in range(3000):
        writer.append(1, number, bytes(100))
    (found,) = sources.look()
    assert found.lost == 3000 - len(found.entries) > 0
    assert found.entries[-1].number == 3000


def test_a_ring_is_read_with_its_fields(tmp_path):
    writer, sources = ring(tmp_path), Sources(tmp_path)
    for n in range(10):
        writer.append(n, 7)
    (found,) = sources.look()
    assert found == Ringed("robotd.event", ("t_ns", "new"), [(n, 7) for n in range(2, 10)], 2)


def test_files_come_and_go_and_some_are_none(tmp_path):
    sources = Sources(tmp_path / "flight")
    assert list(sources.look()) == []
    (tmp_path / "flight").mkdir()
    (tmp_path / "flight" / "odd.tape").write_bytes(b"odd")
    (tmp_path / "flight" / "empty.ring").write_bytes(b"")
    assert list(sources.look()) == []
    assert sources.unreadable == 2
    tape(tmp_path / "flight", "one", "odd").append(1, 1, b"now it is one")
    assert numbers(sources.look()) == [("one", 1)]
