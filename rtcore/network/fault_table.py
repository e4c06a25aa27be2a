"""Places where faults can be, and their tables for the kernels.

Places are numbered: 0 none, then the buses, then the lines, both in network order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from rtcore.network.admittance import Block, Ints, NodeTable
from rtcore.network.grid_arrays import CONDUCTORS_MAX, ENDS_MAX, FAULT_SLOTS, LINE, SLOT, FaultSlots
from rtcore.network.model import Network

PHASES = 3


def place_table(network: Network) -> list[str]:
    """Return the names of all places by number: "none", "bus.<name>" .., "line.<name>" .. ."""
    return ["none", *(f"bus.{b.name}" for b in network.buses), *(f"line.{x.name}" for x in network.lines)]


def fault_slots(network: Network, nodes: NodeTable, blocks: Mapping[str, Block], at: Ints) -> FaultSlots:
    """Return empty slots over the places of a network; ``at``: network order -> elimination order."""
    bus_node = np.full((len(network.buses), PHASES), -1, np.int32)
    for b, bus in enumerate(network.buses):
        for phase in range(PHASES):
            node = nodes.index.get(f"{bus.name}.{phase + 1}")
            if node is not None:
                bus_node[b, phase] = at[node]
    slots = np.zeros(FAULT_SLOTS, SLOT)
    slots["before"] = -1
    work = np.zeros((3 * ENDS_MAX + 1, 2 * ENDS_MAX), np.complex128)
    return FaultSlots(bus_node, _line_table(network, blocks, at), slots, work)


def _line_table(network: Network, blocks: Mapping[str, Block], at: Ints) -> npt.NDArray[np.void]:
    table = np.zeros(len(network.lines), LINE)
    table["node"] = len(at) - 1
    table["conductor"] = table["last_slot"] = -1
    distance = _distances(network)
    far = len(network.buses)
    for row, line in zip(table, network.lines, strict=True):
        block, n = blocks[f"line.{line.name}"], len(line.nodes1)
        if n > CONDUCTORS_MAX:
            continue
        row["n"] = n
        row["node"][: 2 * n] = at[block.nodes]  # -1, ground, finds the last entry
        row["y"][: 2 * n, : 2 * n] = block.y
        for conductor, number in enumerate(line.nodes1):
            if 1 <= number <= PHASES:
                row["conductor"][number - 1] = conductor
        row["is_reversed"] = distance.get(line.bus2, far) < distance.get(line.bus1, far)
    return table


def _distances(network: Network) -> dict[str, int]:
    """Return how many elements each bus is away from the first source, open switches left out."""
    open_switches = {f"switch.{s.name}" for s in network.switches if not s.is_closed}
    buses_of: dict[str, set[str]] = {}
    for element, bus, _ in network.terminals():
        if element not in open_switches:
            buses_of.setdefault(element, set()).add(bus)
    neighbours: dict[str, set[str]] = {}
    for buses in buses_of.values():
        for bus in buses:
            neighbours.setdefault(bus, set()).update(buses)
    start = network.sources[0].bus
    distance, queue = {start: 0}, deque([start])
    while queue:
        bus = queue.popleft()
        for other in neighbours.get(bus, ()):
            if other not in distance:
                distance[other] = distance[bus] + 1
                queue.append(other)
    return distance
