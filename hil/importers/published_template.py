"""Point templates of processes beside the core, made from the declarations of what they publish."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from hil.importers.protection_points import OFF_ON
from rtcore.component import Attr

STAMP_REGISTERS = 6
Number = Callable[[Attr], tuple[float, float, str]]
"""Attribute -> lowest and highest value of its point, and the format of its registers."""


def published_template(
    description: str,
    attrs: Iterable[Attr],
    *,
    name: Callable[[Attr], str],
    number: Number,
    unit: Callable[[str], str] = lambda unit: unit,
    deadbands: dict[str, float] | None = None,
    is_stamped: bool = True,
) -> str:
    """Return the text of a template: flags are statuses, all other attributes numbers in input registers.

    Parameters
    ----------
    unit : callable
        Unit of the attribute -> that of its point.
    deadbands : dict, optional
        By unit.
    is_stamped : bool
        Whether the device has a stamp block before its registers.
    """
    register, bit, rows = STAMP_REGISTERS if is_stamped else 0, 0, []
    for attr in attrs:
        row: dict[str, Any] = {"name": name(attr), "attr": attr.name}
        if attr.name.startswith("is_"):
            row |= {"kind": "status", "states": OFF_ON, "description": attr.doc, "modbus": f"di:{bit}"}
            bit += 1
        else:
            shown, (low, high, form) = unit(attr.unit), number(attr)
            row |= {"kind": "analog", **({"unit": shown} if shown else {}), "min": low, "max": high}
            row |= {"deadband": deadbands[shown]} if deadbands and shown in deadbands else {}
            row |= {"instrument": "exact", "description": attr.doc, "modbus": f"ir:{register}:{form}"}
            register += 2
        rows.append(row)
    head = [f"description = {json.dumps(description)}"]
    head += ["stamp = 0"] if is_stamped else []
    head.append("is_health = true")  # another process's work: no part of the plant's history
    lines = ["  { " + ", ".join(f"{k} = {json.dumps(v)}" for k, v in row.items()) + " }," for row in rows]
    return "\n".join([*head, "points = [", *lines, "]", ""])


def in_kw(unit: str) -> str:
    """Return the unit of a point: powers in kW."""
    return "kW" if unit == "W" else unit


def without(attr: Attr, *suffixes: str) -> str:
    """Return an attribute's name as masters know it, without its unit."""
    name = attr.name.removeprefix("is_")
    for suffix in suffixes:
        name = name.removesuffix(suffix)
    return name.upper()
