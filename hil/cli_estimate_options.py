"""Options of ``gridhil estimate``: the file, what is known of the network, how suspects are treated."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hil.cli_options import NodeFormat


class SourceModel(StrEnum):
    """What is known of the EMFs upstream."""

    BALANCED = "balanced"
    FREE = "free"


class Taps(StrEnum):
    """Where taps come from."""

    GIVEN = "given"
    ESTIMATED = "estimated"


Measurements = Annotated[
    str | None, typer.Option(metavar="FILE", help="Measurement file, or a shipped one's name.")
]
Form = Annotated[
    NodeFormat | None, typer.Option("--format", help="Form of the result.", show_default="table")
]
Source = Annotated[SourceModel, typer.Option(help="EMFs upstream: a balanced set, or any (needs angles).")]
Robust = Annotated[bool, typer.Option("--robust", help="Huber's estimate: suspects weigh less and stay.")]
NoRemoval = Annotated[bool, typer.Option("--no-removal", help="Name suspects, remove none.")]
Switching = Annotated[
    Path | None, typer.Option(metavar="FILE", help="TOML file of how switches, taps and capacitors are.")
]
Open = Annotated[list[str] | None, typer.Option("--open", metavar="SWITCH", help="Open switch; repeatable.")]
Close = Annotated[list[str] | None, typer.Option(metavar="SWITCH", help="Closed switch; repeatable.")]
Tap = Annotated[list[str] | None, typer.Option(metavar="REG=N", help="Tap of a regulator; repeatable.")]
TapsFrom = Annotated[Taps, typer.Option(help="Taps as given, or where J is least.")]
LoadSigma = Annotated[
    float | None,
    typer.Option(help=r"Take unmeasured loads as nominal, with this sigma \[%].", min=0.1, max=1000.0),
]
Explain = Annotated[
    bool, typer.Option("--explain", help="What the telemetry of a station can do, and what more would.")
]
Telemetry = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="Telemetry set to explain, by name or file.", show_default="the station's"
    ),
]
At = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="Moment to explain it at, ISO 8601.", show_default="the station's start"
    ),
]
