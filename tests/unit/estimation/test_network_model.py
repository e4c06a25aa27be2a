"""Exact relations of the estimator's model hold at solutions of the grid, under every status."""

from __future__ import annotations

import numpy as np
import pytest

from estimation.injection_flow import InjectionFlow
from estimation.network_model import S_BASE_VA, Frame, Model, Status
from estimation.wls import Estimator
from rtcore.network.grid import Grid
from tests.support import grid_readings as gr

NETWORKS = ("ieee13", "ieee123", "iowa240-prot")
HOLDS = 1e-6
"""Leftover of a relation over the sum of the sizes of its terms: the grid rests at 1e-8 pu of voltage; what
does not belong (a tap, an open pole) shows at 1e-3 and more."""


def leftover(estimator: Estimator, grid: Grid) -> float:
    """The worst relation: what is left, over the sizes of its terms [pu of at least a thousandth]."""
    x, exact = estimator.states_of(grid.voltages), estimator.model.exact
    return float(np.max(np.abs(exact @ x) / (abs(exact) @ np.abs(x) + 1e-3)))


@pytest.mark.parametrize("name", NETWORKS)
def test_relations_hold_at_a_solution(name: str) -> None:
    grid = gr.solved(name)
    estimator = Estimator(grid.network, gr.flows(grid))
    assert leftover(estimator, grid) < HOLDS
    assert estimator.model.live.all()


@pytest.mark.parametrize("name", NETWORKS)
def test_the_emf_has_angle_zero_in_the_only_island(name: str) -> None:
    grid = gr.solved(name)
    estimator = Estimator(grid.network, [])
    (reference,) = estimator.model.references
    emf = complex((reference @ estimator.states_of(grid.voltages))[0])
    source = grid.network.sources[0]
    assert emf.imag == pytest.approx(0.0, abs=1e-6)  # as far as the grid's solution goes
    assert emf.real == pytest.approx(
        source.v_pu * source.base_kv / grid.nodes.base_v[0] * 1e3 / 3**0.5, rel=1e-3
    )


def test_relations_tell_one_tap_from_the_next() -> None:
    grid = gr.solved("ieee123")
    name = grid.network.regulators[0].name
    status = Status.of(grid.network)
    grid.set_tap(name, status.taps[name] + 1)
    gr.re_solved(grid)
    estimator = Estimator(grid.network, [])
    assert leftover(estimator, grid) > 1e-3
    estimator.set_status(status.with_tap(name, status.taps[name] + 1))
    assert leftover(estimator, grid) < HOLDS


def test_relations_tell_a_bank_that_is_out() -> None:
    grid = gr.solved("ieee13")
    status = Status.of(grid.network)
    name = grid.network.capacitors[0].name
    grid.set_capacitor(name, False)
    gr.re_solved(grid)
    estimator = Estimator(grid.network, [])
    # Nodes of the bank carry a load: what is injected there takes the bank's current up, unless it says no.
    before = estimator.states_of(grid.voltages)
    estimator.set_status(Status(status.switches, status.taps, {**status.capacitors, name: False}))
    after = estimator.states_of(grid.voltages)
    assert leftover(estimator, grid) < HOLDS
    bus = grid.network.capacitors[0].bus1
    at = estimator.model.injection_state[[estimator.nodes.index(f"{bus}.{k}") for k in (1, 2, 3)]]
    kvar = sum(grid.network.capacitors[0].steps_kvar)
    # 200 kvar on each phase at 1 pu, S base 1/3 MVA; the voltage is within a tenth of that.
    np.testing.assert_allclose(np.abs(after - before)[at], kvar / 1e3, rtol=0.15)


@pytest.mark.parametrize("name", ["cb_101", "cb_202", "rcl_3107", "fuse_3040", "cb_201"])
def test_what_lies_behind_an_open_switch_is_dead(name: str) -> None:
    grid = gr.solved("iowa240-prot")
    grid.set_switch(name, False)
    gr.re_solved(grid)
    estimator = Estimator(grid.network, [], status=Status.of(grid.network).with_switch(name, False))
    np.testing.assert_array_equal(estimator.model.live, grid.live)
    assert 0 < np.count_nonzero(~grid.live) < len(grid.live)
    assert leftover(estimator, grid) < HOLDS


def test_one_open_pole_leaves_the_other_phases_alive() -> None:
    grid = gr.solved("iowa240-prot")
    unit = grid.units["switch.fuse_3040"][1]
    grid.arrays.unit[unit] = (0.0, 0.0, 0.0)
    gr.re_solved(grid)
    status = Status.of(grid.network).with_switch("fuse_3040", (True, False, True))
    estimator = Estimator(grid.network, [], status=status)
    assert ("fuse_3040", 1) not in estimator.model.pole_state
    assert {("fuse_3040", 0), ("fuse_3040", 2)} <= set(estimator.model.pole_state)
    model = estimator.model
    np.testing.assert_array_equal(model.live, grid.live)
    x = estimator.states_of(grid.voltages)
    injected = np.where(model.injection_state >= 0, x[model.injection_state], 0.0)
    v = np.where(model.live, grid.voltages, 0.0)
    s_va = v / estimator.frame.base_v * np.conj(injected) * S_BASE_VA
    s_va[[i for at in model.emf_nodes().values() for i in at]] = 0.0
    states = InjectionFlow(model).solve(s_va)
    # The dead conductor carries what is induced in it, here without load, in the grid with it.
    np.testing.assert_allclose(states[model.state[model.live]], x[model.state[model.live]], atol=1e-6)


def test_an_island_lives_on_a_resource_that_may_feed_it_and_has_an_angle_of_its_own() -> None:
    network = gr.read_network(gr.paths.find("networks", "iowa240-der"))
    der = next(d for d in network.ders if d.name == "dg_1")
    frame = Frame(network, "balanced")
    cut = Status.of(network)
    for switch in ("cb_101", "cb_201", "cb_301"):
        cut = cut.with_switch(switch, False)
    alone = Model(frame, cut)
    fed = Model(frame, Status(cut.switches, cut.taps, cut.capacitors, frozenset({der.name})))
    at = frame.nodes.index[f"{der.bus}.1"]
    assert not alone.live[at] and fed.live[at]
    assert (len(alone.references), len(fed.references)) == (1, 2)
    assert np.count_nonzero(fed.live) > np.count_nonzero(alone.live)


def test_metered_currents_that_cannot_be_have_no_state() -> None:
    grid = gr.solved("iowa240-prot")
    frame = Frame(grid.network, "balanced")
    keys = [("switch.cb_101", 1, 0), ("switch.cb_102", 1, 0)]
    model = Model(frame, Status.of(grid.network), keys)
    assert list(model.current_state) == keys[:1]
