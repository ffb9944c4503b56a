"""What an operator says, what a robot answers, and the one message that removes permission.

`Command` and `State` are sealed end to end: their last field is a tag (HMAC-SHA-256 cut to
128 bit) over every byte before it, under a key that only the console and the robot hold
(safety.grant). A relay can judge what it cannot change.
"""

from __future__ import annotations

from enum import IntFlag
from typing import Annotated, ClassVar, Literal

import msgspec

from transport.wire.codec import (
    HOPS_BYTES_MAX,
    U8,
    U32,
    U63,
    Bin8,
    Bin16,
    Bin48,
    Bin64,
    Message,
    Name,
    Text,
)


class Flags(IntFlag):
    """Levels of the hand's devices, in every command: none is an event that could be lost."""

    DEADMAN = 1  #: the enabling device is held
    CLUTCH = 2  #: hands move, the instrument does not
    ESTOP = 4  #: the console's emergency stop is pressed
    CAMERA = 8  #: camera clutch: the hands move the endoscope
    CUT = 16  #: energy: cut pedal
    COAG = 32  #: energy: coagulation pedal
    BIPOLAR = 64  #: energy: bipolar pedal


# Plain integers for the hot path, where an operator of IntFlag costs more than a tag.
DEADMAN = int(Flags.DEADMAN)
CLUTCH = int(Flags.CLUTCH)
ESTOP = int(Flags.ESTOP)
CAMERA = int(Flags.CAMERA)
ENERGY = int(Flags.CUT | Flags.COAG | Flags.BIPOLAR)


class Driver(IntFlag):
    """What a robot's driver says of itself."""

    CONNECTED = 1  #: there is one; set by the robot's side, not by the driver
    SIMULATED = 2  #: nothing real moves
    ENABLED = 4  #: stands under power and follows
    BRAKED = 8  #: brakes are on


class Command(Message, frozen=True):
    """Where one hand wants one instrument: an absolute pose in the clutch's frame.

    Parameters
    ----------
    robot, arm : which instrument; sequences are per (robot, arm)
    session, epoch : the grant that this command is given under
    seq : +1 per command of this arm
    t_tx : ns, the console's monotonic clock at sending; means nothing elsewhere
    tick_echo : newest robot tick (RobotState.tick) that the console has verified; the robot and the
        relay take the command's age from it, each on its own clock
    press_id : +1 at each press of the deadman
    clutch_id : +1 at each release of the clutch: a new reference frame C
    input_seq : +1 each time the hand's device was read, changed or not
    input_age : ns from that reading to sending
    flags : `Flags`
    seen_frame_id : newest endoscope frame on the surgeon's display, 0 when none
    mode : 0 pose; others are reserved and refused by the gate
    tool : the instrument asked for at this arm, 0 keeps the present one
    setpoint : X_CH, hand H in the clutch's frame C, with jaw (transport.wire.vector); C has the
        axes of the robot's base and its origin wherever the console likes: the robot follows
        differences of position from the re-reference on, and orientation as it is
    previous, earlier : setpoints of seq-1 and seq-2, nil unless press_id, clutch_id, mode and
        flags were the same; they repair short losses, nothing is extrapolated
    tag : over all bytes before it
    """

    KIND: ClassVar[int] = 16
    BYTES_MAX: ClassVar[int] = 512
    kind: Literal[16]
    robot: Name
    arm: U8
    session: Bin8
    epoch: U63
    seq: U63
    t_tx: U63
    tick_echo: U63
    press_id: U32
    clutch_id: U32
    input_seq: U63
    input_age: U32
    flags: U8
    seen_frame_id: U63
    mode: U8
    tool: U8
    setpoint: Bin64
    previous: Bin64 | None
    earlier: Bin64 | None
    tag: Bin16


class CommandHead(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=1):
    """The leading fields of a `Command`: all that a relay reads to judge one."""

    kind: Literal[16]
    robot: Name
    arm: U8
    session: Bin8
    epoch: U63
    seq: U63
    t_tx: U63
    tick_echo: U63


#: Joint positions as the driver said them: sixteen at most.
Joints = Annotated[bytes, msgspec.Meta(max_length=128)]
#: Hop records as they came; at most what `transport.wire.codec.split` lets through.
Hops = Annotated[bytes, msgspec.Meta(max_length=HOPS_BYTES_MAX)]


class ArmState(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """One arm within `RobotState`.

    Parameters
    ----------
    arm : number of the arm
    seq : newest admitted command, 0 when none in this session
    clutch_id : of that command
    residence_ns : from that command's arrival at the robot to this state's departure
    hops : hop records of that command, as they came
    admitted, merged, late : commands of this session by their fate at the robot: judged good and
        used, superseded before use, refused for age
    following : whether the setpoint follows the hand now
    measured : X_BT measured_cp, instrument tip T in the robot's base B, with jaw
    velocity : measured_cv of the tip in B (transport.wire.vector.Twist)
    joints : measured_js, little-endian float64, rad or m; empty when the driver does not say
    setpoint : X_BT setpoint_cp: what was applied
    requested : X_BT that the hand asked for, before fixtures and limits
    rule, fixture : `safety.clamp.Rule` that kept `setpoint` from `requested`, or the driver from
        `setpoint`; with FIXTURE its number in the robot's table, from 1
    filter_us : delay that the tremor filter adds for slow motion, 0 when it is off
    """

    arm: U8
    seq: U63
    clutch_id: U32
    residence_ns: U32
    hops: Hops
    admitted: U63
    merged: U63
    late: U63
    following: bool
    measured: Bin64
    velocity: Bin48
    joints: Joints
    setpoint: Bin64
    requested: Bin64
    rule: U8
    fixture: U8
    filter_us: U32


class RobotState(Message, frozen=True):
    """What a robot says of itself, at 250 Hz or more.

    Parameters
    ----------
    robot : its name
    boot : id of the robot's key of this boot
    tick : +1 per state since boot, from 1
    session, epoch : the accepted grant; zeros when there is none
    epoch_max : highest epoch that the robot ever accepted
    state, cause : `safety.state.State`, `safety.state.Cause`
    estop_seen : an emergency stop is latched here: whoever pressed may stop repeating it
    driver : `Driver`
    arms : one `ArmState` per arm
    tag : under the session's robot-to-console key; nil without a session
    """

    KIND: ClassVar[int] = 17
    BYTES_MAX: ClassVar[int] = 3072
    kind: Literal[17]
    robot: Name
    boot: Bin8
    tick: U63
    session: Bin8
    epoch: U63
    epoch_max: U63
    state: U8
    cause: U8
    estop_seen: bool
    driver: U8
    arms: tuple[ArmState, ...]
    tag: Bin16 | None


class StateHead(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=1):
    """The leading fields of a `RobotState`: all that a relay reads."""

    kind: Literal[17]
    robot: Name
    boot: Bin8
    tick: U63
    session: Bin8


class Event(Message, frozen=True):
    """A transition at a robot: (from, to, cause, epoch, seq, t), told over the guard.

    Parameters
    ----------
    t_ns : the robot's monotonic clock
    old, new, cause : `safety.state`
    seq : newest admitted command of arm 0
    """

    KIND: ClassVar[int] = 18
    kind: Literal[18]
    robot: Name
    boot: Bin8
    epoch: U63
    t_ns: U63
    old: U8
    new: U8
    cause: U8
    seq: U63


class Ceiling(Message, frozen=True):
    """The one message that removes permission: it lowers, and never raises.

    Parameters
    ----------
    source : who says so; bound to the key of the connection
    robot : which robot
    max_state : highest state permitted (`safety.state.State`); ENGAGED lifts this source's ceiling
    cause : a word for people and records
    ttl_ms : after this the ceiling becomes the source's silence policy
    """

    KIND: ClassVar[int] = 19
    BYTES_MAX: ClassVar[int] = 1152  # names and cause in any script: never refused for words
    kind: Literal[19]
    source: Name
    robot: Name
    max_state: U8
    cause: Text
    ttl_ms: U32


class Bedside(Message, frozen=True):
    """What the team at the robot says over its local socket (0600): no network is involved.

    Parameters
    ----------
    verb : reset (leave a latched stop), estop, take and give (LOCAL), stop (a held key is
        up), status (say how it stands)
    """

    KIND: ClassVar[int] = 20
    kind: Literal[20]
    verb: Literal["reset", "estop", "take", "give", "stop", "status"]


VOCABULARY: tuple[type[Message], ...] = (Command, RobotState, Event, Ceiling, Bedside)
TAG_BYTES = 16
NO_TAG = bytes(TAG_BYTES)
NO_SESSION = bytes(8)
