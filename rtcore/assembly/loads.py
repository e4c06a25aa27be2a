"""Weather, and what changes the demand of loads beside the profile."""

from __future__ import annotations

import dataclasses as dc
from typing import Any

import numpy as np

from rtcore.assembly.store import Floats, Store
from rtcore.network.grid import Grid
from rtcore.plant import hvac, load_dynamics, weather
from rtcore.world import DemandParts, WeatherArrays


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Sky:
    """Prepared weather over time, each row valid at the start of its interval.

    ``poa_w_m2``, ``ambient_degc``: shape (n_t,), clear-sky irradiance in the plane of the arrays
    and temperature.
    """

    start_ns: int
    step_ns: int
    poa_w_m2: Floats
    ambient_degc: Floats
    wraps: bool = False


RATED_AMBIENT_DEGC = 30.0
"""Where nothing is said of the weather: the ambient temperature of transformer ratings, and night."""


def weather_arrays(store: Store, sky: Sky | None) -> WeatherArrays:
    """Return the weather at its start."""
    sky = sky or Sky(
        start_ns=0, step_ns=10**9, poa_w_m2=np.zeros(1), ambient_degc=np.full(1, RATED_AMBIENT_DEGC)
    )
    p, s = store.params("weather"), store.rows("weather")
    weather.init(p, s)
    s["ambient_degc"] = sky.ambient_degc[0]
    return WeatherArrays(
        p=p,
        s=s,
        poa_w_m2=np.ascontiguousarray(sky.poa_w_m2),
        ambient_degc=np.ascontiguousarray(sky.ambient_degc),
        times=np.array([sky.start_ns, sky.step_ns, sky.wraps], np.int64),
    )


def demand_parts(grid: Grid, store: Store, ambient_degc: float, key: np.uint64) -> DemandParts:
    """Return factors of 1 and additions of 0, and the components that change them."""
    n = len(grid.network.loads)
    dynamics, groups = store.rows("load_dynamics"), store.rows("hvac")
    load_dynamics.init(dynamics)
    hvac_p = store.params("hvac")
    rooms = np.zeros((len(groups), hvac.UNITS, 2))
    hvac.init(hvac_p, groups, rooms, ambient_degc, key)
    return DemandParts(
        now=np.repeat(np.array([[1.0], [1.0], [0.0], [0.0]]), n, axis=1),
        dynamics_p=store.params("load_dynamics"),
        dynamics=dynamics,
        dynamics_load=_load_numbers(grid, store, "load_dynamics"),
        dynamics_node=_load_nodes(grid, store, "load_dynamics"),
        dynamics_k=np.ones((4, len(dynamics))),
        hvac_p=hvac_p,
        hvac=groups,
        hvac_rooms=rooms,
        hvac_load=_load_numbers(grid, store, "hvac"),
        hvac_node=_load_nodes(grid, store, "hvac"),
        hvac_live=np.ones(len(groups)),
    )


def _load_numbers(grid: Grid, store: Store, kind: str) -> Any:
    index = {x.name: i for i, x in enumerate(grid.network.loads)}
    return np.array([index[name] for name in store.names(kind)], np.int32)


def _load_nodes(grid: Grid, store: Store, kind: str) -> Any:
    """Return the node of the first branch of each load."""
    arrays = grid.arrays.loads
    first = [int(np.flatnonzero(arrays.load == i)[0]) for i in _load_numbers(grid, store, kind)]
    return arrays.a[first].astype(np.int32) if first else np.zeros(0, np.int32)
