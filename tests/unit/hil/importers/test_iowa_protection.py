"""The protected network, its point list and the templates are what their makers make."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from hil.importers import estimator_points, iowa_protection, protection_points
from hil.network_files import read_network
from hil.plant_settings import declare_all
from hil.protection_files import survey_scheme
from rtcore.assembly.instances import FUNCTIONS
from rtcore.component import REGISTRY, settings_kind

CONFIG = Path(__file__).resolve().parents[4] / "config"


def test_shipped_network_is_the_base_with_devices_in_series() -> None:
    base = read_network(CONFIG / "networks" / "iowa240")
    assert read_network(CONFIG / "networks" / "iowa240-prot") == iowa_protection.network(base)


def test_shipped_point_list_is_the_base_with_the_protection(tmp_path: Path) -> None:
    network = read_network(CONFIG / "networks" / "iowa240-prot")
    scheme, problems = survey_scheme(CONFIG / "protection" / "iowa240.toml", network)
    assert scheme is not None, problems
    points, made = CONFIG / "points", tmp_path / "list" / "devices.csv"
    rows = iowa_protection.devices(network, scheme)
    protection_points.write_devices(points / "iowa240" / "devices.csv", made, rows)
    shipped = points / "iowa240-prot" / "devices.csv"
    estimator_points.replace_rows(made, protection_points.published_rows(shipped))  # not this maker's
    assert made.read_bytes() == shipped.read_bytes()


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_shipped_templates_follow_from_the_declarations(kind: str) -> None:
    declare_all()
    folder = CONFIG / "points" / "templates"
    outputs = protection_points.template(REGISTRY[kind], protection_points.SHOWN.get(kind, ()))
    assert (folder / f"{kind}.toml").read_text() == outputs
    settings = protection_points.settings_template(REGISTRY[kind])
    assert (folder / f"{settings_kind(kind)}.toml").read_text() == settings


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_one_request_can_write_a_whole_group_of_settings(kind: str) -> None:
    declare_all()
    settings = tomllib.loads(protection_points.settings_template(REGISTRY[kind]))["points"]
    starts = [int(point["modbus"].split(":")[1]) for point in settings]
    assert starts == list(range(0, 2 * len(settings), 2))  # two registers each and no gap
    assert starts[-1] + 2 <= min(123, protection_points.SETTINGS_SPAN)  # function 16 takes 123
