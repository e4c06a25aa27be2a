"""The numbers that a fault slot takes, ``ENTRY`` and ``PLACE``, with what they stand for."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from hil.fault_library import BREAKS, PHASES, TYPES, FaultLibrary, FaultSection, phases_of_place
from hil.output import make_table
from rtcore.network.fault_table import place_table
from rtcore.network.model import Network

FAULT_COLUMNS: tuple[str, ...] = ("number", "name", "place", "at", "type", "phases", "r_ohm", "life")
PLACE_COLUMNS: tuple[str, ...] = ("number", "kind", "name", "phases")

PIPED_COLUMNS = 160
"""Nobody looks at a pipe, so the table need not fit into 80 columns."""

Cell = str | int | float


def fault_rows(library: FaultLibrary, network: Network) -> list[tuple[Cell, ...]]:
    """Return the named faults, number 1 first; ``at`` is empty at a bus."""
    return [
        (
            number,
            f.name,
            f"bus.{f.bus}" if f.bus is not None else f"line.{f.line}",
            "" if f.at is None else f.at,
            f.type,
            _phases(f, network),
            f.r_ohm,
            f.life,
        )
        for number, f in enumerate(library.faults, 1)
    ]


def _phases(fault: FaultSection, network: Network) -> str:
    """Return the phases that a fault takes: the first ones of its place where it names none."""
    if fault.phases is not None:
        return "".join(sorted(fault.phases))
    there = phases_of_place(network, fault)
    return there if fault.type in BREAKS else there[: TYPES[fault.type][1]]


def place_rows(network: Network) -> list[tuple[Cell, ...]]:
    """Return all places in the order of their numbers; 0, no place, is left out."""
    there = {f"line.{x.name}": set(x.nodes1) for x in network.lines}
    for _, bus, nodes in network.terminals():
        there.setdefault(f"bus.{bus}", set()).update(nodes)
    rows: list[tuple[Cell, ...]] = []
    for number, place in enumerate(place_table(network)):
        kind, _, name = place.partition(".")
        phases = "".join(p for k, p in enumerate(PHASES, 1) if k in there.get(place, ()))
        if number:
            rows.append((number, kind, name, phases))
    return rows


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]], out: Console) -> None:
    """Print rows as a table; a name is needed whole, so a narrow terminal breaks it."""
    table = make_table(title, columns, rows)
    for column in table.columns:
        column.overflow = "fold"
    (out if out.is_terminal else Console(file=out.file, width=PIPED_COLUMNS)).print(table)
