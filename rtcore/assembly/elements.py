"""Elements of an assembled network that move or have points of their own, as the step takes them."""

from __future__ import annotations

from rtcore.assembly.places import (
    branch_numbers,
    first_rows,
    poles,
    terminal_named,
    terminal_rows_of,
    unit_numbers,
)
from rtcore.assembly.store import Store
from rtcore.assembly.switching import poles_of
from rtcore.network.grid import Grid
from rtcore.world import Breakers, Capacitors, Loads, Regulators, Terminals


def loads(grid: Grid, store: Store, *, ripple_pu: float, ripple_tau_s: float) -> Loads:
    """Return the loads; their ripple is that of the settings where they do not give one of their own."""
    n = len(grid.network.loads)
    return Loads(
        p=store.params("load", ripple_pu=[ripple_pu] * n, ripple_tau_s=[ripple_tau_s] * n),
        s=store.rows("load"),
        columns=store.columns("load"),
        branch=branch_numbers(grid),
    )


def terminals(grid: Grid, store: Store) -> Terminals:
    """Return the terminals that are measured."""
    rows, of, phase = terminal_rows_of(grid, [terminal_named(name) for name in store.names("terminal")])
    return Terminals(rows=rows, of=of, phase=phase, columns=store.columns("terminal"))


def breakers(grid: Grid, store: Store) -> Breakers:
    """Return the circuit breakers."""
    names = store.names("breaker")
    return Breakers(
        p=store.params("breaker"),
        s=store.rows("breaker"),
        units=poles(grid, names),
        poles=poles_of(grid, names),
    )


def regulators(grid: Grid, store: Store) -> Regulators:
    """Return the regulators with the steps and ends of the network's."""
    found = grid.network.regulators
    return Regulators(
        p=store.params(
            "regulator",
            step_pu=[r.step_pu for r in found],
            mid_pu=[r.mid_pu for r in found],
            tap_max=[float(r.tap_highest) for r in found],
        ),
        s=store.rows("regulator"),
        units=unit_numbers(grid, [f"regulator.{r.name}" for r in found]),
    )


def capacitors(grid: Grid, store: Store) -> Capacitors:
    """Return the capacitor banks."""
    names = [f"capacitor.{c.name}" for c in grid.network.capacitors]
    ends = [(name, 1) for name in names]
    return Capacitors(
        s=store.rows("capacitor"),
        units=unit_numbers(grid, names),
        rows=grid.terminal_rows(ends),
        first=first_rows(grid, ends),
    )
