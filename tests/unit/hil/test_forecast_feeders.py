"""Which loads a forecast is of follows from where it is measured; what is not good is no level, told once."""

from __future__ import annotations

import dataclasses as dc
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from estimation.pseudo_levels import Levels
from forecasting.outputs import AHEAD
from hil.estimator_setup import levels_of
from hil.forecast_feeders import Feeder, ForecastLevels, feeders_of, supplied_through
from hil.forecast_targets import targets_of
from hil.point_units import factors
from hil.published_board import PublishedBoard
from hil.run_command import make_spec
from hil.settings_sections import ForecastSection
from hil.station import Plan, read_plan
from rtcore.clock import NS_PER_S
from rtcore.points import Point
from rtcore.published import Layout, Values
from rtcore.quality import Quality

HOUR_NS = 3600 * NS_PER_S
END_NS = 417_000 * HOUR_NS


@pytest.fixture(scope="module")
def plan() -> Plan:
    return read_plan("iowa240")


@pytest.fixture(scope="module")
def der() -> Plan:
    return read_plan("iowa240-der")


def shipped(plan: Plan, *names: str) -> tuple[list[Feeder], list[str]]:
    """Return feeders of the station's own table, or of some of its targets, and what was said."""
    assert plan.station.forecast is not None
    targets, problems = targets_of(plan.station.forecast, plan.points.core, "s.toml")
    assert problems == []
    said: list[str] = []
    return feeders_of(
        [t for t in targets if not names or t.name in names], plan.points.core, plan.network, said.append
    ), said


def measured(plan: Plan, **loads: list[str]) -> tuple[list[Feeder], list[str]]:
    table: dict[str, Any] = {"loads": {k: {"measured": tuple(v)} for k, v in loads.items()}}
    targets, problems = targets_of(ForecastSection.model_validate(table), plan.points.core, "s.toml")
    assert problems == []
    said: list[str] = []
    return feeders_of(targets, plan.points.core, plan.network, said.append), said


def numbers(plan: Plan, feeder: Feeder) -> set[str]:
    """First digits of the numbers of the buses that a feeder's loads are at: 1, 2, 3 for A, B, C."""
    return {plan.network.loads[k].bus.removeprefix("t_").removeprefix("bus")[0] for k in feeder.loads}


@pytest.mark.parametrize("station", ["plan", "der"])
def test_loads_of_a_feeder_are_those_behind_its_head(station: str, request: pytest.FixtureRequest) -> None:
    """With sun and machines among them it is still the load that is forecast."""
    found: Plan = request.getfixturevalue(station)
    feeders, said = shipped(found)
    assert said == []
    assert {f.name: numbers(found, f) for f in feeders} == {
        "feeder_a": {"1"},
        "feeder_b": {"2"},
        "feeder_c": {"3"},
    }
    assert sorted(k for f in feeders for k in f.loads) == list(range(len(found.network.loads)))


def test_the_total_alone_is_of_all_loads(plan: Plan) -> None:
    """Measured at the far side of the transformer, where what flows into it is negative."""
    (total,), _ = shipped(plan, "total")
    assert list(total.loads) == list(range(len(plan.network.loads)))


def test_where_targets_overlap_the_smaller_one_counts(plan: Plan) -> None:
    feeders, _ = shipped(plan, "total", "feeder_b")
    assert [f.name for f in feeders] == ["feeder_b"]


def test_what_is_taken_off_is_no_load_of_the_target(plan: Plan) -> None:
    (rest,), said = measured(plan, rest=["SUB.T1.P", "-FDR_B.HEAD.P"])
    assert numbers(plan, rest) == {"1", "3"}
    assert said == []


def test_three_phases_are_as_good_as_their_sum_and_two_are_not(plan: Plan) -> None:
    (total,), _ = measured(plan, total=["SUB.T1.PA", "SUB.T1.PB", "SUB.T1.PC"])
    assert len(total.loads) == len(plan.network.loads)
    found, (said,) = measured(plan, total=["SUB.T1.PA", "SUB.T1.PB"])
    assert found == []
    assert "not measured by all phases" in said


@pytest.mark.parametrize(
    ("tags", "why"),
    [
        (["SUB.T1.P", "FDR_A.HEAD.P"], "count twice"),
        (["-SUB.T1.P"], "count twice, or negatively"),
        (["FDR_A.HEAD.P"], "is not added"),
        (["DER.BESS_1.W"], "no load is supplied"),
    ],
)
def test_a_target_that_is_no_sum_of_loads_is_left_out_with_a_word(
    der: Plan, tags: list[str], why: str
) -> None:
    found, (said,) = measured(der, wrong=tags)
    assert found == []
    assert "forecast 'wrong'" in said
    assert why in said


def test_nothing_loses_supply_with_one_of_two_ways(plan: Plan) -> None:
    twin = dc.replace(next(s for s in plan.network.switches if s.name == "cb_101"), name="cb_101b")
    meshed = dc.replace(plan.network, switches=(*plan.network.switches, twin))
    assert supplied_through(meshed, "switch.cb_101", 1) == (frozenset(), False)
    behind, is_inside = supplied_through(plan.network, "switch.cb_101", 1)
    assert "bus1003.1" in behind
    assert "bus2003.1" not in behind
    assert not is_inside
    assert supplied_through(plan.network, "switch.cb_101", 2) == (behind, True)


# -- levels -----------------------------------------------------------------------------------


class Forecaster:
    """Its board: 100 W and a bit more each step, plus and minus 12.816 W."""

    def __init__(self, points: list[Point]) -> None:
        self._points = points
        self.quality: dict[str, int] = {}
        self.end_ns = END_NS

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        image = Values(Layout(self._points))
        for name in ("feeder_a", "feeder_b", "feeder_c"):
            image.put("forecast", name, "end_h", self.end_ns / HOUR_NS, self.quality.get("end_h", 0))
            for k in range(1, AHEAD + 1):
                for attr, value in (("h", 0.0), ("low", -12.816), ("high", 12.816)):
                    at = f"{attr}{k}_w"
                    image.put("forecast", name, at, 100.0 + k + value, self.quality.get(at, 0))
        return image.values * factors(self._points), image.quality


@pytest.fixture
def forecaster(plan: Plan) -> Forecaster:
    return Forecaster(plan.points.of("forecaster"))


def levels(plan: Plan, forecaster: Forecaster, said: list[str]) -> ForecastLevels:
    feeders, _ = shipped(plan)
    points = plan.points.of("forecaster")
    return ForecastLevels(feeders, points, HOUR_NS, forecaster.read, said.append)


def test_the_level_is_that_of_the_step_that_holds_the_moment(plan: Plan, forecaster: Forecaster) -> None:
    """In W whatever the points are in; 80 % of a normal variable lie within 1.2816 sigma of its mean."""
    said: list[str] = []
    found = levels(plan, forecaster, said)
    for hours, p_w in ((0.0, 101.0), (0.999, 101.0), (1.0, 102.0), (23.5, 124.0)):
        at = found.at(END_NS + round(hours * HOUR_NS))
        assert len(at) == 3
        for one in at:
            assert one.begin_ns == END_NS + int(hours) * HOUR_NS
            assert one.end_ns == one.begin_ns + HOUR_NS
            assert (one.p_w, one.sigma_w) == pytest.approx((p_w, 10.0), rel=1e-9)
    assert said == []


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"end_h": Quality.BAD}, "none that is good"),
        ({"h1_w": Quality.BAD}, "this step is not good"),
        ({"low1_w": Quality.BAD_WAITING}, "this step is not good"),
        ({"high1_w": Quality.BAD_NO_COMMUNICATION}, "this step is not good"),
    ],
)
def test_a_bad_forecast_is_none_and_told_once(
    plan: Plan, forecaster: Forecaster, wrong: dict[str, int], why: str
) -> None:
    said: list[str] = []
    found = levels(plan, forecaster, said)
    assert len(found.at(END_NS)) == 3
    forecaster.quality = {k: int(q) for k, q in wrong.items()}
    assert found.at(END_NS) == () == found.at(END_NS + 1)
    assert len(said) == 3
    assert all(why in one for one in said)
    forecaster.quality = {}
    assert len(found.at(END_NS + 2)) == 3
    forecaster.quality = {"h1_w": int(Quality.UNCERTAIN_LAST_USABLE)}
    assert len(found.at(END_NS + 3)) == 3  # a day old it is less certain, which its interval says


@pytest.mark.parametrize("after_h", [-1, AHEAD])
def test_a_forecast_of_another_time_is_none(plan: Plan, forecaster: Forecaster, after_h: int) -> None:
    said: list[str] = []
    found = levels(plan, forecaster, said)
    found.at(END_NS)
    assert found.at(END_NS + after_h * HOUR_NS) == ()
    assert "of another time" in said[0]


def test_before_the_first_forecast_it_is_told_that_there_was_none_yet(
    plan: Plan, forecaster: Forecaster
) -> None:
    said: list[str] = []
    found = levels(plan, forecaster, said)
    forecaster.quality = {"end_h": int(Quality.BAD)}
    for k in range(3):
        found.at(END_NS + k)
    assert ["none yet" in one for one in said] == [True] * 3  # of each feeder, once


def test_a_station_that_forecasts_nothing_has_no_level(plan: Plan) -> None:
    said: list[str] = []
    feeders = [Feeder("feeder_a", (0, 1))]
    found = ForecastLevels(feeders, [], HOUR_NS, lambda: (np.empty(0), np.empty(0, np.uint8)), said.append)
    assert found.at(END_NS) == ()
    assert len(said) == 1


def test_a_runs_estimator_takes_them_from_the_forecasters_board(plan: Plan, tmp_path: Path) -> None:
    spec = make_spec(plan, tmp_path, 1_000_000, False, None)
    spec.run_dir.mkdir(exist_ok=True)
    found = levels_of(plan, spec)
    assert found.at(END_NS) == ()  # its process has not begun yet
    board = PublishedBoard(spec, "forecaster", NS_PER_S)
    values = np.full(board.layout.n, np.nan)
    for attr, value in (("end_h", END_NS / HOUR_NS), ("h1_w", 5e5), ("low1_w", 4e5), ("high1_w", 6e5)):
        values[board.layout.place("forecast", "feeder_b", attr)] = value
    board.publish(values, np.zeros(len(values), np.uint8), END_NS)
    (one,) = poll(lambda: found.at(END_NS + 1))
    assert numbers(plan, Feeder("", one.loads)) == {"2"}
    assert (one.p_w, one.sigma_w) == pytest.approx((5e5, 2e5 / 2.5632), rel=1e-9)


def poll(levels: Callable[[], Levels]) -> Levels:
    """Return the levels once there are some: a board that was not there is looked for again in 0.2 s."""
    deadline_s = time.monotonic() + 5.0
    while not (found := levels()) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    return found
