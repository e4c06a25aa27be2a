"""Training without a framework: back-propagation through time and Adam, in float32, on one thread.

With dy = dE/dy, dD = h_T' dy, dd = sum dy and dh = dy D' at the last row, then for each row backwards:

    dc += dh o (1 - tanh^2 c)
    da = [dc g i(1-i), dc c_prev f(1-f), dc i (1-g^2), dh tanh(c) o(1-o)]
    dW += [x, h_prev]' da, db += sum da, dh = da W_h', dc = dc f

Adam: Kingma and Ba 2015, with the norm of the gradient clipped and the rate falling to 0 on a cosine.
The loss is the mean square over the targets that are known; a target that is NaN does not count.
"""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from forecasting.lstm.network import Reals, Weights, forward, initial, turned, unroll

Ints = npt.NDArray[np.intp]
Progress = Callable[[int, int, float], None]
"""Called after every epoch with epochs done, epochs in all, and the loss."""


@dc.dataclass(frozen=True, slots=True)
class Recipe:
    """How a network is trained. Inputs and targets are expected standardised: about 0, of about 1."""

    units: int = 32
    epochs: int = 12
    batch: int = 64
    lr: float = 4e-3
    """Learning rate of the first step."""
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    norm_max: float = 1.0
    """Longer gradients are shortened to this."""
    validation: float = 0.0
    """Share of the windows, the latest, that is not learned from but decides which epoch is kept."""
    patience: int = 3
    """Epochs without a better loss of the validation windows after which training ends."""

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with."""
        if min(self.units, self.epochs, self.batch, self.patience) < 1:
            raise ValueError("units, epochs, batch and patience are at least 1")
        if not 0.0 <= self.validation <= 0.5:
            raise ValueError("validation is a share from 0 to 0.5")
        if min(self.lr, self.norm_max, self.epsilon) <= 0.0:
            raise ValueError("lr, norm_max and epsilon are positive")


def loss(w: Weights, x: Reals, y: Reals) -> float:
    """Return the mean square over the known targets; NaN where none is known."""
    known = ~np.isnan(y)
    if not known.any():
        return float("nan")
    error = np.where(known, forward(w, x) - y, 0.0)
    return float(np.sum(error * error, dtype=np.float64) / known.sum())


def gradient(w: Weights, x: Reals, y: Reals, into: Weights) -> float:
    """Write the gradient of the loss of windows (B, T, F), targets (B, H), and return the loss."""
    x = turned(x)
    states = unroll(w, x)
    last = states.h[-1].T
    known = ~np.isnan(y)
    count = max(1, int(known.sum()))
    error = np.where(known, last @ w.D + w.d - y, w.d.dtype.type(0))
    dy = error * w.d.dtype.type(2.0 / count)
    np.matmul(last.T, dy, out=into.D)
    np.sum(dy, axis=0, out=into.d)
    da = _backwards(w, states.gates, states.c, states.tanh_c, w.D @ dy.T)
    inputs = w.inputs
    into.W[:inputs] = np.matmul(x, da.transpose(0, 2, 1)).sum(axis=0)
    into.W[inputs:] = np.matmul(states.h[:-1], da.transpose(0, 2, 1)).sum(axis=0)
    np.sum(da, axis=(0, 2), out=into.b)
    return float(np.sum(error * error, dtype=np.float64) / count)


def _backwards(w: Weights, gates: Reals, c: Reals, tanh_c: Reals, dh: Reals) -> Reals:
    """Return dE/da (T, 4 U, B) of every row, from dE/dh (U, B) of the last one."""
    units = w.units
    i, f, g, o = (gates[:, k * units : (k + 1) * units] for k in range(4))
    # Everything that does not depend on the rows after it, for all rows at once.
    of_c = np.stack([g * i * (1.0 - i), c[:-1] * f * (1.0 - f), i * (1.0 - g * g)], axis=1)
    of_h = tanh_c * o * (1.0 - o)
    c_of_h = o * (1.0 - tanh_c * tanh_c)
    recurrent = np.ascontiguousarray(w.W[w.inputs :])
    da = np.empty_like(gates)
    dc_ = np.zeros_like(dh)
    for t in range(len(gates) - 1, -1, -1):
        dc_ += dh * c_of_h[t]
        np.multiply(of_c[t], dc_, out=da[t, : 3 * units].reshape(of_c.shape[1:]))
        np.multiply(dh, of_h[t], out=da[t, 3 * units :])
        dh = recurrent @ da[t]
        dc_ *= f[t]
    return da


class Learner(Protocol):
    """What takes the steps of a training: this module's Adam, or a framework."""

    @property
    def weights(self) -> Weights:
        """The weights as they are now."""

    def step(self, x: Reals, y: Reals, lr: float) -> float:
        """Learn from one batch of windows (B, T, F) and targets (B, H); return the loss before it."""


class NumpyLearner:
    """Adam on all weights in one vector, so that a step is a few calls."""

    def __init__(self, start: Weights, recipe: Recipe) -> None:
        self._recipe = recipe
        self._flat = np.concatenate([a.ravel() for a in start.arrays]).astype(np.float32)
        self._slope = np.zeros_like(self._flat)
        self._mean, self._square = np.zeros_like(self._flat), np.zeros_like(self._flat)
        self._done = 0
        self.weights = _views(self._flat, start)
        self._gradient = _views(self._slope, start)

    def step(self, x: Reals, y: Reals, lr: float) -> float:
        """Go one step against the gradient."""
        recipe, slope = self._recipe, self._slope
        before = gradient(self.weights, x, y, self._gradient)
        norm = math.sqrt(float(np.dot(slope, slope)))
        if norm > recipe.norm_max:
            slope *= recipe.norm_max / norm
        self._done += 1
        self._mean += (1.0 - recipe.beta_1) * (slope - self._mean)
        self._square += (1.0 - recipe.beta_2) * (slope * slope - self._square)
        mean = self._mean / (1.0 - recipe.beta_1**self._done)
        square = self._square / (1.0 - recipe.beta_2**self._done)
        self._flat -= lr * mean / (np.sqrt(square) + recipe.epsilon)
        return before


def _views(flat: npt.NDArray[Any], like: Weights) -> Weights:
    """Return the vector's parts as arrays of a network."""
    ends = np.cumsum([a.size for a in like.arrays])[:-1]
    parts = np.split(flat, ends)
    return Weights(*(p.reshape(a.shape) for p, a in zip(parts, like.arrays, strict=True)))


def train(
    x: Reals,
    y: Reals,
    rng: np.random.Generator,
    recipe: Recipe = Recipe(),
    *,
    start: Weights | None = None,
    progress: Progress | None = None,
    learner: Callable[[Weights, Recipe], Learner] = NumpyLearner,
) -> Weights:
    """Return weights that turn windows into targets.

    Parameters
    ----------
    x : (n, T, F)
        Windows in the order of time, oldest row first; every value known.
    y : (n, H)
        Targets; NaN where one is not known.
    rng : numpy.random.Generator
        Initial weights and the order of the windows; with the same one the weights are the same.
    recipe : Recipe
        How; with ``validation``, the weights of the best epoch are returned.
    start : Weights, optional
        Weights to go on from, instead of random ones; ``recipe.units`` is then not used.
    progress : callable, optional
        See `Progress`.
    learner : callable, optional
        Makes what takes the steps.

    Raises
    ------
    ValueError
        Arrays that do not belong together, unknown inputs, no known target.
    FloatingPointError
        The weights are no numbers any more.
    """
    x, y = _checked(x, y, start)
    learn, check = split(y, recipe)
    if len(learn) == 0:
        raise ValueError(f"no window to learn from among {len(y)}")
    learning = learner(start or initial(x.shape[2], recipe.units, y.shape[1], rng), recipe)
    best = _Best(recipe.patience)
    for epoch in range(recipe.epochs):
        with np.errstate(over="ignore", invalid="ignore"):  # what comes of it is looked for below
            learned = _epoch(learning, x, y, rng.permutation(learn), recipe, epoch)
            now = loss(learning.weights, x[check], y[check]) if len(check) else learned
        if not (math.isfinite(now) and learning.weights.is_finite):
            raise FloatingPointError(f"training diverged in epoch {epoch + 1}: its loss is {now}")
        if progress is not None:
            progress(epoch + 1, recipe.epochs, now)
        if len(check) and best.is_over(now, learning.weights):
            break
    return best.weights or learning.weights.copy()


def split(y: Reals, recipe: Recipe) -> tuple[Ints, Ints]:
    """Return windows to learn from and to validate on; none of the first has a target among the second's.

    Windows without any known target are in neither.
    """
    known = np.flatnonzero(~np.isnan(y).all(axis=1))
    count = round(recipe.validation * len(known))
    if count == 0:
        return known, known[:0]
    check = known[-count:]
    return known[known <= check[0] - y.shape[1]], check


def _epoch(learning: Learner, x: Reals, y: Reals, order: Ints, recipe: Recipe, epoch: int) -> float:
    """Take every window once and return the mean loss."""
    batches = np.array_split(order, -(-len(order) // recipe.batch))
    total = 0.0
    for k, rows in enumerate(batches):
        done = (epoch + k / len(batches)) / recipe.epochs
        total += learning.step(x[rows], y[rows], recipe.lr * 0.5 * (1.0 + math.cos(math.pi * done)))
    return total / len(batches)


class _Best:
    """The weights of the best epoch, and whether it is time to stop."""

    def __init__(self, patience: int) -> None:
        self.weights: Weights | None = None
        self._loss, self._worse, self._patience = math.inf, 0, patience

    def is_over(self, now: float, weights: Weights) -> bool:
        if now < self._loss:
            self.weights, self._loss, self._worse = weights.copy(), now, 0
        else:
            self._worse += 1
        return self._worse >= self._patience


def _checked(x: Reals, y: Reals, start: Weights | None) -> tuple[Reals, Reals]:
    x, y = np.asarray(x, np.float32), np.asarray(y, np.float32)
    if x.ndim != 3 or y.ndim != 2 or len(x) != len(y):
        raise ValueError(f"windows (n, rows, inputs) and targets (n, horizons), not {x.shape} and {y.shape}")
    if start is not None and (start.inputs, start.horizons) != (x.shape[2], y.shape[1]):
        raise ValueError(
            f"weights of {start.inputs} inputs, {start.horizons} horizons; {x.shape[2]}, {y.shape[1]} here"
        )
    if not np.isfinite(x).all():
        raise ValueError("windows with unknown or infinite inputs; leave them out")
    if np.isinf(y).any():
        raise ValueError("infinite targets")
    return x, y
