"""A reading in a word: a state, what a code stands for, or the number itself."""

from __future__ import annotations

import re

from hil.view.code_words import table, words_of
from hil.view.model import PointInfo
from hil.view.reading import Reading, text_of

_ASIDE = re.compile(r" \([^)]*\)")


def word_of(point: PointInfo | None, reading: Reading) -> str:
    """Return a reading in a word, without what a description adds in parentheses; ``?`` if it is not sure."""
    if point is None or point.states is not None or reading.number not in table(point.description):
        return text_of(point, reading)
    return _ASIDE.sub("", words_of(point, reading))
