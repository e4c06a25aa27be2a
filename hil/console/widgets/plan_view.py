"""The dispatcher's plan: what it is worth, as a plot and as a table, beside what is now."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Container

from hil.console.widgets.device_table import LEFT, RIGHT, DeviceTable
from hil.console.widgets.facts import Facts, fact
from hil.console.widgets.pen import Pen
from hil.console.widgets.plot import Plot, Series
from hil.view.der import N_STEPS, Column, Resources, plan_columns

NAME = 10
NOW = "now"


class PlanView(Container):
    """Facts, plot and table of the plan ahead."""

    DEFAULT_CSS = """
    PlanView { height: auto; layout: vertical; }
    PlanView Plot { height: 14; }
    PlanView DeviceTable { max-height: 12; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._found: Resources | None = None
        self._columns: tuple[Column, ...] = ()

    def compose(self) -> ComposeResult:
        """Facts, plot, table."""
        yield Facts("dispatcher's plan", id="plan-facts")
        yield Plot(id="plan-plot")
        yield DeviceTable((("ahead", 5, LEFT),), id="plan-table")

    def lay_out(self, found: Resources) -> None:
        """Fill it for a station that has a dispatcher."""
        self._found, self._columns = found, plan_columns(found)
        rows = [(NOW, NOW), *((str(k), f"+{k} h") for k in range(1, N_STEPS + 1))]
        heads = [(c.head, len(c.head), RIGHT) for c in self._columns]
        self.query_one("#plan-table", DeviceTable).fill(rows, [("ahead", 5, LEFT), *heads])

    def tags(self) -> tuple[str, ...]:
        """Every point that is shown."""
        if self._found is None:
            return ()
        service = [f"{self._found.service}.{name}" for name in SERVICE] if self._found.service else []
        return (*service, *(tag for c in self._columns for tag in (c.now, *c.steps) if tag))

    def draw_values(self, pen: Pen) -> None:
        """Draw facts and table."""
        if self._found is None:
            return
        self.query_one("#plan-facts", Facts).show(plan_lines(pen, self._found.service))
        table = self.query_one("#plan-table", DeviceTable)
        for k, column in enumerate(self._columns, 1):
            for row, tag in zip(
                (NOW, *map(str, range(1, N_STEPS + 1))), (column.now, *column.steps), strict=True
            ):
                if tag:
                    table.write(row, k, pen.number(tag, 1, unit=""))

    def draw_plot(self, pen: Pen) -> None:
        """Draw import, load forecast and battery powers of the steps ahead, and what is now at 0."""
        palette, view = pen.palette, pen.view
        colours = (palette.live, palette.note, palette.warn, palette.good, palette.bad)
        series = []
        shown = [c for c in self._columns if c.head.endswith("[kW]")]
        for number, (column, colour) in enumerate(zip(shown, colours, strict=False), 1):
            pairs = [(k, view.reading(tag)) for k, tag in enumerate(column.steps, 1)]
            known = [
                (k, r.number) for k, r in pairs if r.number is not None and r.grade in ("good", "uncertain")
            ]
            label = column.head.removesuffix(" [kW]")
            at, values, marker = [float(k) for k, _ in known], [float(v) for _, v in known], str(number)
            series.append(Series(label, at, values, colour, marker=marker))
            now = view.number(column.now) if column.now else None
            if now is not None:
                series.append(Series("", [0.0], [now], colour, is_points=True, marker=marker))
        title = "planned power [kW]" + ("" if view.link.is_live else " (stale)")
        ticks = [(float(k), NOW if k == 0 else f"+{k}") for k in range(0, N_STEPS + 1, 4)]
        plot = self.query_one("#plan-plot", Plot)
        plot.show(palette, series, title=title, x_label="hours ahead", x_range=(0.0, float(N_STEPS)),
                  x_ticks=ticks, is_ascii=pen.is_ascii)  # fmt: skip


SERVICE = (
    "STATE", "N_PLANS", "N_FAILURES", "NUMBER", "AGE", "SOLVE_MS", "PLAN_COST", "PREDICTED_COST",
    "REALISED_COST", "PEAK", "PEAK_PLANNED", "VIOLATION", "VIOLATION_PLANNED", "TAP_OPERATIONS",
)  # fmt: skip


def plan_lines(pen: Pen, service: str) -> list[Text]:
    """Return what the dispatcher says of itself and of its plans."""
    if not service:
        return [Text("this station shows nothing of its dispatcher", "dim")]

    def dim(words: str) -> tuple[str, str]:
        return words, "dim"

    def number(name: str, decimals: int) -> Text:
        return pen.number(f"{service}.{name}", decimals)

    failures = pen.view.number(f"{service}.N_FAILURES")
    return [
        fact("state", pen.word(f"{service}.STATE"), width=NAME),
        fact("plan", number("NUMBER", 0), dim("  age "), number("AGE", 0), dim("  solved in "),
             number("SOLVE_MS", 0), width=NAME),
        fact("plans", number("N_PLANS", 0), dim("  failed "),
             Text("?" if failures is None else f"{failures:.0f}", pen.palette.bad if failures else ""),
             width=NAME),
        fact("cost", number("PLAN_COST", 1), dim(" ahead"), width=NAME),
        fact("so far", number("REALISED_COST", 1), dim("  predicted "), number("PREDICTED_COST", 1),
             width=NAME),
        fact("peak", number("PEAK", 0), dim("  planned "), number("PEAK_PLANNED", 0), width=NAME),
        fact("outside", number("VIOLATION", 2), dim("  planned "), number("VIOLATION_PLANNED", 2),
             width=NAME),
        fact("tap moves", number("TAP_OPERATIONS", 0), width=NAME),
    ]  # fmt: skip
