"""Compiled kernels are kept for one state of their sources, and for no other."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from transport.kernel import cache

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """Two kernels, one calling the other, and a third apart, in files of their own."""
    folder = tmp_path / "transport" / "kernel"
    folder.mkdir(parents=True)
    for name in ("__init__.py", "cache.py", "jit.py"):
        (folder / name).write_text((ROOT / "transport" / "kernel" / name).read_text())
    (tmp_path / "transport" / "__init__.py").touch()
    for name in ("inner", "apart"):
        (folder / f"{name}.py").write_text(KERNEL.format(name=name, body="return 2.0 * x"))
    calls = "from transport.kernel.inner import inner\n"
    (folder / "outer.py").write_text(
        calls + KERNEL.format(name="outer", body="return inner(x) + 1.0")
    )
    monkeypatch.setattr(cache, "_ROOT", tmp_path)
    return folder


KERNEL = textwrap.dedent(
    """
    from transport.kernel.jit import jit

    @jit
    def {name}(x):
        {body}
    """
)


def run(sources):
    """What the outer kernel gives for 3, in a process that comes fresh."""
    done = subprocess.run(
        [sys.executable, "-c", "from transport.kernel.outer import outer; print(outer(3.0))"],
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


def test_an_edit_names_another_folder_and_undoing_it_the_first_again(sources):
    outer = sources / "outer.py"
    first = cache.folder(outer)
    text = (sources / "inner.py").read_text()
    (sources / "inner.py").write_text(text + "\nEDGE = 3.0\n")
    assert cache.folder(outer) != first
    (sources / "inner.py").write_text(text)
    assert cache.folder(outer) == first


def test_an_edit_leaves_alone_what_does_not_import_it(sources):
    first = cache.folder(sources / "outer.py")
    (sources / "apart.py").write_text("EDGE = 3.0\n")
    assert cache.folder(sources / "outer.py") == first


@pytest.mark.parametrize(
    "line",
    [
        "import transport.kernel.inner",
        "import transport.kernel.inner as other",
        "from transport.kernel import inner",
        "from transport.kernel.inner import inner as other",
        "def later():\n    from transport.kernel import inner",
    ],
)
def test_an_import_counts_however_it_is_written(sources, line):
    (sources / "apart.py").write_text(f"{line}\n")
    assert sources / "inner.py" in cache.closure(sources / "apart.py")


def test_imports_in_a_circle_come_to_an_end(sources):
    (sources / "inner.py").write_text("import transport.kernel.outer\n")
    assert cache.closure(sources / "inner.py") >= {sources / "inner.py", sources / "outer.py"}


def test_a_module_is_there_if_it_was_marked_in_this_state(sources):
    assert not cache.has("transport.kernel.outer")
    cache.mark("transport.kernel.outer")
    assert cache.has("transport.kernel.outer")
    assert not cache.has("transport.kernel.inner"), "whoever needs less has not compiled for all"
    (sources / "inner.py").write_text("EDGE = 3.0\n")
    assert not cache.has("transport.kernel.outer")


def test_folders_of_long_past_states_go(sources):
    inner = sources / "inner.py"
    apart = cache.make(sources / "apart.py")
    for n in range(6):
        inner.write_text(f"EDGE = {n}\n")
        os.utime(cache.make(inner), (n, n))
    assert len(list(cache.folder(inner).parent.glob("*inner-*"))) == cache.OLD_MAX + 1
    assert apart.exists(), "another file's states are its own"


def test_where_sources_are_read_only_the_users_cache_is_used(sources, monkeypatch):
    monkeypatch.setattr(cache, "_is_writable", lambda _: False)
    monkeypatch.setenv("HOME", "/somebody")
    assert cache.folder(sources / "inner.py").parent == Path("/somebody/.cache/trocar/kernels")
