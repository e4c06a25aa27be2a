"""An LSTM layer whose last step feeds a dense layer: every horizon at once from one window of the past.

For each row x_t of the window, oldest first, from h = c = 0:

    a = [x_t, h] W + b, in blocks i, f, g, o
    c = sigmoid(f) c + sigmoid(i) tanh(g)
    h = sigmoid(o) tanh(c)

then y = h D + d (Hochreiter and Schmidhuber 1997 with the forget gate of Gers et al. 2000). Without
peepholes, projection or clipping it is TensorFlow Lite's UNIDIRECTIONAL_SEQUENCE_LSTM, and Keras' ``LSTM``
with W = [kernel; recurrent kernel].

Inside, a row of an array is a unit and a column a window, so that each gate is one piece of memory; and
sigmoid(a) = (1 + tanh(a / 2)) / 2, so that all four gates take one call.
"""

from __future__ import annotations

import dataclasses as dc
from typing import Any

import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.floating[Any]]
"""float32, or float64 where a test differentiates by finite differences."""

WINDOWS_AT_ONCE = 512
"""Windows that `forward` holds in memory at a time: about 40 MB with 32 units and a look-back of 168."""


@dc.dataclass(frozen=True, slots=True)
class Weights:
    """All a network learns; F inputs, U units, H horizons. Gate blocks of W and b: i, f, g, o."""

    W: Reals
    """(F + U, 4 U): what the gates take of the inputs, then of h."""
    b: Reals
    """(4 U,)"""
    D: Reals
    """(U, H)"""
    d: Reals
    """(H,)"""

    def __post_init__(self) -> None:
        """Refuse arrays that do not belong together."""
        if any(a.ndim != n for a, n in zip(self.arrays, (2, 1, 2, 1), strict=True)):
            raise ValueError("W and D have two dimensions, b and d one")
        units, horizons = self.D.shape
        fits = self.W.shape[1] == 4 * units == len(self.b) and len(self.d) == horizons
        if not fits or self.W.shape[0] <= units:
            shapes = ", ".join(str(a.shape) for a in self.arrays)
            raise ValueError(f"W, b, D, d of shapes {shapes} make no network")

    @property
    def arrays(self) -> tuple[Reals, Reals, Reals, Reals]:
        """W, b, D, d."""
        return self.W, self.b, self.D, self.d

    @property
    def units(self) -> int:
        """Number of LSTM cells."""
        return int(self.D.shape[0])

    @property
    def inputs(self) -> int:
        """Number of inputs a row."""
        return int(self.W.shape[0] - self.D.shape[0])

    @property
    def horizons(self) -> int:
        """Number of outputs."""
        return int(self.D.shape[1])

    @property
    def is_finite(self) -> bool:
        """Whether every weight is a number."""
        return all(bool(np.isfinite(a).all()) for a in self.arrays)

    def copy(self) -> Weights:
        """Return the same in memory of its own."""
        return Weights(*(a.copy() for a in self.arrays))


@dc.dataclass(frozen=True, slots=True)
class Unrolled:
    """All states of a batch of B windows of T rows."""

    gates: Reals
    """(T, 4 U, B): sigmoid(i), sigmoid(f), tanh(g), sigmoid(o)"""
    c: Reals
    """(T + 1, U, B): row 0 is the initial state"""
    tanh_c: Reals
    """(T, U, B)"""
    h: Reals
    """(T + 1, U, B): row 0 is the initial state"""


def initial(inputs: int, units: int, horizons: int, rng: np.random.Generator) -> Weights:
    """Return weights to start from: N(0, 1/(F + U)) and N(0, 1/U), the forget gate open (bias 1)."""
    rows = inputs + units
    bias = np.zeros(4 * units, np.float32)
    bias[units : 2 * units] = 1.0
    return Weights(
        W=(rng.standard_normal((rows, 4 * units)) / np.sqrt(rows)).astype(np.float32),
        b=bias,
        D=(rng.standard_normal((units, horizons)) / np.sqrt(units)).astype(np.float32),
        d=np.zeros(horizons, np.float32),
    )


def unroll(w: Weights, x: Reals) -> Unrolled:
    """Return all states for windows ``x`` (T, F, B), oldest row first."""
    steps, inputs, batch = x.shape
    units, kind = w.units, w.W.dtype
    half = np.full(4 * units, 0.5, kind)
    half[2 * units : 3 * units] = 1.0
    weights = w.W * half
    recurrent = np.ascontiguousarray(weights[inputs:].T)
    gates = np.matmul(np.ascontiguousarray(weights[:inputs].T), x)
    gates += (w.b * half)[:, None]
    c, h = np.zeros((steps + 1, units, batch), kind), np.zeros((steps + 1, units, batch), kind)
    tanh_c = np.empty((steps, units, batch), kind)
    work = np.empty((units, batch), kind)
    for t in range(steps):
        a = gates[t]
        a += recurrent @ h[t]
        np.tanh(a, out=a)
        for sigmoid in (a[: 2 * units], a[3 * units :]):
            sigmoid += 1.0
            sigmoid *= 0.5
        np.multiply(a[units : 2 * units], c[t], out=c[t + 1])
        np.multiply(a[:units], a[2 * units : 3 * units], out=work)
        c[t + 1] += work
        np.tanh(c[t + 1], out=tanh_c[t])
        np.multiply(a[3 * units :], tanh_c[t], out=h[t + 1])
    return Unrolled(gates, c, tanh_c, h)


def forward(w: Weights, x: Reals) -> Reals:
    """Return the outputs (n, H) for windows ``x`` (n, T, F), oldest row first, in the weights' precision."""
    x = np.asarray(x, w.W.dtype)
    if x.ndim != 3 or x.shape[2] != w.inputs:
        raise ValueError(f"windows are (n, rows, {w.inputs}), not {x.shape}")
    y = np.empty((len(x), w.horizons), w.W.dtype)
    for begin in range(0, len(x), WINDOWS_AT_ONCE):
        part = slice(begin, begin + WINDOWS_AT_ONCE)
        y[part] = unroll(w, turned(x[part])).h[-1].T @ w.D + w.d
    return y


def turned(x: Reals) -> Reals:
    """Return windows (n, T, F) as `unroll` takes them, (T, F, n)."""
    return np.ascontiguousarray(x.transpose(1, 2, 0))
