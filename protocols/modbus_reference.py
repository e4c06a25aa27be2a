"""Wire references of points on Modbus: where a point sits and how its registers hold its value.

A reference reads ``<unit>:<table>:<address>:<format>[:<order>][*<scale>]``, for example
``2:ir:1000:float32:ABCD`` or ``1:ir:40:int16*0.1``; the value in engineering units is
raw * scale. Addresses are those of the PDU, counted from 0. Pure: no sockets, no files.
"""

from __future__ import annotations

import dataclasses as dc
import functools
import math
from collections.abc import Iterable

from protocols.modbus_codec import FORMATS, ORDERS, Format
from rtcore.errors import did_you_mean

TABLES = {"co": "coils", "di": "discrete inputs", "ir": "input registers", "hr": "holding registers"}
BIT_TABLES = ("co", "di")
ADDRESS_MAX = 9999
UNIT_MAX = 247


@dc.dataclass(frozen=True, slots=True)
class Reference:
    """One parsed wire reference; ``order`` is empty when it is left to the unit."""

    unit: int
    table: str
    address: int
    format: Format
    order: str
    scale: float

    @property
    def size(self) -> int:
        """Addresses it takes: registers, or one bit."""
        return max(1, self.format.registers)

    @property
    def end(self) -> int:
        """First address behind it."""
        return self.address + self.size


@functools.cache  # a gateway that restarts asks for thousands of references twice
def parse(text: str) -> tuple[Reference | None, tuple[str, ...]]:
    """Return the reference, or None and everything that is wrong with its text."""
    body, star, scale_text = text.partition("*")
    parts = body.split(":")
    if not 4 <= len(parts) <= 5:
        return None, (f"{text!r} is not <unit>:<table>:<address>:<format>[:<order>][*<scale>]",)
    unit_text, table, address_text, format_name = parts[:4]
    order = parts[4] if len(parts) == 5 else ""
    problems: list[str] = []
    unit = _whole(unit_text, 1, UNIT_MAX, "unit", problems)
    address = _whole(address_text, 0, ADDRESS_MAX, "address", problems)
    check_word(table, TABLES, "table", problems)
    fmt = FORMATS.get(format_name)
    check_word(format_name, FORMATS, "format", problems)
    if len(parts) == 5:
        check_word(order, ORDERS, "word order", problems)
    scale = _scale(scale_text, problems) if star else 1.0
    if fmt is None or problems:
        return None, tuple(problems)
    reference = Reference(unit, table, address, fmt, order, scale)
    return reference, tuple(_shape_problems(reference))


def _whole(text: str, low: int, high: int, what: str, problems: list[str]) -> int:
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        problems.append(f"{what} {text!r} is not a whole number in {low}..{high}")
        return -1
    return int(text)


def check_word(text: str, allowed: Iterable[str], what: str, problems: list[str]) -> None:
    """Append what is wrong with a word that is not among those allowed."""
    names = list(allowed)
    if text not in names:
        problems.append(f"unknown {what} {text!r}; allowed {', '.join(names)}{did_you_mean(text, names)}")


def _scale(text: str, problems: list[str]) -> float:
    try:
        scale = float(text)
    except ValueError:
        scale = math.nan
    if not (math.isfinite(scale) and scale != 0.0):
        problems.append(f"scale {text!r} is not a finite number other than 0")
    return scale


def _shape_problems(reference: Reference) -> list[str]:
    """Problems of a reference whose words are all known."""
    problems = []
    is_bit = reference.format.registers == 0
    if is_bit != (reference.table in BIT_TABLES):
        home = "co, di" if is_bit else "ir, hr"
        problems.append(f"format {reference.format.name} in table {reference.table}; it belongs in {home}")
    if is_bit and reference.scale != 1.0:
        problems.append("a bit has no scale")
    if reference.size > 1 and reference.address % 2:
        problems.append(f"{reference.format.name} at odd address {reference.address}; even addresses only")
    if reference.end - 1 > ADDRESS_MAX:
        problems.append(f"{reference.format.name} at {reference.address} ends behind address {ADDRESS_MAX}")
    return problems
