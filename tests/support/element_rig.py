"""What tests of protection elements share: one relay, one element, and a clock that may split its steps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from rtcore.component import REGISTRY, rows_of

Complex = npt.NDArray[np.complex128]

V_BASE_V = 7200.0
ABC = np.exp(-2j * np.pi / 3 * np.arange(3))
"""A balanced set in the order a, b, c."""

_A = np.exp(2j * np.pi / 3)
_FORTESCUE = np.array([[1, 1, 1], [1, _A, _A**2], [1, _A**2, _A]]) / 3.0


def turned(angle_deg: float) -> complex:
    """Return a phasor of length 1."""
    return complex(math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg)))


def sequences(phases: Complex) -> Complex:
    """Return zero, positive and negative sequence of one set of phases."""
    with np.errstate(invalid="ignore"):  # tests put in what is no number
        return np.asarray(_FORTESCUE @ phases, np.complex128)


class ElementRig:
    """One element of one relay; a subclass calls its kernel."""

    kind = ""

    def __init__(self, params: Any, dt_s: float = 1e-3) -> None:
        self.spec = REGISTRY[self.kind]
        self.p = rows_of([params], self.spec)
        self.s = np.zeros(1, self.spec.state_dtype)
        self.of, self.dt_s, self.t_s = np.zeros(1, np.int32), dt_s, 0.0
        self.permitted, self.base_v = np.ones(1), np.full(1, V_BASE_V)
        self.v, self.v_seq = np.zeros((1, 3), complex), np.zeros((1, 3), complex)
        self.i, self.i_seq = np.zeros((1, 3), complex), np.zeros((1, 3), complex)
        self.f_hz, self.f_valid = np.full(1, 60.0), np.ones(1)
        self.set_v(V_BASE_V * ABC)

    def set_v(self, phases: Complex) -> None:
        self.v[0], self.v_seq[0] = phases, sequences(phases)

    def set_i(self, phases: Complex) -> None:
        self.i[0], self.i_seq[0] = phases, sequences(phases)

    def call(self, change_ago_s: float) -> None:
        raise NotImplementedError

    def step(self, n: int = 1, change_ago_s: float | None = None) -> None:
        """Make steps; in the first of them the network changed ``change_ago_s`` before its end."""
        for k in range(n):
            self.call(self.dt_s if change_ago_s is None or k else change_ago_s)
            self.t_s += self.dt_s
            assert self["is_pickup"] >= self["is_operated"]  # no operation without pickup, ever

    def run(self, name: str = "is_operated", value: float = 1.0, limit_s: float = 100.0) -> float:
        """Step until a flag has a value; returns the interpolated time of that."""
        ago = {"is_operated": "operate_ago_s", "is_pickup": "pickup_ago_s"}.get(name)
        for _ in range(math.ceil(limit_s / self.dt_s)):
            self.step()
            if self[name] == value:
                assert ago is None or 0.0 <= self[ago] <= self.dt_s
                return self.t_s - (self[ago] if ago else 0.0)
        raise AssertionError(f"{name} did not become {value} within {limit_s} s")

    def __getitem__(self, name: str) -> float:
        return float(self.s[name][0])

    def is_finite(self) -> bool:
        return all(math.isfinite(self[name]) for name in self.s.dtype.names or ())
