"""Looks on as an observer: who holds the node's robot, who waits, and how it stands.

Rules
-----
- An observer has a key of its own (role observer) and says so each second (`Observe`), so whoever
  holds the robot can see who looks on. It changes nothing, and may ask for nothing.
- libzmq does not come back after a refused handshake; so a socket that hears nothing is replaced.
- The robot's own state is overheard beside it, where the node's relay runs (teleop/node/watch.py).
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import zmq
from rich.console import Console as Terminal
from rich.live import Live

from safety.handover import Observe, Standing
from teleop.node.errors import NodeError
from teleop.node.look import Watcher
from teleop.node.seat import Seat, in_json, in_words, on_screen
from teleop.node.sections import NodeConfig
from teleop.node.signals import Signals
from teleop.node.watch import DRAIN_S_MAX, Ear, Wish
from transport.io import curve
from transport.io.keys import Identity, KeyFault, Keyring, Role
from transport.io.zmq import Context, Socket
from transport.wire.codec import Registry, encode
from transport.wire.errors import WireError

#: Said again so often; the service forgets who is silent for five seconds.
OBSERVE_NS: Final = 1_000_000_000
#: A service that runs has answered by then; and one that was heard is gone.
PATIENCE_NS: Final = 5_000_000_000
REOPEN_NS: Final = 2_000_000_000
DRAIN_PARTS_MAX: Final = 64

_STANDING = Registry((Standing,))


class StandingError(NodeError):
    """Nobody to look on as, or the session service says nothing; the text says what to do."""


class Onlooker:
    """An observer's line to the session service.

    Parameters
    ----------
    server_z85 : public key that the service must prove to have
    """

    def __init__(self, identity: Identity, server_z85: bytes, endpoint: str, robot: str) -> None:
        self._keys = identity, server_z85, endpoint
        self._observe = encode(Observe(61, robot))
        self._context: Context = zmq.Context(1)
        self._socket: Socket | None = None
        self._heard_ns = self._said_ns = 0

    def __enter__(self) -> Onlooker:
        return self

    def __exit__(self, *_: object) -> None:
        self._context.destroy(linger=0)

    def drain(self, now_ns: int) -> Iterator[Standing]:
        """Say that we look on, when it is time, and take all that was said to us."""
        socket = self._open(now_ns)
        if now_ns - self._said_ns >= OBSERVE_NS:
            with contextlib.suppress(zmq.Again):  # not connected yet
                socket.send(self._observe, zmq.NOBLOCK)
                self._said_ns = now_ns
        for _ in range(DRAIN_PARTS_MAX):
            try:
                parts = socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._heard_ns = now_ns
            with contextlib.suppress(WireError):
                yield _STANDING.expect(parts[-1], Standing)

    def _open(self, now_ns: int) -> Socket:
        if self._socket is not None and now_ns - self._heard_ns < REOPEN_NS:
            return self._socket
        if self._socket is not None:
            self._socket.close(0)
        identity, server, endpoint = self._keys
        self._socket = curve.client_socket(self._context, zmq.DEALER, identity, server, endpoint)
        self._heard_ns, self._said_ns = now_ns, 0
        return self._socket


def watch(config: NodeConfig, wish: Wish, name: str = "") -> int:
    """Show who holds the robot until told to stop, or for the seconds wished.

    Parameters
    ----------
    name : the observer's device, the only one that is here if none is named

    Raises
    ------
    StandingError
    """
    robot = wish.robot or config.robot.name
    identity, server = observer(config, name)
    terminal, live = Terminal(), None
    if terminal.is_terminal and not wish.json:
        live = Live(console=terminal, auto_refresh=False)
    path = config.run_dir / f"state.{config.relay.path_id}.ipc"
    with (
        Signals() as signals,
        Ear(path) as ear,
        Onlooker(identity, server, config.session.listen, robot) as line,
        live or contextlib.nullcontext(),
    ):
        seats = looks(robot, line.drain, ear.drain, wish, signals.wait, time.monotonic_ns)
        for seat, now_ns in seats:
            if live is not None:
                live.update(on_screen(seat, seat.facts(now_ns)), refresh=True)
            elif (facts := seat.change(now_ns)) is not None:
                sys.stdout.write(f"{in_json(facts) if wish.json else in_words(facts)}\n")
                sys.stdout.flush()
    return 0


def looks(
    robot: str,
    told: Callable[[int], Iterable[Standing]],
    heard: Callable[[], Iterable[bytes]],
    wish: Wish,
    wait: Callable[[float], bool],
    now_ns: Callable[[], int],
) -> Iterator[tuple[Seat, int]]:
    """Look at a steady rate until `wait` says that it is over, or the seconds wished are.

    Raises
    ------
    StandingError : the service said nothing for `PATIENCE_NS`
    """
    seat, watcher = Seat(robot), Watcher(robot)
    period_ns = round(1e9 / wish.rate_hz)
    newest_ns = due_ns = now_ns()
    first_ns: int | None = None
    while not wait(min(1 / wish.rate_hz, DRAIN_S_MAX)):
        at_ns = now_ns()
        for standing in told(at_ns):
            seat.hear(standing, at_ns)
            newest_ns = at_ns
        for part in heard():
            watcher.receive(part, at_ns)
        if at_ns - newest_ns > PATIENCE_NS:
            raise StandingError(_nobody(robot, seat))
        if seat.standing is None:
            continue
        first_ns = at_ns if first_ns is None else first_ns
        is_over = wish.seconds > 0 and at_ns - first_ns >= wish.seconds * 1e9
        if at_ns >= due_ns or is_over:
            due_ns = max(due_ns + period_ns, at_ns)
            look = watcher.look(at_ns)
            seat.state = None if robot in look.silent else look.newest.get(robot)
            yield seat, at_ns
        if is_over:
            return


def observer(config: NodeConfig, name: str) -> tuple[Identity, bytes]:
    """Find whom to look on as, and the key of the session service.

    Raises
    ------
    StandingError
    """
    make = "`trocar keys new NAME --role observer` makes one, `--as NAME` names it"
    try:
        keyring = Keyring.load(config.keys_dir)
        devices = [each for each in keyring.live.values() if each.is_current]
        here = [d.name for d in devices if d.role is Role.OBSERVER and _is_here(config, d.name)]
        if not name and len(here) != 1:
            found = f"several: {', '.join(sorted(here))}" if here else "none"
            raise StandingError(f"expected one observer's key here, found {found}; {make}")
        return keyring.identity(name or here[0]), keyring.server(config.session.identity)
    except KeyFault as fault:
        raise StandingError(f"{fault}; {make}") from fault


def _is_here(config: NodeConfig, name: str) -> bool:
    return (config.keys_dir / f"{name}.secret").exists()


def _nobody(robot: str, seat: Seat) -> str:
    again = "any more" if seat.standing is not None else ""
    return (
        f"the session service says nothing {again} of {robot} for {PATIENCE_NS // 10**9} s: does "
        "it run, does it know this robot, and is this observer's key in its registry?"
    ).replace("  ", " ")
