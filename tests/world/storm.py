"""A world in which everything goes wrong by chance: which faults, when, how long, from one seed.

First a hand moves the robot. Then faults come, several at once. At last everything is mended, the
bedside resets what it must, and the hand has to have the robot again: a node that is safe but
never comes back is of no use to a patient.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from safety.grant import Role
from safety.profile import MS, Profile
from safety.state import State
from tests.world.console import Console
from tests.world.faults import FAULTS, Undo
from tests.world.world import World

#: How long faults may begin after the first, and how many there are.
STORM_MS = 1000
FAULTS_MIN, FAULTS_MAX = 3, 9
#: Within this after the last fault has ended, the hand has the robot again.
MEND_MS_MAX = 6_000
#: The team at the robot looks this often whether a stop is to be reset.
LOOK_MS = 150

#: How a hand is attached: profile, commands per second.
HANDS = (
    (Profile.NATIVE, 1000),
    (Profile.NATIVE, 1000),
    (Profile.NATIVE, 500),
    (Profile.BROWSER, 250),
    (Profile.WAN, 500),
)


class Act(NamedTuple):
    """One fault of a script: when it begins after the first, and how long it lasts."""

    at_ms: int
    fault: str
    for_ms: int

    def __str__(self) -> str:
        """Say it on one line."""
        return f"{self.at_ms:5d} ms  {self.fault}, for {self.for_ms} ms"


def script(seed: int) -> list[Act]:
    """Make the script of a seed, in the order of time."""
    rng = Random(f"script {seed}")
    acts = []
    for _ in range(rng.randint(FAULTS_MIN, FAULTS_MAX)):
        name = rng.choice(list(FAULTS))
        fault = FAULTS[name]
        acts.append(Act(rng.randrange(STORM_MS), name, rng.randint(fault.ms_min, fault.ms_max)))
    return sorted(acts)


class Storm:
    """The world of a seed, under the script of that seed.

    Attributes
    ----------
    reached : every state that the robot was in
    """

    def __init__(self, seed: int) -> None:
        rng = self._rng = Random(f"storm {seed}")
        self.seed = seed
        self.acts = script(seed)
        self.reached: set[State] = set()
        profile, rate_hz = rng.choice(HANDS)
        self.world = World(
            seed=seed,
            relays=rng.choice([1, 2, 2]),
            ceilings={"watchdogd": "degraded"},
            wired=("estop1",),
        )
        self._hand = {"profile": profile, "rate_hz": rate_hz, "role": Role.SURGEON}
        self._undone = 0

    def run(self) -> World:
        """Let the storm pass.

        Raises
        ------
        Violation : something happened that no world may show
        AssertionError : the hand did not get the robot back
        """
        world = self.world
        console = world.engaged("console1", **self._hand)
        world.add_console("script1", script="tremor")
        start_ns = world.now_ns
        for act in self.acts:
            world.at(start_ns + act.at_ms * MS, self._begin, act)
        world.after(LOOK_MS * MS, self._look)
        end_ms = max(act.at_ms + act.for_ms for act in self.acts)
        world.run(end_ms + 1)
        assert self._undone == len(self.acts)
        self._mend(console)
        self.reached |= {t.new for t in world.robot.transitions}
        return world

    def _begin(self, act: Act) -> None:
        undo = FAULTS[act.fault].begin(self.world, self._rng)
        self.world.after(act.for_ms * MS, self._end, undo)

    def _end(self, undo: Undo) -> None:
        undo()
        self._undone += 1

    def _look(self) -> None:
        """Look after a robot that was stopped, as the team beside it does."""
        world = self.world
        if world.robot.runs and world.state <= State.PROTECTIVE_STOP:
            world.reset_at_bedside()
        world.after(LOOK_MS * MS, self._look)

    def _mend(self, console: Console) -> None:
        """Wait for the hand to have its robot; it asks again as its person would."""
        world = self.world
        for _ in range(MEND_MS_MAX // 200):
            world.run(200)
            session, grant = world.robot.agent.gate.session, console.operator._grant
            if session is None or grant is None or session.id != grant.session:
                console.ask()
            elif world.state is State.ENGAGED:
                return
        raise AssertionError(f"the hand never got the robot back in world {self.seed}")


def told(seed: int) -> str:
    """Say what the storm of a seed is, and how to see it again."""
    lines = [f"world {seed}:", *(f"  {act}" for act in script(seed))]
    lines.append(f"again: pytest tests/world/test_storm.py --world-seed {seed}")
    return "\n".join(lines)
