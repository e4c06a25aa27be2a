"""What is said of a wrong value on the command line: our words, not those of the library that finds it."""

from __future__ import annotations

from typing import Any

import pydantic
import typer
from typer.core import TyperGroup

from rtcore.errors import did_you_mean

KINDS = {
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number of usual size",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "datetime_parsing": "a date and time like 2017-07-12T12:00",
    "datetime_from_date_parsing": "a date and time like 2017-07-12T12:00",
}
LIMITS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}


class Group(TyperGroup):
    """The program's commands, every wrong value of theirs in our own words."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            if isinstance(error.__cause__, pydantic.ValidationError):
                error.message = words_of(error.__cause__)
            raise


def words_of(error: pydantic.ValidationError) -> str:
    """Return what is wrong with a value and what is needed instead."""
    (first, *_) = error.errors(include_url=False)
    kind, value, context = first["type"], first["input"], first.get("ctx", {})
    if kind in KINDS:
        return f"{value!r} is not {KINDS[kind]}"
    for name, sign in LIMITS.items():
        if name in context:
            return f"{value} is out of range; must be {sign} {str(context[name]).removesuffix('.0')}"
    if kind == "value_error":
        return _listed(value, str(context["error"]))
    return f"{value!r} cannot be used"


def _listed(value: Any, text: str) -> str:
    """Return the library's sentence about a word that is none of several, with the nearest of them."""
    said, is_list, words = text.rstrip(".").partition(" is not one of ")
    allowed = [word.strip("' ") for word in words.split(",")]
    if not is_list:
        return said
    return f"{said} is not one of {', '.join(allowed)}{did_you_mean(str(value), allowed)}"
