"""The dispatcher's plan as it is drawn, from values as they come over a link."""

from __future__ import annotations

import pytest
from textual.app import App, ComposeResult

from hil.console.looks import DARK, UNICODE
from hil.console.widgets.pen import Pen
from hil.console.widgets.plan_view import PlanView
from hil.view.der import N_STEPS, resources_of
from hil.view.station_view import StationView
from protocols.station_client import Update
from tests.support.console_models import model_of, point

STEPS = range(1, N_STEPS + 1)
MODEL = model_of(
    point("X.DISPATCH.IMPORT", "dispatch"),
    point("X.BESS.W", "battery", "battery.b"),
    point("X.BESS.SOC", "battery", "battery.b"),
    point("P.SVC.STATE", "dispatcher",
          description="state: 0 starting, 1 watches, 2 commands by its newest plan"),
    point("P.SVC.NUMBER", "dispatcher"),
    point("F.ALL.ACTUAL", "forecast", "forecast.total"),
    *(point(f"F.ALL.H{k}", "forecast", "forecast.total") for k in STEPS),
    *(point(f"P.ALL.IMPORT{k}", "dispatch_plan_station", "dispatch_plan.station") for k in STEPS),
    *(point(f"P.B.{name}{k}", "dispatch_plan", "dispatch_plan.b") for name in ("P", "SOC") for k in STEPS),
)  # fmt: skip


class PlanApp(App[None]):
    """One plan."""

    def compose(self) -> ComposeResult:
        yield PlanView()


def screen_of(app: App[None]) -> str:
    return "\n".join(strip.text.rstrip() for strip in app.screen._compositor.render_strips())


def live_view() -> StationView:
    view = StationView("opc.tcp://127.0.0.1:1/")
    view.model = MODEL
    view.link._is_connected = True
    view.link._take([])
    return view


@pytest.fixture
def view() -> StationView:
    view = live_view()
    values = {"P.SVC.STATE": 2.0, "P.SVC.NUMBER": 7.0, "X.DISPATCH.IMPORT": 900.0, "X.BESS.W": -50.0,
              "X.BESS.SOC": 61.5, "F.ALL.ACTUAL": 1111.0}  # fmt: skip
    values |= {f"P.ALL.IMPORT{k}": 1000.0 + k for k in STEPS} | {f"F.ALL.H{k}": 2000.0 + k for k in STEPS}
    values |= {f"P.B.P{k}": -10.0 * k for k in STEPS} | {f"P.B.SOC{k}": 50.0 + k for k in STEPS}
    view._take([Update(tag, value, "Good", None) for tag, value in values.items()])
    return view


async def test_facts_plot_and_table_say_the_same_plan(view: StationView) -> None:
    app = PlanApp()
    async with app.run_test(size=(90, 50)) as pilot:
        plan, pen = app.query_one(PlanView), Pen(view, DARK, UNICODE, False)
        plan.lay_out(resources_of(MODEL))
        plan.draw_values(pen)
        plan.draw_plot(pen)
        await pilot.pause(0.2)
        text = screen_of(app)
        assert "commands by its newest plan" in text
        assert "plan       7  age" in text
        rows = {line.split()[0]: line.split() for line in text.splitlines() if line.split()}
        assert rows["now"] == ["now", "900.0", "1111.0", "-50.0", "61.5"]
        assert rows["+1"] == ["+1", "h", "1001.0", "2001.0", "-10.0", "51.0"]
        for word in ("planned power [kW]", "import", "load", "BESS", "+24", "hours ahead"):
            assert word in text


async def test_without_a_plan_there_are_dashes_and_an_empty_plot() -> None:
    app = PlanApp()
    async with app.run_test(size=(90, 50)) as pilot:
        plan, pen = app.query_one(PlanView), Pen(live_view(), DARK, UNICODE, False)
        plan.lay_out(resources_of(MODEL))
        plan.draw_values(pen)
        plan.draw_plot(pen)
        await pilot.pause(0.2)
        assert any(
            line.split()[:3] == ["+1", "h", "-"] for line in screen_of(app).splitlines() if line.strip()
        )


async def test_after_silence_the_plan_is_stale(view: StationView) -> None:
    app = PlanApp()
    async with app.run_test(size=(90, 50)) as pilot:
        view.link._is_connected = False
        plan, pen = app.query_one(PlanView), Pen(view, DARK, UNICODE, False)
        plan.lay_out(resources_of(MODEL))
        plan.draw_values(pen)
        plan.draw_plot(pen)
        await pilot.pause(0.2)
        text = screen_of(app)
        assert "(stale)" in text
        assert "1001.0?" in text
