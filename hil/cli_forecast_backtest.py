"""``gridhil forecast backtest``.

As in ``hil.cli``, heavy modules are imported inside the command that needs them.
"""

from __future__ import annotations

import os
from typing import Annotated

import typer

from hil.cli_forecast_options import Column, Exogenous, History, Holidays, Nominal, Start, StepS, Zone
from hil.cli_options import Json
from hil.output import as_json, err
from hil.supervisor import ONE_THREAD


def add_to(group: typer.Typer) -> None:
    """Add the command to the group ``forecast``."""
    group.command()(backtest)


def backtest(
    history: History,
    column: Column = None,
    horizons: Annotated[str, typer.Option(metavar="STEPS", help="Steps ahead, with commas.")] = "1,24",
    begin: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="DATE", help="First row forecast.", show_default="the last fifth begins"
        ),
    ] = None,
    end: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="DATE", help="Forecasts are made until then.", show_default="the last row"
        ),
    ] = None,
    zone: Zone = None,
    start: Start = None,
    step_s: StepS = None,
    nominal: Nominal = None,
    exogenous: Exogenous = None,
    holidays: Holidays = None,
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
