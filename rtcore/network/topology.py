"""Which nodes hang together, and which of them a source feeds.

Two nodes hang together when an element that is in service has an admittance between them, be it
a conductor or a magnetic coupling (a transformer passes voltage on). Pure functions on arrays:
what the admittances are is ``admittance``'s affair.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from rtcore.network.admittance import Block, Ints

Bools = NDArray[np.bool_]


def edges(blocks: Iterable[Block]) -> tuple[Ints, Ints, Ints]:
    """Return the node pairs that every block ties together.

    Returns
    -------
    a, b : ndarray, shape (m,), int64
        Node indices, a < b; ground is left out.
    block : ndarray, shape (m,), int64
        Which block the pair comes from.
    """
    pairs: list[tuple[int, int, int]] = []
    for number, block in enumerate(blocks):
        rows, columns = np.nonzero(block.y)
        found = {
            (min(a, b), max(a, b))
            for a, b in zip(block.nodes[rows].tolist(), block.nodes[columns].tolist(), strict=True)
            if a >= 0 and b >= 0 and a != b
        }
        pairs += [(a, b, number) for a, b in sorted(found)]
    table = np.array(pairs, np.int64).reshape(-1, 3)
    return table[:, 0].copy(), table[:, 1].copy(), table[:, 2].copy()


def islands(n: int, a: Ints, b: Ints) -> Ints:
    """Return for each of ``n`` nodes the smallest node of its island (union-find, path halving).

    Parameters
    ----------
    n : int
    a, b : ndarray, shape (m,), int64
        Edges in service.
    """
    parent = list(range(n))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for i, j in zip(a.tolist(), b.tolist(), strict=True):
        low, high = sorted((root(i), root(j)))
        parent[high] = low
    return np.array([root(i) for i in range(n)], np.int64)


def energised(n: int, a: Ints, b: Ints, is_in_service: Bools, fed: Sequence[int] | Ints) -> Bools:
    """Tell for each node whether it hangs together with a fed one.

    Parameters
    ----------
    n : int
        Number of nodes.
    a, b : ndarray, shape (m,), int64
        All edges.
    is_in_service : ndarray, shape (m,), bool
        False for edges of open switches and of sources switched off.
    fed : sequence of int
        Nodes that a source drives; -1 (ground) is passed over.

    Returns
    -------
    ndarray, shape (n,), bool
    """
    island = islands(n, a[is_in_service], b[is_in_service])
    alive = {int(island[i]) for i in fed if i >= 0}
    return np.isin(island, sorted(alive))
