"""``gridhil forecast train``.

As in ``hil.cli``, heavy modules are imported inside the command that needs them.
"""

from __future__ import annotations

import dataclasses as dc
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hil.cli_forecast_options import Column, Exogenous, History, Holidays, Nominal, Start, StepS, Zone
from hil.cli_options import Json
from hil.output import as_json, err


class Trainer(StrEnum):
    """What trains."""

    NUMPY = "numpy"
    TENSORFLOW = "tensorflow"


def add_to(group: typer.Typer) -> None:
    """Add the command to the group ``forecast``."""
    group.command()(train)


def train(
    history: History,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FOLDER", help="Folder for the model and its card.")
    ],
    column: Column = None,
    zone: Zone = None,
    start: Start = None,
    step_s: StepS = None,
    nominal: Nominal = None,
    exogenous: Exogenous = None,
    holidays: Holidays = None,
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Name of the model's file.", show_default="that of the column"),
    ] = None,
    end: Annotated[
        str | None,
        typer.Option("--to", metavar="DATE", help="Rows before it are used.", show_default="all"),
    ] = None,
    scored_days: Annotated[
        int, typer.Option(help="Days at the end that are not learned from; the scores are of them.", min=1)
    ] = 28,
    seed: Annotated[int, typer.Option(help="Seed of weights and order.", min=0)] = 1,
    units: Annotated[
        int | None, typer.Option(help="Cells of the LSTM.", min=1, max=512, show_default="24")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Most passes through the history.", min=1, max=1000, show_default="40")
    ] = None,
    trainer: Annotated[
        Trainer, typer.Option(help="NumPy, or TensorFlow of the extra 'train'.")
    ] = Trainer.NUMPY,
    json_: Json = False,
) -> None:
    """Train the LSTM on a site's own history; writes a .tflite model and its card."""
    from forecasting.history import Wish
    from forecasting.residual_lstm import RECIPE
    from hil import forecast_train

    wish = Wish(
        column=column,
        zone=zone,
        start=start,
        step_s=step_s,
        nominal=nominal,
        exogenous=tuple(exogenous or ()),
        holidays=holidays,
    )
    options = forecast_train.Options(
        seed=seed,
        recipe=dc.replace(RECIPE, units=units or RECIPE.units, epochs=epochs or RECIPE.epochs),
        scored_days=scored_days,
        trainer=trainer.value,
        end=end,
        name=name,
    )
    document = forecast_train.run(history, wish, output, options, time.time_ns(), err)
    if json_:
        as_json(document)
    else:
        forecast_train.show(document)
