"""Documentation tables show what a user may write."""

from __future__ import annotations

import pytest

from hil.doc_tables import components_md
from rtcore.component import REGISTRY, component, param


def test_closed_sets_are_shown_as_words_with_the_word_of_the_default() -> None:
    @component("t_shown", attrs=())
    class Shown:
        """Something."""

        a: float = param(default="two", unit="", doc="by word", choices={"one": 1, "two": 2})
        b: float = param(default=1.0, unit="", doc="by number", choices={"one": 1, "two": 2})
        c: float = param(default=0.5, unit="s", doc="plain", gt=0, le=2)
        d: float = param(unit="V", doc="needed")

    try:
        lines = components_md().splitlines()
    finally:
        del REGISTRY["t_shown"]
    for line in (
        "| a | two |  | by word | one of one, two |",
        "| b | one |  | by number | one of one, two |",
        "| c | 0.5 | s | plain | gt 0, le 2 |",
        "| d | required | V | needed |  |",
    ):
        assert line in lines


@pytest.mark.parametrize("kind", ["breaker", "load", "source"])
def test_every_kind_has_a_section_without_anybody_importing_it_first(kind: str) -> None:
    assert f"## {kind}" in components_md().splitlines()
