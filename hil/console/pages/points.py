"""Every point: found as one types, shown while in view, operated, exported."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.timer import Timer
from textual.widgets import Input

from hil.console.looks import style_of
from hil.console.page import Page
from hil.console.widgets.point_list import PointList, Shown
from hil.console.widgets.said import Said
from hil.view.code_words import table
from hil.view.model import CONTROL, PointInfo, StationModel
from hil.view.points_csv import HEADS, rows_of
from hil.view.reading import BAD, GOOD, MISSING, UNCERTAIN, WAITING, Reading, text_of
from hil.view.search import PointIndex, Query
from hil.view.station_view import StationError

SETTLE_S = 0.15
"""Rows that are in view for so long are subscribed to."""
AGAIN_S = 5.0
"""Qualities of all points are read anew so often, while they are searched for."""
QUALITY_WORDS = {GOOD: "good", UNCERTAIN: "uncertain", BAD: "bad", WAITING: "...", MISSING: "gone"}


class PointsPage(Page):
    """Every point, searchable, with its value, its quality and what is known about it."""

    KEY: ClassVar[str] = "0"
    TITLE_TEXT: ClassVar[str] = "Points"
    AUTO_FOCUS = "PointList"
    HELP: ClassVar[str] = """
Every point of the station. Only rows that are in view are read from the station.

| key | |
| --- | --- |
| `/` | search as you type; `Enter` or `down` goes to the list, `Esc` leaves the field |
| `up` `down` `PgUp` `PgDn` `Home` `End` | move |
| `Enter`, `o` | operate or set the device of the point |
| `t` | trend of the point |
| `c` | copy its tag |
| `e` | export what the search shows, with values, as CSV: into the folder it was started in, or the browser |
| `x` | clear the search |

Search: words must all be found in tag, description, unit (`kw`) or kind (`analog`, `status`, `setpoint`,
`control`); `@engineer` leaves what that role may command; `=bad`, `=uncertain`, `=good` look at the quality,
`=-good` for everything that is not good. If no point has the words, tags that hold their letters in that
order are shown: `fa101i` finds FDR_A.CB_101.IA.

First column: A measured value, S two-state, W settable, C command.
"""
    BINDINGS = [
        Binding("slash", "search", "Search"),
        Binding("enter,o", "operate", "Operate", key_display="Enter"),
        Binding("t", "trend", "Trend"),
        Binding("c", "copy", "Copy tag"),
        Binding("e", "export", "Export CSV"),
        Binding("x", "clear", "Clear search", show=False),
        Binding("down", "to_list", show=False),
    ]
    DEFAULT_CSS = """
    PointsPage #points-find { height: 1; layout: horizontal; }
    PointsPage #points-query { height: 1; border: none; padding: 0 1; background: $surface; width: 1fr; }
    PointsPage #points-query:focus { background: $panel; }
    PointsPage #points-count { height: 1; padding: 0 1; }
    PointsPage #points-detail { height: 5; padding: 0 1; border-top: solid $panel; }
    PointsPage.-tall #points-detail { height: 7; }
    PointsPage.-ascii #points-detail { border-top: ascii $panel; }
    """
    VERTICAL_BREAKPOINTS = [(0, "-low"), (34, "-tall")]

    def __init__(self) -> None:
        super().__init__()
        self._index = PointIndex(())
        self._query = Query()
        self._grades: dict[str, str] = {}
        self._graded_s = -1e9
        self._settling: Timer | None = None
        self._tag_width = 0
        self._words = ""

    def content(self) -> ComposeResult:
        """Search field, list, detail."""
        yield Input(placeholder="/ to search: words, kW, status, @engineer, =bad", id="points-query")
        yield Said(id="points-count")
        yield PointList(self._shown, id="points-list")
        yield Said(id="points-detail")

    # ---- what is shown

    @property
    def _list(self) -> PointList:
        return self.query_one(PointList)

    def build(self, model: StationModel) -> None:
        """Take the points of a station."""
        self._index = PointIndex(model.points.values())
        self._tag_width = max((len(tag) for tag in model.points), default=0)
        self._grades.clear()
        self._graded_s = -1e9
        self.set_class(self.console.is_ascii, "-ascii")
        self._list.cut = "~" if self.console.is_ascii else "…"
        self._find()

    def tags(self, model: StationModel) -> Iterable[str]:
        """Those in view."""
        return [p.tag for p in self._list.in_view]

    def _find(self) -> None:
        query = self._query
        found = self._index.find(query)
        if query.qualities:
            found = [p for p in found if self._grades.get(p.tag) in query.qualities]
        self._list.put(found, self._tag_width)
        self._say_count()

    def _say_count(self) -> None:
        parts = [f"{len(self._list.rows)} of {len(self._index)} points"]
        if self._query.qualities:
            age_s = time.monotonic() - self._graded_s
            parts.append(f"qualities read {age_s:.0f} s ago" if self._grades else "reading all qualities ...")
        if self._words:
            parts.append(self._words)
        self.query_one("#points-count", Said).show(Text("   ".join(parts), no_wrap=True))

    def _shown(self, point: PointInfo) -> Shown:
        if point.kind == CONTROL:
            return Shown("command", "", "", "dim")
        reading = self.view.reading(point.tag)
        quality = "stale" if reading.is_stale else QUALITY_WORDS[reading.grade]
        at = reading.source.strftime("%H:%M:%S") if reading.source else ""
        return Shown(text_of(point, reading), quality, at, style_of(reading, self.palette))

    def refresh_values(self) -> None:
        """Draw rows that changed, and the detail."""
        self._list.draw()
        self._show_detail()
        if self._query.qualities:
            self._say_count()
            if time.monotonic() - self._graded_s > AGAIN_S and self.view.link.is_live:
                self.run_worker(self._grade(), group="points-grade", exclusive=False)

    async def _grade(self) -> None:
        """Read the quality of every point that the search asks about."""
        self._graded_s = time.monotonic()
        asked = self._index.find(Query(self._query.words, self._query.roles))
        try:
            found = await self.view.look(p.tag for p in asked)
        except StationError as error:
            self._words = str(error)
            self._say_count()
            return
        self._grades = {tag: reading.grade for tag, reading in found.items()}
        self._graded_s, self._words = time.monotonic(), ""
        self._find()

    # ---- detail

    def _show_detail(self) -> None:
        point = self._list.selected
        self.query_one("#points-detail", Said).show(
            Text("no point is like that; x clears the search") if point is None else self._detail(point)
        )

    def _detail(self, point: PointInfo) -> Text:
        reading = self.view.reading(point.tag)
        lines = [_first_line(point, reading, style_of(reading, self.palette)), Text(point.description)]
        lines.append(Text(_limits(point)))
        lines.append(
            Text(f"{point.template} of {point.source}, {point.attr}; published by {point.publisher}", "dim")
        )
        lines.append(
            Text(f"OPC UA ns=2;s={point.tag}" + ("; health point" if point.is_health else ""), "dim")
        )
        return Text("\n").join(lines)

    @on(PointList.Moved)
    def moved(self) -> None:
        """Show the detail at once; subscribe when the list has come to rest."""
        self._show_detail()
        if self._settling is not None:
            self._settling.stop()
        self._settling = self.set_timer(SETTLE_S, self.show_tags)

    # ---- keys

    @on(Input.Changed, "#points-query")
    def typed(self, event: Input.Changed) -> None:
        """Search as one types."""
        self._query = Query.of(event.value)
        if self._query.qualities:
            self._graded_s = -1e9
        self._find()

    @on(Input.Submitted, "#points-query")
    def action_to_list(self) -> None:
        """Go to the list."""
        self._list.focus()

    def action_search(self) -> None:
        """Go to the search field."""
        self.query_one("#points-query", Input).focus()

    def action_clear(self) -> None:
        """Show every point again."""
        self.query_one("#points-query", Input).value = ""
        self._list.focus()

    def action_operate(self) -> None:
        """Operate or set the device of the point."""
        point, model = self._list.selected, self.view.model
        if point is None or model is None:
            return
        if any(p.is_writable for p in model.devices[point.device]):
            self.console.action_operate(point.device)
        else:
            self.notify(f"{point.device} is only measured: it takes no commands")

    def action_trend(self) -> None:
        """Show the trend of the point."""
        point = self._list.selected
        if point is None:
            return
        if point.kind == CONTROL:
            self.notify(f"{point.tag} is a command: it has no value")
        else:
            self.console.action_trend(point.tag)

    def action_copy(self) -> None:
        """Copy the tag."""
        if point := self._list.selected:
            self.app.copy_to_clipboard(point.tag)
            self.notify(f"{point.tag} copied (where the terminal allows it)")

    def action_export(self) -> None:
        """Write what the search shows."""
        if self.view.model is not None:
            self.run_worker(self._export(self.view.model), group="points-export", exclusive=True)

    async def _export(self, model: StationModel) -> None:
        points = list(self._list.rows)
        try:
            rows = list(rows_of(points, await self.view.look(p.tag for p in points)))
        except StationError as error:
            self.notify(f"nothing exported: {error}", severity="error")
        else:
            self.notify(self.console.save_csv(f"points-{model.name}", HEADS, rows), timeout=10.0)


def _first_line(point: PointInfo, reading: Reading, style: str) -> Text:
    line = Text.assemble((point.tag, "bold"), f"  {point.kind}")
    if point.kind == CONTROL:
        return line
    line.append(f"  {text_of(point, reading, has_unit=True)}", style)
    if reading.number is not None and (words := table(point.description).get(int(reading.number))):
        line.append(f" = {words}")
    line.append(f"  {reading.status or 'no value yet'}", style)
    if reading.source is not None:
        line.append(f"  {reading.source:%Y-%m-%d %H:%M:%S.%f}"[:-3], "dim")
    return line


def _limits(point: PointInfo) -> str:
    parts = []
    if point.states is not None:
        parts.append(f"states: 0 {point.states[0]}, 1 {point.states[1]}")
    elif point.kind != CONTROL:
        parts.append(f"range {point.minimum:g} .. {point.maximum:g} {point.unit}".rstrip())
    if point.is_writable:
        parts.append(f"commanded by role {point.role}")
    if point.alarm:
        parts.append(f"alarm of {point.alarm} severity")
    return "; ".join(parts)
