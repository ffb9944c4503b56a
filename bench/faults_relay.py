"""A relay that comes back with another clock, and one that has no file descriptor left."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import socket
import time
from json import loads

from bench.faults_scene import AGAIN_WAIT_S, HOLD_WAIT_S, VARIANT, WATCH_S, NotHere, Scene, holds
from bench.rows import Row
from bench.stage import Keys
from safety.state import State

AHEAD_S = 400_000


def clock(devices: Keys, seed: int) -> Row:
    """Bring the relay back with a clock that is days ahead of everybody else's."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        raise NotHere("a time namespace needs root and `unshare`")
    with Scene(VARIANT, bare=False, keys=devices, seed=seed) as scene:
        scene.wait_moving()
        scene.children["relayd"].kill()
        scene.wait_for(lambda: scene.state() is not State.ENGAGED, HOLD_WAIT_S)
        scene.start_again(prefix=("unshare", "--time", "--monotonic", str(AHEAD_S)))
        began = time.monotonic()
        moves = scene.wait_for(scene.is_moving, AGAIN_WAIT_S)
        took_s = time.monotonic() - began
        stays = holds(scene, WATCH_S) == 0
    row = Row(variant="clock", n=1, lost=0, late=0, merged=0)
    row.extra = {"stays_still": float(not moves), "moves_after_s": took_s, "held": float(not stays)}
    return row


def files(devices: Keys, seed: int) -> Row:
    """Leave the relay without descriptors, and knock at its doors."""
    with Scene(VARIANT, bare=False, keys=devices, seed=seed) as scene:
        scene.wait_moving()
        pid = scene.children["relayd"].pid
        used = len(os.listdir(f"/proc/{pid}/fd"))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 2, used + 2))
        port = int(_console_port(scene))
        strangers = []
        with contextlib.suppress(OSError):
            for _ in range(200):
                stranger = socket.create_connection(("127.0.0.1", port), timeout=1)
                strangers.append(stranger)
        held = holds(scene, WATCH_S)
        for stranger in strangers:
            stranger.close()
        # libzmq turns in a circle when it cannot accept; then the watchdog ends the relay.
        has_ended = scene.children["relayd"].poll() is not None
        if has_ended:
            scene.start_again()
        moves = scene.wait_for(scene.is_moving, AGAIN_WAIT_S)
    row = Row(variant="files", n=len(strangers), lost=0, late=0, merged=0)
    row.extra = {
        "held": float(held),
        "fenced": float(has_ended),
        "stays_still": float(not moves),
    }
    return row


def _console_port(scene: Scene) -> str:
    settings = loads((scene.run_dir / "relayd.json").read_text())
    return str(settings["hub"]["console"]).rpartition(":")[2]
