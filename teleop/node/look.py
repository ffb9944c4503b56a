"""What an observer knows of robots from the states that it overhears, and how it says so.

Rules
-----
- It is unverified: a state is sealed for its session's console, and an observer lacks that key.
- Newest wins: what came between two looks is passed over. Silence is said, never shown as a pose.
- Pure: bytes and `now_ns` come in, lines go out (teleop/node/watch.py has the socket).
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import msgspec
from rich.table import Table
from rich.text import Text

from safety.messages import RobotState
from safety.state import State
from teleop import crtk
from teleop.console.screen import COLOURS
from transport.wire.codec import Registry, split
from transport.wire.errors import WireError

#: States come every 4 ms; a robot unheard for 125 of them is silent.
SILENCE_NS: Final = 500_000_000
#: Robots that are shown; states of more are counted as refused.
ROBOTS_MAX: Final = 64
UNVERIFIED: Final = "unverified: an observer cannot check the seal"

_STATES = Registry((RobotState,))


class Look(NamedTuple):
    """One look: every robot heard so far, by name.

    Parameters
    ----------
    newest : the last state of each
    news : who has said something since the last look
    silent : who is unheard for `SILENCE_NS`, and since when, ns
    hushed : who was not silent at the last look
    """

    newest: dict[str, RobotState]
    news: tuple[str, ...]
    silent: dict[str, int]
    hushed: tuple[str, ...]


class Watcher:
    """The newest state of each robot, by the time at which it came.

    Attributes
    ----------
    refused : parts that were no state, or of one robot too many
    others : robots that were heard, but are not to be shown
    first_ns : when the first state came, None before
    """

    def __init__(self, robot: str | None = None) -> None:
        self.refused = 0
        self.others: set[str] = set()
        self.first_ns: int | None = None
        self._only = robot
        self._newest: dict[str, RobotState] = {}
        self._heard_ns: dict[str, int] = {}
        self._news: set[str] = set()
        self._silent: set[str] = set()

    def receive(self, part: bytes, now_ns: int) -> None:
        """Take what the relay has published: a state, and hop records that nobody here reads."""
        try:
            state = _STATES.expect(split(part)[0], RobotState)
        except WireError:
            self.refused += 1
            return
        known = self._newest if self._only in (None, state.robot) else self.others
        if state.robot not in known and len(known) >= ROBOTS_MAX:
            self.refused += 1
            return
        if known is self.others:
            self.others.add(state.robot)
            return
        self.first_ns = now_ns if self.first_ns is None else self.first_ns
        self._newest[state.robot] = state
        self._heard_ns[state.robot] = now_ns
        self._news.add(state.robot)

    def look(self, now_ns: int) -> Look:
        """Give what is known now; what was new is so no longer."""
        ages_ns = {name: now_ns - at_ns for name, at_ns in self._heard_ns.items()}
        silent = {name: age_ns for name, age_ns in ages_ns.items() if age_ns > SILENCE_NS}
        hushed = tuple(name for name in silent if name not in self._silent)
        news = tuple(name for name in self._newest if name in self._news)
        self._news, self._silent = set(), set(silent)
        return Look(dict(self._newest), news, silent, hushed)


# In words


def in_json(look: Look) -> list[str]:
    """Write an object with CRTK's names for each arm of which something is new."""
    news = (arm for name in look.news for arm in crtk.arms(look.newest[name]))
    return [msgspec.json.encode(arm).decode() for arm in news]


def in_lines(look: Look) -> list[str]:
    """Say a line for each robot of which something is new, and one when it falls silent."""
    return [*(in_line(look.newest[name]) for name in look.news), *hush(look)]


def in_line(state: RobotState) -> str:
    """Say a robot's state in one line."""
    views = crtk.arms(state)
    head = f"{state.robot}  {_permission(state)}"
    return "  |  ".join([head.rstrip(), *(f"arm {arm.arm}  {_motion(arm)}" for arm in views)])


def hush(look: Look) -> list[str]:
    """Say who has just fallen silent: what was said last may be true no longer."""
    return [
        f"{name}  SILENT  nothing heard for {look.silent[name] / 1e9:.1f} s; "
        f"the last was {_permission(look.newest[name])}"
        for name in look.hushed
    ]


def on_screen(look: Look) -> Table:
    """Show every robot and arm; who is silent is grey, with the time since."""
    table = Table(box=None, pad_edge=False, padding=(0, 2), header_style="dim", caption=UNVERIFIED)
    for header in ("robot", "operating_state", "permission", "arm"):
        table.add_column(header)
    for name, state in look.newest.items():
        silent_ns = look.silent.get(name)
        views = crtk.arms(state)
        for arm in views:
            table.add_row(
                Text(name),
                arm.operating_state.state if silent_ns is None else "?",
                _coloured(state) if silent_ns is None else f"SILENT for {silent_ns / 1e9:.1f} s",
                Text(f"{arm.arm}  {_motion(arm)}"),
                style="" if silent_ns is None else "dim",
            )
    return table


def _permission(state: RobotState) -> str:
    return f"{crtk.name_of(State, state.state):<15}  {crtk.why(state)}".rstrip()


def _coloured(state: RobotState) -> Text:
    style = COLOURS[State(state.state)] if state.state in COLOURS else COLOURS[State.ESTOP]
    return Text(_permission(state), style=style)


def _motion(arm: crtk.Arm) -> str:
    """Say where an arm is, mm and degrees, and what holds it back."""
    does = "following" if arm.following else "clutched" if arm.clutched else "standing"
    held = arm.trocar.held_back_by + (f" ({arm.trocar.fixture})" if arm.trocar.fixture else "")
    return f"{does:<9}  {_place(arm)}  {held}".rstrip()


def _place(arm: crtk.Arm) -> str:
    if arm.measured_cp is None or arm.jaw.measured_js is None:
        return "not measured: no driver"
    at, (jaw,) = arm.measured_cp.position, arm.jaw.measured_js.position
    x, y, z = (value * 1000 for value in (at.x, at.y, at.z))
    return f"x {x:+7.1f}  y {y:+7.1f}  z {z:+7.1f} mm  jaw {math.degrees(jaw):3.0f}°"
