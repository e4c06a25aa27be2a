"""The bar over every screen: station, link and age of the data, user, alarms, whether it is armed."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from rich.text import Text
from textual.widgets import Static

from hil.view.link import Phase
from hil.view.station_view import StationView

if TYPE_CHECKING:
    from hil.console.app import ConsoleApp

PHASE_TEXT = {
    Phase.CONNECTING: "CONNECTING",
    Phase.LIVE: "LIVE",
    Phase.STALE: "STALE",
    Phase.LOST: "LINK LOST",
    Phase.REFUSED: "REFUSED",
}


class StatusBar(Static):
    """Two lines, each cut at its end; drawn again only when its text changes."""

    DEFAULT_CSS = "StatusBar { text-wrap: nowrap; text-overflow: ellipsis; }"

    def __init__(self) -> None:
        super().__init__(id="status-bar")
        self._shown = Text()

    def refresh_bar(self) -> None:
        """Draw it if it changed."""
        app = cast("ConsoleApp", self.app)
        view = app.view
        self.set_class(not view.link.is_live, "not-live")
        text = Text.assemble(*_first_line(app), "\n", *_second_line(app), no_wrap=True, overflow="ellipsis")
        if text.markup != self._shown.markup:
            self._shown = text
            self.update(text)


def _first_line(app: ConsoleApp) -> list[str | tuple[str, str]]:
    view, palette = app.view, app.palette
    link = view.link
    colour = palette.good if link.is_live else palette.bad
    parts: list[str | tuple[str, str]] = [(f" {PHASE_TEXT[link.phase]} ", f"bold reverse {colour}"), " "]
    parts += [(view.model.name if view.model else view.url, "bold")]
    if not link.is_live:
        age = f"data {link.age_s:.0f} s old, " if view.model and link.had_data else ""
        return [*parts, (f"  {age}{link.words or 'no sign of life'}", colour)]
    parts.append(f"  data {max(link.age_s, 0.0):.1f} s old")
    simulated = _simulated(view)
    return [*parts, f"  simulated {simulated}"] if simulated else parts


def _second_line(app: ConsoleApp) -> list[str | tuple[str, str]]:
    view, palette = app.view, app.palette
    page = next((s.TITLE_TEXT for s in reversed(app.screen_stack) if hasattr(s, "TITLE_TEXT")), "")
    parts: list[str | tuple[str, str]] = [(f" {page}", "bold"), f"   {view.user} ({view.role})"]
    if view.reading("LAB.ARM.ARMED").is_on:
        left = view.number("LAB.ARM.TIME_LEFT_S")
        parts.append(
            (f"  ARMED {left:.0f} s" if left is not None else "  ARMED", f"bold reverse {palette.warn}")
        )
    parts.append(_alarms(app))
    if overruns := view.number("SUB.LOOP.OVERRUNS"):
        parts.append((f"  {overruns:.0f} overruns", palette.warn))
    return parts


def _alarms(app: ConsoleApp) -> str | tuple[str, str]:
    """Return how many alarms there are; none known is not none."""
    view, palette = app.view, app.palette
    if not view.knows_alarms and not view.alarms:
        return ("  alarms unknown", "" if view.link.is_live else palette.warn)
    mark = "" if view.link.is_live and view.knows_alarms else "?"
    active = sum(a.is_active for a in view.alarms)
    unseen = sum(not a.is_acknowledged for a in view.alarms)
    if not active and not unseen:
        return f"  no alarms{mark}"
    style = f"bold {palette.bad}" if unseen else palette.warn
    words = f"{active}{mark} active, {unseen}{mark} not acknowledged"
    return (f"  {app.signs.alarm} alarms: {words}", style)


def _simulated(view: StationView) -> str:
    seconds = view.number("SUB.LOOP.SIM_TIME")
    if seconds is None:
        return ""
    hours, rest = divmod(int(seconds), 3600)
    speed = view.model.speed if view.model else 1.0
    return f"{hours:d}:{rest // 60:02d}:{rest % 60:02d}" + (f" x{speed:g}" if speed != 1.0 else "")
