"""What Foxglove is shown: each transition, and of all else the newest of a look, by a schema."""

import json
import math

import msgspec
import pytest

from safety.state import State
from teleop.record.views import (
    LatencyView,
    PoseInFrame,
    StateView,
    TransitionView,
    schema_of,
    views,
)
from tests.teleop.record.days import EPOCH_NS, moving, tapes

KINDS = {
    "trocar.State": StateView,
    "trocar.Transition": TransitionView,
    "trocar.Latency": LatencyView,
    "foxglove.PoseInFrame": PoseInFrame,
}


@pytest.fixture(scope="module")
def seen():
    world = moving()
    found = list(views(tapes(world)[0], EPOCH_NS))
    return world, found


def test_every_transition_is_there(seen):
    world, found = seen
    told = [msgspec.json.decode(v.data) for v in found if v.channel.topic == "/psm1/transition"]
    moves = [(t["old"], t["new"], t["cause"], t["t_ns"]) for t in told]
    assert moves == [
        (t.old.name, t.new.name, t.cause.name, t.t_ns) for t in world.robot.transitions
    ]


def test_the_newest_state_and_its_poses_are_there(seen):
    world, found = seen
    by_topic = {view.channel.topic: msgspec.json.decode(view.data) for view in found}
    assert by_topic["/psm1/state"]["state"] == State.ENGAGED.name
    pose = by_topic["/psm1/arm0/setpoint"]
    assert pose["frame_id"] == "psm1_base"
    assert math.hypot(*pose["pose"]["orientation"].values()) == pytest.approx(1.0)
    setpoint = world.robot.agent.arms[0].setpoint
    assert pose["pose"]["position"]["z"] == pytest.approx(setpoint.z, abs=1e-3)


def test_latencies_are_of_all_commands(seen):
    world, found = seen
    (latency,) = (msgspec.json.decode(v.data) for v in found if v.channel.topic == "/latency")
    assert latency["commands"] == len(world.robot.records)
    assert 0 < latency["loop_p50_us"] < latency["loop_max_us"]


def test_messages_are_as_their_schemas_say(seen):
    _, found = seen
    for view in found:
        kind = KINDS[view.channel.schema]
        msgspec.json.decode(view.data, type=kind)
        schema = json.loads(view.channel.text)
        assert schema["type"] == "object"
        assert set(schema["properties"]) == set(msgspec.json.decode(view.data))


@pytest.mark.parametrize("kind", KINDS.values())
def test_a_schema_refers_to_nothing(kind):
    assert "$ref" not in schema_of(kind)
