"""Sun, storage, machines, islands and the dispatcher's plan."""

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
from hil.console.widgets.der_rows import (
    SITE_POINTS,
    SITES,
    UNITS,
    command_lines,
    site_cells,
    unit_cells,
)
from hil.console.widgets.device_table import DeviceTable
from hil.console.widgets.facts import Facts
from hil.console.widgets.pen import Pen
from hil.console.widgets.plan_view import PlanView
from hil.view.der import Resources, resources_of
from hil.view.model import StationModel

TRENDS = {"battery": "SOC", "generator": "P", "dispatch": "IMPORT", "microgrid": "STATE",
          "load_shedding": "SHED", "pv": "W"}  # fmt: skip
"""What the trend of a device is that of."""


class DerPage(Page):
    """Sun, storage, machines, islands and the dispatcher's plan."""

    KEY: ClassVar[str] = "6"
    TITLE_TEXT: ClassVar[str] = "DER"
    HELP: ClassVar[str] = """
Who leads the network (the grid, or who forms the island), who commands the battery (manual, rules,
optimising), all sites together; then batteries, machines, the point of connection and stages of load
shedding, the sites, and the dispatcher's plan of the 24 hours ahead beside what is now.

*sun* is what a site could give; *limit* what it may, of its rating. Power of a battery is positive when it
discharges. *can* is what it can take and give now.

| key | |
| --- | --- |
| up, down | another device; Tab goes from table to table |
| Enter, `o` | operate the device with the cursor: setpoints, limits, modes, part and return |
| `d` | operate the dispatch: manual, rules, optimising, limits of the import |
| `t` | trend of the device with the cursor |
"""
    BINDINGS: ClassVar[list[Any]] = [
        Binding("o", "operate", "Operate"),
        Binding("d", "dispatch", "Dispatch"),
        Binding("t", "trend", "Trend"),
    ]
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (112, "-wide"), (180, "-huge")]
    DEFAULT_CSS = """
    DerPage #below { layout: grid; grid-size: 2 1; grid-columns: 76 1fr; grid-rows: auto; height: auto; }
    DerPage.-narrow #below { grid-size: 1; grid-columns: 1fr; }
    DerPage #left { height: auto; }
    DerPage #sites { max-height: 42; }
    DerPage.-wide #sites { max-height: 20; }
    DerPage.-huge #sites { max-height: 42; }
    DerPage.-narrow #sites { max-height: 9; }
    DerPage.-huge PlanView DeviceTable { max-height: 26; }
    DerPage #nothing { height: auto; padding: 0 1; color: $text-muted; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._found: Resources | None = None
        self._shown: tuple[str, ...] = ()

    def content(self) -> ComposeResult:
        """Who commands, devices, sites, plan."""
        yield Static(id="nothing")
        with VerticalScroll(id="all", can_focus=False):
            yield Facts("who leads, who commands", id="command")
            yield DeviceTable(UNITS, id="units")
            with Container(id="below"):
                with Vertical(id="left"):
                    yield DeviceTable(SITES, id="sites")
                yield PlanView(id="plan")

    def build(self, model: StationModel) -> None:
        """List what the station has."""
        found = self._found = resources_of(model)
        self.query_one("#all").display = found.is_any
        nothing = self.query_one("#nothing", Static)
        kinds = {
            "photovoltaic sites": found.sites, "batteries": found.batteries, "a microgrid": found.microgrid,
            "a dispatcher": found.plan,
        }  # fmt: skip
        missing = [words for words, kind in kinds.items() if not kind]
        nothing.display = bool(missing)
        if found.is_any:
            nothing.update(f"this station has no points of {', '.join(missing)}")
        else:
            nothing.update("this station has no distributed resources: no sun, no storage, no machines")
        for name, rows in (("units", found.units), ("sites", found.sites)):
            table = self.query_one(f"#{name}", DeviceTable)
            table.fill([(d, d) for d in rows])
            table.display = bool(rows)
        plan = self.query_one("#plan", PlanView)
        plan.display = bool(found.plan or found.battery_plans)
        self.query_one("#left").display = bool(found.sites)
        if plan.display:
            plan.lay_out(found)

    def tags(self, model: StationModel) -> Iterable[str]:
        """Devices, the plan, and those sites that are in view."""
        if self._found is None:
            return
        for device in (*self._found.units, self._found.fleet):
            yield from model.tags_of(device)
        self._shown = self._sites_in_view()
        for site in self._shown:
            yield from (f"{site}.{name}" for name in SITE_POINTS)
        if self.query_one("#plan").display:
            yield from self.query_one("#plan", PlanView).tags()

    def _sites_in_view(self) -> tuple[str, ...]:
        return self.query_one("#sites", DeviceTable).rows_in_view() if self._found else ()

    def refresh_values(self) -> None:
        """Draw what changed."""
        model, found = self.view.model, self._found
        if model is None or found is None or not found.is_any:
            return
        if self._sites_in_view() != self._shown:
            self.show_tags()
        pen = self._pen()
        self.query_one("#command", Facts).show(command_lines(pen, found))
        units, sites = self.query_one("#units", DeviceTable), self.query_one("#sites", DeviceTable)
        for device in found.units:
            _write(units, device, unit_cells(pen, model, device))
        for site in self._shown:
            _write(sites, site, site_cells(pen, site))
        if self.query_one("#plan").display:
            self.query_one("#plan", PlanView).draw_values(pen)

    def refresh_plots(self) -> None:
        """Draw the plan."""
        if self.query_one("#plan").display:
            self.query_one("#plan", PlanView).draw_plot(self._pen())

    def _pen(self) -> Pen:
        return Pen(self.view, self.palette, self.signs, self.console.is_ascii)

    # ---- what the keys do

    @on(DeviceTable.Scrolled)
    def _scrolled(self) -> None:
        if self._sites_in_view() != self._shown:
            self.show_tags()

    @on(DataTable.RowSelected, "#units")
    @on(DataTable.RowSelected, "#sites")
    def _opened(self) -> None:
        self.action_operate()

    def _selected(self) -> str:
        """Return the device with the cursor."""
        name = self.focused.id if self.focused is not None else None
        found = self.query_one(f"#{name if name in ('units', 'sites') else 'units'}", DeviceTable).selected
        return found or ""

    def action_operate(self) -> None:
        """Operate the device with the cursor."""
        if device := self._selected():
            self.console.action_operate(device)

    def action_dispatch(self) -> None:
        """Operate the dispatch."""
        if self._found is not None and self._found.dispatch:
            self.console.action_operate(self._found.dispatch)
        else:
            self.notify("this station has no dispatch of a battery")

    def action_trend(self) -> None:
        """Show the trend of the device with the cursor."""
        model, device = self.view.model, self._selected()
        if model is not None and device:
            self.console.action_trend(f"{device}.{TRENDS[model.devices[device][0].template]}")


def _write(table: DeviceTable, row: str, cells: Iterable[Text]) -> None:
    for column, text in enumerate(cells, 1):
        table.write(row, column, text)
