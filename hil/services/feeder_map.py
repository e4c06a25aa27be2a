"""The network as a map: buses with places, branches in order from the source, what stands at which bus.

Everything that a network is closed over in its normal state is walked from its sources; what is reached
through an open switch alone comes afterwards.
"""

from __future__ import annotations

import dataclasses as dc
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hil.services.map_layout import placed
from rtcore.network.model import UNIT_M, Network, Transformer
from rtcore.points import Point
from rtcore.published import instance_of, kind_of

PHASES = "abc"
RECLOSER = ("rcl", "recloser")
"""How names of switches begin that are reclosers; a network calls them breakers."""
METERS = ("feeder_head", "section_meter", "bus")
HARMONICS = ("harmonic_bus", "tuned_filter", "active_filter")
DER_ITEM = {"pv": "pv", "battery": "battery", "machine": "generator"}


@dc.dataclass(frozen=True, slots=True)
class Branch:
    """What connects two buses; ``phases`` are those of its first end, "" for a service transformer's legs."""

    name: str
    kind: str
    ends: tuple[str, str]
    phases: str
    is_closed: bool
    km: float
    device: str
    is_service: bool = False
    """Its second end has legs, not phases."""


@dc.dataclass(slots=True)
class Walk:
    """A network as it was walked from its sources."""

    order: list[str] = dc.field(default_factory=list)
    parent: dict[str, tuple[str, Branch]] = dc.field(default_factory=dict)
    km: dict[str, float] = dc.field(default_factory=dict)
    phases: dict[str, str] = dc.field(default_factory=dict)


class Devices:
    """Tag prefixes of a station's devices, by what they show."""

    def __init__(self, points: Iterable[Point]) -> None:
        self._of: dict[tuple[str, str], dict[str, str]] = {}
        for p in points:
            self._of.setdefault((kind_of(p), instance_of(p)), {}).setdefault(p.template, p.device)

    def of(self, kind: str, name: str, template: str = "") -> str:
        """Return the device of an instance, of a template where one is given; "" where there is none."""
        found = self._of.get((kind, name), {})
        return found.get(template, "") if template else next(iter(found.values()), "")

    def having(self, template: str, kind: str = "") -> list[tuple[str, str]]:
        """Return (device, instance) of every device of a template, bound to a kind where one is given."""
        return [
            (device, name)
            for (k, name), devices in self._of.items()
            for t, device in devices.items()
            if t == template and kind in ("", k)
        ]


class FeederMap:
    """The map of one network.

    Attributes
    ----------
    walk : Walk
    feeder_of : dict
        Bus -> feeder, for buses of feeders.
    feeders : list of dict
        ``name``, ``head`` (its meter), ``breaker``.
    """

    def __init__(self, network: Network, points: Sequence[Point]) -> None:
        self.network, self.devices = network, Devices(points)
        self.branches = list(_branches(network, self.devices))
        self.walk = _walked(network, self.branches)
        self.feeders, self.feeder_of = self._feeders()

    def to_dict(self) -> dict[str, Any]:
        """Return the map as JSON can hold it."""
        place = placed(self.network, self.walk.order, {b: p for b, (p, _) in self.walk.parent.items()})
        base_kv = {b.name: b.base_kv_ln for b in self.network.buses}
        walk = self.walk
        buses = [
            {
                "name": b,
                "x": round(place[b][0], 4),
                "y": round(place[b][1], 4),
                "kv": round(base_kv[b], 6),
                "phases": walk.phases.get(b, ""),
                "km": round(walk.km.get(b, 0.0), 5),
                "feeder": self.feeder_of.get(b, ""),
            }
            for b in walk.order
        ]
        return {"buses": buses, "branches": self._branch_rows(), "items": list(self._items())}

    def downstream(self, bus: str) -> set[str]:
        """Return a bus and all that are fed through it."""
        found = {bus}
        for name in self.walk.order:
            if name in self.walk.parent and self.walk.parent[name][0] in found:
                found.add(name)
        return found

    def _branch_rows(self) -> list[dict[str, Any]]:
        rank = {bus: k for k, bus in enumerate(self.walk.order)}
        rows = []
        for b in sorted(self.branches, key=lambda b: max(rank[e] for e in b.ends)):
            first, second = sorted(b.ends, key=lambda e: rank[e])
            rows.append(
                {
                    "name": b.name,
                    "kind": b.kind,
                    "from": first,
                    "to": second,
                    "phases": _shared(self.walk.phases.get(first, ""), b.phases),
                    "closed": b.is_closed,
                    "device": b.device,
                    "km": round(b.km, 5),
                }
            )
        return rows

    def _feeders(self) -> tuple[list[dict[str, str]], dict[str, str]]:
        """Return the feeders by their head meters, and the feeder of each bus."""
        rows, of = [], {}
        for head, bus in self.devices.having("feeder_head", "bus"):
            name = head.rpartition(".")[0] or head
            branch = self.walk.parent[bus][1] if bus in self.walk.parent else None
            rows.append({"name": name, "head": head, "breaker": branch.device if branch else ""})
            of.update(dict.fromkeys(self.downstream(bus), name))
        return rows, of

    def _items(self) -> Iterable[dict[str, str]]:
        n, of = self.network, self.devices.of
        for s in n.sources:
            yield _item("source", s.name, s.bus, of("source", s.name))
        for load in n.loads:
            yield _item("load", load.name, load.bus, of("load", load.name))
        for template in METERS:
            for device, bus in self.devices.having(template, "bus"):
                yield _item("meter", device, bus, device)
        for der in n.ders:
            kind = DER_ITEM[der.kind]
            yield _item(kind, der.name, der.bus, of(kind, der.name))
        for c in n.capacitors:
            yield _item("capacitor", c.name, c.bus1, of("capacitor", c.name))
        for template in HARMONICS:
            for device, bus in self.devices.having(template):
                if bus in self.walk.km:
                    yield _item("harmonic", device, bus, device)


def _item(kind: str, name: str, bus: str, device: str) -> dict[str, str]:
    return {"kind": kind, "name": name, "bus": bus, "device": device}


def _branches(network: Network, devices: Devices) -> Iterable[Branch]:
    codes = {c.name: c.unit for c in network.linecodes}
    for line in network.lines:
        unit = codes.get(line.linecode, "none") if line.unit == "none" else line.unit
        km = line.length * UNIT_M.get(unit, 0.0) / 1e3
        yield Branch(line.name, "line", (line.bus1, line.bus2), _phases(line.nodes1), True, km, "")
    for s in network.switches:
        kind = "recloser" if s.kind == "breaker" and s.name.startswith(RECLOSER) else s.kind
        device = devices.of(
            "fuse" if s.kind == "fuse" else "breaker", s.name, s.kind if s.kind == "fuse" else ""
        )
        yield Branch(s.name, kind, (s.bus1, s.bus2), _phases(s.nodes1), s.is_closed, 0.0, device)
    for r in network.regulators:
        yield from _windings(r.transformer, "regulator", devices.of("regulator", r.name))
    for t in network.transformers:
        found = (devices.of("terminal", f"transformer.{t.name}@{k}", "transformer") for k in (1, 2, 3))
        yield from _windings(t, "transformer", next(filter(None, found), ""))
    for reactor in network.reactors:
        if reactor.bus2:
            ends = (reactor.bus1, reactor.bus2)
            yield Branch(reactor.name, "reactor", ends, _phases(reactor.nodes1), True, 0.0, "")


def _windings(t: Transformer, kind: str, device: str) -> Iterable[Branch]:
    """Yield a branch from the first winding to each other bus."""
    first = t.windings[0]
    is_service = t.phases == 1 and len(t.windings) > 2
    for bus in dict.fromkeys(w.bus for w in t.windings[1:] if w.bus != first.bus):
        yield Branch(t.name, kind, (first.bus, bus), _phases(first.nodes), True, 0.0, device, is_service)


def _phases(nodes: Sequence[int]) -> str:
    return "".join(PHASES[n - 1] for n in sorted(set(nodes)) if 1 <= n <= 3)


def _shared(of_bus: str, of_branch: str) -> str:
    """Return the phases of a branch at a bus; behind a service transformer they are the bus's."""
    both = "".join(p for p in of_branch if p in of_bus)
    return both or of_bus


def _walked(network: Network, branches: Sequence[Branch]) -> Walk:
    """Walk a network from its sources, through what is closed, then through what is open."""
    at: dict[str, list[Branch]] = {b.name: [] for b in network.buses}
    for branch in branches:
        for end in branch.ends:
            at[end].append(branch)
    walk, legs = Walk(), set[str]()
    for source in network.sources:
        _visit(walk, source.bus, None, _phases(source.nodes))
    _spread(walk, list(walk.order), at, legs, through_open=False)
    _spread(walk, list(walk.order), at, legs, through_open=True)
    for bus in network.buses:  # connected to nothing that feeds
        if bus.name not in walk.km:
            _visit(walk, bus.name, None, PHASES)
            _spread(walk, [bus.name], at, legs, through_open=True)
    return walk


def _visit(walk: Walk, bus: str, by: tuple[str, Branch] | None, phases: str) -> None:
    if bus in walk.km:
        return
    walk.order.append(bus)
    walk.phases[bus] = phases
    walk.km[bus] = 0.0 if by is None else walk.km[by[0]] + by[1].km
    if by is not None:
        walk.parent[bus] = by


def _spread(
    walk: Walk, begin: Iterable[str], at: Mapping[str, list[Branch]], legs: set[str], *, through_open: bool
) -> None:
    waiting = deque(begin)
    while waiting:
        bus = waiting.popleft()
        for branch in at[bus]:
            other = branch.ends[1] if branch.ends[0] == bus else branch.ends[0]
            if other in walk.km:
                _widen(walk, bus, other, branch, legs)
                continue
            if not (branch.is_closed or through_open):
                continue
            of_bus = walk.phases[bus]
            phases = of_bus if bus in legs else _shared(of_bus, branch.phases)
            if bus in legs or branch.is_service:
                legs.add(other)
            _visit(walk, other, (bus, branch), phases)
            waiting.append(other)


def _widen(walk: Walk, bus: str, other: str, branch: Branch, legs: set[str]) -> None:
    """Add the phases that a parallel branch brings, such as the second of three one-phase regulators."""
    if walk.parent.get(other, ("", branch))[0] != bus or other in legs:
        return
    more = set(walk.phases[other]) | set(_shared(walk.phases[bus], branch.phases))
    walk.phases[other] = "".join(p for p in PHASES if p in more)
