"""How and where a setpoint may move: the numbers of one robot.

Their hash is in every grant (teleop.robot.agent): a console that was granted others than the robot
has loaded is refused. `safety.limiter` applies them.
"""

from __future__ import annotations

import math
from typing import Annotated

import msgspec

#: m/s or rad/s. No instrument is faster; and neither zero nor infinity is a limit.
Speed = Annotated[float, msgspec.Meta(gt=0.0, le=10.0, description="a number above 0, at most 10")]
Acceleration = Annotated[
    float, msgspec.Meta(gt=0.0, le=1000.0, description="a number above 0, at most 1000")
]
Metres = Annotated[float, msgspec.Meta(gt=0.0, le=2.0, description="0 to 2, in metres")]
Coordinate = Annotated[float, msgspec.Meta(ge=-2.0, le=2.0)]
Corner = tuple[Coordinate, Coordinate, Coordinate]
Lag = Annotated[float, msgspec.Meta(gt=0.0, le=0.1, description="0 to 0.1, in metres")]
Angle = Annotated[float, msgspec.Meta(gt=0.0, le=math.pi, description="0 to pi")]


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an arm's tip may do.

    Parameters
    ----------
    speed_m_s, turn_rad_s, jaw_rad_s : in ENGAGED
    degraded_speed_m_s : in DEGRADED; turn and jaw are lowered in the same ratio
    local_speed_m_s : by the bedside's own keys; turn and jaw are lowered in the same ratio
    local_jaw_rad : so far they open a jaw
    acceleration_m_s2, turn_rad_s2 : how fast it may gain speed (safety.governor)
    window_m, window_rad : within any 250 ms it comes no further from where it was
    step_m : a command that asks for more than this beside the speed is a leap: three in a second
        are a PROTECTIVE_STOP
    brake_m_s2, brake_rad_s2 : how it comes to rest; jaws like orientation (safety.brake)
    corner_m_min, corner_m_max, reach_m : the fence in the robot's base B: a box, and the greatest
        distance from the remote centre, B's origin; a PSM's reach is within the defaults
    beyond_m_max : a hand that asks for a place further beyond the fence is a HOLD
    lag_m_max : in DEGRADED, a setpoint that trails the hand by more than this is a HOLD
    following_m_max, following_rad_max : an arm further from its setpoint than this does not
        follow: a HOLD, and at rest a PROTECTIVE_STOP
    """

    speed_m_s: Speed = 0.5
    turn_rad_s: Speed = 6.0
    jaw_rad_s: Speed = 6.0
    degraded_speed_m_s: Speed = 0.1
    local_speed_m_s: Speed = 0.02
    local_jaw_rad: Angle = 1.0
    acceleration_m_s2: Acceleration = 10.0
    turn_rad_s2: Acceleration = 150.0
    window_m: Metres = 0.1
    window_rad: Angle = 1.2
    step_m: Metres = 0.02
    brake_m_s2: Acceleration = 8.0
    brake_rad_s2: Acceleration = 100.0
    corner_m_min: Corner = (-0.25, -0.25, -0.26)
    corner_m_max: Corner = (0.25, 0.25, -0.02)
    reach_m: Metres = 0.26
    beyond_m_max: Lag = 0.005
    lag_m_max: Lag = 0.002
    following_m_max: Lag = 0.005
    following_rad_max: Angle = 0.3

    def __post_init__(self) -> None:
        if not all(a < b for a, b in zip(self.corner_m_min, self.corner_m_max, strict=True)):
            raise ValueError("corner_m_min is not below corner_m_max in every coordinate")
