"""The forecaster's templates and its rows in the shipped point lists are what their maker makes."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from forecasting.outputs import AHEAD, KINDS
from hil.importers import forecast_points
from hil.importers.protection_points import kind
from hil.network_files import read_network
from hil.point_files import read_points
from rtcore.published import Layout

CONFIG = Path(__file__).resolve().parents[4] / "config"
POINTS = CONFIG / "points"


@pytest.mark.parametrize("name", forecast_points.TEMPLATES)
def test_shipped_templates_follow_from_the_declarations(name: str) -> None:
    shipped = (POINTS / "templates" / f"{name}.toml").read_text()
    assert shipped == forecast_points.template(name)


def rows(name: str) -> list[dict[str, str]]:
    with (POINTS / name / "devices.csv").open(newline="") as file:
        return [r for r in csv.DictReader(file) if kind(r) in KINDS]


def test_shipped_rows_are_those_of_the_loads_and_with_resources_of_the_sites() -> None:
    network = read_network(CONFIG / "networks" / "iowa240-der")
    sites = [d.name for d in network.ders if d.kind == "pv"]
    assert rows("iowa240-prot") == forecast_points.load_rows()
    of_both = forecast_points.load_rows() + forecast_points.site_rows(sites)
    assert sorted(r["device"] for r in rows("iowa240-der")) == sorted(r["device"] for r in of_both)


def test_every_load_and_site_has_a_point_for_each_step_ahead() -> None:
    points = read_points(POINTS / "iowa240-der", None).of("forecaster")
    layout = Layout(points)
    assert len(layout.instances("forecast")) == 4 + 1 + 40
    for k in range(1, AHEAD + 1):
        assert (layout.column("forecast", f"h{k}_w") >= 0).all()
    assert all(p.is_health and not p.is_writable for p in points)
    units = {p.wire["modbus"].split(":")[0] for p in points}
    assert units == {str(forecast_points.UNIT), str(forecast_points.SITE_UNIT)}


def test_loads_and_the_sum_of_sites_have_intervals() -> None:
    layout = Layout(read_points(POINTS / "iowa240-der", None).of("forecaster"))
    for name in (*forecast_points.LOADS, "solar"):
        assert layout.place("forecast", name, "low24_w") >= 0
        assert layout.place("forecast", name, "high1_w") >= 0
