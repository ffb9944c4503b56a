"""What is said about who holds a robot, beside request and grant: hand-over, override, observing.

A hand-over is four words of people: the holder's `Offer`, one `Confirm` of each console, and then
the new console's request, which is granted at last. At any time before that a `Withdraw` leaves
everything as it was. At the bedside one word, `Vouch`, stands for the holder's two.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec

from transport.wire.codec import U8, U32, U63, Bin8, Message, Name, Text

#: Devices that are listed by name.
LISTED_MAX = 16
Names = Annotated[tuple[Name, ...], msgspec.Meta(max_length=LISTED_MAX)]
#: A device, or nobody.
Nobody = Annotated[str, msgspec.Meta(max_length=32)]


class Offer(Message, frozen=True):
    """The holder offers its robot to another console; the robot holds from now on.

    Parameters
    ----------
    session : the holder's
    to : device name of the other console
    """

    KIND: ClassVar[int] = 56
    kind: Literal[56]
    session: Bin8
    to: Name


class Confirm(Message, frozen=True):
    """A console confirms the hand-over that stands: what its person sees is what is meant."""

    KIND: ClassVar[int] = 57
    kind: Literal[57]
    robot: Name


class Withdraw(Message, frozen=True):
    """A console calls the hand-over off: the holder keeps the robot, in a HOLD."""

    KIND: ClassVar[int] = 58
    kind: Literal[58]
    robot: Name


class Standing(Message, frozen=True):
    """Who holds a robot, as the session service knows it: told to whom it concerns, at each change.

    Parameters
    ----------
    robot : which
    phase : `safety.authority.Phase`
    holder : the console that holds it, empty when nobody does
    epoch : of its grant
    held_ms, left_s : since when, and how long still, by this service's clock
    to : the console that a hand-over is for, or that is being granted the robot; else empty
    confirmed : consoles that have confirmed the hand-over
    waiting : consoles that were refused, and still ask
    observers : devices that look on
    why : a sentence for a person about what has just changed
    """

    KIND: ClassVar[int] = 59
    BYTES_MAX: ClassVar[int] = 4096
    kind: Literal[59]
    robot: Name
    phase: U8
    holder: Nobody
    epoch: U63
    held_ms: U63
    left_s: U32
    to: Nobody
    confirmed: Names
    waiting: Names
    observers: Names
    why: Text


class Vouch(Message, frozen=True):
    """The team at the robot hands it to `console`, in the holder's stead; told over the guard.

    It stands for the holder's offer and confirmation, whether the holder made one or not.

    Parameters
    ----------
    console : device name of who shall have it
    """

    KIND: ClassVar[int] = 60
    kind: Literal[60]
    robot: Name
    boot: Bin8
    console: Name


class Observe(Message, frozen=True):
    """A device looks on; said again each second for as long as it does. Answered by `Standing`."""

    KIND: ClassVar[int] = 61
    kind: Literal[61]
    robot: Name


VOCABULARY: tuple[type[Message], ...] = (Offer, Confirm, Withdraw, Standing, Vouch, Observe)
