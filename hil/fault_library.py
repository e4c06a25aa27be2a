"""Fault library: named faults of a network in one TOML file, checked against the network.

The rows are what ``rtcore.plant.fault`` loads into a slot, numbered from 1 in file order.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from hil.settings_errors import Section, check_model, load_toml
from rtcore.errors import Problem, UserInputError, did_you_mean
from rtcore.network.fault_table import place_table
from rtcore.network.model import Network

__all__ = ["FaultLibrary", "FaultSection", "NamedFault", "place_table", "read_fault_library", "survey_faults"]

FORMAT = 1
PHASES = "abc"

TYPES = {"3ph": (1, 3), "3phg": (2, 3), "slg": (3, 1), "ll": (4, 2), "llg": (5, 2)}
"""Number of each type and how many phases it takes."""

BREAKS = {"open": 6, "openg": 7}

LIVES = {"permanent": 0, "temporary": 1, "self-clearing": 2, "intermittent": 3}

TIMES_OF_LIFE = {
    "permanent": (),
    "temporary": ("deionise_s",),
    "self-clearing": ("duration_s",),
    "intermittent": ("on_s", "off_s"),
}

DEFAULT_S = {"duration_s": 0.1, "deionise_s": 0.2, "on_s": 0.05, "off_s": 0.2}

Seconds = Annotated[float, Field(gt=0, le=1e6)]


class FaultSection(Section):
    """What a fault is and how it ends."""

    bus: str | None = None
    """Faulted bus; or a line:"""
    line: str | None = None
    """Faulted line."""
    at: Annotated[float, Field(ge=0.001, le=0.999)] | None = None
    """Place on the line, share of its length from bus1."""
    type: Literal["3ph", "3phg", "slg", "ll", "llg", "open", "openg"]
    """Type; openg is a broken conductor whose source side is grounded."""
    phases: Annotated[str, Field(pattern=r"^[abc]{1,3}$")] | None = None
    """Faulted phases; the first ones that the place has by default."""
    r_ohm: Annotated[float, Field(ge=1e-6, le=1e9)] = 1e-4
    """Resistance of each faulted conductor to the common point."""
    life: Literal["permanent", "temporary", "self-clearing", "intermittent"] = "permanent"
    """How it ends."""
    duration_s: Seconds | None = None
    """Self-clearing: how long it lasts."""
    deionise_s: Seconds | None = None
    """Temporary: time without voltage after which it is gone."""
    on_s: Seconds | None = None
    """Intermittent: mean time that it is there."""
    off_s: Seconds | None = None
    """Intermittent: mean time between."""


class NamedFault(FaultSection):
    """One ``[[fault]]`` table."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    """Name, lower case."""
    title: str = ""
    """What it is, for people."""


@dc.dataclass(frozen=True, slots=True)
class FaultLibrary:
    """Named faults of one network; number 1 is the first."""

    faults: tuple[NamedFault, ...]
    rows: npt.NDArray[np.float64]
    """Shape (n, 10), columns as ``rtcore.plant.fault.SETUP``."""

    @property
    def names(self) -> list[str]:
        """Names in order."""
        return [f.name for f in self.faults]


def empty() -> FaultLibrary:
    """Return a library without faults."""
    return FaultLibrary((), np.zeros((0, 10)))


def read_fault_library(path: Path, network: Network) -> FaultLibrary:
    """Return a library; raises UserInputError with every problem in it."""
    library, problems = survey_faults(path, network)
    if problems:
        raise UserInputError(problems)
    return library


def survey_faults(path: Path, network: Network | None) -> tuple[FaultLibrary, list[Problem]]:
    """Read a library as far as it goes, with all problems; without a network it has no rows.

    Without a network no name of it is checked, nor whether a place has the phases.
    """
    raw, problems = load_toml(path)
    if problems:
        return empty(), problems
    file = str(path)
    if raw.get("format") != FORMAT:
        problems.append(Problem(file, "format", f"{raw.get('format')!r} is not known; must be {FORMAT}"))
    for key in raw.keys() - {"format", "fault"}:
        allowed = ["format", "fault"]
        what = f"unknown key; allowed: {', '.join(allowed)}{did_you_mean(key, allowed)}"
        problems.append(Problem(file, key, what))
    tables = raw.get("fault", [])
    if not isinstance(tables, list):
        return empty(), [*problems, Problem(file, "fault", "a list of [[fault]] tables is needed")]
    places = None if network is None else place_table(network)
    faults: list[NamedFault] = []
    for k, table in enumerate(tables):
        fault, found = check_model(NamedFault, table, file, f"fault[{k}]")
        if fault is not None:
            found = [Problem(file, f"fault[{k}].{key}", what) for key, what in wrong(fault, network, places)]
            if fault.name in {f.name for f in faults}:
                found.append(Problem(file, f"fault[{k}].name", f"{fault.name!r} is there twice"))
            faults.append(fault)
        problems += found
    if problems:
        return empty(), problems
    rows = np.array([row(f, places) for f in faults if places], np.float64).reshape(-1, 10)
    return FaultLibrary(tuple(faults), rows), []


def wrong(
    fault: FaultSection, network: Network | None, places: Sequence[str] | None
) -> list[tuple[str, str]]:
    """Return (key, what) of all that one fault and its network, where it is known, do not agree on."""
    found: list[tuple[str, str]] = []
    if (fault.bus is None) == (fault.line is None):
        found.append(("bus", "either bus or line is needed, and not both"))
    elif fault.bus is not None:
        found += _wrong_name("bus", fault.bus, places)
        if fault.at is not None:
            found.append(("at", "a bus has no share of a length; leave it out, or name a line"))
        if fault.type in BREAKS:
            found.append(("type", f"conductors break on lines: {fault.type} needs a line, not a bus"))
    elif fault.line is not None:
        found += _wrong_name("line", fault.line, places)
        if fault.at is None:
            found.append(("at", "this key is missing; where on the line, 0.001 to 0.999 of its length"))
    if not found:
        found += _wrong_phases(fault, PHASES if network is None else phases_of_place(network, fault))
    used = TIMES_OF_LIFE[fault.life]
    for key in DEFAULT_S:
        if key not in used and getattr(fault, key) is not None:
            found.append((key, f"has no meaning for a {fault.life} fault; leave it out"))
    return found


def _wrong_name(kind: str, name: str, places: Sequence[str] | None) -> list[tuple[str, str]]:
    if places is None or f"{kind}.{name}" in places:
        return []
    known = [p.removeprefix(f"{kind}.") for p in places if p.startswith(f"{kind}.")]
    return [(kind, f"no {kind} {name!r} in this network{did_you_mean(name, known)}")]


def phases_of_place(network: Network, fault: FaultSection) -> str:
    """Return the phases that the place of a fault has, like "ab"."""
    if fault.line is not None:
        numbers = set(next(x.nodes1 for x in network.lines if x.name == fault.line))
    else:
        numbers = {n for _, bus, nodes in network.terminals() if bus == fault.bus for n in nodes}
    return "".join(p for k, p in enumerate(PHASES, 1) if k in numbers)


def _wrong_phases(fault: FaultSection, there: str) -> list[tuple[str, str]]:
    wanted = TYPES[fault.type][1] if fault.type in TYPES else 0
    if fault.phases is None:
        if len(there) < max(wanted, 1):
            return [("type", f"{fault.type} takes {wanted} phases; the place has {there or 'none'}")]
        return []
    chosen, found = set(fault.phases), []
    if len(chosen) != len(fault.phases) or (wanted and len(chosen) != wanted):
        many = f"{wanted} different phases" if wanted else "every phase once"
        found.append(("phases", f"{fault.phases!r}: {fault.type} takes {many}"))
    if chosen - set(there):
        found.append(("phases", f"{fault.phases!r}: the place has only {there or 'none'}"))
    return found


def row(fault: FaultSection, places: Sequence[str]) -> list[float]:
    """Return the setpoints of a fault, in the order of ``rtcore.plant.fault.SETUP``."""
    place = f"bus.{fault.bus}" if fault.bus is not None else f"line.{fault.line}"
    number = BREAKS[fault.type] if fault.type in BREAKS else TYPES[fault.type][0]
    times: Mapping[str, Any] = {key: getattr(fault, key) or value for key, value in DEFAULT_S.items()}
    return [
        float(places.index(place)),
        0.5 if fault.at is None else fault.at,
        float(number),
        float(sum(1 << PHASES.index(p) for p in fault.phases or "")),
        fault.r_ohm,
        float(LIVES[fault.life]),
        *(times[key] for key in ("duration_s", "deionise_s", "on_s", "off_s")),
    ]
