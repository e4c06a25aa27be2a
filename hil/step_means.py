"""Means over steps of simulated time, from samples of a board as it goes by."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

GAP_SHARE = 0.25
"""Two samples that are farther apart than this share of a step say nothing of what lay between."""
LEAST_SHARE = 0.5
"""Of a step that must be covered; with less its mean is unknown."""


class StepMeans:
    """Time-weighted means of several quantities over equal steps.

    Between two samples that are close enough each quantity goes straight from one value to the other.

    Parameters
    ----------
    n : int
        Quantities.
    step_ns : int
        Length of a step [ns]; steps begin at whole multiples of it since 1970.
    """

    def __init__(self, n: int, step_ns: int) -> None:
        self._step_ns = step_ns
        self._sum, self._covered = np.zeros(n), np.zeros(n)
        self._last: tuple[int, Floats] | None = None

    def take(self, sim_ns: int, values: Floats) -> Iterator[tuple[int, Floats]]:
        """Take a sample; yield every step that it closes.

        Parameters
        ----------
        values : float64[n]
            NaN where the quantity is not known.

        Yields
        ------
        int, float64[n]
            End of the step [ns] and means, NaN where too little of the step is covered.
        """
        if self._last is None or sim_ns < self._last[0]:
            self._last = (sim_ns, values.copy())
            self._sum[:] = self._covered[:] = 0.0
            return
        begin_ns, before = self._last
        is_gap = sim_ns - begin_ns > GAP_SHARE * self._step_ns
        at_ns = begin_ns
        while at_ns < sim_ns:
            edge_ns = (at_ns // self._step_ns + 1) * self._step_ns
            to_ns = min(edge_ns, sim_ns)
            if not is_gap:
                self._add(begin_ns, before, sim_ns, values, at_ns, to_ns)
            if to_ns == edge_ns:
                yield edge_ns, self._close()
            at_ns = to_ns
        self._last = (sim_ns, values.copy())

    def _add(
        self, begin_ns: int, before: Floats, end_ns: int, after: Floats, from_ns: int, to_ns: int
    ) -> None:
        """Add the part of the line between two samples that lies in one step."""
        middle = ((from_ns - begin_ns) + (to_ns - begin_ns)) / 2.0 / (end_ns - begin_ns)
        mean = before + middle * (after - before)
        known = np.isfinite(mean)
        self._sum[known] += mean[known] * (to_ns - from_ns)
        self._covered[known] += to_ns - from_ns

    def _close(self) -> Floats:
        enough = self._covered >= LEAST_SHARE * self._step_ns
        means = np.full(len(self._sum), np.nan)
        means[enough] = self._sum[enough] / self._covered[enough]
        self._sum[:] = self._covered[:] = 0.0
        return means
