"""Shared files say what they are, and a reader believes nothing that does not agree."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport.telemetry import header

MAGIC = b"trocarXX"


class Note(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: str


def written(text="hello", data=b"12345678", spare=0):
    note = Note(text)
    buffer = bytearray(header.data_offset(note) + len(data) + spare)
    header.write(memoryview(buffer), MAGIC, note, len(data))[:] = data
    return buffer


def read(buffer):
    note, data = header.read(memoryview(buffer), MAGIC, Note)
    return note.text, bytes(data)


@given(st.text(max_size=300), st.binary(max_size=100), st.integers(0, 5000))
def test_what_is_written_is_read_also_from_a_longer_file(text, data, spare):
    assert read(written(text, data, spare)) == (text, data)


def test_data_begin_at_a_cache_line():
    assert header.data_offset(Note("abc")) % 64 == 0


def test_a_file_that_is_not_finished_is_not_one_of_ours():
    buffer = written()
    buffer[:8] = bytes(8)
    with pytest.raises(header.WrongKind):
        read(buffer)


def test_another_kind_is_named():
    with pytest.raises(header.WrongKind, match="trocarXX"):
        header.read(memoryview(written()), b"trocarYY", Note)


def test_another_version_is_named():
    buffer = written()
    buffer[8] += 1
    with pytest.raises(header.WrongVersion, match="version 2"):
        read(buffer)


def test_every_truncation_is_found():
    buffer = written()
    for size in range(len(buffer)):
        with pytest.raises(header.Truncated):
            read(buffer[:size])


def test_every_flipped_bit_of_the_header_is_found():
    buffer = written()
    used = 32 + len(msgspec.json.encode(Note("hello")))
    for bit in range(8 * used):
        broken = bytearray(buffer)
        broken[bit // 8] ^= 1 << bit % 8
        with pytest.raises(header.TelemetryError):
            read(broken)


def test_a_description_of_another_kind_is_corrupt():
    class Other(msgspec.Struct):
        number: int

    buffer = bytearray(1000)
    header.write(memoryview(buffer), MAGIC, Other(5), 0)
    with pytest.raises(header.Corrupt, match=r"text|number"):
        read(buffer)


@given(st.binary(max_size=200))
def test_rubbish_is_refused_by_name(rubbish):
    with pytest.raises(header.TelemetryError):
        read(bytearray(rubbish))
    with pytest.raises(header.TelemetryError):
        read(bytearray(MAGIC + rubbish))


def test_a_writer_needs_room_and_the_right():
    with pytest.raises(ValueError, match="writable bytes"):
        header.write(memoryview(bytearray(64)), MAGIC, Note("x"), 1000)
    with pytest.raises(ValueError, match="writable bytes"):
        header.write(memoryview(bytes(4096)), MAGIC, Note("x"), 10)
    with pytest.raises(ValueError, match="description"):
        header.write(memoryview(bytearray(64)), MAGIC, Note("x" * (1 << 20)), 10)


def test_writing_again_clears_what_was_there():
    buffer = written(data=b"old data")
    assert bytes(header.write(memoryview(buffer), MAGIC, Note("hello"), 8)) == bytes(8)
