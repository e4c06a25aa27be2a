"""Prepared weather against independent formulas, and the user's temperature table."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydantic
import pytest

from hil.weather import AmbientSettings, WeatherSettings, ambient, clear_sky_poa, prepare
from rtcore.errors import UserInputError

DAY_S = 86400.0
SITE = WeatherSettings()  # 42.03 N, 93.63 W


def utc_ns(*moment: int) -> int:
    return int(dt.datetime(*moment, tzinfo=dt.UTC).timestamp()) * 10**9  # type: ignore[misc]


JUNE, DECEMBER = utc_ns(2017, 6, 21, 6), utc_ns(2017, 12, 21, 6)  # local midnight, about


def flat(**more: float) -> WeatherSettings:
    return WeatherSettings(tilt_deg=0.0, step_s=60.0, **more)


@pytest.mark.parametrize(("start", "declination"), [(JUNE, 23.44), (DECEMBER, -23.44)])
def test_the_day_is_as_long_as_the_sunrise_equation_says(start: int, declination: float) -> None:
    poa = prepare(flat(), start, DAY_S).poa_w_m2
    light_h = np.count_nonzero(poa > 0) / 60.0
    lat, dec, down = np.radians(42.03), np.radians(declination), np.radians(-0.567)  # refraction
    half = np.degrees(np.arccos((np.sin(down) - np.sin(lat) * np.sin(dec)) / (np.cos(lat) * np.cos(dec))))
    assert light_h == pytest.approx(2 * half / 15.0, abs=0.05)  # 3 minutes: minutes, and 290 m height


def test_noon_comes_when_longitude_and_equation_of_time_say() -> None:
    poa = prepare(flat(), JUNE, DAY_S).poa_w_m2
    lit = np.flatnonzero(poa > 0)
    noon_h = 6.0 + (lit[0] + lit[-1]) / 120.0
    # 93.63 / 15 h west of Greenwich; the sun is 1.8 minutes late on 21 June (Astronomical Almanac)
    assert noon_h == pytest.approx(12.0 + 93.63 / 15.0 + 1.8 / 60.0, abs=1.5 / 60.0)


def test_clear_sky_agrees_with_the_haurwitz_model() -> None:
    """Haurwitz 1945: GHI = 1098 cos z exp(-0.059 / cos z); models of clear skies differ by some percent."""
    for start, declination in [(JUNE, 23.44), (DECEMBER, -23.44)]:
        poa = prepare(flat(), start, DAY_S).poa_w_m2
        cosine = np.cos(np.radians(42.03 - declination))
        assert poa.max() == pytest.approx(1098 * cosine * np.exp(-0.059 / cosine), rel=0.08)


def test_a_tilted_array_gains_in_winter_and_faces_the_sun_at_noon() -> None:
    south = prepare(SITE, DECEMBER, DAY_S).poa_w_m2
    level = prepare(WeatherSettings(tilt_deg=0.0), DECEMBER, DAY_S).poa_w_m2
    assert south.sum() > 1.4 * level.sum()
    east = prepare(WeatherSettings(azimuth_deg=90.0), JUNE, DAY_S).poa_w_m2
    west = prepare(WeatherSettings(azimuth_deg=270.0), JUNE, DAY_S).poa_w_m2
    assert np.argmax(east) < np.argmax(west)
    # the afternoon mirrors the morning but for the sun's own way during the day
    assert east.sum() == pytest.approx(west.sum(), rel=0.01)


def test_no_irradiance_exceeds_the_sun_and_none_is_missing() -> None:
    rows = prepare(WeatherSettings(step_s=3600.0), utc_ns(2017, 1, 1), 8760 * 3600.0, wraps=True)
    assert rows.poa_w_m2.shape == rows.ambient_degc.shape == (8760,)
    assert np.isfinite(rows.poa_w_m2).all()
    assert rows.poa_w_m2.min() == 0.0
    assert 900.0 < rows.poa_w_m2.max() < 1361.0


@pytest.mark.parametrize(
    ("duration_s", "wraps", "n"), [(3600.0, False, 13), (3601.0, False, 14), (3600.0, True, 12)]
)
def test_rows_cover_the_time_asked_for(duration_s: float, wraps: bool, n: int) -> None:
    rows = prepare(SITE, JUNE, duration_s, wraps=wraps)
    assert len(rows.poa_w_m2) == n
    assert (rows.start_utc_ns, rows.step_ns, rows.wraps) == (JUNE, 300 * 10**9, wraps)


def test_time_stamps_need_not_be_whole_days_or_years() -> None:
    one = clear_sky_poa(SITE, np.array([JUNE + 13 * 3600 * 10**9]))
    many = clear_sky_poa(SITE, JUNE + np.arange(24) * 3600 * 10**9)
    assert one[0] == pytest.approx(many[13], rel=1e-12)


# ------------------------------------------------------------------ temperature


def test_temperature_peaks_on_the_hottest_day_and_hour() -> None:
    settings = WeatherSettings(step_s=900.0)
    rows = prepare(settings, utc_ns(2017, 1, 1, 6), 8760 * 3600.0, wraps=True)
    hottest = rows.start_utc_ns + int(np.argmax(rows.ambient_degc)) * rows.step_ns
    when = dt.datetime.fromtimestamp(hottest / 1e9, dt.UTC) + dt.timedelta(hours=-93.63 / 15)
    assert (when.month, when.day) in [(7, 18), (7, 19), (7, 20)]
    assert when.hour + when.minute / 60 == pytest.approx(15.0, abs=0.25)
    assert rows.ambient_degc.max() == pytest.approx(9.5 + 14.0 + 5.5, abs=0.01)
    assert rows.ambient_degc.min() == pytest.approx(9.5 - 14.0 - 5.5, abs=0.05)
    assert rows.ambient_degc.mean() == pytest.approx(9.5, abs=0.01)


def table(path: Path, *lines: str) -> WeatherSettings:
    path.write_text("\n".join(lines) + "\n")
    return WeatherSettings(ambient=AmbientSettings(file=path.name))


HOURS = [f"2017-06-21T0{h}:00:00+00:00" for h in (6, 7, 8)]


def test_a_users_table_is_interpolated(tmp_path: Path) -> None:
    rows = zip(HOURS, (10.0, 20.0, 12.0), strict=True)
    settings = table(tmp_path / "t.csv", "time,ambient_degc", *(f"{t},{x}" for t, x in rows))
    at = JUNE + np.array([0, 900, 3600, 5400, 9000]) * 10**9
    assert ambient(settings, at, tmp_path) == pytest.approx([10.0, 12.5, 20.0, 16.0, 12.0])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["time,temp", f"{HOURS[0]},10", f"{HOURS[1]},11"], "no column 'ambient_degc'; it has temp"),
        (["ambient_degc", "10", "11"], "no time column"),
        (["time,ambient_degc", f"{HOURS[0]},10", f"{HOURS[1]},999"], "999 degC; -80 to 60 degC are allowed"),
        (["time,ambient_degc", f"{HOURS[0]},10", f"{HOURS[1]},x"], "'x' is not a number"),
        (["time,ambient_degc", f"{HOURS[0]},10", f"{HOURS[1]},11"], "the run needs"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(tmp_path: Path, lines: list[str], message: str) -> None:
    settings = table(tmp_path / "t.csv", *lines)
    with pytest.raises(UserInputError, match=message):
        ambient(settings, JUNE + np.array([0, 3 * 3600]) * 10**9, tmp_path)


def test_a_missing_table_names_the_path_searched(tmp_path: Path) -> None:
    settings = WeatherSettings(ambient=AmbientSettings(file="nowhere.csv"))
    with pytest.raises(UserInputError, match=r"nowhere\.csv: no such file"):
        ambient(settings, np.array([JUNE]), tmp_path)


@pytest.mark.parametrize(
    ("name", "value"), [("latitude_deg", 91.0), ("tilt_deg", -1.0), ("albedo", 1.5), ("step_s", 0.0)]
)
def test_impossible_settings_are_refused(name: str, value: float) -> None:
    with pytest.raises(pydantic.ValidationError, match=name):
        WeatherSettings(**{name: value})


def test_pvlib_is_imported_only_when_rows_are_made() -> None:
    code = "import sys, hil.weather; print(*{'pvlib', 'pandas', 'h5py', 'requests'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
