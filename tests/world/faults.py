"""What may go wrong in a world: one row a fault, how it begins, and how it ends.

A fault takes a world and its own chance, does its harm, and returns what undoes it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from safety.messages import Command, Flags
from safety.profile import MS
from safety.state import State
from tests.world.mallory import Mallory, edited
from tests.world.rig import ROBOT
from tests.world.wire import Burst, Wire
from transport.wire.vector import ORIGIN, pack_setpoint, unpack_setpoint

if TYPE_CHECKING:
    from tests.world.console import Console
    from tests.world.process import Process
    from tests.world.world import World

Undo = Callable[[], object]


class Fault(NamedTuple):
    """A kind of fault, and how long it may last."""

    begin: Callable[[World, Random], Undo]
    ms_min: int
    ms_max: int


# Links -------------------------------------------------------------------------------------


def _changed(wire: Wire, **values: object) -> Undo:
    """Set properties of a wire; undone, they are as a calm wire's."""
    for name, value in values.items():
        setattr(wire, name, value)

    def undo() -> None:
        calm = Wire.__init__.__kwdefaults__ or {}
        rest = {"held": 0.0, "burst": None, "cut": False, "edit": None}
        for name in values:
            setattr(wire, name, {**rest, **calm}.get(name, 0))

    return undo


def loss(world: World, rng: Random) -> Undo:
    """Frames of one direction are lost, each by itself."""
    return _changed(rng.choice(world.wires), loss=rng.choice([0.01, 0.1, 0.3, 0.5]))


def burst_loss(world: World, rng: Random) -> Undo:
    """Frames of one direction are lost in bursts."""
    burst = Burst(rng.uniform(0.002, 0.05), rng.uniform(0.02, 0.3), rng.uniform(0.7, 1.0))
    return _changed(rng.choice(world.wires), burst=burst)


def delay_step(world: World, rng: Random) -> Undo:
    """One direction takes longer from now on."""
    return _changed(rng.choice(world.wires), delay_ns=rng.randrange(1, 120) * MS)


def jitter(world: World, rng: Random) -> Undo:
    """Every direction wavers."""
    undos = [_changed(wire, jitter_ns=rng.randrange(1, 25) * MS) for wire in world.wires]
    return lambda: [undo() for undo in undos]


def reorder(world: World, rng: Random) -> Undo:
    """Frames of one direction overtake each other."""
    held_ns = rng.randrange(1, 30) * MS
    return _changed(rng.choice(world.wires), held=rng.uniform(0.05, 0.5), held_ns=held_ns)


def copies(world: World, rng: Random) -> Undo:
    """Frames of one direction come twice."""
    wire = rng.choice(world.wires)
    return _changed(wire, copies=rng.uniform(0.1, 1.0), jitter_ns=rng.randrange(1, 5) * MS)


def one_way_cut(world: World, rng: Random) -> Undo:
    """One direction carries nothing."""
    return _changed(rng.choice(world.wires), cut=True)


def blackout(world: World, rng: Random) -> Undo:
    """No direction carries anything."""
    undos = [_changed(wire, cut=True) for wire in world.wires]
    return lambda: [undo() for undo in undos]


# Processes -----------------------------------------------------------------------------------


def _processes(world: World) -> list[Process]:
    return [*world.consoles.values(), *world.relays, *world.desks, world.robot, world.simulator]


def pause(world: World, rng: Random) -> Undo:
    """A process, or the machine under it, stands still; what it was sent waits."""
    process = rng.choice(_processes(world))
    if process.runs:
        process.pause(int(rng.expovariate(1 / 40.0) * MS) + MS)
    return lambda: None


def relay_killed(world: World, rng: Random) -> Undo:
    """A relay dies, and comes back with a new incarnation."""
    relay = rng.choice(world.relays)
    relay.kill()
    return relay.restart


def console_killed(world: World, rng: Random) -> Undo:
    """A console dies with its keys, and asks anew."""
    console = rng.choice(list(world.consoles.values()))
    console.kill()
    return console.restart


def desk_killed(world: World, rng: Random) -> Undo:
    """The session service dies, and comes back with what was on its disk."""
    desk = rng.choice(world.desks)
    desk.kill()
    return desk.restart


def robot_killed(world: World, rng: Random) -> Undo:
    """robotd dies, and comes back with what was on its disk."""
    world.robot.kill()
    return lambda: world.robot.boot(world.fresh())


def driver_restarted(world: World, rng: Random) -> Undo:
    """The driver dies and comes back on brakes."""
    world.simulator.kill()
    return world.simulator.restart


# Disks ---------------------------------------------------------------------------------------


def disk_stalled(world: World, rng: Random) -> Undo:
    """A sync of the robot's store hangs."""
    world.robot.disk.stall(rng.randrange(10, 400) * MS)
    return lambda: None


def disk_full(world: World, rng: Random) -> Undo:
    """Nothing can be written to the robot's store."""
    disk = world.robot.disk
    disk.is_full = True

    def undo() -> None:
        disk.is_full = False

    return undo


def store_unreadable(world: World, rng: Random) -> Undo:
    """The robot boots beside a store that it cannot read."""
    disk = world.robot.disk
    world.robot.kill()
    disk.is_unreadable = True

    def undo() -> None:
        world.robot.boot(world.fresh())
        disk.is_unreadable = False

    return undo


# The driver and what it measures -------------------------------------------------------------


def driver_mute(world: World, rng: Random) -> Undo:
    """The driver measures no more."""
    world.simulator.mute = True

    def undo() -> None:
        world.simulator.mute = False

    return undo


def driver_lies(world: World, rng: Random) -> Undo:
    """The driver measures what is no pose."""
    world.simulator.lies = ORIGIN._replace(x=rng.choice([math.nan, math.inf]))

    def undo() -> None:
        world.simulator.lies = None

    return undo


def sensors_frozen(world: World, rng: Random) -> Undo:
    """The driver's sensors repeat themselves."""
    world.simulator.freeze_sensors()

    def undo() -> None:
        world.simulator.frozen = None

    return undo


# People --------------------------------------------------------------------------------------


def _speaking(world: World, rng: Random) -> Console | None:
    consoles = [console for console in world.consoles.values() if console.frames]
    return rng.choice(consoles) if consoles else None


def _each_ms(world: World, act: Callable[[], object]) -> Undo:
    """Act a thousand times a second until it is undone."""
    going = [True]

    def beat() -> None:
        if going:
            act()
            world.after(MS, beat)

    beat()
    return going.clear


def attack_at_robot(world: World, rng: Random) -> Undo:
    """Mallory sends to the robot itself."""
    console = _speaking(world, rng)
    if console is None:
        return lambda: None
    mallory = Mallory(console)

    def strike() -> None:
        parts = [*mallory.forgeries(), *mallory.leading(), mallory.pressing()]
        parts += mallory.replayed(rng) + mallory.garbage(rng)
        for part in rng.sample(parts, 3):
            world.robot.arrive(part)

    return _each_ms(world, strike)


def relay_compromised(world: World, rng: Random) -> Undo:
    """A relay edits what it forwards."""
    return _changed(rng.choice(world.relays).down[ROBOT], edit=edited)


def second_hand(world: World, rng: Random) -> Undo:
    """Somebody else asks for the robot, and insists."""
    rng.choice(list(world.consoles.values())).ask()
    return lambda: None


def monitor_objects(world: World, rng: Random) -> Undo:
    """A monitor lowers its ceiling, or falls silent."""
    state = rng.choice([State.DEGRADED, State.HOLD, State.ENGAGED])
    world.ceiling("watchdogd", state, rng.randrange(1, 400))
    return lambda: world.ceiling("watchdogd", State.ENGAGED, 60_000)


def _altered(world: World, rng: Random, alter: Callable[[Command], Command]) -> Undo:
    """Have a console say something else than its hand; what it says is sealed all the same."""
    console = _speaking(world, rng)
    if console is None:
        return lambda: None
    console.alter = alter

    def undo() -> None:
        console.alter = None

    return undo


def deadman_up(world: World, rng: Random) -> Undo:
    """A hand lets go of its deadman."""
    return _altered(
        world,
        rng,
        lambda command: msgspec.structs.replace(command, flags=command.flags & ~Flags.DEADMAN),
    )


def pose_is_none(world: World, rng: Random) -> Undo:
    """A console says what is no pose, now and then."""
    none = pack_setpoint(ORIGIN._replace(y=rng.choice([math.nan, math.inf]), qw=0.0))

    def alter(command: Command) -> Command:
        bad = rng.random() < 0.02
        return msgspec.structs.replace(command, setpoint=none) if bad else command

    return _altered(world, rng, alter)


def hand_leaps(world: World, rng: Random) -> Undo:
    """A console's hand is somewhere else, and back again."""
    by_m = rng.uniform(0.01, 0.2)

    def alter(command: Command) -> Command:
        pose = unpack_setpoint(command.setpoint)
        x = pose.x + by_m * (command.seq // 16 % 2)
        return msgspec.structs.replace(command, setpoint=pack_setpoint(pose._replace(x=x)))

    return _altered(world, rng, alter)


def cable_cut(world: World, rng: Random) -> Undo:
    """The cable of a wired emergency stop is loose."""
    return _changed(rng.choice([box.cable for box in world.boxes.values()]), cut=True)


def emergency(world: World, rng: Random) -> Undo:
    """The team at the robot stops it, and resets it later."""
    world.stop_at_bedside()
    return lambda: None


FAULTS: dict[str, Fault] = {
    "loss": Fault(loss, 50, 600),
    "burst loss": Fault(burst_loss, 50, 600),
    "delay step": Fault(delay_step, 20, 400),
    "jitter": Fault(jitter, 20, 400),
    "reorder": Fault(reorder, 50, 500),
    "copies": Fault(copies, 50, 500),
    "one-way cut": Fault(one_way_cut, 5, 400),
    "blackout": Fault(blackout, 3, 400),
    "pause": Fault(pause, 0, 1),
    "relay killed": Fault(relay_killed, 20, 400),
    "console killed": Fault(console_killed, 20, 400),
    "desk killed": Fault(desk_killed, 20, 400),
    "robot killed": Fault(robot_killed, 5, 200),
    "driver restarted": Fault(driver_restarted, 5, 100),
    "disk stalled": Fault(disk_stalled, 0, 1),
    "disk full": Fault(disk_full, 20, 400),
    "store unreadable": Fault(store_unreadable, 5, 100),
    "driver mute": Fault(driver_mute, 5, 200),
    "driver lies": Fault(driver_lies, 1, 100),
    "sensors frozen": Fault(sensors_frozen, 10, 200),
    "attack at robot": Fault(attack_at_robot, 20, 300),
    "relay compromised": Fault(relay_compromised, 5, 200),
    "second hand": Fault(second_hand, 0, 1),
    "monitor objects": Fault(monitor_objects, 5, 300),
    "deadman up": Fault(deadman_up, 2, 300),
    "pose is none": Fault(pose_is_none, 50, 400),
    "hand leaps": Fault(hand_leaps, 20, 200),
    "cable cut": Fault(cable_cut, 5, 100),
    "emergency": Fault(emergency, 0, 1),
}
