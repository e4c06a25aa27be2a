"""Rolling origins: nothing after an origin is used, and who uses it is caught."""

import dataclasses as dc
import json
from functools import partial
from typing import Any

import numpy as np
import pytest

from forecasting import designs
from forecasting import hybrid as hybrid_module
from forecasting import seasonal as seasonal_module
from forecasting.backtest import backtest, recombined, window_of
from forecasting.baselines import baselines
from forecasting.hybrid import Hybrid, plain_ridge, trust_in
from forecasting.lstm.training import Recipe
from forecasting.residual_lstm import ResidualLstm
from forecasting.ridge import Ridge
from forecasting.rolling import LeakError, Rolled, roll
from forecasting.seasonal import Seasonal
from forecasting.series import Floats, Ints, Series
from rtcore.errors import UserInputError
from tests.support.plain_load import mean_day, plain_load

HORIZONS = (1, 24)
FIRST, DAYS = 24 * 40 - 1, 12


@pytest.fixture(autouse=True)
def no_prophet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seasonal_module, "prophet", mean_day)


class Leaky:
    """Forecasts like persistence, and knows a thousandth of the target."""

    name = "leaky"

    def fit(self, series: Series, end: int) -> None:
        """Learn nothing."""

    def forecast(self, series: Series, origins: Ints, horizons: Ints) -> Floats:
        rows = np.minimum(origins[:, None] + horizons[None, :], len(series) - 1)
        said: Floats = 0.999 * series.filled[origins][:, None] + 0.001 * series.filled[rows]
        return said

    def state(self) -> dict[str, Any]:
        return {}


class Peeping:
    """Learns from whatever rows it is given, in the hope that there are some after the end."""

    name = "peeping"

    def __init__(self) -> None:
        self.rows_after_the_end = list[int]()

    def fit(self, series: Series, end: int) -> None:
        self.rows_after_the_end.append(len(series) - end)

    def forecast(self, series: Series, origins: Ints, horizons: Ints) -> Floats:
        return np.zeros((len(origins), len(horizons)))

    def state(self) -> dict[str, Any]:
        return {}


def hybrid() -> Hybrid:
    season = Seasonal(24)
    lstm = ResidualLstm(season, 24, np.random.default_rng(2), recipe=Recipe(units=4, epochs=2))
    return Hybrid(
        [season, lstm, plain_ridge(HORIZONS), Ridge("ridge_weeks", designs.weeks, HORIZONS)], HORIZONS
    )


def rolled(series: Series, model: Hybrid, others: list[Any] | None = None, days: int = DAYS) -> Rolled:
    origins = np.arange(FIRST, FIRST + 24 * days)
    return roll(series, model, others or baselines(24), origins, np.random.default_rng(1))


def test_a_planted_leak_is_caught_and_named() -> None:
    with pytest.raises(LeakError, match="leaky: its forecast from row"):
        rolled(plain_load(60), hybrid(), [Leaky()], days=1)


def test_a_leak_in_a_member_is_caught_and_named() -> None:
    leaking = Hybrid([plain_ridge(HORIZONS), Leaky()], HORIZONS)
    with pytest.raises(LeakError, match="leaky"):
        rolled(plain_load(60), leaking, days=1)


def test_models_are_fitted_on_a_series_that_ends_where_the_past_ends() -> None:
    peeping = Peeping()
    rolled(plain_load(60), hybrid(), [peeping], days=3)
    assert peeping.rows_after_the_end == [0, 0, 0]


def test_forecasts_are_the_same_bit_for_bit_whatever_comes_after_the_origin() -> None:
    series = plain_load(60)
    cut = FIRST + 24 * 9 + 1
    values = series.values.copy()
    values[cut:] = 7.0 * values[cut:][::-1]
    ours = rolled(series, hybrid()).issued
    theirs = rolled(dc.replace(series, values=values), hybrid()).issued
    for horizon in HORIZONS:
        before, after = series.base, series.base + cut - 1 + horizon + 1
        said = [x.rows(horizon, before, after) for x in (ours, theirs)]
        assert np.isfinite(said[0][FIRST + horizon :]).all()
        assert np.array_equal(said[0], said[1], equal_nan=True)
        # And it does matter for what is forecast from later origins.
        assert not np.array_equal(*(x.rows(horizon, after, after + 24) for x in (ours, theirs)))


def test_the_hybrid_that_rolls_is_that_of_its_members_recombined() -> None:
    series, model = plain_load(60), hybrid()
    found = rolled(series, model)
    days = [origin for origin, _ in found.weights]
    for horizon in HORIZONS:
        said = found.issued.rows(horizon, series.base, series.base + len(series))
        trust = trust_in([m.name for m in model.members])
        again = recombined(said[:, 1:5], series, horizon, days, trust)
        assert np.array_equal(again, said[:, 0], equal_nan=True)


def test_weights_are_nothing_before_there_are_forecasts_and_learned_from_them_then() -> None:
    found = rolled(plain_load(60), hybrid())
    first, last = found.weights[0][1][1], found.weights[-1][1][1]
    assert not first.any()  # who has a forecast counts the same
    assert last[2:].sum() > 0.6  # what is left of a seasonal mean is autocorrelated: ridges know


def test_a_hybrid_saved_as_json_forecasts_the_same() -> None:
    series, model, other = plain_load(60), hybrid(), hybrid()
    rolled(series, model, days=4)
    other.restore(json.loads(json.dumps(model.state())))
    origins = np.arange(FIRST + 96, FIRST + 110)
    said = [m.forecast(series, origins, np.array(HORIZONS)) for m in (model, other)]
    assert np.array_equal(*said)


def test_a_backtest_of_half_hours_reports_every_model_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    small = partial(ResidualLstm, recipe=Recipe(units=2, epochs=1))
    monkeypatch.setattr(hybrid_module, "ResidualLstm", small)
    hours = plain_load(60)
    halves = Series("halves", hours.start_ns, hours.step_ns // 2, np.repeat(hours.values, 2))
    window = window_of(halves, halves.start_ns + 44 * 48 * halves.step_ns, None, (2, 48))
    window = dc.replace(window, last=window.first + 47)
    found = backtest(halves, (2, 48), window, 1)
    assert set(found["horizons"]) == {"2", "48"}
    models = found["horizons"]["48"]
    wanted = {"hybrid", "prophet", "lstm", "prophet_ar", "ridge", "persistence", "naive_day", "naive_week"}
    assert wanted <= set(models)
    assert models["naive_day"] == models["persistence"]  # 48 half-hours ahead they are the same rows
    assert models["hybrid"]["count"] == 48
    assert set(found["details"]["2"]["rmse_without"]) == set(found["details"]["2"]["weights"])
    assert sum(found["details"]["2"]["weights"].values()) == pytest.approx(1.0, abs=1e-5)  # six digits


@pytest.mark.parametrize(
    ("begin_day", "end_day", "said"),
    [(20, None, "20.0 days of history before the first forecast"), (50, 50, "less than a day of forecasts")],
)
def test_a_window_that_cannot_be_scored_is_refused(begin_day: int, end_day: int | None, said: str) -> None:
    series = plain_load(60)
    begin, end = (
        None if day is None else series.start_ns + day * 24 * series.step_ns for day in (begin_day, end_day)
    )
    with pytest.raises(UserInputError, match=said):
        window_of(series, begin, end, HORIZONS)


def test_the_window_of_a_year_is_its_last_fifth() -> None:
    series = Series("year", 0, 3600 * 10**9, np.zeros(8760))
    window = window_of(series, None, None, HORIZONS)
    assert (window.first, window.last - window.first + 1) == (7007, 1729)
