"""Tables of a native network folder: which columns, how a cell reads and writes.

Columns follow the dataclasses of ``rtcore.network.model`` field by field; a column may be left out
when its field has a default. Checks across tables are in ``network_checks``.
"""

from __future__ import annotations

import csv
import dataclasses as dc
import io
import math
import typing
from collections.abc import Callable, Collection, Iterable, Sequence
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
    "DerKind": one_of(*typing.get_args(model.DerKind)),
    "Literal['lag', 'lead']": one_of("lag", "lead"),
    "Literal['breaker', 'switch', 'fuse']": one_of("breaker", "switch", "fuse"),
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
    is_for_some: bool = False
    """Some kinds of row have no such value: their cell may be empty."""

    @property
    def may_be_empty(self) -> bool:
        """Tell whether an empty cell means something (none, ground) rather than a forgotten value."""
        return self.is_for_some or self.default is None or self.default in ("", ())


@dc.dataclass(frozen=True, slots=True)
class Table:
    """One CSV file; ``key`` heads the column that names a row, for windings the element they are of."""

    file: str
    element: str
    """What one row is called, as in ``line.l1``; empty where a row is no element of its own."""
    columns: tuple[Column, ...]
    is_needed: bool = False
    """Every network has rows of it."""
    build: Callable[..., Any] | None = None
    key: str = "name"

    @property
    def heading(self) -> str:
        """The least heading: the columns that cannot be left out."""
        return ",".join(c.name for c in self.columns if c.default is REQUIRED)


@dc.dataclass(frozen=True, slots=True)
class Row:
    """One row: its file, the line it ends on, the texts by column, the values by field.

    A row with a bad cell, which is reported when read, has no ``values``; its texts still tell its name.
    """

    path: Path
    line: int
    texts: dict[str, str]
    values: dict[str, Any]


def _columns(
    cls: type,
    rename: dict[str, str] | None = None,
    drop: Iterable[str] = (),
    codecs: dict[str, Codec] | None = None,
    first: Sequence[Column] = (),
    for_some: Collection[str] = (),
) -> tuple[Column, ...]:
    rows = list(first)
    for f in dc.fields(cls):
        if f.name in drop:
            continue
        kind = str(f.type).replace('"', "'")
        codec = (codecs or {}).get(f.name) or BY_TYPE[kind]
        default = REQUIRED if f.default is dc.MISSING else f.default
        name = (rename or {}).get(f.name, f.name)
        rows.append(Column(name, f.name, codec, default, f.name in for_some))
    return tuple(rows)


UNIT = one_of(*LENGTH_UNITS)

TABLES = {
    "buses": Table("buses.csv", "bus", _columns(model.Bus, {"name": "bus"}), True, model.Bus, "bus"),
    "sources": Table("sources.csv", "source", _columns(model.Source), True, model.Source),
    "linecodes": Table(
        "linecodes.csv",
        "linecode",
        _columns(model.LineCode, {"r": "r_ohm", "x": "x_ohm"}, codecs={"unit": UNIT}),
        build=model.LineCode,
    ),
    "lines": Table("lines.csv", "line", _columns(model.Line, codecs={"unit": UNIT}), build=model.Line),
    "switches": Table("switches.csv", "switch", _columns(model.Switch), build=model.Switch),
    "transformers": Table("transformers.csv", "transformer", _columns(model.Transformer, drop=["windings"])),
    "windings": Table(
        "windings.csv",
        "",
        _columns(
            model.Winding,
            first=[Column("transformer", "transformer", NAME), Column("winding", "winding", INTEGER)],
        ),
        key="transformer",
    ),
    "regulators": Table(
        "regulators.csv",
        "regulator",
        _columns(model.Regulator, codecs={"transformer": NAME}),
        key="transformer",
    ),
    "capacitors": Table("capacitors.csv", "capacitor", _columns(model.Capacitor), build=model.Capacitor),
    "reactors": Table("reactors.csv", "reactor", _columns(model.Reactor), build=model.Reactor),
    "loads": Table(
        "loads.csv", "load", _columns(model.Load, codecs={"model": Codec(_load_model, str)}), build=model.Load
    ),
    "ders": Table(
        "ders.csv",
        "der",
        _columns(model.Der, for_some=["r1_pu", "x1_pu", "r0_pu", "x0_pu"]),
        build=model.Der,
    ),
}


def read_table(path: Path, table: Table, problems: list[Problem]) -> list[Row] | None:
    """Read one CSV file; None when it cannot be told into rows, which is reported."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        problems.append(Problem(str(path), f"byte {error.start}", "not UTF-8 text"))
        return None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        heading = next(reader, None)
        lines = [(reader.line_num, cells) for cells in reader if cells]
    except csv.Error as error:
        problems.append(Problem(str(path), f"row {reader.line_num}", f"not a CSV file: {error}"))
        return None
    if heading is None:
        problems.append(Problem(str(path), "", "the file is empty; a heading row is needed"))
        return None
    heading = [h.strip() for h in heading]
    if not _heading_is_good(path, table, heading, problems):
        return None
    rows = []
    for line, cells in lines:
        if len(cells) != len(heading):
            what = f"{len(cells)} cells where the heading has {len(heading)}"
            problems.append(Problem(str(path), f"row {line}", what))
            # Its name still counts: what refers to it is not wrong, too.
            texts = {h: c.strip() for h, c in zip(heading, cells, strict=False)}
            rows.append(Row(path, line, texts, {}))
            continue
        texts = {h: c.strip() for h, c in zip(heading, cells, strict=True)}
        rows.append(Row(path, line, texts, _values(path, table, line, texts, problems)))
    return rows


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
) -> dict[str, Any]:
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
    return values if is_good else {}


def write_table(path: Path, table: Table, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows (values by field) with every column."""
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow([c.name for c in table.columns])
        for values in rows:
            out.writerow([c.codec.write(values[c.field]) for c in table.columns])
