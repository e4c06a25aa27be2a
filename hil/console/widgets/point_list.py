"""A list of thousands of points of which only those in view are drawn."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from hil.view.model import PointInfo

LETTERS = {"analog": "A", "status": "S", "setpoint": "W", "control": "C"}
HEADS = ("", "tag", "value", "unit", "quality", "time UTC", "description")
NARROW = 100
"""Below so many columns there is no description in the list."""
TAG_LEAST, VALUE, UNIT, QUALITY, TIME, DESCRIPTION_LEAST = 24, 12, 5, 9, 8, 16


@dc.dataclass(frozen=True, slots=True)
class Shown:
    """What is drawn of a point's value, and in which style."""

    value: str
    quality: str
    time: str
    style: str


class PointList(ScrollView, can_focus=True):
    """Rows of points.

    Parameters
    ----------
    shown : callable
        Returns what is to be drawn of a point now.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"point-list--cursor", "point-list--head"}
    DEFAULT_CSS = """
    PointList { height: 1fr; }
    PointList > .point-list--cursor { background: $primary 40%; text-style: bold; }
    PointList > .point-list--head { background: $panel; text-style: bold; }
    """
    BINDINGS = [
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home", "move(-1000000)", show=False),
        Binding("end", "move(1000000)", show=False),
    ]

    class Moved(Message):
        """Another point is under the cursor, or other points are in view."""

    def __init__(self, shown: Callable[[PointInfo], Shown], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._shown = shown
        self.rows: Sequence[PointInfo] = ()
        self.cursor = 0
        self._drawn: dict[int, Shown] = {}
        self._tag_width = TAG_LEAST
        self.cut = "~"
        """What stands for the rest of a text that does not fit."""

    # ---- what there is

    def put(self, rows: Sequence[PointInfo], tag_width: int) -> None:
        """Show other points; the cursor stays on its point where that is still there."""
        before = self.selected
        self.rows, self._tag_width = rows, max(TAG_LEAST, tag_width)
        self.cursor = rows.index(before) if before in rows else 0
        self.virtual_size = Size(self.scrollable_content_region.width, len(rows) + 1)
        self._into_view()
        self._all_anew()

    @property
    def selected(self) -> PointInfo | None:
        """The point under the cursor."""
        return self.rows[self.cursor] if self.cursor < len(self.rows) else None

    @property
    def in_view(self) -> Sequence[PointInfo]:
        """The points that are in view."""
        top = self.scroll_offset.y
        return self.rows[top : top + self._page_rows]

    @property
    def _page_rows(self) -> int:
        return max(1, self.scrollable_content_region.height - 1)

    def draw(self) -> None:
        """Draw the rows in view whose values changed."""
        top = self.scroll_offset.y
        width = self.scrollable_content_region.width
        for at in range(top, min(top + self._page_rows, len(self.rows))):
            if self._drawn.get(at) != self._shown(self.rows[at]):
                self.refresh(Region(0, at - top + 1, width, 1))

    # ---- moving

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        if self.rows:
            self.go(min(max(self.cursor + by, 0), len(self.rows) - 1))

    def action_page(self, by: int) -> None:
        """Move the cursor by what is in view."""
        self.action_move(by * self._page_rows)

    def go(self, row: int) -> None:
        """Put the cursor on a row."""
        self.cursor = row
        self._into_view()
        self._all_anew()

    def on_click(self, event: events.Click) -> None:
        """Put the cursor where the mouse is."""
        row = self.scroll_offset.y + event.y - 1
        if event.y > 0 and row < len(self.rows):
            self.go(row)

    def on_resize(self) -> None:
        """Fit the columns."""
        self.virtual_size = Size(self.scrollable_content_region.width, len(self.rows) + 1)
        self._into_view()
        self._all_anew()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Tell that other points are in view."""
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) != round(new_value):
            self._all_anew()

    def _into_view(self) -> None:
        top, rows = self.scroll_offset.y, self._page_rows
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False)
        elif self.cursor >= top + rows:
            self.scroll_to(y=self.cursor - rows + 1, animate=False)

    def _all_anew(self) -> None:
        self._drawn.clear()
        self.refresh()
        self.post_message(self.Moved())

    # ---- drawing

    def render_line(self, y: int) -> Strip:
        """Draw one line of the view: the heads, then points."""
        width = self.scrollable_content_region.width
        if y == 0:
            style = self.get_component_rich_style("point-list--head")
            return self._strip([(text, style) for text in HEADS], style, width)
        at = self.scroll_offset.y + y - 1
        if at >= len(self.rows):
            return Strip.blank(width, self.rich_style)
        point = self.rows[at]
        found = self._drawn[at] = self._shown(point)
        base = self.get_component_rich_style("point-list--cursor") if at == self.cursor else self.rich_style
        value = base + Style.parse(found.style)
        letter = LETTERS.get(point.kind, "?")
        cells = [(letter, base), (point.tag, base), (found.value, value), (point.unit, base)]
        cells += [(found.quality, value), (found.time, base), (point.description, base)]
        return self._strip(cells, base, width)

    def _strip(self, cells: Sequence[tuple[str, Style]], gap: Style, width: int) -> Strip:
        segments = []
        for k, ((text, style), wide) in enumerate(zip(cells, self._widths(width), strict=True)):
            if wide:
                text = text if len(text) <= wide else text[: wide - 1] + self.cut
                segments += [
                    Segment(text.rjust(wide) if k == 2 else text.ljust(wide), style),
                    Segment(" ", gap),
                ]
        return Strip(segments).adjust_cell_length(width, gap)

    def _widths(self, width: int) -> tuple[int, ...]:
        """Return the widths of the columns, 0 for one that there is no room for."""
        others = 1 + VALUE + UNIT + QUALITY + TIME + 6
        rest = width - others
        if width < NARROW:
            return 1, min(self._tag_width, rest), VALUE, UNIT, QUALITY, TIME, 0
        tag = min(self._tag_width, rest - DESCRIPTION_LEAST - 1)
        return 1, tag, VALUE, UNIT, QUALITY, TIME, rest - tag - 1
