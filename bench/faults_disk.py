"""The disk of stores and audit is full: who moves goes on, nobody new is granted anything."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from bench import readings
from bench.faults_scene import AGAIN_WAIT_S, VARIANT, WATCH_S, NotHere, Scene, holds
from bench.rows import Row
from bench.stage import Keys
from teleop.settings import SessiondSettings


def disk(devices: Keys, seed: int) -> Row:
    """Fill the disk of stores and audit under a hand that moves."""
    with _small_disk() as full, DiskScene(full, devices, seed) as scene:
        scene.wait_moving()
        _fill(full)
        held = holds(scene, WATCH_S)
        granted = _asks_anew(scene, WATCH_S)
        for path in full.glob("filler*"):
            path.unlink()
        again = _asks_anew(scene, AGAIN_WAIT_S)
    row = Row(variant="disk", n=1, lost=0, late=0, merged=0)
    row.extra = {"held": float(held), "granted": float(granted), "not_after": float(again == 0)}
    return row


class DiskScene(Scene):
    """A scene whose stores and audit are on a disk of their own."""

    def __init__(self, disk: Path, devices: Keys, seed: int) -> None:
        super().__init__(VARIANT, bare=False, keys=devices, seed=seed)
        self._disk = disk

    def _spawn(self, name: str, module: str, settings: object) -> None:
        if isinstance(settings, SessiondSettings):
            settings = replace(
                settings,
                store=str(self._disk / "session.store"),
                audit=str(self._disk / "audit"),
                audit_head=str(self._disk / "head"),
            )
        super()._spawn(name, module, settings)


@contextlib.contextmanager
def _small_disk() -> Iterator[Path]:
    if os.geteuid() != 0:
        raise NotHere("a disk of its own needs root")
    path = Path(tempfile.mkdtemp(prefix="trocar-bench-disk-"))
    # Larger than what the audit keeps free, or it would be full from the start.
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=False)
        path.rmdir()


def _fill(disk: Path) -> None:
    block = bytes(1 << 16)
    with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(block)


def _asks_anew(scene: Scene, seconds: float) -> int:
    """Have a console ask for the robot; return how many grants came of it, within so long."""
    before = readings.gauge(scene.run_dir, "robotd", "epoch") or 0
    scene.children["natived"].terminate()
    scene.restart("natived")
    scene.wait_for(
        lambda: (readings.gauge(scene.run_dir, "robotd", "epoch") or 0) > before, seconds
    )
    return (readings.gauge(scene.run_dir, "robotd", "epoch") or 0) - before
