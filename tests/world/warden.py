"""watchdogd: looks at the relays on a clock of its own, ends who hangs, and tells the robot.

noded, which starts anew whom it has ended, is a delay in here.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from safety.profile import MS
from safety.watchdog import LOOK_NS, Appeared, Died, Fence, Look, Watchdog
from safety.watched import Watched
from tests.world.process import Process
from tests.world.rig import ROBOT
from transport.telemetry.pulse import BEAT_REALTIME_NS, Phase

if TYPE_CHECKING:
    from tests.world.relay import RelayProcess
    from tests.world.wire import Wire
    from tests.world.world import World

#: Its device name.
WARDEN = "watchdog"
#: How long a relay takes to come back.
RESTART_NS = 400 * MS


class Warden(Process):
    """The watchdog over the relays.

    Attributes
    ----------
    fenced : (true time, which relay) of whom it has ended
    """

    def __init__(self, world: World, name: str, relays: list[RelayProcess], guard: Wire) -> None:
        super().__init__(world)
        self.fenced: list[tuple[int, RelayProcess]] = []
        self._relays = relays
        self._guard = guard
        self._beats = [0] * len(relays)
        self._lives = [True] * len(relays)
        watched = tuple(
            Watched(name=f"relayd{relay.path}", fifo=55, hang_ms=20, group="relays", floor="hold")
            for relay in relays
        )
        self.core = Watchdog(name, (ROBOT,), watched, (), self.now_ns())
        for row, relay in enumerate(relays):
            self._appear(row)
            relay.every(BEAT_REALTIME_NS, partial(self._beat, row))
        self.every(LOOK_NS, self._look)

    def _appear(self, row: int) -> None:
        self.core.receive(Appeared(row, self.world.fresh(), 1, 55), self.now_ns())
        self._lives[row] = True

    def _beat(self, row: int) -> None:
        self._beats[row] += 1

    def _look(self) -> None:
        now_ns, core = self.now_ns(), self.core
        for row, relay in enumerate(self._relays):
            if relay.dead and self._lives[row]:
                self._lives[row] = False
                life = core._lives[row]
                assert life is not None
                core.receive(Died(row, life.pid, Phase.WORKING), now_ns)
            elif not relay.dead and not self._lives[row]:
                self._appear(row)
        core.receive(Look([(Phase.WORKING, beats) for beats in self._beats]), now_ns)
        core.handle_deadline(now_ns)
        while core.next_event() is not None:
            pass
        for order in core.to_send(now_ns):
            if isinstance(order, Fence):
                relay = self._relays[order.row]
                self.fenced.append((self.world.now_ns, relay))
                self.world.kill(relay)
                self.world.after(RESTART_NS, relay.restart)
            else:
                self._guard.send(order.data)
