"""What is wrong in a file is told in words of the file, never in those of the language or its libraries."""

from __future__ import annotations

import datetime as dt
import importlib
import math
import re
from collections.abc import Iterator
from typing import Any

import pytest

from hil.settings_errors import Section, check_model

SCHEMAS = (
    "settings_sections",
    "scenario_sections",
    "attack_sections",
    "relaytest.schema",
    "cyberrange.schema",
    "fault_library",
    "wiring_sections",
    "profile_settings",
    "telemetry_files",
)
VALUES = (
    *(True, 5, -5, 5.5, 10**30, math.nan, math.inf, "", "x", "y" * 500),
    *([], [1, "a"], [{}], ["x"] * 50, {}, {"a": True}),
    *(dt.date(2017, 1, 2), dt.datetime(2017, 1, 2, 3, 4), dt.time(3, 4)),
)
FOREIGN = re.compile(r"[Ii]nput should|Value error|datetime\.|True|False|None|match|\[\^|something else")


def sections(below: type[Section]) -> Iterator[type[Section]]:
    for each in below.__subclasses__():
        yield each
        yield from sections(each)


@pytest.mark.parametrize("schema", SCHEMAS)
def test_no_value_of_any_key_is_answered_in_a_foreign_language(schema: str) -> None:
    module = importlib.import_module(f"hil.{schema}").__name__
    own = [s for s in dict.fromkeys(sections(Section)) if s.__module__ == module]
    assert own
    said: list[str] = []
    for model in own:
        for key in model.model_fields:
            for value in VALUES:
                _, problems = check_model(model, {key: value}, "file")
                said += [str(p) for p in problems if p.place.startswith(key)]
    assert said
    assert [text for text in said if FOREIGN.search(text)] == []


class Small(Section):
    """A table with one key of each kind."""

    is_on: bool = False
    name: str = ""


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"name": True}, "true is true/false; text in quotes is needed"),
        ({"name": dt.date(2017, 1, 2)}, "2017-01-02 is a date; text in quotes is needed"),
        ({"is_on": {"a": False}}, "{ a = false } is a table; true or false is needed"),
    ],
)
def test_a_value_is_told_as_the_file_has_it(raw: dict[str, Any], said: str) -> None:
    _, (problem,) = check_model(Small, raw, "file")
    assert problem.what == said
