"""A whole node stands still for half a second: how old is the oldest command that moved the arm?

By the kernel's freezer where we may, else by SIGSTOP.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from bench import readings
from bench.faults_scene import VARIANT, Scene
from bench.rows import Row
from bench.stage import Keys
from bench.stall import Frozen, judge
from safety.state import State

FREEZES = 8
FREEZE_S = 0.5
FREEZER = Path("/sys/fs/cgroup/freezer")


def frozen(devices: Keys, seed: int) -> Row:
    """Freeze everything at once, again and again; find the oldest command that moved the arm."""
    oldest, held, moved = [], 0, 0
    for number in range(FREEZES):
        with Scene(VARIANT, bare=False, keys=devices, seed=seed + number) as scene:
            scene.wait_moving()
            start_ns = time.monotonic_ns()
            time.sleep(1.0)
            with _freezer([child.pid for child in scene.children.values()]):
                stall = Frozen(time.monotonic_ns(), time.monotonic_ns() + round(FREEZE_S * 1e9))
                time.sleep(FREEZE_S)
            time.sleep(2.0)
            scene.check()
            window = readings.Window(start_ns, time.monotonic_ns())
            after = readings.Window(stall.start_ns, time.monotonic_ns())
            falls = readings.transitions(scene.run_dir, "robotd", scene.skew("robotd"), after)
            held += any(fall.new <= State.HOLD < fall.old for fall in falls)
            scene.finish()
            sent = readings.sent(scene.run_dir, "natived", scene.skew("natived"), window)
            seen = readings.seen(scene.run_dir, "robotd", scene.skew("robotd"))
            accepted = readings.accepted(scene.run_dir, "simd", scene.skew("simd"))
            formed = {key: slot.sent_ns for key, slot in sent.items()}
            found = judge(formed, accepted, [line.key for line in seen], stall)
            oldest.append(found.beyond_floor_ns / 1e6)
            moved += found.moved_again
    row = Row(variant="frozen", n=FREEZES, lost=0, late=0, merged=0)
    row.extra = {
        "oldest_beyond_floor_ms": max(oldest),
        "not_held": float(FREEZES - held),
        "moved_again": float(moved),
    }
    return row


@contextlib.contextmanager
def _freezer(pids: list[int]) -> Iterator[None]:
    """Freeze processes all at once, by the kernel's freezer where we may."""
    group = FREEZER / f"trocar-bench-{os.getpid()}"
    try:
        group.mkdir()
    except OSError:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        return
    try:
        for pid in pids:
            (group / "cgroup.procs").write_text(str(pid))
        (group / "freezer.state").write_text("FROZEN")
        yield
    finally:
        (group / "freezer.state").write_text("THAWED")
        for pid in pids:
            with contextlib.suppress(OSError):
                (FREEZER / "cgroup.procs").write_text(str(pid))
        with contextlib.suppress(OSError):
            group.rmdir()
