"""Local clock of a series: time of day, days off, and where its days begin."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from functools import lru_cache

import numpy as np

from forecasting.series import NS_PER_DAY, Bools, Ints, Series
from rtcore.clock import NS_PER_HOUR, NS_PER_S

NS_PER_QUARTER = NS_PER_HOUR // 4
"""Offsets of all zones in use since 1970 change at whole quarters of an hour."""


def parse_zone(text: str) -> dt.tzinfo:
    """Return the zone of ``-06:00``, ``Z`` or an IANA name; ValueError says what is allowed."""
    if text in ("Z", "UTC"):
        return dt.UTC
    if text[:1] in "+-" and len(text) == 6 and text[3] == ":" and (text[1:3] + text[4:]).isdigit():
        minutes = int(text[1:3]) * 60 + int(text[4:])
        if minutes <= 14 * 60 and int(text[4:]) < 60:
            return dt.timezone(dt.timedelta(minutes=-minutes if text[0] == "-" else minutes))
    try:
        return zoneinfo.ZoneInfo(text)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        what = f"{text!r} is no time zone; write an offset like '-06:00' or a name like 'America/Chicago'"
        raise ValueError(what) from None


def local_ns(series: Series, rows: Ints) -> Ints:
    """Return what the local clock shows at the start of rows [ns since 1970, as if it were UTC].

    Rows may lie after the end of the series.
    """
    utc = series.start_ns + rows * series.step_ns
    days = utc // NS_PER_DAY
    unique, index = np.unique(days, return_inverse=True)
    table = [_offsets_of_day(series.zone, int(day)) for day in unique]
    offsets = np.array(table, np.int64).reshape(-1, 96)
    result: Ints = utc + offsets[index, (utc % NS_PER_DAY) // NS_PER_QUARTER]
    return result


@lru_cache(maxsize=8192)
def _offsets_of_day(zone: str, utc_day: int) -> tuple[int, ...]:
    """Return the offset from UTC [ns] in each quarter of an hour of a UTC day."""
    clock = parse_zone(zone)
    midnight = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=utc_day)
    ends = [_offset_ns(clock, midnight), _offset_ns(clock, midnight + dt.timedelta(hours=23, minutes=45))]
    if ends[0] == ends[1]:
        return (ends[0],) * 96
    return tuple(_offset_ns(clock, midnight + dt.timedelta(minutes=15 * k)) for k in range(96))


def _offset_ns(clock: dt.tzinfo, moment: dt.datetime) -> int:
    offset = moment.astimezone(clock).utcoffset()
    assert offset is not None
    return round(offset.total_seconds()) * NS_PER_S


def slots(series: Series, rows: Ints) -> Ints:
    """Return the time of day of rows, in steps: 0 to ``per_day - 1``."""
    result: Ints = local_ns(series, rows) % NS_PER_DAY // series.step_ns
    return result


def days_off(series: Series, rows: Ints) -> Bools:
    """Tell which rows lie on a Saturday, a Sunday or a holiday."""
    days = local_ns(series, rows) // NS_PER_DAY
    off = (days + 3) % 7 >= 5  # 1970-01-01 was a Thursday
    if series.holidays:
        off |= np.isin(days, np.fromiter(series.holidays, np.int64))
    return np.asarray(off)


def day_starts(series: Series, first: int, end: int) -> list[int]:
    """Return the rows from ``first`` to before ``end`` at which a day of refits begins.

    These are midnights of local standard time as it was at row 0, so that every day has ``per_day`` rows,
    also where the clock is put forward or back.
    """
    anchor = day_anchor(series)
    start = first + (anchor - first) % series.per_day
    return list(range(start, end, series.per_day))


def day_anchor(series: Series) -> int:
    """Return the first row at which a day of refits begins."""
    slot = int(slots(series, np.array([0]))[0])
    return -slot % series.per_day


def holidays_of(country: str, first_year: int, last_year: int) -> frozenset[int]:
    """Return public holidays of a country (ISO code, ``US`` or ``US-IA``) as local days since 1970.

    From the package ``holidays``, which comes with Prophet; ValueError for a country it does not know.
    """
    import holidays

    land, _, part = country.partition("-")
    try:
        found = holidays.country_holidays(land, subdiv=part or None, years=range(first_year, last_year + 1))
    except NotImplementedError:
        raise ValueError(
            f"{country!r} is no country with known holidays; write it like US or US-IA"
        ) from None
    return frozenset((day - dt.date(1970, 1, 1)).days for day in found)
