"""Element admittances beside those of the OpenDSS engine, and what must hold of them by themselves."""

from __future__ import annotations

import dataclasses as dc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.importers.checked import difference
from hil.importers.engine import compiled
from hil.importers.opendss import _Importer
from hil.network_files import read_network
from rtcore.network.admittance import (
    Block,
    blocks,
    load_branches,
    node_table,
    regulator_parts,
    source_emf,
    source_impedance,
)
from rtcore.network.model import Network, Regulator, Source

ROOT = Path(__file__).parents[4]
ORIGINALS = ROOT / "tests" / "data" / "opendss"
NETWORKS = ROOT / "config" / "networks"
MASTERS = {
    "ieee13": "feeders/13Bus/IEEE13Nodeckt.dss",
    "ieee123": "feeders/123Bus/IEEE123Master.dss",
    "iowa240": "iowa240/Master_original.dss",
    "iowa240-ref": "iowa240/Master.dss",
}

# Both sides invert the same small matrices in double precision; measured 8e-16, one digit of room for
# other processors' order of additions.
SAME_ARITHMETIC = 1e-14


@pytest.fixture(scope="module")
def zoo() -> tuple[Network, Any, dict[str, str]]:
    pytest.importorskip("dss", reason="the comparison needs the OpenDSS engine")
    importer = _Importer(compiled(ORIGINALS / "zoo" / "Zoo.dss"), Path("Zoo.dss"))
    return importer.network(), importer.session, importer.engine_name


def test_every_kind_of_element_has_the_engines_primitive_admittance(zoo: Any) -> None:
    network, session, engine_name = zoo
    nodes = node_table(network)
    found = {b.element: b for b in blocks(network, nodes)}
    not_in_service = {"switch.opened", "switch.off"}
    assert found.keys() - engine_name.keys() == not_in_service
    assert {name.split(".")[0] for name in found} == {
        *("source", "line", "switch", "transformer", "regulator", "capacitor", "reactor"),
    }
    for name in found.keys() - not_in_service:
        numbers = [
            nodes.index[f"{bus}.{k}"] if k and f"{bus}.{k}" in nodes.index else -1
            for bus, ks in session.ends(engine_name[name])
            for k in ks
        ]
        assert difference(found[name], numbers, session.yprim(engine_name[name])) < SAME_ARITHMETIC, name


def test_load_branches_at_nominal_voltage_have_the_engines_primitive_admittance(zoo: Any) -> None:
    network, session, _ = zoo
    nodes = node_table(network)
    branches = load_branches(network, nodes)
    for i, load in enumerate(network.loads):
        rows = np.flatnonzero(branches.load == i)
        assert branches.share[rows].sum() == pytest.approx(1.0, abs=1e-15)
        y = np.zeros((len(nodes.names) + 1,) * 2, np.complex128)  # last row: ground
        for k in rows:
            s = 1e3 * complex(load.kw, -load.kvar) * branches.share[k]
            ends = [branches.a[k], branches.b[k]]
            y[np.ix_(ends, ends)] += s / branches.vb_v[k] ** 2 * np.array([[1, -1], [-1, 1]])
        ends = [k for bus, ks in session.ends(f"load.{load.name}") for k in nodes.of(bus, ks)]
        engine = np.zeros_like(y)
        np.add.at(engine, np.ix_(ends, ends), session.yprim(f"load.{load.name}"))
        # The engine raises the neutral's own admittance by one millionth.
        assert np.abs(y - engine)[:-1, :-1].max() <= 2e-6 * np.abs(engine).max(), load.name


@pytest.mark.parametrize("name", MASTERS)
def test_blocks_of_a_shipped_network_add_up_to_the_engines_system_matrix(name: str) -> None:
    pytest.importorskip("dss", reason="the comparison needs the OpenDSS engine")
    session = compiled(ORIGINALS / MASTERS[name])
    for command in ("set controlmode=off", "batchedit load..* enabled=no", "solve"):
        session.dss.Text.Command = command
    order = [str(n).lower() for n in session.circuit.YNodeOrder]
    flat = np.asarray(session.circuit.SystemY)
    flat = flat if np.iscomplexobj(flat) else flat[0::2] + 1j * flat[1::2]
    engine = flat.reshape(len(order), len(order)).T
    network = read_network(NETWORKS / name)
    nodes = node_table(network)
    is_open = {f"switch.{s.name}" for s in network.switches if not s.is_closed}
    own = np.zeros((len(nodes.names) + 1,) * 2, np.complex128)
    for block in blocks(network, nodes):
        if block.element not in is_open:
            np.add.at(own, np.ix_(block.nodes, block.nodes), block.y)
    place = [nodes.index[n] for n in order if n in nodes.index]
    kept = [i for i, n in enumerate(order) if n in nodes.index]
    assert len(place) == len(nodes.names)
    ties = {f"bus{b}.{p}" for b in (1010, 2013, 3081) for p in (1, 2, 3)}
    theirs = engine[np.ix_(kept, kept)]
    if is_open:  # the original ties lead to stub nodes: their self admittance sits on the tie's own bus
        for row, i in enumerate(kept):
            if order[i] in ties:
                theirs[row, row] -= 1.0 / network.switches[0].r_ohm
    gap = np.abs(own[np.ix_(place, place)] - theirs)
    # Sums of 1e7 S switches lose 16 digits of 1e7: the scale is the larger of both nodes' own admittance.
    own_s = np.abs(np.diag(engine))[kept]
    assert (gap / np.maximum.outer(own_s, own_s)).max() < 1e-13


def regulators() -> list[Regulator]:
    found = [r for name in MASTERS for r in read_network(NETWORKS / name).regulators]
    ganged = [r for r in found if r.transformer.phases == 3]
    assert ganged, "ieee123 has a ganged regulator"
    return [found[0], ganged[0]]


@pytest.mark.parametrize("tapped", [1, 2])
@pytest.mark.parametrize("regulator", regulators(), ids=lambda r: r.name)
def test_regulator_parts_give_the_transformer_at_any_tap(regulator: Regulator, tapped: int) -> None:
    regulator = dc.replace(regulator, tapped_winding=tapped)
    unit = regulator.transformer
    buses = read_network(NETWORKS / "ieee123").buses + read_network(NETWORKS / "ieee13").buses
    names = {b.name: b for b in buses}
    source = read_network(NETWORKS / "ieee13").sources[0]
    used = {w.bus for w in unit.windings} | {source.bus}
    for tap in (-16, -3, 0, 1, 16):
        ratio = regulator.ratio(tap)
        windings = tuple(
            dc.replace(w, tap=ratio if i == tapped else 1.0) for i, w in enumerate(unit.windings, 1)
        )
        network = Network(
            name="one",
            buses=tuple(names[b] for b in used),
            sources=(source,),
            transformers=(dc.replace(unit, windings=windings),),
        )
        nodes = node_table(network)
        whole = next(b for b in blocks(network, nodes) if b.element.startswith("transformer."))
        a, b, c = regulator_parts(regulator, nodes)
        # Exact up to the order of multiplications.
        assert np.abs(a + b / ratio + c / ratio**2 - whole.y).max() < 1e-13 * np.abs(whole.y).max()


def all_blocks() -> list[Block]:
    network = read_network(NETWORKS / "ieee123")
    return blocks(network, node_table(network))


def test_every_block_is_symmetric_because_every_element_is_reciprocal() -> None:
    for block in all_blocks():
        # Inversion of a symmetric matrix is symmetric up to rounding.
        assert np.abs(block.y - block.y.T).max() <= 1e-12 * np.abs(block.y).max(), block.element


def test_every_block_is_passive() -> None:
    for block in all_blocks():
        losses = np.linalg.eigvalsh(block.y.real)
        # A lossless element has zero losses up to rounding.
        assert losses.min() >= -1e-9 * np.abs(block.y).max(), block.element


def test_terminals_and_nodes_of_a_block_name_its_conductors() -> None:
    network = read_network(NETWORKS / "ieee13")
    nodes = node_table(network)
    block = next(b for b in blocks(network, nodes) if b.element == "line.632645")
    assert [nodes.names[k] for k in block.nodes] == ["632.3", "632.2", "645.3", "645.2"]
    assert block.terminal.tolist() == [1, 1, 2, 2]


def test_node_bases_are_line_to_neutral_volts_of_the_bus() -> None:
    network = read_network(NETWORKS / "ieee13")
    nodes = node_table(network)
    assert nodes.base_v[nodes.index["634.2"]] == pytest.approx(480 / 3**0.5, rel=1e-12)


@given(
    base=st.floats(0.1, 500.0),
    angle=st.floats(-180.0, 180.0),
    r=st.floats(0.0, 5.0),
    x=st.floats(0.01, 10.0),
    r0=st.floats(0.0, 5.0),
    x0=st.floats(0.01, 10.0),
)
def test_source_matrix_has_the_sequence_impedances_as_eigenvalues(
    base: float, angle: float, r: float, x: float, r0: float, x0: float
) -> None:
    source = Source(
        name="s",
        bus="b",
        nodes=(1, 2, 3),
        base_kv=base,
        angle_deg=angle,
        r1_ohm=r,
        x1_ohm=x,
        r0_ohm=r0,
        x0_ohm=x0,
    )
    z = source_impedance(source)
    emf = source_emf(source)
    assert np.abs(emf) == pytest.approx(1e3 * base / 3**0.5, rel=1e-12)
    # Positive sequence sees Z1, equal voltages see Z0; rounding only.
    scale = abs(complex(r, x)) + abs(complex(r0, x0))
    assert np.abs(z @ emf - complex(r, x) * emf).max() <= 1e-12 * scale * np.abs(emf).max()
    assert np.abs(z @ np.ones(3) - complex(r0, x0)).max() <= 1e-12 * scale
