"""Frames through memory: the newest, whole, or none."""

import os
import signal
import subprocess
import sys
import time

import pytest

from transport.io.mapping import Mapping
from transport.io.shm_ring import FRAME_BYTES_MAX, RingReader, RingWriter
from transport.telemetry.header import TelemetryError

PRODUCER = """
import sys
from pathlib import Path
from transport.io.shm_ring import RingWriter
ring = RingWriter(Path(sys.argv[1]), 4, 200_000)
number = 0
while True:
    number += 1
    memory = ring.claim()
    memory[:100_000] = bytes([number % 251]) * 100_000
    memory[100_000:] = bytes([number % 251]) * 100_000
    ring.commit(200_000, number, number * 7)
    if number == 1:
        print("running", flush=True)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "camera.ring"


def test_a_reader_gets_the_newest_once(path):
    writer = RingWriter(path, 3, 100)
    reader = RingReader(path)
    assert reader.newest() is None
    writer.publish(b"one", 11, 5)
    writer.publish(b"two", 12, 6)
    frame = reader.newest()
    assert frame == (2, 12, 6, b"two")
    assert reader.newest(frame.number) is None
    writer.publish(b"", 13, 0)
    assert reader.newest(frame.number) == (3, 13, 0, b"")


def test_it_goes_round_many_times(path):
    writer, reader = RingWriter(path, 5, 8), RingReader(path)
    for number in range(1, 40):
        assert writer.publish(number.to_bytes(8, "big"), number, 0) == number
        assert reader.newest().data == number.to_bytes(8, "big")
    assert reader.torn == 0


def test_a_frame_under_construction_leaves_the_one_before_as_the_newest(path):
    writer, reader = RingWriter(path, 3, 100), RingReader(path)
    writer.publish(b"whole", 1, 0)
    writer.claim()[:4] = b"half"
    assert reader.newest().data == b"whole"
    writer.commit(4, 2, 0)
    assert reader.newest().data == b"half"


def test_a_torn_copy_is_thrown_away(path):
    writer, reader = RingWriter(path, 3, 100), RingReader(path)
    writer.publish(b"old", 1, 0)
    # The producer laps the consumer between its look at the newest number and its copy.
    copy = reader._copy

    def lapped(number):
        reader._copy = copy
        for again in range(2, 6):
            writer.publish(b"new", again, 0)
        return copy(number)

    reader._copy = lapped
    assert reader.newest() == (5, 5, 0, b"new")
    assert reader.torn == 1


def test_a_damaged_size_is_not_believed(path):
    writer, reader = RingWriter(path, 3, 100), RingReader(path)
    writer.publish(b"frame", 1, 0)
    writer._data[64 + 1 * writer.layout.slot_bytes + 24 :][:8] = (1 << 40).to_bytes(8, "little")
    assert reader.newest() is None


def test_sizes_are_capped(path):
    writer = RingWriter(path, 3, 10)
    with pytest.raises(ValueError, match="11 bytes"):
        writer.publish(bytes(11), 1, 0)
    with pytest.raises(ValueError, match="11 bytes"):
        writer.commit(11, 1, 0)
    for slots, size in ((2, 10), (65, 10), (3, 0), (3, FRAME_BYTES_MAX + 1)):
        with pytest.raises(ValueError, match=r"ring|frame"):
            RingWriter(path, slots, size)


def test_another_file_is_not_a_ring(path):
    Mapping.create(path, 4096)
    with pytest.raises(TelemetryError):
        RingReader(path)


def test_a_consumer_notices_that_the_producer_started_anew(path):
    RingWriter(path, 3, 10).publish(b"old", 1, 0)
    reader = RingReader(path)
    assert not reader.replaced()
    writer = RingWriter(path, 3, 10)
    assert reader.replaced()
    assert reader.newest().data == b"old"
    reader.close()
    reader = RingReader(path)
    assert reader.newest() is None
    writer.publish(b"new", 2, 0)
    assert reader.newest().data == b"new"
    reader.close()
    writer.close()


def test_across_processes_every_frame_is_whole_even_when_the_producer_is_killed(path):
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", PRODUCER, str(path)], stdout=subprocess.PIPE
        ) as child:
            assert child.stdout.readline() == b"running\n"
            reader = RingReader(path)
            seen, last = 0, 0
            ends_at = time.monotonic() + 0.2
            while time.monotonic() < ends_at:
                frame = reader.newest(last)
                if frame is not None:
                    check(frame)
                    assert frame.number > last
                    last, seen = frame.number, seen + 1
            os.kill(child.pid, signal.SIGKILL)
        assert seen > 0
        frame = reader.newest()  # whatever it was doing when it died
        assert frame is not None
        check(frame)
        reader.close()


def check(frame):
    assert len(frame.data) == 200_000
    assert frame.data.count(frame.data[0]) == 200_000
    assert frame.data[0] == frame.frame_id % 251
    assert frame.age_ns == frame.frame_id * 7
