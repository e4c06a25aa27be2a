"""Feeders, phase by phase."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Container, VerticalScroll
from textual.widgets import Static

from hil.console.page import Page
from hil.console.widgets import feeder_lines
from hil.console.widgets.choice import Choice
from hil.console.widgets.facts import Facts
from hil.console.widgets.phasors import Arrow, Phasors
from hil.console.widgets.plot import Plot, Series
from hil.view import feeder_values as fv
from hil.view.energised import PHASE_LETTERS
from hil.view.model import StationModel
from hil.view.switching import Position, breaker_position

MOST_TICKS = 8
BROAD = 112
"""Columns from which diagram and tables stand beside each other."""
ROOM_PU = 0.01
"""Room over and under limits and voltages in the plot [pu]."""


class FeedersPage(Page):
    """Feeders, phase by phase."""

    KEY: ClassVar[str] = "3"
    TITLE_TEXT: ClassVar[str] = "Feeders"
    HELP: ClassVar[str] = """
The substation and every feeder: what each phase carries, how uneven it is, the voltage along the way.

- **phases**: what is measured at the head. Where it gives powers as sums only, those of the phases are
  computed from the phasors of the feeder's relay, S and the power factor always from P and Q. A negative
  power factor: power flows back.
- **sequence components** of what the relay sees; *neg/pos* and *zero/pos* in percent of the positive
  sequence, *uneven* is the largest deviation from the mean of the phases. Angles against V1.
- **phasors**: voltages long, currents short, each to the largest of its kind; angles against Va.
  At the substation they are those of the high-voltage side.
- **voltage along it**: every meter by its distance from the source along lines, in the colour of its phase,
  with the limits. What is outside is marked and named above.
- **harmonics**: distortion against the limits of IEEE 519, where it is measured.

| key | |
| --- | --- |
| left, right | another feeder |
| `o`, Enter | operate its breaker |
| `t` | trend of its active power |
| up, down, PgUp, PgDn | scroll where the screen is small |
"""
    BINDINGS: ClassVar[list[Any]] = [
        Binding("right", "another(1)", "Feeder", key_display="Right"),
        Binding("left", "another(-1)", "Previous", show=False),
        Binding("enter,o", "operate", "Operate", key_display="Enter"),
        Binding("t", "trend", "Trend"),
        Binding("down", "scroll_by(2)", "Down", show=False),
        Binding("up", "scroll_by(-2)", "Up", show=False),
        Binding("pagedown", "scroll_by(12)", "Down", show=False),
        Binding("pageup", "scroll_by(-12)", "Up", show=False),
    ]
    AUTO_FOCUS = ""
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (BROAD, "-broad")]
    DEFAULT_CSS: ClassVar[str] = """
    FeedersPage #feeder-words { height: 1; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    FeedersPage #feeder-scroll { height: 1fr; }
    FeedersPage #feeder-top { layout: grid; grid-size: 2; grid-columns: 76 1fr; grid-rows: 8 9; height: 17; }
    FeedersPage #feeder-top Facts { height: 100%; }
    FeedersPage #feeder-diagram { row-span: 2; height: 100%; }
    FeedersPage.-narrow #feeder-top { grid-columns: 1fr 33; }
    FeedersPage.-narrow #feeder-phases { column-span: 2; }
    FeedersPage.-narrow #feeder-diagram { row-span: 1; }
    FeedersPage #feeder-profile { height: 1fr; min-height: 14; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._places: list[fv.Place] = []

    def content(self) -> ComposeResult:
        """Yield the choice and everything of what is chosen."""
        yield Choice(id="feeder-choice")
        yield Static(id="feeder-words")
        with VerticalScroll(id="feeder-scroll", can_focus=False):
            with Container(id="feeder-top"):
                yield Facts("phases", id="feeder-phases")
                with Container(id="feeder-diagram", classes="box"):
                    yield Phasors(id="feeder-phasors")
                yield Facts("sequence components", id="feeder-sequences")
            yield Plot(id="feeder-profile")
            yield Facts("harmonics", id="feeder-harmonics")

    def build(self, model: StationModel) -> None:
        """Offer the substation and the feeders of a station."""
        self._places = fv.places(model)
        self.query_one(Choice).fill([p.name for p in self._places])
        self.query_one("#feeder-scroll").display = bool(self._places)
        self.query_one("#feeder-diagram").border_title = "phasors"
        if not self._places:
            self.query_one("#feeder-words", Static).update("this station measures no feeder")

    @property
    def place(self) -> fv.Place | None:
        """What is chosen."""
        chosen = self.query_one(Choice).chosen
        return self._places[chosen] if 0 <= chosen < len(self._places) else None

    def tags(self, model: StationModel) -> Iterable[str]:
        """Return the points of what is chosen."""
        place = self.place
        return fv.place_tags(model, place) if place is not None else ()

    # ---- drawing

    def refresh_values(self) -> None:
        """Draw tables and diagram."""
        model, place = self.view.model, self.place
        if model is None or place is None:
            return
        read = self.view.reading
        is_stale = not self.view.link.is_live
        rows = fv.rows(model, place, read)
        self.query_one("#feeder-phases", Facts).show(
            [*feeder_lines.phase_lines(rows, self.palette), feeder_lines.origin(model, place)],
            self._title(place, is_stale=is_stale),
        )
        self._draw_phasors(place, is_stale=is_stale)
        harmonics = self.query_one("#feeder-harmonics", Facts)
        harmonics.show(feeder_lines.harmonic_lines(self.view, place, self.palette))
        words = feeder_lines.profile_words(model, fv.along(place, read), self.palette)
        if is_stale:
            words = Text(f"(stale) {words.plain}", "dim italic")
        self.query_one("#feeder-words", Static).update(words)

    def _title(self, place: fv.Place, *, is_stale: bool) -> str:
        model = self.view.model
        stale = " (stale)" if is_stale else ""
        if model is None or not place.breaker:
            return f"{place.name}{stale}"
        position = breaker_position(model, place.breaker, self.view.reading)
        shown = position.value.upper() if position is not Position.CLOSED else position.value
        return f"{place.name}, {place.breaker} {shown}{stale}"

    def _draw_phasors(self, place: fv.Place, *, is_stale: bool) -> None:
        volts, amperes = fv.phasors(place, self.view.reading)
        has_angles = self.app.size.width >= BROAD
        self.query_one("#feeder-sequences", Facts).show(
            feeder_lines.sequence_lines(
                volts, amperes, self.palette, is_stale=is_stale, has_angles=has_angles
            )
        )
        reference = volts[0]
        arrows = [
            Arrow(f"{letter}{p}", value, k, is_current)
            for letter, is_current, values in (("V", False, volts), ("I", True, amperes))
            for k, (p, value) in enumerate(zip(PHASE_LETTERS, fv.turned(values, reference), strict=True))
        ]
        words = "" if place.inputs else f"no phasors: {place.name} has no relay whose inputs are points"
        self.query_one(Phasors).show(
            arrows, self.palette, is_ascii=self.console.is_ascii, is_stale=is_stale, words=words
        )
        title = f"phasors, {place.breaker}" if place.inputs else "phasors"
        self.query_one("#feeder-diagram").border_title = title + (" (stale)" if is_stale else "")

    def refresh_plots(self) -> None:
        """Draw the voltage profile."""
        model, place = self.view.model, self.place
        if model is None or place is None:
            return
        found = fv.along(place, self.view.reading)
        series = [self._series(model, found, k) for k in range(3)]
        outside = [v for v in found if not model.v_low_pu <= v.pu <= model.v_high_pu]
        if outside:
            xs, ys = [v.km for v in outside], [v.pu for v in outside]
            series.append(Series("outside", xs, ys, self.palette.bad, is_points=True, marker="X"))
        lowest = min([model.v_low_pu, *(v.pu for v in found)]) - ROOM_PU
        highest = max([model.v_high_pu, *(v.pu for v in found)]) + ROOM_PU
        stale = "" if self.view.link.is_live else " (stale)"
        self.query_one("#feeder-profile", Plot).show(
            self.palette,
            series,
            title=f"voltage along {_names(place.profiles)} [pu]{stale}",
            x_label="km from the source",
            limits=(("low", model.v_low_pu), ("high", model.v_high_pu)),
            y_range=(lowest, highest),
            x_ticks=_km_ticks(max((v.km for v in found), default=0.0)),
            y_ticks=[(v, f"{v:.2f}") for v in (model.v_low_pu, 1.0, model.v_high_pu)],
            is_ascii=self.console.is_ascii,
        )

    def _series(self, model: StationModel, found: Sequence[fv.Voltage], phase: int) -> Series:
        inside = [v for v in found if v.phase == phase and model.v_low_pu <= v.pu <= model.v_high_pu]
        label, colour = PHASE_LETTERS[phase], self.palette.phase[phase]
        kms, voltages = [v.km for v in inside], [v.pu for v in inside]
        return Series(label, kms, voltages, colour, is_points=True, marker=label)

    # ---- keys

    def on_choice_picked(self, _: Choice.Picked) -> None:
        """Show another feeder."""
        self.show_tags()
        self.refresh_values()
        self.refresh_plots()

    def action_another(self, by: int) -> None:
        """Go to the next or previous feeder."""
        choice = self.query_one(Choice)
        choice.choose(choice.chosen + by)

    def action_operate(self) -> None:
        """Operate the breaker of what is chosen."""
        place = self.place
        if place is not None and place.breaker:
            self.console.action_operate(place.breaker)
        else:
            self.notify("there is no breaker here that can be operated")

    def action_trend(self) -> None:
        """Show the trend of the active power."""
        place, model = self.place, self.view.model
        tag = f"{place.amperes}.P" if place is not None else ""
        if model is not None and model.has(tag):
            self.console.action_trend(tag)
        else:
            self.notify("active power is not measured here")

    def action_scroll_by(self, rows: int) -> None:
        """Scroll."""
        self.query_one("#feeder-scroll", VerticalScroll).scroll_relative(y=rows, animate=False)


def _km_ticks(most: float) -> list[tuple[float, str]]:
    """Return ticks at whole steps of the way."""
    step = next((s for s in (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 50.0) if most / s <= MOST_TICKS), 100.0)
    return [(k * step, f"{k * step:g}") for k in range(int(most / step) + 1)]


def _names(feeders: Sequence[str]) -> str:
    return feeders[0] if len(feeders) == 1 else "all feeders"
