"""Blocks of one transformer and of one regulator with its voltage relay."""

from __future__ import annotations

from rich.text import Text

from hil.console.widgets.bar import scale
from hil.console.widgets.facts import fact
from hil.console.widgets.pen import Pen
from hil.view.relays import Level
from hil.view.station_view import StationView
from hil.view.taps import Regulator

NAME = 10
OIL_DEGC, HOT_DEGC = (20.0, 120.0), (20.0, 160.0)
"""Ends of the bars [degC]."""
BANDS = 2.5
"""A voltage's scale reaches so many half bands to either side of the set value."""


def transformer_lines(pen: Pen, device: str, thermal: str, width: int) -> list[Text]:
    """Return the lines about a transformer; those of its temperatures where it has them."""
    lines = [
        fact("power", pen.number(f"{device}.P", 0), "  ", pen.number(f"{device}.Q", 0), width=NAME),
        fact("current", pen.number(f"{device}.IA", unit=""), " / ", pen.number(f"{device}.IB", unit=""),
             " / ", pen.number(f"{device}.IC"), width=NAME),
    ]  # fmt: skip
    if not thermal:
        return [*lines, Text("this station shows no temperatures of it", "dim")]
    room = max(width - NAME - 23, 4)
    load, percent = pen.view.number(f"{thermal}.K"), Text("?", "dim italic")
    if load is not None:
        percent = Text(f"{load * 100.0:6.1f} % of rating")
    level = Level.BAD if (load or 0.0) > 1.2 else Level.WARN if (load or 0.0) > 1.0 else Level.GOOD
    return [
        fact("load", pen.bar(f"{thermal}.K", room, high=1.5, style=pen.style(level)), percent, width=NAME),
        *lines,
        _temperature(pen, thermal, "top oil", "TOP_OIL", "OIL", OIL_DEGC, room),
        _temperature(pen, thermal, "hot spot", "HOT_SPOT", "HOT", HOT_DEGC, room),
        fact("ageing", pen.number(f"{thermal}.FAA", 3), " x normal", width=NAME),
        fact("lost life", pen.number(f"{thermal}.LOL", 4), ("  ambient ", "dim"),
             pen.number(f"{thermal}.AMBIENT"), width=NAME),
        fact("cooling", ("stage ", "dim"), pen.number(f"{thermal}.STAGE", 0), ("  rating ", "dim"),
             pen.number(f"{thermal}.RATING_SP", 2), width=NAME),
    ]  # fmt: skip


def _temperature(
    pen: Pen, thermal: str, words: str, name: str, alarm: str, ends: tuple[float, float], room: int
) -> Text:
    """Return a temperature with a bar and what its two levels, set in the station, say."""
    view = pen.view
    is_trip = view.reading(f"{thermal}.{alarm}_TRIP").is_on
    is_alarm = view.reading(f"{thermal}.{alarm}_ALARM").is_on
    level = Level.BAD if is_trip else Level.WARN if is_alarm else Level.GOOD
    said = f"{pen.signs.alarm} TRIP" if is_trip else f"{pen.signs.alarm} ALARM" if is_alarm else "normal"
    if not view.reading(f"{thermal}.{alarm}_ALARM").is_usable:
        said, level = "?", Level.UNKNOWN
    drawn = pen.bar(f"{thermal}.{name}", room, low=ends[0], high=ends[1], style=pen.style(level))
    return fact(words, drawn, " ", pen.number(f"{thermal}.{name}", 1, width=5),
                (f"  {said}", pen.style(level)), width=NAME)  # fmt: skip


def regulator_lines(pen: Pen, regulator: Regulator, width: int) -> list[Text]:
    """Return the lines about a regulator and its voltage relay."""
    device, control = regulator.device, regulator.control
    lines = [fact("tap", pen.number(f"{device}.TAP", 0, unit=""), ("  wanted ", "dim"),
                  pen.number(f"{device}.TAP_SP", 0, unit=""), width=NAME)]  # fmt: skip
    if not control:
        return [*lines, Text("it has no voltage relay: set by hand", "dim")]
    blocked = {"BLOCKED": f"bold {pen.palette.bad}"}
    warn = {"LOCAL": pen.palette.warn, "REVERSE": f"bold {pen.palette.warn}"}
    reason = Text()
    if pen.view.number(f"{control}.REASON"):
        reason = Text.assemble(": ", pen.word(f"{control}.REASON"))
    return [
        *lines,
        fact("mode", pen.word(f"{control}.AUTO", {"AUTO": pen.palette.good}), "  ",
             pen.word(f"{control}.REMOTE", warn), width=NAME),
        fact("voltage", pen.number(f"{control}.V", 2), width=NAME),
        fact("in band", _voltage(pen, control, width - NAME - 1), width=NAME),
        fact("set value", pen.number(f"{control}.V_SP"), ("  band ", "dim"),
             pen.number(f"{control}.BAND_SP"), width=NAME),
        fact("asks since", pen.number(f"{control}.TIMER", 0), width=NAME),
        fact("relay", pen.word(f"{control}.BLOCKED", blocked), reason, width=NAME),
        fact("power", pen.word(f"{control}.REVERSE", warn), width=NAME),
    ]  # fmt: skip


def bands_away(view: StationView, control: str) -> float | None:
    """Return how far a relay's voltage is from its set value, in halves of its band; None where not known."""
    seen, wanted, band = (view.number(f"{control}.{n}") for n in ("V", "V_SP", "BAND_SP"))
    return None if seen is None or wanted is None or not band else (seen - wanted) / (band / 2.0)


def _voltage(pen: Pen, control: str, width: int) -> Text:
    """Return where the voltage lies about its band: ``( )`` are the ends of the band."""
    width = max(min(width, 31), 11)
    away = bands_away(pen.view, control)
    if away is None:
        return Text("?" * width, "dim italic")
    cells = list(scale(away, -BANDS, BANDS, width, is_ascii=pen.is_ascii))
    for end, sign in ((-1.0, "("), (1.0, ")")):
        at = round((end + BANDS) / (2.0 * BANDS) * (width - 1))
        if cells[at] not in ("●", "O"):
            cells[at] = sign
    style = pen.style(Level.GOOD if abs(away) <= 1.0 else Level.WARN)
    return Text("".join(cells), style)
