"""Where a relay measures: coil voltage, phase choice, direction of power, a bus elsewhere."""

from __future__ import annotations

import dataclasses as dc

import numpy as np
import pytest

from hil import paths
from hil.network_files import read_network
from rtcore.component import REGISTRY, rows_of
from rtcore.control.tap_changer import relay_of
from rtcore.control.tap_changer_inputs import TapChangerInputs, sense, wire
from rtcore.network.grid import Grid
from rtcore.network.model import Regulator


def sensed(transformer: str = "xfm1", **settings: object) -> tuple[Grid, TapChangerInputs]:
    """ieee13 with one of its three-phase transformers made a regulator, solved and read."""
    network = read_network(paths.find("networks", "ieee13"))
    ours = next(t for t in network.transformers if t.name == transformer)
    added = Regulator(**({"transformer": ours, "control": "relay", "pt_ratio": 20.0} | settings))
    others = tuple(t for t in network.transformers if t is not ours)
    grid = Grid(dc.replace(network, transformers=others, regulators=(*network.regulators, added)))
    grid.solve()
    inputs = wire(grid)
    p = rows_of([relay_of(r) for r in grid.network.regulators], REGISTRY["tap_changer"])
    sense(p, grid.arrays.v, grid.arrays.unit, inputs)
    return grid, inputs


def node(grid: Grid, name: str) -> complex:
    return complex(grid.voltages[grid.nodes.index[name]])


@pytest.mark.parametrize("phase", ["1", "2", "3"])
def test_the_phase_chosen_is_measured_to_neutral(phase: str) -> None:
    grid, w = sensed(measured_phase=phase)
    assert w.v_local[-1] == pytest.approx(node(grid, f"634.{phase}"))


@pytest.mark.parametrize(("choice", "pick"), [("max", np.argmax), ("min", np.argmin)])
def test_highest_or_lowest_phase_is_found(choice: str, pick) -> None:  # type: ignore[no-untyped-def]
    grid, w = sensed(measured_phase=choice)
    phases = np.array([node(grid, f"634.{k}") for k in (1, 2, 3)])
    assert w.v_local[-1] == pytest.approx(phases[pick(np.abs(phases))])


def test_the_choice_goes_by_the_compensated_voltage() -> None:
    # Loads of 634: phase 1 carries most. At 1 A of CT rating the drop decides, not the voltage.
    grid, w = sensed(measured_phase="max", r_v=1.0, ct_primary_a=1.0)
    current = grid.terminal_current("regulator.xfm1", 2)[:3]
    seen = [abs(node(grid, f"634.{k}") / 20.0 + i) for k, i in zip((1, 2, 3), current, strict=True)]
    chosen = int(np.argmax(seen))
    assert w.i_local[-1] == pytest.approx(current[chosen])
    assert chosen != int(np.argmax([abs(node(grid, f"634.{k}")) for k in (1, 2, 3)]))


def test_a_delta_winding_is_measured_between_phases() -> None:
    grid, w = sensed("sub", measured_winding=1, measured_phase="2")
    assert w.v_local[-1] == pytest.approx(node(grid, "sourcebus.2") - node(grid, "sourcebus.3"))


def test_power_towards_the_load_is_positive_and_that_of_the_load_behind() -> None:
    grid, w = sensed()
    behind = grid.network.loads
    wanted = sum(x.kw for x in behind if x.bus.startswith("634")) * 1e3
    assert w.s_forward_w[-1] == pytest.approx(wanted, rel=1e-6)  # constant power loads, nothing else at 634
    assert np.all(w.s_forward_w > 0.0)


def test_a_bus_elsewhere_is_seen_in_terms_of_the_local_transformer() -> None:
    grid, w = sensed(controlled_bus="671", controlled_node=2, remote_pt_ratio=10.0)
    assert w.v_distant[-1] == pytest.approx(2.0 * node(grid, "671.2"))
    assert w.v_distant[0] == 0.0  # the others regulate their own terminal
