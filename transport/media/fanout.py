"""Which viewer is sent which encoded frame, and when the encoder is asked for a whole one.

A picture is encoded once and the same packets go to everybody. Frames build on the one before, so
for one viewer they cannot be thinned out: who lags is sent nothing until the next frame that stands
alone (IDR), and then goes on with it.

Rules
-----
1. A viewer is sent nothing before its first IDR: nobody could decode it.
2. More than `BACKLOG_MAX` frames unsent to a viewer mute it until an IDR comes when they are gone.
3. An IDR is asked for when somebody needs one, and never sooner than `IDR_NS` after the last: who
   joins, or asks without end, does not make the picture worse for the others.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

MS: Final = 1_000_000
#: Frames that may wait to be sent to one viewer.
BACKLOG_MAX: Final = 2
#: An IDR is five to ten times as large as the frames between: four a second are borne.
IDR_NS: Final = 250 * MS
VIEWERS_MAX: Final = 64


class Watching(IntEnum):
    """How a viewer gets the picture."""

    WAITING = 0  #: has seen nothing yet
    MUTED = 1  #: lagged; goes on at the next IDR
    LIVE = 2


class Full(Exception):
    """No viewer more can be served."""


class Counts(NamedTuple):
    """What happened since the start."""

    muted: int
    asked: int
    idrs: int


class _Viewer:
    __slots__ = ("asks", "backlog", "watching")

    def __init__(self) -> None:
        self.watching = Watching.WAITING
        self.backlog = 0
        self.asks = False


class Fanout:
    """The viewers of one camera, by any name that is theirs alone."""

    def __init__(self) -> None:
        self._viewers: dict[object, _Viewer] = {}
        self._idr_ns: int | None = None
        self._muted = self._asked = self._idrs = 0

    def __len__(self) -> int:
        return len(self._viewers)

    @property
    def counts(self) -> Counts:
        """What happened since the start."""
        return Counts(self._muted, self._asked, self._idrs)

    def watching(self, name: object) -> Watching:
        """Tell how a viewer gets the picture."""
        return self._viewers[name].watching

    def join(self, name: object) -> None:
        """Begin to serve a viewer.

        Raises
        ------
        Full
        """
        if len(self._viewers) >= VIEWERS_MAX:
            raise Full(f"{VIEWERS_MAX} viewers watch already")
        self._viewers[name] = _Viewer()

    def leave(self, name: object) -> None:
        """Serve it no longer."""
        self._viewers.pop(name, None)

    def ask(self, name: object) -> None:
        """Note that a viewer cannot decode what it has (RFC 4585 PLI, RFC 5104 FIR)."""
        viewer = self._viewers.get(name)
        if viewer is not None:
            viewer.asks = True
            self._asked += 1

    def unsent(self, name: object, frames: int) -> None:
        """Note how many frames wait to be sent to a viewer."""
        viewer = self._viewers.get(name)
        if viewer is None:
            return
        viewer.backlog = frames
        if frames > BACKLOG_MAX and viewer.watching is Watching.LIVE:
            viewer.watching = Watching.MUTED
            self._muted += 1

    def needs_idr(self, now_ns: int) -> bool:
        """Tell whether the next frame shall stand alone."""
        if self._idr_ns is not None and now_ns - self._idr_ns < IDR_NS:
            return False
        return any(self._is_in_need(viewer) for viewer in self._viewers.values())

    def offer(self, *, is_idr: bool, now_ns: int) -> list[object]:
        """Take an encoded frame; return the viewers that are sent it."""
        if is_idr:
            self._idr_ns = now_ns
            self._idrs += 1
            for viewer in self._viewers.values():
                viewer.asks = False
                if viewer.backlog <= BACKLOG_MAX:
                    viewer.watching = Watching.LIVE
        return [name for name, one in self._viewers.items() if one.watching is Watching.LIVE]

    @staticmethod
    def _is_in_need(viewer: _Viewer) -> bool:
        if viewer.watching is Watching.LIVE:
            return viewer.asks
        return viewer.backlog <= BACKLOG_MAX
