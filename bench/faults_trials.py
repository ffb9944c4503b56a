"""Deaths, hangs and a console that just stops, in turn: how soon robot and watchdog know.

Delays are from the signal to what robot or watchdog noted in their flight rings; each process has a
clock of its own, undone here.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from bench import readings
from bench.faults_scene import AGAIN_WAIT_S, HOLD_WAIT_S, VARIANT, Scene
from bench.rows import Row
from bench.stage import Keys, Spoiled
from safety.state import State
from safety.watchdog import Fault

NAMES = ("killed", "stops", "hung")
STEADY_S = 0.35
"""Of motion before each fault, plus up to a command's period: faults fall anywhere within it."""
STOP_S = 0.08
PER_STAGE = 25
"""Trials of each that share processes, so that a run is not all starting up."""
STAGES_MAX = 200
"""On a machine that is too busy the arm does not come back in time, and everything starts anew."""


class Delay(NamedTuple):
    """One trial: from the signal to the robot's HOLD, and to what the watchdog noticed, ns."""

    hold_ns: int
    noticed_ns: int


Found = dict[str, list[Delay]]


def play(
    devices: Keys, found: Found, trials: int, seed: int, spoiled: list[str]
) -> Iterator[tuple[int, int]]:
    """Play the trials that `found` names, in turn, until there are so many of each.

    What is found is kept as it comes, so that whoever ends this early has it. Gives how many trials
    are done, and of how many, after each.
    """
    wanted = trials * len(found)
    for stage in range(STAGES_MAX):
        if min(map(len, found.values())) >= trials:
            return
        try:
            with Scene(VARIANT, bare=False, keys=devices, seed=seed + stage) as scene:
                for name, delay in _trials(scene, tuple(found), seed + stage):
                    if len(found[name]) < trials:
                        found[name].append(delay)
                    yield sum(map(len, found.values())), wanted
                    if min(map(len, found.values())) >= trials:
                        return
        except Spoiled as error:
            spoiled.append(str(error).splitlines()[0])


def rows(found: Mapping[str, list[Delay]]) -> list[Row]:
    """Make a row of each, and one of the killed against the controls where both were played."""
    made = [_row(name, delays) for name, delays in found.items()]
    return [*made, _compare(found)] if {"killed", "stops"} <= set(found) else made


def _trials(scene: Scene, names: Sequence[str], seed: int) -> Iterator[tuple[str, Delay]]:
    """Play trials on one set of processes, as long as the arm comes back to motion."""
    rng = np.random.default_rng(seed)
    for _ in range(PER_STAGE):
        for name in rng.permutation(names):
            if not scene.wait_for(scene.is_moving, AGAIN_WAIT_S):
                return
            time.sleep(STEADY_S + float(rng.uniform(0.0, 0.01)))
            if not scene.is_moving():
                continue  # a gap of the host: this is no fault of ours to measure
            began_ns = time.monotonic_ns()
            _FAULTS[name](scene)
            has_held = scene.wait_for(lambda: scene.state() is not State.ENGAGED, HOLD_WAIT_S)
            delay = _delay(scene, began_ns, str(name)) if has_held else None
            if name != "stops":
                scene.start_again()
            if delay is not None:
                yield str(name), delay


def _kill(scene: Scene) -> None:
    scene.children["relayd"].kill()


def _hang(scene: Scene) -> None:
    scene.children["relayd"].send_signal(signal.SIGSTOP)


def _stop(scene: Scene) -> None:
    child = scene.children["natived"]
    child.send_signal(signal.SIGSTOP)
    time.sleep(STOP_S)
    child.send_signal(signal.SIGCONT)


_FAULTS: dict[str, Callable[[Scene], None]] = {"killed": _kill, "stops": _stop, "hung": _hang}
_NOTICED = {"killed": Fault.DIED, "hung": Fault.HUNG}


def _delay(scene: Scene, began_ns: int, name: str) -> Delay | None:
    """Read when the robot held and the watchdog noticed; None where the robot had held before."""
    time.sleep(0.06)  # whoever has still to write into its ring has then done so
    window = readings.Window(began_ns - 20_000_000, time.monotonic_ns())
    falls = [
        t.t_ns
        for t in readings.transitions(scene.run_dir, "robotd", scene.skew("robotd"), window)
        if t.new <= State.HOLD < t.old
    ]
    if not falls or falls[0] < began_ns:
        return None
    noticed_ns = 0
    fault = _NOTICED.get(name)
    for line in readings.flight(scene.run_dir, "watchdogd", "notice"):
        t_ns = scene.skew("watchdogd").undo(line["t_ns"])
        if line["fault"] == fault and t_ns >= began_ns and not noticed_ns:
            noticed_ns = t_ns - began_ns
    return Delay(falls[0] - began_ns, noticed_ns)


def _row(name: str, delays: list[Delay]) -> Row:
    row = Row(variant=name, n=len(delays), lost=0, late=0, merged=0)
    hold = np.array([delay.hold_ns for delay in delays]) / 1e6
    noticed = np.array([delay.noticed_ns for delay in delays if delay.noticed_ns]) / 1e6
    if len(hold):
        row.extra = {f"hold_p{q}_ms": float(np.percentile(hold, q)) for q in (50, 90, 99)}
        row.extra["hold_max_ms"] = float(hold.max())
    if len(noticed):
        row.extra |= {f"noticed_p{q}_ms": float(np.percentile(noticed, q)) for q in (50, 90)}
        row.extra |= {"noticed_max_ms": float(noticed.max()), "noticed": float(len(noticed))}
    return row


def _compare(found: Mapping[str, list[Delay]]) -> Row:
    """Hold the killed against the controls, as ratios of their percentiles."""
    row = Row(
        variant="killed/stops",
        n=min(len(found[name]) for name in ("killed", "stops")),
        lost=0,
        late=0,
        merged=0,
    )
    killed, stops = (np.array([d.hold_ns for d in found[name]]) for name in ("killed", "stops"))
    if row.n:
        row.extra = {
            f"p{q}": float(np.percentile(killed, q) / np.percentile(stops, q)) for q in (50, 90)
        }
    return row
