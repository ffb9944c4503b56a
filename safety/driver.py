"""The driver protocol: what passes between Trocar's robot side and a robot's own controller.

Three verbs: the driver says `Measure`, Trocar says `Servo` and `Stop`. A process boundary, so a
controller in any language needs none of Trocar's code; see docs/driver.md.

Rules a driver keeps
--------------------
1. Refuse a `Servo` when its own clock is past `driver_tick + valid_for_us`.
2. No accepted `Servo` for 30 ms while enabled: controlled stop, then brakes.
3. After a stop, follow again only after `Stop(category=None)` (clear).
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec

from transport.wire.codec import U8, U32, U63, Bin48, Bin64, Message

#: A setpoint is refused by the driver when it answers a measurement older than this.
VALID_FOR_US = 30_000


class Measure(Message, frozen=True):
    """What the driver measured.

    Parameters
    ----------
    driver_tick : ns on the driver's own clock; Trocar only echoes it
    instance : differs after each start of the driver
    flags : `safety.messages.Driver` (simulated, enabled, braked)
    arm : which arm
    joints : joint positions, little-endian float64, rad or m
    measured : measured_cp, X_BT, tip T in base B, with jaw (transport.wire.vector)
    velocity : measured_cv of the tip in B (transport.wire.vector.Twist); zeros when not measured
    rule : `safety.clamp.Rule` by which the driver holds this arm back, 0 when it follows
    """

    KIND: ClassVar[int] = 32
    BYTES_MAX: ClassVar[int] = 512
    kind: Literal[32]
    driver_tick: U63
    instance: U63
    flags: U8
    arm: U8
    joints: Annotated[bytes, msgspec.Meta(max_length=128)]
    measured: Bin64
    velocity: Bin48
    rule: U8


class Servo(Message, frozen=True):
    """Where the arm shall be now.

    Parameters
    ----------
    arm : which arm
    seq : the command that this comes from; for records only
    driver_tick : newest `Measure.driver_tick` that Trocar has seen from this arm
    valid_for_us : the driver refuses when its clock is past driver_tick + this
    setpoint : X_BT, tip T in base B, with jaw
    velocity : of the setpoint in B, feed-forward for the drives (transport.wire.vector.Twist)
    energy : `safety.messages.Flags` CUT, COAG, BIPOLAR; others are zero
    tool : instrument asked for, 0 keeps the present one
    camera : the hands move the camera now
    """

    KIND: ClassVar[int] = 33
    kind: Literal[33]
    arm: U8
    seq: U63
    driver_tick: U63
    valid_for_us: U32
    setpoint: Bin64
    velocity: Bin48
    energy: U8
    tool: U8
    camera: bool


class Stop(Message, frozen=True):
    """Stop by category (IEC 60204-1), or clear a stop.

    Parameters
    ----------
    category : 0 power off; 1 controlled stop, then brakes; 2 controlled stop, standstill under
        power; nil re-enables (after a reset at the bedside, or when a new epoch arms)
    """

    KIND: ClassVar[int] = 34
    kind: Literal[34]
    category: Literal[0, 1, 2] | None


VOCABULARY: tuple[type[Message], ...] = (Measure, Servo, Stop)
