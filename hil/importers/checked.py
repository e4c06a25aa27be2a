"""Proof of an import: every admittance that the network gives beside the engine's own."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Mapping

import numpy as np

from hil.importers.engine import Session
from hil.importers.report import Omission
from rtcore.network.admittance import Block, Complex, blocks, node_table
from rtcore.network.model import Network

REPORTED = 1e-9
"""Relative difference above which an element's admittance is reported: rounding stays far below."""


@dc.dataclass(frozen=True, slots=True)
class Deviations:
    """Largest relative difference, and the elements beyond ``REPORTED``."""

    largest: float
    omissions: tuple[Omission, ...]


def over_nodes(nodes: list[int], y: Complex) -> dict[tuple[int, int], complex]:
    """Add a block up by node pair, ground left out."""
    total: dict[tuple[int, int], complex] = {}
    for i, a in enumerate(nodes):
        for j, b in enumerate(nodes):
            if a >= 0 and b >= 0:
                total[a, b] = total.get((a, b), 0.0) + complex(y[i, j])
    return total


def difference(own: Block, engine_nodes: list[int], engine_y: Complex) -> float:
    """Return the largest difference by node pair, relative to the element's largest admittance."""
    mine = over_nodes([int(k) for k in own.nodes], own.y)
    theirs = over_nodes(engine_nodes, engine_y)
    gap = max((abs(mine.get(k, 0.0) - theirs.get(k, 0.0)) for k in mine.keys() | theirs.keys()), default=0.0)
    return float(gap / max(np.abs(engine_y).max(initial=0.0), 1e-300))


def compare_admittances(network: Network, session: Session, engine_name: Mapping[str, str]) -> Deviations:
    """Compare all blocks with the engine's; ``engine_name`` maps own elements to the engine's."""
    nodes = node_table(network)
    largest, omissions = 0.0, []
    for block in blocks(network, nodes):
        name = engine_name.get(block.element)
        if name is None:
            continue
        engine_nodes = [k for bus, numbers in session.ends(name) for k in _indices(nodes.index, bus, numbers)]
        gap = difference(block, engine_nodes, session.yprim(name))
        if gap > REPORTED:
            why = f"the admittance here differs from the engine's by {gap:.1e} (relative)"
            omissions.append(Omission(name, "", "", why))
        else:
            largest = max(largest, gap)
    return Deviations(largest, tuple(omissions))


BASE_FACTOR = 2.5
"""A winding rated further than this from its bus base shows a base that the engine guessed."""


def doubtful_bases(network: Network) -> list[Omission]:
    """Return the buses whose base does not fit the windings on them.

    The engine takes bases from a no-load solution: a bus that is dead there (behind an open switch)
    gets whatever base is next to 0 V.
    """
    base = {b.name: b.base_kv_ln for b in network.buses}
    units = [*network.transformers, *(r.transformer for r in network.regulators)]
    found = {
        w.bus: w.kv / (3**0.5 if t.phases > 1 else 1.0)
        for t in units
        for w in t.windings
        if not 1 / BASE_FACTOR < w.kv / (3**0.5 if t.phases > 1 else 1.0) / base[w.bus] < BASE_FACTOR
    }
    why = "the engine's base does not fit the {:.4g} kV winding there (was the bus dead?); set it by hand"
    return [
        Omission(f"bus.{bus}", "base_kv_ln", f"{base[bus]:.4g}", why.format(kv)) for bus, kv in found.items()
    ]


def _indices(index: Mapping[str, int], bus: str, numbers: tuple[int, ...]) -> list[int]:
    return [index.get(f"{bus}.{k}", -1) if k else -1 for k in numbers]
