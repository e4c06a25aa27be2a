"""The dispatcher: plans at new forecasts, follows in between, gives back what it took."""

from __future__ import annotations

import dataclasses as dc
import json
from collections.abc import Callable

import numpy as np
import pytest

from forecasting.dispatch import dispatcher as module
from forecasting.dispatch.dispatcher import Dispatcher
from forecasting.dispatch.messages import MANUAL, RULES, Command, Forecast, Readings
from forecasting.dispatch.outputs import INSTANCE, State
from forecasting.dispatch.planner import Planner
from forecasting.dispatch.publication import publish, state_of
from forecasting.dispatch.settings import Settings
from forecasting.dispatch.site import Site
from rtcore.clock import NS_PER_HOUR, NS_PER_S
from rtcore.component import REGISTRY
from rtcore.points import Kind, Point
from rtcore.published import Layout
from rtcore.quality import Quality

T0 = 1_491_112_800 * 10**9
MINUTE = 60 * NS_PER_S

Make = Callable[..., Forecast]
Now = Callable[..., Readings]


@pytest.fixture
def dispatcher(site: Site, planner: Planner, monkeypatch: pytest.MonkeyPatch) -> Dispatcher:
    monkeypatch.setattr(module, "Planner", lambda *_: planner)  # its derivatives are made once for all tests
    return Dispatcher(site, Settings(), first_number=41)


def values(commands: tuple[Command, ...], what: str) -> dict[str, float]:
    return {c.name: c.value for c in commands if c.what == what}


def test_a_new_forecast_gives_a_plan_with_a_new_number_and_the_same_one_none(
    dispatcher: Dispatcher, day: Make, now: Now
) -> None:
    first = dispatcher.decide(T0, now(), day())
    again = dispatcher.decide(T0 + 5 * MINUTE, now(), day())
    later = dispatcher.decide(T0 + 60 * MINUTE, now(), day(T0 + NS_PER_HOUR))
    assert values(first.commands, "plan") == {"": 42.0}
    assert values(again.commands, "plan") == {}
    assert again.plan is first.plan
    assert values(later.commands, "plan") == {"": 43.0}
    assert dispatcher.n_plans == 2


def test_nothing_is_commanded_while_others_command(dispatcher: Dispatcher, day: Make, now: Now) -> None:
    for mode in (MANUAL, RULES):
        assert dispatcher.decide(T0, now(mode), day()).commands == ()
    assert dispatcher.n_plans == 0


def test_leaving_the_mode_gives_everything_back_once(dispatcher: Dispatcher, day: Make, now: Now) -> None:
    planner = dispatcher.planner
    held = Planner.__new__(Planner)
    held.__dict__.update(planner.__dict__)
    held.settings = dc.replace(
        planner.settings, tap_price=1e4, violation_price=1e3, curtail_price=0.0, time_limit_s=1.0
    )
    dispatcher.planner = held
    noon = T0 + 12 * NS_PER_HOUR
    first = dispatcher.decide(noon, now(tap=9), day(noon, sun=1.0, load=0.4))
    limited = {name for name, pct in values(first.commands, "pv_limit_pct").items() if pct < 100.0}
    assert limited, "a noon without curtailment shows nothing"
    left = dispatcher.decide(noon + 5 * MINUTE, now(RULES, vreg_v=121.0), day(noon, sun=1.0, load=0.4))
    assert values(left.commands, "pv_limit_pct") == dict.fromkeys(limited, 100.0)
    assert values(left.commands, "avr_v") == {r.name: r.vreg_v for r in dispatcher.site.regulators}
    assert values(left.commands, "battery_p_w") == {b.name: 0.0 for b in dispatcher.site.batteries}
    assert dispatcher.decide(noon + 10 * MINUTE, now(RULES), day()).commands == ()


def test_the_first_plan_clears_limits_that_somebody_left_behind(
    dispatcher: Dispatcher, day: Make, now: Now
) -> None:
    first = dispatcher.decide(T0, now(), day(sun=0.1))
    assert values(first.commands, "pv_limit_pct") == {p.name: 100.0 for p in dispatcher.site.pv}
    again = dispatcher.decide(T0 + 5 * MINUTE, now(), day(sun=0.1))
    assert values(again.commands, "pv_limit_pct") == {}


def test_an_operator_who_takes_the_batteries_finds_them_as_they_are(
    dispatcher: Dispatcher, day: Make, now: Now
) -> None:
    dispatcher.decide(T0, now(), day())
    left = dispatcher.decide(T0 + 5 * MINUTE, now(MANUAL), day())
    assert values(left.commands, "battery_p_w") == {}


def test_a_failed_plan_leaves_the_last_one_in_force_until_it_ends(
    dispatcher: Dispatcher, day: Make, now: Now, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = dispatcher.decide(T0, now(), day())
    monkeypatch.setattr("forecasting.dispatch.planner.solve", lambda _: None)
    kept = dispatcher.decide(T0 + NS_PER_HOUR, now(), day(T0 + NS_PER_HOUR))
    assert kept.plan is good.plan
    assert kept.events == ("no plan: the solver found none in its time",)
    assert values(kept.commands, "plan") == {}, "its age must show in the plant's watchdog"
    assert dispatcher.n_failures == 1
    assert state_of(dispatcher, 2, has_forecast=True) is State.LAST_PLAN
    after = dispatcher.decide(T0 + 25 * NS_PER_HOUR, now(), day(T0 + 25 * NS_PER_HOUR))
    assert after.plan is None
    assert values(after.commands, "battery_p_w") == {b.name: 0.0 for b in dispatcher.site.batteries}
    assert "given back: no plan that covers now" in after.events
    much_later = dispatcher.decide(T0 + 26 * NS_PER_HOUR, now(), day(T0 + 26 * NS_PER_HOUR))
    assert much_later.commands == ()


def test_a_forecast_beyond_what_the_network_carries_is_an_event_and_no_error(
    dispatcher: Dispatcher, day: Make, now: Now
) -> None:
    decision = dispatcher.decide(T0, now(), day(load=200.0))
    assert decision.plan is None
    assert "no plan: power flow did not converge" in decision.events[0]


def test_while_a_reading_is_missing_everything_stays_as_it_is(
    dispatcher: Dispatcher, day: Make, now: Now
) -> None:
    first = dispatcher.decide(T0, now(), day())
    gone = dc.replace(now(), soc_pct={"bess_1": float("nan"), "bess_2": 50.0})
    decision = dispatcher.decide(T0 + NS_PER_HOUR, gone, day(T0 + NS_PER_HOUR))
    assert (decision.commands, decision.plan) == ((), first.plan)
    assert decision.events == ("a reading is missing",)


def test_a_forecast_with_a_gap_makes_no_plan(dispatcher: Dispatcher, day: Make, now: Now) -> None:
    gap = day()
    gap = dc.replace(gap, load_w=dict(gap.load_w) | {"A": np.full(24, np.nan)})
    assert dispatcher.decide(T0, now(), gap).events == ("no plan: a forecast is missing in part",)
    assert dispatcher.decide(T0 + NS_PER_HOUR, now(), day(T0 + NS_PER_HOUR)).plan is not None


def test_points_show_the_plan_and_its_age(dispatcher: Dispatcher, day: Make, now: Now) -> None:
    dispatcher.decide(T0, now(), day())
    layout = Layout(_all_points())
    shown = publish(layout, dispatcher, T0 + 90 * MINUTE, State.COMMANDING)
    assert dispatcher.plan is not None

    def value(kind: str, name: str, attr: str) -> float:
        return float(shown.values[layout.place(kind, name, attr)])

    assert value("dispatcher", INSTANCE, "age_s") == 5400.0
    assert value("dispatcher", INSTANCE, "number") == 42.0
    assert value("dispatch_plan", "bess_1", "power_next_w") == dispatcher.plan.battery_w[0, 1]
    assert value("dispatch_plan", "bess_1", "soc24_pct") == dispatcher.plan.soc_pct[0, 23]
    assert value("dispatch_plan", INSTANCE, "import1_w") == dispatcher.plan.import_w[0]
    assert np.isnan(value("dispatch_plan", "bess_1", "import1_w")), "the import is the station's"
    old = publish(layout, dispatcher, T0 + 90 * MINUTE, State.LAST_PLAN)
    assert old.quality[layout.place("dispatcher", INSTANCE, "age_s")] == Quality.UNCERTAIN_LAST_USABLE
    assert old.quality[layout.place("dispatcher", INSTANCE, "n_plans")] == Quality.GOOD


def test_every_attribute_of_both_kinds_is_published_somewhere(
    dispatcher: Dispatcher, day: Make, now: Now
) -> None:
    dispatcher.decide(T0, now(), day())
    points = _all_points()
    shown = publish(Layout(points), dispatcher, T0, State.COMMANDING)
    waiting = {(p.source, p.attr) for p, v in zip(points, shown.values, strict=True) if np.isnan(v)}
    imports = {("dispatch_plan.bess_1", f"import{k}_w") for k in range(1, 25)}
    charges = {(f"dispatch_plan.{INSTANCE}", f"soc{k}_pct") for k in range(1, 25)}
    assert waiting == imports | charges


def _all_points() -> list[Point]:
    plans = [p for name in ("bess_1", INSTANCE) for p in _points("dispatch_plan", name)]
    return _points("dispatcher", INSTANCE) + plans


def _points(kind: str, name: str) -> list[Point]:
    return [
        Point(
            tag=f"DISP.{name.upper()}.{attr.upper()}",
            device=f"DISP.{name.upper()}",
            template=kind,
            source=f"{kind}.{name}",
            attr=attr,
            kind=Kind.ANALOG,
            unit="",
            minimum=-1e9,
            maximum=1e9,
            deadband=0.0,
            instrument="exact",
            description="",
            wire={},
        )
        for attr in (a.name for a in REGISTRY[kind].attrs)
    ]


def test_one_that_is_started_anew_goes_on_with_books_limits_and_what_it_must_give_back(
    dispatcher: Dispatcher, day: Make, now: Now, site: Site
) -> None:
    dispatcher.decide(T0, now(), day())
    dispatcher.decide(T0 + 20 * MINUTE, now(), day())
    kept = json.loads(json.dumps(dispatcher.state()))
    after = Dispatcher(site, Settings())
    after.restore(kept)
    assert after.state() == dispatcher.state()
    assert after.ledger.demand.peak_w == dispatcher.ledger.demand.peak_w > 0.0
    assert after.decide(T0 + 25 * MINUTE, now(RULES), None).commands != ()  # it had commanded: given back
    later = Dispatcher(site, Settings())
    later.restore(kept)
    plan = later.decide(T0 + 30 * MINUTE, now(), day()).commands
    assert values(plan, "plan") == {"": 43.0}


def test_a_state_of_another_site_is_refused(dispatcher: Dispatcher) -> None:
    kept = dispatcher.state() | {"limits": {"pv_elsewhere": 100.0}}
    with pytest.raises(ValueError, match="other sites"):
        dispatcher.restore(kept)
