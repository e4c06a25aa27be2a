"""Relays, reclosers, breakers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Container, Vertical, VerticalScroll
from textual.widgets import DataTable, Static

from hil.console.page import Page
from hil.console.widgets import relay_facts
from hil.console.widgets.device_table import LEFT, RIGHT, DeviceTable
from hil.console.widgets.facts import Facts
from hil.console.widgets.pen import Pen
from hil.console.widgets.verdict import OneKey
from hil.view import relays
from hil.view.model import Element, Relay, StationModel

RELAYS = (
    ("relay", 16, LEFT), ("breaker", 9, LEFT), ("state", 14, LEFT), ("target", 6, LEFT),
    ("79 and shot", 11, LEFT), ("grp", 3, RIGHT), ("trips", 5, RIGHT),
)  # fmt: skip
ELEMENTS = (("element", 7, LEFT), ("state", 9, LEFT), ("timer", 15, LEFT), ("target", 7, LEFT))
TIMER_WIDTH = 10
LISTED = (*relays.RELAY_NAMES, "TARGETS", "FIRST_ELEMENT", "TRIPS", "GROUP")


class ProtectionPage(Page):
    """Relays, reclosers, breakers."""

    KEY: ClassVar[str] = "4"
    TITLE_TEXT: ClassVar[str] = "Protection"
    HELP: ClassVar[str] = """
Every relay with its breaker, the most urgent thing it says, its first target, the state of reclosing with
shot k of n, settings group and trips. Below: the relay under the cursor.

- **elements**: pickup, how much of the operating time has passed (0 to 100 %), targets; *1st* tripped first
- **reclosing 79**: dead time and reclaim time while they run
- **breaker**: position by 52a and 52b, spring, trip coil, wear of the contacts of each pole
- **measured**: what its instrument transformers give it; angles to that of V1
- **settings** of the element under the cursor, all groups; `*` is the group in force

| key | |
| --- | --- |
| up, down | another relay or element; Tab goes from table to table |
| Enter, `o` | operate what the cursor is on: a relay, or the settings of an element (role engineer) |
| `k` | operate the relay's breaker |
| `c` | operate its recloser |
| `g` | change its settings group (role engineer) |
| `r` | reset its targets, at once |
| `t` | trend of the element's timer |
"""
    BINDINGS: ClassVar[list[Any]] = [
        Binding("o", "operate", "Operate"),
        Binding("k", "breaker", "Breaker"),
        Binding("c", "recloser", "Recloser"),
        Binding("g", "group", "Group"),
        Binding("r", "reset_targets", "Reset targets"),
        Binding("t", "trend", "Trend", show=False),
    ]
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (112, "-wide")]
    DEFAULT_CSS = """
    ProtectionPage #relays { height: auto; max-height: 14; }
    ProtectionPage.-narrow #relays { max-height: 8; }
    ProtectionPage #relay { height: 2; background: $panel; padding: 0 1; }
    ProtectionPage #detail { height: 1fr; }
    ProtectionPage #columns { layout: grid; grid-size: 3 1; grid-columns: 50 1fr 1fr;
        grid-rows: auto; height: auto; }
    ProtectionPage.-narrow #columns { grid-size: 2 2; grid-columns: 46 1fr; }
    ProtectionPage.-narrow #left { row-span: 2; }
    ProtectionPage #columns Vertical { height: auto; }
    ProtectionPage #settings-title { text-style: bold; color: $primary; height: 1;
        padding: 0 1; margin: 1 0 0 0; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._relay: Relay | None = None
        self._element: Element | None = None
        self._at_once = OneKey(self)

    def content(self) -> ComposeResult:
        """All relays, then one of them."""
        yield DeviceTable(RELAYS, id="relays")
        yield Static(id="relay")
        with VerticalScroll(id="detail", can_focus=False), Container(id="columns"):
            with Vertical(id="left"):
                yield DeviceTable(ELEMENTS, id="elements")
                yield Static(id="settings-title")
                yield DeviceTable((("setting", 22, LEFT),), id="settings")
            with Vertical():
                yield Facts("reclosing 79", id="recloser")
                yield Facts("breaker", id="breaker")
            with Vertical():
                yield Facts("measured", id="measured")

    def build(self, model: StationModel) -> None:
        """List the relays."""
        table = self.query_one("#relays", DeviceTable)
        table.fill([(r.device, r.device) for r in model.relays])
        for widget in ("#relays", "#detail"):
            self.query_one(widget).display = bool(model.relays)
        if not model.relays:
            self.query_one("#relay", Static).update("this station has no relays")
            self._relay = self._element = None
            return
        self._choose(table.selected or model.relays[0].device)

    def _choose(self, device: str) -> None:
        model = self.view.model
        if model is None:
            return
        self._relay = next((r for r in model.relays if r.device == device), None)
        if self._relay is None:
            return
        able, elements = relays.with_targets(self._relay, model), self._relay.elements
        self._element = next(iter((*able, *elements)), None)
        table = self.query_one("#elements", DeviceTable)
        table.fill([(e.device, e.function) for e in elements])
        if self._element is not None:
            table.move_cursor(row=elements.index(self._element))
        self._lay_out_settings(model)

    def _lay_out_settings(self, model: StationModel) -> None:
        table, title = self.query_one("#settings", DeviceTable), self.query_one("#settings-title", Static)
        groups = self._element.settings if self._element else ()
        first = model.devices[groups[0]] if groups else ()
        columns = [("setting", 22, LEFT), *((f"group {k}", 11, RIGHT) for k in range(1, len(groups) + 1))]
        table.fill([(p.name, f"{p.name} {f'[{p.unit}]' if p.unit else ''}") for p in first], columns)
        table.display = bool(groups)
        name = self._element.function if self._element else ""
        title.update(f"settings of {name}" if groups else f"this station shows no settings of {name}")

    # ---- what is shown

    def tags(self, model: StationModel) -> Iterable[str]:
        """What the list shows, and all of the relay under the cursor."""
        for relay in model.relays:
            yield from (f"{relay.device}.{name}" for name in LISTED)
            yield from (f"{relay.breaker}.ST_52A", f"{relay.breaker}.ST_52B")
            if relay.recloser:
                yield from (f"{relay.recloser}.STATE", f"{relay.recloser}.SHOT")
                element = relays.recloser_element(relay)
                for group in element.settings if element else ():
                    yield from (p.tag for p in model.devices[group] if "INTERVAL" in p.name)
        if (relay_shown := self._relay) is not None:
            recloser = relays.recloser_element(relay_shown)
            shown = [relay_shown.device, relay_shown.breaker, relay_shown.inputs]
            shown += [e.device for e in relay_shown.elements]
            shown += recloser.settings if recloser else ()
            shown += self._element.settings if self._element else ()
            for device in shown:
                yield from model.tags_of(device)

    def refresh_values(self) -> None:
        """Draw what changed."""
        model, relay = self.view.model, self._relay
        if model is None or relay is None:
            return
        pen = Pen(self.view, self.palette, self.signs, self.console.is_ascii)
        for row in model.relays:
            self._draw_relay(pen, model, row)
        lines = relay_facts.relay_lines(pen, model, relay)
        self.query_one("#relay", Static).update(Text("\n", no_wrap=True, overflow="ellipsis").join(lines))
        self._draw_elements(pen, model, relay)
        self._draw_settings(pen, model, relay)
        recloser, breaker = self.query_one("#recloser", Facts), self.query_one("#breaker", Facts)
        recloser.show(relay_facts.recloser_lines(pen, relay, recloser.content_size.width))
        name = f"breaker {relay.breaker}" if relay.breaker else "breaker"
        breaker.show(relay_facts.breaker_lines(pen, relay.breaker, breaker.content_size.width), name)
        self.query_one("#measured", Facts).show(relay_facts.measured_lines(pen, relay.inputs))

    def _draw_relay(self, pen: Pen, model: StationModel, relay: Relay) -> None:
        table, view, device = self.query_one("#relays", DeviceTable), self.view, relay.device
        position = relays.breaker_state(relay.breaker, view.reading)
        first = relays.first_target(relay, model, view.number(f"{device}.FIRST_ELEMENT"))
        table.write(device, 1, pen.state(position, relay_facts.position_sign(pen, position.word)))
        table.write(device, 2, pen.state(relays.relay_state(relay, view.reading)))
        table.write(device, 3, Text(first or "-", pen.palette.note if first else "dim"))
        if relay.recloser:
            shots = relays.shots_of(relay, view.number)
            state = relays.recloser_state(relay, view.reading)
            table.write(device, 4, Text.assemble(pen.state(state), f" {shots.text}"))
        else:
            table.write(device, 4, Text("none", "dim"))
        table.write(device, 5, pen.number(f"{device}.GROUP", 0))
        table.write(device, 6, pen.number(f"{device}.TRIPS", 0))

    def _draw_elements(self, pen: Pen, model: StationModel, relay: Relay) -> None:
        table, view = self.query_one("#elements", DeviceTable), self.view
        hit = relays.targets(relay, model, view.number(f"{relay.device}.TARGETS"))
        first = relays.first_target(relay, model, view.number(f"{relay.device}.FIRST_ELEMENT"))
        for element in relay.elements:
            table.write(element.device, 1, self._element_state(pen, element))
            if model.has(f"{element.device}.TIMER"):
                table.write(element.device, 2, self._timer(pen, element))
            mark = f"{pen.signs.on} 1st" if element.function == first else pen.signs.on
            is_hit = element.function in hit
            table.write(element.device, 3, Text(mark if is_hit else "", f"bold {pen.palette.note}"))

    def _element_state(self, pen: Pen, element: Element) -> Text:
        view, device = self.view, element.device
        if self._relay is not None and device == self._relay.recloser:
            return pen.state(relays.recloser_state(self._relay, view.reading))
        states = (
            ("OPERATED", f"bold {pen.palette.bad}"), ("FORWARD", pen.palette.live),
            ("REVERSE", pen.palette.warn), ("PICKUP", f"bold {pen.palette.warn}"),
        )  # fmt: skip
        for name, style in states:
            if view.reading(f"{device}.{name}").is_on:
                return Text(name, style)
        reading = view.reading(f"{device}.PICKUP")
        return Text("quiet" if reading.is_usable else "quiet?" if reading.number == 0.0 else "?", "dim")

    @staticmethod
    def _timer(pen: Pen, element: Element) -> Text:
        tag = f"{element.device}.TIMER"
        share = pen.view.number(tag)
        shown = pen.bar(tag, TIMER_WIDTH, style=pen.palette.warn)
        return Text.assemble(shown, f" {share * 100.0:3.0f}%" if share is not None else "")

    def _draw_settings(self, pen: Pen, model: StationModel, relay: Relay) -> None:
        element = self._element
        if element is None or not element.settings:
            return
        table, group = self.query_one("#settings", DeviceTable), self.view.number(f"{relay.device}.GROUP")
        in_force = relays.group_of(element, group)
        for column, device in enumerate(element.settings, 1):
            for point in model.devices[device]:
                text = pen.word(point.tag)
                if device == in_force:
                    text = Text.assemble(text, ("*", f"bold {pen.palette.live}"))
                table.write(point.name, column, text)

    # ---- what the keys do

    @on(DataTable.RowHighlighted, "#relays")
    def _relay_chosen(self, event: DataTable.RowHighlighted) -> None:
        device = event.row_key.value
        if device and (self._relay is None or device != self._relay.device):
            self._choose(device)
            self.show_tags()
            self.refresh_values()

    @on(DataTable.RowHighlighted, "#elements")
    def _element_chosen(self, event: DataTable.RowHighlighted) -> None:
        model, relay = self.view.model, self._relay
        found = next((e for e in relay.elements if e.device == event.row_key.value), None) if relay else None
        if model is not None and found is not None and found != self._element:
            self._element = found
            self._lay_out_settings(model)
            self.show_tags()
            self.refresh_values()

    @on(DataTable.RowSelected)
    def _opened(self) -> None:
        self.action_operate()

    def action_operate(self) -> None:
        """Operate the relay, or the settings of the element, whichever has the cursor."""
        if self._relay is None:
            return
        is_element = self.focused is not None and self.focused.id in ("elements", "settings")
        group = self.view.number(f"{self._relay.device}.GROUP")
        settings = relays.group_of(self._element, group) if is_element and self._element else ""
        self.console.action_operate(settings or self._relay.device)

    def action_breaker(self) -> None:
        """Operate the relay's breaker."""
        if self._relay is not None and self._relay.breaker:
            self.console.action_operate(self._relay.breaker)

    def action_recloser(self) -> None:
        """Operate the relay's recloser."""
        if self._relay is not None and self._relay.recloser:
            self.console.action_operate(self._relay.recloser)
        elif self._relay is not None:
            self.notify(f"{self._relay.device} has no automatic reclosing")

    def action_group(self) -> None:
        """Change the relay's settings group."""
        if self._relay is not None:
            self.console.action_operate(self._relay.device, "GROUP_SP")

    def action_reset_targets(self) -> None:
        """Reset the targets of the relay."""
        if self._relay is not None:
            device = self._relay.device
            self._at_once.send(f"{device}.RESET_TARGETS", None, f"reset targets of {device}")

    def action_trend(self) -> None:
        """Show the trend of the element's timer."""
        if self._element is not None:
            self.console.action_trend(f"{self._element.device}.TIMER")
