"""Errors a user can mend: one base class, every problem of a file in one report."""

from __future__ import annotations

import dataclasses as dc
import difflib
import re
from collections.abc import Iterable


@dc.dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong in one place of one file."""

    file: str
    place: str
    what: str

    def __str__(self) -> str:
        place = f"{self.place}: " if self.place else ""
        return f"{self.file}: {place}{self.what}"

    @property
    def sort_key(self) -> tuple[str, list[tuple[int, str]], str]:
        """Order by file, then place with its numbers as numbers: row 9 before row 10."""
        parts = re.findall(r"(\d+)|(\D+)", self.place)
        return self.file, [(int(number or -1), text) for number, text in parts], self.what


class GridhilError(Exception):
    """Base of everything gridhil raises on purpose."""


class UserInputError(GridhilError):
    """Files or arguments that cannot be used; carries every problem found, sorted."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(problems, key=lambda p: p.sort_key)
        super().__init__("\n".join(str(p) for p in self.problems))

    def __reduce__(self) -> tuple[type[UserInputError], tuple[list[Problem]]]:
        """Cross processes whole: an exception is made again from its message otherwise."""
        return type(self), (self.problems,)


class HostError(GridhilError):
    """Host or environment cannot do it: port taken, no space, missing permission."""


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` for a near miss, else an empty string."""
    near = difflib.get_close_matches(word, list(allowed), 1)
    return f"; did you mean {near[0]!r}?" if near else ""
