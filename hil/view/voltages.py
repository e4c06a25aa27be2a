"""Voltages of a map in per unit, by bus: of its own meter, or of the nearest one that is fed with it."""

from __future__ import annotations

import enum
import math
from collections import deque
from collections.abc import Callable, Mapping

from hil.view.energised import PHASE_LETTERS, Topology
from hil.view.model import Item, StationModel
from hil.view.reading import Reading

Read = Callable[[str], Reading]


class Band(enum.Enum):
    """Where a voltage lies between the station's limits."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    NONE = "not measured"


def profile(feeder: str, phase: str) -> tuple[str, str, str]:
    """Return the arrays of a feeder's voltages: values [pu], tags of their points, distances [km]."""
    name = f"arrays.VPROFILE.{feeder}.{phase.upper()}"
    return name, f"{name}/Members", f"{name}/Distances"


def voltage_tags(model: StationModel) -> list[str]:
    """Return what ``voltages`` reads: profiles of all feeders, and meters of what is of no feeder."""
    found = [t for f in model.feeders for p in PHASE_LETTERS for t in profile(f.name, p)[:2]]
    return found + [tag for item in _apart(model) for tag in model.tags_of(item.device, "VA", "VB", "VC")]


def voltages(model: StationModel, read: Read) -> dict[str, float]:
    """Return tag of a voltage -> per unit, of everything that measured well."""
    found: dict[str, float] = {}
    for feeder in model.feeders:
        for phase in PHASE_LETTERS:
            values, members, _ = (read(t).value for t in profile(feeder.name, phase))
            if isinstance(values, list) and isinstance(members, list):
                pairs = zip(members, values, strict=False)
                found.update({tag: v for tag, v in pairs if isinstance(v, float) and math.isfinite(v)})
    kv = {b.name: b.kv for b in model.buses}
    for item in _apart(model):
        for tag in model.tags_of(item.device, "VA", "VB", "VC"):
            number = read(tag).number
            if number is not None and kv[item.bus] > 0.0:
                found[tag] = number / (1e3 * kv[item.bus])
    return found


def _apart(model: StationModel) -> list[Item]:
    """Return meters at buses of no feeder."""
    feeder = {b.name: b.feeder for b in model.buses}
    return [i for i in model.items if i.kind == "meter" and feeder.get(i.bus) == ""]


def bus_voltages(topology: Topology, values: Mapping[str, float]) -> list[tuple[float, float] | None]:
    """Return lowest and highest voltage of each bus [pu], None where nothing near measures.

    A bus without a meter has the voltage of the nearest one along lines and transformers, never across a
    switching device.
    """
    model = topology.model
    at: dict[int, list[float]] = {}
    bus_of = {item.device: item.bus for item in model.items if item.device}
    for tag, value in values.items():
        bus = bus_of.get(tag.rpartition(".")[0])
        if bus in topology.index:
            at.setdefault(topology.index[bus], []).append(value)
    found: list[tuple[float, float] | None] = [None] * len(model.buses)
    waiting: deque[int] = deque()
    for number, measured in at.items():
        found[number] = (min(measured), max(measured))
        waiting.append(number)
    while waiting:
        number = waiting.popleft()
        for other in topology.neighbours(number):
            if found[other] is None:
                found[other] = found[number]
                waiting.append(other)
    return found


def band(model: StationModel, voltage: tuple[float, float] | None) -> Band:
    """Return the band of lowest and highest voltage; a low one counts more."""
    if voltage is None:
        return Band.NONE
    if voltage[0] < model.v_low_pu:
        return Band.LOW
    return Band.HIGH if voltage[1] > model.v_high_pu else Band.NORMAL
