"""The network computes the equations it is documented with, whatever the number of windows."""

from __future__ import annotations

import numpy as np
import pytest

from forecasting.lstm import network
from forecasting.lstm.network import Reals, Weights, forward, initial


def in_float64(w: Weights) -> Weights:
    return Weights(*(a.astype(np.float64) for a in w.arrays))


def by_the_book(w: Weights, window: Reals) -> Reals:
    """One window, row by row, as the equations are printed."""

    def sigmoid(a: Reals) -> Reals:
        return 1.0 / (1.0 + np.exp(-a))

    h, c = np.zeros(w.units), np.zeros(w.units)
    for row in window:
        i, f, g, o = np.split(np.concatenate([row, h]) @ w.W + w.b, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    return h @ w.D + w.d


@pytest.mark.parametrize(("kind", "tolerance"), [(np.float64, 1e-13), (np.float32, 1e-5)])
def test_outputs_are_those_of_the_equations(kind: type, tolerance: float) -> None:
    """To the rounding of some hundred operations in each precision."""
    rng = np.random.default_rng(1)
    w = in_float64(initial(3, 7, 5, rng))
    x = rng.standard_normal((4, 30, 3))
    wanted = np.stack([by_the_book(w, window) for window in x])
    found = forward(Weights(*(a.astype(kind) for a in w.arrays)), x)
    assert found.dtype == kind
    assert np.abs(found - wanted).max() < tolerance


def test_many_windows_are_computed_in_parts_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    w = in_float64(initial(2, 4, 3, rng))
    x = rng.standard_normal((11, 6, 2))
    at_once = forward(w, x)
    monkeypatch.setattr(network, "WINDOWS_AT_ONCE", 4)
    assert np.allclose(forward(w, x), at_once, rtol=0, atol=1e-14)  # sums in another order
    assert forward(w, x[:0]).shape == (0, 3)


def test_arrays_that_make_no_network_are_refused() -> None:
    w = initial(3, 7, 5, np.random.default_rng(3))
    with pytest.raises(ValueError, match="make no network"):
        Weights(w.W, w.b[:-1], w.D, w.d)
    with pytest.raises(ValueError, match="make no network"):
        Weights(w.W[:7], w.b, w.D, w.d)  # no row left for an input
    with pytest.raises(ValueError, match="dimensions"):
        Weights(w.W, w.b, w.D, w.d[:, None])


def test_windows_of_other_inputs_are_refused() -> None:
    w = initial(3, 7, 5, np.random.default_rng(3))
    with pytest.raises(ValueError, match=r"\(n, rows, 3\)"):
        forward(w, np.zeros((1, 24, 4)))
