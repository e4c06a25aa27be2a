"""Writes readings as styled text: numbers of fixed decimals, states, codes in words, bars."""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text

from hil.console.looks import Palette, Signs, style_of
from hil.console.widgets.bar import ASCII_TRACK, TRACK, bar, scale
from hil.view.model import PointInfo
from hil.view.reading import DASH, GOOD, Reading, text_of
from hil.view.relays import Level, State
from hil.view.station_view import StationView
from hil.view.words import word_of


class Pen:
    """What screens write readings with.

    Parameters
    ----------
    view : StationView
    palette : Palette
    signs : Signs
    is_ascii : bool
    """

    def __init__(self, view: StationView, palette: Palette, signs: Signs, is_ascii: bool) -> None:
        self.view, self.palette, self.signs, self.is_ascii = view, palette, signs, is_ascii

    def number(self, tag: str, decimals: int = 1, *, width: int = 0, unit: str | None = None) -> Text:
        """Return a number and its unit (the point's own unless another one is given)."""
        reading = self.view.reading(tag)
        style = style_of(reading, self.palette)
        if reading.number is None:
            return Text(f"{DASH:>{width}}", style)
        shown = f"{reading.number:.{decimals}f}"
        shown = f"{shown.lstrip('-') if float(shown) == 0 else shown:>{width}}"
        if unit is None:
            point = self._point(tag)
            unit = point.unit if point else ""
        return Text(shown + (f" {unit}" if unit else "") + self._doubt(reading), style)

    def word(self, tag: str, styles: Mapping[str, str] | None = None) -> Text:
        """Return a state, or a code in words; ``styles`` gives good ones a style by their word."""
        reading = self.view.reading(tag)
        word = word_of(self._point(tag), reading)
        return Text(word, style_of(reading, self.palette) or (styles or {}).get(word, ""))

    def alarm(self, tag: str, is_on_bad: bool = True) -> Text:
        """Return a two-state point with the sign and colour of an alarm in its bad state."""
        reading = self.view.reading(tag)
        shown = text_of(self._point(tag), reading)
        style = style_of(reading, self.palette)
        if not reading.is_usable:
            return Text(shown, style)
        if reading.is_on is is_on_bad:
            return Text(f"{self.signs.alarm} {shown}", style or f"bold {self.palette.bad}")
        return Text(shown, style or self.palette.good)

    def state(self, state: State, sign: str = "") -> Text:
        """Return a state with its colour and a sign before it."""
        return Text(f"{sign} {state.word}" if sign else state.word, self.style(state.level))

    def style(self, level: Level) -> str:
        """Return the style of how much something asks for attention."""
        palette = self.palette
        return {
            Level.GOOD: palette.good,
            Level.NOTE: palette.note,
            Level.WARN: f"bold {palette.warn}",
            Level.BAD: f"bold {palette.bad}",
            Level.UNKNOWN: "dim italic",
        }[level]

    def bar(self, tag: str, width: int, *, low: float = 0.0, high: float = 1.0, style: str = "") -> Text:
        """Return a bar of where a reading lies between two values; ``?`` where it does not hold now."""
        reading = self.view.reading(tag)
        if not reading.is_usable or reading.number is None:
            return Text(bar(None, width), "dim italic")
        share = (reading.number - low) / (high - low)
        return self._bar(share, width, style_of(reading, self.palette) or style)

    def progress(self, done: float | None, whole: float | None, width: int, style: str = "") -> Text:
        """Return a bar of what has passed of a whole."""
        if done is None or not whole:
            return Text(bar(None, width), "dim italic")
        return self._bar(done / whole, width, style)

    def _bar(self, share: float, width: int, style: str) -> Text:
        drawn = bar(share, width, is_ascii=self.is_ascii)
        n_full = len(drawn.rstrip(ASCII_TRACK if self.is_ascii else TRACK))
        return Text.assemble((drawn[:n_full], style), (drawn[n_full:], "dim"))

    def scale(self, tag: str, width: int, low: float, high: float) -> Text:
        """Return a scale with a mark where a reading stands."""
        reading = self.view.reading(tag)
        style = style_of(reading, self.palette) or self.palette.live
        return Text(scale(reading.number, low, high, width, is_ascii=self.is_ascii), style)

    def _point(self, tag: str) -> PointInfo | None:
        return self.view.model.points.get(tag) if self.view.model else None

    @staticmethod
    def _doubt(reading: Reading) -> str:
        return "?" if reading.is_stale or reading.grade != GOOD else ""
