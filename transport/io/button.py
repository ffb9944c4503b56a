"""What a wired button is: a loop that is closed, or is not, and never waited for.

The contact is normally closed: only a closed loop is in order. Pressed and cut look alike, and
should. One file a kind, in `transport/io/buttons`, named in node.toml by its module path:
`open_button` of that module makes it.
"""

from __future__ import annotations

import importlib
from typing import Annotated, Literal, Protocol

import msgspec
from msgspec import Meta

from transport.io.process import Runtime


class ButtonSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A wired button of a node.

    Parameters
    ----------
    module : the kind: a module of `transport.io.buttons`, or one of yours
    device : what that kind opens: a serial port, a GPIO chip, a file's name
    line : which of its lines, where it has several
    bias : where the line rests while the loop is open, where the kind can be told
    """

    module: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$",
            description='a kind of button, "transport.io.buttons.serial"',
        ),
    ]
    device: Annotated[str, Meta(min_length=1, max_length=255, description="what the kind opens")]
    line: Annotated[str, Meta(max_length=32, description='a line, "cts" or "17"')] = ""
    bias: Annotated[Literal["up", "down"], Meta(description='"up" or "down"')] = "up"


class Wire(Protocol):
    """A kind of button."""

    def closed(self) -> bool:
        """Tell whether the loop is closed now, without waiting; OSError when nobody can say."""

    def close(self) -> None:
        """Let go of it."""


class ButtonFault(Exception):
    """A button that cannot be opened; the text says which, and what to do."""


def open_button(settings: ButtonSettings, runtime: Runtime) -> Wire:
    """Open the button that settings describe.

    Raises
    ------
    ButtonFault
    """
    try:
        module = importlib.import_module(settings.module)
    except ImportError as error:
        raise ButtonFault(f"button module {settings.module!r}: {error}") from error
    wire: Wire = module.open_button(settings, runtime)
    return wire
