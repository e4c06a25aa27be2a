"""Time stamps of a table as UTC, and rows brought onto an equidistant grid."""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections.abc import Sequence

import numpy as np

from forecasting.history_report import Report
from forecasting.series import Ints
from rtcore.clock import NS_PER_S

YEARS = (1900, 2200)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
FORMS = (
    *("%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S"),
    *("%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S"),
)
"""Beside ISO 8601. Of the two with day and month alike, the one that reads every row."""
SHAPE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?!\d).*|\d{8}T\d+.*")


def looks_like_stamp(text: str) -> bool:
    """Tell whether a cell may be a date and time."""
    return SHAPE.fullmatch(text) is not None


def parse(
    cells: Sequence[str], places: Sequence[str], zone: dt.tzinfo | None, report: Report
) -> tuple[Ints, dt.tzinfo]:
    """Return UTC of stamps [ns since 1970] and the zone whose clock the series goes by.

    Stamps with an offset say themselves what they are; those without are the clock of ``zone``. An hour
    that the clock shows twice when it is put back is taken the first time as the first one.
    """
    moments = _moments(cells, places, report)
    report.refuse()
    for moment, place in zip(moments, places, strict=True):
        if not YEARS[0] <= moment.year <= YEARS[1]:
            report.problem(place, f"{moment.isoformat()}: is a year wrong?")
    report.refuse()
    naive = [m.tzinfo is None for m in moments]
    if any(naive) and not all(naive):
        bad = naive.index(not naive[0])
        report.problem(
            places[bad],
            "has no UTC offset, others have" if naive[bad] else "has a UTC offset, others have none",
        )
        report.refuse()
    if not naive[0]:
        return _utc(moments), zone or _own_zone(moments, report)
    if zone is None:
        report.note(
            "time stamps without a UTC offset",
            [],
            "taken as a clock that is never put forward or back; name a zone if it is",
            len(moments),
        )
        zone = dt.UTC
    return _utc(_placed(moments, places, zone, report)), zone


def _moments(cells: Sequence[str], places: Sequence[str], report: Report) -> list[dt.datetime]:
    try:
        return [dt.datetime.fromisoformat(c) for c in cells]
    except ValueError:
        pass
    for form in FORMS:
        try:
            found = [dt.datetime.strptime(c, form) for c in cells]
        except ValueError:
            continue
        if "/%Y" in form and _reads_otherwise(cells, form):
            report.problem("", "day and month cannot be told apart; write dates like 2017-01-31")
        return found
    for cell, place in zip(cells, places, strict=True):
        if not _is_iso(cell):
            report.problem(place, f"{cell!r} is not a time stamp; write it like 2017-01-01T00:00:00-06:00")
    return []


def _reads_otherwise(cells: Sequence[str], form: str) -> bool:
    """Tell whether months and days exchanged read as well: a few days of January do."""
    other = form.replace("%m/%d", "%d/%m") if form.startswith("%m") else form.replace("%d/%m", "%m/%d")
    try:
        moments = [dt.datetime.strptime(c, other) for c in cells]
    except ValueError:
        return False
    steps = {(b - a) for a, b in itertools.pairwise(moments)}
    straight = [dt.datetime.strptime(c, form) for c in cells]
    return len(steps) <= len({(b - a) for a, b in itertools.pairwise(straight)})


def _is_iso(cell: str) -> bool:
    try:
        dt.datetime.fromisoformat(cell)
    except ValueError:
        return False
    return True


def _own_zone(moments: Sequence[dt.datetime], report: Report) -> dt.tzinfo:
    """Return the offset of the first stamp; hours of the day are then of that clock throughout."""
    offsets = {m.utcoffset() for m in moments}
    if len(offsets) > 1:
        what = "hours of the day go by the first one; name a zone if they follow the changing clock"
        report.note("UTC offsets", [], what, len(offsets))
    offset = moments[0].utcoffset()
    assert offset is not None
    return dt.timezone(offset)


def _placed(
    moments: Sequence[dt.datetime], places: Sequence[str], zone: dt.tzinfo, report: Report
) -> list[dt.datetime]:
    """Give stamps their zone, and tell the two passes of a repeated hour apart by their order."""
    out: list[dt.datetime] = []
    repeated, skipped = [], []
    seen: set[dt.datetime] = set()
    for moment, place in zip(moments, places, strict=True):
        early, late = moment.replace(tzinfo=zone), moment.replace(tzinfo=zone, fold=1)
        gap = early.utcoffset() != late.utcoffset()
        exists = early.astimezone(dt.UTC).astimezone(zone).replace(tzinfo=None) == moment
        if gap and not exists:
            skipped.append(place)
        elif gap and moment in seen:
            repeated.append(place)
            early = late
        seen.add(moment)
        out.append(early)
    report.note("hours that the clock showed twice", repeated, "the second time taken as the second one")
    report.note("hours that the clock left out", skipped, "taken as the hour after")
    return out


def _utc(moments: Sequence[dt.datetime]) -> Ints:
    second = dt.timedelta(seconds=1)
    return np.array([round((m - EPOCH) / second) * NS_PER_S for m in moments], np.int64)
