"""The LSTM as a file: trained on a site's own history, scored on days after it, and taken into service.

The scores on a model's card are of the very file: it is run by TensorFlow Lite on rows that come after all
that it learned from, with the seasonal forecasts of each day made from what was known when the day began.
"""

from __future__ import annotations

import dataclasses as dc
import datetime as dt
import hashlib
import platform
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import numpy as np

from forecasting import windows
from forecasting.calendar import day_starts
from forecasting.lstm.card import Card, Data, Scaling, iso_utc
from forecasting.lstm.model import Model
from forecasting.lstm.runtime import Runner
from forecasting.lstm.tensorflow_training import tensorflow
from forecasting.lstm.tflite_file import weights_of
from forecasting.lstm.training import Recipe
from forecasting.residual_lstm import ResidualLstm
from forecasting.scores import naive_mae_of, scores
from forecasting.seasonal import LEAST_DAYS, Seasonal
from forecasting.series import Floats, Series
from rtcore.clock import NS_PER_S
from rtcore.errors import Problem, UserInputError

SCORED_DAYS = 28
LEAST_TRAINED_DAYS = LEAST_DAYS + 14
"""Days before the scored ones: for the first seasonal fit, and for two weeks of its residuals."""
TICKS = 50
UNIT_RATIO = 30.0
"""A series that varies so many times more, or less, than what a model learned is in another unit."""


def check_length(series: Series, scored_days: int, file: str) -> int:
    """Return the row where scoring begins; refuse a series that is too short to train and score on."""
    trained = len(series) - scored_days * series.per_day
    known = int(np.isfinite(series.values[: max(trained, 0)]).sum()) // series.per_day
    if known < LEAST_TRAINED_DAYS:
        what = (
            f"{len(series) // series.per_day} days, of which {scored_days} are kept for scores: "
            f"{max(known, 0)} days of values to learn from, at least {LEAST_TRAINED_DAYS} are needed"
        )
        raise UserInputError([Problem(file, series.name, what)])
    return trained


def fit_seasons(seasonal: Seasonal, series: Series, tick: Callable[[int, int], None]) -> None:
    """Make the seasonal forecasts of every day, a few days between two calls of ``tick``."""
    starts = list(day_starts(series, LEAST_DAYS * series.per_day, len(series)))
    for done in range(0, len(starts), max(1, len(starts) // TICKS)):
        tick(done, len(starts))
        seasonal.fit(series, starts[done])
    seasonal.fit(series, len(series))
    tick(len(starts), len(starts))


def scores_of(
    member: ResidualLstm, seasonal: Seasonal, series: Series, first: int
) -> dict[str, dict[str, float]]:
    """Return scores of a member on the rows from ``first`` on, by horizon; beside them RMSEs of others."""
    day = series.per_day
    naive = naive_mae_of(series.values[:first], day)
    horizons = np.array(sorted({1, max(1, day // 4), max(1, day // 2), day}))
    origins = np.arange(first - 1, len(series) - 1)
    ours, season = (m.forecast(series, origins, horizons) for m in (member, seasonal))
    found = {}
    for k, horizon in enumerate(horizons.tolist()):
        rows = origins + horizon
        inside = rows < len(series)
        actual = np.where(inside, series.values[np.minimum(rows, len(series) - 1)], np.nan)
        points = scores(ours[:, k], actual, naive)
        if points is None:
            continue
        named = dc.asdict(points)
        for name, other in (("prophet", season[:, k]), ("persistence", series.filled[origins])):
            beside = scores(np.where(np.isfinite(ours[:, k]), other, np.nan), actual, naive)
            named[f"rmse_{name}"] = beside.rmse if beside else None
        found[str(horizon)] = {name: value for name, value in named.items() if value is not None}
    return found


def card_of(
    series: Series,
    scaling: windows.Scaling,
    runner: Runner,
    *,
    trained: int,
    recipe: Recipe,
    seed: int,
    trainer: str,
    source: str,
    now_ns: int,
) -> Card:
    """Return the card of a model that was trained on the rows before ``trained``; without scores yet."""
    return Card(
        sha256=runner.sha256,
        created_utc=iso_utc(now_ns),
        trainer=trainer,
        seed=seed,
        step_s=series.step_ns / NS_PER_S,
        lookback=runner.lookback,
        inputs=tuple(_input_scaling(series, scaling)),
        target=Scaling("residual", scaling.means["residual"], scaling.spreads["residual"]),
        horizons=tuple(range(1, runner.horizons + 1)),
        preparation=scaling.state(),
        recipe=dc.asdict(recipe),
        split={"trained": trained, "scored": len(series) - trained},
        scores={},
        data=_data_of(series, source),
        versions=_versions(runner, trainer),
    )


def use_model(member: ResidualLstm, path: str | Path, series: Series, *, factor: float = 1.0) -> Card:
    """Let a member forecast a series with a model file, run by TensorFlow Lite; return the file's card.

    The member trains a successor when the file's training is as old as it allows.

    Parameters
    ----------
    factor : float
        From the unit of what the model learned to that of the series: 1000 from kW to W.

    Raises
    ------
    UserInputError
        A file or card that cannot be used, or one of another step, other inputs or another unit.
    """
    model = Model(path)
    problems = [Problem(str(path), place, what) for place, what in _misfits(model.card, series, factor)]
    if problems:
        raise UserInputError(problems)
    scaling = windows.Scaling(**model.card.preparation).in_unit(factor)
    weights = weights_of(path) if model.card.trainer == "numpy" else None
    first = dt.datetime.fromisoformat(model.card.data.first_utc)
    begin = round(first.timestamp() * NS_PER_S) // series.step_ns
    member.use(weights, scaling, model.runner, begin + model.card.split.get("trained", 0))
    return model.card


def _input_scaling(series: Series, scaling: windows.Scaling) -> Iterator[Scaling]:
    """Yield every input with what it was scaled by: the column it is of, or nothing."""
    columns = ("residual", "load", *series.exogenous)
    for name in windows.input_names(series):
        column = next((c for c in columns if name == c or name.startswith(f"{c} at ")), None)
        if column is None:
            yield Scaling(name, 0.0, 1.0)
        else:
            yield Scaling(name, scaling.means[column], scaling.spreads[column])


def _misfits(card: Card, series: Series, factor: float) -> Iterator[tuple[str, str]]:
    step_s, names = series.step_ns / NS_PER_S, windows.input_names(series)
    if card.step_s != step_s:
        yield "step_s", f"the model's rows are {card.step_s:g} s long, those of {series.name} {step_s:g} s"
        return
    if card.lookback != series.per_day or card.horizons != tuple(range(1, series.per_day + 1)):
        yield "horizons", "the model does not look a day back and every step of a day ahead"
    found = tuple(i.name for i in card.inputs)
    if found != names:
        yield "inputs", f"the model takes {', '.join(found)}; of {series.name} there are {', '.join(names)}"
        return
    spread = float(np.nanstd(series.values)) if np.isfinite(series.values).any() else 0.0
    missing = {f.name for f in dc.fields(windows.Scaling)} ^ set(card.preparation)
    if missing:
        yield "preparation", f"{', '.join(sorted(missing))}: made by another version; train the model again"
    learned = factor * next(i.scale for i in card.inputs if i.name == "load")
    if spread > 0.0 and not 1.0 / UNIT_RATIO < spread / learned < UNIT_RATIO:
        said = f"the standard deviation of {series.name} is {spread:g}, of what the model learned {learned:g}"
        yield "inputs", f"{said}: is the unit right (kW, MW)?"


def _data_of(series: Series, source: str) -> Data:
    known = int(np.isfinite(series.values).sum())
    columns: list[Floats] = [series.values, *series.exogenous.values()]
    digest = hashlib.sha256()
    for column in columns:
        digest.update(np.ascontiguousarray(column, "<f8").tobytes())
    first, last = (series.start_ns + k * series.step_ns for k in (0, len(series) - 1))
    return Data(
        source=source,
        column=series.name,
        sha256=digest.hexdigest(),
        rows=len(series),
        known=known,
        first_utc=iso_utc(first),
        last_utc=iso_utc(last),
        zone=series.zone,
    )


def _versions(runner: Runner, trainer: str) -> dict[str, str]:
    found = {name: metadata.version(name) for name in ("gridhil", "numpy", "prophet")}
    if trainer == "tensorflow":
        found["tensorflow"] = str(tensorflow().__version__)
    return {"python": platform.python_version(), **found, "interpreter": runner.package}
