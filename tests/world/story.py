"""What a scene says: a hand that moves the robot, the moment at which something goes wrong, and
how long it took, on the robot's own clock, until the robot had done something about it.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from safety.gate import Verdict
from safety.messages import Event
from safety.profile import MS
from safety.state import Cause, State
from tests.world.console import Console
from tests.world.wire import Wire
from tests.world.world import World
from transport.wire.codec import Registry, peek_kind
from transport.wire.vector import unpack_setpoint

_EVENTS = Registry((Event,))
_GOOD = frozenset({Verdict.ADMITTED, Verdict.MERGED})
#: What `Story` passes on to the console; everything else is the world's.
_HAND = frozenset({"script", "role", "rate_hz", "scale", "profile", "arm"})


class Story:
    """A world with a hand that has moved the robot for 100 ms.

    Attributes
    ----------
    world, console : they
    t_ns : when it went wrong (`mark`), true time
    """

    def __init__(self, seed: int, **settings: Any) -> None:
        hand = {name: settings.pop(name) for name in _HAND & settings.keys()}
        self.world = World(seed=seed, **settings)
        self.console: Console = self.world.engaged(**hand)
        self.world.run(100)
        self.mark()

    def mark(self, t_ns: int | None = None) -> None:
        """Note that it goes wrong now, or at a time that is still to come."""
        world = self.world
        world.robot.transitions.clear()
        self.t_ns = world.now_ns if t_ns is None else t_ns
        self._records = len(world.robot.records)
        self._applied = len(world.simulator.applied)
        self._sent = self.console.operator.seq

    def run(self, ms: float) -> None:
        """Let time pass."""
        self.world.run(ms)

    @property
    def back(self) -> Wire:
        """From the first relay to the console."""
        return self.world.relays[0].down[self.console.settings.console]

    def cut(self, *, away: bool = True) -> None:
        """Cut the hand's every path, in both directions; or join them again."""
        name = self.console.settings.console
        for wire in (*self.console.paths, *(relay.down[name] for relay in self.world.relays)):
            wire.cut = away

    def replace(self) -> None:
        """Have the hand take a new grant, and move the robot under it."""
        epoch = self.world.robot.agent.epoch_max
        self.console.ask()
        self.world.until(lambda: self.world.robot.agent.epoch_max > epoch)
        self.world.until(lambda: self.world.state is State.ENGAGED)

    # How long it took ----------------------------------------------------------------------

    def silence_ms(self, state: State) -> float:
        """From the last good command to the fall to `state`; infinite when it did not fall."""
        for transition in self.world.robot.transitions:
            if transition.new <= state:
                records = self.world.robot.records
                heard = (r.t_ns for r in records if r.verdict in _GOOD and r.t_ns < transition.t_ns)
                return (transition.t_ns - max(heard)) / MS
        return math.inf

    def after_ms(self, state: State) -> float:
        """From the mark to the fall to `state`; infinite when it did not fall."""
        start_ns = self.world.robot.clock.at(self.t_ns)
        for transition in self.world.robot.transitions:
            if transition.new <= state:
                return (transition.t_ns - start_ns) / MS
        return math.inf

    def told_ms(self, cause: Cause) -> float:
        """From the mark to an event that says this to the guards; infinite when none did."""
        start_ns = self.world.robot.clock.at(self.t_ns)
        for t_ns, data in self.world.robot.said:
            is_event = t_ns >= start_ns and peek_kind(data) == Event.KIND
            if is_event and _EVENTS.expect(data, Event).cause == cause:
                return (t_ns - start_ns) / MS
        return math.inf

    def why(self, state: State) -> str:
        """The cause of the fall to `state`."""
        fell = (t.cause.name for t in self.world.robot.transitions if t.new <= state)
        return next(fell, "")

    # What moved ----------------------------------------------------------------------------

    @property
    def moved(self) -> list[int]:
        """Numbers of the commands that moved the robot since the mark."""
        return [
            record.seq for record in self.world.robot.records[self._records :] if record.applied
        ]

    @property
    def lost(self) -> int:
        """Commands since the mark that moved nothing, but those still under way."""
        moved = self.moved
        return sum(b - a - 1 for a, b in zip([self._sent, *moved], moved, strict=False) if b > a)

    def gap_ms(self) -> float:
        """The longest time between two commands that moved the robot since the mark."""
        records = self.world.robot.records[self._records :]
        times = [record.t_ns for record in records if record.applied]
        return max(b - a for a, b in pairwise(times)) / MS

    def oldest_ms(self) -> float:
        """The age of the oldest command that the driver was given since the mark."""
        ages = [a.age_ns for a in self.world.applied(self.console) if a.t_ns >= self.t_ns]
        return max(ages, default=0) / MS

    def motion(self) -> list[bytes]:
        """Every setpoint that the driver took, repetitions left out."""
        poses = [servo.setpoint for _, servo in self.world.simulator.applied]
        return [b for a, b in zip([b"", *poses], poses, strict=False) if a != b]

    def leap_mm(self) -> float:
        """The longest way between two setpoints that the driver took since the mark."""
        applied = self.world.simulator.applied[self._applied :]
        poses = [unpack_setpoint(servo.setpoint)[:3] for _, servo in applied]
        return max((math.dist(a, b) for a, b in pairwise(poses)), default=0.0) * 1e3

    def falls(self) -> int:
        """How often the state was lowered since the mark."""
        return sum(t.new < t.old for t in self.world.robot.transitions)


def differing(calm: Story, struck: Story) -> float:
    """Count setpoints of a struck day that are not those of the calm one."""
    a, b = calm.motion(), struck.motion()
    return float(sum(x != y for x, y in zip(a, b, strict=False)) + abs(len(a) - len(b)))
