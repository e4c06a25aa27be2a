"""Values in messages are written as in the file they come from."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from hil.toml_words import LONGEST, called, shown


@pytest.mark.parametrize(
    ("value", "text", "kind"),
    [
        (True, "true", "true/false"),
        (5, "5", "a whole number"),
        (0.5, "0.5", "a number"),
        ("x", "'x'", "text"),
        (dt.date(2017, 1, 2), "2017-01-02", "a date"),
        (dt.datetime(2017, 1, 2, 3, 4), "2017-01-02T03:04:00", "a date and time"),
        (dt.time(3, 4), "03:04:00", "a time"),
        ([False, "a"], "[false, 'a']", "a list"),
        ({"is_open": True}, "{ is_open = true }", "a table"),
        ({}, "{}", "a table"),
        (None, "None", "something else"),
    ],
)
def test_a_value_is_shown_and_called_as_in_the_file(value: Any, text: str, kind: str) -> None:
    assert (shown(value), called(value)) == (text, kind)


def test_a_long_value_is_cut() -> None:
    assert shown("y" * 500) == "'" + "y" * (LONGEST - 5) + " ..."
    assert len(shown(["x"] * 50)) == LONGEST
