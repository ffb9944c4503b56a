"""Says why a robot's state changed, from its tape: each transition with the chain that led to it.

    14:03:22.104  HOLD <- ENGAGED  no command in time
                  20.000 ms before  command 8123 came, the last
                  ...

A transition has a cause (safety.state); what is told here is what stands behind it on the same
tape: which command was the last, what was refused since, whose ceiling it is and what it said, how
long the driver was silent. Times are the robot's own; nothing here orders anything by a wall's.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import msgspec

from safety import bedside, grant, messages
from safety.gate import Verdict
from safety.messages import Ceiling, CommandHead, Event
from safety.profile import MS
from safety.state import WORDS, Cause, State
from teleop.robot.agent import To
from teleop.robot.tape import Drained, Fed, Kind
from transport.telemetry.tape import Entry
from transport.wire.codec import Message, Registry, split
from transport.wire.errors import WireError

#: How far back gaps, refusals and late loops are told.
MEMORY_NS: Final = 1000 * MS
#: A gap is worth a word when it is so long.
GAP_NS: Final = 3 * MS
LINKS_MAX: Final = 12
#: So many commands may wait for the drain that judges them.
ARRIVED_MAX: Final = 1024

_HEAD = msgspec.msgpack.Decoder(CommandHead)
_DRAINED = msgspec.msgpack.Decoder(Drained)
_GUARD = Registry(grant.VOCABULARY, (messages.Event, messages.Ceiling))
_EVENTS = Registry((Event,))
_BEDSIDE = Registry(bedside.WORDS)
_GOOD: Final = frozenset({Verdict.ADMITTED, Verdict.MERGED})


class Link(NamedTuple):
    """One fact of a chain: how long before the transition, and what."""

    before_ns: int
    words: str


class Told(NamedTuple):
    """A transition, and why; or something that the robot told while its state stayed.

    Parameters
    ----------
    number, t_ns : of the record that tells it, and the robot's clock
    old, new, cause, epoch, seq : as the robot told its guards; `seq` is the newest command admitted
    chain : newest fact first
    """

    number: int
    t_ns: int
    old: State
    new: State
    cause: Cause
    epoch: int
    seq: int
    chain: tuple[Link, ...]

    @property
    def words(self) -> str:
        """The cause, for people."""
        return WORDS[self.cause]


class _Said(NamedTuple):
    """A ceiling, when it came."""

    t_ns: int
    max_state: State
    words: str
    ttl_ns: int


class Chronicle:
    """What a robot's tape told so far.

    Attributes
    ----------
    first_ns, last_ns : of the records seen, on the robot's clock; None before the first
    """

    def __init__(self) -> None:
        self.first_ns: int | None = None
        self.last_ns: int | None = None
        self._command: tuple[int, int, int, int] | None = None  # t_ns, arm, seq, loop_ns
        self._arrived: dict[tuple[int, int], int] = {}  # arm and seq -> when, of the newest parts
        self._gaps: deque[tuple[int, int]] = deque()  # when it ended, how long it was
        self._refused: deque[tuple[int, Verdict, int]] = deque()  # t_ns, why, loop_ns
        self._ceilings: dict[str, _Said] = {}
        self._heard: dict[Kind, int] = {}  # when last
        self._served_ns: tuple[int, int] = (0, 0)  # the last two moments of any record
        self._entered_ns = 0
        self._asked: tuple[int, str] = (0, "")  # the last word of a person, or of the session

    def take(self, entry: Entry) -> Iterator[Told]:
        """Read one record; give the transitions that it tells."""
        self.first_ns = entry.t_ns if self.first_ns is None else self.first_ns
        self.last_ns = entry.t_ns
        if entry.kind == Kind.DRAIN:
            yield from self._drained(entry)
        elif entry.kind in _HEARS:
            _HEARS[Kind(entry.kind)](self, Fed.of(entry.kind, entry.t_ns, entry.data))
        if (
            entry.kind not in (Kind.BOOT, Kind.SNAPSHOT, Kind.REST)
            and entry.t_ns > self._served_ns[1]
        ):
            self._served_ns = (self._served_ns[1], entry.t_ns)

    # What is heard -------------------------------------------------------------------------

    def _drained(self, entry: Entry) -> Iterator[Told]:
        drained = _DRAINED.decode(entry.data)
        for t_ns, arm, seq, verdict, loop_ns, _ in drained.records:
            if verdict in _GOOD:
                self._admitted(t_ns, arm, seq, loop_ns)
            else:
                self._refused.append((t_ns, Verdict(verdict), loop_ns))
                self._forget(self._refused, t_ns)
        for to, data in drained.out:
            if to != To.GUARD:
                continue
            try:
                event = _EVENTS.decode(data)
            except WireError:
                continue
            assert isinstance(event, Event)
            yield self._tell(entry.number, event)

    def _admitted(self, judged_ns: int, arm: int, seq: int, loop_ns: int) -> None:
        t_ns = self._arrived.get((arm, seq), judged_ns)
        if self._command is not None and t_ns - self._command[0] >= GAP_NS:
            self._gaps.append((t_ns, t_ns - self._command[0]))
        self._forget(self._gaps, t_ns)
        if self._command is None or t_ns >= self._command[0]:
            self._command = (t_ns, arm, seq, loop_ns)

    def _hears(self, fed: Fed) -> None:
        self._heard[fed.kind] = fed.now_ns

    def _hears_part(self, fed: Fed) -> None:
        try:
            head = _HEAD.decode(split(fed.data)[0])
        except (WireError, msgspec.MsgspecError):
            return
        self._arrived.setdefault((head.arm, head.seq), fed.now_ns)
        if len(self._arrived) > ARRIVED_MAX:
            del self._arrived[next(iter(self._arrived))]

    def _hears_guard(self, fed: Fed) -> None:
        message = _decoded(_GUARD, fed.data)
        if isinstance(message, Ceiling):
            state = State(min(message.max_state, State.ENGAGED))
            said = _Said(fed.now_ns, state, message.cause, message.ttl_ms * MS)
            old = self._ceilings.get(fed.source)
            if old is not None and (old.max_state, old.words) == (state, message.cause):
                said = said._replace(t_ns=old.t_ns)  # it says so since then
            self._ceilings[fed.source] = said
        elif isinstance(message, grant.Revoke):
            self._asked = (fed.now_ns, f"{fed.source} revoked the session: {message.reason}")

    def _hears_grant(self, fed: Fed) -> None:
        message = _decoded(_GUARD, fed.data)
        if isinstance(message, grant.Grant):
            self._arrived.clear()  # its commands count from 1 again
            words = f"a grant for {message.console}, epoch {message.epoch}, came"
            self._asked = (fed.now_ns, words)

    def _hears_bedside(self, fed: Fed) -> None:
        message = _decoded(_BEDSIDE, fed.data)
        verb = getattr(message, "verb", type(message).__name__.lower())
        self._asked = (fed.now_ns, f"the bedside said {verb}")

    @staticmethod
    def _forget(
        memory: deque[tuple[int, int]] | deque[tuple[int, Verdict, int]], t_ns: int
    ) -> None:
        while memory and memory[0][0] < t_ns - MEMORY_NS:
            memory.popleft()

    # What is told --------------------------------------------------------------------------

    def _tell(self, number: int, event: Event) -> Told:
        cause, t_ns = Cause(event.cause), event.t_ns
        links = [link for explain in _CHAINS.get(cause, ()) for link in explain(self, t_ns)]
        if self._entered_ns and event.old != event.new:
            entered = f"{State(event.old).name} began"
            links.append(Link(t_ns - self._entered_ns, entered))
        if event.old != event.new:
            self._entered_ns = t_ns
        links.sort()
        return Told(
            number,
            t_ns,
            State(event.old),
            State(event.new),
            cause,
            event.epoch,
            event.seq,
            tuple(links[:LINKS_MAX]),
        )

    def _last_command(self, t_ns: int) -> Iterator[Link]:
        if self._command is None:
            yield Link(0, "no command was ever admitted")
            return
        came_ns, arm, seq, loop_ns = self._command
        words = f"command {seq} of arm {arm}, the last, came (loop {loop_ns / MS:.3f} ms)"
        yield Link(t_ns - came_ns, words)

    def _refusals(self, t_ns: int) -> Iterator[Link]:
        since_ns = self._command[0] if self._command is not None else t_ns - MEMORY_NS
        refused = [r for r in self._refused if r[0] >= since_ns]
        for verdict, count in Counter(verdict for _, verdict, _ in refused).items():
            times = [t for t, v, _ in refused if v is verdict]
            loop_ns = max(loop for _, v, loop in refused if v is verdict)
            loops = f", loops up to {loop_ns / MS:.3f} ms" if loop_ns else ""
            commands = "a command was" if count == 1 else f"{count} commands were"
            yield Link(t_ns - times[0], f"from here {commands} refused: {verdict.name}{loops}")

    def _longest_gap(self, t_ns: int) -> Iterator[Link]:
        gaps = [gap for gap in self._gaps if gap[0] >= t_ns - MEMORY_NS]
        if gaps:
            ended_ns, length_ns = max(gaps, key=lambda gap: gap[1])
            more = f", the longest of {len(gaps)} within the second" if len(gaps) > 1 else ""
            words = f"a gap of {length_ns / MS:.3f} ms between commands ended{more}"
            yield Link(t_ns - ended_ns, words)

    def _lowest_ceiling(self, t_ns: int) -> Iterator[Link]:
        for source, said in sorted(self._ceilings.items(), key=lambda item: item[1].max_state):
            if t_ns - said.t_ns >= 0 and said.max_state < State.ENGAGED:
                words = f"{source} lowered the ceiling to {said.max_state.name}: {said.words}"
                yield Link(t_ns - said.t_ns, words)
        yield from self._silent_sources(t_ns)

    def _silent_sources(self, t_ns: int) -> Iterator[Link]:
        for source, said in self._ceilings.items():
            lapsed_ns = t_ns - said.t_ns - said.ttl_ns
            if said.ttl_ns and lapsed_ns >= 0 and said.max_state >= State.ENGAGED:
                yield Link(lapsed_ns, f"the word of {source} lapsed: nothing was heard of it since")

    def _last_measure(self, t_ns: int) -> Iterator[Link]:
        came_ns = self._heard.get(Kind.MEASURE)
        if came_ns is not None:
            yield Link(t_ns - came_ns, "the driver measured, for the last time")
        gone_ns = self._heard.get(Kind.GONE)
        if gone_ns is not None and t_ns - gone_ns < MEMORY_NS:
            yield Link(t_ns - gone_ns, "the driver's connection ended")

    def _last_served(self, t_ns: int) -> Iterator[Link]:
        before_ns, last_ns = self._served_ns
        seen_ns = last_ns if last_ns < t_ns else before_ns
        if seen_ns:
            yield Link(t_ns - seen_ns, "the robot's process did anything, for the last time")

    def _last_word(self, t_ns: int) -> Iterator[Link]:
        said_ns, words = self._asked
        if words and 0 <= t_ns - said_ns < 60 * MEMORY_NS:
            yield Link(t_ns - said_ns, words)


def _decoded(registry: Registry, data: bytes) -> Message | None:
    try:
        return registry.decode(data)
    except WireError:
        return None


_HEARS: Final[dict[Kind, Callable[[Chronicle, Fed], None]]] = {
    Kind.PART: Chronicle._hears_part,
    Kind.MEASURE: Chronicle._hears,
    Kind.GONE: Chronicle._hears,
    Kind.GUARD: Chronicle._hears_guard,
    Kind.GRANT: Chronicle._hears_grant,
    Kind.BEDSIDE: Chronicle._hears_bedside,
}

_Explain = Callable[[Chronicle, int], Iterator[Link]]
_STREAM: Final[tuple[_Explain, ...]] = (
    Chronicle._last_command,
    Chronicle._refusals,
    Chronicle._longest_gap,
)
_COMMAND: Final[tuple[_Explain, ...]] = (Chronicle._last_command,)
_DRIVER: Final[tuple[_Explain, ...]] = (Chronicle._last_measure,)
_PERSON: Final[tuple[_Explain, ...]] = (Chronicle._last_word,)
_SOURCES: Final[tuple[_Explain, ...]] = (Chronicle._lowest_ceiling,)

#: What stands behind each cause; of the others the cause itself says all.
_CHAINS: Final[dict[Cause, tuple[_Explain, ...]]] = {
    Cause.GAP: _STREAM,
    Cause.SILENCE: _STREAM,
    Cause.LONG_SILENCE: _STREAM,
    Cause.LATE: _STREAM,
    Cause.LOSS: _STREAM,
    Cause.FORGERY: _STREAM,
    Cause.HAND_SILENCE: _COMMAND,
    Cause.RELEASED: _COMMAND,
    Cause.PRESSED: _COMMAND,
    Cause.RESUMED: _STREAM,
    Cause.STREAM_CLEAN: _STREAM,
    Cause.ESTOP_PRESSED: _COMMAND,
    Cause.FENCE: _COMMAND,
    Cause.LAG: _COMMAND,
    Cause.LEAPS: _COMMAND,
    Cause.NO_POSE: _STREAM,
    Cause.CEILING: _SOURCES,
    Cause.TOKEN_LOST: _SOURCES,
    Cause.WIRED_ESTOP: _SOURCES,
    Cause.DRIVER_SILENT: _DRIVER,
    Cause.DRIVER_LOST: _DRIVER,
    Cause.DRIVER_FROZEN: _DRIVER,
    Cause.FOLLOWING_ERROR: _DRIVER,
    Cause.DRIVER_BRAKED: _DRIVER,
    Cause.SELF_LATE: (Chronicle._last_served, *_STREAM),
    Cause.REVOKED: _PERSON,
    Cause.ENDED: _PERSON,
    Cause.EXPIRED: _PERSON,
    Cause.BEDSIDE_RESET: _PERSON,
    Cause.BEDSIDE_ESTOP: _PERSON,
    Cause.ALIGNED: _PERSON,
    Cause.BREAK_GLASS: _PERSON,
    Cause.LOCAL: _PERSON,
    Cause.GIVEN_BACK: _PERSON,
    Cause.RETRACTING: _PERSON,
    Cause.RELEASING: _PERSON,
    Cause.BOUND: _PERSON,
}
