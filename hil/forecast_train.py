"""``gridhil forecast train``: a site's own LSTM from its history, as ``.tflite`` with its card."""

from __future__ import annotations

import dataclasses as dc
import re
import sys
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.console import Console

from forecasting import retraining
from forecasting.history import Wish
from forecasting.lstm import tensorflow_training, tflite_file
from forecasting.lstm.card import card_path
from forecasting.lstm.runtime import Runner
from forecasting.lstm.training import NumpyLearner, Recipe
from forecasting.residual_lstm import RECIPE, ResidualLstm
from forecasting.seasonal import Seasonal
from forecasting.series import Series
from hil.forecast_history import moment, read_any
from hil.output import as_table, print_line
from hil.output_places import make_folder
from hil.progress import progress
from rtcore.errors import Problem, UserInputError

SEASONS_AT_ONCE = 2
"""Fits of Prophet beside each other: each is a process that works for a fraction of a second."""

Trainer = Literal["numpy", "tensorflow"]


@dc.dataclass(frozen=True, slots=True)
class Options:
    """What the user chose."""

    seed: int = 1
    recipe: Recipe = RECIPE
    scored_days: int = retraining.SCORED_DAYS
    trainer: Trainer = "numpy"
    end: str | None = None
    name: str | None = None


def run(
    history: str, wish: Wish, folder: Path, options: Options, now_ns: int, talk: Console
) -> dict[str, Any]:
    """Train, write, score; return what became of it. Progress and what was odd about the file go to ``talk``.

    Raises
    ------
    UserInputError
        A history that cannot be used or is too short.
    HostError
        The folder cannot be written, TensorFlow is not installed.
    """
    if options.trainer == "tensorflow":
        tensorflow_training.tensorflow()  # not after a minute of seasons
    series, report = read_any(history, wish)
    series = _until(options.end, series)
    for note in report.notes:
        print_line(talk, f"{history}: {note}")
    trained = retraining.check_length(series, options.scored_days, history)
    model = _place(folder, options.name or series.name)
    seasonal = Seasonal(series.per_day, workers=SEASONS_AT_ONCE)
    with progress("seasons", talk) as tick:
        retraining.fit_seasons(seasonal, series, tick)
    member = _trained(seasonal, series.before(trained), options, talk, history)
    return _shipped(member, seasonal, series, trained, options, model, history, now_ns)


def show(document: dict[str, Any]) -> None:
    """Print the scores and where the model is."""
    names = ("rmse", "mae", "mase", "bias", "rmse_prophet", "rmse_persistence")
    rows = [(int(h), *(s.get(n, "") for n in names)) for h, s in document["scores"].items()]
    if rows:
        as_table(
            f"{document['column']}, {document['scored_days']} days not learned from", ("steps", *names), rows
        )
    sys.stdout.write(f"{document['model']}\n{document['card']}\n")


def _until(end: str | None, series: Series) -> Series:
    """Return the rows that are over at a date: nothing after it is learned from or scored on."""
    end_ns = moment(end, "--to", series)
    if end_ns is None:
        return series
    return series.before(max(0, min(len(series), (end_ns - series.start_ns) // series.step_ns)))


def _place(folder: Path, name: str) -> Path:
    """Return the model's path, in a folder that is there."""
    make_folder(folder, "--output")
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_") or "model"
    return folder / f"{stem}.tflite"


def _trained(seasonal: Seasonal, known: Series, options: Options, talk: Console, file: str) -> ResidualLstm:
    learner = tensorflow_training.KerasLearner if options.trainer == "tensorflow" else NumpyLearner
    rng = np.random.default_rng(options.seed)
    member = ResidualLstm(seasonal, known.per_day, rng, recipe=options.recipe, learner=learner)
    with progress("training", talk) as tick:
        tick(0, options.recipe.epochs)
        member.train(known, lambda done, total, _: tick(done, total))
    if member.trained is None:
        what = "too few days in a row with values: nothing to learn from"
        raise UserInputError([Problem(file, known.name, what)])
    return member


def _shipped(
    member: ResidualLstm,
    seasonal: Seasonal,
    series: Series,
    trained: int,
    options: Options,
    model: Path,
    source: str,
    now_ns: int,
) -> dict[str, Any]:
    """Write the model, score the very file, write its card."""
    assert member.trained is not None
    weights, scaling = member.trained
    write = tensorflow_training.write if options.trainer == "tensorflow" else tflite_file.write
    sha256 = write(model, series.per_day, weights)
    runner = Runner(model, sha256)
    member.use(weights, scaling, runner)
    card = retraining.card_of(
        series,
        scaling,
        runner,
        trained=trained,
        recipe=options.recipe,
        seed=options.seed,
        trainer=options.trainer,
        source=source,
        now_ns=now_ns,
    )
    card = dc.replace(card, scores=retraining.scores_of(member, seasonal, series, trained))
    card.write(model)
    return {
        "model": str(model),
        "card": str(card_path(model)),
        "sha256": sha256,
        "column": series.name,
        "scored_days": options.scored_days,
        "scores": card.scores,
    }
