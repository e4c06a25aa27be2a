"""Power flow over the estimator's states against the grid's."""

from __future__ import annotations

import numpy as np
import pytest

from estimation.injection_flow import InjectionFlow
from estimation.wls import Estimator
from rtcore.network.grid import Grid
from tests.support import grid_readings as gr

NETWORKS = ("ieee13", "ieee123", "iowa240-prot")
SAME_PU = 1e-6
"""The grid rests when its steps are below 1e-8 pu; what it still lacks is of that size, times some tens where
lines are short."""


def voltages_pu(estimator: Estimator, states: np.ndarray) -> np.ndarray:
    found = np.zeros(estimator.frame.n, np.complex128)
    found[estimator.model.live] = states[: estimator.model.n_voltages]
    return found


def injected_va(grid: Grid) -> np.ndarray:
    readings = gr.Readings(grid)
    s = readings.v * np.conj(readings.injected)
    loaded = [grid.nodes.index[f"{d.bus}.{k}"] for d in grid.network.loads for k in d.nodes if k > 0]
    found = np.zeros_like(s)  # what sources deliver is to be found, the rest is rounding
    found[loaded] = s[loaded]
    return found


@pytest.mark.parametrize("name", NETWORKS)
def test_the_grids_injections_give_the_grids_voltages(name: str) -> None:
    grid = gr.solved(name)
    estimator = Estimator(grid.network, gr.flows(grid))
    states = InjectionFlow(estimator.model).solve(injected_va(grid))
    difference = voltages_pu(estimator, states) - grid.voltages / estimator.frame.base_v
    assert np.abs(difference).max() < SAME_PU
    relations = estimator.model.exact
    # Of each term: currents of a load between phases add up to zero as far as the grid's do.
    assert np.max(np.abs(relations @ states) / (abs(relations) @ np.abs(states) + 1e-3)) < SAME_PU


@pytest.mark.parametrize("name", NETWORKS)
def test_with_nothing_injected_it_is_the_grid_without_loads(name: str) -> None:
    grid = gr.solved(name)
    grid.set_loads(np.zeros(len(grid.network.loads), np.complex128))
    grid.solve()
    estimator = Estimator(grid.network, [])
    found = voltages_pu(estimator, InjectionFlow(estimator.model).no_load())
    assert np.abs(found - grid.voltages / estimator.frame.base_v).max() < SAME_PU


def test_power_between_two_nodes_goes_in_at_one_and_out_at_the_other() -> None:
    grid = gr.solved("ieee13")
    estimator = Estimator(grid.network, [])
    at = grid.nodes.index
    i, j, power = at["671.1"], at["671.2"], -100e3 - 50e3j
    flow, nothing = InjectionFlow(estimator.model), np.zeros(estimator.frame.n, np.complex128)
    states = flow.solve(nothing, between=[(i, j, power)])
    v = voltages_pu(estimator, states) * estimator.frame.base_v
    current = [complex(states[estimator.model.injection_state[k]]) for k in (i, j)]
    assert current[0] == pytest.approx(-current[1], rel=1e-9)
    base_a = 1e6 / 3.0 / estimator.frame.base_v[i]
    assert (v[i] - v[j]) * np.conj(current[0] * base_a) == pytest.approx(power, rel=1e-9)


def test_more_than_a_feeder_can_carry_is_an_error() -> None:
    grid = gr.solved("ieee13")
    estimator = Estimator(grid.network, [])
    with pytest.raises(ArithmeticError, match="did not converge"):
        InjectionFlow(estimator.model).solve(50.0 * injected_va(grid))
