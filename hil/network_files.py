"""Read and write native network folders: ``network.toml`` and CSV tables that people can edit.

Reading reports every problem of the folder at once; writing and reading back gives an equal
network, to the last bit of every number.
"""

from __future__ import annotations

import dataclasses as dc
import math
import tomllib
from pathlib import Path
from typing import Any

from hil.network_checks import Found, check_network
from hil.network_tables import TABLES, Row, read_table, write_table
from rtcore.errors import Problem, UserInputError, did_you_mean
from rtcore.network.model import Network, Regulator, Transformer, Winding

FORMAT = 1
SETTINGS = {"format": int, "name": str, "title": str, "base_frequency_hz": (int, float)}


def read_network(folder: Path) -> Network:
    """Return the network of a folder.

    Raises
    ------
    UserInputError
        With every problem found, each naming file, row and column.
    """
    if not folder.is_dir():
        raise UserInputError([Problem(str(folder), "", "no such network folder")])
    problems: list[Problem] = []
    settings = _settings(folder / "network.toml", problems)
    found = Found(folder)
    for key, table in TABLES.items():
        path = folder / table.file
        if path.is_file():
            found.rows[key], found.raw[key] = read_table(path, table, problems)
        elif table.is_needed:
            problems.append(Problem(str(path), "", "the file is missing"))
    _strangers(folder, problems)
    problems += check_network(found)
    if problems:
        raise UserInputError(set(problems))
    return _build(settings, found)


def _strangers(folder: Path, problems: list[Problem]) -> None:
    """Refuse CSV files that nobody reads: a misspelt name would silently drop its rows."""
    known = [t.file for t in TABLES.values()]
    for path in sorted(folder.glob("*.csv")):
        if path.name not in known:
            what = f"not a table of a network; tables are {', '.join(known)}{did_you_mean(path.name, known)}"
            problems.append(Problem(str(path), "", what))


def _settings(path: Path, problems: list[Problem]) -> dict[str, Any]:
    if not path.is_file():
        problems.append(Problem(str(path), "", "the file is missing"))
        return {}
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(Problem(str(path), "", f"not a TOML file: {error}"))
        return {}
    for key, value in settings.items():
        if key not in SETTINGS:
            what = f"unknown key; keys are {', '.join(SETTINGS)}{did_you_mean(key, SETTINGS)}"
            problems.append(Problem(str(path), repr(key), what))
        elif not isinstance(value, SETTINGS[key]) or isinstance(value, bool):  # type: ignore[arg-type]
            problems.append(Problem(str(path), repr(key), f"{value!r} is of the wrong type"))
    problems += [Problem(str(path), repr(k), "the key is missing") for k in SETTINGS if k not in settings]
    if settings.get("format", FORMAT) != FORMAT:
        problems.append(
            Problem(str(path), "'format'", f"{settings['format']!r} is not known; this program reads 1")
        )
    hertz = settings.get("base_frequency_hz", 60.0)
    if isinstance(hertz, (int, float)) and not (math.isfinite(hertz) and hertz > 0.0):
        problems.append(Problem(str(path), "'base_frequency_hz'", f"{hertz!r} is not a positive number"))
    return settings


def _build(settings: dict[str, Any], found: Found) -> Network:
    """Make the network of rows that passed every check."""
    parts: dict[str, Any] = {
        key: tuple(table.build(**row.values) for row in found.rows[key])
        for key, table in TABLES.items()
        if table.build
    }
    units = {
        row.values["name"]: _transformer(row, found.rows["windings"]) for row in found.rows["transformers"]
    }
    regulated = [
        row.values | {"transformer": units.pop(row.values["transformer"])} for row in found.rows["regulators"]
    ]
    return Network(
        name=settings["name"],
        title=settings["title"],
        base_frequency_hz=float(settings["base_frequency_hz"]),
        transformers=tuple(units.values()),
        regulators=tuple(Regulator(**values) for values in regulated),
        **parts,
    )


def _transformer(row: Row, windings: list[Row]) -> Transformer:
    own = sorted(
        (w.values for w in windings if w.values["transformer"] == row.values["name"]),
        key=lambda v: int(v["winding"]),
    )
    fields = {f.name for f in dc.fields(Winding)}
    return Transformer(
        **row.values, windings=tuple(Winding(**{k: v for k, v in w.items() if k in fields}) for w in own)
    )


def _row(element: Any) -> dict[str, Any]:
    return {f.name: getattr(element, f.name) for f in dc.fields(element)}


def write_network(network: Network, folder: Path) -> None:
    """Write a network into a folder; tables without rows are removed, other files are left alone."""
    folder.mkdir(parents=True, exist_ok=True)
    text = (
        f"format = {FORMAT}\n"
        f"name = {_toml(network.name)}\n"
        f"title = {_toml(network.title)}\n"
        f"base_frequency_hz = {float(network.base_frequency_hz)!r}\n"
    )
    (folder / "network.toml").write_text(text, encoding="utf-8")
    units = [*network.transformers, *(r.transformer for r in network.regulators)]
    rows: dict[str, list[dict[str, Any]]] = {
        key: [_row(e) for e in getattr(network, key)] for key, table in TABLES.items() if table.build
    }
    rows["transformers"] = [_row(t) for t in units]
    rows["windings"] = [
        _row(w) | {"transformer": t.name, "winding": i} for t in units for i, w in enumerate(t.windings, 1)
    ]
    rows["regulators"] = [_row(r) | {"transformer": r.name} for r in network.regulators]
    for key, table in TABLES.items():
        path = folder / table.file
        if rows[key]:
            write_table(path, table, rows[key])
        else:
            path.unlink(missing_ok=True)


def _toml(text: str) -> str:
    """Return a TOML basic string."""
    escaped = "".join(
        c
        if c.isprintable() and c not in '"\\'
        else f"\\u{ord(c):04x}"
        if ord(c) < 65536
        else f"\\U{ord(c):08x}"
        for c in text
    )
    return f'"{escaped}"'
