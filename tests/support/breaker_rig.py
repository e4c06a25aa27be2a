"""One breaker driven by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rtcore.component import REGISTRY, rows_of
from rtcore.plant.breaker import CLOSED, CLOSING, OPENING, Breaker, init, step

SPEC = REGISTRY["breaker"]
OPEN_TIME_S, CLOSE_TIME_S, OFFSET_S = 0.050, 0.060, 0.005
STEPS_S = [250e-6, 1e-3, 10e-3, 100e-3]
W0 = 2.0 * math.pi * 60.0
KEY = np.uint64(20240229)


class Rig:
    """One breaker of three poles; scatter and arc are off unless asked for."""

    def __init__(self, state: float = CLOSED, dt_s: float = 1e-3, **params: float | str) -> None:
        quiet: dict[str, float | str] = {"scatter_s": 0.0, "has_arc": "off", **params}
        self.p = rows_of([Breaker(**quiet)], SPEC)  # type: ignore[arg-type]
        self.s = np.zeros(1, SPEC.state_dtype)
        self.units = np.array([[2, 0, 1]], np.int32)
        self.unit = np.zeros((4, 3))
        self.unit[:3, 0] = state in (CLOSED, OPENING)
        self.unit[3] = 0.25  # somebody else's
        self.i = np.zeros((1, 3), complex)
        self.change = np.zeros(1)
        self.dt_s, self.t_s = dt_s, 0.0
        self.permitted = np.ones(1)
        init(self.s, [state in (CLOSED, OPENING)])
        if state in (OPENING, CLOSING):
            self.s["is_52a"], self.s["is_52b"] = state == OPENING, state == CLOSING
            self.s["state"], self.s["first_s"] = state, 2.0 * OFFSET_S
            self.s["move_s"] = (OPEN_TIME_S if state == OPENING else CLOSE_TIME_S) + OFFSET_S

    def __getattr__(self, name: str) -> float:
        return float(self.s[name][0])

    def set(self, **values: float) -> None:
        for name, value in values.items():
            self.s[name] = value

    @property
    def poles(self) -> tuple[bool, bool, bool]:
        """Poles that conduct, in the order of the phases."""
        assert np.all(self.unit[3] == 0.25), "wrote to another unit"
        a, b, c = (bool(x) for x in self.unit[self.units[0], 0] == 1.0)
        return a, b, c

    @property
    def is_made(self) -> bool:
        assert len(set(self.poles)) == 1, "poles differ"
        return self.poles[0]

    def step(self, **values: float) -> int:
        """Step once with commands or settings given before; returns the breakers that changed."""
        self.set(**values)
        self.t_s += self.dt_s
        self.change[0] = 0.0
        return int(
            step(
                self.p, self.s, self.units, self.unit, self.permitted, self.i, self.change, KEY,
                self.t_s, W0, self.dt_s,
            )
        )  # fmt: skip

    def run(self, n: int) -> int:
        return sum(self.step() for _ in range(n))

    def until_change(self, n_max: int = 5000, **held: float) -> float:
        """Return the time from now to the next change of the network."""
        start_s = self.t_s
        for _ in range(n_max):
            if self.step(**held):
                return self.t_s - float(self.change[0]) - start_s
        pytest.fail("the network never changed")


# (state, trip, close) -> state after the step that brings the command, travel left [s]
