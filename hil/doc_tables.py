"""Documentation tables made from declarations; ``tests/meta`` compares them with the files in docs/."""

from __future__ import annotations

import dataclasses as dc
from typing import Any

from hil.plant_settings import COMPONENT_PACKAGES, declare_all
from hil.publishers import DECLARED_IN
from protocols.modbus_codec import FORMATS
from protocols.modbus_map import refusal_table
from protocols.modbus_refusals import FIELDS, REFUSALS_AT
from rtcore.component import REGISTRY, Spec


def components_md() -> str:
    """Return docs/components.md: every component kind with its parameters and attributes."""
    declare_all()
    rooms = ", ".join(f"`{name.replace('.', '/')}`" for name in (*COMPONENT_PACKAGES, *DECLARED_IN.values()))
    head = (
        f"# Components\n\nMade from the declarations in {rooms} (`hil/doc_tables.py`). "
        "A point binds to `<kind>.<name>` and one attribute.\n"
    )
    return "\n".join([head, *(_section(REGISTRY[kind]) for kind in sorted(REGISTRY))])


def modbus_refusals_md() -> str:
    """Return the tables of docs/modbus.md: the registers of the last write, the reasons of refusals."""
    lines = ["| register | format | content |", "| --- | --- | --- |"]
    for offset, fmt, text in FIELDS:
        first, n = REFUSALS_AT + offset, FORMATS[fmt].registers
        lines.append(f"| {', '.join(str(first + k) for k in range(n))} | {fmt} | {text} |")
    lines += ["", "| number | reason | exception | meaning |", "| --- | --- | --- | --- |"]
    lines += [f"| {number} | `{name}` | {code} | {text} |" for number, name, code, text in refusal_table()]
    return "\n".join([*lines, ""])


def _section(spec: Spec) -> str:
    lines = [f"## {spec.kind}", "", spec.doc.splitlines()[0], ""]
    fields = dc.fields(spec.params)
    if fields:
        lines += ["| parameter | default | unit | meaning | limits |", "| --- | --- | --- | --- | --- |"]
        for f in fields:
            lines.append(
                f"| {f.name} | {_default(f)} | {f.metadata['unit']} | {f.metadata['doc']} | {_limits(f)} |"
            )
        lines.append("")
    lines += ["| attribute | unit | meaning | command |", "| --- | --- | --- | --- |"]
    lines += [f"| {a.name} | {a.unit} | {a.doc} | {_command(a.writable, a.guard)} |" for a in spec.attrs]
    return "\n".join([*lines, ""])


def _default(field: dc.Field[Any]) -> str:
    """Return the default as a user would write it: a word where there is a closed set of them."""
    default = field.default
    if default is dc.MISSING:
        return "required"
    words = {number: word for word, number in field.metadata["choices"].items()}
    return default if isinstance(default, str) else words.get(default) or f"{default:g}"


def _limits(field: dc.Field[Any]) -> str:
    limits = [f"{k} {v:g}" for k, v in field.metadata["limits"].items()]
    choices = field.metadata["choices"]
    return ", ".join([*limits, f"one of {', '.join(choices)}"] if choices else limits)


def _command(writable: str, guard: str) -> str:
    return f"{writable}, if {guard}" if guard else writable
