"""Faults and switching on iowa240 against OpenDSS runs made at test time, the same way."""

from __future__ import annotations

import itertools

import pytest

from hil import paths
from hil.network_files import read_network
from rtcore.network import faults as ft
from rtcore.network.grid import Grid
from tests.support.oracle import ORIGINALS, Oracle, worst_pu

# The promise; both programs use the same load law, the difference is the floor at every node.
TOLERANCE_PU = 1e-6

MEDIUM_VOLTAGE = ["bus1", "bus1010", "bus2013", "bus2057", "bus3005", "bus3081", "bus3075", "bus1004"]
LOW_VOLTAGE = ["t_bus1003_l", "t_bus3009_l"]
KINDS = ["3phg", "3ph", "slg", "ll", "llg"]
TIES = {"cb_102": "bus2057", "cb_204": "bus3005", "cb_303": "bus2016"}
BREAKERS = ["cb_101", "cb_201", "cb_301", "cb_202", "cb_203", "cb_302"]


@pytest.fixture(scope="module")
def oracle() -> Oracle:
    judge = Oracle(ORIGINALS / "iowa240" / "Master_original.dss")
    for tie, bus in TIES.items():  # as our network has them: between their bus and the other feeder
        judge.do(f"edit line.{tie} bus2={bus}.1.2.3", f"open line.{tie} 1", f"open line.{tie} 2")
    judge.solve()
    return judge


@pytest.fixture
def grid() -> Grid:
    grid = Grid(read_network(paths.find("networks", "iowa240")))
    grid.solve()
    return grid


def test_both_programs_start_from_the_same_state(oracle: Oracle, grid: Grid) -> None:
    assert worst_pu(grid, oracle.voltages()) < TOLERANCE_PU


def opendss_fault(fault: ft.Fault) -> list[str]:
    """Properties of the fault as OpenDSS elements: resistors from each phase to ground or to each other."""
    numbers = ["abc".index(p) + 1 for p in fault.phases]
    if fault.kind in ("slg", "llg", "3phg"):
        ends = [(f"{fault.bus}.{k}", f"{fault.bus}.0", fault.r_ohm) for k in numbers]
    elif fault.kind == "ll":
        ends = [(f"{fault.bus}.{numbers[0]}", f"{fault.bus}.{numbers[1]}", 2 * fault.r_ohm)]
    else:
        pairs = itertools.combinations(numbers, 2)
        ends = [(f"{fault.bus}.{i}", f"{fault.bus}.{j}", 3 * fault.r_ohm) for i, j in pairs]
    return [f"phases=1 bus1={a} bus2={b} r={r!r}" for a, b, r in ends]


NUMBER = itertools.count()


CASES = [
    *(ft.Fault(bus, kind, ft.DEFAULT_PHASES[kind], 1e-4) for bus in MEDIUM_VOLTAGE for kind in KINDS),
    *(ft.Fault(bus, "slg", "b", 10.0) for bus in MEDIUM_VOLTAGE),
    *(ft.Fault(bus, "slg", "a", 1e-4) for bus in LOW_VOLTAGE),
]


@pytest.mark.parametrize("fault", CASES, ids=lambda f: f"{f.kind}-{f.bus}-{f.phases}-{f.r_ohm:g}ohm")
def test_fault_voltages_agree_with_opendss(oracle: Oracle, grid: Grid, fault: ft.Fault) -> None:
    ft.apply(grid, [fault])
    names = [f"fault.f{next(NUMBER)}" for _ in opendss_fault(fault)]  # a name can be used once
    oracle.do(*(f"new {n} {p}" for n, p in zip(names, opendss_fault(fault), strict=True)))
    try:
        oracle.solve()
        reference = oracle.voltages()
    finally:
        oracle.do(*(f"disable {n}" for n in names))
    assert worst_pu(grid, reference) < TOLERANCE_PU


@pytest.mark.parametrize("name", BREAKERS)
def test_opened_breaker_gives_the_voltages_and_dead_nodes_of_opendss(
    oracle: Oracle, grid: Grid, name: str
) -> None:
    grid.set_switch(name, False)
    grid.refresh()
    grid.solve()
    oracle.do(f"open line.{name} 1")
    try:
        oracle.solve()
        reference = oracle.voltages()
    finally:
        oracle.do(f"close line.{name} 1")
    assert worst_pu(grid, reference) < TOLERANCE_PU
    dead = {n for n, alive in zip(grid.nodes.names, grid.live, strict=True) if not alive}
    index, base = grid.nodes.index, grid.nodes.base_v
    assert dead == {n for n, v in reference.items() if n in index and abs(v) < 1e-3 * base[index[n]]}


@pytest.mark.parametrize("name", list(TIES))
def test_closed_tie_makes_a_loop_that_agrees_with_opendss(oracle: Oracle, grid: Grid, name: str) -> None:
    grid.set_switch(name, True)
    grid.refresh()
    grid.solve()
    oracle.do(f"close line.{name} 1", f"close line.{name} 2")
    try:
        oracle.solve()
        reference = oracle.voltages()
    finally:
        oracle.do(f"open line.{name} 1", f"open line.{name} 2")
    assert worst_pu(grid, reference) < TOLERANCE_PU


@pytest.mark.parametrize("tap", [-16, 0, 5, 16])
def test_moved_tap_agrees_with_opendss(oracle: Oracle, grid: Grid, tap: int) -> None:
    regulator = grid.network.regulators[0]
    grid.set_tap(regulator.name, tap)
    grid.refresh()
    grid.solve()
    settled = oracle.circuit.RegControls
    settled.Name = regulator.control
    before = settled.TapNumber
    settled.TapNumber = tap
    try:
        oracle.solve()
        reference = oracle.voltages()
    finally:
        settled.Name = regulator.control
        settled.TapNumber = before
    assert worst_pu(grid, reference) < TOLERANCE_PU


def test_cleared_fault_returns_to_the_state_before_it(grid: Grid) -> None:
    before = grid.voltages.copy()
    ft.apply(grid, [ft.Fault("bus2013", "3phg", "abc")])
    grid.set_faults([])
    grid.refresh()
    grid.solve()
    # twice the study tolerance of 1e-9 pu: both states are solved to it
    assert max(abs(grid.voltages - before) / grid.nodes.base_v) < 2e-9
