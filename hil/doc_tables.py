"""Documentation tables made from declarations; ``tests/meta`` compares them with the files in docs/."""

from __future__ import annotations

import dataclasses as dc
import importlib
import pkgutil

import rtcore.plant
from rtcore.component import REGISTRY, Spec


def components_md() -> str:
    """Return docs/components.md: every component kind with its parameters and attributes."""
    for module in pkgutil.iter_modules(rtcore.plant.__path__):
        importlib.import_module(f"rtcore.plant.{module.name}")
    head = (
        "# Components\n\nMade from the declarations in `rtcore/plant` (`hil/doc_tables.py`). "
        "A point binds to `<kind>.<name>` and one attribute.\n"
    )
    return "\n".join([head, *(_section(REGISTRY[kind]) for kind in sorted(REGISTRY))])


def _section(spec: Spec) -> str:
    lines = [f"## {spec.kind}", "", spec.doc.splitlines()[0], ""]
    fields = dc.fields(spec.params)
    if fields:
        lines += ["| parameter | default | unit | meaning | limits |", "| --- | --- | --- | --- | --- |"]
        for f in fields:
            default = "required" if f.default is dc.MISSING else f"{f.default:g}"
            limits = ", ".join(f"{k} {v:g}" for k, v in f.metadata["limits"].items())
            lines.append(f"| {f.name} | {default} | {f.metadata['unit']} | {f.metadata['doc']} | {limits} |")
        lines.append("")
    lines += ["| attribute | unit | meaning | command |", "| --- | --- | --- | --- |"]
    lines += [f"| {a.name} | {a.unit} | {a.doc} | {_command(a.writable, a.guard)} |" for a in spec.attrs]
    return "\n".join([*lines, ""])


def _command(writable: str, guard: str) -> str:
    return f"{writable}, if {guard}" if guard else writable
