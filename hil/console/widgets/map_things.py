"""What stands on a map, in the order of the feeders, and where: devices, sources, banks, meters."""

from __future__ import annotations

import dataclasses as dc
import math
from collections import Counter
from collections.abc import Iterator

from hil.view.energised import SWITCHING, Topology
from hil.view.model import StationModel

Place = tuple[float, float]
LOW_KV = 1.0
"""Buses below are services, drawn at their transformer until there is room for them [kV]."""
BASE, NEAR, CLOSER, CLOSEST = 0, 1, 2, 3
"""How near one must be to see a thing."""
COLUMNS = ((CLOSEST, 11.0), (CLOSER, 6.0), (NEAR, 3.0), (BASE, 0.0))
"""Columns between neighbours from which things of a level are drawn: services and buses, meters, PV sites."""
LEVELS = {
    "source": BASE, "breaker": BASE, "recloser": BASE, "switch": BASE, "fuse": BASE, "transformer": BASE,
    "battery": BASE, "generator": BASE, "capacitor": BASE, "regulator": BASE, "pv": NEAR,
    "harmonic": CLOSER, "meter": CLOSER, "load": CLOSEST,
}  # fmt: skip
"""What is drawn, in the order in which it gets its place."""
NAMED_FROM = {"pv": CLOSER, "regulator": NEAR}
"""Kinds that have their names later than their symbols."""
RANK = {kind: k for k, kind in enumerate(LEVELS)}
BESIDE = 0.35
"""How far the load side of a switch without length is moved along its line, in usual steps of the map."""


@dc.dataclass(frozen=True, slots=True)
class Thing:
    """One thing of the map.

    Attributes
    ----------
    key : str
        The device, or the name of a branch that has none.
    bus : int
        Number of the bus where it stands; of a branch its end away from the source.
    branch : int
        Number of the branch that it is, -1 for none.
    """

    key: str
    kind: str
    device: str
    label: str
    bus: int
    branch: int = -1

    @property
    def level(self) -> int:
        """How near one must be to see it."""
        return LEVELS[self.kind]


def things(topology: Topology) -> list[Thing]:
    """Return everything of a map once, in the order of the buses; names that are given twice in full."""
    found: dict[str, Thing] = {}
    for thing in _all_things(topology):
        found.setdefault(thing.key, thing)
    named = Counter(t.label for t in found.values())
    clear = (dc.replace(t, label=t.key) if named[t.label] > 1 else t for t in found.values())
    return sorted(clear, key=lambda t: (t.bus, RANK[t.kind]))


def _all_things(topology: Topology) -> Iterator[Thing]:
    model = topology.model
    for k, branch in enumerate(model.branches):
        if branch.kind in SWITCHING or (branch.kind in LEVELS and branch.device):
            key = branch.device or branch.name
            yield Thing(key, branch.kind, branch.device, short(key), max(topology.ends[k]), k)
    for item in model.items:
        if item.kind in LEVELS and item.device and item.bus in topology.index:
            yield Thing(item.device, item.kind, item.device, short(item.device), topology.index[item.bus])


def short(device: str) -> str:
    """Return the last level of a device's name."""
    return device.rpartition(".")[2]


class Places:
    """Where every bus is drawn, in the units of the map, y upwards.

    Attributes
    ----------
    full, folded : list of (x, y)
        With services beside their transformers, and with services on them.
    step : float
        Usual distance of neighbours.
    """

    def __init__(self, topology: Topology) -> None:
        model = topology.model
        self.full: list[Place] = [(b.x, b.y) for b in model.buses]
        lengths = sorted(
            math.dist(self.full[a], self.full[b])
            for a, b in topology.ends
            if self.full[a] != self.full[b] and min(model.buses[a].kv, model.buses[b].kv) >= LOW_KV
        )
        self.step = lengths[len(lengths) // 2] if lengths else 1.0
        self._part(topology)
        self.anchor = _anchors(topology)
        self.folded = [self.full[k] for k in self.anchor]

    def _part(self, topology: Topology) -> None:
        """Move the load sides of switches without length off their buses, towards what they feed."""
        for k, (first, second) in enumerate(topology.ends):
            if topology.model.branches[k].kind not in SWITCHING or self.full[first] != self.full[second]:
                continue
            near, far = sorted((first, second))
            x, y = self.full[near]
            beyond = [self.full[n] for n in topology.neighbours(far) if self.full[n] != (x, y)]
            towards = min(beyond, key=lambda p: math.dist(p, (x, y)), default=(x + self.step, y))
            length = math.dist(towards, (x, y))
            share = min(BESIDE * self.step, 0.6 * length) / length
            self.full[far] = (x + share * (towards[0] - x), y + share * (towards[1] - y))

    def bounds(self) -> tuple[float, float, float, float]:
        """Return lowest x and y, highest x and y."""
        xs, ys = [x for x, _ in self.folded], [y for _, y in self.folded]
        return (min(xs), min(ys), max(xs), max(ys)) if xs else (0.0, 0.0, 1.0, 1.0)


def _anchors(topology: Topology) -> list[int]:
    """Return for every bus the one where it is drawn when services are folded."""
    model: StationModel = topology.model
    anchor = list(range(len(model.buses)))
    for k, bus in enumerate(model.buses):  # each behind the one that feeds it
        if bus.kv < LOW_KV:
            fed_by = [n for n in topology.neighbours(k) if n < k]
            anchor[k] = anchor[fed_by[0]] if fed_by else k
    return anchor
