"""Settings of the relay from a TOML file and the command line; the command line has the last word."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .curves import CURVES
from .overcurrent import RESETS, Element
from .recloser import Reclosing
from .relay import Settings
from .wiring import FileError, hint, read_toml

ALLOWED_RESETS = tuple(r for r in RESETS if r != "never")
MAX_INTERVALS = 3


def _above(value: object, least: float) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value > least  # type: ignore[arg-type,operator]


def _from_zero(value: object) -> bool:
    return value == 0 or _above(value, 0.0)


def _is_intervals(value: object) -> bool:
    is_list = isinstance(value, list) and len(value) <= MAX_INTERVALS
    return is_list and all(_above(x, 0.0) for x in value)  # type: ignore[attr-defined]


Rule = tuple[Callable[[object], bool], str]
ELEMENT: dict[str, Rule] = {
    "pickup_a": (lambda v: _above(v, 0.0), "a number above 0 [A]"),
    "tms": (lambda v: _above(v, 0.0), "a number above 0"),
    "curve": (lambda v: v in CURVES, "one of " + ", ".join(CURVES)),
    "reset": (lambda v: v in ALLOWED_RESETS, "one of " + ", ".join(ALLOWED_RESETS)),
    "reset_delay_s": (_from_zero, "a number from 0 [s]"),
}
RELAY: dict[str, Rule] = ELEMENT | {
    "open_intervals_s": (_is_intervals, f"a list of at most {MAX_INTERVALS} times above 0 [s]"),
    "reset_s": (lambda v: _above(v, 0.0), "a time above 0 [s]"),
    "reset_from_lockout_s": (lambda v: _above(v, 0.0), "a time above 0 [s]"),
}
FAST: dict[str, Rule] = ELEMENT | {
    "n_shots": (lambda v: v in (1, 2, 3) and not isinstance(v, bool), "a whole number from 1 to 3"),
}
DEFAULTS: dict[str, Any] = {"pickup_a": 400.0, "tms": 0.1, "curve": "IEC_SI"}


def _problems(row: Mapping[str, Any], rules: dict[str, Rule], where: str) -> list[str]:
    return [
        f"{where}{key} = {value!r}: must be {rules[key][1]}"
        if key in rules
        else f"{where}{key}: no such setting{hint(key, tuple(rules))}"
        for key, value in row.items()
        if key not in rules or not rules[key][0](value)
    ]


def read_settings(path: Path | None, from_command_line: dict[str, Any]) -> Settings:
    """Return the relay's settings.

    Parameters
    ----------
    path : Path, optional
        TOML file: the keys of ``RELAY``, and tables ``[ground]`` (keys of ``ELEMENT``) and ``[fast]`` (those
        and ``n_shots``: it serves in place of the phase element for so many shots).
    from_command_line : dict
        The same keys; None is not given.

    Raises
    ------
    FileError
        With every problem.
    """
    row = DEFAULTS | (read_toml(path) if path else {})
    row |= {key: value for key, value in from_command_line.items() if value is not None}
    tables = {"ground": ELEMENT, "fast": FAST}
    inner = {name: row.pop(name) for name in tables if name in row}
    problems = _problems(row, RELAY, "")
    for name, table in inner.items():
        if isinstance(table, dict):
            own: dict[str, Any] = {k: row[k] for k in DEFAULTS} | table
            problems += _problems(own, tables[name], f"{name}.")
            inner[name] = own
        else:
            problems.append(f"{name}: must be a table [{name}]")
    if problems:
        raise FileError(path or Path("command line"), list(dict.fromkeys(problems)))
    n_fast = inner.get("fast", {}).pop("n_shots", 1) if "fast" in inner else 0
    keys_of_79 = ("open_intervals_s", "reset_s", "reset_from_lockout_s")
    of_79 = {k: row.pop(k) for k in keys_of_79 if k in row}
    of_79["open_intervals_s"] = tuple(of_79.get("open_intervals_s", ()))
    return Settings(
        phase=Element(**row, shots=(n_fast, 99)),
        ground=Element(**inner["ground"]) if "ground" in inner else None,
        fast=Element(**inner["fast"], shots=(0, n_fast - 1)) if n_fast else None,
        reclosing=Reclosing(**of_79),
    )
