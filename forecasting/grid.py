"""Rows of a table in equal steps: sorted, without doubles, averaged where they are finer than wanted."""

from __future__ import annotations

import dataclasses as dc
import datetime as dt
from collections.abc import Mapping, Sequence

import numpy as np

from forecasting.history_report import Report, iso
from forecasting.series import NS_PER_DAY, Floats, Ints
from rtcore.clock import NS_PER_HOUR, NS_PER_S

STEPS_S = (900, 1200, 1800, 3600)
"""Lengths of a row that are forecast; finer tables are averaged to an hour."""
ROWS_MAX = 2_000_000
LEAST_SHARE = 0.5
"""Of an averaged row that must be there, or it counts as missing."""
OFF_GRID = 0.02
"""Share of a step by which a stamp may be off without a note."""


@dc.dataclass(frozen=True, slots=True)
class Gridded:
    """Columns in equal steps; no column begins or ends with rows that nobody has."""

    start_ns: int
    step_ns: int
    values: dict[str, Floats]


def grid(
    moments: Ints,
    places: Sequence[str],
    columns: Mapping[str, Floats],
    step_s: float | None,
    zone: dt.tzinfo,
    report: Report,
) -> Gridded:
    """Bring columns onto a grid.

    Parameters
    ----------
    moments : ndarray, shape (n,)
        Begin of each row, UTC [ns since 1970], in any order.
    columns : mapping of str to ndarray, shape (n,)
        The first one decides where the grid begins and ends.
    step_s : float, optional
        Length of a row wanted [s].
    """
    moments, columns = _ordered(moments, places, columns, report)
    raw_ns = _usual_step(moments)
    step_ns = _step(raw_ns, step_s, report)
    report.refuse()
    start = moments[0] // step_ns * step_ns if step_ns > raw_ns else moments[0]
    offset = moments - start
    index = offset // step_ns if step_ns > raw_ns else np.rint(offset / step_ns).astype(np.int64)
    off = np.flatnonzero(np.abs(offset - np.rint(offset / raw_ns) * raw_ns) > OFF_GRID * raw_ns)
    report.note("stamps off the grid", (iso(int(moments[k]), zone) for k in off), "put into the nearest row")
    count = int(index[-1]) + 1
    if count > ROWS_MAX:
        report.problem("", f"spans {count * step_ns / NS_PER_DAY:.0f} days; is a year wrong?")
        report.refuse()
    if step_ns > raw_ns:
        what = f"averaged to {step_ns / NS_PER_S:g} s"
        report.note(f"rows of {raw_ns / NS_PER_S:g} s", [], what, len(moments))
    least = max(1.0, LEAST_SHARE * step_ns / raw_ns)
    values = {name: _means(index, x, count, least) for name, x in columns.items()}
    return trimmed(int(start), step_ns, values)


def _ordered(
    moments: Ints, places: Sequence[str], columns: Mapping[str, Floats], report: Report
) -> tuple[Ints, dict[str, Floats]]:
    """Sort rows; of several with one stamp the last one stands, for it is the correction."""
    back = (np.flatnonzero(np.diff(moments) < 0) + 1).tolist()
    report.note("stamps earlier than the one before", (places[k] for k in back), "rows sorted by time")
    order = np.argsort(moments, kind="stable")
    moments = moments[order]
    last = np.append(np.diff(moments) > 0, True)
    doubles = order[~last].tolist()
    report.note("stamps given twice", (places[k] for k in doubles), "the last row stands")
    return moments[last], {name: x[order][last] for name, x in columns.items()}


def _usual_step(moments: Ints) -> int:
    """Return the most frequent distance [ns], to the second."""
    if len(moments) < 2:
        return NS_PER_HOUR
    steps = np.rint(np.diff(moments) / NS_PER_S).astype(np.int64)
    lengths, counts = np.unique(steps[steps > 0], return_counts=True)
    return int(lengths[np.argmax(counts)]) * NS_PER_S if len(lengths) else NS_PER_S


def _step(raw_ns: int, step_s: float | None, report: Report) -> int:
    """Return the length of a row to be forecast [ns]."""
    allowed = ", ".join(f"{s:g}" for s in STEPS_S)
    if step_s is not None and step_s not in STEPS_S:
        report.problem("step", f"{step_s:g} s; it can be {allowed} s")
        return NS_PER_HOUR
    step_ns = round(step_s * NS_PER_S) if step_s is not None else NS_PER_HOUR
    if step_s is None and raw_ns in (NS_PER_HOUR // 2, NS_PER_HOUR):
        step_ns = raw_ns
    if raw_ns > step_ns:
        what = f"rows are {raw_ns / NS_PER_S:g} s apart; {step_ns / NS_PER_S:g} s or less are needed"
        report.problem("time", what)
    return step_ns


def _means(index: Ints, x: Floats, count: int, least: float) -> Floats:
    known = np.isfinite(x)
    there = np.bincount(index[known], minlength=count)
    total = np.bincount(index[known], weights=x[known], minlength=count)
    out = np.full(count, np.nan)
    enough = there >= least
    out[enough] = total[enough] / there[enough]
    return out


def trimmed(start: int, step_ns: int, values: dict[str, Floats]) -> Gridded:
    """Return columns without the rows before and after those that the first one has."""
    known = np.flatnonzero(np.isfinite(next(iter(values.values()))))
    if len(known) == 0:
        return Gridded(start, step_ns, values)
    rows = slice(int(known[0]), int(known[-1]) + 1)
    cut = {name: x[rows] for name, x in values.items()}
    return Gridded(start + int(known[0]) * step_ns, step_ns, cut)
