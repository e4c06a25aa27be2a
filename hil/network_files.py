"""Read and write native network folders: ``network.toml`` and CSV tables that people can edit.

Reading reports every problem of the folder, and of all that it extends (``network_layers``), at
once; writing and reading back gives an equal network, to the last bit of every number.
"""

from __future__ import annotations

import dataclasses as dc
from pathlib import Path
from typing import Any

from hil import paths
from hil.network_checks import Found, check_network
from hil.network_layers import FORMAT, read_layers
from hil.network_tables import TABLES, Row, write_table
from rtcore.errors import Problem, UserInputError
from rtcore.network.model import Network, Regulator, Transformer, Winding

Rows = dict[str, list[dict[str, Any]]]
"""Values by field of every row, by table."""


def read_network(folder: Path) -> Network:
    """Return the network of a folder.

    Raises
    ------
    UserInputError
        With every problem found, each naming file, row and column.
    """
    network, _, problems = survey_network(folder)
    if network is None:
        raise UserInputError(problems)
    return network


def survey_network(folder: Path) -> tuple[Network | None, list[str] | None, list[Problem]]:
    """Read a folder as far as it goes.

    Returns
    -------
    network : Network or None
        None where there is any problem.
    load_names : list of str or None
        The loads, also those with a mistake; None where they are not known.
    problems : list of Problem
    """
    if not folder.is_dir():
        return None, None, [Problem(str(folder), "", "no such network folder")]
    problems: list[Problem] = []
    settings, found = read_layers(folder, problems)
    problems += [] if found is None else check_network(found)
    names = None if found is None or "loads" in found.unreadable else found.names("loads")
    if found is None or problems:
        return None, names, list(dict.fromkeys(problems))
    return _build(settings, found), names, []


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
    """Write a network into a folder; tables without rows get their heading, other files are left alone."""
    settings = _head(network) | {"base_frequency_hz": float(network.base_frequency_hz)}
    _write(folder, settings, _rows(network), has_every_table=True)


def write_overlay(network: Network, folder: Path, extends: str) -> None:
    """Write what makes a network of another, which it ``extends``; tables without rows are removed.

    Raises
    ------
    ValueError
        When an overlay cannot give this network: another frequency, or another order of elements.
    """
    base_rows = _rows(read_network(paths.find("networks", extends, folder)))
    own_rows = _rows(network)
    units = {row["name"] for row in own_rows["transformers"]}
    changed: Rows = {}
    removed: list[str] = []
    for key, table in TABLES.items():
        base, own = _by_name(key, base_rows[key]), _by_name(key, own_rows[key])
        anew = {row["name"] for row in changed["transformers"]} if key == "windings" else set()
        names = [name for name, group in own.items() if name in anew or base.get(name) != group]
        changed[key] = [row for name in names for row in own[name]]
        gone = [name for name in base if name not in own]
        if key == "regulators":
            gone = [name for name in gone if name in units]  # else it goes with its transformer
        removed += [f"{table.element}.{name}" for name in gone if table.element]
    settings = _head(network) | {"extends": extends} | ({"remove": removed} if removed else {})
    _write(folder, settings, changed, has_every_table=False)
    if read_network(folder) != network:
        raise ValueError(f"{network.name} cannot be written as an overlay of {extends}")


def _head(network: Network) -> dict[str, Any]:
    return {"format": FORMAT, "name": network.name, "title": network.title}


def _rows(network: Network) -> Rows:
    """Return the rows of a whole network."""
    units = [*network.transformers, *(r.transformer for r in network.regulators)]
    rows = {key: [_row(e) for e in getattr(network, key)] for key, table in TABLES.items() if table.build}
    rows["transformers"] = [_row(t) for t in units]
    rows["windings"] = [
        _row(w) | {"transformer": t.name, "winding": i} for t in units for i, w in enumerate(t.windings, 1)
    ]
    rows["regulators"] = [_row(r) | {"transformer": r.name} for r in network.regulators]
    return rows


def _by_name(key: str, rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return rows in groups of one name; windings come in sets."""
    columns = TABLES[key].columns
    field = next(c.field for c in columns if c.name == TABLES[key].key)
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row[field], []).append({c.field: row[c.field] for c in columns})
    return groups


def _write(folder: Path, settings: dict[str, Any], rows: Rows, *, has_every_table: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{key} = {_toml(value)}\n" for key, value in settings.items()]
    (folder / "network.toml").write_text("".join(lines), encoding="utf-8")
    for key, table in TABLES.items():
        path = folder / table.file
        if rows[key] or has_every_table:
            write_table(path, table, rows[key])
        else:
            path.unlink(missing_ok=True)


def _toml(value: Any) -> str:
    """Return a TOML value: a number, a basic string, or a list of strings."""
    if isinstance(value, list):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    if not isinstance(value, str):
        return repr(value)
    escaped = "".join(
        c
        if c.isprintable() and c not in '"\\'
        else f"\\u{ord(c):04x}"
        if ord(c) < 65536
        else f"\\U{ord(c):08x}"
        for c in value
    )
    return f'"{escaped}"'
