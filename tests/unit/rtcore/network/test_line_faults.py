"""Faults inside a line: exact sections, chains, what is dead, what the line's terminals carry."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcore.network import fault_slots as fs
from rtcore.network.fault_table import place_table
from rtcore.network.grid import Grid
from rtcore.network.grid_arrays import FAULT_SLOTS
from rtcore.network.model import Bus, Line, LineCode, Load, Network, Reactor, Source

Z = ((0.3, 0.1, 0.09, 0.08), (0.1, 0.31, 0.1, 0.09), (0.09, 0.1, 0.3, 0.1), (0.08, 0.09, 0.1, 0.4))
X = ((0.9, 0.4, 0.3, 0.2), (0.4, 0.88, 0.4, 0.3), (0.3, 0.4, 0.9, 0.4), (0.2, 0.3, 0.4, 1.1))
C = ((12.0, -2.0, -1.0, -1.0), (-2.0, 13.0, -2.0, -1.0), (-1.0, -2.0, 12.0, -2.0), (-1.0, -1.0, -2.0, 9.0))
BUSES = ("head", "mid", "end", "side")
BASE_KV = 7.2

# A circuit of about 1 S solved to 1e-12 pu: rounding leaves 1e-11 pu, and Grid.solve's tolerance 1e-9.
TOLERANCE_PU = 1e-8


def code(name: str, phases: int) -> LineCode:
    cut = [tuple(row[:phases] for row in m[:phases]) for m in (Z, X, C)]
    return LineCode(name=name, unit="km", r=cut[0], x=cut[1], c_nf=cut[2])


def line(name: str, a: str, b: str, nodes: tuple[int, ...], length: float, shape: str) -> Line:
    return Line(
        name=name, bus1=a, nodes1=nodes, bus2=b, nodes2=nodes, linecode=shape, length=length, unit="km"
    )


def network(*lines: Line, extra_buses: tuple[str, ...] = (), grounded: tuple[str, ...] = ()) -> Network:
    """A feeder of three buses whose middle line may be given otherwise, and a one-phase lateral."""
    middle = lines or (line("trunk", "mid", "end", (1, 2, 3), 2.0, "three"),)
    one = [
        Load(name=f"l{p}", bus="end", nodes=(p, 0), phases=1, conn="wye", kv=BASE_KV, kw=200.0, kvar=80.0)
        for p in (1, 2, 3)
    ]
    return Network(
        name="feeder",
        buses=tuple(Bus(name=b, base_kv_ln=BASE_KV) for b in (*BUSES, *extra_buses)),
        sources=(
            Source(
                name="grid",
                bus="head",
                nodes=(1, 2, 3),
                base_kv=BASE_KV * 3**0.5,
                r1_ohm=0.1,
                x1_ohm=0.8,
                r0_ohm=0.2,
                x0_ohm=1.2,
            ),
        ),
        linecodes=(code("three", 3), code("one", 1), code("four", 4)),
        lines=(
            line("first", "head", "mid", (1, 2, 3), 1.0, "three"),
            *middle,
            line("lateral", "end", "side", (2,), 0.7, "one"),
        ),
        loads=tuple(one),
        reactors=tuple(
            Reactor(name=f"ground_{b}", bus1=b, nodes1=(4,), phases=1, r_ohm=5.0, x_ohm=0.1) for b in grounded
        ),
    )


def solved(net: Network) -> Grid:
    grid = Grid(net)
    grid.solve()
    return grid


def put(grid: Grid, slot: int, name: str, kind: int, **how: float) -> None:
    assert grid.set_place_fault(slot, place_table(grid.network).index(name), kind, **how) == fs.ACCEPTED  # type: ignore[arg-type]


def voltages(grid: Grid) -> dict[str, complex]:
    grid.refresh()
    grid.solve()
    return dict(zip(grid.nodes.names, grid.voltages.tolist(), strict=True))


def worst_pu(a: dict[str, complex], b: dict[str, complex]) -> float:
    return max(abs(a[n] - b[n]) for n in a.keys() & b.keys()) / (1e3 * BASE_KV)


def split(at: float, broken: tuple[int, ...] = ()) -> Network:
    """Return the feeder with a bus inside its trunk; broken phases go on under other numbers."""
    near = line("near", "mid", "cut", (1, 2, 3), 2.0 * at, "three")
    far = line("far", "cut", "end", (1, 2, 3), 2.0 * (1 - at), "three")
    beyond = tuple(n + 4 if n in broken else n for n in (1, 2, 3))
    far = Line(**{**{f: getattr(far, f) for f in far.__slots__}, "nodes1": beyond})
    return network(near, far, extra_buses=("cut",))


SHORTS = [fs.F_3PH, fs.F_3PHG, fs.F_SLG, fs.F_LL, fs.F_LLG]


@pytest.fixture(scope="module")
def feeder() -> Grid:
    return solved(network())


@pytest.fixture
def grid(feeder: Grid) -> Grid:
    feeder.clear_faults()
    feeder.refresh()
    feeder.solve()
    return feeder


@pytest.mark.parametrize(("kind", "at"), [*itertools.product(SHORTS, (0.001, 0.37, 0.999))])
def test_a_fault_in_a_line_is_that_at_a_bus_there(grid: Grid, kind: int, at: float) -> None:
    put(grid, 0, "line.trunk", kind, fraction=at, r_ohm=0.5)
    other = solved(split(at))
    put(other, 0, "bus.cut", kind, r_ohm=0.5)
    assert worst_pu(voltages(grid), voltages(other)) < TOLERANCE_PU
    ours, theirs = grid.arrays.faults.slots[0], other.arrays.faults.slots[0]
    assert np.allclose(ours["i"], theirs["i"], rtol=1e-7, atol=1e-6)
    assert np.allclose(ours["v"], theirs["v"], rtol=1e-7, atol=1e-3)
    assert ours["is_live"] == theirs["is_live"] == 1


@pytest.mark.parametrize("mask", range(1, 8))
def test_broken_phases_are_those_of_a_bus_where_they_do_not_go_on(grid: Grid, mask: int) -> None:
    broken = tuple(p + 1 for p in range(3) if mask & (1 << p))
    put(grid, 0, "line.trunk", fs.F_OPEN, fraction=0.3, phases=mask)
    other = voltages(solved(split(0.3, broken)))
    assert worst_pu(voltages(grid), other) < TOLERANCE_PU
    slot = grid.arrays.faults.slots[0]
    for p in broken:
        assert abs(slot["v"][p - 1] - other[f"cut.{p}"]) < TOLERANCE_PU * 1e3 * BASE_KV
        assert abs(slot["v_far"][p - 1] - other[f"cut.{p + 4}"]) < TOLERANCE_PU * 1e3 * BASE_KV
    assert not slot["i"].any()


@given(
    places=st.lists(
        st.tuples(st.integers(1, 999), st.sampled_from([*SHORTS, fs.F_OPEN, fs.F_OPEN_GROUNDED])),
        min_size=2,
        max_size=4,
        unique_by=lambda place: place[0],
    )
)
@settings(max_examples=20, deadline=None)
def test_several_faults_on_one_line_do_not_depend_on_their_slots(
    feeder: Grid, places: list[tuple[int, int]]
) -> None:
    seen = []
    for order in (places, places[::-1]):
        feeder.clear_faults()
        for slot, (at, kind) in enumerate(order):
            put(feeder, slot, "line.trunk", kind, fraction=at / 1000, r_ohm=1.0)
        seen.append(voltages(feeder))
    assert worst_pu(*seen) < TOLERANCE_PU


def test_two_faults_at_one_place_of_a_line_add_up(grid: Grid) -> None:
    put(grid, 0, "line.trunk", fs.F_SLG, fraction=0.4, phases=1, r_ohm=1.0)
    put(grid, 1, "line.trunk", fs.F_SLG, fraction=0.4, phases=2, r_ohm=1.0)
    evolved = voltages(grid)
    grid.clear_faults()
    put(grid, 0, "line.trunk", fs.F_LLG, fraction=0.4, phases=3, r_ohm=1.0)
    assert worst_pu(evolved, voltages(grid)) < 2e-5  # they are moved apart by 1e-5 of the length


@pytest.mark.parametrize(("first", "second"), [*itertools.product((fs.F_OPEN, fs.F_OPEN_GROUNDED), repeat=2)])
@pytest.mark.parametrize("apart", [0.0, 0.001, 0.5])
def test_two_breaks_are_as_open_as_one_and_the_piece_between_harms_nothing(
    grid: Grid, first: int, second: int, apart: float
) -> None:
    put(grid, 0, "line.trunk", first, fraction=0.3, phases=1, r_ohm=50.0)
    alone = voltages(grid)
    put(grid, 1, "line.trunk", second, fraction=0.3 + apart, phases=1, r_ohm=50.0)
    # What the other phases induce in the piece is no longer on the load side: some 3 V of 7200 V.
    assert worst_pu(alone, voltages(grid)) < 1e-6 + 1e-3 * apart
    slots = grid.arrays.faults.slots
    assert np.isfinite(slots["v"]).all() and np.isfinite(slots["y_line"]).all()
    assert (slots[0]["is_live"], slots[1]["is_live"]) == (1, 0)


def test_two_faults_on_one_line_are_those_at_two_buses(grid: Grid) -> None:
    put(grid, 5, "line.trunk", fs.F_SLG, fraction=0.2, phases=2, r_ohm=3.0)
    put(grid, 1, "line.trunk", fs.F_LL, fraction=0.6, phases=5, r_ohm=1.0)
    parts = [("mid", "cut", 0.4), ("cut", "cut2", 0.8), ("cut2", "end", 0.8)]
    lines = [line(f"part{k}", a, b, (1, 2, 3), x, "three") for k, (a, b, x) in enumerate(parts)]
    other = solved(network(*lines, extra_buses=("cut", "cut2")))
    put(other, 0, "bus.cut", fs.F_SLG, phases=2, r_ohm=3.0)
    put(other, 1, "bus.cut2", fs.F_LL, phases=5, r_ohm=1.0)
    assert worst_pu(voltages(grid), voltages(other)) < TOLERANCE_PU
    for ours, theirs in ((5, 0), (1, 1)):
        i = [g.arrays.faults.slots[k]["i"] for g, k in ((grid, ours), (other, theirs))]
        assert np.allclose(*i, rtol=1e-7, atol=1e-6)


def test_terminal_currents_of_a_faulted_line_add_up_to_the_fault_and_its_charging(grid: Grid) -> None:
    put(grid, 0, "line.trunk", fs.F_SLG, fraction=0.4, phases=1, r_ohm=0.1)
    voltages(grid)
    into = grid.terminal_current("line.trunk", 1) + grid.terminal_current("line.trunk", 2)
    (fault, *_), charging_a = grid.arrays.faults.slots[0]["i"], 2 * 377 * 13e-9 * 2.0 * 1e3 * BASE_KV
    assert abs(fault) > 1000.0
    assert abs(into[0] - fault) < charging_a and np.all(np.abs(into[1:]) < charging_a)
    assert np.allclose(grid.terminal_current("line.first", 2), -grid.terminal_current("line.trunk", 1))


def test_phases_behind_a_break_are_dead_unless_the_fault_joins_them(grid: Grid) -> None:
    put(grid, 0, "line.trunk", fs.F_OPEN, fraction=0.5, phases=2)
    voltages(grid)
    dead = {n for n, alive in zip(grid.nodes.names, grid.live, strict=True) if not alive}
    assert dead == {"end.2", "side.2"}  # coupling to the other phases of the trunk feeds nothing
    put(grid, 1, "bus.end", fs.F_LL, phases=3, r_ohm=1.0)
    voltages(grid)
    assert grid.live.all()  # phase a feeds b over the fault


def test_a_fault_between_two_breaks_is_dead(grid: Grid) -> None:
    put(grid, 0, "line.trunk", fs.F_OPEN, fraction=0.2, phases=7)
    put(grid, 1, "line.trunk", fs.F_SLG, fraction=0.5, phases=2)
    put(grid, 2, "line.first", fs.F_SLG, fraction=0.5, phases=2, r_ohm=100.0)
    voltages(grid)
    assert [int(grid.arrays.faults.slots[k]["is_live"]) for k in range(3)] == [1, 0, 1]


def test_a_grounded_break_carries_current_on_its_source_side_alone(grid: Grid) -> None:
    backwards = line("trunk", "end", "mid", (1, 2, 3), 2.0, "three")
    for g, at in ((grid, 0.4), (solved(network(backwards)), 0.6)):
        put(g, 0, "line.trunk", fs.F_OPEN_GROUNDED, fraction=at, phases=1, r_ohm=0.1)
        v = voltages(g)
        slot = g.arrays.faults.slots[0]
        assert abs(slot["i"][0]) > 1000.0 and abs(slot["i"][0] - slot["v"][0] / 0.1) < 1e-6
        assert abs(v["end.1"]) < 0.1e3 * BASE_KV


def test_cleared_faults_leave_the_matrix_as_it_was(grid: Grid) -> None:
    ax, link = grid.arrays.factor.ax.copy(), grid.arrays.link.copy()
    for slot in range(FAULT_SLOTS):
        put(grid, slot, "line.trunk" if slot % 2 else "bus.end", fs.F_SLG, fraction=0.1 * (slot + 1))
    voltages(grid)
    assert not np.array_equal(grid.arrays.factor.ax, ax)
    grid.clear_faults()
    grid.refresh()
    assert np.array_equal(grid.arrays.factor.ax, ax) and np.array_equal(grid.arrays.link, link)


def test_a_line_with_a_neutral_conductor_can_carry_faults() -> None:
    trunk = line("trunk", "mid", "end", (1, 2, 3, 4), 2.0, "four")
    g = solved(network(trunk, grounded=("mid", "end")))
    near = line("near", "mid", "cut", (1, 2, 3, 4), 1.0, "four")
    far = line("far", "cut", "end", (1, 2, 3, 4), 1.0, "four")
    other = solved(network(near, far, extra_buses=("cut",), grounded=("mid", "end")))
    put(g, 0, "line.trunk", fs.F_LLG, fraction=0.5, phases=6, r_ohm=1.0)
    put(other, 0, "bus.cut", fs.F_LLG, phases=6, r_ohm=1.0)
    assert worst_pu(voltages(g), voltages(other)) < TOLERANCE_PU


REFUSED = [
    ({"place": 0}, fs.NO_SUCH_PLACE),
    ({"place": 8}, fs.NO_SUCH_PLACE),
    ({"place": float("nan")}, fs.NO_SUCH_PLACE),
    ({"place": -1e300}, fs.NO_SUCH_PLACE),
    ({"kind": 0}, fs.BAD_TYPE),
    ({"kind": 8}, fs.BAD_TYPE),
    ({"kind": 1.5}, fs.BAD_TYPE),
    ({"kind": float("nan")}, fs.BAD_TYPE),
    ({"place": 3, "kind": fs.F_OPEN}, fs.NOT_A_LINE),
    ({"fraction": 0.0}, fs.BAD_FRACTION),
    ({"fraction": float("nan")}, fs.BAD_FRACTION),
    ({"r_ohm": 0.0}, fs.BAD_RESISTANCE),
    ({"r_ohm": float("inf")}, fs.BAD_RESISTANCE),
    ({"r_ohm": float("nan")}, fs.BAD_RESISTANCE),
    ({"mask": 8}, fs.BAD_PHASES),
    ({"mask": float("nan")}, fs.BAD_PHASES),
    ({"mask": 3, "kind": fs.F_SLG}, fs.BAD_PHASES),
    ({"mask": 1, "place": 4, "kind": fs.F_SLG}, fs.PHASE_NOT_THERE),
    ({"place": 7, "kind": fs.F_LL}, fs.PHASE_NOT_THERE),
]


@pytest.mark.parametrize(("change", "refusal"), REFUSED)
def test_a_fault_that_cannot_be_is_refused_and_leaves_the_slot(
    grid: Grid, change: dict[str, float], refusal: int
) -> None:
    how = {"place": 6, "fraction": 0.5, "kind": fs.F_SLG, "mask": 0, "r_ohm": 1.0}
    assert place_table(grid.network)[6] == "line.trunk" and place_table(grid.network)[4] == "bus.side"
    assert fs.set_fault(grid.arrays.faults, 0, *map(float, how.values())) == fs.ACCEPTED
    before = grid.arrays.faults.slots.tobytes()
    assert fs.set_fault(grid.arrays.faults, 0, *map(float, (how | change).values())) == refusal
    assert grid.arrays.faults.slots.tobytes() == before


def test_without_named_phases_the_first_ones_of_the_place_are_taken(grid: Grid) -> None:
    put(grid, 0, "bus.side", fs.F_SLG)
    put(grid, 1, "bus.end", fs.F_LL)
    put(grid, 2, "line.lateral", fs.F_OPEN)
    assert list(grid.arrays.faults.slots["phases"][:3]) == [2, 3, 2]
