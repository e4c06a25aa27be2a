"""The estimator's templates and its rows in the shipped point list are what their maker makes."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from estimation.outputs import KINDS, is_estimators
from hil.importers import estimator_points, forecast_points
from hil.importers.protection_points import kind, published_rows, write_devices
from hil.network_files import read_network
from hil.point_files import PointSet, read_points
from hil.publishers import rank
from rtcore.component import REGISTRY

CONFIG = Path(__file__).resolve().parents[4] / "config"
LIST = CONFIG / "points" / "iowa240-prot"


@pytest.fixture(scope="module")
def points() -> PointSet:
    return read_points(LIST, None)


@pytest.mark.parametrize("name", KINDS)
def test_shipped_templates_follow_from_the_declarations(name: str) -> None:
    shipped = (CONFIG / "points" / "templates" / f"{name}.toml").read_text()
    assert shipped == estimator_points.template(REGISTRY[name])


def test_shipped_rows_are_those_of_the_shipped_telemetry_sets_behind_those_of_the_core() -> None:
    with (LIST / "devices.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    made = estimator_points.rows_of("iowa240-prot")
    begin = rows.index(made[0])
    assert rows[begin : begin + len(made)] == made
    assert not any(rank(kind(r)) for r in rows[:begin])
    assert not any(kind(r) in KINDS for r in rows[begin + len(made) :])


def test_importers_of_other_rows_keep_those_of_the_estimator(tmp_path: Path) -> None:
    base, target = LIST.parent / "iowa240" / "devices.csv", tmp_path / "devices.csv"
    target.write_bytes((LIST / "devices.csv").read_bytes())
    write_devices(base, target, [])
    assert published_rows(target) == published_rows(LIST / "devices.csv")
    before = target.read_bytes()
    estimators = [r for r in published_rows(target) if kind(r) in KINDS]
    estimator_points.replace_rows(target, estimators)
    assert target.read_bytes() == before


def test_monitored_buses_are_both_sides_of_every_breaker_and_ends_of_every_feeder() -> None:
    network = read_network(CONFIG / "networks" / "iowa240-prot")
    found = estimator_points.monitored(network)
    assert {s.bus1 for s in network.switches if s.kind != "fuse"} <= set(found)
    assert {s.bus2 for s in network.switches if s.kind != "fuse"} <= set(found)
    assert len(found) == len(set(found)) <= 40
    for feeder in "123":
        ends = [b for b in found if b.startswith(f"bus{feeder}")]
        assert len(ends) > estimator_points.ENDS, feeder


def test_core_points_come_first_and_the_estimators_are_read_only_and_no_history(points: PointSet) -> None:
    n = len(points.core)
    assert points.points == points.core + points.of("estimator") + points.of("forecaster")
    assert not any(is_estimators(p) for p in points.points[:n])
    assert all(p.is_health and not p.is_writable for p in points.of("estimator"))
    assert {p.wire["modbus"].split(":")[0] for p in points.of("estimator")} == {str(estimator_points.UNIT)}


def test_a_station_without_an_estimator_has_none_of_its_points_and_stamps(points: PointSet) -> None:
    without = points.without("estimator", "forecaster")
    assert without.points == points.core
    assert all(s["unit"] != estimator_points.UNIT for s in without.stamps)
    gone = [s for s in points.stamps if s not in without.stamps]
    assert {s["unit"] for s in gone} == {estimator_points.UNIT, forecast_points.UNIT}
