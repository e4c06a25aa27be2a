"""Breakers of their own for tests of what commands them: no network, no current."""

from __future__ import annotations

from typing import Any

import numpy as np

from rtcore.component import REGISTRY, rows_of
from rtcore.plant import breaker
from rtcore.plant.breaker import Breaker

KEY = np.uint64(52)


class Mechanisms:
    """``n`` three-pole breakers; ``s`` are their state rows."""

    def __init__(self, n: int, **params: Any) -> None:
        spec = REGISTRY["breaker"]
        exact = {"scatter_s": 0.0, "has_arc": "off"} | params
        self.p, self.s = rows_of([Breaker(**exact)] * n, spec), np.zeros(n, spec.state_dtype)
        breaker.init(self.s, np.ones(n, bool))
        self.units = np.arange(3 * n, dtype=np.int32).reshape(n, 3)
        self.unit, self.permitted = np.ones((3 * n, 3)), np.ones(n)
        self.current, self.change = np.zeros((n, 3), np.complex128), np.zeros(1)
        self.t_s = 0.0

    def step(self, dt_s: float) -> int:
        """Advance all; returns how many changed the network."""
        self.t_s += dt_s
        self.change[:] = 0.0
        return int(
            breaker.step(
                self.p, self.s, self.units, self.unit, self.permitted, self.current, self.change, KEY,
                self.t_s, 377.0, dt_s,
            )
        )  # fmt: skip
