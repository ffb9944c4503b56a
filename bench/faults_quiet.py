"""Nothing fails, for minutes: each HOLD has a recorded gap or stall, and replay gives it again.

A fall is explained by the flight rings (`bench.falls`) or by a stall of the host. Afterwards the
tapes of robot and relay are played through the same cores in virtual time, file by file: nothing
may differ, and the falls told there must be those that were seen.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bench.children import stop
from bench.falls import LOOK_S, Fall, Record, told
from bench.faults_scene import AGAIN_WAIT_S, VARIANT, Scene
from bench.readings import Window
from bench.rows import Row
from bench.sentinel import Sentinel, stall_table
from bench.stage import PLAY, Keys, Spoiled
from safety.state import Cause, State
from teleop.node.explain import explain
from teleop.record.archive import files_of

MINUTES = 10.0
SETTLE_S = 5.0
"""Start-up is not quiet."""
FLUSH_S = 2.0
"""The recorder copies what is left."""
REPLAY_SHARE = 0.4
"""Of the time recorded, about what the replay of robot and relay takes."""


class Replayed(NamedTuple):
    """What the recording gave when it was played again.

    Parameters
    ----------
    falls : to what and why, in the window
    differing : tapes that gave something else than was recorded
    lost : records that the recorder was too late for
    """

    falls: Counter[tuple[str, str]]
    differing: int
    lost: int


def quiet(
    devices: Keys, seed: int, minutes: float, on_progress: Callable[[float, float], None]
) -> tuple[Row, list[Fall], bool]:
    """Let a hand move its robot for so long; give the row, every fall, and whether it was so long.

    Whoever interrupts has what was seen up to then judged and replayed; again, and it ends at once.

    Parameters
    ----------
    on_progress : called with the seconds done, and of how many

    Raises
    ------
    Spoiled
    """
    seconds = minutes * 60
    with tempfile.TemporaryDirectory(prefix="trocar-quiet-", dir="/var/tmp") as directory:
        folder = Path(directory) / "records"
        play = PLAY._replace(records=str(folder))
        with (
            Sentinel(Path(directory)) as sentinel,
            Scene(VARIANT, bare=False, keys=devices, seed=seed, play=play) as scene,
        ):
            sentinel.wait_ticking()
            scene.wait_moving()
            time.sleep(SETTLE_S)
            record = Record(scene.run_dir, scene.run_dir)
            begun_ns = time.monotonic_ns()
            is_whole = _pass(scene, record, seconds, on_progress)
            window = Window(begun_ns, time.monotonic_ns())
            time.sleep(FLUSH_S)
            record.look()
            _end(scene)
        stalls = stall_table(sentinel.watches())
        seen = [told(stalls, *found) for found in record.found if window.holds(found[0]["t_ns"])]
        again = _replay(folder, scene, window)
    lasted_min = round((window.end_ns - window.start_ns) / 60e9, 2)
    return _row(record.commands, lasted_min, seen, again), seen, is_whole


def _pass(
    scene: Scene, record: Record, seconds: float, on_progress: Callable[[float, float], None]
) -> bool:
    """Let the time pass, and look; False when somebody interrupted."""
    begun_s = time.monotonic()
    try:
        while (done_s := time.monotonic() - begun_s) < seconds:
            on_progress(done_s, seconds)
            time.sleep(min(LOOK_S, seconds - done_s))
            record.look()
            scene.check()
    except KeyboardInterrupt:
        return False
    return True


def _end(scene: Scene) -> None:
    """End everybody, the recorder last."""
    if not scene.wait_for(lambda: scene.state() is not None, AGAIN_WAIT_S):
        raise Spoiled("the robot has no board")
    recorder = scene.children.pop("recordd")
    scene.finish()
    time.sleep(FLUSH_S)
    stop([recorder])


def _replay(folder: Path, scene: Scene, window: Window) -> Replayed:
    """Play every file of a recording again."""
    falls: Counter[tuple[str, str]] = Counter()
    differing = lost = 0
    undo = scene.skew("robotd").undo
    for file in files_of(folder):
        found = explain(file)
        differing += sum(done.replay.difference is not None for done in found.replays)
        lost += found.lost
        falls.update(
            (State(line.told.new).name, Cause(line.told.cause).name)
            for line in found.lines
            if line.told.new <= State.HOLD and line.told.old >= State.DEGRADED
            if window.holds(undo(line.told.t_ns))
        )
    return Replayed(falls, differing, lost)


def _row(commands: int, minutes: float, seen: list[Fall], again: Replayed) -> Row:
    row = Row(variant="quiet", n=commands, lost=0, late=0, merged=0)
    lived = Counter((fall.new, fall.cause) for fall in seen)
    row.extra = {
        "minutes": minutes,
        "holds": float(len(seen)),
        "holds_in_host_stalls": float(sum(fall.stalled for fall in seen)),
        "without_cause": float(sum(not (fall.explanation or fall.stalled) for fall in seen)),
        "replayed_holds": float(again.falls.total()),
        "not_replayed": float(((lived - again.falls) + (again.falls - lived)).total()),
        "differing": float(again.differing),
        "lost_records": float(again.lost),
    }
    return row
