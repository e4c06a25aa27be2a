"""Who leads a network with distributed resources, and what its plan consists of."""

from __future__ import annotations

import pytest

from hil.view.der import master, plan_columns, resources_of
from hil.view.model import StationModel
from hil.view.reading import NOTHING, Reading
from tests.support.console_models import model_of, point


def der_model() -> StationModel:
    return model_of(
        point("D.PV_1.W", "pv"),
        point("D.FLEET.P", "pv_fleet"),
        point("D.BESS_1.W", "battery", "battery.bess_1"),
        point("D.BESS_2.W", "battery", "battery.bess_2"),
        point("D.DG_1.P", "generator"),
        point("D.MGC.STATE", "microgrid"),
        point("D.DISPATCH_1.IMPORT", "dispatch"),
        point("P.PLAN.IMPORT1", "dispatch_plan_station", "dispatch_plan.station"),
        point("P.B2.P1", "dispatch_plan", "dispatch_plan.bess_2"),
        point("P.GONE.P1", "dispatch_plan", "dispatch_plan.bess_9"),
        point("F.A.H1", "forecast", "forecast.feeder_a"),
        point("F.ALL.H1", "forecast", "forecast.total"),
    )


def test_resources_are_found_by_what_they_are_not_by_their_names() -> None:
    found = resources_of(der_model())
    assert found.batteries == ("D.BESS_1", "D.BESS_2")
    assert found.battery_plans == (("P.B2", "D.BESS_2"),)
    assert found.load_forecast == "F.ALL"
    assert found.units == ("D.MGC", "D.DISPATCH_1", "D.BESS_1", "D.BESS_2", "D.DG_1")


def test_a_station_without_any_has_none() -> None:
    found = resources_of(model_of(point("S.T1.P", "transformer")))
    assert not found.is_any
    assert plan_columns(found) == ()


def test_the_plan_stands_beside_what_is_now() -> None:
    columns = {c.head: c for c in plan_columns(resources_of(der_model()))}
    assert list(columns) == ["import [kW]", "load [kW]", "BESS_2 [kW]", "BESS_2 [%]"]
    assert columns["import [kW]"].now == "D.DISPATCH_1.IMPORT"
    assert columns["BESS_2 [%]"].steps[-1] == "P.B2.SOC24"
    assert columns["load [kW]"].now == "F.ALL.ACTUAL"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"D.MGC.STATE": 1.0}, "the grid"),
        ({"D.MGC.STATE": 2.0}, "the grid"),
        ({"D.MGC.STATE": 3.0, "D.BESS_1.MODE": 2.0, "D.BESS_2.MODE": 1.0}, "D.BESS_1"),
        ({"D.MGC.STATE": 3.0, "D.BESS_1.MODE": 1.0, "D.DG_1.RUNNING": 1.0}, "D.DG_1"),
        ({"D.MGC.STATE": 5.0}, "nobody: the island is dead"),
        ({}, "?"),
    ],
)
def test_the_master_is_who_forms_the_network(values: dict[str, float], words: str) -> None:
    found = resources_of(der_model())
    assert master(found, lambda tag: Reading(values[tag], "Good") if tag in values else NOTHING) == words


def test_nobody_leads_for_sure_when_the_link_is_lost() -> None:
    found = resources_of(der_model())
    assert master(found, lambda _: Reading(1.0, "Good", is_stale=True)) == "?"
