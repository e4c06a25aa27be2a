"""Islands and energised nodes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.network_files import read_network
from rtcore.network.admittance import blocks, node_table
from rtcore.network.topology import edges, energised, islands

NETWORK = read_network(Path(__file__).parents[4] / "config" / "networks" / "iowa240")
NODES = node_table(NETWORK)
BLOCKS = blocks(NETWORK, NODES)


def dead_nodes(opened: set[str], closed: set[str] = frozenset()) -> set[str]:  # type: ignore[assignment]
    a, b, block = edges(BLOCKS)
    out = {f"switch.{s.name}" for s in NETWORK.switches if not s.is_closed and s.name not in closed}
    out |= {f"switch.{name}" for name in opened}
    in_service = np.array([BLOCKS[k].element not in out for k in block])
    fed = NODES.of(NETWORK.sources[0].bus, NETWORK.sources[0].nodes)
    alive = energised(len(NODES.names), a, b, in_service, fed)
    return {n for n, is_alive in zip(NODES.names, alive, strict=True) if not is_alive}


def test_all_nodes_are_energised_as_shipped() -> None:
    assert dead_nodes(set()) == set()


@pytest.mark.parametrize(("breaker", "count"), [("cb_101", 79), ("cb_201", 260), ("cb_301", 558)])
def test_opening_a_feeder_breaker_kills_that_feeder_alone(breaker: str, count: int) -> None:
    # Independent count: OpenDSS finds 82, 263 and 561 dead nodes, three of each being stubs of a tie.
    dead = dead_nodes({breaker})
    assert len(dead) == count
    assert {n.removeprefix("t_").removeprefix("bus")[0] for n in dead} <= {breaker[3], "t"}


def test_a_tie_feeds_an_opened_feeder_from_its_neighbour() -> None:
    assert dead_nodes({"cb_101"}, {"cb_102"}) == set()


@given(st.integers(1, 12), st.data())
def test_islands_are_what_paths_say(n: int, data: st.DataObject) -> None:
    pairs = data.draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=15))
    reach = np.eye(n, dtype=bool)
    for i, j in pairs:
        reach[i, j] = reach[j, i] = True
    for _ in range(n):
        reach = (reach.astype(int) @ reach.astype(int)) > 0
    table = np.array(pairs, np.int64).reshape(-1, 2)
    island = islands(n, table[:, 0], table[:, 1])
    assert (np.equal.outer(island, island) == reach).all()
    assert (island == reach.argmax(axis=1)).all()
