"""The dispatcher's templates and its rows in the shipped point list are what their maker makes."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from forecasting.dispatch.outputs import KINDS
from hil.importers import dispatch_points
from hil.importers.protection_points import kind

POINTS = Path(__file__).resolve().parents[4] / "config" / "points"


@pytest.mark.parametrize("name", dispatch_points.TEMPLATES)
def test_shipped_templates_follow_from_the_declarations(name: str) -> None:
    assert (POINTS / "templates" / f"{name}.toml").read_text() == dispatch_points.template(name)


def test_shipped_rows_are_the_dispatcher_the_station_and_every_battery() -> None:
    with (POINTS / "iowa240-der" / "devices.csv").open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if kind(r) in KINDS]
    assert rows == dispatch_points.rows(["bess_1", "bess_2"])
