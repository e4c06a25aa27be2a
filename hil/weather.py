"""Weather rows prepared before a run: clear-sky irradiance of the arrays' plane, temperature.

Sun position (NREL SPA), clear sky and transposition are pvlib's; nothing is fetched from the
network. The clear sky is the simplified Solis model (P. Ineichen, Solar Energy 82, 2008,
758-762) with constant aerosol optical depth and water vapour, transposed with the Hay-Davies
sky. Temperature is the user's own table, or a stated assumption: a yearly and a daily cosine

    T = mean + A_year cos(2 pi (d - d_hot)/365.25) + A_day cos(2 pi (h - h_hot)/24)

with d the day of the year and h local solar time. The defaults are rough values for central
Iowa, not a measured climate. pvlib is imported when rows are made: it takes seconds to import.
"""

from __future__ import annotations

import dataclasses as dc
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from hil.profile_tables import read_table
from hil.settings_errors import Section
from hil.settings_types import iso
from rtcore.clock import NS_PER_S
from rtcore.errors import Problem, UserInputError

Floats = npt.NDArray[np.float64]

DAY_S = 86400.0
YEAR_DAYS = 365.25
COLUMN = "ambient_degc"
"""Column of a user's temperature table."""


class AmbientSettings(Section):
    """Ambient temperature: a user's table, or the two cosines."""

    file: str | None = None
    """CSV or Parquet with the columns time and ambient_degc; instead of the cosines."""
    mean_degc: Annotated[float, Field(ge=-40, le=50)] = 9.5
    """Mean of the year [degC]."""
    year_amplitude_k: Annotated[float, Field(ge=0, le=40)] = 14.0
    """Amplitude of the yearly cosine [K]."""
    day_amplitude_k: Annotated[float, Field(ge=0, le=25)] = 5.5
    """Amplitude of the daily cosine [K]."""
    hottest_day: Annotated[float, Field(ge=1, le=366)] = 200.0
    """Day of the year on which the yearly cosine peaks."""
    hottest_hour: Annotated[float, Field(ge=0, lt=24)] = 15.0
    """Local solar time at which the daily cosine peaks [h]."""


class WeatherSettings(Section):
    """Where the station is and how its arrays stand."""

    latitude_deg: Annotated[float, Field(ge=-90, le=90)] = 42.03
    """Latitude, north positive [deg]."""
    longitude_deg: Annotated[float, Field(ge=-180, le=180)] = -93.63
    """Longitude, east positive [deg]."""
    altitude_m: Annotated[float, Field(ge=-450, le=6000)] = 290.0
    """Height above sea level [m]."""
    tilt_deg: Annotated[float, Field(ge=0, le=90)] = 25.0
    """Tilt of the arrays from horizontal [deg]."""
    azimuth_deg: Annotated[float, Field(ge=0, le=360)] = 180.0
    """Direction the arrays face, clockwise from north [deg]."""
    albedo: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Reflectance of the ground."""
    aerosol_optical_depth: Annotated[float, Field(ge=0, le=0.45)] = 0.1
    """Aerosol optical depth at 700 nm."""
    precipitable_water_cm: Annotated[float, Field(ge=0.2, le=10)] = 1.5
    """Water vapour [cm]."""
    step_s: Annotated[float, Field(ge=1, le=3600)] = 300.0
    """Length of a prepared row [s]; the plant interpolates between rows."""
    ambient: AmbientSettings = AmbientSettings()
    """Ambient temperature."""


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class WeatherRows:
    """Prepared rows, each valid at the start of its interval.

    Attributes
    ----------
    start_utc_ns, step_ns : int
        Start of the first interval [ns since 1970] and length of each [ns].
    poa_w_m2, ambient_degc : ndarray, shape (n_t,), float64
        Clear-sky irradiance in the arrays' plane [W/m2], ambient temperature [degC].
    wraps : bool
        Starts over at the end.
    """

    start_utc_ns: int
    step_ns: int
    poa_w_m2: Floats
    ambient_degc: Floats
    wraps: bool


def prepare(
    settings: WeatherSettings,
    start_utc_ns: int,
    duration_s: float,
    *,
    wraps: bool = False,
    folder: Path | None = None,
) -> WeatherRows:
    """Make the rows that cover ``duration_s`` from ``start_utc_ns`` on.

    Parameters
    ----------
    settings : WeatherSettings
    start_utc_ns : int
        Start of the first row [ns since 1970].
    duration_s : float
        Time to cover [s], more than 0.
    wraps : bool
        The rows will be repeated (a full year); otherwise one more row closes the last interval.
    folder : Path, optional
        What a relative ``ambient.file`` is relative to; default the working directory.

    Raises
    ------
    UserInputError
        The temperature table is wrong or does not cover the time.
    """
    if not duration_s > 0:
        raise ValueError(f"duration_s = {duration_s}: must be > 0 s")
    step_ns = round(settings.step_s * NS_PER_S)
    n = -int(-round(duration_s * NS_PER_S) // step_ns) + (0 if wraps else 1)
    utc_ns = start_utc_ns + step_ns * np.arange(n, dtype=np.int64)
    return WeatherRows(
        start_utc_ns=start_utc_ns,
        step_ns=step_ns,
        poa_w_m2=clear_sky_poa(settings, utc_ns),
        ambient_degc=ambient(settings, utc_ns, folder),
        wraps=wraps,
    )


def clear_sky_poa(settings: WeatherSettings, utc_ns: npt.NDArray[np.int64]) -> Floats:
    """Return clear-sky irradiance in the plane of the arrays [W/m2], shape as ``utc_ns``."""
    import pandas as pd
    from pvlib import atmosphere, clearsky, irradiance, solarposition

    times = pd.DatetimeIndex(utc_ns).tz_localize("UTC")
    pressure_pa = float(atmosphere.alt2pres(settings.altitude_m))
    sun = solarposition.spa_python(
        times,
        settings.latitude_deg,
        settings.longitude_deg,
        altitude=settings.altitude_m,
        pressure=pressure_pa,
        temperature=settings.ambient.mean_degc,
    )
    zenith, elevation, azimuth = (
        sun[c].to_numpy() for c in ("apparent_zenith", "apparent_elevation", "azimuth")
    )
    # Numbers, not time stamps: pvlib 0.16 asks pandas 3 for a deprecated attribute otherwise.
    extra = irradiance.get_extra_radiation(_day_of_year(utc_ns))
    sky = clearsky.simplified_solis(
        elevation,
        aod700=settings.aerosol_optical_depth,
        precipitable_water=settings.precipitable_water_cm,
        pressure=pressure_pa,
        dni_extra=extra,
    )
    poa: Any = irradiance.get_total_irradiance(
        settings.tilt_deg,
        settings.azimuth_deg,
        zenith,
        azimuth,
        sky["dni"],
        sky["ghi"],
        sky["dhi"],
        dni_extra=extra,
        albedo=settings.albedo,
        model="haydavies",
    )["poa_global"]
    poa = np.where(elevation > 0.0, np.nan_to_num(np.asarray(poa, np.float64)), 0.0)
    return np.ascontiguousarray(np.maximum(poa, 0.0))


def ambient(settings: WeatherSettings, utc_ns: npt.NDArray[np.int64], folder: Path | None = None) -> Floats:
    """Return ambient temperature [degC], shape as ``utc_ns``: from the table, or the cosines."""
    a = settings.ambient
    if a.file is not None:
        return _from_table((folder or Path()) / a.file, utc_ns)
    day = _day_of_year(utc_ns)
    hour = (utc_ns / NS_PER_S / 3600.0 + settings.longitude_deg / 15.0) % 24.0
    of_year = a.year_amplitude_k * np.cos(2.0 * np.pi * (day - a.hottest_day) / YEAR_DAYS)
    of_day = a.day_amplitude_k * np.cos(2.0 * np.pi * (hour - a.hottest_hour) / 24.0)
    return np.asarray(a.mean_degc + of_year + of_day)


def _day_of_year(utc_ns: npt.NDArray[np.int64]) -> Floats:
    """Day of the year with its fraction; 1.0 is the start of 1 January (UTC)."""
    stamps = utc_ns.view("datetime64[ns]")
    since = (stamps - stamps.astype("datetime64[Y]")).astype(np.int64)
    return np.asarray(1.0 + since / (DAY_S * NS_PER_S))


def _from_table(path: Path, utc_ns: npt.NDArray[np.int64]) -> Floats:
    table, problems = read_table(path)
    file = str(path)
    if table is None:
        raise UserInputError(problems)
    if COLUMN not in table.columns:
        what = f"no column {COLUMN!r}; it has {', '.join(table.columns)}"
        problems.append(Problem(file, "header", what))
    if table.stamps_ns is None:
        problems.append(Problem(file, "header", "no time column; a time stamp in each row is needed"))
    if problems or table.stamps_ns is None:
        raise UserInputError(problems)
    values, stamps = table.values[:, table.columns.index(COLUMN)], table.stamps_ns
    step = int(stamps[1] - stamps[0])
    wrong = np.flatnonzero((values < -80.0) | (values > 60.0))[:20]
    problems += [
        Problem(file, f"row {i + 1}, column {COLUMN!r}", f"{values[i]:g} degC; -80 to 60 degC are allowed")
        for i in wrong
    ]
    if utc_ns[0] < stamps[0] or utc_ns[-1] > stamps[-1] + step:  # the last row holds for its interval
        have = (
            f"{iso(int(stamps[0]), table.utc_offset_s)} to {iso(int(stamps[-1]) + step, table.utc_offset_s)}"
        )
        need = f"{iso(int(utc_ns[0]), table.utc_offset_s)} to {iso(int(utc_ns[-1]), table.utc_offset_s)}"
        problems.append(Problem(file, "column 'time'", f"covers {have}; the run needs {need}"))
    if problems:
        raise UserInputError(problems)
    # From a common zero: float64 would round nanoseconds since 1970 to about 200 ns.
    return np.asarray(np.interp((utc_ns - stamps[0]) / NS_PER_S, (stamps - stamps[0]) / NS_PER_S, values))
