"""Which component instances a network has, by kind: what settings may name and points may bind to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from rtcore.component import settings_kind
from rtcore.network.admittance import blocks, node_table
from rtcore.network.model import Network
from rtcore.protection.scheme import Scheme

SCRATCH_COUNT = 8
FAULT_COUNT = 8
"""Faults that can be present at once."""
ATTACK_COUNT = 16
"""Points that can be attacked at once."""

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


FUNCTIONS = (
    "directional_67",
    "overcurrent_51",
    "instantaneous_50",
    "negative_sequence_46",
    "undervoltage_27",
    "overvoltage_59",
    "frequency_81",
    "rocof_81r",
    "thermal_49",
    "breaker_failure_50bf",
    "recloser_79",
)
"""Protection functions, in the order in which the step evaluates them."""


def instances(network: Network, scheme: Scheme | None = None) -> dict[str, list[str]]:
    """Return kind -> names of the instances that a network can have, with its protection."""
    sources = [s.name for s in network.sources]
    machines = [d.name for d in network.ders if d.kind == "machine"]
    batteries = [d.name for d in network.ders if d.kind == "battery"]
    capacitors = [c.name for c in network.capacitors]
    switches = [s.name for s in network.switches if s.kind != "fuse"]
    fuses = [s.name for s in network.switches if s.kind == "fuse"]
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
        "fuse": fuses,
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
        "fault": [str(k) for k in range(1, FAULT_COUNT + 1)],
        "arming": ["station"],
        "attack": [str(k) for k in range(1, ATTACK_COUNT + 1)],
        "injection": ["set"],
        "loop": ["loop"],
        "recorder": ["recorder"],
        "forecaster_alarms": ["forecaster"],
        **_protection(scheme or NO_SCHEME),
    }


NO_SCHEME = Scheme(name="", title="", relays=())


def _protection(scheme: Scheme) -> dict[str, list[str]]:
    """Return the relays, their elements by function, and a row of settings for each group of each."""
    relays = [r.name for r in scheme.relays]
    found: dict[str, list[str]] = {"relay": relays, "relay_inputs": relays}
    for kind in FUNCTIONS:
        of_kind = [(r.name, e) for r in scheme.relays for e in r.elements if e.function == kind]
        found[kind] = [f"{r}.{e.name}" for r, e in of_kind]
        found[settings_kind(kind)] = [
            f"{r}.{e.name}.{g}" for r, e in of_kind for g in range(1, len(e.settings) + 1)
        ]
    return found


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
