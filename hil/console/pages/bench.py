"""The relay test that runs at the station, or ran last, and the test set it uses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Container, Vertical

from hil.console.page import Page
from hil.console.pages import bench_text as bt
from hil.console.pages.estimator_text import Look
from hil.console.widgets.row_table import RowTable
from hil.console.widgets.said import Said
from hil.view.bench_state import BenchState
from hil.view.model import StationModel
from hil.view.station_view import StationError

ASK_S = 1.0
INJECTION = "injection"


class BenchPage(Page):
    """The relay test that runs: plan, shots with their verdicts, the injection test set."""

    KEY: ClassVar[str] = "b"
    TITLE_TEXT: ClassVar[str] = "Test bench"
    AUTO_FOCUS = "#rt-shots"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (150, "-wide")]
    HELP: ClassVar[str] = """
A relay test puts ideal sources in place of a relay's instrument transformers, lets the device under test see
them over its own connection, and judges what it does. It is started on the station's machine:

    gridhil relaytest si_51 --report out

- **Shots**: every shot with what was measured, the interval that holds the true value, and what is allowed.
  Repeated shots (the machine was too busy, the connection changed) are in brackets and do not count.
- **Delay**: of the connection, measured before and after each test; times are corrected by it, its interval
  is the uncertainty of every time.
- **Verdicts**: PASS, FAIL, INCONCLUSIVE (neither shown to be right nor wrong), INVALID (the measurement
  cannot be trusted). They may change with the last calibration of a test.
- **Test set**: what the sources give now, and what the device's contacts say.

| key | |
| --- | --- |
| `up` `down` `PgUp` `PgDn` | shots; at the last one new shots are followed |
| `o` | operate the test set by hand (role instructor) |
"""
    BINDINGS = [Binding("o", "operate", "Test set")]
    CSS = "BenchPage #rt-shots { width: 1fr; height: 1fr; }"
    DEFAULT_CSS = """
    BenchPage #rt-state { height: auto; padding: 0 1; }
    BenchPage #rt-cols { layout: horizontal; height: 1fr; }
    BenchPage #rt-set { width: 48; height: auto; padding: 0 1; }
    BenchPage.-narrow #rt-cols { layout: vertical; }
    BenchPage.-narrow #rt-set { width: 100%; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._set = ""
        self._found: BenchState | None = None
        self._trouble = ""
        self._is_asked = False

    def content(self) -> ComposeResult:
        """State above, shots, the test set beside or below them."""
        yield Said(id="rt-state")
        with Container(id="rt-cols"):
            yield RowTable(id="rt-shots")
            with Vertical(id="rt-set"):
                yield Said(id="rt-set-text")

    def build(self, model: StationModel) -> None:
        """Take the test set of a station."""
        self._set = next(iter(model.of_template(INJECTION)), "")
        self._found, self._is_asked, self._trouble = None, False, ""
        self.query_one("#rt-shots", RowTable).lay_out(bt.HEADS)

    def on_mount(self) -> None:
        """Begin to ask."""
        self.set_interval(ASK_S, self._ask)

    def on_screen_resume(self) -> None:
        """Ask at once."""
        self._ask()

    def tags(self, model: StationModel) -> Iterable[str]:
        """The test set."""
        return model.tags_of(self._set)

    def _ask(self) -> None:
        if self.is_current and self.view.link.is_live:
            self.run_worker(self._fetch(), group="rt-ask", exclusive=True)

    async def _fetch(self) -> None:
        try:
            answer = await self.view.test_bench()
        except StationError as error:
            self._trouble = str(error)
        else:
            self._found, self._trouble = BenchState.of(answer), ""
            if answer and self._found is None:
                self._trouble = "what the station says of its test is of another version of gridhil"
            self._is_asked = True
        self.refresh_values()

    def refresh_values(self) -> None:
        """Draw what changed."""
        model, found = self.view.model, self._found
        if model is None:
            return
        look = Look(self.view, self.palette, self.signs)
        is_ascii = self.console.is_ascii
        self.query_one("#rt-state", Said).show(
            bt.state(look, found, self._trouble, is_asked=self._is_asked, is_ascii=is_ascii)
        )
        table = self.query_one("#rt-shots", RowTable)
        table.display = found is not None
        if found is not None:
            is_at_end = table.at is None or table.at >= table.row_count - 1
            table.show(bt.shot_rows(look, found))
            if is_at_end and table.row_count:
                table.move_cursor(row=table.row_count - 1, animate=False)
        self.query_one("#rt-set-text", Said).show(bt.test_set(look, model, self._set))

    def action_operate(self) -> None:
        """Operate the test set by hand."""
        if self._set:
            self.console.action_operate(self._set)
        else:
            self.notify("this station has no injection test set")
