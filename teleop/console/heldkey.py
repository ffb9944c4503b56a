"""Which key a person holds at the bedside, from what a terminal sends: never longer than it is.

A terminal tells of a key's release only by the kitty keyboard protocol. Without it, what tells a
held key from one that was struck is that it repeats. So

- a key counts as held from its first repetition on (terminals wait 250 to 500 ms for it), and
- it counts as released `REPEAT_NS` after its last one: a terminal must repeat at 12 Hz or more.

With the protocol a key is held from press to release, to the reading. Whoever looks elsewhere (the
terminal loses the focus) holds nothing.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from safety.profile import MS

#: Without releases: so long after its last repetition a key counts as held.
REPEAT_NS: Final = 85 * MS
#: The longest that a terminal waits before it repeats a key.
FIRST_REPEAT_NS: Final = 700 * MS
SEQUENCE_BYTES_MAX: Final = 32
_TOKEN = re.compile(
    rb"\x1b\[(?P<code>\d+)(?::\d*)*(?:;(?P<mods>\d*)(?::(?P<event>\d))?(?:;[\d:]*)?)?u"
    rb"|\x1b\[\?(?P<kitty>\d+)u"
    rb"|(?P<other>\x1b\[[0-9;:?<>]*[@-~])"
    rb"|(?P<plain>[\x00-\xff])",
    re.DOTALL,
)
_PARTIAL = re.compile(rb"\x1b(?:\[[0-9;:?<>]*)?\Z")
_FOCUS_LOST: Final = b"\x1b[O"
_RELEASE: Final = 3
_CTRL: Final = 4


class Stroke(NamedTuple):
    """A key that went down: its character, and whether it only repeats."""

    key: str
    repeats: bool


class HeldKey:
    """The one key that is held.

    Attributes
    ----------
    reports_release : whether the terminal has said that it tells of releases
    """

    def __init__(self) -> None:
        self.reports_release = False
        self._key = ""
        self._since_ns = self._last_ns = 0
        self._repeats = False
        self._rest = b""

    def feed(self, data: bytes, now_ns: int) -> list[Stroke]:
        """Take bytes as the terminal sent them; give the keys that went down."""
        data = self._rest + data
        partial = _PARTIAL.search(data)
        cut = partial.start() if partial and len(partial[0]) <= SEQUENCE_BYTES_MAX else len(data)
        self._rest = data[cut:]
        strokes = (self._take(token, now_ns) for token in _TOKEN.finditer(data[:cut]))
        return [stroke for stroke in strokes if stroke is not None]

    def held(self, now_ns: int) -> str:
        """Give the key that counts as held by now; empty for none."""
        if self.reports_release:
            return self._key
        lasts = now_ns - self._last_ns < REPEAT_NS
        return self._key if self._repeats and lasts else ""

    def release(self) -> None:
        """Let go."""
        self._key, self._repeats = "", False

    def _take(self, token: re.Match[bytes], now_ns: int) -> Stroke | None:
        if token["kitty"]:
            self.reports_release = True
            return None
        if token["other"]:
            if token["other"] == _FOCUS_LOST:
                self.release()
            return None
        if token["plain"]:
            return self._down(token["plain"].decode("latin-1"), now_ns)
        modifiers = int(token["mods"] or 1) - 1
        code = int(token["code"])
        key = chr(code & 0x1F) if modifiers & _CTRL else chr(code) if code < 0x80 else "?"
        if int(token["event"] or 1) == _RELEASE:
            if key == self._key:
                self.release()
            return None
        return self._down(key, now_ns)

    def _down(self, key: str, now_ns: int) -> Stroke:
        patience_ns = REPEAT_NS if self._repeats else FIRST_REPEAT_NS
        repeats = key == self._key and now_ns - self._last_ns < patience_ns
        self._key, self._last_ns, self._repeats = key, now_ns, repeats
        return Stroke(key, repeats)
