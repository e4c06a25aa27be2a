"""Harmonic scan of a world: which places the settings name, and its arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from rtcore.assembly.places import terminal_named
from rtcore.assembly.store import Plant, Store
from rtcore.network.grid import Grid
from rtcore.network.harmonic_grid import ORDERS
from rtcore.plant.harmonics import Harmonics
from rtcore.plant.harmonics_setup import (
    ActivePlace,
    PccPlace,
    Places,
    SourcePlace,
    TunedPlace,
    build_harmonics,
)

KINDS = ("harmonic_source", "harmonic_bus", "harmonic_pcc", "tuned_filter", "active_filter")


def harmonics(grid: Grid, store: Store, plant: Plant) -> Harmonics:
    """Return the scan; without any place it has no orders left to do and costs nothing."""
    names = {kind: store.names(kind) for kind in KINDS}

    def given(kind: str, name: str) -> dict[str, Any]:
        return dict(plant.get(kind, {}).get(name, {}))

    meters = [(n, *terminal_named(n)) for n in names["harmonic_pcc"]]
    places = Places(
        sources=[SourcePlace(element=n, **given("harmonic_source", n)) for n in names["harmonic_source"]],
        buses=names["harmonic_bus"],
        pccs=[
            PccPlace(element=element, terminal=terminal, **given("harmonic_pcc", n))
            for n, element, terminal in meters
        ],
        tuned=[TunedPlace(bus=n, **given("tuned_filter", n)) for n in names["tuned_filter"]],
        active=[ActivePlace(bus=n, **given("active_filter", n)) for n in names["active_filter"]],
    )
    rows = {kind: store.rows(kind) for kind in KINDS}
    if any(names.values()):
        return build_harmonics(grid, places, rows, ORDERS)
    idle = build_harmonics(grid, places, rows, ORDERS[:1])  # same types: one compiled loop for all stations
    return idle._replace(orders=np.zeros(0, np.int64))
