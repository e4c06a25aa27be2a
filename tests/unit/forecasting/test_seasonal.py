"""The seasonal part: Prophet itself once, and its forecasts kept by day."""

import dataclasses as dc

import numpy as np
import pytest

from forecasting import seasonal as seasonal_module
from forecasting.seasonal import LEAST_DAYS, Seasonal
from forecasting.series import Floats, Ints
from tests.support.plain_load import mean_day, plain_load

STEPS = np.array([1, 24])


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return how many rows each fit had, in the order of the fits."""
    rows = list[int]()

    def counted(clock: Ints, values: Floats, known: int, holidays: frozenset[int] = frozenset()) -> Floats:
        rows.append(known)
        return mean_day(clock, values, known, holidays)

    monkeypatch.setattr(seasonal_module, "prophet", counted)
    return rows


def test_prophet_finds_the_season_in_silence(capfd: pytest.CaptureFixture[str]) -> None:
    series = plain_load(30)
    season = Seasonal(24)
    origins = np.arange(24 * 28 - 1, 24 * 29 - 1)
    said = season.forecast(series, origins, STEPS)
    shape = (
        1000.0 + 300.0 * np.sin(2.0 * np.pi * (origins + 1) / 24.0) - 150.0 * ((origins + 1) // 24 % 7 >= 5)
    )
    # The load keeps 95 % of its disturbance an hour: 96 W of standard deviation, that of a day's mean
    # about 60, of which four weeks cannot know the day's. The season alone has 212.
    assert np.sqrt(np.mean((said[:, 0] - shape) ** 2)) < 80.0
    assert capfd.readouterr() == ("", "")


def test_a_day_is_forecast_from_what_was_known_when_it_began(fits: list[int]) -> None:
    series = plain_load(40)
    changed = series.values.copy()
    changed[24 * 35 :] = 5.0
    origins = np.arange(24 * 34, 24 * 35 + 23)
    ours, theirs = (
        Seasonal(24).forecast(dc.replace(series, values=x), origins, STEPS) for x in (series.values, changed)
    )
    assert np.array_equal(ours, theirs)
    assert set(fits) == {28 * 24}


def test_a_fit_is_made_once_and_again_only_for_another_past(fits: list[int]) -> None:
    series, season = plain_load(40), Seasonal(24)
    season.fit(series, 24 * 40)
    made = len(fits)
    assert made == 40 - LEAST_DAYS + 1
    season.fit(series, 24 * 40)
    season.residuals(series)
    assert len(fits) == made
    values = series.values.copy()
    values[24 * 38] = 0.0
    season.fit(dc.replace(series, values=values), 24 * 40)
    assert len(fits) == made + 2  # days 39 and 40 have it in their past


def test_residuals_are_out_of_sample_and_add_up_to_the_series(fits: list[int]) -> None:
    series, season = plain_load(30), Seasonal(24)
    left = season.residuals(series)
    assert np.isnan(left[: LEAST_DAYS * 24]).all()
    day = 24 * 20
    said = season.forecast(series, np.array([day - 1]), np.arange(1, 25))[0]
    assert np.allclose(left[day : day + 24], series.values[day : day + 24] - said, atol=1e-9)
    assert fits[0] == LEAST_DAYS * 24


def test_forecasts_in_parallel_are_the_same(fits: list[int]) -> None:
    series = plain_load(30)
    one, two = Seasonal(24), Seasonal(24, workers=2)
    one.fit(series, 24 * 30)
    two.fit(series, 24 * 30)
    assert one.state() == two.state()


def test_a_saved_season_needs_no_fit(fits: list[int]) -> None:
    series, season, other = plain_load(30), Seasonal(24), Seasonal(24)
    season.fit(series, 24 * 30)
    other.restore(season.state())
    made = len(fits)
    origins = np.array([24 * 29 + 5])
    assert np.array_equal(other.forecast(series, origins, STEPS), season.forecast(series, origins, STEPS))
    assert len(fits) == made


def test_a_window_with_too_few_days_of_values_has_no_forecast() -> None:
    series = plain_load(30)
    values = series.values.copy()
    values[24 * 5 : 24 * 24] = np.nan
    said = Seasonal(24).forecast(dc.replace(series, values=values), np.array([24 * 28]), STEPS)
    assert np.isnan(said).all()


def test_forecasts_of_old_days_can_be_dropped(fits: list[int]) -> None:
    series, season = plain_load(30), Seasonal(24)
    season.fit(series, 24 * 30)
    season.forget_before(series.base + 24 * 29)
    assert len(season.state()["keys"]) == 2


def test_a_fit_that_fails_is_a_day_without_a_forecast(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing:
        def __init__(self, **_: object) -> None:
            pass

        def fit(self, _: object) -> None:
            raise RuntimeError("Error during optimization!")

    monkeypatch.setattr(seasonal_module, "_silent_prophet", lambda: Failing)
    assert np.isnan(Seasonal(24).forecast(plain_load(30), np.array([24 * 28]), STEPS)).all()
