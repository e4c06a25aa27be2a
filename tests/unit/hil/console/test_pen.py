"""How readings are written: with their unit, and with doubt where they are not sure."""

from __future__ import annotations

from hil.console.looks import ASCII, DARK, UNICODE
from hil.console.widgets.pen import Pen
from hil.view.station_view import StationView
from protocols.station_client import Update
from tests.support.console_models import model_of, point

MODEL = model_of(
    point("D.P", "unit", unit="kW"),
    point("D.SOC", "unit", unit="%"),
    point("D.MODE", "unit", description="mode: 0 off, 1 on, 2 leading"),
    point("D.ALARM", "unit", states=("NORMAL", "ALARM")),
)


class Clock:
    """A clock that is set by hand."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def pen_of(clock: Clock, is_ascii: bool = False, **values: float | bool) -> Pen:
    """Return a pen over a view that has just got some values of device D."""
    view = StationView("opc.tcp://127.0.0.1:1/", clock_s=clock)
    view.model = MODEL
    view.link._is_connected = True
    view.link._take([])
    view._take([Update(f"D.{name}", value, "Good", None) for name, value in values.items()])
    return Pen(view, DARK, ASCII if is_ascii else UNICODE, is_ascii)


def test_a_number_has_its_decimals_and_unit() -> None:
    pen = pen_of(Clock(), P=12.345)
    assert pen.number("D.P").plain == "12.3 kW"
    assert pen.number("D.P", 2, width=8, unit="").plain == "   12.35"


def test_a_small_negative_number_is_no_minus_zero() -> None:
    assert pen_of(Clock(), P=-0.001).number("D.P").plain == "0.0 kW"


def test_after_silence_nothing_looks_live() -> None:
    clock = Clock()
    pen = pen_of(clock, P=12.0, SOC=50.0, MODE=2.0, ALARM=True)
    assert "?" not in pen.bar("D.SOC", 8, high=100.0).plain
    assert pen.alarm("D.ALARM").plain == "▲ ALARM"
    clock.now_s += 60.0
    assert pen.number("D.P").plain == "12.0 kW?"
    assert "dim italic" in str(pen.number("D.P").style)
    assert pen.word("D.MODE").plain == "leading?"
    assert pen.alarm("D.ALARM").plain == "ALARM?"
    assert pen.bar("D.SOC", 8, high=100.0).plain == "????????"


def test_what_never_came_is_a_dash_and_an_unknown_bar() -> None:
    pen = pen_of(Clock())
    assert pen.number("D.P").plain == "-"
    assert pen.bar("D.SOC", 4).plain == "????"
    assert pen.progress(None, 5.0, 4).plain == "????"


def test_a_bar_is_filled_between_its_ends() -> None:
    assert pen_of(Clock(), SOC=60.0).bar("D.SOC", 4, low=20.0, high=100.0).plain == "██··"
    assert pen_of(Clock(), is_ascii=True, SOC=60.0).bar("D.SOC", 4, low=20.0, high=100.0).plain == "##.."
    assert pen_of(Clock()).progress(2.5, 5.0, 4).plain == "██··"


def test_a_code_is_its_word_and_a_number_where_it_has_none() -> None:
    assert pen_of(Clock(), MODE=1.0).word("D.MODE").plain == "on"
    assert pen_of(Clock(), MODE=7.0).word("D.MODE").plain == "7"
    assert pen_of(Clock(), MODE=0.5).word("D.MODE").plain == "0.5000"
    assert pen_of(Clock(), ALARM=False).word("D.ALARM").plain == "NORMAL"
