"""Alarms and events."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.widgets import ContentSwitcher, DataTable, Input, Static

from hil.console.dialogs.acknowledge import AcknowledgeDialog
from hil.console.page import Page
from hil.console.pages.alarm_rows import ALARM_HEADS, alarm_cells, event_head, event_line
from hil.console.widgets.line_list import LineList
from hil.console.widgets.selected_key import selected_key
from hil.view import devices
from hil.view import events as ev
from hil.view.alarms import AlarmRow
from hil.view.model import StationModel
from hil.view.station_view import NEWEST, StationError

POLL_S = 1.0
ALARMS, EVENTS = "alarms", "events"


class AlarmsPage(Page):
    """Alarms and events."""

    KEY: ClassVar[str] = "9"
    TITLE_TEXT: ClassVar[str] = "Alarms"
    BINDINGS = [
        Binding("v", "switch", "Alarms/events"),
        Binding("a", "acknowledge", "Acknowledge"),
        Binding("A", "acknowledge_all", "All"),
        Binding("slash", "filter", "Filter"),
        Binding("s", "seek", "Search"),
        Binding("n", "next", "Next", show=False),
        Binding("space", "follow", "Follow", show=False),
        Binding("e", "export", "CSV"),
        Binding("o,enter", "operate", "Operate", show=False),
        Binding("t", "trend", "Trend", show=False),
    ]
    DEFAULT_CSS: ClassVar[str] = """
    AlarmsPage ContentSwitcher { height: 1fr; }
    AlarmsPage #alarms, AlarmsPage #events { height: 1fr; }
    AlarmsPage DataTable { height: 1fr; }
    AlarmsPage #asked { display: none; height: 1; border: none; }
    AlarmsPage #tabs, AlarmsPage #words, AlarmsPage #event-head { height: 1; }
    """
    HELP: ClassVar[str] = """
# Alarms and events

**Alarms** are points in a state that is one: active and not acknowledged, active and acknowledged, or over
and not acknowledged. The most urgent stand first; a sign leads those that nobody has acknowledged. An alarm
leaves the list once it is over and acknowledged.

**Events** are the station's record, the newest first: changes of status, commands with their verdicts,
overruns. Going down past the end asks for earlier ones. While it follows, new ones come by themselves. A
filter takes words that must all be there, `-word` must not: `cb_101 status`, `command -done`.

| key | does |
| --- | --- |
| v | alarms or events |
| a, A | acknowledge the selected alarm, all that are listed; needs the role operator |
| / | filter |
| s, n | search, next match |
| space | follow, or hold still |
| e | write what the filter shows as CSV into the folder where the console was started, or to the browser |
| o, t | operate the device, trend of the point |
"""

    def __init__(self) -> None:
        super().__init__()
        self._log = ev.EventLog()
        self._run_id = ""
        self._wanted, self._sought, self._asking = "", "", "filter"
        self._is_following, self._is_paging = True, False
        self._trouble = ""
        self._listed: list[ev.EventRow] = []
        self._listed_by: tuple[int, str] = (-1, "")
        self._drawn_alarms: tuple[object, ...] = ()
        self._listed_alarms: tuple[AlarmRow, ...] = ()

    def content(self) -> ComposeResult:
        """A line of tabs, the two lists, a field, a line of words."""
        yield Static(id="tabs")
        with ContentSwitcher(initial=ALARMS):
            with Vertical(id=ALARMS):
                yield DataTable(id="alarm-table", cursor_type="row")
            with Vertical(id=EVENTS):
                yield Static(id="event-head")
                yield LineList(id="event-list")
        yield Input(id="asked", compact=True)
        yield Static(id="words")

    # ---- page

    def build(self, model: StationModel) -> None:
        """Begin anew at another run."""
        if model.run_id != self._run_id:
            self._run_id, self._log, self._trouble = model.run_id, ev.EventLog(), ""
            self._listed_by = (-1, "")

    def on_screen_resume(self) -> None:
        """Ask for events while visible."""
        self.run_worker(self._poll(), exclusive=True, group="poll")
        self._focus_list()

    def on_screen_suspend(self) -> None:
        """Ask no more, unless a dialog lies over it."""
        if isinstance(self.app.screen, Page):
            self.workers.cancel_group(self, "poll")

    def refresh_values(self) -> None:
        """Draw what changed."""
        self._draw_tabs()
        self._draw_alarms(self.view.alarms)
        self._draw_events()

    @property
    def _mode(self) -> str:
        return self.query_one(ContentSwitcher).current or ALARMS

    def _draw_tabs(self) -> None:
        unseen = sum(not a.is_acknowledged for a in self.view.alarms)
        mark = "" if self.view.link.is_live else "?"
        names = {
            ALARMS: f" Alarms {len(self.view.alarms)}{mark}, {unseen} not acknowledged ",
            EVENTS: f" Events {len(self._log)}{'' if self._is_following else ', held'} ",
        }
        text = Text(no_wrap=True)
        for mode, name in names.items():
            text.append(name, "bold reverse" if mode == self._mode else "dim").append("  ")
        if self._mode == EVENTS and self._wanted:
            text.append(f"filter: {self._wanted} ({len(self._listed)} shown)", self.palette.warn)
        self.query_one("#tabs", Static).update(text)

    # ---- alarms

    def _draw_alarms(self, rows: Sequence[AlarmRow]) -> None:
        is_live = self.view.link.is_live
        nothing = "no alarms" if self.view.knows_alarms else "alarms unknown: the station has not told them"
        drawn = (rows, is_live, self.app.theme, nothing)
        if drawn == self._drawn_alarms:
            return
        self._drawn_alarms, self._listed_alarms = drawn, tuple(rows)
        table: DataTable[Text] = self.query_one("#alarm-table", DataTable)
        selected = self._selected_alarm()
        table.clear(columns=True)
        for head in ALARM_HEADS:
            table.add_column(head, key=head)
        for row in rows:
            table.add_row(*alarm_cells(row, self.palette, self.signs, is_live), key=row.tag)
        if selected is not None and any(r.tag == selected for r in rows):
            table.move_cursor(row=table.get_row_index(selected), animate=False)
        self._say("" if rows or self._mode == EVENTS else nothing)
        self._tell_selected()

    @on(DataTable.RowHighlighted, "#alarm-table")
    def _tell_selected(self) -> None:
        """Say below the list what the selected alarm is: its column may be cut."""
        row = next((r for r in self._listed_alarms if r.tag == self._selected_alarm()), None)
        if row is not None and self._mode == ALARMS:
            comment = f"; acknowledged: {row.comment}" if row.comment else ""
            self.query_one("#words", Static).update(Text(f"{row.tag}: {row.text}{comment}", "dim"))

    def _selected_alarm(self) -> str | None:
        return selected_key(self.query_one("#alarm-table", DataTable))

    def action_acknowledge(self) -> None:
        """Acknowledge the selected alarm."""
        tag = self._selected_alarm()
        if self._mode != ALARMS or tag is None:
            self._say("select an alarm; key v shows them" if self.view.alarms else "there is no alarm")
        else:
            self.app.push_screen(AcknowledgeDialog([tag]))

    def action_acknowledge_all(self) -> None:
        """Acknowledge all that are listed, and none that comes meanwhile."""
        tags = [row.tag for row in self._listed_alarms if not row.is_acknowledged]
        if tags:
            self.app.push_screen(AcknowledgeDialog(tags))
        else:
            self._say("all alarms are acknowledged" if self._listed_alarms else "there is no alarm")

    # ---- events

    async def _poll(self) -> None:
        while True:
            if self._is_following and self.view.link.is_live:
                await self._take_new()
            await asyncio.sleep(POLL_S)

    async def _take_new(self) -> None:
        log = self._log
        try:
            since, count = (NEWEST, ev.PAGE) if log.last < 0 else (log.last, 1000)
            last, rows = await self.view.events(since, count)
        except StationError as error:
            self._trouble = str(error)
        else:
            self._trouble = ""
            if log is self._log:
                log.take_new(last, ev.event_rows(rows))
        self._draw_events()
        self._draw_tabs()

    async def _take_old(self) -> None:
        log, before = self._log, self._log.before
        try:
            if before is not None:
                _, rows = await self.view.events(before, ev.PAGE)
                log.take_old(ev.event_rows(rows))
        except StationError as error:
            self._say(str(error))
        finally:
            self._is_paging = False
        self._draw_events()

    @on(LineList.Moved)
    def _moved(self, event: LineList.Moved) -> None:
        if event.is_at_end and not self._is_paging and self._log.before is not None:
            self._is_paging = True
            self.run_worker(self._take_old(), exclusive=True, group="page")

    def _draw_events(self) -> None:
        events = self.query_one("#event-list", LineList)
        if self._trouble and not len(self._log):
            self.query_one("#event-head", Static).update(Text(self._trouble, self.palette.warn))
            events.show(0, lambda _: Text())
            return
        by = (self._log.changes, self._wanted)
        if by == self._listed_by:
            return
        selected = self._listed[events.cursor].seq if events.cursor < len(self._listed) else -1
        is_at_top = events.cursor == 0
        self._listed, self._listed_by = self._log.shown(self._wanted), by
        cursor = 0 if is_at_top else next((k for k, r in enumerate(self._listed) if r.seq == selected), 0)
        width = events.size.width or self.size.width  # before it was ever shown it has none
        self.query_one("#event-head", Static).update(Text(event_head(width), "bold dim"))
        events.show(len(self._listed), self._line, cursor)
        if not is_at_top:
            events.move_to(cursor)

    def _line(self, index: int) -> Text:
        width = self.query_one("#event-list", LineList).size.width
        return event_line(self._listed[index], width, self.palette, self._sought)

    # ---- filter, search, export

    def action_filter(self) -> None:
        """Ask for the words of a filter."""
        self._ask("filter", self._wanted)

    def action_seek(self) -> None:
        """Ask for a text to search."""
        self._ask("search", self._sought)

    def _ask(self, what: str, value: str) -> None:
        if self._mode != EVENTS:
            self.action_switch()
        self._asking = what
        field = self.query_one("#asked", Input)
        field.placeholder = f"{what}, Enter; empty ends it"
        field.value, field.display = value, True
        field.focus()

    @on(Input.Submitted, "#asked")
    def _answered(self, event: Input.Submitted) -> None:
        text = event.value.strip()
        event.input.display = False
        self._focus_list()
        if self._asking == "filter":
            self._wanted = text
            self._draw_events()
            self._draw_tabs()
            self._say(
                "" if self._listed else "nothing that is loaded fits; go to the end to load earlier ones"
            )
        else:
            self._sought = text
            if text:
                self.action_next()
            self.query_one("#event-list", LineList).refresh()

    def action_next(self) -> None:
        """Go to the next match."""
        events = self.query_one("#event-list", LineList)
        found = ev.next_match(self._listed, self._sought, events.cursor) if self._sought else None
        if found is None:
            self._say(f"{self._sought!r} is in no event shown" if self._sought else "key s asks for a text")
        else:
            self._say("")
            events.move_to(found)

    def action_export(self) -> None:
        """Write what the filter shows as CSV."""
        is_events = self._mode == EVENTS
        head = ev.HEAD if is_events else AlarmRow.HEAD
        rows = [r.cells() for r in (self._listed if is_events else self.view.alarms)]
        self._say(self.console.save_csv(self._mode, head, rows))

    # ---- other actions

    def action_switch(self) -> None:
        """Show the other list."""
        self.query_one(ContentSwitcher).current = EVENTS if self._mode == ALARMS else ALARMS
        self._say("")
        self._drawn_alarms = ()
        self._focus_list()
        self._listed_by = (-1, "")
        self.refresh_values()

    def action_follow(self) -> None:
        """Follow the newest events, or hold still."""
        self._is_following = not self._is_following
        self._draw_tabs()

    @on(DataTable.RowSelected, "#alarm-table")
    def action_operate(self) -> None:
        """Operate the device of the selected row; Enter on an alarm comes as the table's message."""
        tag = self._selected_tag()
        model = self.view.model
        if tag and model is not None and model.has(tag):
            self.console.action_operate(devices.whole(model, model.points[tag].device))

    def action_trend(self) -> None:
        """Show the trend of the selected row's point."""
        tag = self._selected_tag()
        if tag and self.view.model is not None and self.view.model.has(tag):
            self.console.action_trend(tag)

    def action_leave_focus(self) -> None:
        """Leave the field; end the filter."""
        field = self.query_one("#asked", Input)
        if field.display:
            field.display = False
        elif self._wanted:
            self._wanted = ""
            self.refresh_values()
        self._focus_list()

    def _selected_tag(self) -> str | None:
        if self._mode == ALARMS:
            return self._selected_alarm()
        cursor = self.query_one("#event-list", LineList).cursor
        return self._listed[cursor].tag if cursor < len(self._listed) else None

    def _focus_list(self) -> None:
        self.query_one("#alarm-table" if self._mode == ALARMS else "#event-list").focus()

    def _say(self, words: str) -> None:
        self.query_one("#words", Static).update(Text(words, self.palette.warn, overflow="ellipsis"))
