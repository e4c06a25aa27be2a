"""``gridhil forecast backtest``.

As in ``hil.cli``, heavy modules are imported inside the command that needs them.
"""

from __future__ import annotations

import datetime as dt
import os
from typing import Annotated

import typer

from hil.cli_options import Json
from hil.output import as_json, err
from hil.supervisor import ONE_THREAD


def add_to(group: typer.Typer) -> None:
    """Add the command to the group ``forecast``."""
    group.command()(backtest)


def backtest(
    history: Annotated[
        str, typer.Option(metavar="FILE.csv", help="Load in steps of up to an hour, or a shipped one's name.")
    ],
    column: Annotated[
        str | None,
        typer.Option(help="Column, or a pattern like 'load_1*' to add up.", show_default="the only one"),
    ] = None,
    horizons: Annotated[str, typer.Option(help="Steps ahead, with commas.")] = "1,24",
    begin: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="DATE", help="First row forecast.", show_default="the last fifth begins"
        ),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="DATE", help="Forecasts are made until then.")
    ] = None,
    zone: Annotated[str | None, typer.Option(help="Clock of the place: -06:00 or America/Chicago.")] = None,
    start: Annotated[
        dt.datetime | None, typer.Option(help="Of the first row, where the file has no time stamps.")
    ] = None,
    step_s: Annotated[
        float | None, typer.Option(help=r"Length of a row \[s]; finer rows are averaged to it.", min=1.0)
    ] = None,
    nominal: Annotated[
        float | None, typer.Option(help="Expected level, to find a wrong unit.", min=1e-9)
    ] = None,
    exogenous: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="Further input; may be repeated.")
    ] = None,
    holidays: Annotated[str | None, typer.Option(help="Country, US or US-IA: holidays are Sundays.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything drawn.", min=0)] = 1,
    json_: Json = False,
) -> None:
    """Score every model side by side on origins that roll through the past; all are refitted daily."""
    # Matrices are small: threads of the numerical libraries would only wait for each other and for Prophet.
    os.environ.update({**ONE_THREAD, **os.environ})
    from forecasting.history import Wish
    from hil import forecast_backtest

    wish = Wish(
        column=column,
        zone=zone,
        start=start,
        step_s=step_s,
        nominal=nominal,
        exogenous=tuple(exogenous or ()),
        holidays=holidays,
    )
    options = forecast_backtest.Options(
        horizons=forecast_backtest.parse_horizons(horizons), begin=begin, end=end, seed=seed
    )
    document = forecast_backtest.run(history, wish, options, err)
    if json_:
        as_json(document)
    else:
        forecast_backtest.show(document)
