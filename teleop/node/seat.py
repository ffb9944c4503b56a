"""What an observer knows of who holds a robot, and how it says so.

Pure: what the session service said (`Standing`) and what the robot says of itself come in, lines go
out (teleop/node/standing.py has the sockets). The service's word is proven by its key; the robot's
state is overheard, and unverified.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from rich.table import Table
from rich.text import Text

from safety.handover import Standing
from safety.messages import RobotState
from safety.seat import Phase
from safety.state import State
from teleop import crtk
from teleop.console.screen import COLOURS

#: What the service said last about a change, so many.
NEWS_MAX: Final = 8


class Seat:
    """One robot's seat, as it is told.

    Attributes
    ----------
    standing : the newest word of the session service, None before
    state : the robot's newest state, None where it cannot be heard
    news : what the service said about changes, the oldest first
    """

    def __init__(self, robot: str) -> None:
        self.robot = robot
        self.standing: Standing | None = None
        self.state: RobotState | None = None
        self.news: list[str] = []
        self._said: dict[str, Any] = {}
        self._heard_ns = 0

    def hear(self, standing: Standing, now_ns: int) -> None:
        """Take the service's word; the one for another robot is nothing here."""
        if standing.robot != self.robot:
            return
        self.standing, self._heard_ns = standing, now_ns
        if standing.why:
            self.news = [*self.news, standing.why][-NEWS_MAX:]

    def facts(self, now_ns: int) -> dict[str, Any]:
        """Give all that is known as plain values; ages grow until the next word."""
        told, state = self.standing, self.state
        assert told is not None, "nothing was said yet"
        age_ms = (now_ns - self._heard_ns) // 1_000_000 if told.holder else 0
        return {
            "robot": self.robot,
            "phase": Phase(told.phase).name.lower(),
            "holder": told.holder,
            "epoch": told.epoch,
            "held_s": (told.held_ms + age_ms) // 1000,
            "left_s": max(0, told.left_s - age_ms // 1000),
            "to": told.to,
            "confirmed": list(told.confirmed),
            "waiting": list(told.waiting),
            "observers": list(told.observers),
            "state": crtk.name_of(State, state.state) if state is not None else "",
            "cause": crtk.why(state) if state is not None else "",
            "why": told.why,
        }

    def change(self, now_ns: int) -> dict[str, Any] | None:
        """Give all that is known if it is not what was given last; time alone is no change."""
        facts = self.facts(now_ns)
        lasting = {name: facts[name] for name in facts if name not in ("held_s", "left_s", "why")}
        if lasting == self._said:
            return None
        self._said = lasting
        return facts


def in_json(facts: dict[str, Any]) -> str:
    """Write an object for a program."""
    return msgspec.json.encode(facts).decode()


def in_words(facts: dict[str, Any]) -> str:
    """Say it in one line."""
    parts = [f"{facts['robot']}  {holder(facts)}", handover(facts)]
    parts += [
        f"{what}: {', '.join(facts[what])}" for what in ("waiting", "observers") if facts[what]
    ]
    parts.append(permission(facts))
    return "; ".join(part for part in parts if part)


def on_screen(seat: Seat, facts: dict[str, Any]) -> Table:
    """Show the seat, and what was said about its changes."""
    table = Table(box=None, pad_edge=False, padding=(0, 2), show_header=False)
    table.add_column(style="dim")
    table.add_column()
    table.add_row("robot", Text(facts["robot"]))
    table.add_row("held by", Text(holder(facts)))
    if facts["to"]:
        table.add_row("hand-over", Text(handover(facts)))
    for what in ("waiting", "observers"):
        table.add_row(what, Text(", ".join(facts[what]) or "nobody"))
    state = seat.state.state if seat.state is not None else None
    style = COLOURS.get(State(state), "") if state in list(State) else "dim"
    table.add_row("state", Text(permission(facts) or "not heard here", style=style))
    for number, line in enumerate(seat.news):
        table.add_row("said" if number == 0 else "", Text(line, style="dim"))
    return table


def holder(facts: dict[str, Any]) -> str:
    """Say who holds it, since when and how long still."""
    if not facts["holder"]:
        return "free"
    return f"{facts['holder']}, for {lasting(facts['held_s'])}, {lasting(facts['left_s'])} left"


def handover(facts: dict[str, Any]) -> str:
    """Say to whom it goes, and who has to confirm still; empty when nobody gets it."""
    if not facts["to"]:
        return ""
    if facts["phase"] != "handover":
        return f"it is being granted to {facts['to']}"
    missing = [who for who in (facts["holder"], facts["to"]) if who not in facts["confirmed"]]
    waits = f", waits for {' and '.join(missing)} to confirm" if missing else ""
    return f"it is being handed over to {facts['to']}{waits}"


def permission(facts: dict[str, Any]) -> str:
    """Say how the robot itself stands, and why."""
    return f"{facts['state']}  {facts['cause']}".strip()


def lasting(seconds: int) -> str:
    """Say a time as people do."""
    if seconds < 60:
        return f"{seconds} s"
    minutes = seconds // 60
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
