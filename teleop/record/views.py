"""What of a robot's tape people look at in Foxglove: its state, transitions, poses, latencies.

The tape itself is beside it, whole; this is a digest of it, at most one of a kind a look (50 ms)
but for transitions, of which each counts. Channels are JSON with a schema; poses are those of
Foxglove itself (`foxglove.PoseInFrame`), so that its 3D panel shows them without a word.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from statistics import median
from typing import Any, Final, NamedTuple

import msgspec

from safety.gate import Verdict
from safety.messages import ArmState, Event, RobotState
from safety.state import WORDS, Cause, State
from teleop.record.archive import Channel
from teleop.robot.outbox import To
from teleop.robot.records import Drained, Kind
from transport.telemetry.tape import Entry
from transport.wire.codec import Registry
from transport.wire.vector import unpack_setpoint

_DRAINED = msgspec.msgpack.Decoder(Drained)
_STATES = Registry((RobotState,))
_EVENTS = Registry((Event,))


class View(NamedTuple):
    """A message for people: its channel, when on the robot's clock, and its text."""

    channel: Channel
    t_ns: int
    data: bytes


class StateView(msgspec.Struct, frozen=True):
    """What a robot permits, and why no more."""

    state: str
    cause: str
    words: str
    session: str
    epoch: int
    driver: int
    estop_seen: bool
    seq: int
    following: bool
    jaw_rad: float


class TransitionView(msgspec.Struct, frozen=True):
    """One change of state; `old` and `new` are the same when it only tells of something."""

    old: str
    new: str
    cause: str
    words: str
    epoch: int
    seq: int
    t_ns: int


class LatencyView(msgspec.Struct, frozen=True):
    """Commands since the last message: how many, their fate, and the age of their picture."""

    commands: int
    applied: int
    late: int
    loop_p50_us: float
    loop_max_us: float


class _Time(msgspec.Struct, frozen=True):
    sec: int
    nsec: int


class _Vector(msgspec.Struct, frozen=True):
    x: float
    y: float
    z: float


class _Quaternion(msgspec.Struct, frozen=True):
    x: float
    y: float
    z: float
    w: float


class _Pose(msgspec.Struct, frozen=True):
    position: _Vector
    orientation: _Quaternion


class PoseInFrame(msgspec.Struct, frozen=True):
    """A pose in a frame, as Foxglove wants it."""

    timestamp: _Time
    frame_id: str
    pose: _Pose


def views(entries: Iterable[Entry], utc_of: int) -> Iterator[View]:
    """Digest the records of a robot's tape.

    Parameters
    ----------
    entries : since the last look
    utc_of : what turns a time on the robot's clock into one of the wall's, by addition
    """
    said, said_ns, judged, t_ns = b"", 0, [], 0
    for entry in entries:
        if entry.kind != Kind.DRAIN:
            continue
        drained, t_ns = _DRAINED.decode(entry.data), entry.t_ns
        judged += drained.records
        for to, data in drained.out:
            if to == To.RELAYS:
                said, said_ns = data, t_ns
            elif to == To.GUARD and data[2] == Event.KIND:
                yield _transition(data)
    if said:
        yield from _state(_STATES.expect(said, RobotState), said_ns, said_ns + utc_of)
    if judged:
        yield _latency(judged, t_ns)


def _transition(data: bytes) -> View:
    event = _EVENTS.expect(data, Event)
    cause = Cause(event.cause)
    seen = TransitionView(
        State(event.old).name,
        State(event.new).name,
        cause.name,
        WORDS[cause],
        event.epoch,
        event.seq,
        event.t_ns,
    )
    return _view(f"/{event.robot}/transition", seen, event.t_ns)


def _state(state: RobotState, t_ns: int, t_utc_ns: int) -> Iterator[View]:
    cause, first = Cause(state.cause), state.arms[0]
    seen = StateView(
        State(state.state).name,
        cause.name,
        WORDS[cause],
        state.session.hex(),
        state.epoch,
        state.driver,
        state.estop_seen,
        first.seq,
        first.following,
        unpack_setpoint(first.measured).jaw,
    )
    yield _view(f"/{state.robot}/state", seen, t_ns)
    for arm in state.arms:
        yield from _poses(state.robot, arm, t_ns, t_utc_ns)


def _poses(robot: str, arm: ArmState, t_ns: int, t_utc_ns: int) -> Iterator[View]:
    timestamp = _Time(*divmod(t_utc_ns, 1_000_000_000))
    for name, data in (("measured", arm.measured), ("setpoint", arm.setpoint)):
        x, y, z, qw, qx, qy, qz, _ = unpack_setpoint(data)
        pose = _Pose(_Vector(x, y, z), _Quaternion(qx, qy, qz, qw))
        seen = PoseInFrame(timestamp, f"{robot}_base", pose)
        yield _view(f"/{robot}/arm{arm.arm}/{name}", seen, t_ns)


def _latency(judged: list[tuple[int, int, int, int, int, bool]], t_ns: int) -> View:
    loops = [loop_ns for *_, loop_ns, _ in judged if loop_ns]
    seen = LatencyView(
        len(judged),
        sum(applied for *_, applied in judged),
        sum(record[3] == Verdict.LATE for record in judged),
        median(loops) / 1e3 if loops else 0.0,
        max(loops, default=0) / 1e3,
    )
    return _view("/latency", seen, t_ns)


def _view(topic: str, seen: msgspec.Struct, t_ns: int) -> View:
    return View(_channel(topic, type(seen)), t_ns, msgspec.json.encode(seen))


_NAMES: Final[dict[type, str]] = {PoseInFrame: "foxglove.PoseInFrame"}


@cache
def _channel(topic: str, kind: type[msgspec.Struct]) -> Channel:
    name = _NAMES.get(kind, f"trocar.{kind.__name__.removesuffix('View')}")
    return Channel(topic, "json", name, schema_of(kind))


def schema_of(kind: type[msgspec.Struct]) -> str:
    """Write a JSON schema that refers to nothing: readers need not follow references."""
    (schema,), parts = msgspec.json.schema_components([kind], ref_template="{name}")
    return msgspec.json.encode(_whole(schema, parts)).decode()


def _whole(schema: Any, parts: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_whole(item, parts) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _whole(parts[schema["$ref"]], parts)
    return {key: _whole(value, parts) for key, value in schema.items()}
