"""Cases of the selectivity sweep: where, which fault, how it lives, and which device should clear it.

Places are the buses and the middles of the lines that some protective device has in its zone, buses
behind service transformers left out. Who should clear follows from the topology alone: the nearest
device towards the source.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np

from hil.coordination_walk import Position, walk
from hil.fault_library import TYPES
from rtcore.network.model import Network
from rtcore.protection.scheme import Relay, Scheme

PERMANENT, TEMPORARY, FAILURE = "permanent", "temporary", "failure"
LIVES = (PERMANENT, TEMPORARY, FAILURE)
"""What is done; a failure is a permanent fault whose breaker does not open."""

MIDDLE = 0.5
"""Share of a line's length at which it is faulted."""


@dc.dataclass(frozen=True, slots=True)
class Expected:
    """Who should clear a fault.

    Attributes
    ----------
    switch : str
        Breaker or fuse.
    relay : str
        Relay of the breaker; "" for a fuse.
    is_reclosing : bool
        Whether the relay recloses.
    upstream, upstream_relay : str
        Next device towards the source and its relay; "" none.
    bf_trips : tuple of str
        Other breakers that breaker failure of the relay trips.
    """

    switch: str
    relay: str = ""
    is_reclosing: bool = False
    upstream: str = ""
    upstream_relay: str = ""
    bf_trips: tuple[str, ...] = ()

    @property
    def is_fuse(self) -> bool:
        """Tell a fuse from a breaker."""
        return not self.relay


@dc.dataclass(frozen=True, slots=True)
class Case:
    """One fault; ``place`` is as of ``fault_table.place_table``."""

    place: str
    kind: str
    phases: str
    life: str
    expected: Expected


@dc.dataclass(frozen=True, slots=True)
class Place:
    """A place with its phases, like "ac"."""

    name: str
    phases: str
    switch: str


def devices(network: Network, scheme: Scheme) -> dict[str, Expected]:
    """Return every device in service by switch, from the source outwards."""
    relays = {r.breaker: r for r in scheme.relays if r.breaker}
    fuses = {s.name for s in network.switches if s.kind == "fuse"}
    return {name: _expected(p, relays) for name, p in walk(network, relays.keys() | fuses).items()}


def _expected(position: Position, relays: Mapping[str, Relay]) -> Expected:
    own, above = relays.get(position.switch), relays.get(position.upstream)
    return Expected(
        switch=position.switch,
        relay=own.name if own else "",
        is_reclosing=own is not None and bool(own.of("recloser_79")),
        upstream=position.upstream,
        upstream_relay=above.name if above else "",
        bf_trips=_bf_trips(own) if own else (),
    )


def _bf_trips(relay: Relay) -> tuple[str, ...]:
    """Return what breaker failure trips beside the breaker that failed."""
    trips = (t for e in relay.of("breaker_failure_50bf") for t in e.trips)
    return tuple(t for t in trips if t != relay.breaker)


def places(network: Network, scheme: Scheme) -> list[Place]:
    """Return every place in a zone: buses, then lines, in network order."""
    relays = {r.breaker for r in scheme.relays if r.breaker}
    fuses = {s.name for s in network.switches if s.kind == "fuse"}
    zone = {bus: p.switch for p in walk(network, relays | fuses).values() for bus in p.zone}
    numbers: dict[str, set[int]] = {}
    for _, bus, nodes in network.terminals():
        numbers.setdefault(bus, set()).update(nodes)
    found = [
        Place(f"bus.{b.name}", _phases(numbers[b.name]), zone[b.name])
        for b in network.buses
        if b.name in zone
    ]
    found += [
        Place(f"line.{x.name}", _phases(set(x.nodes1)), zone[x.bus1])
        for x in network.lines
        if x.bus1 in zone and zone.get(x.bus2) == zone[x.bus1]
    ]
    return [p for p in found if p.phases]


def _phases(numbers: set[int]) -> str:
    return "".join(p for k, p in enumerate("abc", 1) if k in numbers)


def choose(found: Sequence[Place], n: int | None, rng: np.random.Generator) -> list[Place]:
    """Return ``n`` places, drawn evenly from the zones of all devices; all of them when None."""
    if n is None or n >= len(found):
        return list(found)
    zones: dict[str, list[int]] = {}
    for k in rng.permutation(len(found)).tolist():
        zones.setdefault(found[k].switch, []).append(k)
    # Rank within the zone, as a share of it: the first n are of every zone the same share.
    ranked = chain.from_iterable(
        (((i + 0.5) / len(zone), k) for i, k in enumerate(zone)) for zone in zones.values()
    )
    return [found[k] for k in sorted(k for _, k in sorted(ranked)[:n])]


def cases(network: Network, scheme: Scheme, n_places: int | None, seed: int) -> list[Case]:
    """Return all cases: each type that the place has phases for, permanent and temporary, one failure.

    Which of the phases are faulted is drawn, and so is the type of the failure. A fuse does not fail.
    """
    rng = np.random.default_rng(seed)
    known = devices(network, scheme)
    found: list[Case] = []
    for place in choose(places(network, scheme), n_places, rng):
        expected = known[place.switch]
        faults = [
            (kind, "".join(sorted(rng.permutation(list(place.phases))[:n].tolist())))
            for kind, (_, n) in TYPES.items()
            if n <= len(place.phases)
        ]
        found += [Case(place.name, *f, life, expected) for f in faults for life in (PERMANENT, TEMPORARY)]
        failing = faults[int(rng.integers(len(faults)))]
        if not expected.is_fuse:
            found.append(Case(place.name, *failing, FAILURE, expected))
    return found
