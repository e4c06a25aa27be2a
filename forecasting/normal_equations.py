"""Weighted least squares with a penalty, kept as normal equations so that a day's rows are quickly added.

Ridge regression, Hoerl and Kennard 1970: w = (A' P A + k S)^-1 A' P y; P holds weights that halve with the
age of a row (none without a half-life), S the variance of the columns that carry the series' unit, 1 for all
others. So the penalty depends neither on the unit nor on the level.

Where something is believed of the coefficients before there are data, they are drawn to that and not to zero
(the Minnesota prior of Litterman 1986): the penalty is then s^2 h / (t^2 S), s^2 being the variance that the
regression leaves, S that of the columns, t the standard deviation of a coefficient around what is believed of
it, and h how many rows say the same thing, as errors of targets h rows ahead do.
"""

from __future__ import annotations

import dataclasses as dc

import numpy as np
import scipy.linalg

from forecasting.series import Floats

TIGHTNESS = 0.2
"""Standard deviation of a coefficient around what is believed of it: Litterman's own."""
FIRM_LEAST = 1e-6
"""Penalty where a regression leaves nothing: columns that are alike still need one."""


@dc.dataclass(slots=True)
class NormalEquations:
    """Sums of a regression: A' P A, A' P y, y' P y, and of the weights."""

    gram: Floats
    moment: Floats
    square: float = 0.0
    weight: float = 0.0

    @classmethod
    def empty(cls, columns: int) -> NormalEquations:
        """Return the sums of no row."""
        return cls(np.zeros((columns, columns)), np.zeros(columns))

    def fade(self, factor: float) -> None:
        """Let all rows so far count less."""
        self.gram *= factor
        self.moment *= factor
        self.square *= factor
        self.weight *= factor

    def add(self, a: Floats, y: Floats, weights: Floats | None = None) -> None:
        """Add rows."""
        weighted = a if weights is None else a * weights[:, None]
        self.gram += weighted.T @ a
        self.moment += weighted.T @ y
        self.square += float(y @ y if weights is None else weights @ y**2)
        self.weight += float(len(y) if weights is None else weights.sum())

    def solve(self, penalty: float, scaled: int, levels: int) -> Floats:
        """Return the coefficients.

        Parameters
        ----------
        penalty : float
        scaled : int
            Columns that carry the series' unit, the first ones.
        levels : int
            Columns that add to one in every row, the last ones.
        """
        size = self._sizes(scaled, levels)
        return self._around(np.zeros(len(size)), size, np.full(len(size), penalty))

    def solve_around(
        self, believed: Floats, overlap: int, penalty: float, scaled: int, levels: int
    ) -> Floats:
        """Return the coefficients where those of the scaled columns are believed to be near something.

        Parameters
        ----------
        believed : ndarray, shape (n_column,)
        overlap : int
            Rows that say the same thing.
        penalty : float
            Of the other columns; and of all in the fit that says what variance is left.
        scaled, levels : int
            See `solve`.
        """
        size, penalties = self._sizes(scaled, levels), np.full(len(self.moment), penalty)
        light = self._around(believed, size, penalties)
        left = self.square - 2.0 * float(light @ self.moment) + float(light @ self.gram @ light)
        variance = max(left, 0.0) / max(self.weight - len(light), 1.0)
        firm = overlap * variance / (TIGHTNESS * size[0]) ** 2
        penalties[:scaled] = max(firm, FIRM_LEAST)
        return self._around(believed, size, penalties)

    def _sizes(self, scaled: int, levels: int) -> Floats:
        """Return what each column is divided by, so that a penalty is the same for all."""
        size = np.ones(len(self.moment))
        means = self.gram[:scaled, -levels:].sum(axis=1) / self.weight
        variance = float((np.diag(self.gram)[:scaled] / self.weight - means**2).mean())
        size[:scaled] = np.sqrt(variance) if variance > 0.0 else 1.0
        return size

    def _around(self, believed: Floats, size: Floats, penalties: Floats) -> Floats:
        gram = self.gram / np.outer(size, size)
        gram[np.diag_indices_from(gram)] += penalties
        factor = scipy.linalg.cho_factor(gram, check_finite=False)
        left = (self.moment - self.gram @ believed) / size
        result: Floats = believed + scipy.linalg.cho_solve(factor, left, check_finite=False) / size
        return result
