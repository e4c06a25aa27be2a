"""Everything one station's step reads and writes, as one tuple of arrays.

Component state rows lie back to back in ``x`` (float64); the structured arrays here are
views of it, so a point is one index into ``x``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rtcore.instruments import PointArrays
from rtcore.network.factor import Complex, Ints
from rtcore.network.grid_arrays import Floats, GridArrays, TerminalRows

Rows = np.ndarray[Any, Any]
Words = npt.NDArray[np.int64]

# ``times``: what the step needs to know about time, all int64 [ns]
T_EPOCH, T_DT, T_PROFILE_START, T_PROFILE_STEP, T_PROFILE_WRAPS = range(5)

# ``counters``
K_STEPS, K_NOT_CONVERGED, K_IS_SOLVED, K_FP_EVENTS, K_COMMANDS, K_DIGEST, K_TOPOLOGY = range(7)


class World(NamedTuple):
    """The plant, its instruments and the memory it is shown in."""

    grid: GridArrays
    v_good: Complex
    x: Floats
    source_p: Rows
    source: Rows
    totals: Rows
    load_p: Rows
    load: Rows
    load_columns: Floats
    load_branch: Ints
    bus_at: Ints
    bus_columns: Floats
    terminal_rows: TerminalRows
    terminal_of: Ints
    terminal_phase: Ints
    terminal_columns: Floats
    breaker_p: Rows
    breaker: Rows
    breaker_units: Ints
    regulator_p: Rows
    regulator: Rows
    regulator_units: Ints
    capacitor: Rows
    capacitor_units: Ints
    capacitor_rows: TerminalRows
    capacitor_first: Ints
    loop: Rows
    profile_p: Floats
    profile_q: Floats
    times: Words
    noise: Floats
    keys: npt.NDArray[np.uint64]
    points: PointArrays
    image: Words
    values: Floats
    quality: npt.NDArray[np.uint8]
    status_before: Floats
    events: Words
    group: Words
    counters: Words
