"""The estimator's numbers are told by the names of what they stand for, on the shipped stations."""

from __future__ import annotations

import pytest

from hil.console.pages.estimator_text import ratios
from hil.view.attacks import active_slots
from hil.view.estimation import Estimation, regulator_name, switch_name
from hil.view.forecasts import targets_of
from tests.support.console_models import model_of
from tests.support.map_models import reader, shipped_model


@pytest.fixture(scope="module")
def estimation() -> Estimation:
    found = Estimation.of(shipped_model("iowa240"))
    assert found is not None
    return found


def test_a_suspects_number_is_that_of_its_residual_among_the_points(estimation: Estimation) -> None:
    model = shipped_model("iowa240")
    devices = list(dict.fromkeys(p.device for p in model.points.values() if p.template == "residual"))
    for number in (1, 2, len(devices)):
        channel = estimation.channel(float(number))
        assert channel in model.points
        assert estimation.channels[channel] == devices[number - 1]


@pytest.mark.parametrize("number", [0.0, None, 100000.0])
def test_no_number_and_a_strange_one_name_no_channel(estimation: Estimation, number: float | None) -> None:
    assert estimation.channel(number) == ""


def test_a_suspected_switch_is_told_by_the_device_that_shows_it() -> None:
    model = shipped_model("iowa240")
    at = model.switches.index("cb_201") + 1
    assert switch_name(model, float(at)) == "FDR_B.CB_201"
    assert switch_name(model, 0.0) == switch_name(model, None) == ""
    assert switch_name(model, 5000.0) == "number 5000 of the network"


def test_a_suspected_tap_is_told_by_its_regulator() -> None:
    assert regulator_name(shipped_model("iowa240"), 2.0) == "SUB.REG_B"
    assert regulator_name(shipped_model("iowa240"), None) == ""


def test_estimates_are_held_against_the_meter_at_their_own_bus(estimation: Estimation) -> None:
    pairs = {c.bus: c for c in estimation.compared}
    assert pairs["bus1"].pairs[0] == ("SE.B1.VA", "SUB.BUS1.VA")
    assert pairs["bus2001"].meter == "FDR_B.HEAD"
    model = shipped_model("iowa240")
    meters = {(i.bus, i.device) for i in model.items if i.kind == "meter"}
    assert all((c.bus, c.meter) in meters for c in estimation.compared)


def test_a_station_without_an_estimator_has_none() -> None:
    assert Estimation.of(shipped_model("iowa240-der")) is None
    assert Estimation.of(model_of()) is None


def test_an_active_slot_names_its_target_and_kind() -> None:
    model = shipped_model("iowa240")
    number = list(model.points).index("FDR_B.HEAD.P") + 1
    values = {"LAB.ATK_3.ACTIVE": 1.0, "LAB.ATK_3.TARGET": float(number), "LAB.ATK_3.MODE": 2.0}
    (slot,) = active_slots(model, reader(values))
    assert (slot.slot, slot.target, slot.mode) == ("LAB.ATK_3", "FDR_B.HEAD.P", "scale")
    assert active_slots(model, reader({})) == []


def test_targets_have_scores_in_order_and_sites_come_last() -> None:
    targets = targets_of(shipped_model("iowa240-der"))
    assert [steps for steps, _ in targets[0].scores] == [1, 6, 24]
    assert targets[0].arrays[0] == "arrays.FORECAST.TOTAL.MEAN"
    names = [t.name for t in targets]
    assert names.index("SOLAR") < min(k for k, n in enumerate(names) if n.startswith("PV_"))
    assert targets[0].forecast is not None
    assert ("SUB.T1.P", 1.0) in targets[0].forecast.measured
    assert targets_of(model_of()) == []


def test_j_is_held_against_the_threshold_of_its_time() -> None:
    minutes, shares = ratios([0.0, 60.0, 120.0], [50.0, 30.0, 1.0], [0.0, 100.0], [100.0, 10.0], 120.0)
    assert minutes == [-2.0, -1.0, 0.0]
    assert shares == [0.5, 0.3, 0.1]
    assert ratios([0.0], [1.0], [], [], 0.0) == ([], [])
