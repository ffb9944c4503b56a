"""What a hand is to a console: a device that is read, whoever or whatever moves it."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from safety.messages import Flags
from safety.state import State
from transport.wire.vector import Setpoint


class Hand(NamedTuple):
    """One reading.

    Parameters
    ----------
    setpoint : X_CH, the hand in the clutch's frame, with jaw
    flags : pedals and buttons, as levels
    press_id : +1 at each press of the deadman
    clutch_id : +1 at each release of the clutch
    input_seq : +1 each time the device itself was read, changed or not
    input_age_ns : since then
    """

    setpoint: Setpoint
    flags: Flags
    press_id: int
    clutch_id: int
    input_seq: int
    input_age_ns: int = 0


class Device(Protocol):
    """A hand's device: a script, a keyboard, later a haptic arm. One file each."""

    def sees(self, state: State, instrument: Setpoint, now_ns: int) -> None:
        """Take what the robot says of itself: state, and the instrument's setpoint X_BT."""

    def reads(self, now_ns: int) -> Hand:
        """Give the newest reading."""

    def let_go(self) -> None:
        """Release the deadman and press nothing any more."""
