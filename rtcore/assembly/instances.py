"""Which component instances a network has, by kind: what settings may name and points may bind to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from rtcore.network.admittance import blocks, node_table
from rtcore.network.model import Network

SCRATCH_COUNT = 8

OPTIONAL = (
    "load_dynamics",
    "hvac",
    "microgrid",
    "load_shedding",
    "dispatch",
    "capacitor_control",
    "power_factor_correction",
    "harmonic_source",
    "harmonic_bus",
    "harmonic_pcc",
    "tuned_filter",
    "active_filter",
)
"""Kinds that exist only where the settings name them."""


def instances(network: Network) -> dict[str, list[str]]:
    """Return kind -> names of the instances that a network can have."""
    sources = [s.name for s in network.sources]
    machines = [d.name for d in network.ders if d.kind == "machine"]
    batteries = [d.name for d in network.ders if d.kind == "battery"]
    capacitors = [c.name for c in network.capacitors]
    switches = [s.name for s in network.switches]
    buses = [b.name for b in network.buses]
    terminals = terminal_names(network)
    loads = [x.name for x in network.loads]
    regulators = [r.name for r in network.regulators]
    return {
        "source": sources,
        "generator": sources + machines,
        "governor": sources + machines,
        "exciter": sources + machines,
        "loads": ["all"],
        "load": loads,
        "load_dynamics": loads,
        "hvac": loads,
        "weather": ["weather"],
        "thermal": [t.name for t in network.transformers],
        "bus": buses,
        "frequency": buses,
        "terminal": terminals,
        "breaker": switches,
        "sync_check": switches,
        "regulator": regulators,
        "tap_changer": regulators,
        "capacitor": capacitors,
        "capacitor_control": capacitors,
        "power_factor_correction": ["all"],
        "pv": [d.name for d in network.ders if d.kind == "pv"],
        "pv_fleet": ["all"],
        "battery": batteries,
        "dispatch": batteries,
        "microgrid": switches if batteries else [],
        "load_shedding": switches,
        "harmonic_source": [f"load.{n}" for n in loads] + [f"der.{d.name}" for d in network.ders],
        "harmonic_bus": buses,
        "harmonic_pcc": terminals,
        "tuned_filter": buses,
        "active_filter": buses,
        "scratch": [str(k) for k in range(1, SCRATCH_COUNT + 1)],
        "loop": ["loop"],
    }


def chosen(
    available: Mapping[str, Sequence[str]], sources: Collection[str], plant: Mapping[str, Collection[str]]
) -> dict[str, list[str]]:
    """Return kind -> names to build: measuring places only where a point is, options only where set."""
    bound = {s.partition(".")[::2] for s in sources}
    found = {}
    for kind, names in available.items():
        if kind in ("bus", "terminal", "frequency"):
            found[kind] = [n for n in names if (kind, n) in bound]
        elif kind in OPTIONAL:
            found[kind] = [n for n in names if n in plant.get(kind, ())]
        else:
            found[kind] = list(names)
    return found


def terminal_names(network: Network) -> list[str]:
    """Return "element@terminal" of every terminal of every element but loads."""
    return [
        f"{block.element}@{terminal}"
        for block in blocks(network, node_table(network))
        for terminal in sorted(set(block.terminal.tolist()))
    ]
