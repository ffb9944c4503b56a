"""What a robot says in the tests of those who only listen: one arm that follows, at a fixture."""

from __future__ import annotations

from safety.clamp import Rule
from safety.messages import ArmState, Driver, RobotState
from safety.state import Cause, State
from transport.wire.vector import Setpoint, Twist, pack_joints, pack_setpoint, pack_twist

POWERED = Driver.CONNECTED | Driver.SIMULATED | Driver.ENABLED
BRAKED = Driver.CONNECTED | Driver.BRAKED
MEASURED = Setpoint(0.01, -0.02, -0.1, 1.0, 0.0, 0.0, 0.0, 0.5)
SETPOINT = MEASURED._replace(x=0.011, jaw=0.6)
REQUESTED = SETPOINT._replace(x=0.02)
MOVING = Twist(0.031, 0.0, 0.0, 0.0, 0.0, 0.1)


def arm(**changes: object) -> ArmState:
    said = {
        "arm": 0,
        "seq": 7,
        "clutch_id": 1,
        "residence_ns": 0,
        "hops": b"",
        "admitted": 7,
        "merged": 0,
        "late": 0,
        "following": True,
        "measured": pack_setpoint(MEASURED),
        "velocity": pack_twist(MOVING),
        "joints": pack_joints((0.5, -0.25, 0.125)),
        "setpoint": pack_setpoint(SETPOINT),
        "requested": pack_setpoint(REQUESTED),
        "rule": Rule.FIXTURE,
        "fixture": 2,
        "filter_us": 0,
    }
    return ArmState(**{**said, **changes})


def robot(*of_arms: ArmState, **changes: object) -> RobotState:
    said = {
        "kind": 17,
        "robot": "psm1",
        "boot": bytes(8),
        "tick": 250,
        "session": bytes(8),
        "epoch": 1,
        "epoch_max": 1,
        "state": State.ENGAGED,
        "cause": Cause.PRESSED,
        "estop_seen": False,
        "driver": POWERED,
        "arms": of_arms or (arm(),),
        "tag": None,
    }
    return RobotState(**{**said, **changes})
