"""Rolling origins: every day all models are refitted on the past and forecast from each row of the day.

That nothing after an origin is used is not promised but enforced and shown. Models are fitted on a series
that ends where the past ends; forecasts of a day are made once more on a series whose rows after one origin
of that day are garbage, and must be equal bit for bit.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Callable, Sequence

import numpy as np

from forecasting.hybrid import Hybrid
from forecasting.issued import Issued
from forecasting.member import Member
from forecasting.series import Floats, Ints, Series
from rtcore.errors import GridhilError

Progress = Callable[[int, int], None]


class LeakError(GridhilError):
    """A model used what was not known yet."""


@dc.dataclass(frozen=True, slots=True)
class Rolled:
    """What all models forecast, and the weights that the hybrid had."""

    issued: Issued
    weights: list[tuple[int, dict[int, Floats]]]
    """Last origin before each day, and weights by horizon."""


def roll(
    series: Series,
    hybrid: Hybrid,
    others: Sequence[Member],
    origins: Ints,
    rng: np.random.Generator,
    progress: Progress | None = None,
) -> Rolled:
    """Forecast from every origin; refit before the first one and after each day of them.

    Parameters
    ----------
    origins : ndarray of int
        Consecutive rows; each is the last known one of its forecasts.
    rng : numpy.random.Generator
        Which origin of a day is looked at, and the garbage after it.

    Raises
    ------
    LeakError
        A model's forecast changed with rows after its origin.
    """
    names = [hybrid.name, *(m.name for m in hybrid.members), *(m.name for m in others)]
    issued = Issued(list(dict.fromkeys(names)), hybrid.horizons)
    extra = [m for m in others if m.name not in {x.name for x in hybrid.members}]
    kept: list[tuple[int, dict[int, Floats]]] = []
    for begin in range(0, len(origins), series.per_day):
        day = origins[begin : begin + series.per_day]
        end = int(day[0]) + 1
        for model in (hybrid, *extra):
            model.fit(series.before(end), end)
        seen = series.before(int(day[-1]) + 1)
        said = _forecast(seen, hybrid, extra, day)
        _prove_causal(seen, hybrid, extra, day, said, rng)
        _keep(issued, hybrid, seen.base + day, said)
        kept.append((int(day[0]), dict(hybrid.weights)))
        if progress is not None:
            progress(begin + len(day), len(origins))
    return Rolled(issued, kept)


def _forecast(seen: Series, hybrid: Hybrid, extra: Sequence[Member], day: Ints) -> Floats:
    """Return forecasts (n_origin, n_horizon, n_model): the hybrid, its members, the others."""
    combined, of_members = hybrid.detailed(seen, day)
    beside = [m.forecast(seen, day, np.array(hybrid.horizons))[..., None] for m in extra]
    return np.concatenate([combined[..., None], of_members, *beside], axis=2)


def _keep(issued: Issued, hybrid: Hybrid, moments: Ints, said: Floats) -> None:
    members = len(hybrid.members)
    for k, horizon in enumerate(hybrid.horizons):
        issued.put(horizon, moments + horizon, said[:, k])
        hybrid.issued.put(horizon, moments + horizon, said[:, k, 1 : 1 + members])


def _prove_causal(
    seen: Series, hybrid: Hybrid, extra: Sequence[Member], day: Ints, said: Floats, rng: np.random.Generator
) -> None:
    """Forecast again with garbage after one origin; whoever says something else there has looked ahead."""
    k = int(rng.integers(len(day)))
    cut = int(day[k]) + 1
    again = _forecast(_with_garbage(seen, cut, rng), hybrid, extra, day)
    differs = ~((again[: k + 1] == said[: k + 1]) | (np.isnan(again[: k + 1]) & np.isnan(said[: k + 1])))
    if differs.any():
        names = [hybrid.name, *(m.name for m in hybrid.members), *(m.name for m in extra)]
        # The hybrid leaks if a member does, so it is named only if nobody else is.
        guilty = np.flatnonzero(differs.any(axis=(0, 1)))
        name = names[int(guilty[-1])]
        raise LeakError(f"{name}: its forecast from row {int(day[k])} changes with rows after it")


def _with_garbage(series: Series, first: int, rng: np.random.Generator) -> Series:
    """Return a series whose rows from ``first`` on are random, values and exogenous ones alike.

    They stay positive, so that a logarithm can be taken of them and no model is silenced by them.
    """

    def spoiled(x: Floats) -> Floats:
        level = float(np.nanmean(np.abs(x))) or 1.0
        y = x.copy()
        y[first:] = level * rng.uniform(0.5, 5.0, len(x) - first)
        return y

    exogenous = {name: spoiled(x) for name, x in series.exogenous.items()}
    return dc.replace(series, values=spoiled(series.values), exogenous=exogenous)
