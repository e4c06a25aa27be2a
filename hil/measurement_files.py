"""Measurement files: CSV ``kind,element,phase,value,sigma``, and if wanted ``name`` and ``is_pseudo``.

Lines that begin with ``#`` and empty ones do not count. Kinds, units and signs are those of
``estimation.measurements``: SI, injections positive into the network, flows positive into the element. Every
problem of a file comes in one report, with its line.
"""

from __future__ import annotations

import csv
import dataclasses as dc
import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from estimation.channels import Floats
from estimation.measurements import OF_BRANCH, POWERS, Kind, Measurement
from hil import paths
from hil.measurement_places import Places, WrongPlaceError, letters
from hil.measurement_units import Reading, suspicions
from rtcore.errors import Problem, UserInputError, did_you_mean
from rtcore.network.model import Network

NEEDED = ("kind", "element", "phase", "value", "sigma")
COLUMNS = (*NEEDED, "name", "is_pseudo")
MAGNITUDES = (Kind.V_MAG, Kind.I_MAG)
YES, NO = ("yes", "true", "1"), ("no", "false", "0", "")


@dc.dataclass(frozen=True, slots=True)
class MeasurementSet:
    """A file's measurements, values and standard deviations, in its order [SI]."""

    measurements: tuple[Measurement, ...]
    z: Floats
    sigma: Floats


def find_measurements(name: str) -> Path:
    """Return the path of a measurement file: a path, or the name of a shipped one."""
    shipped = paths.config_dir() / "measurements"
    path = Path(name).expanduser()
    if path.is_file():
        return path
    if re.fullmatch(r"[\w-]+", name) and (shipped / f"{name}.csv").is_file():
        return shipped / f"{name}.csv"
    raise paths.absent(path, "measurement file", sorted(p.stem for p in shipped.glob("*.csv")))


def read_measurements(path: Path, network: Network) -> MeasurementSet:
    """Read a measurement file of a network.

    Raises
    ------
    UserInputError
        With every problem found, each naming its line.
    """
    problems: list[Problem] = []
    rows = list(_rows(path, problems))
    readings = _Reader(path, Places(network), problems).readings(rows)
    if not rows and not problems:
        problems.append(Problem(str(path), "", "no measurements in it"))
    problems += [_problem(path, line, column, what) for line, column, what in suspicions(network, readings)]
    if problems:
        raise UserInputError(problems)
    return MeasurementSet(
        tuple(r.measurement for r in readings),
        np.array([r.value for r in readings]),
        np.array([r.sigma for r in readings]),
    )


def _problem(path: Path, line: int, column: str, what: str) -> Problem:
    return Problem(str(path), f"line {line} column {column!r}" if column else f"line {line}", what)


def _rows(path: Path, problems: list[Problem]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line, cells by column) of every row that has as many cells as the heading."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        problems.append(Problem(str(path), f"byte {error.start}", "not UTF-8 text"))
        return
    heading: list[str] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            cells = [c.strip() for c in next(csv.reader([line], strict=True))]
        except csv.Error as error:
            problems.append(_problem(path, number, "", f"not a line of CSV: {error}"))
            continue
        if heading is None:
            heading = [c.lower() for c in cells]
            wrong = list(_wrong_heading(heading))
            problems += [_problem(path, number, "", what) for what in wrong]
            if wrong:
                return
        elif len(cells) != len(heading):
            what = f"{len(cells)} cells where the heading has {len(heading)}"
            problems.append(_problem(path, number, "", what))
        else:
            yield number, dict(zip(heading, cells, strict=True))
    if heading is None:
        problems.append(Problem(str(path), "", f"the file is empty; it begins with {','.join(NEEDED)}"))


def _wrong_heading(heading: list[str]) -> Iterator[str]:
    if len(heading) == 1:
        yield f"the heading is {','.join(NEEDED)}, separated by commas"
        return
    for name in heading:
        if name not in COLUMNS:
            near = did_you_mean(name, COLUMNS)
            yield f"unknown column {name!r}; columns are {', '.join(COLUMNS)}{near}"
    yield from (f"column {name!r} is missing" for name in NEEDED if name not in heading)
    yield from (f"column {n!r} stands there twice" for n in sorted(set(heading)) if heading.count(n) > 1)


class _Reader:
    """Makes measurements of rows; what is wrong goes to ``problems``."""

    def __init__(self, path: Path, places: Places, problems: list[Problem]) -> None:
        self.path, self.places, self.problems = path, places, problems
        self._names: dict[str, int] = {}

    def readings(self, rows: list[tuple[int, dict[str, str]]]) -> list[Reading]:
        """Return the rows that are right."""
        found = []
        for line, cells in rows:
            n = len(self.problems)
            reading = self._reading(line, cells)
            if reading is not None and len(self.problems) == n:
                found.append(reading)
        return found

    def _wrong(self, line: int, column: str, what: str) -> None:
        self.problems.append(_problem(self.path, line, column, what))

    def _reading(self, line: int, cells: dict[str, str]) -> Reading | None:
        kind, element = self._kind(line, cells["kind"]), cells["element"].lower()
        value, sigma = (self._number(line, column, cells[column]) for column in ("value", "sigma"))
        self._check_sigma(line, sigma)
        is_pseudo = self._flag(line, cells.get("is_pseudo", ""))
        if kind is None:
            return None
        self._check_value(line, kind, value)
        try:
            where = self.places.at_branch if kind in OF_BRANCH else self.places.at_bus
            place, terminal, nodes = where(element, cells["phase"].lower())
        except WrongPlaceError as error:
            self._wrong(line, error.column, str(error))
            return None
        if len(nodes) > 1 and kind not in POWERS:
            self._wrong(line, "phase", f"{cells['phase']!r} is a sum; {kind} is of one phase")
        end = f"{place}@{element.rpartition('@')[2]}" if terminal else place
        name = cells.get("name") or f"{kind} {end} {letters(nodes)}"
        self._check_name(line, name, is_given=bool(cells.get("name")))
        measurement = Measurement(
            name=name, kind=kind, element=place, terminal=terminal, nodes=nodes, is_pseudo=is_pseudo
        )
        return Reading(line, measurement, value, sigma)

    def _kind(self, line: int, text: str) -> Kind | None:
        if text.lower() in list(Kind):
            return Kind(text.lower())
        kinds = [str(k) for k in Kind]
        what = f"no kind {text!r}; kinds are {', '.join(kinds)}{did_you_mean(text.lower(), kinds)}"
        self._wrong(line, "kind", what)
        return None

    def _number(self, line: int, column: str, text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            what = "the cell is empty; a number is needed" if not text else f"{text!r} is not a number"
            self._wrong(line, column, what)
            return math.nan
        if not math.isfinite(value):
            self._wrong(line, column, f"{text} is not finite; leave out what is not measured")
            return math.nan
        return value

    def _check_sigma(self, line: int, sigma: float) -> None:
        if sigma < 0.0:
            self._wrong(line, "sigma", f"{sigma:g} is negative; a standard deviation is above 0")
        elif sigma == 0.0:
            what = "0 would be exact, which no instrument is; that nothing is injected where nothing is "
            self._wrong(line, "sigma", what + "connected need not be measured")

    def _check_value(self, line: int, kind: Kind, value: float) -> None:
        if kind in MAGNITUDES and value < 0.0:
            self._wrong(line, "value", f"{value:g} is negative; {kind} is a magnitude")
        if kind is Kind.V_ANG and abs(value) > 360.0:
            self._wrong(line, "value", f"{value:g} is beyond a turn; angles are in degrees")

    def _check_name(self, line: int, name: str, *, is_given: bool) -> None:
        first = self._names.setdefault(name, line)
        if first == line:
            return
        if is_given:
            self._wrong(line, "name", f"{name!r} is the name of line {first} already")
        else:
            what = f"{name} is measured in line {first} already; give second meters names of their own"
            self._wrong(line, "", what)

    def _flag(self, line: int, text: str) -> bool:
        if text.lower() not in (*YES, *NO):
            self._wrong(line, "is_pseudo", f"{text!r} is neither yes nor no")
        return text.lower() in YES
