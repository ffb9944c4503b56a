"""Works out what a run behind a network was like, from the tapes of its processes.

where the instrument was, beside where the hand wanted it     tracking
what became of each command, and how long it took             recording, repaired
which states the robot was in, and what it fell to            bench.netem.ladder
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.join import Fate, Key, Seen, join
from bench.netem.ladder import Step
from bench.netem.stage import SCALE, Tape
from bench.netem.trace import Crossing, ordered
from bench.readings import ADMITTED, FATE_AT_RELAY, FATE_AT_ROBOT, Window
from bench.stage import PERIOD_NS, Recording, Spoiled
from safety import gate
from safety.state import State
from teleop import relay

HISTORY = 2
"""Setpoints of so many commands before it stand in each command."""

Squares = npt.NDArray[np.float64]


class Tracking(NamedTuple):
    """Distance of the measured tip from where the hand wanted it at that time, um; n samples."""

    rms_um: float
    max_um: float
    n: int


def tracking(hand: Tape, pose: Tape, window: Window) -> Tracking | None:
    """Compare instrument and hand while the one follows the other; None when it never did.

    The hand's path is put where the robot took its reference: for each stretch of following at the
    first state of it, whose setpoint is what that state's command asked for. What the instrument is
    behind after that, for whatever reason, is error. A state bears the driver's newest measurement.
    """
    hands = np.array([(h[0], *h[5:8]) for h in hand.records], np.float64).reshape(-1, 4)
    rows = {record[1]: (n, record[3]) for n, record in enumerate(hand.records)}
    found: list[tuple[int, ...]] = []  # when, where, and the row and setpoint of its reference
    reference: tuple[int, tuple[int, ...]] | None = None
    for t_ns, seq, state, following, *positions in pose.records:
        if not following or state < State.DEGRADED or seq not in rows:
            reference = None
            continue
        row, clutch = rows[seq]
        if reference is None or reference[0] != clutch:
            reference = clutch, (row, *positions[3:])
        if window.holds(t_ns):
            found.append((t_ns, *positions[:3], *reference[1]))
    if not found:
        return None
    samples = np.array(found, np.float64)
    hand_now = np.stack([np.interp(samples[:, 0], hands[:, 0], hands[:, n]) for n in (1, 2, 3)], 1)
    hand_then = hands[samples[:, 4].astype(np.intp), 1:]
    wanted = samples[:, 5:8] + SCALE * (hand_now - hand_then)
    squares: Squares = ((samples[:, 1:4] - wanted) ** 2).sum(axis=1)
    rms_nm, max_nm = float(squares.mean()) ** 0.5, float(squares.max()) ** 0.5
    return Tracking(rms_nm / 1e3, max_nm / 1e3, len(found))


def recording(tapes: Mapping[str, Tape], window: Window) -> Recording:
    """Give every command of the window its fate, the applied ones their time, and the round trips.

    Raises
    ------
    Spoiled : nothing was sent in the window
    """
    intended: dict[Key, int] = {
        (arm, seq): t_intended_ns
        for t_intended_ns, arm, seq in tapes["sent"].columns("t_intended_ns", "arm", "seq")
        if window.holds(t_intended_ns)
    }
    if not intended:
        raise Spoiled("the console sent no command in the window")
    acks = tapes["ack"].columns("t_ns", "rtt_ns")
    trips = [rtt_ns for t_ns, rtt_ns in acks if window.holds(t_ns)]
    slots = round((max(intended.values()) - min(intended.values())) / PERIOD_NS) + 1
    falls = [s for s in steps(tapes["event"]) if window.holds(s.t_ns)]
    return Recording(
        join(intended, seen(tapes["command"]), _let_go(tapes)),
        np.array(trips, np.int64),
        slots - len(intended),
        sum(fall.old >= State.DEGRADED > fall.new for fall in falls),
    )


def seen(command: Tape) -> Iterable[Seen]:
    """Yield what the gate did with each arrival."""
    for arm, seq, verdict, t_called_ns in command.columns("arm", "seq", "verdict", "t_called_ns"):
        fate = FATE_AT_ROBOT.get(gate.Verdict(verdict), Fate.REFUSED)
        if verdict == ADMITTED and t_called_ns:
            fate = Fate.APPLIED
        yield Seen((arm, seq), fate, t_called_ns)


def repaired(tapes: Mapping[str, Tape], window: Window) -> int:
    """Count the lost commands whose setpoint the gate saw all the same.

    It did when one of the next two came and bore it as history: under the same pedals, and
    admitted. The robot keeps such a count for each session and tells it to nobody: this is the
    count as it follows from what each side recorded. What was done with it is not said here.
    """
    good = (gate.Verdict.ADMITTED, gate.Verdict.MERGED)
    judged = list(tapes["command"].columns("seq", "verdict"))
    admitted = {seq for seq, verdict in judged if verdict in good}
    known = {seq for seq, _ in judged} | {seq for _, seq in _let_go(tapes)}
    hand = tapes["hand"].records
    pedals: Mapping[int, tuple[int, ...]] = {h[1]: h[2:5] for h in hand}
    lost = [h[1] for h in hand if window.holds(h[0]) and h[1] not in known]
    return sum(
        any(
            after in admitted and all(pedals.get(s) == pedals[seq] for s in range(seq, after + 1))
            for after in range(seq + 1, seq + 1 + HISTORY)
        )
        for seq in lost
    )


def steps(event: Tape) -> list[Step]:
    """Return the robot's transitions."""
    return [Step(*record) for record in event.columns("t_ns", "old", "new", "cause")]


def crossings(packet: Tape) -> list[Crossing]:
    """Return what the network recorded, by entry."""
    return ordered(Crossing(*record) for record in packet.records)


def _let_go(tapes: Mapping[str, Tape]) -> dict[Key, Fate]:
    """Return the commands that the relay did not forward, by why."""
    found: dict[Key, Fate] = {}
    for arm, seq, verdict in tapes["relay"].columns("arm", "seq", "verdict"):
        fate = FATE_AT_RELAY.get(relay.Verdict(verdict))
        if fate is not None:
            found[arm, seq] = fate
    return found
