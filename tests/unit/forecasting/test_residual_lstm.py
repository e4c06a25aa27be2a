"""The LSTM on what the seasonal part leaves."""

import dataclasses as dc

import numpy as np
import pytest

from forecasting import seasonal as seasonal_module
from forecasting.lstm.training import Recipe
from forecasting.residual_lstm import ResidualLstm
from forecasting.seasonal import Seasonal
from forecasting.windows import BASIC_INPUTS, Scaling, input_names, inputs, targets, windows
from tests.support.plain_load import mean_day, plain_load

SMALL = Recipe(units=6, epochs=3, batch=64)
STEPS = np.arange(1, 25)


@pytest.fixture(autouse=True)
def no_prophet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seasonal_module, "prophet", mean_day)


def member(season: Seasonal, seed: int = 1) -> ResidualLstm:
    return ResidualLstm(season, 24, np.random.default_rng(seed), recipe=SMALL)


def test_it_forecasts_an_hour_ahead_much_better_than_the_season_alone() -> None:
    series, season = plain_load(80), Seasonal(24)
    lstm = member(season)
    lstm.fit(series, 24 * 60)
    origins = np.arange(24 * 60 - 1, 24 * 80 - 25)
    actual = series.values[origins[:, None] + STEPS]
    ours, theirs = (
        np.sqrt(((m.forecast(series, origins, STEPS) - actual) ** 2).mean(axis=0)) for m in (lstm, season)
    )
    # What disturbs the load keeps 95 % an hour: at best 30 of 96 W are left after one hour.
    assert ours[0] < 0.6 * theirs[0]
    assert ours[-1] < 1.1 * theirs[-1]  # a day ahead 29 % of it is kept: nothing much to gain


def test_it_is_trained_again_after_two_weeks_and_not_before() -> None:
    series, lstm = plain_load(60), member(Seasonal(24))
    lstm.fit(series, 24 * 40)
    first = lstm.state()
    lstm.fit(series, 24 * 53)
    assert lstm.state() == first
    lstm.fit(series, 24 * 54)
    assert lstm.state()["weights"] != first["weights"]


def test_training_takes_nothing_from_after_its_end() -> None:
    series = plain_load(60)
    later = series.values.copy()
    later[24 * 40 :] = 5.0
    ours, theirs = member(Seasonal(24)), member(Seasonal(24))
    ours.fit(series, 24 * 40)
    theirs.fit(dc.replace(series, values=later), 24 * 40)
    assert ours.state() == theirs.state()


def test_without_enough_residuals_there_is_no_forecast() -> None:
    series, lstm = plain_load(60), member(Seasonal(24))
    lstm.fit(series, 24 * 20)
    assert np.isnan(lstm.forecast(series, np.array([24 * 20]), STEPS)).all()


def test_beyond_a_day_there_is_no_forecast() -> None:
    series, lstm = plain_load(60), member(Seasonal(48))
    lstm.fit(series, 24 * 40)
    said = lstm.forecast(series, np.array([24 * 41]), np.array([24, 25]))
    assert np.isfinite(said).tolist() == [[True, False]]


def test_a_saved_network_forecasts_the_same() -> None:
    series, season = plain_load(60), Seasonal(24)
    lstm, other = member(season), member(season, seed=2)
    lstm.fit(series, 24 * 40)
    other.restore(lstm.state())
    origins = np.arange(24 * 41, 24 * 42)
    assert np.array_equal(lstm.forecast(series, origins, STEPS), other.forecast(series, origins, STEPS))


def test_a_gap_is_not_learned_and_does_not_stop_forecasts() -> None:
    series = plain_load(60)
    values = series.values.copy()
    values[24 * 35 : 24 * 37] = np.nan
    with_gap, season = dc.replace(series, values=values), Seasonal(24)
    scaling = Scaling.of(with_gap, season.residuals(with_gap))
    wanted = targets(with_gap, season, np.array([24 * 35 - 2, 24 * 60 - 2]), 3, scaling)
    assert np.isnan(wanted).tolist() == [[False, True, True], [False, True, True]]
    rows = inputs(with_gap, season.residuals(with_gap), scaling)
    assert np.isfinite(rows).all()


def test_inputs_are_what_their_names_say() -> None:
    series, season = plain_load(40), Seasonal(24)
    left = season.residuals(series)
    scaling = Scaling.of(series, left)
    rows = inputs(series, left, scaling)
    assert input_names(series) == (*BASIC_INPUTS, "temperature_degc")
    row = 24 * 33 + 6
    column = dict(zip(input_names(series), rows[row].tolist(), strict=True))
    # float32 keeps seven digits.
    assert column["residual"] == pytest.approx(left[row] / scaling.spreads["residual"], rel=1e-6)
    ago = (series.values[row - 144] - scaling.means["load"]) / scaling.spreads["load"]
    assert column["load at this time tomorrow a week ago"] == pytest.approx(ago, rel=1e-5)
    assert (column["day off"], column["day off tomorrow"]) == (0.0, 1.0)  # a Friday
    assert column["sine of the time of day"] == pytest.approx(1.0)
    assert np.array_equal(windows(rows, np.array([row]), 24)[0, -1], rows[row])


def test_a_residual_is_carried_on_as_it_is_correlated() -> None:
    rng = np.random.default_rng(1)
    left = np.zeros(20000)
    for k in range(1, len(left)):
        left[k] = 0.8 * left[k - 1] + rng.normal()
    series = dc.replace(plain_load(834), values=np.zeros(834 * 24), exogenous={})
    series = series.before(len(left))
    scaling = Scaling.of(series, left)
    # The standard error of a correlation of 0.8 from 20,000 rows is 0.004.
    assert scaling.carry == pytest.approx(0.8, abs=0.015)
    carried = scaling.carried(left, np.array([500]), 2) * scaling.spreads["residual"]
    assert carried[0] == pytest.approx([left[500] * scaling.carry, left[500] * scaling.carry**2])
