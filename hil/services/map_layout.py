"""Places for buses that a network gives none: beside what they are connected to, or the whole as a tree."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rtcore.network.model import Network

Place = tuple[float, float]
SHARE = 0.5
"""With fewer buses than this share drawn, all are laid out as a tree."""
BESIDE = 0.4
"""How far beside its neighbour a bus without a place stands, as a share of a usual step of the drawing."""


def placed(network: Network, order: Sequence[str], parent: Mapping[str, str]) -> dict[str, Place]:
    """Return a place for every bus, in the units of the network's own coordinates where it has any.

    Parameters
    ----------
    order : sequence of str
        All buses, each behind the one that feeds it.
    parent : mapping
        Bus -> the one that feeds it.
    """
    known = {b.name: (b.x, b.y) for b in network.buses if b.x is not None and b.y is not None}
    if len(known) < SHARE * sum(b.base_kv_ln > 1.0 for b in network.buses):
        return _tree(order, parent)
    step = _usual_step(known, parent)
    place = dict(known)
    for bus in reversed(order):  # up to the source: what feeds something that has a place
        above = parent.get(bus)
        if above is not None and above not in place and bus in place and not _has_known(above, parent, known):
            place[above] = (place[bus][0], place[bus][1] + step)
    beside: dict[str, int] = {}
    for bus in order:  # down from it: what is fed by something that has one
        if bus in place:
            continue
        above = parent.get(bus, "")
        if above not in place:
            place[bus] = (min(x for x, _ in place.values()), max(y for _, y in place.values()) + step)
            continue
        k = beside[above] = beside.get(above, 0) + 1
        angle = _away(above, place, parent) + (k - 1) * math.radians(35.0)
        place[bus] = (
            place[above][0] + BESIDE * step * math.cos(angle),
            place[above][1] + BESIDE * step * math.sin(angle),
        )
    return place


def _has_known(bus: str, parent: Mapping[str, str], known: Mapping[str, Place]) -> bool:
    """Tell whether anything that feeds a bus has a place of the network's own."""
    above = parent.get(bus)
    while above is not None:
        if above in known:
            return True
        above = parent.get(above)
    return False


def _usual_step(known: Mapping[str, Place], parent: Mapping[str, str]) -> float:
    """Return the median distance between neighbours that both have a place."""
    lengths = sorted(
        math.dist(known[bus], known[above])
        for bus, above in parent.items()
        if bus in known and above in known and known[bus] != known[above]
    )
    return lengths[len(lengths) // 2] if lengths else 1.0


def _away(bus: str, place: Mapping[str, Place], parent: Mapping[str, str]) -> float:
    """Return a direction across that from which a bus is fed [rad]."""
    above = parent.get(bus)
    if above is None or above not in place or place[above] == place[bus]:
        return -math.pi / 2.0
    dx, dy = place[bus][0] - place[above][0], place[bus][1] - place[above][1]
    return math.atan2(dy, dx) + math.radians(60.0)


def _tree(order: Sequence[str], parent: Mapping[str, str]) -> dict[str, Place]:
    """Lay everything out as a tree: one to the right a step from the source, one row a leaf."""
    children: dict[str, list[str]] = {bus: [] for bus in order}
    depth: dict[str, int] = {}
    for bus in order:
        above = parent.get(bus)
        depth[bus] = 0 if above is None else depth[above] + 1
        if above is not None:
            children[above].append(bus)
    row = _leaf_rows(order, parent, children)
    for bus in reversed(order):
        if children[bus]:
            rows = [row[c] for c in children[bus]]
            row[bus] = (min(rows) + max(rows)) / 2.0
    return {bus: (float(depth[bus]), -row[bus]) for bus in order}


def _leaf_rows(
    order: Sequence[str], parent: Mapping[str, str], children: Mapping[str, list[str]]
) -> dict[str, float]:
    """Number the leaves so that the branches of a tree do not cross."""
    rows: dict[str, float] = {}
    waiting = [bus for bus in reversed(order) if bus not in parent]
    while waiting:
        bus = waiting.pop()
        if children[bus]:
            waiting += reversed(children[bus])
        else:
            rows[bus] = float(len(rows))
    return rows
