"""The model that a console starts from: everything in it has points behind it."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from hil.run_command import make_spec
from hil.runspec import RunSpec
from hil.services.alarms import ALARMS, alarms_of
from hil.services.arrays import arrays_of
from hil.services.feeder_map import FeederMap
from hil.services.model import model, packed
from hil.services.model_file import read_arrays, read_model, write_model
from hil.station import Plan, read_plan
from protocols.alarm_book import SEVERITIES
from rtcore.component import REGISTRY
from rtcore.published import kind_of


@pytest.fixture(scope="module", params=["iowa240", "iowa240-der"])
def plan(request: pytest.FixtureRequest) -> Plan:
    return read_plan(request.param)


@pytest.fixture(scope="module")
def spec(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> RunSpec:
    return make_spec(plan, tmp_path_factory.mktemp("run"), 1_000_000, has_fifo=False, n_steps=None)


@pytest.fixture(scope="module")
def found(plan: Plan, spec: RunSpec) -> dict[str, Any]:
    body = packed(model(plan, spec, FeederMap(plan.network, spec.points)))
    made: dict[str, Any] = json.loads(zlib.decompress(body))
    return made


def test_it_has_every_point_in_order_with_its_publisher(spec: RunSpec, found: dict[str, Any]) -> None:
    assert [p["tag"] for p in found["points"]] == [p.tag for p in spec.points]
    publishers = [p["publisher"] for p in found["points"]]
    assert publishers[: spec.n_core] == ["core"] * spec.n_core
    assert set(publishers[spec.n_core :]) == set(spec.published)


def test_relays_have_their_breaker_and_elements_their_settings(found: dict[str, Any]) -> None:
    devices = {p["device"] for p in found["points"]}
    assert found["relays"]
    for relay in found["relays"]:
        assert {relay["device"], relay["breaker"], relay["inputs"]} <= devices
        for element in relay["elements"]:
            assert element["device"] in devices
            assert element["settings"] and set(element["settings"]) <= devices


def test_regulators_and_transformers_are_found(found: dict[str, Any]) -> None:
    assert [r["phase"] for r in found["regulators"]] == ["a", "b", "c"]
    assert found["regulators"][0] == {"device": "SUB.REG_A", "control": "SUB.AVR_A", "phase": "a"}
    assert found["transformers"] == [{"device": "SUB.T1", "thermal": "SUB.T1_TEMP"}]


def test_named_faults_have_the_numbers_that_a_slot_takes(plan: Plan, found: dict[str, Any]) -> None:
    assert [f["name"] for f in found["faults"]] == plan.faults.names
    assert [f["number"] for f in found["faults"]] == list(range(1, len(plan.faults.names) + 1))


def test_alarms_are_marked_with_the_value_that_is_the_alarm(found: dict[str, Any]) -> None:
    marked = {p["tag"]: (p["alarm"], p["alarm_on"]) for p in found["points"] if p["alarm"]}
    assert marked["FDR_A.R_CB_101.TRIP"] == ("high", 1)
    assert marked["FDR_A.CB_101.TRIP_CIRCUIT"] == ("high", 0)
    assert "FDR_A.R_CB_101.PICKUP" not in marked


def test_files_in_the_run_directory_give_it_back(plan: Plan, spec: RunSpec) -> None:
    drawn = FeederMap(plan.network, spec.points)
    arrays = arrays_of(spec.points, drawn)
    assert read_model(spec) == b""
    write_model(spec, b"model", arrays)
    assert (read_model(spec), read_arrays(spec)) == (b"model", arrays)
    (spec.run_dir / "model.json.z").unlink()


# ---- alarms


def test_every_alarm_of_the_table_is_an_attribute_that_components_have() -> None:
    from hil.publishers import KINDS

    published = {kind for kinds in KINDS.values() for kind in kinds}
    for kind, _ in ALARMS:
        assert kind in REGISTRY or kind in published, kind
    assert {severity for severity, _, _ in ALARMS.values()} <= set(SEVERITIES)


def test_of_a_status_and_the_setpoint_that_sets_it_the_status_is_the_alarm(plan: Plan) -> None:
    tags = {a.tag for a in alarms_of(plan.points.points)}
    assert "SUB.REC.DISK_FULL" in tags
    assert "SUB.REC.SET_DISK_FULL" not in tags
    assert "SUB.SRC.MAINS" in tags  # there is no status of it


def test_every_kind_of_the_table_that_a_station_has_gives_alarms(plan: Plan) -> None:
    points = {p.tag: p for p in plan.points.points}
    there = {(kind_of(p), p.attr) for p in points.values()}
    given = {(kind_of(points[a.tag]), points[a.tag].attr) for a in alarms_of(points.values())}
    assert given == there & ALARMS.keys()


# ---- arrays


def test_profiles_have_each_feeder_and_phase_by_distance(plan: Plan) -> None:
    drawn = FeederMap(plan.network, plan.points.points)
    arrays = {a.name: a for a in arrays_of(plan.points.points, drawn).arrays}
    points = {p.tag: p for p in plan.points.points}
    for feeder in "ABC":
        for phase in "ABC":
            a = arrays[f"VPROFILE.FDR_{feeder}.{phase}"]
            assert list(a.distances) == sorted(a.distances)
            assert len(set(a.members)) == len(a.members) == len(a.factors) == len(a.distances)
            assert {points[t].unit for t in a.members} == {"V"}
            assert a.members[0] == f"FDR_{feeder}.HEAD.V{phase}"


def test_every_voltage_that_a_feeder_measures_is_in_one_profile(plan: Plan) -> None:
    drawn = FeederMap(plan.network, plan.points.points)
    members = [t for a in arrays_of(plan.points.points, drawn).arrays for t in a.members]
    legs = [p.tag for p in plan.points.points if kind_of(p) == "load" and p.attr in ("v1_v", "v2_v", "v3_v")]
    assert set(legs) <= set(members)


def test_a_forecast_has_mean_and_bounds_of_equal_length(tmp_path: Path) -> None:
    plan = read_plan("iowa240")
    arrays = {a.name: a for a in arrays_of(plan.points.points, FeederMap(plan.network, [])).arrays}
    lengths = {len(arrays[f"FORECAST.TOTAL.{band}"].members) for band in ("MEAN", "LOW", "HIGH")}
    assert lengths == {24}


def test_residuals_are_named_by_what_was_measured() -> None:
    plan = read_plan("iowa240")
    (ranking,) = arrays_of(plan.points.points, FeederMap(plan.network, [])).rankings
    tags = {p.tag for p in plan.points.points}
    assert set(ranking.names) <= tags
    assert len(ranking.names) == len(ranking.members)
