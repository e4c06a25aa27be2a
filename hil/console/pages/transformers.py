"""Transformers, regulators, capacitor banks."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Container, VerticalScroll
from textual.events import Resize
from textual.widgets import DataTable, Static

from hil.console.page import Page
from hil.console.widgets.device_table import LEFT, RIGHT, DeviceTable
from hil.console.widgets.facts import Facts
from hil.console.widgets.pen import Pen
from hil.console.widgets.plot import Plot, Series
from hil.console.widgets.transformer_facts import bands_away, regulator_lines, transformer_lines
from hil.console.widgets.verdict import OneKey
from hil.view import taps
from hil.view.model import StationModel
from hil.view.station_view import StationError

GROUP = "power_factor_correction"
SPAN_H = 3.0
LEAST_H = 0.1
"""The plot shows at least so much time [h]."""
AGAIN_S = 300.0
"""Records are read so often; what comes meanwhile is appended."""
N_RECORDED = 2000
WIDE, FINE, COARSE = 112, 33, 17
"""Cells of the tap scale: one a tap where there is room."""
NARROW_BANKS = (
    ("capacitor bank", 14, LEFT), ("switch", 9, LEFT), ("Q [kvar]", 8, RIGHT), ("mode", 6, LEFT),
    ("blocked by", 17, LEFT), ("ops", 4, RIGHT),
)  # fmt: skip
BANKS = (
    *NARROW_BANKS, ("sees", 9, RIGHT), ("close at", 9, RIGHT), ("open at", 9, RIGHT), ("dead [s]", 8, RIGHT),
)  # fmt: skip


def regulator_columns(is_wide: bool) -> tuple[tuple[str, int, str], ...]:
    """Return the columns of the table of regulators."""
    columns = (
        ("regulator", 10, LEFT), (f"tap {taps.LOW} .. +{taps.HIGH}", FINE if is_wide else COARSE, LEFT),
        ("tap", 3, RIGHT), ("mode", 6, LEFT), ("V [V]", 6, RIGHT), ("state", 16, LEFT), ("ops", 4, RIGHT),
    )  # fmt: skip
    return (*columns, ("moved", 11, LEFT)) if is_wide else columns


class TransformersPage(Page):
    """Transformers, regulators, capacitor banks."""

    KEY: ClassVar[str] = "5"
    TITLE_TEXT: ClassVar[str] = "Transformers and taps"
    HELP: ClassVar[str] = """
Temperatures and ageing of every transformer (IEEE C57.91), tap changers with their voltage relays (ANSI 90),
taps of the last hours, capacitor banks with their controls.

*ageing* is the rate of loss of insulation life over the normal one; *loss of life* counts from the start.
*asks since* is the time for which the voltage relay has been asking for a tap. The plot begins with the
station's records, where it keeps any, and goes on live.

| key | |
| --- | --- |
| up, down | another regulator or bank; Tab goes from table to table |
| `+`, `-` | raise, lower the tap of the regulator with the cursor by one, at once, in manual |
| `a` | change the regulator, or the bank's control, between automatic and manual, at once |
| Enter, `o` | operate the tap changer or the bank |
| `v` | operate its voltage relay or control: set value, band, local and remote |
| `t` | trend of the tap, or of the bank's reactive power |
"""
    BINDINGS: ClassVar[list[Any]] = [
        Binding("plus,equals_sign", "step_tap(1)", "Raise", key_display="+"),
        Binding("minus", "step_tap(-1)", "Lower", key_display="-"),
        Binding("a", "auto", "Auto/manual"),
        Binding("o", "operate", "Operate"),
        Binding("v", "control", "Voltage relay"),
        Binding("t", "trend", "Trend", show=False),
    ]
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]
    DEFAULT_CSS = """
    TransformersPage #above { layout: grid; grid-size: 2 1; grid-columns: 3fr 2fr;
        grid-rows: auto; height: auto; }
    TransformersPage.-narrow #above { grid-columns: 44 1fr; }
    TransformersPage #taps { height: 1fr; min-height: 10; margin: 1 0 0 0; }
    TransformersPage #banks { margin: 1 0 0 0; }
    TransformersPage.-narrow #banks { margin: 0; }
    TransformersPage #group { height: auto; }
    TransformersPage #nothing { height: auto; padding: 0 1; color: $text-muted; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._regulators: tuple[taps.Regulator, ...] = ()
        self._banks: tuple[taps.Bank, ...] = ()
        self._recorded: dict[str, tuple[list[datetime], list[float]]] = {}
        self._records_words = ""
        self._asked_s = -1e9
        self._is_wide = False
        self._at_once = OneKey(self)

    def content(self) -> ComposeResult:
        """Temperatures, regulators, banks, taps over time."""
        with VerticalScroll(can_focus=False):
            with Container(id="above"):
                yield Facts("transformer", id="transformer")
                yield Facts("regulator", id="regulator")
            yield DeviceTable(regulator_columns(False), id="regulators")
            yield DeviceTable(NARROW_BANKS, id="banks")
            yield Static(id="group")
            yield Static(id="nothing")
            yield Plot(id="taps")

    def build(self, model: StationModel) -> None:
        """List what the station has."""
        before = {tag for r in self._regulators for tag in (f"{r.device}.TAP",)}
        self._regulators, self._banks = taps.regulators_of(model), taps.banks_of(model)
        self._recorded, self._asked_s = {}, -1e9
        self.view.history.drop(before)
        self.view.history.keep(f"{r.device}.TAP" for r in self._regulators)
        self._fill_tables()
        shown = {
            "transformer": bool(model.transformers), "regulator": bool(self._regulators),
            "regulators": bool(self._regulators), "taps": bool(self._regulators), "banks": bool(self._banks),
            "group": bool(model.of_template(GROUP)),
        }  # fmt: skip
        for name, is_shown in shown.items():
            self.query_one(f"#{name}").display = is_shown
        self.query_one("#above").display = shown["transformer"] or shown["regulator"]
        names = {"transformer": "transformers", "regulators": "regulators", "banks": "capacitor banks"}
        missing = [words for name, words in names.items() if not shown[name]]
        nothing = self.query_one("#nothing", Static)
        nothing.display = bool(missing)
        nothing.update(f"this station has no points of {', '.join(missing)}")

    def _fill_tables(self) -> None:
        self._is_wide = self.app.size.width >= WIDE
        names = [(r.device, r.device) for r in self._regulators]
        self.query_one("#regulators", DeviceTable).fill(names, regulator_columns(self._is_wide))
        banks = [(b.device, b.device) for b in self._banks]
        self.query_one("#banks", DeviceTable).fill(banks, BANKS if self._is_wide else NARROW_BANKS)

    @on(Resize)
    def _fit(self) -> None:
        if self._built is not None and self._is_wide != (self.app.size.width >= WIDE):
            self._fill_tables()
            self.refresh_values()

    # ---- what is shown

    @property
    def regulator(self) -> taps.Regulator | None:
        """The regulator under the cursor."""
        selected = self.query_one("#regulators", DeviceTable).selected
        return next((r for r in self._regulators if r.device == selected), None)

    @property
    def bank(self) -> taps.Bank | None:
        """The capacitor bank under the cursor."""
        selected = self.query_one("#banks", DeviceTable).selected
        return next((b for b in self._banks if b.device == selected), None)

    def tags(self, model: StationModel) -> Iterable[str]:
        """All points of transformers, regulators and banks: they are few."""
        devices = [str(d) for t in model.transformers for d in (t["device"], t["thermal"])]
        devices += [d for r in self._regulators for d in (r.device, r.control)]
        devices += [d for b in self._banks for d in (b.device, b.control)]
        devices += model.of_template(GROUP)
        return (tag for device in devices if device for tag in model.tags_of(device))

    def refresh_values(self) -> None:
        """Draw what changed."""
        model = self.view.model
        if model is None:
            return
        pen = Pen(self.view, self.palette, self.signs, self.console.is_ascii)
        transformer, regulator = self.query_one("#transformer", Facts), self.query_one("#regulator", Facts)
        if model.transformers:
            width = transformer.content_size.width
            lines = [transformer_lines(pen, t["device"], t["thermal"], width) for t in model.transformers]
            several = len(lines) > 1
            names = [[Text(t["device"], "bold")] if several else [] for t in model.transformers]
            title = "transformers" if several else f"transformer {model.transformers[0]['device']}"
            transformer.show([x for n, ls in zip(names, lines, strict=True) for x in (*n, *ls)], title)
        for row in self._regulators:
            self._draw_regulator(pen, row)
        if (shown := self.regulator) is not None:
            lines_of = regulator_lines(pen, shown, regulator.content_size.width)
            regulator.show(lines_of, f"regulator {shown.device}, phase {shown.phase or '-'}")
        for bank in self._banks:
            self._draw_bank(pen, bank)
        self.query_one("#group", Static).update(self._group_line(pen, model))

    def _draw_regulator(self, pen: Pen, row: taps.Regulator) -> None:
        table, device, control = self.query_one("#regulators", DeviceTable), row.device, row.control
        tap = f"{device}.TAP"
        table.write(device, 1, pen.scale(tap, FINE if self._is_wide else COARSE, taps.LOW, taps.HIGH))
        table.write(device, 2, pen.number(tap, 0, unit=""))
        if control:
            table.write(device, 3, pen.word(f"{control}.AUTO", {"AUTO": self.palette.good}))
            table.write(device, 4, pen.number(f"{control}.V", 1, unit=""))
            table.write(device, 5, self._state(pen, control))
            table.write(device, 6, pen.number(f"{control}.OPS", 0))
        else:
            table.write(device, 3, Text("manual"))
        if not self._is_wide:
            return
        ago_h = taps.last_change_h(*self._stairs(tap))
        table.write(device, 7, Text(f"{ago_h * 60.0:.0f} min ago" if ago_h is not None else "-", "dim"))

    def _state(self, pen: Pen, control: str) -> Text:
        if self.view.reading(f"{control}.BLOCKED").is_on:
            blocked = pen.word(f"{control}.REASON").plain
            return Text(f"{pen.signs.alarm} {blocked}", f"bold {self.palette.bad}")
        asks_s = self.view.number(f"{control}.TIMER")
        if asks_s:
            return Text(f"asks since {asks_s:.0f} s", self.palette.warn)
        away = bands_away(self.view, control)
        if asks_s is None or away is None:
            return Text("?", "dim")
        # in manual nothing asks for a tap, however far the voltage is away
        return Text("in band", self.palette.good) if abs(away) <= 1.0 else Text("off band", self.palette.warn)

    def _draw_bank(self, pen: Pen, bank: taps.Bank) -> None:
        table, device, control = self.query_one("#banks", DeviceTable), bank.device, bank.control
        position = pen.word(f"{device}.ST")
        sign = {"OPEN": pen.signs.open, "CLOSED": pen.signs.closed}.get(position.plain, pen.signs.unknown)
        table.write(device, 1, Text.assemble(f"{sign} ", position))
        table.write(device, 2, pen.number(f"{device}.Q", 1, unit=""))
        if not control:
            table.write(device, 3, Text("manual"))
            return
        table.write(device, 3, pen.word(f"{control}.AUTO", {"AUTO": self.palette.good}))
        table.write(device, 4, pen.word(f"{control}.REASON"))
        table.write(device, 5, pen.number(f"{control}.OPS", 0))
        if self._is_wide:
            for column, name in enumerate(("MEASURED", "ON_SP", "OFF_SP"), 6):
                table.write(device, column, pen.number(f"{control}.{name}", 2, unit=""))
            table.write(device, 9, pen.number(f"{control}.DEAD", 0, unit=""))

    def _group_line(self, pen: Pen, model: StationModel) -> Text:
        """Return a line about controls of a group of banks; empty where there are none."""
        lines = [
            Text.assemble(
                (f" {device} ", "bold"), pen.word(f"{device}.AUTO", {"AUTO": self.palette.good}),
                ("  power factor ", "dim"), pen.number(f"{device}.PF", 3), (" wanted ", "dim"),
                pen.number(f"{device}.PF_SP", 2), ("  missing ", "dim"), pen.number(f"{device}.MISSING", 0),
                ("  banks in ", "dim"), pen.number(f"{device}.IN", 0),
            )
            for device in model.of_template(GROUP)
        ]  # fmt: skip
        return Text("\n").join(lines)

    # ---- taps over time

    def refresh_plots(self) -> None:
        """Draw the taps of the last hours."""
        if not self._regulators:
            return
        if self.view.link.is_live and time.monotonic() - self._asked_s > AGAIN_S:
            self._asked_s = time.monotonic()
            self.run_worker(self._read_records(), exclusive=True, group="records")
        series = []
        for k, row in enumerate(self._regulators):
            hours, values = self._stairs(f"{row.device}.TAP")
            colour = self.palette.phase["abc".find(row.phase) if row.phase in ("a", "b", "c") else k % 3]
            # a letter or number to draw with: colour alone tells nothing where there is none
            series.append(Series(row.device, hours, values, colour, marker=row.phase or str(k + 1)))
        span_h = max([LEAST_H, *(-h for s in series for h in s.x)])
        low, high = _range([v for s in series for v in s.y])
        stale = "" if self.view.link.is_live else " (stale)"
        self.query_one("#taps", Plot).show(
            self.palette, series, title=f"taps{self._records_words}{stale}", x_label="minutes before now",
            x_range=(-span_h, 0.0), y_range=(low, high), is_ascii=self.console.is_ascii,
            x_ticks=[(-span_h * k / 4, f"{round(span_h * k * 15, 1):g}") for k in range(5)],
            y_ticks=[(at, f"{at:+d}" if at else "0") for at in range(low, high + 1, 1 + (high - low) // 10)],
        )  # fmt: skip

    def _stairs(self, tag: str) -> tuple[list[float], list[float]]:
        recorded = self._recorded.get(tag, ([], []))
        return taps.history_of(recorded, self.view.history.of(tag), datetime.now(UTC), time.monotonic())

    async def _read_records(self) -> None:
        now = datetime.now(UTC)
        self._records_words = ""
        for row in self._regulators:
            tag = f"{row.device}.TAP"
            try:
                times, values, _ = await self.view.trend(tag, now - timedelta(hours=SPAN_H), now, N_RECORDED)
            except StationError as error:
                self._records_words = f", live only (no records: {error})"
                return
            self._recorded[tag] = times, values

    # ---- what the keys do

    @on(DataTable.RowHighlighted)
    def _row_chosen(self) -> None:
        if self._built is not None:
            self.refresh_values()

    @on(DataTable.RowSelected)
    def _opened(self) -> None:
        self.action_operate()

    @property
    def _is_bank(self) -> bool:
        return not self._regulators or (self.focused is not None and self.focused.id == "banks")

    def _selected(self) -> tuple[str, str]:
        """Return the device with the cursor and its control."""
        row = self.bank if self._is_bank else self.regulator
        return (row.device, row.control) if row is not None else ("", "")

    def action_operate(self) -> None:
        """Operate the device with the cursor."""
        if device := self._selected()[0]:
            self.console.action_operate(device)

    def action_control(self) -> None:
        """Operate its voltage relay or control."""
        device, control = self._selected()
        if control:
            self.console.action_operate(control)
        elif device:
            self.notify(f"{device} has no control of its own")

    def action_trend(self) -> None:
        """Show the trend of the device with the cursor."""
        if device := self._selected()[0]:
            self.console.action_trend(f"{device}.{'Q' if self._is_bank else 'TAP'}")

    def action_step_tap(self, steps: int) -> None:
        """Raise or lower the tap of the regulator with the cursor."""
        row = self.regulator
        if row is None or self.console.is_held:
            return
        if self._is_bank:
            words = "the cursor is on a capacitor bank, which has no taps; Tab goes to the regulators"
            self.notify(words, severity="warning")
            return
        if row.control and self.view.reading(f"{row.control}.AUTO").is_on:
            words = f"{row.control} is in automatic and sets the tap itself; press a for manual first"
            self.notify(words, severity="warning")
            return
        before = self.view.number(f"{row.device}.TAP_SP")
        if before is None:
            before = self.view.number(f"{row.device}.TAP")
        if before is None:
            self.notify(f"nobody knows where {row.device} stands now", severity="warning")
            return
        verb = "raise" if steps > 0 else "lower"
        self._at_once.send(f"{row.device}.TAP_SP", before + steps, f"{verb} {row.device}")

    def action_auto(self) -> None:
        """Change between automatic and manual."""
        device, control = self._selected()
        if self.console.is_held:
            return
        if not control:
            self.notify(f"{device or 'this station'} has no automatic control")
            return
        reading = self.view.reading(f"{control}.AUTO")
        if not reading.is_usable:
            self.notify(
                f"whether {control} is in automatic is not known now: nothing sent", severity="warning"
            )
            return
        is_auto = reading.is_on
        words = f"{control} to {'manual' if is_auto else 'automatic'}"
        self._at_once.send(f"{control}.AUTO", not is_auto, words)


def _range(values: Sequence[float]) -> tuple[int, int]:
    return (int(min(values)) - 1, int(max(values)) + 1) if values else (taps.LOW, taps.HIGH)
