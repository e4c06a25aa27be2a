"""What is not measured is named, and the rest is estimated as well as before."""

from __future__ import annotations

import numpy as np
import pytest

from estimation.measurements import Measurement
from estimation.observability import V_STD_MAX_PU, unobservable_states, voltage_std
from estimation.wls import Estimator
from tests.support import grid_readings as gr


def without_loads_at(buses: set[str], listed: list[Measurement]) -> list[Measurement]:
    return [m for m in listed if m.element not in buses]


@pytest.mark.parametrize("name", ["ieee13", "ieee123", "iowa240-prot"])
def test_with_every_load_and_one_voltage_everything_is_observable(name: str) -> None:
    """As many numbers as states: no redundancy, no gap."""
    grid = gr.solved(name)
    listed = [*gr.loads_once(grid), gr.at_node(gr.Kind.V_MAG, grid.nodes.names[0])]
    estimator = Estimator(grid.network, listed)
    found = estimator.estimate(*gr.Readings(grid).scan(listed))
    assert found.converged, found.reason
    assert found.observable.all()
    assert found.dof == 0 and found.threshold == np.inf


def test_without_a_voltage_nothing_is_observable() -> None:
    """Powers alone fit every voltage level, nearly: the level itself is held by the loads' squares only."""
    grid = gr.solved("ieee13")
    listed = gr.voltages(grid)
    estimator = Estimator(grid.network, listed)
    z, sigma = gr.Readings(grid).scan(listed)
    found = estimator.estimate(np.full_like(z, np.nan), sigma)
    assert not found.observable.any()
    states, n_free = unobservable_states(estimator.system, estimator.model.n_voltages)
    assert not states[: estimator.model.n_voltages].any()
    assert n_free == estimator.system.n - estimator.system.p


def test_one_unknown_load_beyond_a_single_voltage_leaves_two_directions_free() -> None:
    """P and Q of 611: every voltage depends on them, however little; the magnitude that is read does not."""
    grid = gr.solved("ieee13")
    listed = [*without_loads_at({"611"}, gr.loads_once(grid)), gr.at_node(gr.Kind.V_MAG, "611.3")]
    estimator = Estimator(grid.network, listed)
    found = estimator.estimate(*gr.Readings(grid).scan(listed))
    unknown = {n for n, o in zip(estimator.nodes, found.observable, strict=True) if not o}
    assert {"611.3", "684.3", "671.3", "632.3"} <= unknown
    assert unobservable_states(estimator.system, estimator.model.n_voltages)[1] == 2


def test_a_voltage_and_the_flow_into_the_lateral_make_it_observable_again() -> None:
    grid = gr.solved("ieee13")
    listed = without_loads_at({"611"}, gr.loads(grid))
    listed += [gr.at_node(gr.Kind.V_MAG, n) for n in ("rg60.1", "rg60.2", "rg60.3")]
    listed += [m for m in gr.flows(grid) if m.element == "line.684611"]
    estimator = Estimator(grid.network, listed)
    found = estimator.estimate(*gr.Readings(grid).scan(listed))
    assert found.observable.all()
    true = np.abs(grid.voltages)
    # As exact as the grid's solution, 1e-8 pu, times what flows amount to of the sigmas.
    assert np.max(np.abs(np.abs(found.v) - true) / grid.nodes.base_v) < 1e-6


def test_what_is_observable_is_as_accurate_as_with_all_meters() -> None:
    """Feeder A of Iowa240 has lost all knowledge of its loads and voltages but for what flows into it."""
    grid = gr.solved("iowa240-prot")
    heads = [
        m
        for m in gr.flows(grid, ("switch",))
        if m.element.removeprefix("switch.cb_") in ("101", "201", "301")
    ]
    bus1 = [gr.at_node(gr.Kind.V_MAG, f"bus1.{k}") for k in (1, 2, 3)]
    listed = [*gr.voltages(grid, 7), *bus1, *heads, *gr.loads(grid)]
    z, sigma = gr.Readings(grid).scan(listed)
    estimator = Estimator(grid.network, listed)
    of_a = np.array(["bus10" in m.element for m in listed])
    assert of_a.any()
    full = estimator.estimate(z, sigma)
    z[of_a] = np.nan
    found = estimator.estimate(z, sigma)
    assert found.converged, found.reason
    names = np.array(estimator.nodes)
    lost = names[full.observable & ~found.observable]
    assert len(lost) > 20
    assert all("bus10" in n or "_10" in n for n in lost)
    kept = found.observable
    error = np.abs(np.abs(found.v) - np.abs(grid.voltages)) / grid.nodes.base_v
    assert error[kept].max() < 1e-6  # the scan is exact: it stays so where anything is known


def test_the_same_is_said_in_every_run() -> None:
    grid = gr.solved("ieee13")
    listed = without_loads_at({"611"}, gr.loads(grid)) + gr.voltages(grid, 9)
    scan = gr.Readings(grid).scan(listed)
    first, second = (Estimator(grid.network, listed).estimate(*scan).observable for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_voltage_beside_currents_that_nobody_measures_is_not_observable() -> None:
    """One meter at the head: currents dominate the free directions, the drops behind them are small in it."""
    grid = gr.solved("ieee13")
    listed = [*gr.loads(grid), gr.at_node(gr.Kind.V_MAG, "650.1")]
    estimator = Estimator(grid.network, listed)
    z, sigma = gr.Readings(grid).scan(listed)
    assert estimator.estimate(z, sigma).observable.all()
    z[:-1] = np.nan
    found = estimator.estimate(z, sigma)
    assert not found.observable.any()


def test_accuracy_judges_voltages_only_where_a_direction_is_free() -> None:
    """Poor meters make a poor estimate, which the standard deviations tell, and not an unobservable one."""
    grid = gr.solved("ieee13")
    listed = [*gr.loads(grid), gr.at_node(gr.Kind.V_MAG, "650.1")]
    estimator = Estimator(grid.network, listed)
    z, sigma = gr.Readings(grid).scan(listed)
    sigma[-1] = 0.05 * z[-1]
    found = estimator.estimate(z, sigma)
    std = voltage_std(estimator.system, estimator.model.n_voltages)
    assert found.observable.all() and std.min() > V_STD_MAX_PU
    # The level is that of the one voltmeter, 5 %; redundant loads tell a little of it by their drops.
    assert 0.04 < std[estimator.model.state[0]] < 0.051
