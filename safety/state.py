"""The states of a robot's permission to move, and the causes that change them.

The order of `State` is its meaning: a higher state permits more motion. A fault is therefore
applied as `min(state, ceiling)` and cannot raise permission, by construction.
"""

from __future__ import annotations

from enum import IntEnum


class State(IntEnum):
    """How much motion is permitted; higher permits more."""

    ESTOP = 0  #: latched; reset at the bedside only
    PROTECTIVE_STOP = 1  #: controlled stop, brakes; reset at the bedside only
    BOOT = 2  #: self-test, store not yet read
    IDLE = 3  #: brakes or hold, nobody has authority
    HOLD = 4  #: standstill under power, watched
    ARMED = 5  #: authority granted, clutch up: no motion
    DEGRADED = 6  #: motion with a velocity cap
    ENGAGED = 7  #: motion


class Cause(IntEnum):
    """Why the state is what it is. Numbers are on the wire: append, never renumber."""

    NONE = 0
    BOOTED = 1
    GRANTED = 2
    ALIGNED = 3
    PRESSED = 4
    RELEASED = 5
    CLUTCHED = 6
    GAP = 7
    SILENCE = 8
    LONG_SILENCE = 9
    HAND_SILENCE = 10
    LATE = 11
    STREAM_CLEAN = 12
    RESUMED = 13
    LATCHED = 14
    ENDED = 15
    REVOKED = 16
    ESTOP_PRESSED = 17
    BEDSIDE_RESET = 18
    BEDSIDE_ESTOP = 19
    DRIVER_LOST = 20
    DRIVER_SILENT = 21
    CEILING = 22
    STORE_UNREADABLE = 23
    MISALIGNED = 24
    EXPIRED = 25
    SELF_LATE = 26
    LAG = 27
    DRIVER_BRAKED = 28
    LOSS = 29
    FENCE = 30
    LEAPS = 31
    NO_POSE = 32
    DRIVER_FROZEN = 33
    FORGERY = 34
    DEADMAN_STUCK = 35
    TOKEN_LOST = 36
    BREAK_GLASS = 37
    LOCAL = 38
    GIVEN_BACK = 39
    RETRACTING = 40
    RELEASING = 41
    BOUND = 42
    FOLLOWING_ERROR = 43
    WIRED_ESTOP = 44


#: The same for people: what a screen says behind the state's name.
WORDS: dict[Cause, str] = {
    Cause.NONE: "",
    Cause.BOOTED: "self-test passed",
    Cause.GRANTED: "authority granted, waiting for alignment",
    Cause.ALIGNED: "aligned, press the deadman to move",
    Cause.PRESSED: "deadman pressed",
    Cause.RELEASED: "deadman released",
    Cause.CLUTCHED: "clutch pressed",
    Cause.GAP: "a gap in the command stream",
    Cause.SILENCE: "no command in time",
    Cause.LONG_SILENCE: "no command for too long",
    Cause.HAND_SILENCE: "the hand's device stopped reporting: release the deadman, press again",
    Cause.LATE: "commands come too late",
    Cause.STREAM_CLEAN: "the command stream is clean again",
    Cause.RESUMED: "the stream returned in time",
    Cause.LATCHED: "held too long: release the deadman, align, press again",
    Cause.ENDED: "the console released the robot",
    Cause.REVOKED: "authority was revoked",
    Cause.ESTOP_PRESSED: "emergency stop pressed at the console",
    Cause.BEDSIDE_RESET: "reset at the bedside",
    Cause.BEDSIDE_ESTOP: "emergency stop pressed at the bedside",
    Cause.DRIVER_LOST: "the robot's driver is gone",
    Cause.DRIVER_SILENT: "the robot's driver stopped measuring",
    Cause.CEILING: "a monitor lowered the ceiling",
    Cause.STORE_UNREADABLE: "the robot's store cannot be read: reset at the bedside",
    Cause.MISALIGNED: "the hand is not aligned with the instrument",
    Cause.EXPIRED: "the grant's time is over",
    Cause.SELF_LATE: "the robot's own loop ran late",
    Cause.DRIVER_BRAKED: "the robot's driver has braked by itself",
    Cause.LAG: "the instrument trails the hand too far",
    Cause.LOSS: "too many commands are lost on the way",
    Cause.FENCE: "the hand reaches beyond the fence of the workspace",
    Cause.LEAPS: "the hand leapt three times within a second",
    Cause.NO_POSE: "the console sends what is no pose",
    Cause.DRIVER_FROZEN: "the driver measures the same although the arm is told to move",
    Cause.FORGERY: "somebody without the session's key sends commands",
    Cause.DEADMAN_STUCK: "the deadman has been held since the start: release it",
    Cause.TOKEN_LOST: "a wired emergency stop is no longer heard",
    Cause.BREAK_GLASS: "the bedside gives the robot to another console",
    Cause.LOCAL: "the team at the robot has taken it",
    Cause.GIVEN_BACK: "the team has given it back: release the deadman, clutch, align, press again",
    Cause.RETRACTING: "the team retracts the instrument",
    Cause.RELEASING: "the team opens the jaw",
    Cause.FOLLOWING_ERROR: "the arm is not where it was told to be",
    Cause.BOUND: "bed and patient were bound at the bedside",
    Cause.WIRED_ESTOP: "a wired emergency stop is pressed, or its loop is cut",
}
