"""Kirchhoff and energy on random networks: radial and meshed, unbalanced, mixed loads."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcore.network.grid import Grid
from rtcore.network.model import Bus, Capacitor, Line, LineCode, Load, Network, Source, Switch

KV = 7.2
PHASES = st.sampled_from([(1, 2, 3), (1, 2, 3), (1, 2), (2, 3), (1,), (3,)])


def code(n: int) -> LineCode:
    def full(own: float, mutual: float) -> tuple[tuple[float, ...], ...]:
        return tuple(tuple(own if i == j else mutual for j in range(n)) for i in range(n))

    return LineCode(name=f"code{n}", unit="km", r=full(0.4, 0.1), x=full(0.8, 0.3), c_nf=full(12.0, -2.0))


@st.composite
def networks(draw: st.DrawFn) -> Network:
    n = draw(st.integers(3, 12))
    nodes: list[tuple[int, ...]] = [(1, 2, 3)]
    lines, loads = [], []
    for i in range(1, n):
        parent = draw(st.integers(0, i - 1))
        phases = tuple(p for p in draw(PHASES) if p in nodes[parent]) or nodes[parent]
        nodes.append(phases)
        lines.append(
            Line(
                name=f"l{i}", bus1=f"b{parent}", nodes1=phases, bus2=f"b{i}", nodes2=phases,
                linecode=f"code{len(phases)}", length=draw(st.floats(0.05, 3.0)), unit="km",
            )
        )  # fmt: skip
        loads += [draw(load(i, phase)) for phase in phases if draw(st.booleans())]
    ties = []
    full = [i for i, p in enumerate(nodes) if p == (1, 2, 3)]
    if len(full) > 2 and draw(st.booleans()):
        ties.append(
            Switch(
                name="tie", kind="switch", bus1=f"b{full[-1]}", nodes1=(1, 2, 3), bus2=f"b{full[-2]}",
                nodes2=(1, 2, 3), r_ohm=1e-3,
            )
        )  # fmt: skip
    bank = Capacitor(
        name="bank", bus1=f"b{full[-1]}", nodes1=(1, 2, 3), phases=3, kv=KV * 3**0.5,
        steps_kvar=(150.0,), steps_on=(True,),
    )  # fmt: skip
    return Network(
        name="random",
        buses=tuple(Bus(name=f"b{i}", base_kv_ln=KV) for i in range(n)),
        sources=(
            Source(name="source", bus="b0", nodes=(1, 2, 3), base_kv=KV * 3**0.5, r1_ohm=0.1, x1_ohm=0.5,
                   r0_ohm=0.2, x0_ohm=0.7),
        ),
        linecodes=tuple(code(k) for k in (1, 2, 3)),
        lines=tuple(lines),
        switches=tuple(ties),
        capacitors=(bank,),
        loads=tuple(loads),
    )  # fmt: skip


@st.composite
def load(draw: st.DrawFn, i: int, phase: int) -> Load:
    return Load(
        name=f"x{i}_{phase}", bus=f"b{i}", nodes=(phase, 0), phases=1, conn="wye", kv=KV,
        kw=draw(st.floats(0.0, 60.0)), kvar=draw(st.floats(-20.0, 30.0)),
        model=draw(st.sampled_from([1, 2, 4, 5])),
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(networks())
def test_currents_sum_to_zero_at_every_node_and_power_balances(network: Network) -> None:
    grid = Grid(network)
    grid.solve(tol_pu=1e-12)
    v = np.append(grid.voltages, 0.0)
    into = np.zeros(grid.n + 1, np.complex128)
    for element, block in grid.blocks.items():
        current = block.y @ v[block.nodes]
        if element.startswith("source."):
            current -= block.y[:, block.terminal == 1] @ _emf(network)
        np.add.at(into, block.nodes, current)
    g = grid.arrays.loads
    from rtcore.network.load_law import load_current

    order = {int(grid.at[i]): i for i in range(grid.n)} | {grid.n: grid.n}
    for k in range(len(g.a)):
        u = grid.arrays.v[g.a[k]] - grid.arrays.v[g.b[k]]
        i = load_current(u, g.s[k], g.vb[k], g.model[k], g.v_low[k], g.v_min[k], g.v_max[k], g.z[k])
        into[order[int(g.a[k])]] += i
        into[order[int(g.b[k])]] -= i
    # The floor of 1e-12 S at every node carries 7e-9 A; rounding of 7.2 kV through the 1e3 S tie 1e-8 A
    assert np.abs(into[: grid.n]).max() < 1e-6
    balance = grid.power_from_sources() - grid.load_power() - grid.losses()
    assert abs(balance) < 1e-6 * max(1.0, abs(grid.power_from_sources()))


@settings(max_examples=30, deadline=None)
@given(networks())
def test_losses_are_those_of_lines_and_never_negative(network: Network) -> None:
    grid = Grid(network)
    grid.solve(tol_pu=1e-12)
    v = np.append(grid.voltages, 0.0)
    in_elements = 0.0
    for element, block in grid.blocks.items():
        if not element.startswith("source."):
            at = v[block.nodes]
            in_elements += float(np.sum(at * np.conj(block.y @ at)).real)
    # each of up to 36 nodes loses V^2 * 1e-12 S = 5e-5 W in its floor; rounding is of that order
    assert grid.losses().real >= -1e-2
    assert abs(grid.losses().real - in_elements) < 1e-2


def _emf(network: Network) -> np.ndarray:  # type: ignore[type-arg]
    from rtcore.network.admittance import source_emf

    return source_emf(network.sources[0])
