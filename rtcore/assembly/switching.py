"""Poles of breakers and fuses, and the slots of faults and attacks, in an assembled network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rtcore.assembly.places import poles, terminal_rows_of
from rtcore.assembly.store import Floats, Store
from rtcore.network.grid import Grid
from rtcore.plant import arming, attack, fault, fuse
from rtcore.points import Kind, Point
from rtcore.world import Attacks, Faults, Fuses, Poles

_REGISTERED = (arming, fuse)  # importing a module declares its kind

LAB_KINDS = (
    "attack",
    "arming",
    "fault",
    "injection",
    "loop",
    "recorder",
    "forecaster_alarms",
    "scratch",
)
"""Kinds that are no part of the plant: nothing to attack."""


def poles_of(grid: Grid, names: Sequence[str]) -> Poles:
    """Return where the currents of switches are."""
    rows, of, phase = terminal_rows_of(grid, [(f"switch.{name}", 1) for name in names])
    return Poles(rows, of, phase, np.zeros((len(names), 3), np.complex128))


def fuses(grid: Grid, store: Store) -> Fuses:
    """Return the fuses, whole."""
    names = store.names("fuse")
    return Fuses(
        p=store.params("fuse"), s=store.rows("fuse"), units=poles(grid, names), poles=poles_of(grid, names)
    )


def faults(store: Store, library: Floats | None) -> Faults:
    """Return the fault slots, empty; ``library``: rows of the fault library, see ``fault.step``."""
    rows = store.rows("fault")
    fault.set_up(rows)
    return Faults(
        s=rows,
        library=np.zeros((0, len(fault.SETUP))) if library is None else np.ascontiguousarray(library),
        arming_p=store.params("arming"),
        arming=store.rows("arming"),
    )


def attacks(store: Store, points: Sequence[Point]) -> Attacks:
    """Return the attack slots, empty, and what they may attack: measured points of the plant."""
    rows = store.rows("attack")
    return Attacks(
        s=rows,
        is_open=np.array([is_attackable(p) for p in points], np.uint8),
        history=np.zeros((len(rows), attack.HISTORY)),
    )


def is_attackable(point: Point) -> bool:
    """Tell whether what a point shows may be falsified at its instrument."""
    is_measured = point.kind in (Kind.ANALOG, Kind.STATUS) and not point.is_health
    return is_measured and point.source.partition(".")[0] not in LAB_KINDS
