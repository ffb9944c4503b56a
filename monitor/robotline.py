"""The line to the robot at a bed: its state is overheard at its relay, ceilings go to its guard."""

from __future__ import annotations

from typing import Final

import zmq

from monitor.alarms import coupling
from monitor.alarms.alert import Bed
from monitor.alarms.coupling import Coupling
from monitor.settings import CoupledRobot
from safety.messages import RobotState
from transport.io.dialogue import Caller
from transport.io.keys import Identity, Keyring
from transport.io.process import Runtime
from transport.io.zmq import Socket, tune
from transport.wire.codec import Registry, encode, split
from transport.wire.errors import WireError

_STATE: Final = Registry((RobotState,))


class RobotLine:
    """One robot and the bed it stands at.

    Attributes
    ----------
    bed : where
    """

    def __init__(
        self, runtime: Runtime, keyring: Keyring, identity: Identity, settings: CoupledRobot
    ) -> None:
        self.bed = settings.bed
        self._name = settings.name
        self._keyring = keyring
        self._coupling = Coupling(identity.name, settings.name, settings.policy)
        self._ear: Socket = runtime.context.socket(zmq.SUB)
        self._ear.conflate = 1  # the newest is all that is looked at
        tune(self._ear).subscribe(b"")
        self._ear.connect(f"ipc://{runtime.path(settings.state)}")
        self._guard = Caller(
            runtime,
            identity,
            keyring.server(settings.name),
            settings.guard,
            lambda: None,
            lambda _: None,
        )

    def tell(self, bed: Bed, now_ns: int) -> None:
        """Lower what the robot may do, or lift that, when it is time to say so."""
        ceiling = self._coupling.to_send(bed, now_ns)
        if ceiling is not None:
            self._guard.send(encode(ceiling))

    def has_stopped(self) -> bool | None:
        """Return what the robot last said, None when it has said nothing since."""
        try:
            part = self._ear.recv(zmq.NOBLOCK)
            state = _STATE.expect(split(part)[0], RobotState)
        except (zmq.Again, WireError):
            return None
        return coupling.has_stopped(state.state) if state.robot == self._name else None

    def rekey(self, identity: Identity) -> None:
        """Go to the guard by a new key of ours, or of the robot's."""
        self._guard.rekey(identity, self._keyring.server(self._name))

    def close(self) -> None:
        """Say and hear nothing more."""
        self._guard.close()
        self._ear.close(0)
