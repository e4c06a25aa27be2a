"""The files a point list is made of, one reader each: device table, templates, instrument classes.

Shape and types only; what the rows mean together is ``hil.point_files``. Every reader returns
what it could read and appends a ``Problem`` for everything it could not.
"""

from __future__ import annotations

import csv
import dataclasses as dc
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from hil.point_instruments import Instrument
from hil.settings_errors import Section, check_model, load_toml
from rtcore.errors import Problem, did_you_mean
from rtcore.points import Kind

BASES = {"ir": "input_base", "hr": "holding_base", "co": "coil_base", "di": "discrete_base"}
"""Modbus table -> column of the device table with the device's first address in it."""

REQUIRED_COLUMNS = ("device", "template", "component", "modbus_unit", *BASES.values())
PARAMETERS = ("device", "component", "terminal", "bus")
"""Cells of a device row that its template may insert as ``{name}``."""

COLUMNS = (*REQUIRED_COLUMNS, "terminal", "bus", "word_order")


def _kind(value: Any) -> Kind:
    kinds = [str(k) for k in Kind]
    if value not in kinds:
        hint = did_you_mean(str(value), kinds)
        raise ValueError(f"{value!r} is not allowed; one of {', '.join(kinds)}{hint}")
    return Kind(value)


def _two_names(states: list[str]) -> list[str]:
    if len(states) != 2 or not all(states) or states[0] == states[1]:
        raise ValueError(f'{states!r} is not allowed; two different names, of 0 and of 1: ["OPEN", "CLOSED"]')
    return states


class PointRow(Section):
    """One point of a template."""

    name: str
    attr: str
    kind: Annotated[Kind, BeforeValidator(_kind)]
    description: str
    modbus: str
    source: str = "{component}"
    unit: str = ""
    min: float | None = None
    max: float | None = None
    deadband: float = Field(default=0.0, ge=0.0)
    instrument: str = ""
    states: Annotated[list[str], AfterValidator(_two_names)] | None = None
    is_health: bool = False


class TemplateHead(Section):
    """Everything of a template but its points."""

    description: str
    stamp: int | None = Field(default=None, ge=0)
    is_health: bool = False
    points: list[Any] = Field(min_length=1)


class InstrumentRow(Section):
    """One instrument class as written; limits are ``hil.point_instruments``' own."""

    description: str
    standard: str
    class_pct: float = 0.0
    noise_pct_reading: float = 0.0
    noise_pct_range: float = 0.0
    quantum: float = 0.0
    bits: int = 0
    cutoff_pct_range: float = 0.0


@dc.dataclass(frozen=True, slots=True)
class Template:
    """One kind of device; ``rows`` are its points with their place in the file."""

    name: str
    file: str
    description: str
    stamp: int | None
    is_health: bool
    rows: list[tuple[str, PointRow]]
    size: int
    """Points declared; more than ``rows`` when some could not be read."""
    is_whole: bool = True
    """False where the keys beside the points have a mistake."""


@dc.dataclass(frozen=True, slots=True)
class DeviceRow:
    """One line of the device table; ``bases`` holds the first address per Modbus table.

    ``bad`` names columns whose number cannot be read; the rest of the row is checked all the same.
    """

    place: str
    cells: dict[str, str]
    unit: int
    bases: dict[str, int]
    bad: frozenset[str] = frozenset()

    @property
    def is_placed(self) -> bool:
        """Tell whether the row says where on Modbus its points are."""
        return "modbus_unit" not in self.bad


def read_devices(path: Path, problems: list[Problem]) -> list[DeviceRow]:
    """Read the device table (CSV with a header line)."""
    text = _text(path, problems)
    if text is None:
        return []
    reader = csv.reader(text.splitlines())
    header = next(reader, [])
    if not _check_header(path, header, problems):
        return []
    devices, n_rows = [], 0
    for row in reader:
        place = f"row {reader.line_num}"
        if not row:
            continue
        n_rows += 1
        if len(row) != len(header):
            problems.append(
                Problem(str(path), place, f"{len(row)} cells where the header has {len(header)} columns")
            )
            continue
        cells = {key: cell.strip() for key, cell in zip(header, row, strict=True)}
        numbers, bad = _numbers(path, place, cells, problems)
        bases = {t: numbers[c] for t, c in BASES.items() if c in numbers}
        devices.append(DeviceRow(place, cells, numbers.get("modbus_unit", 0), bases, bad))
    if n_rows == 0:
        problems.append(Problem(str(path), "", "no devices; at least one row is needed"))
    return devices


def _check_header(path: Path, header: list[str], problems: list[Problem]) -> bool:
    before = len(problems)
    for name in header:
        if name not in COLUMNS:
            allowed = f"allowed are {', '.join(COLUMNS)}{did_you_mean(name, COLUMNS)}"
            problems.append(Problem(str(path), "row 1", f"unknown column {name!r}; {allowed}"))
    for name in REQUIRED_COLUMNS:
        if name not in header:
            problems.append(Problem(str(path), "row 1", f"column {name!r} is missing"))
    for name in sorted({n for n in header if header.count(n) > 1}):
        problems.append(Problem(str(path), "row 1", f"column {name!r} appears twice"))
    return len(problems) == before


def _numbers(
    path: Path, place: str, cells: dict[str, str], problems: list[Problem]
) -> tuple[dict[str, int], frozenset[str]]:
    """Return the integer cells that are filled in, and the columns of those that are no numbers."""
    numbers: dict[str, int] = {}
    bad = set()
    for column in ("modbus_unit", *BASES.values()):
        cell = cells[column]
        low, high = (1, 247) if column == "modbus_unit" else (0, 9999)
        if not cell and column != "modbus_unit":
            continue
        if not (cell.isascii() and cell.isdigit() and low <= int(cell) <= high):
            what = f"{cell!r} is not an integer from {low} to {high}"
            problems.append(Problem(str(path), f"{place}, column {column}", what))
            bad.add(column)
        else:
            numbers[column] = int(cell)
    return numbers, frozenset(bad)


def read_template(path: Path, name: str, problems: list[Problem]) -> Template | None:
    """Read one template; rows that cannot be read are left out and reported."""
    data, found = load_toml(path)
    problems += found
    if found:
        return None
    head, found = check_model(TemplateHead, data, str(path))
    problems += found
    points = data.get("points") if head is None else head.points
    points = points if isinstance(points, list) else []
    rows = []
    for k, raw in enumerate(points):
        label = raw.get("name") if isinstance(raw, dict) else None
        place = f"point {label}" if isinstance(label, str) and label else f"points[{k}]"
        row, found = check_model(PointRow, raw, str(path), place)
        problems += found
        row = _without_strangers(raw) if row is None else row
        if row is not None:
            rows.append((place, row))
    if head is None:  # its points are looked at, but there is nothing to place them by
        return Template(name, str(path), "", None, False, rows, len(points), is_whole=False)
    return Template(name, str(path), head.description, head.stamp, head.is_health, rows, len(points))


def _without_strangers(raw: Any) -> PointRow | None:
    """Return a row in which only the unknown keys, which are reported, are wrong."""
    if not isinstance(raw, dict):
        return None
    return check_model(PointRow, {k: v for k, v in raw.items() if k in PointRow.model_fields}, "")[0]


def read_instruments(path: Path, problems: list[Problem]) -> dict[str, Instrument]:
    """Read the instrument classes (one table each); a class with a problem keeps its name."""
    data, found = load_toml(path)
    problems += found
    instruments = {}
    for name, raw in data.items():
        row, found = check_model(InstrumentRow, raw, str(path), name)
        problems += found
        fields = row.model_dump() if row is not None else {"description": "", "standard": ""}
        instruments[name] = instrument = Instrument(name=name, **fields)
        problems += [Problem(str(path), f"{name}.{key}", what) for key, what in instrument.problems()]
    return instruments


def _text(path: Path, problems: list[Problem]) -> str | None:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        problems.append(Problem(str(path), "", f"cannot be read: {error.strerror}"))
    except UnicodeDecodeError as error:
        problems.append(Problem(str(path), f"byte {error.start}", "not UTF-8 text; save the file as UTF-8"))
    return None
