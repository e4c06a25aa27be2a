"""A screen of the console: shows some points while it is visible, and nothing else is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from hil.console.in_console import InConsole
from hil.console.widgets.key_bar import KeyBar
from hil.console.widgets.status_bar import StatusBar
from hil.view.model import StationModel

VALUES_S = 0.5
PLOTS_S = 2.0


class Page(Screen[None], InConsole):
    """Base of all screens.

    A page is made once and kept. ``build`` fills it from a model and is called again at another run of the
    station; ``tags`` says what it shows now; ``refresh_values`` and ``refresh_plots`` draw, at 2 Hz and
    0.5 Hz and only while the page is visible and something changed.

    Attributes
    ----------
    KEY : str
        The key that leads to it from anywhere.
    TITLE_TEXT : str
        Its name in the bar and the command palette.
    HELP : str
        Markdown, shown on F1.
    """

    KEY: ClassVar[str]
    TITLE_TEXT: ClassVar[str]
    HELP: ClassVar[str] = ""
    BINDINGS = [Binding("escape", "leave_focus", "Back", show=False)]

    def __init__(self) -> None:
        super().__init__()
        self._built: StationModel | None = None
        self._drawn = (-1, "", "")

    # ---- for pages

    def content(self) -> ComposeResult:
        """Yield the page's widgets, below the bar and above the footer."""
        yield VerticalScroll()

    def build(self, model: StationModel) -> None:
        """Fill the widgets for a station; called at the first connection and at each other run."""

    def tags(self, model: StationModel) -> Iterable[str]:
        """Return the points that are visible now."""
        return ()

    def refresh_values(self) -> None:
        """Draw values that changed."""

    def refresh_plots(self) -> None:
        """Draw plots."""

    def show_tags(self) -> None:
        """Subscribe to what ``tags`` says now: to be called when the selection of a page changes."""
        model = self.view.model
        if model is not None and self.is_current:
            self.view.show(self.TITLE_TEXT, self.tags(model))

    # ---- how it works

    def compose(self) -> ComposeResult:
        """Bar, content, footer."""
        yield StatusBar()
        yield from self.content()
        yield Static(id="waiting")
        yield KeyBar()

    def on_mount(self) -> None:
        """Begin to draw."""
        self.set_interval(VALUES_S, self.tick_values)
        self.set_interval(PLOTS_S, self.tick_plots)

    def on_screen_resume(self) -> None:
        """Show, subscribe, draw at once."""
        self._settle()
        self.show_tags()
        self._drawn = (-1, "", "")
        self.tick_values()
        self.tick_plots()

    def on_screen_suspend(self) -> None:
        """Nothing of it is visible any more."""
        if not isinstance(self.app.screen, Page):
            return  # a dialog over it
        self.view.show(self.TITLE_TEXT, ())

    def station_came(self) -> None:
        """Take a new connection."""
        if self.is_current or self.app.screen_stack[0] is self or self in self.app.screen_stack:
            self._settle()
            self.show_tags()
            self.tick_values()

    def _settle(self) -> None:
        model = self.view.model
        waiting = self.query_one("#waiting", Static)
        waiting.display = model is None
        if model is None or model is self._built:
            return
        self._built = model
        self.build(model)

    def tick_values(self) -> None:
        """Draw values if anything changed since the last time."""
        if not self.is_current and not self._is_below_dialog():
            return
        self.query_one(StatusBar).refresh_bar()
        if self._built is None:
            self.query_one("#waiting", Static).update(Text(self.console.waiting_text()))
            return
        state = (self.view.changes, self.view.link.phase.value, self.app.theme)
        if state != self._drawn:
            self._drawn = state
            self.refresh_values()

    def tick_plots(self) -> None:
        """Draw plots while visible."""
        if self._built is not None and (self.is_current or self._is_below_dialog()):
            self.refresh_plots()

    def _is_below_dialog(self) -> bool:
        pages = [s for s in self.app.screen_stack if isinstance(s, Page)]
        return bool(pages) and pages[-1] is self

    def action_leave_focus(self) -> None:
        """Give the keys back to the page."""
        focused: Widget | None = self.focused
        if focused is not None:
            focused.blur()
