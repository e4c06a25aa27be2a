"""State rows of all component instances, back to back in one array, and their parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rtcore.component import REGISTRY, Spec, rows_of

Floats = npt.NDArray[np.float64]
Plant = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Kind -> instance -> parameters that the settings give, by name."""


class Store:
    """State rows of all component instances, back to back in one float64 array."""

    def __init__(self, names: Mapping[str, Sequence[str]], plant: Plant) -> None:
        self._plant = plant
        self._order: list[tuple[Spec, list[str], int]] = []
        self._size = 0
        self._row: dict[str, tuple[Spec, int]] = {}
        for kind, chosen in names.items():
            self._add(kind, chosen)
        self.x = np.zeros(max(self._size, 1))

    def _add(self, kind: str, names: Sequence[str]) -> None:
        spec, width = REGISTRY[kind], len(REGISTRY[kind].attrs)
        self._order.append((spec, list(names), self._size))
        for i, name in enumerate(names):
            self._row[f"{kind}.{name}"] = (spec, self._size + i * width)
        self._size += width * len(names)

    def columns(self, kind: str) -> Floats:
        """Return the rows of a kind as float64[n, n_attrs]."""
        spec, names, start = next(e for e in self._order if e[0].kind == kind)
        width = len(spec.attrs)
        return self.x[start : start + width * len(names)].reshape(len(names), width)

    def rows(self, kind: str) -> np.ndarray[Any, Any]:
        """Return the rows of a kind as a structured array over the same memory."""
        table = self.columns(kind)
        dtype = REGISTRY[kind].state_dtype
        return table.view(dtype).reshape(-1) if len(table) else np.zeros(0, dtype)

    def address(self, source: str, attr: str) -> int:
        """Return the index in ``x`` of one attribute of one instance."""
        spec, start = self._row[source]
        return start + spec.column(attr)

    def row_begin(self, source: str) -> int:
        """Return where the row of an instance begins in ``x``."""
        return self._row[source][1]

    def spec_of(self, source: str) -> Spec:
        """Return the declaration of an instance's kind."""
        return self._row[source][0]

    def names(self, kind: str) -> list[str]:
        """Return the instances of a kind, in row order."""
        return next(names for spec, names, _ in self._order if spec.kind == kind)

    def params(self, kind: str, **defaults: Sequence[Any]) -> np.ndarray[Any, Any]:
        """Return parameter rows: what the settings give, else ``defaults`` (a value an instance)."""
        spec, given = REGISTRY[kind], self._plant.get(kind, {})
        rows = []
        for i, name in enumerate(self.names(kind)):
            rows.append(spec.params(**{k: v[i] for k, v in defaults.items()} | dict(given.get(name, {}))))
        return rows_of(rows, spec)
