"""Explains a recording: why the robot did what it did, and whether doing it again gives the same.

Rules
-----
- A recording is one file, and of the files before it in its folder as many as it takes to find a
  beginning: the robot's boot, or the last moment before at which nobody held it.
- What is missing or damaged is said, with the place; what is left is explained all the same.
- Times are UTC, by the recorder's clock, for people; intervals are the robot's own, exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from teleop.node.errors import NodeError
from teleop.record.archive import files_of
from teleop.record.around import Around
from teleop.record.causes import Chronicle, Link, Told
from teleop.record.recording import Damage, Reel, Rows, read, reels
from teleop.relay_tape import RelayReplay
from teleop.robot.replay import RobotReplay
from teleop.robot.tape import Kind
from transport.io.build import build_id
from transport.telemetry.replay import Difference, Replay
from transport.telemetry.tape import Entry

ROBOT: Final = "robotd"
#: How the tape of a process is done again.
REPLAYS: Final[dict[str, Callable[[], Replay]]] = {ROBOT: RobotReplay, "relayd": RelayReplay}
NS_PER_MS: Final = 1e6


class ExplainError(NodeError):
    """There is nothing to explain; the text says what was looked for, and where."""


class Line(NamedTuple):
    """A transition with its time of day and its whole chain."""

    t_utc_ns: int
    told: Told
    chain: tuple[Link, ...]


class Done(NamedTuple):
    """A tape that was done again: whose, which, and what came of it."""

    process: str
    identity: str
    replay: Replay

    @property
    def other_build(self) -> str:
        """The build that made the tape, when it is another than this; "" when it is this."""
        made_by, _, _ = self.identity.rpartition("-")
        return made_by if made_by != build_id() else ""


class Explanation(NamedTuple):
    """What a recording tells.

    Parameters
    ----------
    files : that were read: the one asked for is the last
    lines : its transitions
    first_utc_ns, last_utc_ns : of its robot's records
    replays : of its tapes, one a start of a process
    lost : records that were gone before they were copied
    damages : of all files
    """

    files: tuple[Path, ...]
    lines: tuple[Line, ...]
    first_utc_ns: int
    last_utc_ns: int
    replays: tuple[Done, ...]
    lost: int
    damages: tuple[Damage, ...]

    @property
    def is_same(self) -> bool:
        """Whether what could be done again gave the same."""
        return all(done.replay.difference is None for done in self.replays)


def newest_of(folder: Path) -> Path:
    """Find the newest recording.

    Raises
    ------
    ExplainError : there is none
    """
    files = files_of(folder)
    if not files:
        raise ExplainError(f"no recording in {folder}: is recordd among the node's processes?")
    return files[-1]


def explain(path: Path) -> Explanation:
    """Read, tell and replay one recording, the newest of a folder.

    Raises
    ------
    ExplainError : it cannot be opened, or holds nothing of a robot
    """
    damages: list[Damage] = []
    if path.is_dir():
        path = newest_of(path)
    try:
        around, identities = _look_over(path, damages)
        files = (*_before(path, identities), path)
        lines, bounds, replays, lost = _tell(files, path, around)
        earlier = [d for file in files[:-1] for d in _damages_of(file)]
    except OSError as error:
        raise ExplainError(f"{path}: {error.strerror}") from error
    if bounds is None:
        why = f"; {damages[0]}" if damages else ""
        raise ExplainError(f"{path} holds nothing of a robot{why}")
    return Explanation(files, lines, *bounds, replays, lost, (*earlier, *damages))


def _look_over(path: Path, damages: list[Damage]) -> tuple[Around, dict[str, bool]]:
    """Read what the other processes saw, and which tapes begin here or in a file before."""
    around, identities = Around(), dict[str, bool]()
    for piece in read(path, damages):
        if isinstance(piece, Rows):
            around.take(piece)
        elif piece.process == ROBOT and piece.entries:
            identities.setdefault(piece.identity, _begins(piece.entries[:1]))
    return around, identities


def _before(path: Path, identities: dict[str, bool]) -> list[Path]:
    """Find the files before this one in which its first tape begins, or was at rest last."""
    if not identities:
        return []
    identity, is_found = next(iter(identities.items()))
    found: list[Path] = []
    earlier = [file for file in files_of(path.parent) if file.name < path.name]
    while earlier and not is_found:
        file = earlier.pop()
        pieces = [p for p in reels([file], (ROBOT,), []) if p.identity == identity]
        if not pieces:
            break
        found.insert(0, file)
        is_found = any(_begins(piece.entries) for piece in pieces)
    return found


def _begins(entries: Iterable[Entry]) -> bool:
    return any(entry.number == 1 or entry.kind == Kind.REST for entry in entries)


def _damages_of(file: Path) -> list[Damage]:
    damages: list[Damage] = []
    for _ in read(file, damages):
        pass
    return damages


def _tell(
    files: tuple[Path, ...], asked: Path, around: Around
) -> tuple[tuple[Line, ...], tuple[int, int] | None, tuple[Done, ...], int]:
    """Go through the tapes once, telling and doing them again."""
    lines: list[Line] = []
    boots: dict[str, Done] = {}
    chronicles: dict[str, Chronicle] = {}
    first_utc_ns: int | None = None
    last_utc_ns = lost = 0
    for of_asked, piece in _pieces(files, asked):
        process, identity = piece.process, piece.identity
        if identity not in boots:
            boots[identity] = Done(process, identity, REPLAYS[process]())
        replay = boots[identity].replay
        for entry in piece.entries:
            replay.take(entry)
        lost += piece.lost
        if process != ROBOT:
            continue
        told = _told(piece, chronicles.setdefault(identity, Chronicle()))
        if of_asked:
            lines += [_line(one, one.t_ns + piece.ahead_ns, around) for one in told]
            if first_utc_ns is None:
                first_utc_ns = piece.entries[0].t_ns + piece.ahead_ns
            last_utc_ns = piece.entries[-1].t_ns + piece.ahead_ns
    bounds = None if first_utc_ns is None else (first_utc_ns, last_utc_ns)
    return tuple(lines), bounds, tuple(boots.values()), lost


def _told(piece: Reel, chronicle: Chronicle) -> list[Told]:
    return [told for entry in piece.entries for told in chronicle.take(entry)]


def _pieces(files: tuple[Path, ...], asked: Path) -> Iterator[tuple[bool, Reel]]:
    """Give the tapes over all files, no record twice, and whether it is the asked file's."""
    newest: dict[str, int] = {}
    for file in files:
        for piece in reels([file], REPLAYS, []):
            after = newest.get(piece.identity, 0)
            entries = [entry for entry in piece.entries if entry.number > after]
            if entries:
                newest[piece.identity] = entries[-1].number
                yield file == asked, piece._replace(entries=entries)


def _line(told: Told, t_utc_ns: int, around: Around) -> Line:
    chain = sorted((*told.chain, *around.links(told, t_utc_ns)))
    return Line(t_utc_ns, told, tuple(chain))


# For people ------------------------------------------------------------------------------------


def at(explanation: Explanation, time: str) -> tuple[Line, ...]:
    """Choose the transition that was in force at a time of day: the last one up to then.

    Raises
    ------
    ExplainError : not a time, or none so early
    """
    t_utc_ns = _utc_ns(time, explanation.last_utc_ns)
    lines = [line for line in explanation.lines if line.t_utc_ns <= t_utc_ns]
    if not lines:
        raise ExplainError(f"no transition up to {time} in {explanation.files[-1]}")
    return (lines[-1],)


def _utc_ns(time: str, last_utc_ns: int) -> int:
    """Read a time of the day on which the recording ends, to the end of what is named."""
    head, _, fraction = time.partition(".")
    parts = head.split(":")
    numbers = [int(part) for part in (*parts, fraction or "0") if part.isdecimal()]
    if not 2 <= len(parts) <= 3 or len(numbers) != len(parts) + 1 or (fraction and len(parts) < 3):
        raise ExplainError(f"expected a time of day (UTC), such as 14:03:22.104, found {time!r}")
    hours, minutes, seconds = (*map(int, parts), 0)[:3]
    if hours > 23 or minutes > 59 or seconds > 59:
        raise ExplainError(f"no clock shows {time!r}")
    day = datetime.fromtimestamp(last_utc_ns // 1_000_000_000, UTC).replace(
        hour=0, minute=0, second=0
    )
    moment = day + timedelta(hours=hours, minutes=minutes, seconds=seconds)
    whole_ns = int(moment.timestamp()) * 1_000_000_000
    unit_ns = 60_000_000_000 if len(parts) == 2 else 10 ** (9 - len(fraction))
    t_utc_ns = whole_ns + (int(fraction.ljust(9, "0")[:9]) if fraction else 0) + unit_ns - 1
    return t_utc_ns if t_utc_ns <= last_utc_ns + unit_ns else t_utc_ns - 86_400 * 10**9


def in_words(explanation: Explanation, lines: tuple[Line, ...]) -> str:
    """Tell it to a person."""
    text: list[str] = []
    for line in lines:
        told = line.told
        words = f": {told.words}" if told.words else ""
        by = f"epoch {told.epoch}, command {told.seq}"
        move = f"{told.new.name} <- {told.old.name}" if told.new != told.old else told.cause.name
        text.append(f"{clock(line.t_utc_ns)}  {move}{words}  ({by})")
        text += [
            f"{link.before_ns / NS_PER_MS:16.3f} ms before: {link.words}" for link in line.chain
        ]
    text += _ending(explanation)
    return "\n".join(text)


def _ending(explanation: Explanation) -> list[str]:
    first, last = clock(explanation.first_utc_ns), clock(explanation.last_utc_ns)
    files = [file.name for file in explanation.files]
    count = len(explanation.lines)
    lines = [f"recorded: {first} to {last} UTC, {count} transitions, in {files[-1]}"]
    if len(files) > 1:
        lines.append(f"          its beginning is in {files[0]}")
    if explanation.lost:
        lines.append(f"          {explanation.lost} records were gone before they were copied")
    lines += [f"unread:   {damage}" for damage in explanation.damages]
    return lines + [f"replayed: {done.process}: {_replayed(done)}" for done in explanation.replays]


def _replayed(done: Done) -> str:
    replay = done.replay
    if not replay.has_begun:
        return "nothing: where a replay could begin is in no file here"
    moved = f" {replay.transitions} transitions," if replay.transitions else ""
    did = f"{replay.inputs} inputs,{moved} {replay.portraits} portraits"
    difference = replay.difference
    if difference is None:
        return f"{did}, identical"
    other = f" (build {done.other_build} made it, this is {build_id()})" if done.other_build else ""
    return f"{did}, then the first difference{other}: {_differing(difference)}"


def _differing(difference: Difference) -> str:
    after = f", after record {difference.input_number} ({difference.input})"
    return f"at record {difference.number}{after if difference.input else ''}: {difference.what}"


def in_json(explanation: Explanation, lines: tuple[Line, ...]) -> bytes:
    """Tell it to a program."""
    report: dict[str, Any] = {
        "files": [str(file) for file in explanation.files],
        "first_utc_ns": explanation.first_utc_ns,
        "last_utc_ns": explanation.last_utc_ns,
        "transitions": [_line_json(line) for line in lines],
        "lost": explanation.lost,
        "damages": [damage._asdict() for damage in explanation.damages],
        "replays": [_replay_json(done) for done in explanation.replays],
    }
    return msgspec.json.encode(report)


def _replay_json(done: Done) -> dict[str, Any]:
    replay = done.replay
    difference = replay.difference
    return {
        "process": done.process,
        "other_build": done.other_build,
        "begun": replay.has_begun,
        "inputs": replay.inputs,
        "transitions": replay.transitions,
        "portraits": replay.portraits,
        "identical": replay.has_begun and difference is None,
        "difference": None if difference is None else difference._asdict(),
    }


def _line_json(line: Line) -> dict[str, Any]:
    told = line.told
    return {
        "t_utc_ns": line.t_utc_ns,
        "t_ns": told.t_ns,
        "from": told.old.name,
        "to": told.new.name,
        "cause": told.cause.name,
        "words": told.words,
        "epoch": told.epoch,
        "seq": told.seq,
        "chain": [link._asdict() for link in line.chain],
    }


def clock(t_utc_ns: int) -> str:
    """Write a time of day."""
    moment = datetime.fromtimestamp(t_utc_ns // 1_000_000_000, UTC)
    return f"{moment:%H:%M:%S}.{t_utc_ns // 1_000_000 % 1000:03}"
