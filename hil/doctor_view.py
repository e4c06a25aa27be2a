"""The doctor's report as a table for the terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from hil.doctor import STEP_RULE, Diagnosis

COLOURS = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def render(diagnosis: Diagnosis) -> Table:
    """Return the checks as a table, the verdict and the rule behind it below."""
    step = "not measured" if diagnosis.jitter is None else "none up to 100 ms"
    if diagnosis.step_min_us is not None:
        step = f"{diagnosis.step_min_us} us"
    table = Table(
        title="gridhil doctor",
        title_justify="left",
        caption=f"Verdict: {diagnosis.verdict}\nShortest step: {step} ({STEP_RULE})",
        caption_justify="left",
        caption_style="bold",
    )
    table.add_column("area", no_wrap=True)
    table.add_column("check")
    table.add_column("", no_wrap=True)
    table.add_column("found", overflow="fold")
    table.add_column("advice", overflow="fold")
    area = None
    for row in diagnosis.checks:
        shown = row.area if row.area != area else ""
        status = Text(row.status, style=COLOURS[row.status])
        # Text, not str: a command line in a value may hold square brackets, which are markup.
        table.add_row(shown, Text(row.name), status, Text(row.value), Text(row.advice))
        area = row.area
    return table
