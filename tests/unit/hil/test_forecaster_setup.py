"""What the forecaster begins with: the past and nothing after it, in watts; the clear sky of the place."""

from __future__ import annotations

import dataclasses as dc
import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hil.forecast_checks import forecast_problems
from hil.forecast_history import find_history
from hil.forecaster_setup import ClearSky, history_of
from hil.settings_sections import ForecastSection
from hil.station import Plan, read_plan
from hil.weather import WeatherSettings, clear_sky_poa

HOUR = 3600 * 1_000_000_000
NOON = 1_499_882_400 * 1_000_000_000
"""2017-07-12T12:00-06:00, where the shipped station begins [ns]."""


@pytest.fixture(scope="module")
def plan() -> Plan:
    return read_plan("iowa240")


def section(plan: Plan) -> ForecastSection:
    assert plan.station.forecast is not None
    return plan.station.forecast


def test_the_history_ends_where_the_run_begins(plan: Plan) -> None:
    series = history_of(plan.station, section(plan), "total", NOON, HOUR)
    assert series.start_ns + len(series) * HOUR == NOON
    assert series.zone == "-06:00"


def test_rows_that_are_instants_become_means_of_the_hour(plan: Plan) -> None:
    settings = section(plan)
    means = settings.model_copy(update={"history_rows": "means"})
    as_rows = history_of(plan.station, means, "total", NOON, HOUR).values
    as_means = history_of(plan.station, settings, "total", NOON, HOUR).values
    assert as_means[:-1] == pytest.approx((as_rows[:-1] + as_rows[1:]) / 2.0)
    assert as_rows[0] == pytest.approx(1364173.8)  # the file's first row, 1364.1738 kW


def test_the_last_mean_takes_the_value_at_the_begin_of_the_run_which_is_known_then(plan: Plan) -> None:
    series = history_of(plan.station, section(plan), "total", NOON, HOUR)
    longer = history_of(plan.station, section(plan), "total", NOON + HOUR, HOUR)
    assert longer.values[: len(series)] == pytest.approx(series.values)
    assert np.isfinite(series.values[-1])


def test_a_station_with_twice_the_load_has_twice_the_history(plan: Plan) -> None:
    load = plan.station.load.model_copy(update={"scale": 2.0})
    doubled = dc.replace(plan.station, load=load)
    once = history_of(plan.station, section(plan), "total", NOON, HOUR).values
    assert history_of(doubled, section(plan), "total", NOON, HOUR).values == pytest.approx(2.0 * once)


def test_a_load_without_a_column_begins_with_nothing(plan: Plan) -> None:
    settings = section(plan)
    load = settings.loads["total"].model_copy(update={"column": None})
    bare = settings.model_copy(update={"loads": {"total": load}})
    assert len(history_of(plan.station, bare, "total", NOON, HOUR)) == 0


def test_clear_sky_is_the_mean_of_each_hour_whatever_begin_and_length_are_asked() -> None:
    weather = WeatherSettings()
    sky = ClearSky(weather, HOUR)
    at = NOON + 300 * 1_000_000_000 * np.arange(12) + 150 * 1_000_000_000
    expected = clear_sky_poa(weather, at.astype(np.int64)).mean() / 1000.0
    assert sky.power(1000.0, NOON, 1)[0] == pytest.approx(1000.0 * min(expected, 1.0))
    long = sky.power(1000.0, NOON - 40 * HOUR, 72)
    assert long[40] == pytest.approx(sky.power(1000.0, NOON, 1)[0])
    assert long.min() == 0.0  # nights
    assert long.shape == (72,)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"history": "iowa241_2017"}, "did you mean 'iowa240_2017'"),
        ({"history": "iowa240_2017", "model": "nothing.tflite"}, "no model of that name"),
    ],
)
def test_files_that_are_not_there_are_named_before_a_run(
    plan: Plan, change: dict[str, str], said: str
) -> None:
    settings = section(plan)
    loads = {n: x.model_copy(update={"model": change.get("model")}) for n, x in settings.loads.items()}
    wrong = settings.model_copy(update={"history": change["history"], "loads": loads})
    broken = dc.replace(plan, station=dc.replace(plan.station, forecast=wrong))
    assert any(said in p.what for p in forecast_problems(broken))


def test_the_shipped_model_fits_the_shipped_station(plan: Plan) -> None:
    settings = section(plan)
    loads = {"total": settings.loads["total"].model_copy(update={"model": "iowa240_total"})}
    with_model = settings.model_copy(update={"loads": loads})
    assert forecast_problems(dc.replace(plan, station=dc.replace(plan.station, forecast=with_model))) == []


def test_forecasts_of_the_sun_need_a_place_on_earth() -> None:
    plan = read_plan("iowa240-der")
    somewhere = dc.replace(plan, station=dc.replace(plan.station, weather=None))
    assert [p.place for p in forecast_problems(somewhere)] == ["forecast.sun"]


def own_history(folder: Path, plan: Plan, edit: Callable[[str], str]) -> Plan:
    """Return the station with a history of its own, the shipped one edited, beside a file of its own."""
    text = gzip.decompress(find_history("iowa240_2017").read_bytes()).decode()
    (folder / "own.csv").write_text(edit(text))
    settings = section(plan).model_copy(update={"history": "own.csv"})
    return dc.replace(plan, station=dc.replace(plan.station, path=folder / "s.toml", forecast=settings))


def test_stamps_without_an_offset_are_on_the_stations_clock(plan: Plan, tmp_path: Path) -> None:
    own = own_history(tmp_path, plan, lambda text: text.replace("-06:00", ""))
    naive = history_of(own.station, section(own), "total", NOON, HOUR)
    shipped = history_of(plan.station, section(plan), "total", NOON, HOUR)
    assert naive.start_ns == shipped.start_ns
    assert naive.values == pytest.approx(shipped.values, nan_ok=True)


def test_a_history_without_time_stamps_is_refused(plan: Plan, tmp_path: Path) -> None:
    own = own_history(
        tmp_path, plan, lambda text: "\n".join(row.partition(",")[2] for row in text.splitlines())
    )
    assert any("has no time stamps" in p.what for p in forecast_problems(own))


def test_what_was_done_to_rows_is_told(plan: Plan, tmp_path: Path) -> None:
    own = own_history(
        tmp_path, plan, lambda text: text.replace("1284.6757", "").replace("2676.0229", "2.67602")
    )
    said: list[str] = []
    values = history_of(own.station, section(own), "total", NOON, HOUR, said.append).values
    assert any("another unit" in text for text in said), said
    assert any("gaps" in text for text in said), said
    assert np.isnan(values).sum() == 4  # two rows, and the means that they have a part in
