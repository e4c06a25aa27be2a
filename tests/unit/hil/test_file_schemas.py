"""JSON Schemas for editors: made from the sections, true of every shipped file, strict about keys."""

from __future__ import annotations

import datetime as dt
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from hil.file_schemas import schemas
from hil.paths import config_dir

FOLDERS = {
    "scenario": "scenarios",
    "relaytest": "relaytests",
    "wiring": "wiring",
    "attacks": "attacks",
    "cyberrange": "cyberrange",
    "telemetry": "telemetry",
    "faults": "faults",
}
SHIPPED = [
    (kind, path) for kind, name in FOLDERS.items() for path in sorted((config_dir() / name).glob("*.toml"))
]
TYPES: dict[str, Any] = {
    "string": (str, dt.datetime),
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}
UNDERSTOOD = {
    *("$schema", "$comment", "$defs", "$ref", "title", "description", "default", "format", "prefixItems"),
    *("type", "enum", "const", "anyOf", "items", "properties", "required", "additionalProperties", "pattern"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems", "minLength"),
    *("maxLength", "propertyNames", "minProperties", "uniqueItems"),
}


def document(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((config_dir() / "schemas" / f"{kind}.schema.json").read_text())
    return found


def problems(value: Any, schema: Any, whole: dict[str, Any], place: str = "") -> list[str]:
    """Return what a value breaks of a schema: keys, types, choices, limits, patterns."""
    if schema is True or schema is False:
        return [] if schema else [f"{place}: not allowed"]
    assert set(schema) <= UNDERSTOOD, set(schema) - UNDERSTOOD
    if "$ref" in schema:
        return problems(value, whole["$defs"][schema["$ref"].rpartition("/")[2]], whole, place)
    found = []
    if "anyOf" in schema:
        branches = [problems(value, branch, whole, place) for branch in schema["anyOf"]]
        found += [] if [] in branches else min(branches, key=len)
    if "type" in schema:
        is_it = isinstance(value, TYPES[schema["type"]])
        if not is_it or (isinstance(value, bool) and schema["type"] in ("integer", "number")):
            return [*found, f"{place}: not of type {schema['type']}"]
    choices = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if choices is not None and value not in choices:
        found.append(f"{place}: not one of {choices}")
    if isinstance(value, int | float) and not isinstance(value, bool):
        low, high = schema.get("minimum", value), schema.get("maximum", value)
        found += [] if low <= value <= high else [f"{place}: out of range"]
    if isinstance(value, str) and "pattern" in schema and not re.search(schema["pattern"], value):
        found.append(f"{place}: does not match {schema['pattern']}")
    if isinstance(value, list) and "items" in schema:
        for k, item in enumerate(value):
            found += problems(item, schema["items"], whole, f"{place}[{k}]")
    if isinstance(value, dict) and schema.get("type") == "object":
        known = schema.get("properties", {})
        found += [f"{place}.{key}: missing" for key in schema.get("required", ()) if key not in value]
        for key, item in value.items():
            inner = known.get(key, schema.get("additionalProperties", True))
            found += problems(item, inner, whole, f"{place}.{key}")
    return found


def test_the_schemas_are_those_of_the_sections() -> None:
    """Make them again with ``python -m hil.file_schemas``."""
    committed = {p.name: p.read_text(encoding="utf-8") for p in (config_dir() / "schemas").glob("*.json")}
    assert committed == schemas()


def test_there_is_one_for_each_kind_of_file() -> None:
    assert {f"{kind}.schema.json" for kind in FOLDERS} == set(schemas())
    assert len({kind for kind, _ in SHIPPED}) == len(FOLDERS)


@pytest.mark.parametrize(("kind", "path"), SHIPPED, ids=lambda x: x if isinstance(x, str) else x.stem)
def test_a_shipped_file_is_as_its_schema_says(kind: str, path: Path) -> None:
    whole = document(kind)
    assert problems(tomllib.loads(path.read_text(encoding="utf-8")), whole, whole) == []


@pytest.mark.parametrize(
    ("kind", "text", "what"),
    [
        ("scenario", '[scenario]\nname = "x"\nstation = "y"\nduration = "1 s"\nstations = 1', "not allowed"),
        ("scenario", '[scenario]\nname = "x"\nstation = 5\nduration = "1 s"', "not of type string"),
        ("scenario", "[[event]]\nat = 0", ".scenario: missing"),
        ("attacks", '[attacks]\nname = "x"\n[[attack]]\nkind = "nonsense"', "not one of"),
        ("telemetry", "title = 5", "not of type string"),
        ("faults", "format = 1\n[[fault]]\nnam = 'x'", "not allowed"),
    ],
)
def test_a_mistake_is_seen(kind: str, text: str, what: str) -> None:
    whole = document(kind)
    assert any(what in problem for problem in problems(tomllib.loads(text), whole, whole))
