"""Cuts a node's configuration into the settings of its processes: one function each.

A process sees nothing of node.toml but its slice, so what it may know is what stands here.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from monitor.settings import AlarmdSettings, CoupledRobot, MonitordSettings
from safety.grant import Role
from safety.settings import WatchdogdSettings
from safety.watched import Flow, Watched
from teleop.console.operator import OperatorSettings
from teleop.node import audit
from teleop.node.processes import CONSOLE, FLOWS, PROCESSES, WATCHDOG, Process
from teleop.node.sections import NodeConfig
from teleop.robot.agent import RobotSettings
from teleop.robot.settings import EstopdSettings, RobotdSettings
from teleop.settings import (
    EndoscopedSettings,
    NativedSettings,
    RecorddSettings,
    RelaydSettings,
    SessiondSettings,
    SimdSettings,
    VideodSettings,
    WebdSettings,
)
from teleop.topics import TOPICS
from transport.io.camera import CameraSettings
from transport.io.hub import HubSettings
from transport.io.link import LinkSettings
from transport.io.process import ProcessSettings

#: How a native console reaches its relay, by the word of `trocar console --link`.
CARRIERS: Final = {"udp": "transport.io.links.udp", "zmq": "transport.io.links.zmq"}


class Wish(NamedTuple):
    """What a scripted native console shall do.

    Parameters
    ----------
    device : its device in the node's key directory
    link : a word of `CARRIERS`
    script : a name of `teleop.console.script.SCRIPTS`
    keyboard : a person's keys are the hand, not the script
    scale : instrument motion per hand motion
    arm : which of the robot's arms
    bed : the bed that is meant, as it was bound at the robot
    seconds : of motion; 0 until stopped
    patience_s : how long it asks for the robot
    yields : never take the robot from another console
    skew_seed : give it a clock of its own (demo, tests, bench)
    """

    device: str = "script"
    link: str = "udp"
    script: str = "figure8"
    keyboard: bool = False
    scale: float = 0.2
    arm: int = 0
    rate_hz: int = 1000
    bed: str = ""
    seconds: float = 0.0
    patience_s: float = 10.0
    yields: bool = False
    skew_seed: int | None = None


def slices(config: NodeConfig, skew_seed: int | None = None) -> dict[str, msgspec.Struct]:
    """Return the settings of every process that a node of this configuration runs, by name.

    Parameters
    ----------
    config : with absolute paths, as `config.load` gives it
    skew_seed : give each process a clock of its own, drawn from this (demo, tests, bench)
    """
    return {
        row.name: SLICES[row.name](config, process_slice(config, row, skew_seed))
        for row in rows(config)
    }


def rows(config: NodeConfig) -> tuple[Process, ...]:
    """Return the rows of the process table that a node of this configuration runs."""
    return tuple(row for row in PROCESSES if row.when(config))


def process_slice(
    config: NodeConfig, row: Process, skew_seed: int | None, run_dir: str = ""
) -> ProcessSettings:
    """Return what every process is told."""
    node = config.node
    return ProcessSettings(
        name=row.name,
        run_dir=run_dir or node.run_dir,
        fifo=row.fifo if node.realtime else 0,
        nice=row.nice if node.realtime else max(0, row.nice),
        pm_qos=node.pm_qos,
        skew_seed=None if skew_seed is None else skew_seed ^ zlib.crc32(row.name.encode()),
    )


def console_slice(config: NodeConfig, wish: Wish, run_dir: str, keys: str = "") -> NativedSettings:
    """Return what a scripted native console is told that uses this node.

    Parameters
    ----------
    run_dir : of the console's own; it outlives no console, whatever the node does
    keys : the board of a person's keys, when those are the hand
    """
    return NativedSettings(
        process=process_slice(config, CONSOLE, wish.skew_seed, run_dir),
        operator=OperatorSettings(
            console=wish.device,
            robot=config.robot.name,
            arm=wish.arm,
            role=Role.SURGEON if wish.keyboard else Role.SCRIPT,
            rate_hz=wish.rate_hz,
            scale=wish.scale,
            bed=wish.bed,
        ),
        script=wish.script,
        keys=keys,
        link=_link(config, CARRIERS[wish.link], config.relay.console, wish.device),
        session=reachable(config.session.listen),
        session_server=config.session.identity,
        signers=(config.session.signer,),
        seconds=wish.seconds,
        patience_s=wish.patience_s,
        yields=wish.yields,
    )


def store_path(config: NodeConfig) -> Path:
    """Return the file of what the robot must remember."""
    return Path(config.node.state_dir) / f"{config.robot.name}.store.json"


def records_path(config: NodeConfig) -> Path:
    """Return the folder of the node's recordings."""
    return Path(config.node.state_dir) / "records"


def authority_path(config: NodeConfig) -> Path:
    """Return the file of who holds what."""
    return Path(config.node.state_dir) / "authority.db"


def alarms_path(config: NodeConfig) -> Path:
    """Return the file of what alarms must remember."""
    return Path(config.node.state_dir) / "alarms.journal"


def reachable(endpoint: str) -> str:
    """Return where a process of this machine connects to reach what listens at `endpoint`."""
    scheme, _, address = endpoint.rpartition("://")
    host, _, port = address.rpartition(":")
    if host in ("*", "0.0.0.0", "[::]"):
        host = "127.0.0.1"
    return f"{scheme}://{host}:{port}"


def _relayd(config: NodeConfig, process: ProcessSettings) -> RelaydSettings:
    relay = config.relay
    return RelaydSettings(
        process=process,
        hub=HubSettings(
            keys=str(config.keys_dir),
            identity=relay.identity,
            path=relay.path_id,
            console=relay.console,
            robot=relay.robot,
            datagram=relay.datagram,
        ),
        tape=config.record.total_mb > 0,
    )


def _robotd(config: NodeConfig, process: ProcessSettings) -> RobotdSettings:
    robot = config.robot
    return RobotdSettings(
        process=process,
        robot=RobotSettings(
            name=robot.name,
            arms=robot.arms,
            state_rate_hz=robot.state_rate_hz,
            limits=robot.limits,
            shape=robot.shape,
            # A hand-over begins with a HOLD by the session service; its silence ends no session.
            ceilings={config.session.identity: "none", **robot.ceilings},
            estops=robot.estops,
            watchdogs=(config.watchdog.identity,) if config.watchdog.identity else (),
        ),
        links=(_link(config, robot.link, config.relay.robot, robot.name),),
        keys=str(config.keys_dir),
        identity=robot.name,
        guard=robot.guard,
        signers=(config.session.signer,),
        store=str(store_path(config)),
        driver=robot.driver_listen,
        tape=config.record.total_mb > 0,
    )


def _estopd(config: NodeConfig, process: ProcessSettings) -> EstopdSettings:
    return EstopdSettings(
        process=process,
        robot=config.robot.name,
        guard=reachable(config.robot.guard),
        keys=str(config.keys_dir),
        buttons=config.estop,
    )


def _watchdogd(config: NodeConfig, process: ProcessSettings) -> WatchdogdSettings:
    watched = [row for row in rows(config) if row.name != process.name]
    topics = {topic.name: topic for topic in TOPICS}
    return WatchdogdSettings(
        process=process,
        keys=str(config.keys_dir),
        identity=config.watchdog.identity,
        robots={config.robot.name: reachable(config.robot.guard)},
        processes=tuple(
            Watched(name=row.name, fifo=row.fifo, hang_ms=row.watch.hang_ms, floor=row.watch.floor)
            for row in watched
        ),
        flows=tuple(
            Flow(
                topic=name,
                rate_hz=topics[name].rate_hz,
                source=topics[name].source,
                sink=topics[name].sink,
                sent=counts.sent,
                arrived=counts.arrived,
                floor=counts.floor,
            )
            for name, counts in FLOWS.items()
        ),
    )


def _sessiond(config: NodeConfig, process: ProcessSettings) -> SessiondSettings:
    session = config.session
    return SessiondSettings(
        process=process,
        keys=str(config.keys_dir),
        identity=session.identity,
        signer=session.signer,
        listen=session.listen,
        robots={config.robot.name: reachable(config.robot.guard)},
        store=str(authority_path(config)),
        audit=str(audit.folder(config)),
        audit_head=str(audit.second(config)),
    )


def _simd(config: NodeConfig, process: ProcessSettings) -> SimdSettings:
    return SimdSettings(
        process=process,
        driver=str(config.run_dir / f"driver-{config.robot.name}.sock"),
        arms=config.robot.arms,
        measure_rate_hz=config.sim.measure_rate_hz,
        model=config.sim.model,
    )


def _endoscoped(config: NodeConfig, process: ProcessSettings) -> EndoscopedSettings:
    endoscope = config.endoscope
    return EndoscopedSettings(
        process=process,
        width=endoscope.width,
        height=endoscope.height,
        rate_hz=endoscope.rate_hz,
        strip=endoscope.strip,
    )


def _recordd(config: NodeConfig, process: ProcessSettings) -> RecorddSettings:
    record = config.record
    return RecorddSettings(
        process=process,
        folder=str(records_path(config)),
        file_mb=record.file_mb,
        file_s=record.file_s,
        total_mb=record.total_mb,
    )


def _videod(config: NodeConfig, process: ProcessSettings) -> VideodSettings:
    video = config.video
    first, last = video.udp_ports
    return VideodSettings(
        process=process,
        camera=CameraSettings(
            module=video.camera,
            url=video.url,
            width=video.width,
            height=video.height,
            rate_hz=video.rate_hz,
        ),
        bit_rate=video.bit_rate,
        addresses=video.addresses,
        port_first=first,
        port_last=last,
        public=video.public,
    )


def _monitord(config: NodeConfig, process: ProcessSettings) -> MonitordSettings:
    monitor = config.monitor
    return MonitordSettings(
        process=process,
        keys=str(config.keys_dir),
        identity=monitor.identity,
        listen=monitor.listen,
        publish=monitor.publish,
        beds=monitor.beds,
        sensors=monitor.sensors,
        leads=monitor.leads,
        spo2_curve=monitor.spo2_curve,
    )


def _alarmd(config: NodeConfig, process: ProcessSettings) -> AlarmdSettings:
    robot = CoupledRobot(
        name=config.robot.name,
        bed=config.alarms.robot_bed,
        guard=reachable(config.robot.guard),
        state=f"state.{config.relay.path_id}.ipc",
        policy=config.alarms.robot_policy,
    )
    return AlarmdSettings(
        process=process,
        keys=str(config.keys_dir),
        identity=config.monitor.identity,
        publish=config.alarms.publish,
        desk=config.alarms.desk,
        beds=config.monitor.beds,
        store=str(alarms_path(config)),
        audit=str(audit.folder(config)),
        audit_head=str(audit.second(config)),
        signer=config.session.signer,
        robot=robot if robot.bed else None,
    )


def _webd(config: NodeConfig, process: ProcessSettings) -> WebdSettings:
    web = config.web
    return WebdSettings(
        process=process,
        metrics=config.metrics.listen,
        listen=web.listen,
        name=web.name,
        certificate=web.certificate,
        key=web.key,
        cameras=(0,) if config.video.camera else (),
    )


def _link(config: NodeConfig, module: str, endpoint: str, identity: str) -> LinkSettings:
    return LinkSettings(
        module=module,
        endpoint=reachable(endpoint),
        keys=str(config.keys_dir),
        identity=identity,
        server=config.relay.identity,
    )


SLICES: Final[dict[str, Callable[[NodeConfig, ProcessSettings], msgspec.Struct]]] = {
    WATCHDOG: _watchdogd,
    "estopd": _estopd,
    "robotd": _robotd,
    "relayd": _relayd,
    "simd": _simd,
    "sessiond": _sessiond,
    "endoscoped": _endoscoped,
    "recordd": _recordd,
    "alarmd": _alarmd,
    "monitord": _monitord,
    "videod": _videod,
    "webd": _webd,
}
