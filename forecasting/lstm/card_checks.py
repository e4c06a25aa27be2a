"""What a model's card must hold: every problem of a document, each with its place."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rtcore.errors import did_you_mean

Found = Iterator[tuple[str, str]]
"""Place and what is wrong there."""

SHA256 = re.compile(r"[0-9a-f]{64}")


def problems_of(document: Mapping[str, Any], keys: Mapping[str, list[str]]) -> Found:
    """Yield what is wrong; ``keys`` are those of the document ("") and of its parts."""
    yield from _about_keys("", document, keys[""])
    for key, (is_right, wanted) in _PLAIN.items():
        if key in document and not is_right(document[key]):
            yield key, f"{document[key]!r:.60} is not {wanted}"
    for part in ("target", "data"):
        yield from _part(part, document, keys[part])
    yield from _inputs(document.get("inputs"), keys["inputs"])
    yield from _numbers("preparation", document.get("preparation", {}))
    yield from _numbers("recipe", document.get("recipe", {}))
    scores = document.get("scores", {})
    for horizon, row in scores.items() if isinstance(scores, dict) else ():
        yield from _numbers(f"scores.{horizon}", row)


def _about_keys(place: str, found: Mapping[str, Any], allowed: list[str]) -> Found:
    prefix = f"{place}." if place else ""
    for key in found:
        if key not in allowed:
            yield f"{prefix}{key}", f"no such key{did_you_mean(key, allowed)}"
    for key in allowed:
        if key not in found:
            yield f"{prefix}{key}", "missing"


def _part(name: str, document: Mapping[str, Any], keys: list[str]) -> Found:
    part = document.get(name)
    if part is None:
        return  # named as missing already
    if not isinstance(part, dict):
        yield name, "not an object"
        return
    yield from _about_keys(name, part, keys)
    checks = _DATA if name == "data" else _SCALING
    for key, (is_right, wanted) in checks.items():
        if key in part and not is_right(part[key]):
            yield f"{name}.{key}", f"{part[key]!r:.60} is not {wanted}"


def _inputs(inputs: Any, keys: list[str]) -> Found:
    if not isinstance(inputs, list) or not inputs:
        yield "inputs", "not a list of at least one input"
        return
    for k, row in enumerate(inputs, 1):
        yield from _part(f"inputs {k}", {f"inputs {k}": row}, keys)
    names = [row.get("name") for row in inputs if isinstance(row, dict)]
    for name in sorted({str(n) for n in names if names.count(n) > 1}):
        yield "inputs", f"{name!r} is there twice"


def _numbers(place: str, found: Any) -> Found:
    """Yield what is no number in an object, also in objects and lists inside it."""
    if not isinstance(found, dict):
        yield place, "not an object"
        return
    for key, value in found.items():
        inner = dict(enumerate(value)) if isinstance(value, list) else value
        if isinstance(inner, dict):
            yield from _numbers(f"{place}.{key}", inner)
        elif not _is_number(value):
            yield f"{place}.{key}", f"{value!r:.60} is not a finite number"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: Any, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_sha256(value: Any) -> bool:
    return isinstance(value, str) and SHA256.fullmatch(value) is not None


def _is_moment(value: Any) -> bool:
    try:
        return dt.datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


def _are_horizons(value: Any) -> bool:
    if not isinstance(value, list) or not value or not all(map(_is_count, value)):
        return False
    return value == sorted(set(value))


def _are_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


Check = tuple[Callable[[Any], bool], str]
_WHOLE: Check = (_is_count, "a whole number of at least 1")
_FROM_0: Check = (lambda v: _is_count(v, 0), "a whole number of at least 0")
_TEXT: Check = (_is_text, "a text")
_CHECKSUM: Check = (_is_sha256, "a sha256 of 64 hexadecimal digits")
_MOMENT: Check = (_is_moment, "a moment like 2017-07-12T12:00:00Z")
_POSITIVE: Check = (lambda v: _is_number(v) and v > 0, "a number above 0")

_PLAIN: dict[str, Check] = {
    "model": _TEXT,
    "sha256": _CHECKSUM,
    "created_utc": _MOMENT,
    "trainer": (lambda v: v in ("numpy", "tensorflow"), "numpy or tensorflow"),
    "seed": _FROM_0,
    "step_s": _POSITIVE,
    "lookback": _WHOLE,
    "horizons": (_are_horizons, "a list of rising whole numbers of at least 1"),
    "split": (
        lambda v: isinstance(v, dict) and all(_is_count(n, 0) for n in v.values()),
        "an object of whole numbers",
    ),
    "scores": (lambda v: isinstance(v, dict), "an object of horizons"),
    "versions": (_are_texts, "an object of texts"),
}
_SCALING: dict[str, Check] = {
    "name": _TEXT,
    "mean": (_is_number, "a finite number"),
    "scale": _POSITIVE,
}
_DATA: dict[str, Check] = {
    "source": _TEXT,
    "column": _TEXT,
    "sha256": _CHECKSUM,
    "rows": _WHOLE,
    "known": _WHOLE,
    "first_utc": _MOMENT,
    "last_utc": _MOMENT,
    "zone": _TEXT,
}
