"""Values that cannot be meant: wrong units, spikes, dropouts, stray negatives, a changed unit.

Whether a row is a spike is judged from the rows before it alone, as a forecaster that runs live has to.
"""

from __future__ import annotations

import numpy as np

from forecasting.series import Bools, Floats

SPIKE_SIGMAS = 12.0
"""Both from what is usual at that time of day and from the row before; robust sigmas of four weeks."""
SPIKE_ROWS = 3
"""Longer ones are no spikes: the level has changed, and rows after these are believed."""
FLOOR = 0.02
"""Sigmas are not less than this share of the usual level."""
SIGMA_OF_MAD = 1.4826
"""Of a normal distribution: its standard deviation over its median absolute deviation."""
UNIT_JUMP = 300.0
"""A level that changes by more than this, from three days to the next three, is a change of unit."""
UNIT_ROW = 100.0
"""A row so many times above what is usual is in another unit; below it, if the load is never near zero."""
UNIT_DAYS = 3
"""Days with values from which a level is known [d]."""
STAYS_DAYS = 2
LOWEST = 0.05
"""Share of the level that a load which is never near zero stays above."""
RARE = 0.01
"""Share of rows below which zeros and negative values are errors and not how the series is."""


def spikes(values: Floats, per_day: int) -> tuple[Bools, Bools]:
    """Return masks of spikes and of dropouts to exactly zero.

    The first week is not judged: nothing is usual yet.
    """
    spike, drop = np.zeros(len(values), bool), np.zeros(len(values), bool)
    clean = values.copy()
    from_usual = np.full(len(values), np.nan)
    run, last = 0, np.nan
    for start in range(7 * per_day, len(values), per_day):
        past = clean[max(0, start - 28 * per_day) : start]
        if np.isfinite(past).sum() < 3 * per_day:
            continue
        usual = _by_slot(past[-14 * per_day :], per_day)
        level = abs(float(np.nanmedian(past)))
        sigma = max(_sigma(from_usual[max(0, start - 28 * per_day) : start]), FLOOR * level)
        jump_sigma = max(_sigma(np.diff(past)), FLOOR * level)
        zeros = np.mean(past[np.isfinite(past)] == 0.0)
        for row in range(start, min(start + per_day, len(values))):
            value = values[row]
            if np.isnan(value):
                continue
            if value == 0.0 and zeros < RARE and level > 0.0:
                drop[row] = True
                clean[row] = np.nan
                continue
            away = value - usual[row - start]
            far = abs(away) > SPIKE_SIGMAS * sigma and abs(value - last) > SPIKE_SIGMAS * jump_sigma
            run = run + 1 if far else 0
            if far and run <= SPIKE_ROWS and start >= 14 * per_day:
                spike[row] = True
                clean[row] = np.nan
                continue
            from_usual[row] = away
            last, run = value, 0
    return spike, drop


def wrong_units(values: Floats, per_day: int) -> Bools:
    """Return the mask of rows that are in another unit than the four weeks before them.

    A level that stays there for longer than two days is `unit_change`'s matter, and refused.
    """
    wrong = np.zeros(len(values), bool)
    clean = values.copy()
    for start in range(UNIT_DAYS * per_day, len(values), per_day):
        past = clean[max(0, start - 28 * per_day) : start]
        past = np.abs(past[np.isfinite(past)])
        if len(past) < UNIT_DAYS * per_day:
            continue
        rows = slice(start, min(start + per_day, len(values)))
        wrong[rows] = is_other_unit(clean[rows], past)
        clean[rows][wrong[rows]] = np.nan
    edges = np.flatnonzero(np.diff(np.concatenate([[False], wrong, [False]]).astype(int)))
    for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if end - begin > STAYS_DAYS * per_day:
            wrong[begin:end] = False
    return wrong


def is_other_unit(values: Floats, past: Floats) -> Bools:
    """Tell which values are in another unit than past ones, which are known and without sign."""
    level = float(np.median(past))
    above: Bools = np.abs(values) > UNIT_ROW * level if level > 0.0 else np.zeros(len(values), bool)
    if float(np.quantile(past, RARE)) <= LOWEST * level:
        return above
    return above | ((values > 0.0) & (values < level / UNIT_ROW))


def strays_below_zero(values: Floats) -> Bools:
    """Return the mask of negative rows of a series that is not negative but for a few."""
    known = values[np.isfinite(values)]
    negative: Bools = values < 0.0
    is_stray = bool(negative.any()) and np.mean(known < 0.0) < RARE and np.median(known) > 0.0
    return negative if is_stray else np.zeros(len(values), bool)


def unit_change(values: Floats, per_day: int) -> tuple[int, float] | None:
    """Return the row at which the level changes as between kW and MW, and by what factor."""
    days = len(values) // per_day
    by_day = np.abs(values[: days * per_day]).reshape(days, per_day)
    known = np.isfinite(by_day).any(axis=1)
    medians = np.full(days, np.nan)
    medians[known] = np.nanmedian(by_day[known], axis=1)
    found: tuple[float, int, float] | None = None
    for day in range(3, days - 2):
        around = medians[day - 3 : day], medians[day : day + 3]
        if any(np.isnan(x).all() for x in around) or not medians[day - 1 : day + 1].min() > 0.0:
            continue
        before, after = (float(np.nanmedian(x)) for x in around)
        if min(before, after) > 0.0 and max(before / after, after / before) > UNIT_JUMP:
            # The days around it show it too; it is where the step is.
            step = abs(float(np.log(medians[day] / medians[day - 1])))
            found = max(found or (step, day, after / before), (step, day, after / before))
    return None if found is None else (found[1] * per_day, found[2])


def _by_slot(past: Floats, per_day: int) -> Floats:
    """Return the median at each time of day; ``past`` ends where a day ends."""
    days = len(past) // per_day
    table = past[len(past) - days * per_day :].reshape(days, per_day)
    if np.isfinite(table).all():
        whole: Floats = np.median(table, axis=0)
        return whole
    out = np.full(per_day, np.nan)
    known = np.isfinite(table).any(axis=0)
    out[known] = np.nanmedian(table[:, known], axis=0)
    return np.where(known, out, np.nanmedian(past))


def _sigma(x: Floats) -> float:
    x = x[np.isfinite(x)]
    if len(x) == 0:
        return np.inf
    return SIGMA_OF_MAD * float(np.median(np.abs(x - np.median(x))))
