"""docs/station-file.md, made from the declarations of a station file; ``tests/meta`` compares the two."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from hil.settings import schema

HEAD = """# Station file

A station is one TOML file; [point lists](points.md), [networks](networks.md) and profiles are folders that it
names. The shipped ones in `config/stations` are commented key by key; copy one. This page is made from the
declarations (`hil/doc_station.py`).

```console
$ gridhil check iowa240
$ gridhil check --schema
```

The first says everything that is wrong with a file, with its place; the second prints the JSON Schema that
editors use ([editors](editors.md)). A bare name means the shipped item of that name, else one beside the
file; anything with a `/` or a suffix is a path, relative to the file. Only `[station]` and `[time]` must be
there.
"""

LIMITS = {
    "minimum": "from {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "to {}",
    "exclusiveMaximum": "less than {}",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
}


def station_file_md() -> str:
    """Return docs/station-file.md: every table of a station file with its keys."""
    document = schema()
    lines = [HEAD]
    for name, keys in _tables(document):
        lines += [*keys, ""] if not name else [f"## `{name}`", "", *keys, ""]
    return "\n".join(lines).rstrip() + "\n"


def _tables(document: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Give the heading and the lines of every table, each table after the one that holds it."""
    waiting = [(f"[{key}]", key, part) for key, part in document["properties"].items()]
    while waiting:
        heading, path, part = waiting.pop(0)
        about = part.get("description", "").replace("<", "&lt;")
        table, _ = _table(part, document)
        if table is None:
            yield heading, [about] if about else []
            continue
        about = about or table.get("description", "").splitlines()[0]
        rows = ["| key | is | default | meaning |", "| --- | --- | --- | --- |"]
        inner = []
        for key, value in table["properties"].items():
            place = f"{path}.{key}"
            deeper, many = _table(value, document)
            if deeper is not None and "patternProperties" in value:
                inner.append((f"[{place}.NAME]", f"{place}.NAME", value))
            elif deeper is not None and (many or not _is_leaf(value)):
                inner.append((f"[[{place}]]" if many else f"[{place}]", place, value))
            rows.append(_row(key, value, key in table.get("required", ()), document))
        yield heading, [*([about, ""] if about else []), *rows]
        waiting = inner + waiting


def _is_leaf(part: dict[str, Any]) -> bool:
    return "type" in part and part["type"] != "object"


def _table(part: dict[str, Any], document: dict[str, Any]) -> tuple[dict[str, Any] | None, bool]:
    """Return the table that a key holds, if any, and whether it holds a list of them."""
    for option in part.get("anyOf", [part]):
        if "$ref" in option:
            found = document["$defs"][option["$ref"].rpartition("/")[2]]
            if "properties" in found:
                return found, False
        named = option.get("patternProperties", {}).values()
        for inner in (option.get("items"), option.get("additionalProperties"), *named):
            if isinstance(inner, dict) and "$ref" in inner:
                found = document["$defs"][inner["$ref"].rpartition("/")[2]]
                if "properties" in found:
                    return found, option.get("type") == "array"
    return None, False


def _row(key: str, part: dict[str, Any], is_required: bool, document: dict[str, Any]) -> str:
    text = re.sub(r"\s+", " ", part.get("description", ""))
    text = text.replace("|", "\\|").replace("[", "\\[").replace("<", "&lt;")
    return f"| `{key}` | {_is(part, document)} | {_default(part, is_required)} | {text} |"


def _is(part: dict[str, Any], document: dict[str, Any]) -> str:
    options = [_one(option, document) for option in part.get("anyOf", [part]) if option.get("type") != "null"]
    limits = [
        word.format(f"{option[name]:g}")
        for option in (part, *part.get("anyOf", ()))
        for name, word in LIMITS.items()
        if isinstance(option.get(name), int | float)
    ]
    return ", ".join([" or ".join(dict.fromkeys(options)), *dict.fromkeys(limits)])


def _one(option: dict[str, Any], document: dict[str, Any]) -> str:
    if "$ref" in option:
        found = document["$defs"][option["$ref"].rpartition("/")[2]]
        return "table" if "properties" in found else _one(found, document)
    if "const" in option:
        return f'`"{option["const"]}"`'
    if "enum" in option:
        return " or ".join(f'`"{word}"`' if isinstance(word, str) else f"`{word}`" for word in option["enum"])
    words = {
        "integer": "whole number",
        "number": "number",
        "boolean": "true or false",
        "string": "date and time" if option.get("format") == "date-time" else "text",
        "array": "list",
        "object": "table",
    }
    return words.get(option.get("type", ""), "value")


def _default(part: dict[str, Any], is_required: bool) -> str:
    if is_required:
        return "needed"
    default = part.get("default")
    if default is None or isinstance(default, dict) or default in ([], ""):
        return ""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, str):
        return f'`"{default}"`'
    if isinstance(default, list):
        simple = all(isinstance(item, str | int | float) for item in default)
        return (
            "`[" + ", ".join(f'"{d}"' if isinstance(d, str) else f"{d:g}" for d in default) + "]`"
            if simple
            else ""
        )
    return f"`{default:g}`"
