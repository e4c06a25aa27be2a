"""Forecasts with their intervals beside what was measured, and how good they have been."""

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
from hil.console.pages import forecast_text as ft
from hil.console.pages.estimator_text import BAD_FROM, Look
from hil.console.widgets.plot import Plot, Series
from hil.console.widgets.row_table import RowTable
from hil.console.widgets.said import Said
from hil.view.forecasts import DAY_H, SERVICE, Target, Trend, midpoints, summed, targets_of
from hil.view.model import StationModel
from hil.view.station_view import StationError

TREND_ROWS = 600
TREND_AGAIN_S = 60.0
LEAST_PAST_H = 2.0
TICK_H = 6
NONE = """This station forecasts nothing.

One that has a table \\[forecast] in its file, and a point list with the forecaster's points, does: the
shipped stations iowa240 and iowa240-der. What it needs: docs/forecasting.md."""


class ForecastPage(Page):
    """Forecasts of load and sun: 80 % intervals beside what was measured, live scores."""

    KEY: ClassVar[str] = "8"
    TITLE_TEXT: ClassVar[str] = "Forecast"
    AUTO_FOCUS = "#fc-targets"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]
    HELP: ClassVar[str] = """
What is forecast a day ahead, and how good it has been.

- **Targets**: mean of the last full step, forecast of the next one, peak of the next day and in how many
  steps, the model that is issued. Choose one with `up` and `down`.
- **Plot**: at the left of *now* what was measured, means of some minutes; at the right the forecast with the
  ends of its 80 % interval. Hours are of simulated time.
- **Scores** of what was issued, that many steps ahead, of at most 28 days: root mean square, mean absolute
  and relative error, MASE (in units of the seasonal naive's), bias (forecast less actual), share of what came
  inside the intervals (50, 80 and 95 % are meant), skill (how much less the error is than persistence's).
- **RMSE by model**: what the others would have done.
- **Drift**: at 1 the errors have left what they were.

| key | |
| --- | --- |
| `up` `down` | target |
| `t`, `enter` | trend of the last measured step |
"""
    BINDINGS = [Binding("t", "trend", "Trend")]
    DEFAULT_CSS = """
    ForecastPage #fc-service { height: auto; padding: 0 1; }
    ForecastPage.-narrow #fc-service { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    ForecastPage #fc-top { height: 24; layout: horizontal; }
    ForecastPage #fc-targets { width: 58; max-height: 24; }
    ForecastPage #fc-chosen { width: 1fr; height: 100%; }
    ForecastPage #fc-state { height: 2; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    ForecastPage Plot { height: 1fr; }
    ForecastPage.-narrow #fc-top { height: auto; layout: vertical; }
    ForecastPage.-narrow #fc-targets { width: 100%; max-height: 5; }
    ForecastPage.-narrow #fc-chosen { width: 100%; height: auto; }
    ForecastPage.-narrow Plot { height: 9; }
    ForecastPage .fc-title { height: 1; text-style: bold; color: $primary; padding: 0 1; margin-top: 1; }
    ForecastPage.-narrow .fc-title { display: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._targets: list[Target] = []
        self._chosen = 0
        self._service = ""
        self._past: Trend = ([], [])
        self._past_of = ""
        self._past_s = -math.inf
        self._no_past = ""

    def content(self) -> ComposeResult:
        """Targets and plot above, scores below."""
        yield Static(NONE, id="fc-none")
        with VerticalScroll(id="fc-body", can_focus=False):
            yield Said(id="fc-service")
            with Container(id="fc-top"):
                yield RowTable(id="fc-targets")
                with Vertical(id="fc-chosen"):
                    yield Said(id="fc-state")
                    yield Plot(id="fc-plot")
            yield Static("Scores of what was issued", classes="fc-title")
            yield RowTable(id="fc-scores", is_selectable=False)
            yield Static("RMSE by model", classes="fc-title")
            yield RowTable(id="fc-models", is_selectable=False)

    def build(self, model: StationModel) -> None:
        """Take the targets of a station."""
        self._targets, self._chosen = targets_of(model), 0
        self._service = next(iter(model.of_template(SERVICE)), "")
        self._past_of = ""
        self.query_one("#fc-none").display = not self._targets
        self.query_one("#fc-body").display = bool(self._targets)
        for name, heads in ft.HEADS.items():
            self.query_one(name, RowTable).lay_out(heads)

    @property
    def target(self) -> Target | None:
        """The target that is chosen."""
        return self._targets[self._chosen] if self._chosen < len(self._targets) else None

    @property
    def past(self) -> Trend:
        """What was measured of the chosen target: hours from now, kW."""
        target = self.target
        return self._past if target is not None and self._past_of == target.device else ([], [])

    def tags(self, model: StationModel) -> Iterable[str]:
        """The service, the list of targets, all of the chosen one."""
        yield from model.tags_of(self._service)
        for target in self._targets:
            yield from model.tags_of(target.device, *ft.LISTED)
        chosen = self.target
        if chosen is None:
            return
        yield from model.tags_of(chosen.device, *ft.OF_CHOSEN)
        yield from chosen.arrays
        for _, device in chosen.scores:
            yield from model.tags_of(device)

    @on(DataTable.RowHighlighted, "#fc-targets")
    def chose(self, event: DataTable.RowHighlighted) -> None:
        """Show another target."""
        if event.cursor_row != self._chosen and event.cursor_row < len(self._targets):
            self._chosen = event.cursor_row
            self.show_tags()
            self.refresh_values()
            self.refresh_plots()

    # ---- drawing

    def refresh_values(self) -> None:
        """Draw what changed."""
        model, target = self.view.model, self.target
        if model is None or target is None:
            return
        look = Look(self.view, self.palette, self.signs)
        self.query_one("#fc-service", Said).show(ft.service(look, model, self._service))
        self.query_one("#fc-targets", RowTable).show(ft.target_rows(look, model, self._targets))
        self.query_one("#fc-state", Said).show(ft.state(look, model, target))
        self.query_one("#fc-scores", RowTable).show(ft.score_rows(look, model, target))
        self.query_one("#fc-models", RowTable).show(ft.model_rows(look, model, target))

    def refresh_plots(self) -> None:
        """Draw the chosen target: a day back, a day ahead."""
        target = self.target
        if target is None:
            return
        self._renew_past(target)
        age_h = (self.view.number(f"{self._service}.AGE") or 0.0) / 3600.0
        mean, low, high = (self._curve(name, target.step_h, age_h) for name in target.arrays)
        past = self.past
        begin_h = max(-DAY_H, min([-LEAST_PAST_H, *past[0]]))
        palette = self.palette
        self.query_one(Plot).show(
            palette,
            (
                Series("measured", *past, palette.good),
                Series("forecast", *mean, palette.live),
                Series("80 % interval", *low, palette.note, is_points=True),
                Series("", *high, palette.note, is_points=True),
            ),
            title=self._title(target, bool(mean[0]), bool(past[0])),
            marks=(0.0,),
            x_range=(begin_h, DAY_H * target.step_h),
            x_ticks=ft.ticks(begin_h, DAY_H * target.step_h, TICK_H),
            is_ascii=self.console.is_ascii,
        )

    def _title(self, target: Target, has_forecast: bool, has_past: bool) -> str:
        parts = [f"{target.name} [kW]"]
        if not self.view.link.is_live:
            parts.append("(stale)")
        if not has_forecast:
            curve, first = (self.view.reading(t) for t in (target.arrays[0], f"{target.device}.H1"))
            parts.append(ft.no_curve(curve, first))
        if not has_past and self._no_past:
            parts.append(self._no_past)
        return ", ".join(parts)

    def _curve(self, array: str, step_h: float, age_h: float) -> tuple[list[float], list[float]]:
        value = self.view.reading(array).value
        if not isinstance(value, list):
            return [], []
        return midpoints([math.nan if v is None else float(v) for v in value], step_h, age_h)

    def _renew_past(self, target: Target) -> None:
        is_due = target.device != self._past_of or time.monotonic() - self._past_s > TREND_AGAIN_S
        if is_due and self.view.link.is_live:
            self._past_of, self._past_s, self._past, self._no_past = (
                target.device,
                time.monotonic(),
                ([], []),
                "",
            )
            self.run_worker(self._fetch(target), group="fc-trend", exclusive=True)

    async def _fetch(self, target: Target) -> None:
        """Take what was recorded of the measured points in the last simulated day."""
        model = self.view.model
        if model is None or target.forecast is None or not (0.0 < model.speed < math.inf):
            self._no_past = "measured values: not told by the station"
            return
        now = datetime.now(UTC)
        begin = now - timedelta(hours=DAY_H / model.speed)
        trends, factors = list[Trend](), list[float]()
        for tag, factor in target.forecast.measured:
            try:
                times, values, qualities = await self.view.trend(tag, begin, now, TREND_ROWS)
            except StationError as error:
                self._no_past = f"measured: {error}"
                return
            rows = [
                ((t - now).total_seconds() / 3600.0 * model.speed, v)
                for t, v, q in zip(times, values, qualities, strict=True)
                if q < BAD_FROM and math.isfinite(v)
            ]
            trends.append(([r[0] for r in rows], [r[1] for r in rows]))
            factors.append(factor)
        self._past = summed(trends, factors, -DAY_H, 0.0)
        self._no_past = "" if self._past[0] else "nothing recorded yet"
        self.refresh_plots()

    # ---- keys

    @on(DataTable.RowSelected, "#fc-targets")
    def action_trend(self) -> None:
        """Show the trend of the last measured step."""
        if target := self.target:
            self.console.action_trend(f"{target.device}.ACTUAL")
