"""The station at a glance."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Grid, VerticalScroll
from textual.widgets import Static

from hil.console.page import Page
from hil.console.pages import overview_parts as parts
from hil.view.lateness import LatenessWatch
from hil.view.model import StationModel


class OverviewPage(Page):
    """The station at a glance."""

    KEY: ClassVar[str] = "1"
    TITLE_TEXT: ClassVar[str] = "Overview"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (170, "-wide")]
    BINDINGS = [
        Binding("a", "app.arm", "Arm"),
        Binding("d", "app.disarm", "Disarm"),
        Binding("f", "app.fault", "Fault"),
        Binding("x", "app.attack", "Falsify"),
    ]
    DEFAULT_CSS: ClassVar[str] = """
    OverviewPage Grid { grid-size: 2; grid-columns: 1fr 1fr; grid-rows: auto; height: auto; }
    OverviewPage.-wide Grid { grid-size: 3; grid-columns: 1fr 1fr 1fr; }
    OverviewPage .box { height: 100%; min-height: 3; text-wrap: nowrap; text-overflow: ellipsis; }
    OverviewPage.-narrow .box { padding: 0; }
    OverviewPage VerticalScroll { scrollbar-size-vertical: 1; }
    """
    HELP: ClassVar[str] = """
# Overview

- **Loop**: whether the real-time contract holds, how late steps begin (p50, p99, p99.9, largest since the
  start), p99 of each second as bars, how long a step takes, steps that ended after their deadline.
- **System**: frequency and its rate of change, the source, who commands the batteries, the laboratory's lock,
  the recorder.
- **Feeders**: power and phase currents of each feeder's head, and their sum.
- **Alarms**: the five most urgent; all of them are on the screen Alarms.
- **Commands**: the newest ones of all masters, with the station's verdict.
- **Processes**, **Sessions**: who serves, and who is connected.

| key | does |
| --- | --- |
| a | arm the laboratory: opens a short window for faults and attacks |
| d | disarm it at once |
| f | put a fault, or clear faults |
| x | falsify an instrument |
"""

    def __init__(self) -> None:
        super().__init__()
        self._lateness = LatenessWatch()
        self._shown: dict[str, Text] = {}

    def content(self) -> ComposeResult:
        """A box for each part, the most important ones first."""
        with VerticalScroll(), Grid():
            for name, title, _ in parts.PARTS:
                box = Static(id=name, classes="box")
                box.border_title = title
                yield box

    def build(self, model: StationModel) -> None:
        """Begin anew: another run has another histogram."""
        self._lateness = LatenessWatch()
        self._shown.clear()

    def tags(self, model: StationModel) -> Iterable[str]:
        """Loop, frequency, source, feeder heads."""
        return parts.tags(model)

    def refresh_values(self) -> None:
        """Draw the boxes whose text changed."""
        model = self.view.model
        if model is None:
            return
        self._lateness.take(self.view.status)
        for name, _, draw in parts.PARTS:
            box = self.query_one(f"#{name}", Static)
            seen = parts.Seen(
                self.view, model, self.palette, self.signs, self._lateness, box.size.width or 36
            )
            text = draw(seen)
            if self._shown.get(name) != text or self._shown[name].spans != text.spans:
                self._shown[name] = text
                box.update(text)
