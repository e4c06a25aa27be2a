"""A grid of characters to draw on, and the strips that a terminal shows of it."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from hil.console.widgets.raster import BRAILLE, Grid, Stroke


class Canvas:
    """Cells with a character each and a style each; what is drawn later lies over it.

    Parameters
    ----------
    grid : Grid
    """

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        n = grid.columns * grid.rows
        self._ink = [0] * n
        self._style = [""] * n
        self._is_text = bytearray(n)

    def draw(self, stroke: Stroke, style: str) -> None:
        """Draw a line."""
        ink, styles, is_text = self._ink, self._style, self._is_text
        is_ascii = self.grid.is_ascii
        for at, mark in stroke:
            if not is_text[at]:
                ink[at] = mark if is_ascii or not ink[at] else ink[at] | mark
                styles[at] = style

    def put(self, column: int, row: int, text: str, style: str) -> None:
        """Write a text; what is outside is cut off."""
        if not 0 <= row < self.grid.rows:
            return
        begin = row * self.grid.columns
        for k, char in enumerate(text, column):
            if 0 <= k < self.grid.columns:
                self._ink[begin + k] = ord(char)
                self._style[begin + k] = style
                self._is_text[begin + k] = 1

    def strips(self, base: Style) -> list[Strip]:
        """Return the lines as a terminal shows them, over a style of the ground."""
        columns = self.grid.columns
        known: dict[str, Style] = {"": base}
        blank = Strip([Segment(" " * columns, base)], columns)
        found = []
        for row in range(self.grid.rows):
            begin, end = row * columns, (row + 1) * columns
            ink = self._ink[begin:end]
            if not any(ink):
                found.append(blank)
                continue
            found.append(self._strip(begin, ink, base, known))
        return found

    def _strip(self, begin: int, ink: list[int], base: Style, known: dict[str, Style]) -> Strip:
        columns = len(ink)
        is_dots = not self.grid.is_ascii
        is_text, styles = self._is_text, self._style
        segments: list[Segment] = []
        run: list[str] = []
        now = ""
        for k, mark in enumerate(ink):
            at = begin + k
            style = styles[at] if mark else "" if "reverse" in now else now
            if style != now:
                if run:
                    segments.append(Segment("".join(run), known[now]))
                    run = []
                now = style
                if now not in known:
                    known[now] = base + Style.parse(now)
            if not mark:
                run.append(" ")
            else:
                run.append(chr(BRAILLE + mark) if is_dots and not is_text[at] else chr(mark))
        segments.append(Segment("".join(run), known[now]))
        return Strip(segments, columns)
