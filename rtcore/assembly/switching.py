"""Poles of breakers and fuses, and the slots of faults, in an assembled network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rtcore.assembly.places import poles, terminal_rows_of
from rtcore.assembly.store import Floats, Store
from rtcore.network.grid import Grid
from rtcore.plant import arming, fault, fuse
from rtcore.world import Faults, Fuses, Poles

_REGISTERED = (arming, fuse)  # importing a module declares its kind


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
