"""Tables of a native network folder: which columns, how a cell reads and writes.

Columns follow the dataclasses of ``rtcore.network.model`` field by field; a column may be left out
when its field has a default. Checks across tables are in ``network_checks``.
"""

from __future__ import annotations

import csv
import dataclasses as dc
import io
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from rtcore.errors import Problem, did_you_mean
from rtcore.network import model
from rtcore.network.model import LENGTH_UNITS, LOAD_MODELS


@dc.dataclass(frozen=True, slots=True)
class Codec:
    """How one kind of cell reads and writes; ``parse`` raises ValueError saying what is allowed."""

    parse: Callable[[str], Any]
    write: Callable[[Any], str]


SMALLEST = 1e-30
"""Magnitudes beyond this or its inverse are slips of the keyboard and would overflow when squared."""


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number") from None
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is not a finite number")
    if value and not SMALLEST <= abs(value) <= 1.0 / SMALLEST:
        raise ValueError(
            f"{text!r} is no physical magnitude; 0 or {SMALLEST:g} to {1.0 / SMALLEST:g} is allowed"
        )
    return value


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a whole number") from None


def _yes_no(text: str) -> bool:
    if text not in ("yes", "no"):
        raise ValueError(f"{text!r} is neither 'yes' nor 'no'")
    return text == "yes"


def _nodes(text: str) -> tuple[int, ...]:
    nodes = tuple(_integer(k) for k in text.split())
    if any(k < 0 for k in nodes):
        raise ValueError(f"{text!r} holds a negative node; nodes are 0 (ground), 1, 2, 3 or more")
    return nodes


def _matrix(text: str) -> tuple[tuple[float, ...], ...]:
    rows = tuple(tuple(_number(v) for v in row.split()) for row in text.split("|"))
    if any(len(row) != len(rows) for row in rows):
        shape = " + ".join(str(len(row)) for row in rows)
        raise ValueError(f"not a square matrix: {len(rows)} rows of {shape} numbers; rows are parted by '|'")
    for i, row in enumerate(rows):
        for j in range(i):
            if row[j] != rows[j][i]:
                raise ValueError(
                    f"not symmetric: row {i + 1} column {j + 1} is {row[j]!r}, "
                    f"row {j + 1} column {i + 1} is {rows[j][i]!r}"
                )
    return rows


def _name(text: str) -> str:
    if text != text.lower() or any(c.isspace() or c in ".," for c in text):
        raise ValueError(f"{text!r} is not a name; names are lower case without blanks, dots and commas")
    return text


def one_of(*allowed: str) -> Codec:
    """Return a codec for a closed list of words."""

    def parse(text: str) -> str:
        if text not in allowed:
            near = did_you_mean(text, allowed)
            raise ValueError(f"{text!r} is not one of {', '.join(allowed)}{near}")
        return text

    return Codec(parse, str)


def _load_model(text: str) -> int:
    value = _integer(text)
    if value not in LOAD_MODELS:
        raise ValueError(f"load model {value} is not one of {', '.join(map(str, LOAD_MODELS))}")
    return value


def _real(value: float) -> str:
    return repr(float(value))


TEXT = Codec(str, str)
NAME = Codec(_name, str)
NUMBER = Codec(_number, _real)
INTEGER = Codec(_integer, str)
YES_NO = Codec(_yes_no, lambda v: "yes" if v else "no")
NODES = Codec(_nodes, lambda v: " ".join(map(str, v)))
NUMBERS = Codec(lambda t: tuple(_number(v) for v in t.split()), lambda v: " ".join(map(_real, v)))
YES_NOS = Codec(
    lambda t: tuple(_yes_no(v) for v in t.split()), lambda v: " ".join("yes" if on else "no" for on in v)
)
MATRIX = Codec(_matrix, lambda m: " | ".join(" ".join(map(_real, row)) for row in m))
OPTIONAL_NUMBER = Codec(_number, lambda v: "" if v is None else _real(v))

BY_TYPE = {
    "str": NAME,
    "float": NUMBER,
    "int": INTEGER,
    "bool": YES_NO,
    "float | None": OPTIONAL_NUMBER,
    "tuple[int, ...]": NODES,
    "tuple[float, ...]": NUMBERS,
    "tuple[bool, ...]": YES_NOS,
    "Matrix": MATRIX,
    "Conn": one_of("wye", "delta"),
    "Literal['lag', 'lead']": one_of("lag", "lead"),
    "Literal['breaker', 'switch']": one_of("breaker", "switch"),
}

REQUIRED: Any = object()
"""Default of a column that cannot be left out."""


@dc.dataclass(frozen=True, slots=True)
class Column:
    """One column: its heading, the field it fills, its codec, and what stands for it when left out."""

    name: str
    field: str
    codec: Codec
    default: Any = REQUIRED

    @property
    def may_be_empty(self) -> bool:
        """Tell whether an empty cell means something (none, ground) rather than a forgotten value."""
        return self.default is None or self.default in ("", ())


@dc.dataclass(frozen=True, slots=True)
class Table:
    """One CSV file."""

    file: str
    columns: tuple[Column, ...]
    is_needed: bool = False
    build: Callable[..., Any] | None = None


@dc.dataclass(frozen=True, slots=True)
class Row:
    """One parsed row: the line of the file it ends on, and the values by field."""

    line: int
    values: dict[str, Any]


def _columns(
    cls: type,
    rename: dict[str, str] | None = None,
    drop: Iterable[str] = (),
    codecs: dict[str, Codec] | None = None,
    first: Sequence[Column] = (),
) -> tuple[Column, ...]:
    rows = list(first)
    for f in dc.fields(cls):
        if f.name in drop:
            continue
        kind = str(f.type).replace('"', "'")
        codec = (codecs or {}).get(f.name) or BY_TYPE[kind]
        default = REQUIRED if f.default is dc.MISSING else f.default
        rows.append(Column((rename or {}).get(f.name, f.name), f.name, codec, default))
    return tuple(rows)


UNIT = one_of(*LENGTH_UNITS)

TABLES = {
    "buses": Table("buses.csv", _columns(model.Bus, {"name": "bus"}), True, model.Bus),
    "sources": Table("sources.csv", _columns(model.Source), True, model.Source),
    "linecodes": Table(
        "linecodes.csv",
        _columns(model.LineCode, {"r": "r_ohm", "x": "x_ohm"}, codecs={"unit": UNIT}),
        build=model.LineCode,
    ),
    "lines": Table("lines.csv", _columns(model.Line, codecs={"unit": UNIT}), build=model.Line),
    "switches": Table("switches.csv", _columns(model.Switch), build=model.Switch),
    "transformers": Table("transformers.csv", _columns(model.Transformer, drop=["windings"])),
    "windings": Table(
        "windings.csv",
        _columns(
            model.Winding,
            first=[Column("transformer", "transformer", NAME), Column("winding", "winding", INTEGER)],
        ),
    ),
    "regulators": Table("regulators.csv", _columns(model.Regulator, codecs={"transformer": NAME})),
    "capacitors": Table("capacitors.csv", _columns(model.Capacitor), build=model.Capacitor),
    "reactors": Table("reactors.csv", _columns(model.Reactor), build=model.Reactor),
    "loads": Table(
        "loads.csv", _columns(model.Load, codecs={"model": Codec(_load_model, str)}), build=model.Load
    ),
}


def read_table(path: Path, table: Table, problems: list[Problem]) -> tuple[list[Row], list[dict[str, str]]]:
    """Read one CSV file; rows with a bad cell are reported and left out.

    Returns
    -------
    rows : list of Row
        The good rows.
    raw : list of dict
        Text of every row, also of the bad ones: names for references from other tables.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        problems.append(Problem(str(path), f"byte {error.start}", "not UTF-8 text"))
        return [], []
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        heading = next(reader, None)
        lines = [(reader.line_num, cells) for cells in reader if cells]
    except csv.Error as error:
        problems.append(Problem(str(path), f"row {reader.line_num}", f"not a CSV file: {error}"))
        return [], []
    if heading is None:
        problems.append(Problem(str(path), "", "the file is empty; a heading row is needed"))
        return [], []
    heading = [h.strip() for h in heading]
    if not _heading_is_good(path, table, heading, problems):
        return [], []
    rows, raw = [], []
    for line, cells in lines:
        if len(cells) != len(heading):
            what = f"{len(cells)} cells where the heading has {len(heading)}"
            problems.append(Problem(str(path), f"row {line}", what))
            continue
        texts = {h: c.strip() for h, c in zip(heading, cells, strict=True)}
        raw.append(texts)
        values = _values(path, table, line, texts, problems)
        if values is not None:
            rows.append(Row(line, values))
    return rows, raw


def _heading_is_good(path: Path, table: Table, heading: list[str], problems: list[Problem]) -> bool:
    allowed = [c.name for c in table.columns]
    bad = [h for h in heading if h not in allowed]
    missing = [c.name for c in table.columns if c.default is REQUIRED and c.name not in heading]
    twice = sorted({h for h in heading if heading.count(h) > 1})
    for h in bad:
        what = f"unknown column {h!r}; columns are {', '.join(allowed)}{did_you_mean(h, allowed)}"
        problems.append(Problem(str(path), "row 1", what))
    problems += [Problem(str(path), "row 1", f"column {c!r} is missing") for c in missing]
    problems += [Problem(str(path), "row 1", f"column {c!r} stands there twice") for c in twice]
    return not (bad or missing or twice)


def _values(
    path: Path, table: Table, line: int, texts: dict[str, str], problems: list[Problem]
) -> dict[str, Any] | None:
    values: dict[str, Any] = {}
    is_good = True
    for column in table.columns:
        text = texts.get(column.name)
        if text is None or (text == "" and column.may_be_empty):
            values[column.field] = column.default
            continue
        try:
            if text == "":
                raise ValueError("the cell is empty; a value is needed")
            values[column.field] = column.codec.parse(text)
        except ValueError as error:
            problems.append(Problem(str(path), f"row {line} column {column.name!r}", str(error)))
            is_good = False
    return values if is_good else None


def write_table(path: Path, table: Table, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows (values by field) with every column."""
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow([c.name for c in table.columns])
        for values in rows:
            out.writerow([c.codec.write(values[c.field]) for c in table.columns])
