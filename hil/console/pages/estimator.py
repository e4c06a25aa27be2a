"""The state estimator: whether it can be believed, what it suspects, how it compares with meters."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Container, Vertical, VerticalScroll
from textual.widgets import DataTable, Static

from hil.console.page import Page
from hil.console.pages import estimator_text as et
from hil.console.widgets.plot import Plot, Series
from hil.console.widgets.row_table import RowTable
from hil.console.widgets.said import Said
from hil.view.attacks import OF_ACTIVE, WATCHED, active_slots
from hil.view.estimation import ATTACK, RANKED, Estimation
from hil.view.model import StationModel
from hil.view.station_view import StationError

WINDOW_S = 600.0
TRENDS = ("J", "THRESHOLD", "J_CENTRED", "THRESHOLD_CENTRED")
ROWS_OF_TREND = 600
TICKS_MIN = (10.0, 8.0, 6.0, 4.0, 2.0, 0.0)
NONE = """This station has no state estimator.

One that has a table \\[estimation] in its file, and a point list with the estimator's points, has one: the
shipped station iowa240 does. What it needs: docs/estimation.md."""


class EstimatorPage(Page):
    """The state estimator: J against its threshold, suspects, residuals, detectors, attacks."""

    KEY: ClassVar[str] = "7"
    TITLE_TEXT: ClassVar[str] = "Estimator"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]
    HELP: ClassVar[str] = """
How far the measurements fit together, and what does not fit.

- **J** is the sum of squared residuals; above its threshold (99 % quantile of chi-square) something is
  wrong. The **centred** J is that of residuals less their learned offsets: it sees changes that the
  instruments' own errors hide. The plot shows both relative to their thresholds: above 1 is an alarm when it
  lasts for 3 of 5 scans.
- **Suspects** are channels that were removed, or look just like one that was; a suspected switch or tap tells
  another position than the one that explains the measurements.
- **Residuals**: channels with the largest normalised residual (measured less estimated, in its own sigmas).
- **Estimated against measured**: voltages of buses that have a meter as well.
- **Detectors** of false data: statistic, threshold, alarms since the estimator's start.
- **Attacks**: points that the laboratory falsifies now; an instructor sees the true value beside the one that
  is shown.

| key | |
| --- | --- |
| `tab` | next table |
| `t` | trend: of the channel under the cursor, else of J |
| `enter` | the same |
"""
    BINDINGS = [Binding("t", "trend", "Trend")]
    DEFAULT_CSS = """
    EstimatorPage #se-summary { height: auto; padding: 0 1; }
    EstimatorPage #se-cols { layout: horizontal; height: auto; }
    EstimatorPage #se-cols > Vertical { width: 1fr; height: auto; }
    EstimatorPage #se-right { width: 1.2fr; }
    EstimatorPage.-narrow #se-cols { layout: vertical; }
    EstimatorPage.-narrow #se-cols > Vertical { width: 100%; }
    EstimatorPage Plot { height: 13; }
    EstimatorPage.-narrow Plot { height: 9; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._estimation: Estimation | None = None
        self._ranked: tuple[str, ...] = ()
        self._attacked: tuple[str, ...] = ()
        self._past: dict[str, tuple[list[float], list[float]]] = {}

    def content(self) -> ComposeResult:
        """Summary above, the rest below in one or two columns."""
        yield Static(NONE, id="se-none")
        yield Said(id="se-summary")
        with VerticalScroll(id="se-body", can_focus=False), Container(id="se-cols"):
            with Vertical():
                with Vertical(classes="box", id="se-plot-box"):
                    yield Plot(id="se-plot")
                with Vertical(classes="box", id="se-detectors-box"):
                    yield RowTable(id="se-detectors", is_selectable=False)
                with Vertical(classes="box", id="se-attacks-box"):
                    yield Said(id="se-attacks")
            with Vertical(id="se-right"):
                with Vertical(classes="box", id="se-residuals-box"):
                    yield RowTable(id="se-residuals")
                with Vertical(classes="box", id="se-compared-box"):
                    yield RowTable(id="se-compared", is_selectable=False)

    def build(self, model: StationModel) -> None:
        """Take the estimator of a station."""
        found = self._estimation = Estimation.of(model)
        self._ranked, self._attacked, self._past = (), (), {}
        self.query_one("#se-none").display = found is None
        for name in ("#se-summary", "#se-body"):
            self.query_one(name).display = found is not None
        if found is None:
            return
        for name, title in et.TITLES.items():
            self.query_one(name).border_title = title
        for name, heads in et.HEADS.items():
            self.query_one(name, RowTable).lay_out(heads)
        self.view.history.keep(f"{found.device}.{name}" for name in TRENDS)

    def on_screen_resume(self) -> None:
        """Fetch what was recorded while the page was not shown, as soon as it is built."""
        self.call_later(self._catch_up)

    def _catch_up(self) -> None:
        if self._estimation is not None and self.view.link.is_live:
            self.run_worker(self._fetch(self._estimation), group="se-trend", exclusive=True)

    def tags(self, model: StationModel) -> Iterable[str]:
        """The estimator, its detectors, the ranking, what is in it, buses with meters, attack slots."""
        found = self._estimation
        if found is None:
            return
        yield from model.tags_of(found.device)
        for detector in found.detectors:
            yield from model.tags_of(detector)
        yield from RANKED
        for channel in self._ranked:
            yield channel
            yield f"{found.channels[channel]}.STATE"
        for compared in found.compared:
            for pair in compared.pairs:
                yield from pair
        for slot in model.of_template(ATTACK):
            yield from model.tags_of(slot, *WATCHED)
        yield from self._attacked

    # ---- drawing

    def refresh_values(self) -> None:
        """Draw what changed."""
        found, model = self._estimation, self.view.model
        if found is None or model is None:
            return
        look = et.Look(self.view, self.palette, self.signs)
        self.query_one("#se-summary", Said).show(et.summary(look, model, found))
        self.query_one("#se-detectors", RowTable).show(et.detector_rows(look, found))
        rows = et.ranking(look, found)
        self.query_one("#se-residuals", RowTable).show(et.residual_rows(look, model, found, rows))
        self.query_one("#se-compared", RowTable).show(et.compared_rows(look, model, found))
        slots = active_slots(model, self.view.reading)
        self.query_one("#se-attacks", Said).show(et.attacks(look, model, slots))
        attacked = tuple(
            t for s in slots for t in (*(f"{s.slot}.{name}" for name in OF_ACTIVE), s.target) if t
        )
        ranked = tuple(channel for channel, _ in rows)
        if set(ranked) != set(self._ranked) or attacked != self._attacked:
            self._ranked, self._attacked = ranked, attacked
            self.show_tags()

    def refresh_plots(self) -> None:
        """Draw J over the last ten minutes."""
        found = self._estimation
        if found is None:
            return
        now_s = time.monotonic()
        palette = self.palette
        j, centred = (
            self._ratio(f"{found.device}.{a}", f"{found.device}.{b}", now_s)
            for a, b in (TRENDS[:2], TRENDS[2:])
        )
        title = "" if self.view.link.is_live else "(stale)"
        if not j[0] and not centred[0]:
            title += " nothing came yet"
        self.query_one(Plot).show(
            palette,
            (
                Series("J", *j, palette.live),
                Series("centred", *centred, palette.note, is_points=True),
            ),
            title=title,
            x_range=(-WINDOW_S / 60.0, 0.0),
            x_ticks=[(-m, f"-{m:.0f} min" if m else "now") for m in TICKS_MIN],
            limits=[("threshold", 1.0)],
            y_range=(0.0, max([1.2, *(1.1 * y for y in (*j[1], *centred[1]))])),
            is_ascii=self.console.is_ascii,
        )

    def _ratio(self, tag: str, threshold_tag: str, now_s: float) -> tuple[list[float], list[float]]:
        """Return minutes from now and values over the threshold that held then."""
        begin_s = now_s - WINDOW_S
        (times, values), (at, limits) = (self._rows(t, begin_s) for t in (tag, threshold_tag))
        if not limits and (limit := self.view.number(threshold_tag)):
            at, limits = [begin_s], [limit]
        return et.ratios(times, values, at, limits, now_s)

    def _rows(self, tag: str, begin_s: float) -> tuple[list[float], list[float]]:
        times, values = self.view.history.of(tag, begin_s)
        first = times[0] if times else 1e18
        past = [row for row in zip(*self._past.get(tag, ([], [])), strict=True) if begin_s <= row[0] < first]
        return [r[0] for r in past] + times, [r[1] for r in past] + values

    async def _fetch(self, found: Estimation) -> None:
        """Take the recorded trends of the last ten minutes; without a recorder the plot begins now."""
        now, now_s = datetime.now(UTC), time.monotonic()
        for name in TRENDS:
            tag = f"{found.device}.{name}"
            try:
                times, values, qualities = await self.view.trend(
                    tag, now - timedelta(seconds=WINDOW_S), now, ROWS_OF_TREND
                )
            except StationError:
                return
            rows = [
                (now_s - (now - t).total_seconds(), v)
                for t, v, q in zip(times, values, qualities, strict=True)
                if q < et.BAD_FROM and math.isfinite(v)
            ]
            self._past[tag] = [r[0] for r in rows], [r[1] for r in rows]
        self.refresh_plots()

    @on(DataTable.RowSelected, "#se-residuals")
    def action_trend(self) -> None:
        """Show the trend of the channel under the cursor, of J where none is."""
        found = self._estimation
        if found is None:
            return
        table = self.query_one("#se-residuals", RowTable)
        at = table.at
        if table.has_focus and at is not None and at < len(self._ranked):
            rows = et.ranking(et.Look(self.view, self.palette, self.signs), found)
            self.console.action_trend(rows[at][0] if at < len(rows) else self._ranked[at])
        else:
            self.console.action_trend(f"{found.device}.J")
