"""What a station forecasts follows from its file and its points; mistakes are named with their place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hil.forecast_targets import Measured, targets_of
from hil.settings_sections import ForecastSection
from hil.station import read_plan
from rtcore.points import Point


@pytest.fixture(scope="module")
def core() -> list[Point]:
    return read_plan("iowa240-der").points.core


def section(**table: Any) -> ForecastSection:
    return ForecastSection.model_validate({"loads": {}} | table)


def load(*tags: str) -> dict[str, Any]:
    return {"measured": tags}


def test_a_load_is_the_sum_of_its_tags_and_a_minus_takes_one_off(core: list[Point]) -> None:
    settings = section(loads={"net": load("FDR_A.HEAD.P", "-DER.BESS_1.W")})
    (target,), problems = targets_of(settings, core, "s.toml")
    assert problems == []
    measured = Measured.of([target], core)
    values = np.zeros(len(core))
    at = {p.tag: k for k, p in enumerate(core)}
    values[at["FDR_A.HEAD.P"]], values[at["DER.BESS_1.W"]] = 300.0, 50.0  # kW
    good = np.ones(len(core), bool)
    assert measured.take(values, good).tolist() == [250_000.0]


def test_a_target_with_a_bad_point_is_not_known_and_the_others_are(core: list[Point]) -> None:
    settings = section(loads={"a": load("FDR_A.HEAD.P"), "b": load("FDR_B.HEAD.P")})
    targets, _ = targets_of(settings, core, "s.toml")
    at = {p.tag: k for k, p in enumerate(core)}
    good = np.ones(len(core), bool)
    good[at["FDR_A.HEAD.P"]] = False
    a, b = Measured.of(targets, core).take(np.ones(len(core)), good)
    assert np.isnan(a)
    assert b == 1000.0


def test_patterns_stand_for_every_site_of_a_feeder(core: list[Point]) -> None:
    settings = section(loads={"sun": load("DER.PV_1*.W")})
    (target,), _ = targets_of(settings, core, "s.toml")
    assert len(target.tags) > 1
    assert all(t.startswith("DER.PV_1") and t.endswith(".W") for t in target.tags)


def test_every_site_and_their_sum_are_targets_of_their_own(core: list[Point]) -> None:
    targets, problems = targets_of(section(sun={}), core, "s.toml")
    assert problems == []
    assert targets[0].name == "solar"
    assert len(targets) == 41
    assert all(t.is_sun for t in targets)


@pytest.mark.parametrize(
    ("table", "place", "said"),
    [
        ({"loads": {"a": load("FDR_A.HED.P")}}, "forecast.loads.a.measured", "did you mean 'FDR_A.HEAD.P'"),
        (
            {"loads": {"a": load("FDR_A.HEAD.VA")}},
            "forecast.loads.a.measured",
            "is in V; powers are forecast",
        ),
        ({"sun": {"sites": "FDR_*.HEAD.P"}}, "forecast.sun.sites", "is of no photovoltaic site"),
        ({"loads": {"solar": load("FDR_A.HEAD.P")}, "sun": {}}, "forecast.loads.solar", "has the same name"),
    ],
)
def test_mistakes_are_named(core: list[Point], table: dict[str, Any], place: str, said: str) -> None:
    _, problems = targets_of(section(**table), core, "s.toml")
    assert any(p.place == place and said in p.what for p in problems), problems
