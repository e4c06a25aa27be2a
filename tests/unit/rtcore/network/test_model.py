"""Plain facts of the network's data classes."""

from __future__ import annotations

import pytest

from rtcore.network.model import Bus, Conn, Der, Network, Source


@pytest.mark.parametrize(
    ("conn", "nodes", "phases"),
    [
        ("wye", (1, 0), 1),
        ("wye", (1, 2, 0), 2),
        ("wye", (1, 2, 3, 0), 3),
        ("delta", (1, 2), 1),
        ("delta", (1, 2, 3), 3),
    ],
)
def test_phases_of_a_resource_follow_from_its_nodes(conn: Conn, nodes: tuple[int, ...], phases: int) -> None:
    assert Der(name="a", kind="pv", bus="b", nodes=nodes, conn=conn, kv=1.0, kva=1.0).phases == phases


def test_terminals_hold_every_resource() -> None:
    network = Network(
        name="n",
        buses=(Bus(name="b", base_kv_ln=1.0),),
        sources=(
            Source(
                name="s", bus="b", nodes=(1,), base_kv=1.0, r1_ohm=0.0, x1_ohm=1.0, r0_ohm=0.0, x0_ohm=1.0
            ),
        ),
        ders=(Der(name="roof", kind="pv", bus="b", nodes=(1, 0), kv=1.0, kva=5.0),),
    )
    assert network.terminals() == [("source.s", "b", (1,)), ("der.roof", "b", (1, 0))]
