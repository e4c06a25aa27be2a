"""Options of every command of ``gridhil forecast`` that reads a history: which column, on which clock."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer

from hil.cli_options import finite

History = Annotated[
    str,
    typer.Option(
        metavar="FILE|RUN_DIR",
        help="CSV of a load in steps of up to an hour, a recorded run, a shipped name.",
    ),
]
Column = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Column or point, or a pattern like 'load_1*' to add up.",
        show_default="the only one",
    ),
]
Zone = Annotated[
    str | None, typer.Option(metavar="ZONE", help="Clock of the place: -06:00 or America/Chicago.")
]
Start = Annotated[
    dt.datetime | None,
    typer.Option(metavar="TIME", help="Time of the first row, where the file has no time stamps."),
]
StepS = Annotated[
    float | None,
    typer.Option(help=r"Length of a row \[s]; finer rows are averaged to it.", min=1.0, callback=finite),
]
Nominal = Annotated[
    float | None, typer.Option(help="Expected level, to find a wrong unit.", min=1e-9, callback=finite)
]
Exogenous = Annotated[
    list[str] | None, typer.Option(metavar="COLUMN", help="Column of a further input; repeatable.")
]
Holidays = Annotated[
    str | None, typer.Option(metavar="COUNTRY", help="Country, US or US-IA: holidays are Sundays.")
]
