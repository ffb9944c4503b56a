"""Files that processes share as memory."""

import os
import stat

import pytest

from transport.io.mapping import Mapping


def test_what_one_writes_the_other_reads(tmp_path):
    path = tmp_path / "shared"
    ours = Mapping.create(path, 4096)
    theirs = Mapping.open(path)
    ours.view[10:13] = b"abc"
    assert theirs.view[10:13] == b"abc"
    assert theirs.view.readonly
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    ours.close()
    theirs.close()


def test_a_new_mapping_leaves_the_readers_of_the_old_one_alone(tmp_path):
    path = tmp_path / "shared"
    old = Mapping.create(path, 8192)
    old.view[:3] = b"old"
    reader = Mapping.open(path)
    new = Mapping.create(path, 16)
    assert reader.view[:3] == b"old"
    assert len(reader.view) == 8192
    assert Mapping.open(path).view.tobytes() == bytes(16)
    assert os.listdir(tmp_path) == ["shared"]
    for mapping in (old, reader, new):
        mapping.close()


def test_a_file_has_its_name_only_when_it_is_prepared(tmp_path):
    path = tmp_path / "shared"

    def prepare(view):
        assert not path.exists()
        view[:4] = b"head"

    Mapping.create(path, 64, prepare)
    assert Mapping.open(path).view[:4] == b"head"

    def fail(view):
        raise RuntimeError("no header")

    with pytest.raises(RuntimeError):
        Mapping.create(path, 64, fail)
    assert Mapping.open(path).view[:4] == b"head"
    assert os.listdir(tmp_path) == ["shared"]


def test_closing_spares_views_made_elsewhere(tmp_path):
    mapping = Mapping.create(tmp_path / "shared", 64)
    kept = mapping.view[:8]
    mapping.close()
    kept[0] = 1
    assert kept[0] == 1


@pytest.mark.parametrize("size", [0, -1, (1 << 30) + 1])
def test_sizes_have_limits(tmp_path, size):
    with pytest.raises(ValueError, match="bytes"):
        Mapping.create(tmp_path / "shared", size)
    assert not os.listdir(tmp_path)


def test_an_empty_file_is_no_mapping(tmp_path):
    (tmp_path / "empty").touch()
    with pytest.raises(ValueError, match="0 bytes"):
        Mapping.open(tmp_path / "empty")
    with pytest.raises(FileNotFoundError):
        Mapping.open(tmp_path / "none")


def test_a_full_or_missing_place_leaves_nothing_behind(tmp_path):
    with pytest.raises(FileNotFoundError):
        Mapping.create(tmp_path / "none" / "shared", 64)
