"""The files a point list is made of, one reader each: device table, templates, instrument classes.

Shape and types only; what the rows mean together is ``hil.point_files``. Every reader returns
what it could read and appends a ``Problem`` for everything it could not.
"""

from __future__ import annotations

import csv
import dataclasses as dc
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hil.point_instruments import Instrument
from rtcore.errors import Problem, did_you_mean
from rtcore.points import Kind

BASES = {"ir": "input_base", "hr": "holding_base", "co": "coil_base", "di": "discrete_base"}
"""Modbus table -> column of the device table with the device's first address in it."""

REQUIRED_COLUMNS = ("device", "template", "component", "modbus_unit", *BASES.values())
PARAMETERS = ("device", "component", "terminal", "bus")
"""Cells of a device row that its template may insert as ``{name}``."""

COLUMNS = (*REQUIRED_COLUMNS, "terminal", "bus", "word_order")


class PointRow(BaseModel):
    """One point of a template."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: str
    attr: str
    kind: Annotated[Kind, Field(strict=False)]
    description: str
    modbus: str
    source: str = "{component}"
    unit: str = ""
    min: float | None = Field(default=None, allow_inf_nan=False)
    max: float | None = Field(default=None, allow_inf_nan=False)
    deadband: float = Field(default=0.0, ge=0.0, allow_inf_nan=False)
    instrument: str = ""
    states: list[str] | None = Field(default=None, min_length=2, max_length=2)


class TemplateHead(BaseModel):
    """Everything of a template but its points."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    description: str
    stamp: int | None = Field(default=None, ge=0)
    is_health: bool = False
    points: list[Any] = Field(min_length=1)


class InstrumentRow(BaseModel):
    """One instrument class as written; limits are ``hil.point_instruments``' own."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

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
    stamp: int | None
    is_health: bool
    rows: list[tuple[str, PointRow]]
    is_whole: bool
    """False when some part could not be read: what follows from it is then not checked."""


@dc.dataclass(frozen=True, slots=True)
class DeviceRow:
    """One line of the device table; ``bases`` holds the first address per Modbus table."""

    place: str
    cells: dict[str, str]
    unit: int
    bases: dict[str, int]


def read_devices(path: Path, problems: list[Problem]) -> list[DeviceRow]:
    """Read the device table (CSV with a header line)."""
    text = _text(path, problems)
    if text is None:
        return []
    reader = csv.reader(text.splitlines())
    header = next(reader, [])
    if not _check_header(path, header, problems):
        return []
    devices = []
    for row in reader:
        place = f"row {reader.line_num}"
        if not row:
            continue
        if len(row) != len(header):
            problems.append(
                Problem(str(path), place, f"{len(row)} cells where the header has {len(header)} columns")
            )
            continue
        cells = {key: cell.strip() for key, cell in zip(header, row, strict=True)}
        numbers = _numbers(path, place, cells, problems)
        if numbers is not None:
            unit = numbers.pop("modbus_unit")
            devices.append(
                DeviceRow(place, cells, unit, {t: numbers[c] for t, c in BASES.items() if c in numbers})
            )
    if not devices and not problems:
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


def _numbers(path: Path, place: str, cells: dict[str, str], problems: list[Problem]) -> dict[str, int] | None:
    """Return the integer cells that are filled in, None when one of them is not a number."""
    numbers: dict[str, int] = {}
    is_good = True
    for column in ("modbus_unit", *BASES.values()):
        cell = cells[column]
        low, high = (1, 247) if column == "modbus_unit" else (0, 9999)
        if not cell and column != "modbus_unit":
            continue
        if not (cell.isascii() and cell.isdigit() and low <= int(cell) <= high):
            what = f"{cell!r} is not an integer from {low} to {high}"
            problems.append(Problem(str(path), f"{place}, column {column}", what))
            is_good = False
        else:
            numbers[column] = int(cell)
    return numbers if is_good else None


def read_template(path: Path, name: str, problems: list[Problem]) -> Template | None:
    """Read one template; rows that cannot be read are left out and reported."""
    data = _toml(path, problems)
    if data is None:
        return None
    before = len(problems)
    try:
        head = TemplateHead.model_validate(data)
    except ValidationError as error:
        problems.extend(_from_pydantic(path, "", error, TemplateHead.model_fields))
        return None
    rows = []
    for k, raw in enumerate(head.points, 1):
        label = f" {raw['name']!r}" if isinstance(raw, dict) and isinstance(raw.get("name"), str) else ""
        place = f"points[{k}]{label}"
        try:
            rows.append((place, PointRow.model_validate(raw)))
        except ValidationError as error:
            problems.extend(_from_pydantic(path, place, error, PointRow.model_fields))
    return Template(name, str(path), head.stamp, head.is_health, rows, len(problems) == before)


def read_instruments(path: Path, problems: list[Problem]) -> dict[str, Instrument]:
    """Read the instrument classes (one table each)."""
    instruments = {}
    for name, raw in (_toml(path, problems) or {}).items():
        try:
            row = InstrumentRow.model_validate(raw)
        except ValidationError as error:
            problems.extend(_from_pydantic(path, f"[{name}]", error, InstrumentRow.model_fields))
            continue
        instruments[name] = instrument = Instrument(name=name, **row.model_dump())
        for key, what in instrument.problems():
            problems.append(Problem(str(path), f"[{name}] key {key!r}", what))
    return instruments


def _text(path: Path, problems: list[Problem]) -> str | None:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        problems.append(Problem(str(path), "", f"cannot be read: {error.strerror}"))
    except UnicodeDecodeError as error:
        problems.append(Problem(str(path), f"byte {error.start}", "is not UTF-8 text"))
    return None


def _toml(path: Path, problems: list[Problem]) -> dict[str, Any] | None:
    text = _text(path, problems)
    if text is None:
        return None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        problems.append(Problem(str(path), "", f"is not valid TOML: {error}"))
        return None


def _from_pydantic(
    path: Path, place: str, error: ValidationError, allowed: Iterable[str]
) -> Iterable[Problem]:
    """Say what pydantic found, in one line per key."""
    names = list(allowed)
    for found in error.errors(include_url=False):
        key = str(found["loc"][0]) if found["loc"] else ""
        at = f"{place} key {key!r}".strip() if key else place
        if found["type"] == "extra_forbidden":
            what = f"unknown key; allowed are {', '.join(names)}{did_you_mean(key, names)}"
        elif found["type"] == "missing":
            what = "is missing"
        else:
            what = f"{found['input']!r}: {found['msg']}"
            if key == "kind":
                what += did_you_mean(str(found["input"]), list(Kind))
        yield Problem(str(path), at, what)
