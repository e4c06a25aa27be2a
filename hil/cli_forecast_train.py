"""``gridhil forecast train``.

As in ``hil.cli``, heavy modules are imported inside the command that needs them.
"""

from __future__ import annotations

import dataclasses as dc
import datetime as dt
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

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
    history: Annotated[
        str, typer.Option(metavar="FILE.csv", help="Load in steps of up to an hour, or a shipped one's name.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the model and its card.")],
    column: Annotated[
        str | None,
        typer.Option(help="Column, or a pattern like 'load_1*' to add up.", show_default="the only one"),
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
    )
    document = forecast_train.run(history, wish, output, options, time.time_ns(), err)
    if json_:
        as_json(document)
    else:
        forecast_train.show(document)
