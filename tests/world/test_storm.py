"""Random worlds: each seed is a script of faults; in none may a rule of the witness be broken.

A world that breaks one prints its seed and its script. `--world-seed N` shows that world again.
"""

from safety.state import State
from tests.world.faults import FAULTS
from tests.world.storm import Storm, script, told

#: So many worlds, and events delivered to their cores, in a block; ten blocks.
WORLDS, EVENTS_MIN = 16, 100_000
BLOCKS = 10


def pytest_generate_tests(metafunc):
    if "seeds" in metafunc.fixturenames:
        asked = metafunc.config.getoption("--world-seed", default=None)
        blocks = [range(WORLDS * block, WORLDS * (block + 1)) for block in range(BLOCKS)]
        chosen = [[seed] for seed in asked] if asked else blocks
        metafunc.parametrize("seeds", chosen, ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")


def weathered(seed):
    storm = Storm(seed)
    try:
        storm.run()
    except BaseException:
        print(told(seed))
        raise
    return storm


def test_no_storm_breaks_a_rule_and_after_each_the_hand_has_its_robot(seeds):
    events = sum(weathered(seed).world.events for seed in seeds)
    assert len(seeds) == 1 or events >= EVENTS_MIN


def test_a_seed_fixes_everything():
    def day():
        storm = Storm(11)
        storm.run()
        robot = storm.world.robot
        return robot.told, robot.transitions, storm.world.events, storm.world.now_ns

    assert day() == day()


def test_scripts_know_every_fault():
    assert {act.fault for seed in range(40) for act in script(seed)} == set(FAULTS)


def test_storms_reach_every_state():
    missing = set(State) - {State.BOOT}
    for seed in range(40):
        missing -= weathered(seed).reached
        if not missing:
            return
    raise AssertionError(missing)
