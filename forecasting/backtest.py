"""Scores of every model side by side on origins that roll through the past."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Sequence
from typing import Any

import numpy as np

from forecasting.baselines import baselines
from forecasting.calendar import slots
from forecasting.combining import combine, weights
from forecasting.hybrid import WINDOW_DAYS, Hybrid, plain_ridge, standard_members, trust_in
from forecasting.intervals import LEVELS, intervals
from forecasting.member import Member
from forecasting.rolling import Progress, Rolled, roll
from forecasting.scores import coverage, coverage_by_slot, naive_mae_of, pinball, ratio_bound, scores
from forecasting.seasonal import WINDOW_DAYS as SEASON_DAYS
from forecasting.series import Floats, Ints, Series
from rtcore.errors import Problem, UserInputError

WARM_UP_DAYS = 70
"""Days before the first origin that are forecast too: weights and intervals are learned from them [d]."""
LEAST_WARM_UP_DAYS = 14
LEAST_HISTORY_DAYS = 42
"""Days of history before the first origin: four weeks of Prophet, and two of forecasts to learn from [d]."""
LEAST_WEEKS = 3
"""Weeks in the window below which drawing weeks says nothing of how sure a ratio is."""
TEST_SHARE = 0.2
"""Of the series, its end, when nothing else is said."""
BASELINES = ("persistence", "naive_day", "naive_week", "ridge")


@dc.dataclass(frozen=True, slots=True)
class Window:
    """First and last origin of a backtest; each is the last known row of its forecasts."""

    first: int
    last: int


def window_of(series: Series, begin_ns: int | None, end_ns: int | None, horizons: Sequence[int]) -> Window:
    """Return the origins of targets one step ahead from ``begin`` to ``end``; by default the last fifth.

    Parameters
    ----------
    begin_ns, end_ns : int or None
        UTC of the first target and of the end of the last origin [ns since 1970].

    Raises
    ------
    UserInputError
        Too little history before, or nothing between.
    """
    count, day = len(series), series.per_day
    first = round(count * (1.0 - TEST_SHARE)) - 1
    if begin_ns is not None:
        first = -(-(begin_ns - series.start_ns) // series.step_ns) - 1
    last = count - 1 - max(horizons)
    if end_ns is not None:
        last = min(last, (end_ns - series.start_ns) // series.step_ns - 1)
    problems = []
    if first + 1 < LEAST_HISTORY_DAYS * day:
        what = (
            f"{(first + 1) / day:.1f} days of history before the first forecast; at least "
            f"{LEAST_HISTORY_DAYS} are needed (four weeks for the season, two to learn weights from)"
        )
        problems.append(Problem(series.name, "", what))
    if last - first + 1 < day:
        what = "less than a day of forecasts in the window; the history must reach beyond its end"
        problems.append(Problem(series.name, "", what))
    if problems:
        raise UserInputError(problems)
    return Window(first, last)


def backtest(
    series: Series,
    horizons: Sequence[int],
    window: Window,
    seed: int,
    *,
    workers: int = 1,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Return the report of a backtest with the product's own hybrid.

    Parameters
    ----------
    horizons : sequence of int
        [steps]
    seed : int
        Of the network's weights, of the bootstrap, and of what the proof of causality looks at.
    workers : int
        Prophet fits at a time.
    """
    network, proof, draws = np.random.default_rng(seed).spawn(3)
    hybrid = Hybrid(standard_members(horizons, series.per_day, network, workers), horizons)
    others: list[Member] = [*baselines(series.per_day), plain_ridge(horizons)]
    warm_up = warm_up_days(series, window) * series.per_day
    origins = np.arange(window.first - warm_up, window.last + 1)
    rolled = roll(series, hybrid, others, origins, proof, progress)
    return report(series, horizons, window, rolled, [m.name for m in hybrid.members], draws)


def warm_up_days(series: Series, window: Window) -> int:
    """Return days that are forecast before the window: as many as there are, after four weeks of season."""
    there = (window.first + 1) // series.per_day - SEASON_DAYS
    return int(np.clip(there, LEAST_WARM_UP_DAYS, WARM_UP_DAYS))


def report(
    series: Series,
    horizons: Sequence[int],
    window: Window,
    rolled: Rolled,
    members: Sequence[str],
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Return all scores by horizon, as JSON can hold them."""
    naive_mae = naive_mae_of(series.values[: window.first + 1], series.per_day)
    of_horizon = {str(h): _of_horizon(series, h, window, rolled, members, naive_mae, rng) for h in horizons}
    return {
        "horizons": {h: r.pop("models") for h, r in of_horizon.items()},
        "details": of_horizon,
        "naive_mae": naive_mae,
    }


def _of_horizon(
    series: Series,
    horizon: int,
    window: Window,
    rolled: Rolled,
    members: Sequence[str],
    naive_mae: float,
    rng: np.random.Generator,
) -> dict[str, Any]:
    columns = rolled.issued.columns
    said = rolled.issued.rows(horizon, series.base, series.base + len(series))
    test = np.arange(window.first + horizon, window.last + horizon + 1)
    actual = series.values
    by_name = dict(zip(columns, said.T, strict=True))
    rows = {name: scores(x[test], actual[test], naive_mae) for name, x in by_name.items()}
    models = {name: _rounded(dc.asdict(s)) for name, s in rows.items() if s is not None}
    best = min((m for m in members if m in models), key=lambda m: models[m]["rmse"])
    best_baseline = min((m for m in BASELINES if m in models), key=lambda m: models[m]["rmse"])
    ratios = {
        "best_member": best,
        "best_baseline": best_baseline,
        "to_best_member": _ratio(by_name, "hybrid", best, actual, test, series.per_day, rng),
        "to_best_baseline": _ratio(by_name, "hybrid", best_baseline, actual, test, series.per_day, rng),
    }
    of_members = np.column_stack([by_name[m] for m in members])
    return {
        "models": models,
        "ratios": ratios,
        "weights": _mean_weights(rolled, horizon, members, window),
        "rmse_without": _without(series, horizon, of_members, members, rolled, test, naive_mae),
        "intervals": _intervals(series, horizon, by_name, test),
    }


def _ratio(
    by_name: dict[str, Floats],
    ours: str,
    theirs: str,
    actual: Floats,
    test: Ints,
    per_day: int,
    rng: np.random.Generator,
) -> dict[str, float | None] | None:
    found = ratio_bound((by_name[ours] - actual)[test], (by_name[theirs] - actual)[test], 7 * per_day, rng)
    if found is None:
        return None
    has_weeks = len(test) >= LEAST_WEEKS * 7 * per_day
    return {"ratio": round(found[0], 4), "upper_90pct": round(found[1], 4) if has_weeks else None}


def _mean_weights(rolled: Rolled, horizon: int, members: Sequence[str], window: Window) -> dict[str, float]:
    inside = [w[horizon] for origin, w in rolled.weights if origin >= window.first]
    return _rounded(dict(zip(members, np.mean(inside, axis=0).tolist(), strict=True)))


def _without(
    series: Series,
    horizon: int,
    of_members: Floats,
    members: Sequence[str],
    rolled: Rolled,
    test: Ints,
    naive_mae: float,
) -> dict[str, float]:
    """Return the RMSE of the hybrid with each member left out and the weights learned without it."""
    days = [origin for origin, _ in rolled.weights]
    result = {}
    for k, name in enumerate(members):
        rest, trust = np.delete(of_members, k, axis=1), np.delete(trust_in(members), k)
        found = scores(recombined(rest, series, horizon, days, trust)[test], series.values[test], naive_mae)
        if found is not None:
            result[name] = found.rmse
    return _rounded(result)


def recombined(
    of_members: Floats, series: Series, horizon: int, days: Sequence[int], trust: Floats
) -> Floats:
    """Return what a hybrid of these members would have issued, by target.

    Parameters
    ----------
    of_members : ndarray, shape (n, n_member)
        Forecasts by target row.
    days : sequence of int
        Last known row at each refit, in the order of time.
    trust : ndarray, shape (n_member,)
        See `forecasting.combining.weights`.
    """
    out = np.full(len(of_members), np.nan)
    for begin, after in zip(days, [*days[1:], len(of_members)], strict=True):
        end = begin + 1
        past = slice(max(0, end - WINDOW_DAYS * series.per_day), end)
        learned = weights(of_members[past], series.values[past], horizon, trust)
        targets = slice(begin + horizon, after + horizon)
        out[targets] = combine(of_members[targets], learned)
    return out


def _intervals(series: Series, horizon: int, by_name: dict[str, Floats], test: Ints) -> dict[str, Any]:
    """Return coverage and pinball loss of the hybrid, and of the conformal seasonal naive of a day."""
    rows = slots(series, np.arange(len(series)))
    result: dict[str, Any] = {}
    for name in ("hybrid", "naive_day"):
        made = intervals(by_name[name], series.values, horizon, series.per_day)
        lower, upper, actual = made.lower[test], made.upper[test], series.values[test]
        row: dict[str, Any] = {"pinball": pinball(lower, upper, actual, LEVELS)}
        for k, level in enumerate(LEVELS):
            key = f"{100 * level:.0f}"
            shares = coverage_by_slot(lower[:, k], upper[:, k], actual, rows[test], series.per_day)
            row[f"coverage_{key}"] = coverage(lower[:, k], upper[:, k], actual)
            row[f"lowest_hour_{key}"] = min(shares, default=None)
            row[f"highest_hour_{key}"] = max(shares, default=None)
        result[name] = _rounded({k: None if x is None or np.isnan(x) else x for k, x in row.items()})
    return result


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with six significant digits: more of a score is noise."""
    return {k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in row.items()}
