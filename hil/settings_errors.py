"""TOML files checked against pydantic models, with every problem in our own words.

A problem's place is the key path as the user wrote it (``modbus.units[2].order``).
"""

from __future__ import annotations

import re
import tomllib
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import pydantic
from pydantic_core import ErrorDetails

from hil.settings_types import NAME_RULE
from hil.toml_words import called, shown
from rtcore.errors import Problem, did_you_mean

M = TypeVar("M", bound=pydantic.BaseModel)

NEEDED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text in quotes",
    "tuple_type": "a list [..]",
    "list_type": "a list [..]",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "dict_type": "a table",
}

PATTERNS = {
    "^[a-z0-9][a-z0-9_-]{0,39}$": NAME_RULE,
    "^[a-z][a-z0-9_]*$": "lower-case letters, digits and '_', beginning with a letter",
    "^[a-z][a-z0-9_]{0,30}$": "lower-case letters, digits and '_', at most 31, beginning with a letter",
    "^[abc]{1,3}$": "one to three of a, b, c, like ab",
    "^/[A-Za-z0-9_./-]*$": "a path like /gridhil",
    r"^opc\.tcp://[^\s/]+(/\S*)?$": "an address like opc.tcp://127.0.0.1:4840/gridhil",
}
"""Form of a text -> what it is in words."""

UNREADABLE: dict[type[OSError], str] = {
    FileNotFoundError: "no such file",
    IsADirectoryError: "is a folder; a file is needed",
}


class Section(pydantic.BaseModel):
    """Base of every table of a user's TOML file: frozen, strict, no unknown keys."""

    model_config = pydantic.ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


def load_toml(path: Path) -> tuple[dict[str, Any], list[Problem]]:
    """Read a TOML file; what cannot be read is a problem, not an exception."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")), []
    except tomllib.TOMLDecodeError as error:
        text = str(error)
        where = re.search(r" \(at (line \d+), (column \d+)\)$", text)
        place = f"{where[1]} {where[2]}" if where else ""
        return {}, [Problem(str(path), place, f"not TOML: {text[: where.start()] if where else text}")]
    except UnicodeDecodeError as error:
        return {}, [Problem(str(path), f"byte {error.start}", "not UTF-8 text; save the file as UTF-8")]
    except OSError as error:
        return {}, [Problem(str(path), "", UNREADABLE.get(type(error), f"cannot be read: {error.strerror}"))]


def check_model(model: type[M], raw: Any, file: str, prefix: str = "") -> tuple[M | None, list[Problem]]:
    """Validate one table; returns the model or every problem in it."""
    try:
        return model.model_validate(raw), []
    except pydantic.ValidationError as error:
        problems = [_problem(model, raw, e, file, prefix) for e in error.errors(include_url=False)]
        return None, list(dict.fromkeys(problems))


def key_path(loc: tuple[int | str, ...], prefix: str = "") -> str:
    """Return a key path as a user would write it.

    >>> key_path(("units", 2, "order"), "modbus")
    'modbus.units[2].order'
    """
    text = prefix
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _problem(model: type[pydantic.BaseModel], raw: Any, e: ErrorDetails, file: str, prefix: str) -> Problem:
    loc = _real_path(raw, e["loc"], is_missing=e["type"] == "missing")
    said, value = _sentence(model, e, loc), e["input"]
    if said.startswith(repr(value)):  # the value as this program has it; the user knows it as in the file
        said = shown(value) + said[len(repr(value)) :]
    return Problem(file, key_path(loc, prefix), said)


def _real_path(raw: Any, loc: tuple[int | str, ...], *, is_missing: bool) -> tuple[int | str, ...]:
    """Drop what pydantic adds to a location for its own use (union branches, validators)."""
    path: list[int | str] = []
    node = raw
    for part in loc:
        in_list = isinstance(node, list | tuple) and isinstance(part, int) and part < len(node)
        if in_list or (isinstance(node, Mapping) and part in node):
            node = node[part]
        elif not (is_missing and part == loc[-1]):
            continue
        path.append(part)
    return tuple(path)


def _sentence(model: type[pydantic.BaseModel], e: ErrorDetails, loc: tuple[int | str, ...]) -> str:
    kind, value, ctx = e["type"], e["input"], e.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(model, loc)
    if kind == "missing":
        return "this key is missing and has no default"
    if kind in NEEDED:
        return f"{value!r} is {called(value)}; {NEEDED[kind]} is needed"
    if kind in ("literal_error", "enum"):
        return _not_listed(value, str(ctx["expected"]))
    if kind == "value_error":
        return str(ctx["error"])
    limits = {"greater_than": ">", "greater_than_equal": ">=", "less_than": "<", "less_than_equal": "<="}
    if kind in limits:
        limit = next(iter(ctx.values()))
        return f"{value!r} is out of range; must be {limits[kind]} {limit}"
    if kind == "string_pattern_mismatch":
        return f"{value!r} is not allowed; write {PATTERNS.get(ctx['pattern'], ctx['pattern'])}"
    if kind in ("string_too_short", "too_short"):
        return f"{value!r} is empty; at least one is needed"
    return f"{value!r}: {e['msg'][:1].lower()}{e['msg'][1:]}"


def _not_listed(value: Any, expected: str) -> str:
    allowed = re.findall(r"'([^']*)'|(\b\d+\b)", expected)
    words = [a or b for a, b in allowed]
    hint = did_you_mean(value, words) or did_you_mean(value.lower(), words) if isinstance(value, str) else ""
    return f"{value!r} is not allowed; one of {', '.join(words)}{hint}"


def _unknown_key(model: type[pydantic.BaseModel], loc: tuple[int | str, ...]) -> str:
    owner = _model_at(model, loc[:-1]) or model
    allowed = list(owner.model_fields)
    return f"unknown key; allowed: {', '.join(allowed)}{did_you_mean(str(loc[-1]), allowed)}"


def _model_at(model: type[pydantic.BaseModel], loc: tuple[int | str, ...]) -> type[pydantic.BaseModel] | None:
    """Return the model that describes the table at ``loc``."""
    current: type[pydantic.BaseModel] | None = model
    for part in loc:
        if current is None:
            return None
        if isinstance(part, str):
            field = current.model_fields.get(part)
            current = _model_in(field.annotation) if field is not None else None
    return current


def _model_in(annotation: Any) -> type[pydantic.BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        return annotation
    found = (_model_in(a) for a in typing.get_args(annotation))
    return next((m for m in found if m is not None), None)
