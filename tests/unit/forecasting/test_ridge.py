"""Linear members: the published baseline to its printed digits, and refits that only add what is new."""

import csv
import dataclasses as dc
import gzip

import numpy as np
import pytest

from forecasting import designs
from forecasting import seasonal as seasonal_module
from forecasting.frames import Log, Residual
from forecasting.history import Wish, read_history
from forecasting.hybrid import plain_ridge
from forecasting.normal_equations import NormalEquations
from forecasting.ridge import Ridge
from forecasting.seasonal import Seasonal
from forecasting.series import Series
from hil.paths import config_dir
from tests.support.plain_load import mean_day, plain_load

HORIZONS = np.array([1, 24])
SPLIT = 7008


@pytest.fixture(scope="module")
def year() -> Series:
    with gzip.open(config_dir() / "histories" / "iowa240_2017.csv.gz", "rt") as file:
        values = np.array([float(row["total_kw"]) for row in csv.DictReader(file)])
    return Series("total", 1_483_250_400 * 10**9, 3600 * 10**9, values, "-06:00")


def test_plain_ridge_fitted_once_scores_what_was_published(year: Series) -> None:
    ridge = plain_ridge(HORIZONS.tolist())
    ridge.fit(year, SPLIT)
    origins = np.arange(SPLIT - 1, len(year) - 24)
    errors = ridge.forecast(year, origins, HORIZONS) - year.values[origins[:, None] + HORIZONS]
    rmse, mae = np.sqrt((errors**2).mean(axis=0)), np.abs(errors).mean(axis=0)
    # Published with one decimal.
    assert np.round(rmse, 1).tolist() == [53.0, 117.9]
    assert np.round(mae, 1).tolist() == [37.9, 90.5]


def members(series: Series) -> list[Ridge]:
    hours = HORIZONS.tolist()
    return [
        plain_ridge(hours),
        Ridge("recent", designs.weeks, hours, half_life_days=20.0, prior=designs.seasonal_walk),
        Ridge("log", designs.weeks, hours, frame=Log(), prior=designs.seasonal_walk),
        Ridge("ar", designs.residual, hours, frame=Residual(Seasonal(series.per_day))),
    ]


@pytest.mark.parametrize("which", range(4))
def test_a_fit_day_by_day_is_that_of_all_rows_at_once(which: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seasonal_module, "prophet", mean_day)
    series = plain_load(60)
    daily, once = members(series)[which], members(series)[which]
    for end in range(24 * 50, 24 * 58 + 1, 24):
        daily.fit(series, end)
    once.fit(series, 24 * 58)
    origins = np.arange(24 * 58 - 1, 24 * 58 + 20)
    said = once.forecast(series, origins, HORIZONS)
    assert np.isfinite(said).all()
    # The same sums in another order: rounding, amplified by the condition of the equations.
    assert daily.forecast(series, origins, HORIZONS) == pytest.approx(said, rel=1e-7)


def test_a_changed_past_is_learned_anew() -> None:
    series = plain_load(60)
    changed = Series("total", series.start_ns, series.step_ns, series.values * 2.0)
    ridge, fresh = plain_ridge([1]), plain_ridge([1])
    ridge.fit(series, 24 * 50)
    ridge.fit(changed, 24 * 51)
    fresh.fit(changed, 24 * 51)
    origins, one = np.array([24 * 52]), np.array([1])
    assert ridge.forecast(changed, origins, one) == fresh.forecast(changed, origins, one)


def test_forecasts_do_not_depend_on_the_unit() -> None:
    series = plain_load(60)
    watts = dc.replace(series, values=series.values * 1e3)
    origins = np.arange(24 * 56, 24 * 57)
    said = []
    for unit in (series, watts):
        ridge = Ridge("weeks", designs.weeks, [24])
        ridge.fit(unit, 24 * 56)
        said.append(ridge.forecast(unit, origins, np.array([24])))
    # The penalty goes with the unit, so only rounding is left.
    assert said[1] / 1e3 == pytest.approx(said[0], rel=1e-9)


def test_there_is_no_forecast_before_there_are_twice_as_many_rows_as_coefficients() -> None:
    series = plain_load(60)
    ridge = plain_ridge([1])
    ridge.fit(series, 24 * 9)
    assert np.isnan(ridge.forecast(series, np.array([24 * 9]), np.array([1]))).all()


def test_a_series_that_is_not_positive_has_no_logarithm_and_no_forecast_of_it() -> None:
    series = plain_load(60)
    values = series.values.copy()
    values[300] = 0.0
    ridge = Ridge("log", designs.weeks, [1], frame=Log())
    net = Series("net", series.start_ns, series.step_ns, values)
    ridge.fit(net, 24 * 50)
    assert np.isnan(ridge.forecast(net, np.array([24 * 50]), np.array([1]))).all()


def test_a_saved_ridge_forecasts_the_same() -> None:
    series = plain_load(60)
    ridge, other = plain_ridge([1]), plain_ridge([1])
    ridge.fit(series, 24 * 50)
    other.restore(ridge.state())
    origins, one = np.arange(24 * 50, 24 * 51), np.array([1])
    assert np.array_equal(ridge.forecast(series, origins, one), other.forecast(series, origins, one))


def test_the_shipped_total_is_that_of_the_reference_year_and_reads_without_a_note(year: Series) -> None:
    series, report = read_history(config_dir() / "histories" / "iowa240_2017.csv.gz", Wish(column="total_kw"))
    with (config_dir().parent / "tests" / "data" / "reference" / "iowa240_year.csv").open() as file:
        reference = [float(row["p_kw"]) for row in csv.DictReader(file)]
    assert np.array_equal(series.values, reference)
    assert report.notes == []
    assert (series.start_ns, series.zone) == (year.start_ns, year.zone)


@pytest.mark.parametrize("horizon", [1, 7, 24, 25, 100, 168])
def test_what_is_believed_of_the_weekly_design_is_a_seasonal_walk(horizon: int) -> None:
    series = plain_load(60)
    x, origins = series.values, np.arange(24 * 30, 24 * 40)
    columns, _ = designs.weeks(series, x, origins, horizon)
    said = sum(c * columns[k] for k, c in designs.seasonal_walk(24, horizon).items())
    back = -(-horizon // 24) * 24
    away = max(0.0, 1.0 - horizon / 24) * (x[origins] - x[origins - 24])
    # Sums of three values of about 1000: rounding.
    assert said == pytest.approx(x[origins + horizon - back] + away, abs=1e-9)


def noisy_sums(rows: int, sigma: float) -> tuple[NormalEquations, np.ndarray]:
    """Return sums of y = x1 + noise with three columns of one unit and a level, and what is believed."""
    rng = np.random.default_rng(8)
    a = np.column_stack([rng.normal(0.0, 10.0, (rows, 3)), np.ones(rows)])
    sums = NormalEquations.empty(4)
    sums.add(a, a[:, 0] + rng.normal(0.0, sigma, rows))
    return sums, np.array([0.0, 1.0, 0.0, 0.0])


def test_clear_data_overrule_what_was_believed_and_noise_does_not() -> None:
    clear, believed = noisy_sums(1000, 0.1)
    # The penalty is s^2 / (0.2^2 S) = 0.0025 rows' worth beside a thousand rows.
    assert clear.solve_around(believed, 1, 1.0, 3, 1)[:3] == pytest.approx([1.0, 0.0, 0.0], abs=1e-3)
    loud, believed = noisy_sums(40, 300.0)
    # Thirty sigmas of noise in forty rows: 22,500 rows' worth of belief.
    assert loud.solve_around(believed, 1, 1.0, 3, 1)[:3] == pytest.approx([0.0, 1.0, 0.0], abs=0.05)


def test_rows_that_say_the_same_move_what_was_believed_less() -> None:
    sums, believed = noisy_sums(40, 30.0)
    moved = [abs(sums.solve_around(believed, h, 1.0, 3, 1) - believed)[:3].sum() for h in (1, 24)]
    assert moved[0] > 2.0 * moved[1]
