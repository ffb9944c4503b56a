"""The wired emergency stops' process: reads each loop, and says its token to the robot.

What is said `safety.estop` decides. Every 5 ms each loop is read, and its button speaks over the
robot's guard with a key of its own. Only a closed loop is in order:

    open: pressed, or a cut cable         ESTOP, said until the robot has latched it
    nobody can say: an error, a fault     nothing is said; 20 ms later a PROTECTIVE_STOP
    this process hangs, or is dead        the same

A loop that waits makes all of them wait, and so stops the robot: there is one thread, on purpose.
"""

from __future__ import annotations

import sys

from safety.estop import Button
from safety.messages import Event
from safety.state import State
from teleop.robot.settings import EstopdSettings
from transport.io.button import ButtonFault, ButtonSettings, Wire, open_button
from transport.io.dialogue import Caller
from transport.io.keys import KeyFault, Keyring
from transport.io.process import Runtime, main
from transport.wire.codec import Registry, encode
from transport.wire.errors import WireError

SECOND_NS = 1_000_000_000
#: A loop that nobody could read is opened anew so often.
REOPEN_NS = SECOND_NS
#: What becomes of tokens, and of loops.
COUNTED = ("said", "dropped", "pressed", "unread")

_HEARD = Registry((Event,))


class Box:
    """One button: its loop, and its word.

    Parameters
    ----------
    name : the button's, as the robot knows it
    robot : whom it stops

    Attributes
    ----------
    pressed, unread : how often the loop opened, and how often it could no longer be read
    why : why it cannot be read, "" while it can
    """

    def __init__(self, name: str, robot: str, settings: ButtonSettings, runtime: Runtime) -> None:
        self.name = name
        self._robot = robot
        self._settings = settings
        self._runtime = runtime
        self._button = Button(name, robot)
        self._wire: Wire | None = None
        self._open_at_ns = runtime.clock.now_ns()
        self.pressed = self.unread = 0
        self.why = "not read yet"

    @property
    def is_pressed(self) -> bool:
        """Whether it says ESTOP."""
        return self._button.is_pressed

    def next_deadline_ns(self) -> int:
        """When the loop is to be read, and the next word is due."""
        return self._button.next_deadline_ns()

    def word(self, now_ns: int) -> bytes | None:
        """Read the loop; give what is to be said, None for silence."""
        self._read(now_ns)
        said = self._button.to_send(now_ns)
        if said is None or (self._wire is None and not self.is_pressed):
            return None
        return encode(said)

    def hear(self, data: bytes) -> None:
        """Hear the robot: a stop that it has latched need not be said again."""
        try:
            event = _HEARD.expect(data, Event)
        except WireError:
            return  # for another guard
        if event.robot == self._robot:
            self._button.acknowledged(State(event.new))

    def close(self) -> None:
        """Let go of the loop."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    def _read(self, now_ns: int) -> None:
        if self._wire is None and now_ns >= self._open_at_ns:
            self._open(now_ns)
        if self._wire is None:
            return
        try:
            down = not self._wire.closed()
        except OSError as error:
            self._lose(f"cannot be read: {error}", now_ns)
            return
        self.pressed += down and not self.is_pressed
        self._button.read(down=down)

    def _open(self, now_ns: int) -> None:
        try:
            self._wire = open_button(self._settings, self._runtime)
        except ButtonFault as fault:
            self._lose(str(fault), now_ns)
            return
        self._say("")

    def _lose(self, why: str, now_ns: int) -> None:
        """Fall silent, and look again later."""
        self.close()
        self.unread += 1
        self._open_at_ns = now_ns + REOPEN_NS
        self._say(why)

    def _say(self, why: str) -> None:
        """Tell a person, once, how it stands with the loop."""
        if why != self.why:
            sys.stderr.write(f"estopd: {self.name}: {why or 'is read'}\n")
            self.why = why


class Estopd:
    """The buttons between their loops and the robot's guard."""

    def __init__(self, settings: EstopdSettings, runtime: Runtime) -> None:
        self._runtime = runtime
        self._now_ns = runtime.clock.now_ns
        self._robot = settings.robot
        self._open_board(runtime)
        self._keyring = Keyring.load(settings.keys)
        self._boxes = [
            runtime.keep(Box(name, settings.robot, button, runtime))
            for name, button in settings.buttons.items()
        ]
        self._callers = [self._call(box, settings.guard) for box in self._boxes]
        self._due_ns = self._now_ns()
        self._alarm = runtime.keep(runtime.loop.alarm(self._time))
        self._alarm.set(self._due_ns)
        runtime.keep(runtime.loop.every(SECOND_NS, self._renew_keys))
        runtime.ready()

    def close(self) -> None:
        """Fall silent: the robot knows what that means."""

    def _time(self) -> None:
        """Read every loop whose word is due, and say it."""
        now_ns = self._now_ns()
        self._late.record(max(0, now_ns - self._due_ns))
        for box, caller in zip(self._boxes, self._callers, strict=True):
            if now_ns >= box.next_deadline_ns() and (word := box.word(now_ns)) is not None:
                self._counts["said" if caller.send(word) else "dropped"].add()
        self._due_ns = min(box.next_deadline_ns() for box in self._boxes)
        self._alarm.set(self._due_ns)
        self._show()

    def _show(self) -> None:
        for what in ("pressed", "unread"):
            total = sum(getattr(box, what) for box in self._boxes)
            self._counts[what].add(total - self._counts[what].value)
        self._down.set(sum(box.is_pressed for box in self._boxes))
        self._mute.set(sum(box.why != "" for box in self._boxes))

    # At the start ----------------------------------------------------------------------------

    def _call(self, box: Box, guard: str) -> Caller:
        return self._runtime.keep(
            Caller(
                self._runtime,
                self._keyring.identity(box.name),
                self._keyring.server(self._robot),
                guard,
                lambda: None,
                box.hear,
            )
        )

    def _renew_keys(self) -> None:
        """Follow keys that were rotated; what cannot be read leaves the old ones in use."""
        if not self._keyring.refresh():
            return
        try:
            for box, caller in zip(self._boxes, self._callers, strict=True):
                caller.rekey(self._keyring.identity(box.name), self._keyring.server(self._robot))
        except KeyFault as fault:
            sys.stderr.write(f"estopd: {fault}\n")

    def _open_board(self, runtime: Runtime) -> None:
        names = {what: f'estop_total{{what="{what}"}}' for what in COUNTED}
        board = runtime.open_board(names.values(), ("pressed", "unread"), ("late_ns",))
        self._counts = {what: board.counter(name) for what, name in names.items()}
        self._down, self._mute = board.gauge("pressed"), board.gauge("unread")
        self._late = board.histogram("late_ns")


if __name__ == "__main__":
    sys.exit(main(EstopdSettings, Estopd))
