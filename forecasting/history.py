"""A history from a CSV: any load in steps of up to an hour, with all that was odd about it in a report.

Whatever cannot be used is refused with every reason at once; whatever can is treated as the report says.
"""

from __future__ import annotations

import dataclasses as dc
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from forecasting import cleaning, stamps
from forecasting.calendar import holidays_of, parse_zone
from forecasting.grid import Gridded, grid, trimmed
from forecasting.history_report import Report, iso
from forecasting.series import Bools, Floats, Ints, Series
from forecasting.table import Table, choose_columns, numbers, read_table, time_column
from rtcore.clock import NS_PER_HOUR, NS_PER_S
from rtcore.errors import did_you_mean

ASSUMED_START = dt.datetime(2017, 1, 1, tzinfo=dt.UTC)
"""Of a table that says nothing of time: a Sunday, at midnight."""
NO_STAMPS = "no time stamps"
"""What the report notes of a table that says nothing of time."""
LEAST_DAYS = 42
MOST_MISSING = 0.5

Places = Callable[[Sequence[int] | Ints], list[str]]
"""From rows to their local times."""


@dc.dataclass(frozen=True, slots=True)
class Wish:
    """What the user says about a file; None: as the file says.

    Attributes
    ----------
    column : str, optional
        Name, or a pattern like ``load_1*`` whose columns are added up.
    zone : str, optional
        Clock of stamps without an offset, and of hours of the day and weekdays.
    start : datetime, optional
        Of the first row, where the file has no time stamps.
    step_s : float, optional
        Length of a row; finer ones are averaged to it [s].
    nominal : float, optional
        Expected level in the file's unit: one that is a hundred times off is a mistake of units.
    exogenous : tuple of str
        Other columns that are known up to the same row.
    holidays : str, optional
        Country (``US``, ``US-IA``) whose holidays are like Sundays.
    """

    column: str | None = None
    zone: str | None = None
    start: dt.datetime | None = None
    step_s: float | None = None
    nominal: float | None = None
    exogenous: tuple[str, ...] = ()
    holidays: str | None = None


def read_history(path: Path, wish: Wish = Wish()) -> tuple[Series, Report]:
    """Return the series of a CSV file and the report of its reading.

    Raises
    ------
    UserInputError
        With every reason why the file cannot be used.
    """
    report = Report(str(path))
    return history_of_table(read_table(path, report), wish, report)


def history_of_table(table: Table, wish: Wish, report: Report) -> tuple[Series, Report]:
    """Return the series of a table that is read; see `read_history`."""
    zone = _zone(wish, report)
    time = time_column(table)
    names = choose_columns(table, wish.column, time, report)
    columns = {
        n: numbers(table, n, report) for n in dict.fromkeys((*names, *_exogenous(table, wish, report)))
    }
    moments, zone = _moments(table, time, wish, zone, report)
    report.refuse()
    report.column = names[0] if len(names) == 1 else f"{wish.column} ({len(names)} columns)"
    total = np.sum([columns[n] for n in names], axis=0)
    wanted = {"": total, **{n: columns[n] for n in wish.exogenous}}
    gridded = grid(moments, [table.place(k) for k in range(len(moments))], wanted, wish.step_s, zone, report)
    report.refuse()
    return _cleaned_of(gridded, wish, zone, wish.zone or _name_of(zone), report)


def history_of_steps(
    start_ns: int, step_ns: int, values: Mapping[str, Floats], zone: str, wish: Wish, report: Report
) -> tuple[Series, Report]:
    """Return the series of means that are in equal steps already; treated and reported as a file's are.

    Parameters
    ----------
    start_ns, step_ns : int
        UTC of the first row and length of a row [ns].
    values : mapping of str to ndarray, shape (n,)
        The quantity under the empty name, exogenous ones under their own; NaN where there is none.
    zone : str
        Clock of the place, if the wish names no other.

    Raises
    ------
    UserInputError
        With every reason why it cannot be used.
    """
    clock = _zone(wish, report) or parse_zone(zone)
    report.refuse()
    return _cleaned_of(trimmed(start_ns, step_ns, dict(values)), wish, clock, wish.zone or zone, report)


def _cleaned_of(
    gridded: Gridded, wish: Wish, zone: dt.tzinfo, zone_name: str, report: Report
) -> tuple[Series, Report]:
    series = _cleaned(gridded, wish, zone, zone_name, report)
    report.refuse()
    return series, report


def _zone(wish: Wish, report: Report) -> dt.tzinfo | None:
    try:
        return None if wish.zone is None else parse_zone(wish.zone)
    except ValueError as error:
        report.problem("zone", str(error))
        return None


def _exogenous(table: Table, wish: Wish, report: Report) -> list[str]:
    missing = [n for n in wish.exogenous if n not in table.header]
    for name in missing:
        report.problem("header", f"no column {name!r}{did_you_mean(name, table.header)}")
    return [n for n in wish.exogenous if n not in missing]


def _moments(
    table: Table, time: str | None, wish: Wish, zone: dt.tzinfo | None, report: Report
) -> tuple[Ints, dt.tzinfo]:
    if time is not None:
        if wish.start is not None:
            report.problem("header", f"column {time!r} holds time stamps; give no start for it")
        places = [table.place(k, time) for k in range(len(table.lines))]
        return stamps.parse(table.cells[time], places, zone, report)
    start, step_s = wish.start or ASSUMED_START, wish.step_s
    if start.tzinfo is None or (wish.start is None and zone is not None):
        start = start.replace(tzinfo=zone or dt.UTC)
    if wish.start is None or step_s is None:
        what = f"taken as rows of {step_s or 3600:g} s from {start.isoformat()} on"
        report.note(NO_STAMPS, [], what + "; give start and step if that is wrong", 1)
    first = round((start - stamps.EPOCH) / dt.timedelta(seconds=1)) * NS_PER_S
    step = round((step_s or 3600.0) * NS_PER_S)
    own = start.tzinfo
    assert own is not None
    return first + step * np.arange(len(table.lines), dtype=np.int64), zone or own


def _name_of(zone: dt.tzinfo) -> str:
    """Return the name by which a series knows its zone."""
    key = getattr(zone, "key", None)
    if key is not None:
        return str(key)
    offset = zone.utcoffset(None) or dt.timedelta()
    minutes = round(offset.total_seconds() / 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def _cleaned(gridded: Gridded, wish: Wish, zone: dt.tzinfo, zone_name: str, report: Report) -> Series:
    values, step_ns = gridded.values[""], gridded.step_ns
    day = 24 * NS_PER_HOUR // step_ns

    def at(rows: Sequence[int] | Ints) -> list[str]:
        return [iso(gridded.start_ns + int(r) * step_ns, zone) for r in rows]

    _check_levels(values, day, wish.nominal, at, report)
    values = _without_errors(values, day, at, report)
    missing = np.isnan(values)
    _note_gaps(missing, at, report, step_ns)
    if missing.mean() > MOST_MISSING:
        report.problem(report.column, f"{100 * missing.mean():.0f} % of the rows have no value")
    if len(values) < LEAST_DAYS * day:
        what = f"{len(values) / day:.1f} days of history; at least {LEAST_DAYS} are needed"
        report.problem(report.column, what)
    report.rows, report.missing, report.step_s = len(values), int(missing.sum()), step_ns / NS_PER_S
    report.first, report.end = at([0])[0], at([len(values)])[0]
    report.zone = zone_name
    return Series(
        name=report.column,
        start_ns=gridded.start_ns,
        step_ns=step_ns,
        values=values,
        zone=zone_name,
        exogenous={n: x for n, x in gridded.values.items() if n},
        holidays=_holidays(wish, report),
    )


def _holidays(wish: Wish, report: Report) -> frozenset[int]:
    if wish.holidays is None:
        return frozenset()
    try:
        return holidays_of(wish.holidays, int(report.first[:4]), int(report.end[:4]))
    except ValueError as error:
        report.problem("holidays", str(error))
        return frozenset()


def _check_levels(values: Floats, day: int, nominal: float | None, at: Places, report: Report) -> None:
    known = values[np.isfinite(values)]
    if len(known) == 0 or np.ptp(known) == 0.0:
        what = "no values" if len(known) == 0 else f"is {known[0]:g} throughout"
        report.problem(report.column, f"{what}: nothing to forecast")
        return
    level = float(np.median(np.abs(known)))
    if nominal is not None and level > 0.0 and not 0.01 < level / nominal < 100.0:
        what = f"its median is {level:g}, expected is about {nominal:g}: is the unit right (kW, MW)?"
        report.problem(report.column, what)
    change = cleaning.unit_change(values, day)
    if change is not None:
        row, factor = change
        what = f"the level changes by a factor of {factor:.3g} at {at([row])[0]}: MW among kW?"
        report.problem(report.column, what)


def _without_errors(values: Floats, day: int, at: Places, report: Report) -> Floats:
    values = values.copy()
    unit = cleaning.wrong_units(values, day)
    report.note("values in another unit (MW among kW?)", at(np.flatnonzero(unit)), "taken as missing")
    values[unit] = np.nan
    stray = cleaning.strays_below_zero(values)
    report.note("negative values", at(np.flatnonzero(stray)), "taken as missing")
    values[stray] = np.nan
    negative = np.flatnonzero(values < 0.0)
    report.note("negative values", at(negative), "kept: power flows back")
    spike, drop = cleaning.spikes(values, day)
    report.note("spikes", at(np.flatnonzero(spike)), "taken as missing")
    report.note("dropouts to zero", at(np.flatnonzero(drop)), "taken as missing")
    values[spike | drop] = np.nan
    return values


def _note_gaps(missing: Bools, at: Places, report: Report, step_ns: int) -> None:
    """Say how long the gaps are and where the longest begin."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], missing, [False]]).astype(int)))
    begins, ends = edges[::2], edges[1::2]
    order = np.argsort(begins - ends, kind="stable")
    places = [f"{at([begins[k]])[0]}, {(ends[k] - begins[k]) * step_ns / NS_PER_HOUR:g} h" for k in order]
    what = "not learned from, not scored; as input the value of a week before stands in"
    report.note("gaps", places, what)
