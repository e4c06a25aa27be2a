"""Measurements as functions of the state: values against solved grids, derivatives against differences."""

from __future__ import annotations

import numpy as np
import pytest

from estimation.measurements import Kind
from estimation.wls import Estimator
from tests.support import grid_readings as gr

NETWORKS = ("ieee13", "ieee123", "iowa240-prot")


@pytest.mark.parametrize("name", NETWORKS)
def test_every_measurement_is_what_the_grid_has(name: str) -> None:
    grid = gr.solved(name)
    angles = [gr.at_node(Kind.V_ANG, n) for n in grid.nodes.names]
    injections = [gr.at_node(k, n) for k in (Kind.P_INJ, Kind.Q_INJ) for n in grid.nodes.names]
    listed = [*gr.voltages(grid), *angles, *injections, *gr.flows(grid)]
    estimator = Estimator(grid.network, listed)
    found, true = estimator.h(grid.voltages), gr.Readings(grid).values(listed)
    # Drops in closed poles of microhms, of voltages to 1e-16: currents to 1e-3 A, powers to a few W; a
    # study's solution itself rests at 1e-8 pu, whose leftovers at nodes of short lines are of that size too.
    np.testing.assert_allclose(found, true, rtol=1e-6, atol=10.0)
    is_voltage = np.array([m.kind in (Kind.V_MAG, Kind.V_ANG) for m in listed])
    np.testing.assert_allclose(found[is_voltage], true[is_voltage], rtol=1e-12, atol=1e-9)


def test_a_sum_over_nodes_is_the_sum() -> None:
    grid = gr.solved("ieee13")
    one = [gr.into(Kind.P_FLOW, "line.650632", 1, (k,)) for k in (1, 2, 3)]
    together = gr.into(Kind.P_FLOW, "line.650632", 1, (1, 2, 3))
    found = Estimator(grid.network, [*one, together]).h(grid.voltages)
    assert found[3] == pytest.approx(found[:3].sum(), rel=1e-12)
    assert found[3] > 3e6  # the whole feeder, into it


@pytest.mark.parametrize("name", ["ieee13", "ieee123"])
def test_derivatives_are_those_of_central_differences(name: str) -> None:
    """At a state off every relation, in random directions: no row may owe its value to an exact relation."""
    grid = gr.solved(name)
    angles = [gr.at_node(Kind.V_ANG, n) for n in grid.nodes.names]
    listed = [*gr.voltages(grid), *angles, *gr.loads(grid), *gr.flows(grid)]
    estimator = Estimator(grid.network, listed)
    f, rng = estimator.functionals, np.random.default_rng(1)
    n = estimator.model.n_states
    x = estimator.states_of(grid.voltages)
    x = x + 0.05 * (rng.standard_normal(n) + 1j * rng.standard_normal(n))
    jacobian = f.pattern.copy()
    jacobian.data = f.jacobian(x)
    step = 1e-5
    for _ in range(5):
        d = rng.standard_normal(2 * n)
        dx = step * (d[:n] + 1j * d[n:])
        difference = (f.h(x + dx) - f.h(x - dx)) / (2.0 * step)
        slope = jacobian @ d
        # Third derivatives of abs() and arg() go with 1/abs^2: the smallest currents here are 0.01 pu, the
        # difference is off by step^2 / 0.01^2 = 1e-6 of the slope.
        small = np.array([m.kind is Kind.I_MAG for m in listed]) & (np.abs(f.h(x)) < 0.01)
        np.testing.assert_allclose(difference[~small], slope[~small], rtol=1e-5, atol=1e-5)
        assert small.sum() < 0.1 * len(listed)


def test_where_no_current_can_be_nothing_is_behind_a_measurement() -> None:
    grid = gr.solved("iowa240-prot")
    listed = [
        gr.into(Kind.I_MAG, "switch.cb_102", 1, (1,)),
        gr.into(Kind.I_MAG, "switch.cb_101", 1, (1,)),
        gr.at_node(Kind.V_MAG, "bus1.1"),
    ]
    assert Estimator(grid.network, listed).functionals.is_dead.tolist() == [True, False, False]
