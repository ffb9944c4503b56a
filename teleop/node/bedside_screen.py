"""The bedside's screen in a terminal: how the robot stands, and the team's keys.

Rules
-----
- A key that moves the robot moves it while it is held (teleop.console.heldkey), and in LOCAL only.
- The screen and the keys are one loop: who is shown nothing, moves nothing.
"""

from __future__ import annotations

import time
from typing import Final

from safety.bedside import Report, Token
from safety.state import WORDS, Cause
from teleop.console.heldkey import HeldKey
from teleop.node.bedside import TOKEN_S, Bedsocket, Motion, Verb, new_press
from teleop.node.bedside_page import page
from teleop.node.signals import Signals
from teleop.node.terminal import Terminal

#: Readings of the keys, each answered by the robot; every second one is a token when a key is held.
READ_S: Final = TOKEN_S / 2.0
MOTIONS: Final[dict[str, Motion]] = {"r": "retract", "o": "release"}
#: E-stop is a key without a second one: nobody is asked again.
VERBS: Final[dict[str, Verb]] = {"l": "take", "g": "give", "x": "estop", "z": "reset"}
#: What came of a key is shown for so long: later it may be true no longer.
NEWS_NS: Final = 5_000_000_000
QUIT: Final = ("q", "\x03")


class Screen:
    """What the keys have come to, without the terminal around it."""

    def __init__(self, link: Bedsocket) -> None:
        self._link = link
        self._keys = HeldKey()
        self._held = ""
        self._press = 0
        self._said_ns = 0
        self._news = ""
        self._news_ns = 0
        self.report = link.say("status")

    def feed(self, data: bytes, now_ns: int) -> bool:
        """Take what was typed, say it to the robot; False when the person has had enough."""
        for stroke in self._keys.feed(data, now_ns):
            if stroke.key in QUIT:
                self._let_go()
                return False
            if stroke.key in VERBS and not stroke.repeats:
                self._hear(self._link.say(VERBS[stroke.key]), now_ns)
        if now_ns - self._news_ns >= NEWS_NS:
            self._news = ""
        self._hold(self._keys.held(now_ns), now_ns)
        return True

    def rows(self, columns: int = 80, lines: int = 24) -> list[str]:
        """Draw."""
        releases = self._keys.reports_release
        return page(self.report, self._news, releases=releases, columns=columns, lines=lines)

    def _hold(self, key: str, now_ns: int) -> None:
        motion = MOTIONS.get(key)
        if key != self._held:
            self._let_go()
            self._held, self._press = key, new_press()
        if motion and now_ns - self._said_ns >= TOKEN_S * 1e9 / 2.0:
            self._said_ns = now_ns
            self._hear(self._link.ask(Token(21, motion, 0, self._press)), now_ns)
        elif not motion:
            self.report = self._link.say("status")

    def _let_go(self) -> None:
        if self._held in MOTIONS:
            self.report = self._link.say("stop")
        self._held = ""

    def _hear(self, report: Report, now_ns: int) -> None:
        self.report, self._news_ns = report, now_ns
        self._news = report.why or WORDS[Cause(report.cause)]


def operate(link: Bedsocket, signals: Signals) -> None:
    """Show and obey until the person ends it, or we are told to stop.

    Raises
    ------
    NoTerminalError : there is none
    BedsideError : the robot is gone, or listens to another bedside
    """
    screen = Screen(link)
    with Terminal() as terminal:
        terminal.draw(screen.rows(*terminal.size))
        while not signals.wait(READ_S):
            if not screen.feed(terminal.read(), time.monotonic_ns()):
                return
            terminal.draw(screen.rows(*terminal.size))
