"""Words for numbers that stand for something, read from the point's own description.

Descriptions of such points end in a table: ``state: 0 starting, 1 running: normal, 2 failed, see its log``.
"""

from __future__ import annotations

import re
from functools import cache

from hil.view.model import PointInfo
from hil.view.reading import DASH, Reading

_TABLE = re.compile(r"(?:^|[:;] )(?=[01] )")
_ENTRY = re.compile(r", (?=\d+ )")


@cache
def table(description: str) -> dict[int, str]:
    """Return number -> words of a description; empty where it has no table.

    >>> table("state: 0 starting, 1 learning: too little, 2 failed, see its log")
    {0: 'starting', 1: 'learning: too little', 2: 'failed, see its log'}
    """
    found = _TABLE.search(description)
    if found is None:
        return {}
    words: dict[int, str] = {}
    for entry in _ENTRY.split(description[found.end() :]):
        number, _, text = entry.partition(" ")
        if not text:
            return {}
        words.setdefault(int(number), text)  # a second name of the same is of no use here
    return words if len(words) > 1 else {}


def words_of(point: PointInfo | None, reading: Reading) -> str:
    """Return the words for a reading; the number itself where there are none, a dash where it is none."""
    number = reading.number
    if number is None or point is None:
        return DASH
    text = table(point.description).get(int(number), f"{number:g}")
    return text + ("?" if not reading.is_usable or reading.grade == "uncertain" else "")
