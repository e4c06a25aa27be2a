"""Groups of channels, summed at once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from estimation.detectors.scan import Floats, Ints


class Groups:
    """Lists of channels; a channel may be in several, or in none. None is empty."""

    def __init__(self, groups: Mapping[str, Ints]) -> None:
        self.names = tuple(groups)
        self.members = [np.asarray(g, np.int64) for g in groups.values()]
        sizes = [g.size for g in self.members]
        self._flat = np.concatenate(self.members) if self.members else np.zeros(0, np.int64)
        self._starts = np.cumsum([0, *sizes[:-1]]) if sizes else np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self.members)

    def sum(self, x: Floats) -> Floats:
        """Return the sum over each group."""
        if not self.members:
            return np.zeros(0)
        return np.asarray(np.add.reduceat(x[self._flat], self._starts))
