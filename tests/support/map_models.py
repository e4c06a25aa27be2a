"""Models for maps: networks without points, and whole shipped stations, as services tell them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from hil.network_files import read_network
from hil.paths import config_dir
from hil.run_command import make_spec
from hil.services.feeder_map import FeederMap
from hil.services.model import model
from hil.station import read_plan
from hil.view.energised import SWITCHING
from hil.view.model import StationModel
from hil.view.reading import NOTHING, Reading
from rtcore.network.fault_table import place_table

NETWORKS = ("ieee13", "ieee123", "iowa240-ref", "iowa240", "iowa240-der", "iowa240-prot")
STATIONS = ("iowa240", "iowa240-der", "iowa240-ref")


@cache
def network_model(name: str) -> StationModel:
    """Return a model of a shipped network that shows no points."""
    network = read_network(config_dir() / "networks" / name)
    row = {
        "gridhil": "0", "points": [], "map": FeederMap(network, ()).to_dict(), "feeders": [], "relays": [],
        "regulators": [], "transformers": [], "faults": [], "places": place_table(network),
        "station": {"name": name, "title": name, "run_id": "1", "started_utc_ns": 0},
        "core": {"period_ns": 10**7, "dt_ns": 10**7, "speed": 1.0, "strict": False},
        "limits": {"v_low_pu": 0.95, "v_high_pu": 1.05},
    }  # fmt: skip
    return StationModel.of(row)


@cache
def shipped_model(name: str) -> StationModel:
    """Return the model of a shipped station."""
    plan = read_plan(name)
    spec = make_spec(plan, Path("/nonexistent"), 10_000_000, False, None)
    return StationModel.of(model(plan, spec, FeederMap(plan.network, spec.points)))


def normal_values(found: StationModel) -> dict[str, float]:
    """Return what switching devices and sources show while everything is as it is normally."""
    values: dict[str, float] = {}
    for branch in found.branches:
        if branch.kind in SWITCHING and branch.device:
            values |= dict.fromkeys(found.tags_of(branch.device, "BLOWN_A", "BLOWN_B", "BLOWN_C", "TAG"), 0.0)
            values |= dict.fromkeys(found.tags_of(branch.device, "ST_52A"), float(branch.is_closed))
            values |= dict.fromkeys(found.tags_of(branch.device, "ST_52B"), float(not branch.is_closed))
    for item in found.items:
        values |= dict.fromkeys(found.tags_of(item.device, "V") if item.kind == "source" else (), 1.0)
    return values


def reader(values: Mapping[str, float], status: str = "Good") -> Callable[[str], Reading]:
    """Return readings of some values; nothing has come of other points."""
    return lambda tag: Reading(values[tag], status) if tag in values else NOTHING


def opened(device: str) -> dict[str, float]:
    """Return what an open breaker shows."""
    return {f"{device}.ST_52A": 0.0, f"{device}.ST_52B": 1.0}
