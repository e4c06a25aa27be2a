"""What a station consists of, as it tells itself (service ``ReadModel``); fixed for one run."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Mapping
from typing import Any

CONTROL, SETPOINT, ANALOG, STATUS = "control", "setpoint", "analog", "status"


@dc.dataclass(frozen=True, slots=True)
class PointInfo:
    """One point. ``alarm`` is its severity, empty for none; ``alarm_on`` the state that is the alarm."""

    tag: str
    kind: str
    unit: str
    minimum: float
    maximum: float
    description: str
    states: tuple[str, str] | None
    device: str
    template: str
    source: str
    attr: str
    role: str
    is_health: bool
    publisher: str
    alarm: str = ""
    alarm_on: int = 1

    @property
    def name(self) -> str:
        """Last level of the tag."""
        return self.tag.rpartition(".")[2]

    @property
    def is_writable(self) -> bool:
        """Tell whether it takes commands at all."""
        return self.kind in (CONTROL, SETPOINT)


@dc.dataclass(frozen=True, slots=True)
class Bus:
    """A bus of the map; ``km`` is its way from the source along lines."""

    name: str
    x: float
    y: float
    kv: float
    phases: str
    km: float
    feeder: str


@dc.dataclass(frozen=True, slots=True)
class Branch:
    """A branch of the map; ``device`` shows and operates it, empty for none."""

    name: str
    kind: str
    bus1: str
    bus2: str
    phases: str
    is_closed: bool
    device: str
    km: float


@dc.dataclass(frozen=True, slots=True)
class Item:
    """Something at a bus: source, load, meter, pv, battery, capacitor, generator."""

    kind: str
    name: str
    bus: str
    device: str


@dc.dataclass(frozen=True, slots=True)
class Feeder:
    """A feeder: its head's measurements and its breaker."""

    name: str
    head: str
    breaker: str


@dc.dataclass(frozen=True, slots=True)
class Element:
    """A protection function of a relay, with its settings groups."""

    device: str
    function: str
    settings: tuple[str, ...]


@dc.dataclass(frozen=True, slots=True)
class Relay:
    """A relay, with what belongs to it; empty where it has none."""

    device: str
    breaker: str
    inputs: str
    recloser: str
    elements: tuple[Element, ...]


@dc.dataclass(frozen=True, slots=True)
class Fault:
    """A named fault of the station's library."""

    number: int
    name: str
    text: str


@dc.dataclass(frozen=True, slots=True)
class Forecast:
    """What is forecast: the device that shows it, and the points whose sum it is, with factors to kW."""

    device: str
    step_s: float
    measured: tuple[tuple[str, float], ...]


@dc.dataclass(frozen=True, slots=True)
class StationModel:
    """A station.

    Attributes
    ----------
    points : mapping
        By tag, in the station's order.
    devices : mapping
        Device -> its points.
    places : tuple of str
        Places of faults by number: "none", "bus.NAME" .., "line.NAME" ..
    """

    name: str
    title: str
    run_id: str
    started_utc_ns: int
    version: str
    period_ns: int
    dt_ns: int
    speed: float
    points: Mapping[str, PointInfo]
    devices: Mapping[str, tuple[PointInfo, ...]]
    buses: tuple[Bus, ...]
    branches: tuple[Branch, ...]
    items: tuple[Item, ...]
    feeders: tuple[Feeder, ...]
    relays: tuple[Relay, ...]
    regulators: tuple[Mapping[str, Any], ...]
    transformers: tuple[Mapping[str, Any], ...]
    faults: tuple[Fault, ...]
    places: tuple[str, ...]
    v_low_pu: float
    v_high_pu: float
    switches: tuple[str, ...] = ()
    """In the network's order, which is that of their numbers."""
    forecasts: tuple[Forecast, ...] = ()

    def of_template(self, *templates: str) -> tuple[str, ...]:
        """Return the devices made from some templates, in the station's order."""
        return tuple(d for d, points in self.devices.items() if points[0].template in templates)

    def tags_of(self, device: str, *names: str) -> tuple[str, ...]:
        """Return tags of a device's points, those that it has of ``names``; all where none is named."""
        points = self.devices.get(device, ())
        return tuple(p.tag for p in points if not names or p.name in names)

    def instance(self, device: str) -> str:
        """Return what a device shows: the name behind the kind in its points' source."""
        return self.devices[device][0].source.partition(".")[2]

    def has(self, tag: str) -> bool:
        """Tell whether the station has a point."""
        return tag in self.points

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> StationModel:
        """Take what ``ReadModel`` answers; KeyError, TypeError or ValueError where it is something else."""
        points = {p.tag: p for p in map(_point, row["points"])}
        devices: dict[str, list[PointInfo]] = {}
        for point in points.values():
            devices.setdefault(point.device, []).append(point)
        station, core, drawn = row["station"], row["core"], row["map"]
        return cls(
            name=station["name"],
            title=station["title"],
            run_id=station["run_id"],
            started_utc_ns=int(station["started_utc_ns"]),
            version=row["gridhil"],
            period_ns=int(core["period_ns"]),
            dt_ns=int(core["dt_ns"]),
            speed=float(core["speed"]),
            points=points,
            devices={d: tuple(ps) for d, ps in devices.items()},
            buses=tuple(
                Bus(b["name"], b["x"], b["y"], b["kv"], b["phases"], b["km"], b["feeder"])
                for b in drawn["buses"]
            ),
            branches=tuple(
                Branch(
                    b["name"],
                    b["kind"],
                    b["from"],
                    b["to"],
                    b["phases"],
                    bool(b["closed"]),
                    b["device"],
                    b["km"],
                )
                for b in drawn["branches"]
            ),
            items=tuple(Item(i["kind"], i["name"], i["bus"], i["device"]) for i in drawn["items"]),
            feeders=tuple(Feeder(f["name"], f["head"], f["breaker"]) for f in row["feeders"]),
            relays=tuple(_relay(r) for r in row["relays"]),
            regulators=tuple(row["regulators"]),
            transformers=tuple(row["transformers"]),
            faults=tuple(Fault(int(f["number"]), f["name"], f["text"]) for f in row["faults"]),
            places=tuple(row["places"]),
            v_low_pu=float(row["limits"]["v_low_pu"]),
            v_high_pu=float(row["limits"]["v_high_pu"]),
            switches=tuple(row.get("switches", ())),
            forecasts=tuple(_forecast(f) for f in row.get("forecasts", ())),
        )


def _point(row: Mapping[str, Any]) -> PointInfo:
    states = row["states"]
    return PointInfo(
        tag=row["tag"],
        kind=row["kind"],
        unit=row["unit"],
        minimum=float(row["min"]),
        maximum=float(row["max"]),
        description=row["description"],
        states=(states[0], states[1]) if states else None,
        device=row["device"],
        template=row["template"],
        source=row["source"],
        attr=row["attr"],
        role=row["role"],
        is_health=bool(row["health"]),
        publisher=row["publisher"],
        alarm=row["alarm"],
        alarm_on=int(row["alarm_on"]),
    )


def _forecast(row: Mapping[str, Any]) -> Forecast:
    measured = tuple((str(tag), float(factor)) for tag, factor in row["measured"])
    return Forecast(row["device"], float(row["step_s"]), measured)


def _relay(row: Mapping[str, Any]) -> Relay:
    elements = tuple(Element(e["device"], e["function"], tuple(e["settings"])) for e in row["elements"])
    return Relay(row["device"], row["breaker"], row["inputs"], row["recloser"], elements)
