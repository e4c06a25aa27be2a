"""Radial walk from the source: which protective device is behind which, and what each protects.

Everything between protective devices is one *section*, whatever loops it has inside. The sections are
a tree whose branches are the devices; a device in a loop has no upstream and no downstream.
"""

from __future__ import annotations

import dataclasses as dc
from collections import deque
from collections.abc import Collection, Iterable, Mapping

from rtcore.errors import Problem, UserInputError
from rtcore.network.model import Network


@dc.dataclass(frozen=True, slots=True)
class Position:
    """Where a protective device stands.

    Attributes
    ----------
    switch : str
        The switch that interrupts for it.
    upstream : str
        Switch of the nearest protective device towards the source; "" none.
    is_forward : bool
        Whether power comes from the switch's first terminal.
    head : str
        The bus right behind it.
    zone : tuple of str
        Buses of its section, from the head outwards, those behind service transformers left out: a
        transformer is passed only where another device lies beyond it.
    """

    switch: str
    upstream: str
    is_forward: bool
    head: str
    zone: tuple[str, ...]


@dc.dataclass(frozen=True, slots=True)
class _Edge:
    """An element in service between two buses; ``turns`` tells a transformer from a conductor."""

    bus1: str
    bus2: str
    turns: bool = False

    def far(self, bus: str) -> str:
        return self.bus2 if bus == self.bus1 else self.bus1


Edges = Mapping[str, list[_Edge]]
"""Bus -> the edges at it."""


def walk(network: Network, protective: Collection[str]) -> dict[str, Position]:
    """Return the position of every protective switch that is closed and fed, from the source outwards.

    Raises
    ------
    UserInputError
        A device is fed from both of its sides.
    """
    edges = _edges(network, protective)
    devices = [s for s in network.switches if s.is_closed and s.name in protective]
    at: dict[str, list[str]] = {}
    for s in devices:
        at.setdefault(s.bus1, []).append(s.name)
        at.setdefault(s.bus2, []).append(s.name)
    named = {s.name: s for s in devices}
    seen: set[str] = set()
    found: dict[str, Position] = {}
    todo = deque((s.bus, "") for s in network.sources)
    while todo:
        bus, upstream = todo.popleft()
        if bus in seen:
            if upstream:
                raise UserInputError([Problem(network.name, f"switch.{upstream}", LOOP)])
            continue
        parents = _reach(edges, bus)
        seen |= parents.keys()
        further = {name: near for near in parents for name in at.get(near, ()) if name != upstream}
        if upstream:
            old = found[upstream]
            found[upstream] = dc.replace(old, zone=_zone(edges, bus, parents, further.values()))
        for name, near in further.items():
            if name in found:
                raise UserInputError([Problem(network.name, f"switch.{name}", LOOP)])
            s = named[name]
            is_forward = s.bus1 == near
            head = s.bus2 if is_forward else s.bus1
            found[name] = Position(name, upstream, is_forward, head, ())
            todo.append((head, name))
    return found


LOOP = "is fed from both sides, so nothing is upstream of it: open a switch of the loop"


def _edges(network: Network, protective: Collection[str]) -> Edges:
    """Return the network in service without the protective devices."""
    pairs = [_Edge(x.bus1, x.bus2) for x in network.lines]
    pairs += [_Edge(s.bus1, s.bus2) for s in network.switches if s.is_closed and s.name not in protective]
    pairs += [_Edge(x.bus1, x.bus2) for x in network.capacitors if x.bus2]
    pairs += [_Edge(x.bus1, x.bus2) for x in network.reactors if x.bus2]
    for t in network.transformers:
        pairs += [_Edge(t.windings[0].bus, w.bus, turns=True) for w in t.windings[1:]]
    for r in network.regulators:
        first, *others = r.transformer.windings
        pairs += [_Edge(first.bus, w.bus) for w in others]
    found: dict[str, list[_Edge]] = {}
    for edge in pairs:
        if edge.bus1 != edge.bus2:
            found.setdefault(edge.bus1, []).append(edge)
            found.setdefault(edge.bus2, []).append(edge)
    return found


def _reach(edges: Edges, start: str) -> dict[str, str]:
    """Return every bus of the section of ``start`` with the bus before it, nearest first."""
    before = {start: ""}
    todo = deque([start])
    while todo:
        bus = todo.popleft()
        for edge in edges.get(bus, ()):
            far = edge.far(bus)
            if far not in before:
                before[far] = bus
                todo.append(far)
    return before


def _zone(edges: Edges, head: str, before: Mapping[str, str], exits: Iterable[str]) -> tuple[str, ...]:
    """Return the buses of a section without those behind transformers that lead to no device."""
    needed: set[str] = set()
    for bus in exits:
        while bus and bus not in needed:
            needed.add(bus)
            bus = before[bus]
    zone = [head]
    seen = {head}
    for bus in zone:
        for edge in edges.get(bus, ()):
            far = edge.far(bus)
            if far not in seen and (far in needed or not edge.turns):
                seen.add(far)
                zone.append(far)
    return tuple(zone)
