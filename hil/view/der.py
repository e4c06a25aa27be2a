"""Distributed resources of a station: which there are, who leads, what is planned."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Callable

from hil.view.model import StationModel
from hil.view.reading import Reading

GRID, TRANSFER, ISLAND, RESYNC, DEAD = 1, 2, 3, 4, 5
"""States of a microgrid."""
FORMING = 2
"""Mode of a battery that leads an island."""
N_STEPS = 24


@dc.dataclass(frozen=True, slots=True)
class Resources:
    """Devices by kind, each empty where the station has none."""

    sites: tuple[str, ...]
    fleet: str
    batteries: tuple[str, ...]
    machines: tuple[str, ...]
    microgrid: str
    dispatch: str
    stages: tuple[str, ...]
    service: str
    plan: str
    battery_plans: tuple[tuple[str, str], ...]
    """Plan of a battery, battery."""
    load_forecast: str

    @property
    def units(self) -> tuple[str, ...]:
        """Everything but the sites, in the order that it is listed in."""
        one = tuple(d for d in (self.microgrid, self.dispatch) if d)
        return (*one, *self.batteries, *self.machines, *self.stages)

    @property
    def is_any(self) -> bool:
        """Tell whether there is anything at all."""
        return bool(self.units or self.sites or self.fleet)


def resources_of(model: StationModel) -> Resources:
    """Return what a station has."""

    def component(device: str) -> str:
        return model.devices[device][0].source.partition(".")[2]

    def first(*templates: str) -> str:
        return next(iter(model.of_template(*templates)), "")

    batteries = {component(d): d for d in model.of_template("battery")}
    plans = ((d, batteries.get(component(d), "")) for d in model.of_template("dispatch_plan"))
    loads = [d for d in model.of_template("forecast") if component(d) == "total"]
    return Resources(
        sites=model.of_template("pv"),
        fleet=first("pv_fleet"),
        batteries=tuple(batteries.values()),
        machines=model.of_template("generator"),
        microgrid=first("microgrid"),
        dispatch=first("dispatch"),
        stages=model.of_template("load_shedding"),
        service=first("dispatcher"),
        plan=first("dispatch_plan_station"),
        battery_plans=tuple((plan, battery) for plan, battery in plans if battery),
        load_forecast=loads[0] if loads else "",
    )


def master(resources: Resources, read: Callable[[str], Reading]) -> str:
    """Return in words who leads the network; ``?`` where that is not known now."""
    if not resources.microgrid:
        return "the grid"
    state = read(f"{resources.microgrid}.STATE")
    if not state.is_usable:
        return "?"
    if state.number in (GRID, TRANSFER):
        return "the grid"
    if state.number == DEAD:
        return "nobody: the island is dead"
    leading = [d for d in resources.batteries if read(f"{d}.MODE").number == FORMING]
    leading = leading or [d for d in resources.machines if read(f"{d}.RUNNING").is_on]
    return " and ".join(leading) or "nobody"


@dc.dataclass(frozen=True, slots=True)
class Column:
    """A quantity of the plan: head, tag of now (empty for none), tags of the steps."""

    head: str
    now: str
    steps: tuple[str, ...]


def plan_columns(resources: Resources) -> tuple[Column, ...]:
    """Return what the plan says, with what is now beside it."""

    def steps(device: str, name: str) -> tuple[str, ...]:
        return tuple(f"{device}.{name}{k}" for k in range(1, N_STEPS + 1))

    columns = []
    if resources.plan:
        imported = f"{resources.dispatch}.IMPORT" if resources.dispatch else ""
        columns.append(Column("import [kW]", imported, steps(resources.plan, "IMPORT")))
    if resources.load_forecast:
        load = resources.load_forecast
        columns.append(Column("load [kW]", f"{load}.ACTUAL", steps(load, "H")))
    for plan, battery in resources.battery_plans:
        name = battery.rpartition(".")[2]
        columns.append(Column(f"{name} [kW]", f"{battery}.W", steps(plan, "P")))
        columns.append(Column(f"{name} [%]", f"{battery}.SOC", steps(plan, "SOC")))
    return tuple(columns)
