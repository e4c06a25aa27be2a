"""Trend of one point: what the station recorded, and what comes now."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.widgets import Static

from hil.console.dialogs.dialog import Dialog
from hil.console.widgets.plot import Plot, Series
from hil.view import trend
from hil.view.model import StationModel
from hil.view.reading import text_of
from hil.view.station_view import StationError

SPANS = (("10 min", 600.0), ("1 h", 3600.0), ("6 h", 21_600.0), ("24 h", 86_400.0))
PLOT_S = 2.0
TICKS_APART = 18
"""Columns between two times on the axis."""
HEAD = ("utc", "value", "unit", "quality", "source")


class TrendDialog(Dialog[None]):
    """A plot, its span, the newest value."""

    BINDINGS = [
        *((str(k), f"span({k - 1})", f"{words}") for k, (words, _) in enumerate(SPANS, 1)),
        ("e", "export", "Export CSV"),
        ("t,q", "close", "Close"),
    ]
    DEFAULT_CSS: ClassVar[str] = """
    TrendDialog .dialog { width: 96%; height: 90%; }
    TrendDialog Static { height: auto; }
    TrendDialog Plot { height: 1fr; min-height: 8; }
    """

    def __init__(self, tag: str) -> None:
        super().__init__(f"Trend {tag}")
        self.tag = tag
        self._span = 0
        self._past: list[trend.TrendRow] = []
        self._words = ""
        self._run_id = ""

    def content(self) -> ComposeResult:
        """Newest value, plot, keys, words."""
        yield Static(id="trend-now")
        yield Plot(id="trend-plot")
        yield Static(id="trend-keys")
        yield Static(id="trend-words")

    def tags(self, model: StationModel) -> Iterable[str]:
        """The point."""
        return [self.tag] if model.has(self.tag) else []

    def on_mount(self) -> None:
        """Keep what comes; ask for what was."""
        self.view.history.keep([self.tag])
        self.set_interval(PLOT_S, self.refresh_plot)
        self.action_span(0)

    def on_unmount(self) -> None:
        """Keep it no longer, unless the screen below does."""
        if self.tag not in self.console.kept_tags():
            self.view.history.drop([self.tag])

    def refresh_values(self) -> None:
        """Show the newest value."""
        model = self.view.model
        point = None if model is None else model.points.get(self.tag)
        if point is None:
            words = f"the station has no point {self.tag} any more" if model else "not connected"
            self.query_one("#trend-now", Static).update(Text(words, self.palette.warn))
            return
        if model is not None and model.run_id != self._run_id:
            self._ask(model.run_id)
        text = text_of(point, self.view.reading(self.tag), has_unit=True)
        self.query_one("#trend-now", Static).update(
            Text.assemble(
                (f"{text}  ", "bold"), (point.description, "dim"), no_wrap=True, overflow="ellipsis"
            )
        )

    # ---- data

    def action_span(self, index: int) -> None:
        """Show the last 10 min, 1 h, 6 h or 24 h."""
        self._span = index
        keys = Text(
            "  ".join(f"{k} {words}" for k, (words, _) in enumerate(SPANS, 1)) + "  e export CSV", "dim"
        )
        keys.highlight_words([f"{index + 1} {SPANS[index][0]}"], "bold not dim reverse")
        self.query_one("#trend-keys", Static).update(keys)
        model = self.view.model
        self._ask(model.run_id if model else "")

    def _ask(self, run_id: str) -> None:
        self._run_id = run_id
        self._say("asking for the record ...")
        self.run_worker(self._read(), exclusive=True, group="trend")

    async def _read(self) -> None:
        end = datetime.fromtimestamp(self._now_s(), UTC)
        begin = datetime.fromtimestamp(self._now_s() - SPANS[self._span][1], UTC)
        # before it was ever laid out the plot has no width: the terminal's then
        width = self.query_one("#trend-plot").size.width or self.app.size.width
        count = max(2, min(10_000, 2 * width))
        try:
            found = await self.view.trend(self.tag, begin, end, count)
        except StationError as error:
            self._past, words = [], f"{error}; live values only"
        else:
            self._past = trend.recorded(*found)
            words = "" if self._past else "nothing is recorded of it in this time; live values only"
        if self.is_attached:  # it may have been closed while the answer was on its way
            self._say(words)
            self.refresh_plot()

    def _now_s(self) -> float:
        """Return the station's time [s since 1970 UTC]; ours before it has told its own."""
        utc_ns = self.view.status.get("utc_ns")
        return utc_ns / 1e9 if isinstance(utc_ns, int) else time.time()

    def _rows(self) -> list[trend.TrendRow]:
        now_s = self._now_s()
        times_s, values = self.view.history.of(self.tag)
        came = trend.live(times_s, values, now_s - self.clock_s())
        return trend.joined(self._past, came, now_s - SPANS[self._span][1])

    # ---- drawing

    def refresh_plot(self) -> None:
        """Draw what there is."""
        rows = [r for r in self._rows() if r.is_good]
        end_s = self._now_s()
        begin_s = min((r.utc_s for r in rows), default=end_s - SPANS[self._span][1])
        plot = self.query_one("#trend-plot", Plot)
        model = self.view.model
        point = model.points.get(self.tag) if model else None
        stale = "" if self.view.link.is_live else " (stale)"
        x, y = trend.held(rows, end_s if self.view.number(self.tag) is not None else None)
        plot.show(
            self.palette,
            [Series("", x, y, self.palette.phase[1])],
            title=f"{self.tag} [{point.unit if point and point.unit else '-'}], UTC{stale}",
            x_ticks=trend.ticks(begin_s, end_s, max(2, plot.size.width // TICKS_APART)),
            is_ascii=self.console.is_ascii,
        )

    def _say(self, words: str) -> None:
        self.query_one("#trend-words", Static).update(Text(words))

    # ---- export

    def action_export(self) -> None:
        """Write what is shown as CSV."""
        model = self.view.model
        point = model.points.get(self.tag) if model else None
        unit = point.unit if point else ""
        rows = [
            (
                datetime.fromtimestamp(r.utc_s, UTC).isoformat(timespec="milliseconds"),
                r.value,
                unit,
                r.quality,
                "live" if r.is_live else "record",
            )
            for r in self._rows()
        ]
        self._say(self.console.save_csv(self.tag, HEAD, rows))
