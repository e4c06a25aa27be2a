"""The network at harmonic orders: the fundamental one at order 1, and what circuits say by hand."""

from __future__ import annotations

import dataclasses as dc

import numpy as np
import pytest

from hil import paths
from hil.network_files import read_network
from rtcore.network.factor import refactor
from rtcore.network.grid import Grid
from rtcore.network.harmonic_grid import (
    ORDERS,
    PLAIN,
    HarmonicGrid,
    Laws,
    Tuned,
    harmonic_network,
    line_skin,
    scan_order,
    stamp_order,
    take_units,
)
from rtcore.network.model import Bus, Capacitor, Der, Line, LineCode, Load, Network, Source, Switch

X_SOURCE, R_SOURCE = 0.5, 0.02
V = 2400.0

# Double precision, and the 1e-12 S that every node has to ground beside up to 600 ohm.
ROUNDING = 1e-8


def feeder(**more: object) -> Network:
    """Return a one-phase source bus "a", a switch, and bus "b" behind it."""
    network = Network(
        name="two",
        buses=(Bus(name="a", base_kv_ln=2.4), Bus(name="b", base_kv_ln=2.4)),
        sources=(
            Source(
                name="s",
                bus="a",
                nodes=(1,),
                base_kv=2.4,
                r1_ohm=R_SOURCE,
                x1_ohm=X_SOURCE,
                r0_ohm=R_SOURCE,
                x0_ohm=X_SOURCE,
            ),
        ),
        switches=(
            Switch(name="sw", kind="breaker", bus1="a", nodes1=(1,), bus2="b", nodes2=(1,), r_ohm=1e-4),
        ),
    )
    return dc.replace(network, **more)  # type: ignore[arg-type]


def bank(x_c_ohm: float, bus: str = "b") -> Capacitor:
    kvar = V**2 / x_c_ohm / 1e3
    return Capacitor(name="c", bus1=bus, nodes1=(1,), phases=1, kv=2.4, steps_kvar=(kvar,), steps_on=(True,))


def impedances(hg: HarmonicGrid, node: str) -> dict[int, complex]:
    i = hg.grid.nodes.index[node]
    return {h: hg.impedance(k, i) for k, h in enumerate(hg.orders)}


@pytest.mark.parametrize("name", ["ieee13", "ieee123", "iowa240"])
def test_at_order_one_the_matrix_is_the_fundamental_one(name: str) -> None:
    grid = Grid(read_network(paths.find("networks", name)))
    if grid.network.switches:
        grid.set_switch(grid.network.switches[0].name, False)
    for regulator in grid.network.regulators:
        grid.set_tap(regulator.name, -5)
    for capacitor in grid.network.capacitors[:1]:
        grid.set_capacitor(capacitor.name, False)
    grid.refresh()
    arrays = HarmonicGrid(grid, (1,)).arrays
    take_units(arrays.unit, arrays.live, grid.arrays.unit, grid.arrays.live)
    for part in ("stamp_a", "stamp_b", "stamp_c"):
        assert np.array_equal(getattr(arrays, part)[0], getattr(grid.arrays, part))
    stamp_order(arrays, 0)
    # The same sums of the same numbers, but two compiled loops may round the last bit differently.
    ours, theirs = arrays.factor.ax, grid.arrays.factor.ax
    assert np.all(np.abs(ours - theirs) <= 1e-15 * np.max(np.abs(theirs)))


def test_pattern_and_elimination_order_are_those_of_the_grid() -> None:
    grid = Grid(read_network(paths.find("networks", "ieee13")))
    arrays = HarmonicGrid(grid).arrays
    for part in ("ap", "ai", "parent", "lp"):
        assert getattr(arrays.factor, part) is getattr(grid.arrays.factor, part)
    before = grid.arrays.factor.lx.copy()
    scan_order(arrays, 3)
    assert np.array_equal(grid.arrays.factor.lx, before)


def test_source_and_capacitor_resonate_at_the_analytic_order() -> None:
    x_c = 49.0 * X_SOURCE  # resonance at sqrt(x_c / x_l) = 7
    grid = Grid(feeder(capacitors=(bank(x_c, "a"),)))
    found = impedances(HarmonicGrid(grid, tuple(range(1, 26))), "a.1")
    for h, z in found.items():
        expected = 1.0 / (1.0 / complex(R_SOURCE, X_SOURCE * h) + 1j * h / x_c)
        assert abs(z - expected) < ROUNDING * abs(expected), h
    assert max(found, key=lambda h: abs(found[h])) == 7
    # at resonance only the resistance is left: Z = x_l x_c / r, a resistance
    assert found[7].real == pytest.approx(X_SOURCE * x_c / R_SOURCE, rel=1e-3)  # r is small, not zero


def test_a_line_has_its_skin_effect_and_h_times_its_reactance() -> None:
    code = LineCode(name="k", unit="km", r=((0.3,),), x=((0.6,),), c_nf=((0.0,),))
    line = Line(name="l", bus1="b", nodes1=(1,), bus2="c", nodes2=(1,), linecode="k", length=2.0, unit="km")
    network = feeder(linecodes=(code,), lines=(line,), buses=(*feeder().buses, Bus(name="c", base_kv_ln=2.4)))
    for laws, skin in ((PLAIN, 1.0), (Laws(), line_skin(13.0))):
        hg = HarmonicGrid(Grid(network), (13,), laws=laws)
        z = hg.impedance(0, hg.grid.nodes.index["c.1"]) - hg.impedance(0, hg.grid.nodes.index["b.1"])
        assert z == pytest.approx(2.0 * complex(0.3 * skin, 0.6 * 13.0), rel=1e-6)  # 1e-12 S at each node
    assert line_skin(1.0) == 1.0
    assert line_skin(25.0) == pytest.approx(1.78, abs=0.01)  # the formula by hand


@pytest.mark.parametrize("h", ORDERS)
def test_a_load_is_part_series_part_parallel(h: int) -> None:
    load = Load(name="d", bus="a", nodes=(1, 0), phases=1, conn="wye", kv=2.4, kw=300.0, kvar=100.0)
    y1 = complex(300e3, -100e3) / V**2
    series = 0.3 * y1
    expected = 0.7 * complex(y1.real, y1.imag / h) + 1.0 / complex((1 / series).real, (1 / series).imag * h)
    hg = HarmonicGrid(Grid(feeder(loads=(load,))), (h,), laws=Laws(series=0.3))
    y = 1.0 / hg.impedance(0, hg.grid.nodes.index["a.1"]) - 1.0 / complex(R_SOURCE, X_SOURCE * h)
    assert y == pytest.approx(expected, rel=1e-6)  # the difference of two near numbers


def test_loads_that_lead_are_capacitors_and_loads_that_deliver_are_open() -> None:
    load = Load(name="d", bus="a", nodes=(1, 0), phases=1, conn="wye", kv=2.4, kw=300.0, kvar=-100.0)
    leading = harmonic_network(feeder(loads=(load,)), 5.0, Laws()).loads[0]
    assert (leading.kw, leading.kvar) == (300.0, -500.0)
    giving = harmonic_network(feeder(loads=(dc.replace(load, kw=-1.0),)), 5.0, Laws()).loads[0]
    assert (giving.kw, giving.kvar) == (0.0, 0.0)


def test_a_machine_is_its_reactance_while_it_is_in_service() -> None:
    der = Der(
        name="m", kind="machine", bus="b", nodes=(1, 2, 3, 0), kv=4.16, kva=1000.0, x1_pu=0.2, x0_pu=0.2
    )
    three = Source(
        name="s",
        bus="a",
        nodes=(1, 2, 3),
        base_kv=4.16,
        r1_ohm=R_SOURCE,
        x1_ohm=X_SOURCE,
        r0_ohm=R_SOURCE,
        x0_ohm=X_SOURCE,
    )
    pole = dc.replace(feeder().switches[0], nodes1=(1, 2, 3), nodes2=(1, 2, 3), r_ohm=1e-9)
    grid = Grid(feeder(sources=(three,), switches=(pole,), ders=(der,)))
    hg = HarmonicGrid(grid, (7,))
    out = hg.impedance(0, grid.nodes.index["b.1"])
    assert out == pytest.approx(complex(R_SOURCE, 7 * X_SOURCE), rel=1e-6)  # EPS_S and the switch
    grid.arrays.unit[grid.units["der.m"][0], 0] = 1.0
    grid.refresh()
    x = 0.2 * 4.16**2  # [ohm] on 1 MVA
    both = 1.0 / (1.0 / complex(R_SOURCE, 7 * X_SOURCE) + 1.0 / (7j * x))
    assert hg.impedance(0, grid.nodes.index["b.1"]) == pytest.approx(both, rel=1e-6)


def test_an_open_switch_and_an_open_bank_count_in_the_next_scan() -> None:
    grid = Grid(feeder(capacitors=(bank(24.5),)))
    hg = HarmonicGrid(grid, (5,))
    a, b = grid.nodes.index["a.1"], grid.nodes.index["b.1"]
    bare = complex(R_SOURCE, 5 * X_SOURCE)
    assert hg.impedance(0, a) != pytest.approx(bare, rel=1e-2)
    grid.set_capacitor("c", False)
    grid.refresh()
    assert hg.impedance(0, a) == pytest.approx(bare, rel=ROUNDING)
    grid.set_capacitor("c", True)
    grid.set_switch("sw", False)
    grid.refresh()
    assert hg.impedance(0, a) == pytest.approx(bare, rel=ROUNDING)
    assert hg.impedance(0, b) == 0.0  # dead: whatever is injected there is nothing


def test_a_regulator_passes_impedance_with_the_square_of_its_ratio() -> None:
    grid = Grid(read_network(paths.find("networks", "ieee13")))
    hg = HarmonicGrid(grid, (5,))
    i = grid.nodes.index["rg60.1"]
    z = []
    for tap in (0, 16):
        for regulator in grid.network.regulators:
            grid.set_tap(regulator.name, tap)
        grid.refresh()
        hg.arrays.live[:] = 1
        z.append(hg.impedance(0, i))
    # Upstream of rg60 nearly everything is seen through the ratio 1.1, downstream nothing is.
    assert abs(z[1]) > 1.05 * abs(z[0])


def test_a_tuned_branch_short_circuits_its_order_while_it_is_on() -> None:
    branch = Tuned(i=1, r_ohm=0.05, x_l_ohm=2.0, x_c_ohm=50.0)  # resonance at order 5
    hg = HarmonicGrid(Grid(feeder()), (3, 5, 7), branches=(branch,))
    off = impedances(hg, "b.1")
    hg.arrays.branch_on[:] = 1.0
    on = impedances(hg, "b.1")
    for h in (3, 5, 7):
        y = 1.0 / complex(0.05, 2.0 * h - 50.0 / h)
        assert on[h] == pytest.approx(1.0 / (1.0 / off[h] + y), rel=ROUNDING)
    assert abs(on[5]) < 0.05 < 0.05 * abs(off[5])


def test_currents_at_an_order_balance_at_a_terminal() -> None:
    grid = Grid(feeder(capacitors=(bank(24.5),)))
    hg = HarmonicGrid(grid, (5, 7), terminals=(("switch.sw", 2), ("capacitor.c", 1)))
    injected = np.zeros(grid.n, np.complex128)
    injected[grid.nodes.index["b.1"]] = 3.0 + 1.0j
    from rtcore.network.harmonic_grid import order_current

    for k in range(2):
        hg.scan_order(k, injected)
        a = hg.arrays
        total = sum(order_current(a.v, a.unit, hg.rows, k, r) for r in range(2))
        assert total == pytest.approx(3.0 + 1.0j, rel=1e-6)  # rounding through 1e4 S of the switch


@pytest.mark.parametrize("orders", [(), (5, 3), (3, 3), (0, 1)])
def test_orders_that_do_not_ascend_are_refused(orders: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="ascending"):
        HarmonicGrid(Grid(feeder()), orders)


def test_a_filter_between_buses_is_refused() -> None:
    network = dc.replace(feeder(), switches=(), buses=(*feeder().buses, Bus(name="c", base_kv_ln=2.4)))
    capacitors = tuple(dc.replace(bank(24.5, bus), name=bus) for bus in ("b", "c"))
    grid = Grid(dc.replace(network, capacitors=capacitors))
    i, j = grid.nodes.index["b.1"], grid.nodes.index["c.1"]
    with pytest.raises(ValueError, match=r"not b\.1 and c\.1"):
        HarmonicGrid(grid, branches=(Tuned(i=i, j=j, r_ohm=1.0, x_l_ohm=1.0, x_c_ohm=1.0),))


def test_factoring_leaves_no_trace_of_the_order_before() -> None:
    grid = Grid(read_network(paths.find("networks", "ieee13")))
    arrays = HarmonicGrid(grid).arrays
    stamp_order(arrays, 4)
    refactor(arrays.factor)
    alone = arrays.factor.lx.copy()
    for k in (11, 0, 4):
        stamp_order(arrays, k)
        refactor(arrays.factor)
    assert np.array_equal(arrays.factor.lx, alone)
