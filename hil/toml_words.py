"""Values of a user's TOML file as the file has them, and what they are called."""

from __future__ import annotations

import datetime as dt
from typing import Any

LONGEST = 60
"""What is longer is cut: a message names a value, it does not repeat a file [characters]."""
CALLED = {
    bool: "true/false",
    int: "a whole number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "a table",
    dt.datetime: "a date and time",
    dt.date: "a date",
    dt.time: "a time",
}


def called(value: Any) -> str:
    """Return what kind of value it is."""
    return CALLED.get(type(value), "something else")


def shown(value: Any) -> str:
    """Return a value as it would be written, cut where it is long.

    >>> shown({"is_open": True, "at": [1, 2.5]})
    '{ is_open = true, at = [1, 2.5] }'
    """
    text = _written(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 4]} ..."


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, dict):
        pairs = ", ".join(f"{key} = {_written(each)}" for key, each in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    return repr(value)
