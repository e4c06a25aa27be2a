"""Weighted least squares with a penalty, kept as normal equations so that a day's rows are quickly added.

Ridge regression, Hoerl and Kennard 1970: w = (A' P A + k S)^-1 A' P y; P holds weights that halve with the
age of a row (none without a half-life), S the variance of the columns that carry the series' unit, 1 for all
others. So the penalty depends neither on the unit nor on the level.
"""

from __future__ import annotations

import dataclasses as dc

import numpy as np
import scipy.linalg

from forecasting.series import Floats


@dc.dataclass(slots=True)
class NormalEquations:
    """Sums of a regression: A' P A, A' P y, and of the weights."""

    gram: Floats
    moment: Floats
    weight: float = 0.0

    @classmethod
    def empty(cls, columns: int) -> NormalEquations:
        """Return the sums of no row."""
        return cls(np.zeros((columns, columns)), np.zeros(columns))

    def fade(self, factor: float) -> None:
        """Let all rows so far count less."""
        self.gram *= factor
        self.moment *= factor
        self.weight *= factor

    def add(self, a: Floats, y: Floats, weights: Floats | None = None) -> None:
        """Add rows."""
        weighted = a if weights is None else a * weights[:, None]
        self.gram += weighted.T @ a
        self.moment += weighted.T @ y
        self.weight += float(len(y) if weights is None else weights.sum())

    def solve(self, penalty: float, scaled: int, levels: int) -> Floats:
        """Return the coefficients.

        Parameters
        ----------
        scaled : int
            Columns that carry the series' unit, the first ones.
        levels : int
            Columns that add to one in every row, the last ones.
        """
        size = np.ones(len(self.moment))
        means = self.gram[:scaled, -levels:].sum(axis=1) / self.weight
        variance = float((np.diag(self.gram)[:scaled] / self.weight - means**2).mean())
        size[:scaled] = np.sqrt(variance) if variance > 0.0 else 1.0
        gram = self.gram / np.outer(size, size)
        gram[np.diag_indices_from(gram)] += penalty
        factor = scipy.linalg.cho_factor(gram, check_finite=False)
        result: Floats = scipy.linalg.cho_solve(factor, self.moment / size, check_finite=False) / size
        return result
