"""A damaged file of the program's own is told in words."""

from __future__ import annotations

import json

import pytest

from hil.damage import words_of


def test_what_is_missing_is_named() -> None:
    assert words_of(KeyError("start")) == "'start' is missing in it"


def test_the_system_s_own_words_are_kept() -> None:
    assert words_of(PermissionError(13, "Permission denied")) == "Permission denied"


def test_a_file_that_was_cut_ends_too_soon() -> None:
    assert words_of(EOFError("Compressed file ended before the marker")) == "it ends too soon"


@pytest.mark.parametrize(
    "error",
    [json.JSONDecodeError("Expecting value", "", 0), TypeError("'int' object"), KeyError(), OSError("x")],
)
def test_nothing_of_the_language_of_the_program_is_told(error: Exception) -> None:
    assert words_of(error) == "it holds something else than it should"
