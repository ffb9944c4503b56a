"""A hand on a keyboard: keys held down become velocities, and velocities a pose.

Two halves with a board in shared memory between them. Where the terminal is, `Keys` turns what
it sends into the set of keys that are held. Where the commands are made, `KeyboardHand` turns that
set into motion, smoothly, and ages it: when the terminal's process hangs, its readings stop
counting, and the robot holds.

A terminal tells of a key's release only by the kitty keyboard protocol. Without it a key counts as
held for a moment after each of its (repeated) events, and the deadman for as long as any key
comes at least every `DEADMAN_NS`.
"""

from __future__ import annotations

import math
import re
from enum import IntEnum, IntFlag
from typing import Final, NamedTuple

from safety.messages import Flags
from safety.profile import MS
from safety.state import State
from teleop.console.hand import Hand
from transport.wire.vector import ORIGIN, Setpoint


class Key(IntFlag):
    """What a key asks for; the set of those that are held crosses as one number."""

    DEADMAN = 1 << 0
    CLUTCH = 1 << 1
    ESTOP = 1 << 2
    RIGHT = 1 << 3
    LEFT = 1 << 4
    AWAY = 1 << 5
    NEAR = 1 << 6
    UP = 1 << 7
    DOWN = 1 << 8
    PITCH_UP = 1 << 9
    PITCH_DOWN = 1 << 10
    YAW_LEFT = 1 << 11
    YAW_RIGHT = 1 << 12
    ROLL_LEFT = 1 << 13
    ROLL_RIGHT = 1 << 14
    OPEN = 1 << 15
    CLOSE = 1 << 16
    QUIT = 1 << 17


class Binding(NamedTuple):
    """One key: how a terminal spells it, its code in the kitty protocol, how a person reads it."""

    key: Key
    spelling: bytes
    code: int
    name: str


# fmt: off
BINDINGS: Final = (
    Binding(Key.DEADMAN,    b" ",      32,    "Space"),
    Binding(Key.CLUTCH,     b"c",      99,    "c"),
    Binding(Key.ESTOP,      b"x",      120,   "x"),
    Binding(Key.RIGHT,      b"\x1b[C", 57351, "→"),
    Binding(Key.LEFT,       b"\x1b[D", 57350, "←"),
    Binding(Key.AWAY,       b"\x1b[A", 57352, "↑"),
    Binding(Key.NEAR,       b"\x1b[B", 57353, "↓"),
    Binding(Key.UP,         b"w",      119,   "w"),
    Binding(Key.DOWN,       b"s",      115,   "s"),
    Binding(Key.PITCH_UP,   b"i",      105,   "i"),
    Binding(Key.PITCH_DOWN, b"k",      107,   "k"),
    Binding(Key.YAW_LEFT,   b"j",      106,   "j"),
    Binding(Key.YAW_RIGHT,  b"l",      108,   "l"),
    Binding(Key.ROLL_LEFT,  b"a",      97,    "a"),
    Binding(Key.ROLL_RIGHT, b"d",      100,   "d"),
    Binding(Key.OPEN,       b"e",      101,   "e"),
    Binding(Key.CLOSE,      b"q",      113,   "q"),
    Binding(Key.QUIT,       b"\x03",   0,     "Ctrl-C"),
)
# fmt: on

_BY_SPELLING: Final = {row.spelling: row.key for row in BINDINGS}
_BY_CODE: Final = {row.code: row.key for row in BINDINGS if row.code}
_BY_ARROW: Final = {row.spelling[-1:]: row.key for row in BINDINGS if len(row.spelling) == 3}
_CTRL = 4
#: CSI code ; modifiers : event u, and CSI 1 ; modifiers : event A...D (kitty keyboard protocol);
#: then a plain CSI sequence; then any one byte.
_TOKEN = re.compile(
    rb"\x1b\[(?P<code>\d+)(?::\d*)*(?:;(?P<mods>\d*)(?::(?P<event>\d))?(?:;[\d:]*)?)?u"
    rb"|\x1b\[1;(?P<amods>\d+)(?::(?P<aevent>\d))?(?P<arrow>[A-D])"
    rb"|\x1b\[\?(?P<kitty>\d+)u"
    rb"|(?P<plain>\x1b\[[0-9;:?<>]*[@-~]|[\x00-\xff])",
    re.DOTALL,
)
#: What is asked of a terminal: event types (2) and every key as a code (8), unambiguous (1).
KITTY_ON: Final = b"\x1b[>11u\x1b[?u"
KITTY_OFF: Final = b"\x1b[<u"
#: Whoever looks elsewhere holds no instrument: a terminal says so when asked to (xterm, 1004).
FOCUS_ON: Final = b"\x1b[?1004h"
FOCUS_OFF: Final = b"\x1b[?1004l"
FOCUS_LOST: Final = b"\x1b[O"
#: A sequence is never longer; a terminal that sends more in one is not understood.
SEQUENCE_BYTES_MAX: Final = 32
_PARTIAL = re.compile(rb"\x1b(?:\[[0-9;:?<>]*)?\Z")


class Kind(IntEnum):
    """What happened to a key; the numbers are the kitty protocol's."""

    PRESS = 1
    REPEAT = 2
    RELEASE = 3


#: Without releases: so long a key counts after its last event, and the deadman after any.
PULSE_NS: Final = 120 * MS
DEADMAN_NS: Final = 1000 * MS


class Keys:
    """The keys that are held, from what a terminal sends.

    Attributes
    ----------
    reports_release : whether the terminal has said that it tells of releases
    """

    def __init__(self) -> None:
        self.reports_release = False
        self._until_ns: dict[Key, int] = {}
        self._rest = b""

    def feed(self, data: bytes, now_ns: int) -> None:
        """Take bytes as the terminal sent them; a sequence may be cut between two calls."""
        data = self._rest + data
        partial = _PARTIAL.search(data)
        cut = partial.start() if partial and len(partial[0]) <= SEQUENCE_BYTES_MAX else len(data)
        self._rest = data[cut:]
        for token in _TOKEN.finditer(data[:cut]):
            self._take(token, now_ns)

    def held(self, now_ns: int) -> Key:
        """Give the keys that count as held by now."""
        keys = Key(0)
        for key, until_ns in self._until_ns.items():
            if now_ns < until_ns:
                keys |= key
        return keys

    def release_all(self) -> None:
        """Let everything go: the terminal has lost the focus, or ends."""
        self._until_ns.clear()

    def _take(self, token: re.Match[bytes], now_ns: int) -> None:
        if token["kitty"]:
            self.reports_release = True
            return
        if token["plain"] == FOCUS_LOST:
            self.release_all()
            return
        key, kind = _meaning(token)
        if key is None:
            return
        if kind is Kind.RELEASE:
            self._until_ns.pop(key, None)
        elif self.reports_release:
            self._until_ns[key] = _FOREVER
        else:
            self._pulse(key, now_ns)

    def _pulse(self, key: Key, now_ns: int) -> None:
        if now_ns < self._until_ns.get(Key.DEADMAN, 0) or key is Key.DEADMAN:
            self._until_ns[Key.DEADMAN] = now_ns + DEADMAN_NS
        if key is not Key.DEADMAN:
            self._until_ns[key] = now_ns + PULSE_NS


_FOREVER = (1 << 63) - 1


def _meaning(token: re.Match[bytes]) -> tuple[Key | None, Kind]:
    """Name the key of a token, and what happened to it."""
    if token["code"]:
        modifiers, code = int(token["mods"] or 1) - 1, int(token["code"])
        key = Key.QUIT if code == ord("c") and modifiers & _CTRL else _BY_CODE.get(code)
        return key, Kind(min(3, max(1, int(token["event"] or 1))))
    if token["arrow"]:
        kind = Kind(min(3, max(1, int(token["aevent"] or 1))))
        return _BY_ARROW[token["arrow"]], kind
    return _BY_SPELLING.get(token["plain"]), Kind.PRESS


class Gait(NamedTuple):
    """How fast keys move the hand.

    Parameters
    ----------
    speed_m_s, turn_rad_s, jaw_rad_s : of a key that is held
    smooth_s : time constant with which a velocity follows its keys
    """

    speed_m_s: float = 0.06
    turn_rad_s: float = 0.8
    jaw_rad_s: float = 1.0
    smooth_s: float = 0.06


JAW_MIN, JAW_MAX = 0.0, math.radians(60.0)
_AXES = (
    (Key.RIGHT, Key.LEFT),
    (Key.AWAY, Key.NEAR),
    (Key.UP, Key.DOWN),
    (Key.PITCH_UP, Key.PITCH_DOWN),
    (Key.ROLL_LEFT, Key.ROLL_RIGHT),
    (Key.YAW_LEFT, Key.YAW_RIGHT),
    (Key.OPEN, Key.CLOSE),
)


class KeyboardHand:
    """The hand that keys move, in the robot base's axes; a `teleop.console.hand.Device`."""

    def __init__(self, now_ns: int, gait: Gait = Gait()) -> None:  # noqa: B008
        self._gait = gait
        self._now_ns = now_ns
        self._keys = Key(0)
        self._reads = 0
        self._read_ns = now_ns
        self._pose = ORIGIN
        self._velocity = [0.0] * len(_AXES)
        self._press_id = 0
        self._clutch_id = 1
        self._gone = False

    def feed(self, keys: int, reads: int, now_ns: int) -> None:
        """Take the keys that are held, and how often the terminal has been read so far."""
        if reads == self._reads:
            return
        self._reads, self._read_ns = reads, now_ns
        new, old = Key(keys), self._keys
        self._press_id += bool(new & ~old & Key.DEADMAN)
        self._clutch_id += bool(old & ~new & Key.CLUTCH)
        self._keys = new

    def sees(self, state: State, instrument: Setpoint, now_ns: int) -> None:
        """Align with the instrument while it does not follow."""
        if state < State.DEGRADED or self._keys & Key.CLUTCH:
            self._pose = self._pose._replace(
                qw=instrument.qw, qx=instrument.qx, qy=instrument.qy, qz=instrument.qz
            )
        if state < State.DEGRADED and not self._keys & Key.DEADMAN:
            self._pose = self._pose._replace(jaw=instrument.jaw)

    def reads(self, now_ns: int) -> Hand:
        """Move the hand as its keys ask, up to now."""
        dt_s = (now_ns - self._now_ns) * 1e-9
        self._now_ns = now_ns
        self._move(dt_s)
        flags = Flags(0)
        if not self._gone:
            flags |= Flags.DEADMAN if self._keys & Key.DEADMAN else Flags(0)
            flags |= Flags.CLUTCH if self._keys & Key.CLUTCH else Flags(0)
        flags |= Flags.ESTOP if self._keys & Key.ESTOP else Flags(0)
        age_ns = now_ns - self._read_ns
        return Hand(self._pose, flags, self._press_id, self._clutch_id, self._reads, age_ns)

    def let_go(self) -> None:
        """Release the deadman, for good."""
        self._gone = True

    def _move(self, dt_s: float) -> None:
        gait, keys = self._gait, self._keys
        share = 1.0 - math.exp(-dt_s / gait.smooth_s)
        speeds = (*(gait.speed_m_s,) * 3, *(gait.turn_rad_s,) * 3, gait.jaw_rad_s)
        for axis, ((more, less), speed) in enumerate(zip(_AXES, speeds, strict=True)):
            wish = speed * (bool(keys & more) - bool(keys & less))
            self._velocity[axis] += share * (wish - self._velocity[axis])
        vx, vy, vz, wx, wy, wz, jaw = (velocity * dt_s for velocity in self._velocity)
        pose = self._pose
        self._pose = Setpoint(
            pose.x + vx,
            pose.y + vy,
            pose.z + vz,
            *_turned(pose, wx, wy, wz),
            min(JAW_MAX, max(JAW_MIN, pose.jaw + jaw)),
        )


def _turned(pose: Setpoint, x: float, y: float, z: float) -> tuple[float, float, float, float]:
    """Turn an orientation by a small rotation vector in the base's axes; stays a unit."""
    w, i, j, k = pose.qw, pose.qx, pose.qy, pose.qz
    a, b, c = 0.5 * x, 0.5 * y, 0.5 * z
    turned = (
        w - a * i - b * j - c * k,
        i + a * w + b * k - c * j,
        j - a * k + b * w + c * i,
        k + a * j - b * i + c * w,
    )
    norm = math.sqrt(sum(part * part for part in turned))
    return turned[0] / norm, turned[1] / norm, turned[2] / norm, turned[3] / norm
