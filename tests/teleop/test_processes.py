"""The process table: its order is a promise, and every row can be started as it stands."""

import importlib.util
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from monitor.settings import AlarmdSettings, MonitordSettings
from safety.settings import WatchdogdSettings
from safety.supervision import MS
from safety.watchdog import LATE_NS
from teleop.node.commission import devices
from teleop.node.config import load, parse
from teleop.node.processes import CONSOLE, PROCESSES, Process, Restart
from teleop.node.sections import NodeConfig
from teleop.node.slices import (
    CARRIERS,
    SLICES,
    WebdSettings,
    Wish,
    console_slice,
    reachable,
    rows,
    slices,
)
from teleop.robot.settings import EstopdSettings, RobotdSettings
from teleop.settings import (
    EndoscopedSettings,
    NativedSettings,
    RecorddSettings,
    RelaydSettings,
    SessiondSettings,
    SimdSettings,
)
from transport.io.keys import Role

#: What each process decodes its slice as.
SETTINGS = {
    "watchdogd": WatchdogdSettings,
    "estopd": EstopdSettings,
    "endoscoped": EndoscopedSettings,
    "robotd": RobotdSettings,
    "relayd": RelaydSettings,
    "simd": SimdSettings,
    "sessiond": SessiondSettings,
    "recordd": RecorddSettings,
    "monitord": MonitordSettings,
    "alarmd": AlarmdSettings,
    "webd": WebdSettings,
    "natived": NativedSettings,
}
EVERYTHING = parse("[robot]\ndriver = 'teleop.sim.simd'")
WIRED = parse(
    "[robot]\nestops = ['pillar', 'far']\n"
    "[estop.pillar]\nmodule = 'transport.io.buttons.serial'\ndevice = '/dev/ttyS0'\nline = 'cts'"
)
WARD = parse("[monitor]\nbeds = ['icu/1', 'or/1']")


def names(config: NodeConfig) -> list[str]:
    return [row.name for row in rows(config)]


def test_names_are_unique():
    assert len({row.name for row in (*PROCESSES, CONSOLE)}) == len(PROCESSES) + 1


@pytest.mark.parametrize("row", [*PROCESSES, CONSOLE], ids=lambda row: row.name)
def test_a_row_names_a_module_that_is_there(row: Process):
    assert importlib.util.find_spec(row.module) is not None
    assert row.module.endswith(f".{row.name}")


def test_rows_stand_in_the_order_of_their_priority():
    assert all(a.fifo > b.fifo or (not a.fifo and a.nice < b.nice) for a, b in pairwise(PROCESSES))


def test_real_time_is_for_the_control_path_only():
    path = {"watchdogd", "estopd", "robotd", "relayd", "simd"}
    assert {row.name for row in PROCESSES if row.fifo} == path
    assert all(0 <= row.fifo < 90 for row in PROCESSES), "the kernel's own threads stay above"
    assert CONSOLE.fifo < min(row.fifo for row in PROCESSES if row.fifo)


def test_everything_that_runs_comes_back_but_a_console():
    assert all(row.restart is Restart.ALWAYS for row in PROCESSES)
    assert CONSOLE.restart is Restart.NEVER


def test_a_production_node_runs_no_simulator():
    assert names(NodeConfig()) == ["watchdogd", "robotd", "relayd", "sessiond", "recordd", "webd"]
    simulated = ["robotd", "relayd", "simd", "sessiond", "recordd", "endoscoped", "webd"]
    assert names(EVERYTHING) == ["watchdogd", *simulated]


@pytest.mark.parametrize("why", ["[sim]\nmodel = 'point'", "[endoscope]\nrate_hz = 0"])
def test_without_joints_to_see_or_pictures_wanted_there_is_no_endoscope(why):
    config = parse(f"[robot]\ndriver = 'teleop.sim.simd'\n{why}")
    assert "simd" in names(config)
    assert "endoscoped" not in names(config)


def test_without_a_key_of_its_own_there_is_no_watchdog_and_no_robot_misses_it():
    config = parse("[watchdog]\nidentity = ''")
    assert "watchdogd" not in names(config)
    assert "" not in devices(config)
    assert slices(config)["robotd"].robot.watchdogs == ()


def test_the_watchdog_watches_everybody_else_and_the_robot_listens_to_it():
    cut = slices(EVERYTHING)
    told = cut["watchdogd"]
    assert [watched.name for watched in told.processes] == names(EVERYTHING)[1:]
    assert cut["robotd"].robot.watchdogs == (told.identity,)
    assert devices(EVERYTHING)[told.identity] is Role.GUARD
    assert told.robots == {EVERYTHING.robot.name: EVERYTHING.robot.guard}


def test_only_the_relays_end_holds_the_robot_and_no_pace_is_finer_than_our_own_lateness():
    told = slices(EVERYTHING)["watchdogd"]
    assert {w.name: w.floor for w in told.processes if w.floor != "none"} == {"relayd": "hold"}
    assert all(w.hang_ms * MS >= LATE_NS for w in told.processes)


def test_flows_are_topics_between_processes_that_are_watched():
    told = slices(EVERYTHING)["watchdogd"]
    watched = {w.name for w in told.processes}
    assert told.flows
    assert all({flow.source, flow.sink} <= watched for flow in told.flows)


def test_no_bed_no_monitor():
    assert not {"monitord", "alarmd"} & set(names(NodeConfig()))
    assert NodeConfig().monitor.identity not in devices(NodeConfig())


def test_a_bed_has_a_monitor_with_a_key_that_may_lower_what_robots_do():
    assert {"monitord", "alarmd"} <= set(names(WARD))
    assert devices(WARD)[WARD.monitor.identity] is Role.GUARD
    told = slices(WARD)["monitord"]
    assert told.beds == ("icu/1", "or/1")
    assert msgspec.json.decode(msgspec.json.encode(told), type=MonitordSettings) == told
    alarms = slices(WARD)["alarmd"]
    assert (alarms.beds, alarms.identity) == (told.beds, told.identity)


def test_no_wire_no_process_for_it():
    assert "estopd" not in names(NodeConfig())
    assert "estopd" not in names(parse("[robot]\nestops = ['far']")), "another computer says it"


def test_a_wired_button_has_a_process_above_the_robot_and_a_key_that_may_stop_it():
    assert names(WIRED)[:3] == ["watchdogd", "estopd", "robotd"]
    assert devices(WIRED)["pillar"] is Role.GUARD
    assert "far" not in devices(WIRED), "whose key is made where it is"
    cut = slices(WIRED)
    told = cut["estopd"]
    assert cut["robotd"].robot.estops == ("pillar", "far")
    assert list(told.buttons) == ["pillar"]
    assert (told.robot, told.guard) == (WIRED.robot.name, WIRED.robot.guard)
    assert msgspec.json.decode(msgspec.json.encode(told), type=EstopdSettings) == told
    assert next(w for w in cut["watchdogd"].processes if w.name == "estopd").floor == "none"


def test_no_endpoint_no_pages():
    assert "webd" not in names(parse("metrics.listen = ''\nweb.listen = ''"))
    assert "webd" in names(parse("metrics.listen = ''"))


def test_no_room_no_recorder():
    assert "recordd" not in names(parse("[record]\ntotal_mb = 0"))


def test_every_row_has_a_slice_that_its_process_understands():
    assert set(SLICES) == {row.name for row in PROCESSES}
    for name, settings in slices(EVERYTHING, skew_seed=1).items():
        assert msgspec.json.decode(msgspec.json.encode(settings), type=SETTINGS[name]) == settings


def test_slices_carry_the_tables_priorities():
    process = slices(EVERYTHING)["relayd"].process
    assert (process.name, process.fifo, process.pm_qos) == ("relayd", 55, True)


def test_without_real_time_nobody_asks_for_rights():
    config = parse("[node]\nrealtime = false\n[robot]\ndriver = 'teleop.sim.simd'")
    for settings in slices(config).values():
        assert settings.process.fifo == 0
        assert settings.process.nice >= 0


def test_clocks_are_shared_unless_a_seed_is_given():
    assert all(s.process.skew_seed is None for s in slices(EVERYTHING).values())
    seeds = [s.process.skew_seed for s in slices(EVERYTHING, skew_seed=7).values()]
    assert len(set(seeds)) == len(seeds)
    assert seeds == [s.process.skew_seed for s in slices(EVERYTHING, skew_seed=7).values()]


def test_ends_meet(tmp_path: Path):
    """Where one process listens another one connects, as whom the keys say."""
    (tmp_path / "node.toml").write_text(
        "[relay]\nconsole = 'tcp://*:9001'\nrobot = 'tcp://0.0.0.0:9002'\n"
        "[session]\nlisten = 'tcp://10.0.0.1:9003'\n"
        "[robot]\nname = 'arm-7'\nguard = 'tcp://[::]:9004'\ndriver = 'teleop.sim.simd'\n"
    )
    config = load(tmp_path / "node.toml")
    cut = slices(config)
    robotd, sessiond, simd = cut["robotd"], cut["sessiond"], cut["simd"]
    assert robotd.links[0].endpoint == "tcp://127.0.0.1:9002"
    assert sessiond.robots == {"arm-7": "tcp://127.0.0.1:9004"}
    assert simd.driver == f"{config.run_dir}/driver-arm-7.sock"
    console = console_slice(config, Wish(link="udp", device="script"), "/dev/shm/x")
    assert console.link.endpoint == "tcp://127.0.0.1:9001"
    assert console.session == "tcp://10.0.0.1:9003"
    assert console.process.run_dir == "/dev/shm/x"
    for identity in (robotd.identity, robotd.links[0].server, sessiond.identity, sessiond.signer):
        assert identity in devices(config)
    assert robotd.signers == console.signers == (sessiond.signer,)
    assert devices(config)["arm-7"] is Role.ROBOT


@pytest.mark.parametrize("module", [*CARRIERS.values(), NodeConfig().robot.link])
def test_carriers_are_modules_that_connect(module: str):
    assert hasattr(importlib.import_module(module), "connect")


@pytest.mark.parametrize(
    ("listens", "connects"),
    [
        ("tcp://*:1", "tcp://127.0.0.1:1"),
        ("tcp://0.0.0.0:1", "tcp://127.0.0.1:1"),
        ("tcp://[::]:1", "tcp://127.0.0.1:1"),
        ("tcp://[::1]:1", "tcp://[::1]:1"),
        ("udp://edge.example:1", "udp://edge.example:1"),
    ],
)
def test_reachable(listens: str, connects: str):
    assert reachable(listens) == connects
