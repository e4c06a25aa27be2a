"""What a measurement file calls its places: buses, ends of branches, phases.

``l_1001_1002@bus1001`` is the end of that branch at that bus; the kind may stand before it
(``line.l_1001_1002@bus1001``) and must where two branches share a name.
"""

from __future__ import annotations

from collections.abc import Iterable

from rtcore.errors import did_you_mean
from rtcore.network import admittance as adm
from rtcore.network.model import Network

NO_BRANCHES = ("source", "load", "der")
"""What is connected at one bus and counts as injected there."""
LETTERS = "abc"


class WrongPlaceError(ValueError):
    """Says which column is wrong, and how."""

    def __init__(self, column: str, what: str) -> None:
        self.column = column
        super().__init__(what)


class Places:
    """Resolves elements and phases of one network."""

    def __init__(self, network: Network) -> None:
        self._buses: dict[str, tuple[int, ...]] = {b.name: () for b in network.buses}
        for name in adm.node_table(network).names:
            bus, _, number = name.rpartition(".")
            self._buses[bus] += (int(number),)
        self._ends: dict[str, list[tuple[str, tuple[int, ...]]]] = {}
        self._at_one_bus: dict[str, str] = {}
        for element, bus, nodes in network.terminals():
            if element.partition(".")[0] in NO_BRANCHES:
                self._at_one_bus[element] = bus
            else:
                self._ends.setdefault(element, []).append((bus, nodes))
        self._by_name: dict[str, list[str]] = {}
        for element in self._ends:
            self._by_name.setdefault(element.partition(".")[2], []).append(element)

    def at_bus(self, element: str, phase: str) -> tuple[str, int, tuple[int, ...]]:
        """Return (bus, 0, nodes) of a measurement at a bus; WrongPlaceError where there is none."""
        bus, at, _ = element.partition("@")
        if at:
            raise WrongPlaceError("element", f"{element!r} is the end of a branch; this kind is of a bus")
        if bus not in self._buses:
            near = did_you_mean(bus, self._buses)
            raise WrongPlaceError("element", f"no bus {bus!r} in this network{near}")
        nodes = _numbers(phase)
        _check_there(f"bus {bus}", nodes, self._buses[bus])
        return bus, 0, nodes

    def at_branch(self, element: str, phase: str) -> tuple[str, int, tuple[int, ...]]:
        """Return (element, terminal, nodes) of a measurement at a branch; WrongPlaceError likewise."""
        name, at, bus = element.rpartition("@")
        if not at:
            what = f"{element!r} names no end; write BRANCH@BUS"
            known = self._by_name.get(element.rpartition(".")[2])
            if known:
                what += f", e.g. {element}@{self._ends[known[0]][0][0]}"
            raise WrongPlaceError("element", what)
        branch, nodes = self._branch(name), _numbers(phase)
        ends = [(t, n) for t, (b, n) in enumerate(self._ends[branch], 1) if b == bus]
        if not ends:
            buses = list(dict.fromkeys(b for b, _ in self._ends[branch]))
            what = f"{branch} has no end at {bus!r}; it has them at {' and '.join(buses)}"
            raise WrongPlaceError("element", what + did_you_mean(bus, buses))
        fitting = [t for t, there in ends if set(nodes) <= set(there)]
        if not fitting:
            _check_there(f"{branch} at {bus}", nodes, [k for _, there in ends for k in there if k])
        if len(fitting) != 1:
            raise WrongPlaceError("phase", f"{phase!r} is not at one winding of {branch} at {bus}")
        return branch, fitting[0], nodes

    def _branch(self, name: str) -> str:
        if name in self._ends:
            return name
        for element in (name, *(f"{kind}.{name}" for kind in NO_BRANCHES)):
            if element in self._at_one_bus:
                what = f"{element} is no branch: its power is p_inj, q_inj at bus {self._at_one_bus[element]}"
                if element == name or name not in self._by_name:
                    raise WrongPlaceError("element", what)
        found = self._by_name.get(name, [])
        if len(found) == 1:
            return found[0]
        if found:
            raise WrongPlaceError("element", f"{name!r} may be {' or '.join(found)}; write which")
        near = did_you_mean(name, [*self._by_name, *self._ends])
        raise WrongPlaceError("element", f"no branch {name!r} in this network{near}")


def _numbers(phase: str) -> tuple[int, ...]:
    numbers = tuple(LETTERS.index(c) + 1 if c in LETTERS else int(c) if c.isdecimal() else 0 for c in phase)
    if not numbers or 0 in numbers or len(set(numbers)) < len(numbers):
        raise WrongPlaceError("phase", f"{phase!r} is no phase; a, b, c or 1, 2, 3, for sums like abc or 123")
    return tuple(sorted(numbers))


def _check_there(what: str, nodes: Iterable[int], there: Iterable[int]) -> None:
    missing = [letters((k,)) for k in nodes if k not in set(there)]
    if missing:
        present = ", ".join(letters((k,)) for k in sorted(set(there)))
        raise WrongPlaceError("phase", f"{what} has no phase {', '.join(missing)}; it has {present}")


def letters(nodes: Iterable[int]) -> str:
    """Return a, b, c for nodes 1, 2, 3, the number for others."""
    return "".join(LETTERS[k - 1] if k <= len(LETTERS) else str(k) for k in nodes)
