"""What kept an arm from where its hand asked it to be: one word for each rule.

Every rule that alters a command says so in the robot's state, beside what was requested and what
was applied: a surgeon must never wonder why the instrument is not where the hand is.
"""

from __future__ import annotations

from enum import IntEnum


class Rule(IntEnum):
    """Why. Numbers are on the wire: append, never renumber. Of several, the highest is said."""

    NONE = 0  #: the arm is where the hand asks it to be
    JAW = 1  #: the jaw catches up with the hand after a clutch
    SPEED = 2  #: velocity of the tip
    TURN = 3  #: rate of turn
    ACCELERATION = 4
    WINDOW = 5  #: displacement within the window of the limits
    STEP = 6  #: one command asked for a leap
    WORKSPACE = 7  #: the fence around everything
    FIXTURE = 8  #: a virtual fixture: see the number beside the rule
    TORQUE = 9  #: the drives give all they may
    SINGULAR = 10  #: joints would have to move faster than they may
    JOINT = 11  #: a joint is at its limit
    UNREACHABLE = 12  #: no joints reach the pose; the driver holds the last that they did


#: The same for people: what a screen says.
WORDS: dict[Rule, str] = {
    Rule.NONE: "",
    Rule.JAW: "the jaw is catching up",
    Rule.SPEED: "faster than the arm may move",
    Rule.TURN: "faster than the arm may turn",
    Rule.ACCELERATION: "faster than the arm may accelerate",
    Rule.WINDOW: "too far within a quarter of a second",
    Rule.STEP: "a leap",
    Rule.WORKSPACE: "at the fence of the workspace",
    Rule.FIXTURE: "at a virtual fixture",
    Rule.TORQUE: "the drives give all they may",
    Rule.SINGULAR: "near a singular pose",
    Rule.JOINT: "a joint is at its limit",
    Rule.UNREACHABLE: "out of the arm's reach",
}
