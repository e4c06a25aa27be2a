"""Points as arrays: where each value comes from, what its instrument does, how it takes commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from rtcore.assembly.store import Floats, Store
from rtcore.component import settings_kind
from rtcore.instruments import PointArrays, draw_gain, instrument_rows
from rtcore.network.grid import Grid
from rtcore.points import Kind, Point
from rtcore.shared_kernels import NOT_WRITABLE, PULSE, SETPOINT, SWITCH

NETWORK_KINDS = ("load", "loads", "bus", "terminal", "capacitor", "frequency", "sync_check")
"""Kinds whose analog attributes come from the network solution."""

FEEDING_KINDS = ("source", "generator", "battery", "pv", "pv_fleet")
SETTINGS = settings_kind("")

INTERLOCKS_MAX = 5
"""Most interlocks that one command has."""

NETWORK_ATTRS = ("p_w", "q_var", "s_va", "pf", "i_a", "v_pu")
"""Of those that feed the network, only these attributes do."""


def point_arrays(
    points: Sequence[Point],
    inst: Mapping[str, Floats],
    unit_factor: Floats,
    store: Store,
    grid: Grid,
    rng: np.random.Generator,
) -> PointArrays:
    """Return what the step needs of every point; draws the instruments' ratio errors."""
    n = len(points)
    conditions = [_interlocks(p, store) for p in points]
    is_cold = np.array([_kind(p).endswith(SETTINGS) for p in points], bool)
    is_status = np.array([p.kind is Kind.STATUS and not p.is_health for p in points], bool)
    return PointArrays(
        instrument=instrument_rows(
            n,
            source=[store.address(p.source, _attr(p)) for p in points],
            factor=unit_factor,
            gain=draw_gain(inst["class_frac"], rng),
            noise_frac=inst["noise_frac"],
            noise_abs=inst["noise_abs"],
            quantum=inst["quantum_abs"],
            cutoff=inst["cutoff_abs"],
            low=[p.minimum for p in points],
            high=[p.maximum for p in points],
            node=[_quality_node(p, grid) for p in points],
            is_analog=[p.kind is Kind.ANALOG and not p.is_health for p in points],
            is_network=[_is_network(p) for p in points],
        ),
        is_health=np.array([p.is_health for p in points], np.uint8),
        writable=np.array([_way(p, store) for p in points], np.uint8),
        guard=np.array([_named(p, store, "guard") for p in points], np.int64),
        interlock=np.array([where for where, _ in conditions], np.int64).reshape(n, INTERLOCKS_MAX),
        interlock_reason=np.array([why for _, why in conditions], np.int64).reshape(n, INTERLOCKS_MAX),
        hot=np.flatnonzero(~is_cold).astype(np.int32),
        cold=np.flatnonzero(is_cold).astype(np.int32),
        statuses=np.flatnonzero(is_status).astype(np.int32),
        stamp=np.array([_named(p, store, "stamp") for p in points], np.int64),
    )


def _attr(point: Point) -> str:
    """Return the attribute a point binds to; a leading "-" only turns the sign (in the factor)."""
    return point.attr.removeprefix("-")


def _kind(point: Point) -> str:
    return point.source.partition(".")[0]


def _is_network(point: Point) -> bool:
    """Tell whether a point shows the network solution, so that it is bad where there is none."""
    kind = _kind(point)
    return kind in NETWORK_KINDS or (kind in FEEDING_KINDS and _attr(point) in NETWORK_ATTRS)


def _way(point: Point, store: Store) -> int:
    """Return how the point takes commands; the point list may only narrow what the attribute allows."""
    declared = store.spec_of(point.source).attr(_attr(point)).writable
    if not point.is_writable or not declared:
        return NOT_WRITABLE
    if declared == "pulse":
        return PULSE
    return SWITCH if point.is_two_state else SETPOINT


def _named(point: Point, store: Store, which: str) -> int:
    """Return where the attribute stands that a point's attribute names as ``which``, -1 for none."""
    name = getattr(store.spec_of(point.source).attr(_attr(point)), which)
    return store.address(point.source, name) if name else -1


def _interlocks(point: Point, store: Store) -> tuple[list[int], list[int]]:
    """Return where the attributes stand that a command depends on, and the reason of each."""
    given = store.spec_of(point.source).attr(_attr(point)).interlocks
    where = [store.address(point.source, name) for name, _ in given]
    spare = [-1] * (INTERLOCKS_MAX - len(where))
    return where + spare, [int(why) for _, why in given] + spare


def _quality_node(point: Point, grid: Grid) -> int:
    """Return the node whose loss makes the point bad: the metered bus or load branch, else -1."""
    kind, _, name = point.source.partition(".")
    digit = next((c for c in _attr(point) if c in "123"), "")
    if kind == "bus":
        node = grid.nodes.index.get(f"{name}.{digit}", -1)
        return grid.node_at(node) if node >= 0 else -1
    if kind == "load" and digit:
        g = grid.arrays.loads
        index = next(i for i, x in enumerate(grid.network.loads) if x.name == name)
        branches = np.flatnonzero(g.load == index)
        return int(g.a[branches[int(digit) - 1]]) if int(digit) <= len(branches) else -1
    return -1
