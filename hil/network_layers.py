"""Network folders on disk, and folders that extend another one: who says what, merged into one.

A folder that stands alone has a file for every table, be it the heading alone: a lost file would
else pass for a network without loads. One that extends another has those tables that differ.

``network.toml`` may say ``extends = "iowa240"`` (a shipped name, or a path beside the folder). The
folder's tables then add to those of the base. A row whose name the base has, too, takes its place;
new rows come behind. ``remove = ["switch.cb_102", ..]`` drops elements of the base first. Windings
belong to their transformer: they are replaced as a set, by new windings or by a transformer row of
that name. A removed transformer takes its windings and its tap changer along; a removed regulator
leaves the transformer.
"""

from __future__ import annotations

import dataclasses as dc
import math
import tomllib
from pathlib import Path
from typing import Any

from hil import paths
from hil.network_checks import Found
from hil.network_tables import TABLES, Row, read_table
from rtcore.errors import Problem, did_you_mean

FORMAT = 1
SETTINGS: dict[str, tuple[type, ...]] = {
    "format": (int,),
    "name": (str,),
    "title": (str,),
    "base_frequency_hz": (int, float),
    "extends": (str,),
    "remove": (list,),
}
TABLE_OF = {table.element: key for key, table in TABLES.items() if table.element}
"""Table of each kind of element."""

BELONGING = {"transformers": ("windings", "regulators")}
"""Tables whose rows go with a removed element: they are keyed by its name."""


@dc.dataclass
class Layer:
    """One folder as it stands."""

    folder: Path
    settings: dict[str, Any]
    rows: dict[str, list[Row]] = dc.field(default_factory=dict)
    unreadable: set[str] = dc.field(default_factory=set)

    @property
    def toml(self) -> Path:
        """The folder's settings file."""
        return self.folder / "network.toml"

    @property
    def is_root(self) -> bool:
        """Tell whether the folder stands alone; one whose settings are unreadable, by its tables."""
        if self.settings:
            return "extends" not in self.settings
        return all((self.folder / t.file).is_file() for t in TABLES.values() if t.is_needed)


def read_layers(folder: Path, problems: list[Problem]) -> tuple[dict[str, Any], Found | None]:
    """Read a folder and all that it extends.

    Returns
    -------
    settings : dict
        Those of the folder, with the frequency of the network that it extends.
    found : Found or None
        The merged tables; None where a base is missing, so that checks would find fault with all.
    """
    layers: list[Layer] = []
    here: Path | None = folder
    while here is not None:
        layers.append(_layer(here, problems))
        here = _base(layers, problems)
    if not layers[-1].is_root:
        return layers[0].settings, None
    layers.reverse()
    found = Found(folder)
    for layer in layers:
        found.unreadable |= layer.unreadable
        _remove(found, layer, problems)
        _add(found, layer)
    found.rows = {key: [row for row in rows if row.values] for key, rows in found.raw.items()}
    return _one_frequency(layers, problems), found


def _layer(folder: Path, problems: list[Problem]) -> Layer:
    layer = Layer(folder, _settings(folder / "network.toml", problems))
    for key, table in TABLES.items():
        path = folder / table.file
        rows: list[Row] | None = []
        if path.is_file():
            rows = read_table(path, table, problems)
        elif layer.is_root:
            none = "" if table.is_needed else f"; with no rows it has its heading alone: {table.heading}"
            problems.append(Problem(str(path), "", f"the file is missing{none}"))
            rows = None
        layer.rows[key] = rows or []
        if rows is None:
            layer.unreadable.add(key)
    _strangers(folder, problems)
    return layer


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
        elif not isinstance(value, SETTINGS[key]) or isinstance(value, bool):
            problems.append(Problem(str(path), repr(key), f"{value!r} is of the wrong type"))
    needed = ["format", "name", "title"] + ["base_frequency_hz"] * ("extends" not in settings)
    problems += [Problem(str(path), repr(k), "the key is missing") for k in needed if k not in settings]
    if settings.get("format", FORMAT) != FORMAT:
        problems.append(
            Problem(str(path), "'format'", f"{settings['format']!r} is not known; this program reads 1")
        )
    hertz = settings.get("base_frequency_hz", 60.0)
    if isinstance(hertz, (int, float)) and not (math.isfinite(hertz) and hertz > 0.0):
        problems.append(Problem(str(path), "'base_frequency_hz'", f"{hertz!r} is not a positive number"))
    if "remove" in settings and "extends" not in settings:
        problems.append(Problem(str(path), "'remove'", "there is nothing to remove without 'extends'"))
    return settings


def _base(layers: list[Layer], problems: list[Problem]) -> Path | None:
    """Return the folder that the last layer extends; one that cannot be is reported."""
    layer = layers[-1]
    name = layer.settings.get("extends")
    if not isinstance(name, str):
        return None
    try:
        base = paths.find("networks", name, layer.folder)
    except paths.NotFoundError as error:
        problems.append(Problem(str(layer.toml), "'extends'", error.what))
        return None
    if base.resolve() in [e.folder.resolve() for e in layers]:
        circle = " -> ".join(str(p) for p in [*(e.folder for e in layers), base])
        problems.append(Problem(str(layer.toml), "'extends'", f"goes round in a circle: {circle}"))
        return None
    return base


def _one_frequency(layers: list[Layer], problems: list[Problem]) -> dict[str, Any]:
    """Return the settings of the top layer; its reactances stand for the base's frequency."""
    hertz = layers[0].settings.get("base_frequency_hz")
    for layer in layers[1:]:
        own = layer.settings.get("base_frequency_hz", hertz)
        if own != hertz:
            what = f"{own!r} here and {hertz!r} in {layers[0].toml}; reactances stand for that frequency"
            problems.append(Problem(str(layer.toml), "'base_frequency_hz'", what))
    return layers[-1].settings | {"base_frequency_hz": hertz}


def _remove(found: Found, layer: Layer, problems: list[Problem]) -> None:
    words = layer.settings.get("remove")
    if not isinstance(words, list) or "extends" not in layer.settings:
        return
    for word in words:
        what = _removed(found, word, layer.toml)
        if what:
            problems.append(Problem(str(layer.toml), "'remove'", what))


def _removed(found: Found, word: Any, toml: Path) -> str:
    """Drop one element; returns what is wrong with its name."""
    if not isinstance(word, str):
        return f"{word!r} is not an element; write it like 'load.name'"
    element, _, name = word.partition(".")
    if element not in TABLE_OF:
        near = did_you_mean(element, TABLE_OF)
        return f"{word!r}: unknown kind {element!r}; kinds are {', '.join(TABLE_OF)}{near}"
    key = TABLE_OF[element]
    names = found.names(key)
    if name not in names:
        near = did_you_mean(name, names)
        return "" if key in found.unreadable else f"{word!r}: the base has no {element} {name!r}{near}"
    found.removed[key, name] = toml
    for table in (key, *BELONGING.get(key, ())):
        found.raw[table] = [r for r in found.raw[table] if _name(table, r) != name]
    return ""


def _add(found: Found, layer: Layer) -> None:
    """Lay a folder's rows over those found so far."""
    anew = {_name("transformers", row) for row in layer.rows["transformers"]}
    anew |= {_name("windings", row) for row in layer.rows["windings"]}
    found.raw["windings"] = [r for r in found.raw["windings"] if _name("windings", r) not in anew]
    for key in TABLES:
        found.raw[key] = _laid_over(key, found.raw[key], layer.rows[key])


def _laid_over(key: str, base: list[Row], over: list[Row]) -> list[Row]:
    """Return the base's rows in their order, replaced where names agree, then the new ones."""
    fresh: dict[str, list[Row]] = {}
    for row in over:
        fresh.setdefault(_name(key, row), []).append(row)
    rows = []
    for row in base:
        rows += fresh.pop(_name(key, row), []) if _name(key, row) in fresh else [row]
    return rows + [row for group in fresh.values() for row in group]


def _name(key: str, row: Row) -> str:
    return row.texts.get(TABLES[key].key, "")
