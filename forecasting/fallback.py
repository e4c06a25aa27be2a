"""Which model is issued: the preferred one, or the best other while that is clearly worse or has nothing.

Horizons are judged in bands: a horizon follows the first judged one that is not nearer. The preferred model
is left when its RMSE over the window is more than `LEAVE` above another's, at the targets both forecast, and
taken again when it is at most `RETURN` above the best. Without enough targets it is not judged.
"""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from forecasting.series import Floats

WINDOW_DAYS = 14
"""Targets that models are compared at [d]."""
LEAVE = 0.20
"""Share by which the preferred model's RMSE may be above another's: of a dozen models that are as good the
best of two weeks is up to a tenth better by chance."""
RETURN = 0.05
LEAST_DAYS = 3
"""Targets that both have forecast before two models are compared [d]."""


@dc.dataclass(slots=True)
class _Band:
    is_away: bool
    substitute: int = -1
    has_been_preferred: bool = False


class Fallback:
    """Choice among models for one target.

    Parameters
    ----------
    target : str
        For events.
    models : sequence of str
        The preferred one first. Without any score the last one that has a forecast stands in; beyond the
        first band the last but one, if it has one: persistence is last, and the value of a day ago before it.
    bands : sequence of int
        Judged horizons, ascending [steps].
    is_trusted : bool
        Whether the preferred model is issued before anything is known of it.
    leave, back : float
        See `LEAVE` and `RETURN`; with zeros the best of the window is always issued.
    """

    def __init__(
        self,
        target: str,
        models: Sequence[str],
        bands: Sequence[int],
        per_day: int,
        *,
        is_trusted: bool,
        leave: float = LEAVE,
        back: float = RETURN,
    ) -> None:
        self._target, self._models, self._bands = target, tuple(models), tuple(bands)
        self._least = LEAST_DAYS * per_day
        self._leave, self._back = leave, back
        self._of = {b: _Band(not is_trusted, has_been_preferred=is_trusted) for b in self._bands}
        self._lost = False

    def judge(self, said: Mapping[int, Floats], actual: Floats) -> list[str]:
        """Compare models over the window; return what changed.

        Parameters
        ----------
        said : mapping of int to ndarray, shape (n, n_model)
            By judged horizon: what models said of the window's targets; NaN where they said nothing.
        actual : ndarray, shape (n,)
            What came; NaN where it is not known.
        """
        return [text for band in self._bands for text in self._judge(band, said[band], actual)]

    def pick(self, horizon: int, said: Floats) -> int:
        """Return which model is issued, from what models say now (n_model,); -1 for none."""
        band = self._of[self.band_of(horizon)]
        has = np.isfinite(said)
        if not band.is_away and has[0]:
            return 0
        if band.substitute > 0 and has[band.substitute]:
            return band.substitute
        day_ago = len(said) - 2
        if horizon > self._bands[0] and day_ago > 0 and has[day_ago]:
            return day_ago
        others = np.flatnonzero(has[1:])
        if len(others):
            return int(others[-1]) + 1
        return 0 if has[0] else -1

    def band_of(self, horizon: int) -> int:
        """Return the judged horizon that a horizon follows."""
        return next((b for b in self._bands if b >= horizon), self._bands[-1])

    def lost(self, picked: Sequence[int]) -> list[str]:
        """Return what changed about the preferred model's having forecasts, by what was picked."""
        has_been = any(band.has_been_preferred for band in self._of.values())
        lost = has_been and any(
            p > 0 and not self._of[self.band_of(h)].is_away for h, p in enumerate(picked, start=1)
        )
        if lost == self._lost:
            return []
        self._lost = lost
        if lost:
            name = next(
                self._models[p]
                for h, p in enumerate(picked, start=1)
                if p > 0 and not self._of[self.band_of(h)].is_away
            )
            return [f"{self._target}: {self._models[0]} has no forecast, {name} is issued instead"]
        return [f"{self._target}: {self._models[0]} has forecasts again"]

    def is_fallback(self, picked: Sequence[int]) -> bool:
        """Tell whether another model stands in where the preferred one has been issued before."""
        return any(
            p > 0 and self._of[self.band_of(h)].has_been_preferred for h, p in enumerate(picked, start=1)
        )

    def state(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {"bands": {str(b): dc.asdict(band) for b, band in self._of.items()}, "lost": self._lost}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state over."""
        self._of = {b: _Band(**state["bands"][str(b)]) for b in self._bands}
        self._lost = bool(state["lost"])

    def _judge(self, horizon: int, said: Floats, actual: Floats) -> list[str]:
        band = self._of[horizon]
        theirs = self._rmse(said, actual)
        order = sorted((float(x), k) for k, x in enumerate(theirs) if k > 0 and np.isfinite(x))
        ours_to = [(self._rmse_of_pair(said, actual, k), k) for _, k in order]
        ratios = [(ours / other, k) for (ours, other), k in ours_to if other > 0.0]
        if order:
            best = order[0][1]
            if band.substitute < 1 or not theirs[band.substitute] <= theirs[best] * (1.0 + self._back):
                band.substitute = best
        worst, rival = max(ratios, default=(math.nan, -1))
        if not band.is_away and worst > 1.0 + self._leave:
            band.is_away, band.substitute = True, rival
            return [self._text(horizon, rival, 0, said, actual)]
        is_known = np.isfinite(worst) or (bool(order) and not ratios and np.isfinite(theirs[0]))
        if band.is_away and is_known and not worst > 1.0 + self._back:
            first = not band.has_been_preferred
            band.is_away, band.has_been_preferred = False, True
            if first:
                return [self._ahead(horizon) + f" {self._models[0]} is issued from now on"]
            return [self._text(horizon, 0, rival, said, actual)]
        return []

    def _rmse(self, said: Floats, actual: Floats) -> Floats:
        errors = said - actual[:, None]
        known = np.isfinite(errors)
        count = known.sum(axis=0)
        square = np.where(known, errors, 0.0) ** 2
        enough = count >= self._least
        out = np.full(said.shape[1], np.nan)
        out[enough] = np.sqrt(square.sum(axis=0)[enough] / count[enough])
        return out

    def _rmse_of_pair(self, said: Floats, actual: Floats, other: int) -> tuple[float, float]:
        """Return the RMSEs of the preferred model and another at the targets of both; NaN of too few."""
        errors = said[:, [0, other]] - actual[:, None]
        errors = errors[np.isfinite(errors).all(axis=1)]
        if len(errors) < self._least:
            return math.nan, math.nan
        ours, theirs = np.sqrt(np.mean(errors**2, axis=0))
        return float(ours), float(theirs)

    def _text(self, horizon: int, to: int, other: int, said: Floats, actual: Floats) -> str:
        ours, theirs = self._rmse_of_pair(said, actual, max(to, other))
        issued, name = self._models[to], self._models[max(to, other)]
        instead = f"{issued} is issued instead of {self._models[0]}" if to else f"{issued} is issued again"
        figures = f"RMSE {self._models[0]} {ours:.6g} W, {name} {theirs:.6g} W in {WINDOW_DAYS} days"
        return f"{self._ahead(horizon)} {instead} ({figures})"

    def _ahead(self, horizon: int) -> str:
        before = [b for b in self._bands if b < horizon]
        return f"{self._target}, {before[-1] + 1 if before else 1} to {horizon} steps ahead:"
