"""What a person sees of a console in a terminal: a picture, and below it the numbers."""

from __future__ import annotations

import io
from typing import Final

from rich.console import Console as Renderer

from teleop.console.mosaic import fit, lines
from teleop.console.screen import View, on_screen
from teleop.node.endoscope import Endoscope

#: Rows that the numbers may take; the picture has what is left.
TEXT_ROWS_MAX: Final = 10
#: A picture of fewer rows than this shows nothing; then there is none.
PICTURE_ROWS_MIN: Final = 8


class Display:
    """Rows for a terminal, picture and numbers each renewed when it is asked for.

    Parameters
    ----------
    endoscope : where pictures come from, if there are any
    title : what moves, how
    """

    def __init__(self, endoscope: Endoscope, title: str) -> None:
        self._endoscope = endoscope
        self._title = title
        self._before: View | None = None
        self._picture: list[str] = []
        self._text: list[str] = ["starting"]

    def look(self, columns: int, rows: int) -> None:
        """Take the newest picture, as large as it fits above the numbers."""
        room = rows - TEXT_ROWS_MAX - 1
        pixels = self._endoscope.newest() if room >= PICTURE_ROWS_MIN else None
        if pixels is not None:
            self._picture = lines(pixels, *fit(pixels.shape[:2], columns, room))

    def count(self, now: View | None, columns: int) -> None:
        """Take the console's newest numbers."""
        if now is None:
            return
        renderer = Renderer(
            file=io.StringIO(), width=columns, force_terminal=True, color_system="truecolor"
        )
        with renderer.capture() as capture:
            renderer.print(on_screen(now, self._before, self._title))
        self._text = capture.get().splitlines()[:TEXT_ROWS_MAX]
        self._before = now

    def rows(self) -> list[str]:
        """Give all rows, from the top."""
        return [*self._picture, *self._text]
