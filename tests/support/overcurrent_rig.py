"""One overcurrent element of one relay: steps by hand, and a compiled loop over a profile of currents."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from rtcore.component import REGISTRY, rows_of
from rtcore.jit import kernel
from rtcore.protection import instantaneous_50, overcurrent_51
from rtcore.protection.instantaneous_50 import Instantaneous50
from rtcore.protection.overcurrent_51 import Overcurrent51

VECTORS = json.loads((Path(__file__).parents[1] / "data/reference/protection_vectors.json").read_text())
PICKUP_A = 100.0


@kernel
def loop(p, s, of, i, i_seq, permitted, at_s, amps, is_told, is_reset, dt_s, until_s):  # type: ignore[no-untyped-def]
    """Run a 51 through currents that change at given times; return the instant of its trip.

    With ``is_reset`` return the end of the step in which the disc is back at its start instead;
    without ``is_told`` the element does not learn when within a step the current changed.
    """
    k = 0
    for n in range(1, int(until_s / dt_s) + 2):
        t_s, ago_s = n * dt_s, dt_s
        while k + 1 < at_s.shape[0] and at_s[k + 1] <= t_s:
            k += 1
            ago_s = min(t_s - at_s[k], dt_s)
        i[0, 0] = amps[k]
        overcurrent_51.step(p, s, of, i, i_seq, permitted, ago_s if is_told else dt_s, dt_s)
        if is_reset and s["fraction"][0] == 0.0:
            return t_s
        if not is_reset and s["is_operated"][0] != 0.0:
            return t_s - s["operate_ago_s"][0]
    return math.inf


class Rig:
    """One element; currents in multiples of its pickup, in phase A unless its settings say otherwise."""

    def __init__(self, element: Overcurrent51 | Instantaneous50, dt_s: float = 1e-3) -> None:
        spec = next(s for s in REGISTRY.values() if s.params is type(element))
        self.step_kernel: Any = (
            overcurrent_51.step if isinstance(element, Overcurrent51) else instantaneous_50.step
        )
        self.p, self.s = rows_of([element], spec), np.zeros(1, spec.state_dtype)
        self.of, self.permitted, self.dt_s = np.zeros(1, np.int32), np.ones(1), dt_s
        self.i, self.i_seq = np.zeros((1, 3), complex), np.zeros((1, 3), complex)

    def step(self, m: float, n: int = 1, change_ago_s: float | None = None) -> None:
        self.i[0, 0] = m * PICKUP_A
        ago_s = self.dt_s if change_ago_s is None else change_ago_s
        for _ in range(n):
            self.step_kernel(self.p, self.s, self.of, self.i, self.i_seq, self.permitted, ago_s, self.dt_s)

    def __getattr__(self, name: str) -> float:
        return float(self.s[name][0])

    def run(
        self,
        *profile: tuple[float, float],
        until_s: float = 2000.0,
        is_told: bool = True,
        is_reset: bool = False,
    ) -> float:
        """Run through (from [s], M) and return the instant of the trip, or of the end of the reset."""
        at_s, m = (np.array(column, float) for column in zip(*profile))
        seen = self.p, self.s, self.of, self.i, self.i_seq, self.permitted
        return float(loop(*seen, at_s, m * PICKUP_A, is_told, is_reset, self.dt_s, until_s))


def e51(**settings: Any) -> Overcurrent51:
    return Overcurrent51(**{"pickup_a": PICKUP_A, "quantity": "a", **settings})


def e50(**settings: Any) -> Instantaneous50:
    return Instantaneous50(**{"pickup_a": PICKUP_A, "quantity": "a", "minimum_s": 0.0, **settings})
