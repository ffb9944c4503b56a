"""Compiled kernels are kept for one state of their sources, and for no other."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from teleop.control import cache

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """Two kernels, one calling the other, in files of their own."""
    folder = tmp_path / "teleop" / "control"
    folder.mkdir(parents=True)
    for name in ("__init__.py", "cache.py", "jit.py"):
        (folder / name).write_text((ROOT / "teleop" / "control" / name).read_text())
    (tmp_path / "teleop" / "__init__.py").touch()
    (folder / "inner.py").write_text(KERNEL.format(name="inner", body="return 2.0 * x"))
    calls = "from teleop.control.inner import inner\n"
    (folder / "outer.py").write_text(
        calls + KERNEL.format(name="outer", body="return inner(x) + 1.0")
    )
    monkeypatch.setattr(cache, "_ROOT", tmp_path)
    return folder


KERNEL = textwrap.dedent(
    """
    from teleop.control.jit import jit

    @jit
    def {name}(x):
        {body}
    """
)


def run(sources):
    """What the outer kernel gives for 3, in a process that comes fresh."""
    done = subprocess.run(
        [sys.executable, "-c", "from teleop.control.outer import outer; print(outer(3.0))"],
        cwd=sources.parents[1],
        env={**os.environ, "PYTHONPATH": str(sources.parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def test_an_edit_in_a_kernel_reaches_the_kernels_that_call_it(sources):
    assert run(sources) == 7.0
    (sources / "inner.py").write_text(KERNEL.format(name="inner", body="return 5.0 * x"))
    assert run(sources) == 16.0


def test_any_edit_names_another_folder_and_undoing_it_the_first_again(sources):
    first = cache.folder()
    text = (sources / "inner.py").read_text()
    (sources / "inner.py").write_text(text + "\nEDGE = 3.0\n")
    assert cache.folder() != first
    (sources / "inner.py").write_text(text)
    assert cache.folder() == first


def test_a_module_is_there_if_it_was_marked_in_this_state(sources):
    assert not cache.has("teleop.a")
    cache.mark("teleop.a")
    assert cache.has("teleop.a")
    assert not cache.has("teleop.b"), "whoever needs less has not compiled for all"
    (sources / "more.py").touch()
    assert not cache.has("teleop.a")


def test_folders_of_long_past_states_go(sources):
    for n in range(6):
        (sources / "inner.py").write_text(f"EDGE = {n}\n")
        os.utime(cache.make(), (n, n))
    assert len(list(cache.folder().parent.glob("kernels-*"))) == cache.OLD_MAX + 1


def test_where_sources_are_read_only_the_users_cache_is_used(sources, monkeypatch):
    monkeypatch.setattr(cache, "_is_writable", lambda _: False)
    monkeypatch.setenv("HOME", "/somebody")
    assert cache.folder().parent == Path("/somebody/.cache/trocar")
