"""Times what an arm costs by itself: kernels, the shaping of a command, pictures.

A process of its own: `control` takes robotd's priority, because that is where kernels and shaping
run; `pictures` an ordinary one, as the endoscope's. Each call is timed alone, the clock's own cost
included (it is a row, "clock"). "hot" is one call after another; "paced" one a millisecond, as
commands come: between two of them the caches belong to others.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from teleop.control import clutch, fixtures, kinematics, tremor, velocity
from teleop.control.instrument import LARGE_NEEDLE_DRIVER, Pace
from teleop.node.processes import PROCESSES
from teleop.robot.fixture import (
    Box,
    Capsule,
    Fixture,
    HalfSpace,
    RemoteCentre,
    ShapeSettings,
    Sphere,
)
from teleop.robot.shape import Shape
from transport.io import realtime
from transport.wire.vector import Setpoint

PERIOD_NS = 1_000_000
SIZES = ((640, 360), (1280, 720))
#: Inputs that are prepared, and gone round.
INPUTS = 4096
WARM_CALLS = 200
SEED = 20170924
CHAIN = "chain_"

Floats = NDArray[np.float64]
_NOW = time.perf_counter_ns
Call = Callable[[int], object]


class Timed(msgspec.Struct, frozen=True):
    """Percentiles of one call, us; each is a time that occurred."""

    n: int
    min: float
    p50: float
    p99: float
    max: float


def timed(times_ns: Sequence[int]) -> Timed:
    """Sum up the times of one call."""
    ascending = sorted(times_ns)
    ranks = (0, -(-len(ascending) // 2) - 1, -(-len(ascending) * 99 // 100) - 1, -1)
    return Timed(len(ascending), *(ascending[rank] / 1e3 for rank in ranks))


def hot(call: Call, calls: int) -> Timed:
    """Time one call after another."""
    return timed([_time(call, n) for n in range(WARM_CALLS + calls)][WARM_CALLS:])


def paced(call: Call, calls: int) -> Timed:
    """Time one call a millisecond, the cores kept awake as an armed robot keeps them."""
    awake = realtime.PmQos(allowed=True)
    awake.hold(True)
    due_ns, times = time.monotonic_ns(), []
    for n in range(calls):
        due_ns += PERIOD_NS
        time.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
        times.append(_time(call, n))
    awake.close()
    return timed(times[min(WARM_CALLS, calls // 2) :])


def control(calls: int) -> dict[str, Timed]:
    """Time every kernel of the control path, and the shaping as a robot's arm calls it."""
    found = {name: hot(call, calls) for name, call in kernels().items()}
    found[f"{CHAIN}hot"] = hot(chain(), calls)
    found[f"{CHAIN}paced"] = paced(chain(), calls)
    return found


def kernels() -> dict[str, Call]:
    """Make a call of each kernel, over inputs that differ from call to call."""
    psm, pace = LARGE_NEEDLE_DRIVER, Pace()
    q, poses, twists = _arms()
    hands = np.array(hand_path())
    out, home = np.zeros(8), np.array([0.0, 0.0, 0.12, 0.0, 0.0, 0.0])
    matrix = np.zeros((6, 6))
    sections = tremor.design(PERIOD_NS)
    state = np.zeros((tremor.CHANNELS, tremor.COLUMNS))
    tremor.prime(state, hands[0])
    reference = np.stack((hands[0], hands[0]))
    k = INPUTS
    calls: dict[str, Call] = {
        "clock": lambda _: None,
        "forward": lambda n: kinematics.forward(psm, q[n % k], out),
        "inverse": lambda n: kinematics.inverse(psm, poses[n % k], home, out),
        "jacobian": lambda n: kinematics.jacobian(psm, q[n % k], matrix),
        "joint_velocity": lambda n: velocity.joint_velocity(
            psm, pace, q[n % k], twists[n % k], out
        ),
        "step_joints": lambda n: velocity.step_joints(psm, pace, q[n % k], home, 0.001, out),
        "tremor": lambda n: tremor.steady(sections, state, hands[n % k], 1, out),
        "clutch": lambda n: clutch.follow(reference, 1.0, hands[n % k], out),
    }
    return calls | {f"fixtures_{count}": restraint(count, hands) for count in (1, 8, 16)}


def restraint(count: int, hands: Floats) -> Call:
    """Make a call of the fixtures' kernel, for a tip that goes where they let it."""
    surfaces = ShapeSettings(fixtures=fixtures_of(count)).surfaces()
    table, work = fixtures.table(surfaces), fixtures.workspace(surfaces)
    at = hands[0].copy()
    return lambda n: fixtures.restrain(table, at, hands[n % INPUTS], 0.001, work, at)


def chain() -> Call:
    """Make a call of the shaping, tremor filter on and 8 fixtures, as `teleop.robot.arm` does."""
    settings = ShapeSettings(tremor=True, fixtures=fixtures_of(8))
    shape, hands = Shape(settings, 1.0, PERIOD_NS), hand_path()
    shape.reference(hands[0], hands[0], 0)

    def call(n: int) -> object:
        shape.resume(shape.step(hands[n % INPUTS], n + 1))
        return shape.velocity

    return call


def hand_path() -> list[Setpoint]:
    """Draw eights 40 mm wide that turn the wrist and shake, 0.1 m under a remote centre."""
    path = []
    for n in range(INPUTS):
        t, shake = n * 1e-3, 0.0002 * math.sin(2 * math.pi * 9.0 * n * 1e-3)
        u = 2 * math.pi * round(0.5 * INPUTS * 1e-3) / (INPUTS * 1e-3) * t  # closes on itself
        half = 0.15 * math.sin(u)
        path.append(
            Setpoint(
                0.02 * math.sin(u), 0.01 * math.sin(2 * u) + shake, -0.1 + 0.01 * math.cos(u),
                math.cos(half), math.sin(half), 0.0, 0.0, 0.5 + 0.3 * math.sin(u),
            )
        )  # fmt: skip
    return path


def fixtures_of(count: int) -> tuple[Fixture, ...]:
    """Set up fixtures of every kind in turn, so near that the eights run into them."""
    return tuple(islice(_fixtures(), count))


def pictures(frames: int) -> dict[str, Timed]:
    """Time frames of random scenes, at the two sizes."""
    from teleop.sim import world
    from teleop.sim.endoscope import camera, specimen, tissue
    from teleop.sim.endoscope.renderer import Renderer

    grown = tissue.grow()
    rng = np.random.default_rng(SEED)
    scenes = [specimen.scene(rng, grown.heights) for _ in range(frames)]
    found = {}
    for width, height in SIZES:
        view = world.ENDOSCOPE
        renderer = Renderer(grown, view, camera.look(view, width, height))
        for scene in scenes[:5]:
            renderer.draw(scene)
        times = [_time(lambda n: renderer.draw(scenes[n]), n) for n in range(frames)]  # noqa: B023
        found[f"{width}x{height}"] = timed(times)
    return found


def _time(call: Call, n: int) -> int:
    start_ns = _NOW()
    call(n)
    return _NOW() - start_ns


def _fixtures() -> Iterator[Fixture]:
    def make(n: int) -> Fixture:
        aside = 0.001 * (n // 8)
        kinds: tuple[Callable[[str], Fixture], ...] = (
            lambda name: HalfSpace(name=name, point_m=(0, 0, -0.108 + aside), normal=(0, 0.1, 1)),
            lambda name: Sphere(name=name, centre_m=(0.018, 0.0, -0.1), radius_m=0.004 + aside),
            lambda name: Capsule(
                name=name,
                start_m=(-0.015, -0.02, -0.1),
                end_m=(-0.015, 0.02, -0.1),
                radius_m=0.003 + aside,
            ),
            lambda name: Box(
                name=name,
                corner_m_min=(-0.019 - aside, -0.02, -0.12),
                corner_m_max=(0.019 + aside, 0.02, -0.08),
            ),
            lambda name: RemoteCentre(name=name, depth_m_max=0.15 + aside),
            lambda name: HalfSpace(name=name, point_m=(0, 0.009 + aside, -0.1), normal=(0, -1, 0)),
            lambda name: Sphere(name=name, centre_m=(0.0, 0.0, -0.085), radius_m=0.003 + aside),
            lambda name: Capsule(
                name=name,
                start_m=(0.0, -0.012, -0.13),
                end_m=(0.01, -0.012, -0.07),
                radius_m=0.003 + aside,
            ),
        )
        return kinds[n % 8](f"fixture-{n}")

    return map(make, range(32))


def _arms() -> tuple[Floats, Floats, Floats]:
    """Draw joints from the whole workspace, their poses, and twists."""
    psm, rng = LARGE_NEEDLE_DRIVER, np.random.default_rng(SEED)
    q = rng.uniform(psm.lower, psm.upper, (INPUTS, 6))
    poses = np.zeros((INPUTS, 7))
    for joints, pose in zip(q, poses, strict=True):
        kinematics.forward(psm, joints, pose)
    return q, poses, rng.uniform(-0.1, 0.1, (INPUTS, 6))


def main(argv: Sequence[str] | None = None) -> int:
    """Time one part, and write what was found as JSON."""
    parser = argparse.ArgumentParser(prog="bench.arm_timing")
    parser.add_argument("part", choices=("control", "pictures"))
    parser.add_argument("--count", type=int, required=True, help="of calls, or of pictures")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args(argv)
    if arguments.part == "control":
        for call in (*kernels().values(), chain()):
            call(0)  # compiled at ordinary priority
        robotd = next(row for row in PROCESSES if row.name == "robotd")
        realtime.enter(robotd.fifo, robotd.nice)
    realtime.settle()
    found = (control if arguments.part == "control" else pictures)(arguments.count)
    arguments.out.write_bytes(msgspec.json.encode(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
