"""Training follows the true gradient, learns what needs memory and repeats itself."""

from __future__ import annotations

import numpy as np
import pytest

from forecasting.lstm.network import Reals, Weights, initial
from forecasting.lstm.training import Recipe, gradient, loss, train

SMALL = Recipe(units=8, epochs=3, batch=32)


def windows(n: int, seed: int = 5) -> tuple[Reals, Reals]:
    """Inputs at random; the targets are the first row's input, 8 rows back, and a product of the last two."""
    x = np.random.default_rng(seed).standard_normal((n, 8, 2)).astype(np.float32)
    return x, np.stack([x[:, 0, 0], x[:, -1, 0] * x[:, -2, 1]], axis=1)


def test_gradient_is_that_of_finite_differences() -> None:
    """Central differences of 1e-6 in float64 are good to about 1e-10; every single weight is moved."""
    rng = np.random.default_rng(4)
    w = Weights(*(a.astype(np.float64) + 0.1 for a in initial(2, 3, 4, rng).arrays))
    x, y = rng.standard_normal((5, 6, 2)), rng.standard_normal((5, 4))
    y[1, 2] = y[3] = np.nan
    found = w.copy()
    assert gradient(w, x, y, found) == pytest.approx(loss(w, x, y), rel=1e-12)
    step = 1e-6
    for ours, values in zip(found.arrays, w.arrays, strict=True):
        for place in np.ndindex(values.shape):
            kept = values[place]
            values[place] = kept + step
            above = loss(w, x, y)
            values[place] = kept - step
            below = loss(w, x, y)
            values[place] = kept
            assert ours[place] == pytest.approx((above - below) / (2 * step), abs=1e-8)


def test_unknown_targets_do_not_count() -> None:
    w = initial(2, 8, 2, np.random.default_rng(6))
    x, y = windows(20)
    y[10:] = np.nan
    whole, part = w.copy(), w.copy()
    assert gradient(w, x, y, whole) == pytest.approx(gradient(w, x[:10], y[:10], part), rel=1e-6)
    for a, b in zip(whole.arrays, part.arrays, strict=True):
        assert np.allclose(a, b, rtol=0, atol=1e-6)  # float32 sums in another order


def test_it_learns_what_needs_memory() -> None:
    """From the last row alone nothing of either target is known: that would leave a loss of 1."""
    x, y = windows(2000)
    w = train(x, y, np.random.default_rng(1), Recipe(units=16, epochs=10, batch=40, lr=2e-2))
    new_x, new_y = windows(500, seed=77)
    assert loss(w, new_x, new_y) < 0.1


def test_the_same_seed_gives_the_same_weights_and_another_one_others() -> None:
    x, y = windows(200)
    first, again, other = (train(x, y, np.random.default_rng(s), SMALL) for s in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first.arrays, again.arrays, strict=True))
    assert not np.array_equal(first.W, other.W)


def test_training_goes_on_from_given_weights() -> None:
    x, y = windows(800)
    start = train(x, y, np.random.default_rng(1), Recipe(units=8, epochs=15, batch=32, lr=1e-2))
    kept = start.copy()
    one = Recipe(units=8, epochs=1, batch=32, lr=1e-3)
    further = train(x, y, np.random.default_rng(2), one, start=start)
    fresh = train(x, y, np.random.default_rng(2), one)
    assert loss(further, x, y) < 0.5 * loss(fresh, x, y)
    assert all(np.array_equal(a, b) for a, b in zip(start.arrays, kept.arrays, strict=True))


def test_the_best_epoch_on_the_latest_windows_is_kept_and_training_ends_when_it_gets_worse() -> None:
    """Targets are noise: what is learned of them makes new ones worse."""
    rng = np.random.default_rng(8)
    x, y = windows(120)[0], rng.standard_normal((120, 2)).astype(np.float32)
    losses: list[float] = []
    recipe = Recipe(units=24, epochs=60, batch=8, lr=2e-2, validation=0.25, patience=2)
    w = train(x, y, rng, recipe, progress=lambda done, total, now: losses.append(now))
    best = int(np.argmin(losses))
    assert len(losses) == best + 1 + recipe.patience < recipe.epochs
    assert loss(w, x[-30:], y[-30:]) == losses[best]


def test_no_window_shares_a_target_with_the_validation_windows() -> None:
    """Two targets a window: window 90 has one of those of 91, the first of the 10 that validate."""
    x, y = windows(101)
    recipe = Recipe(units=4, epochs=2, batch=16, validation=0.1)
    clean = train(x, y, np.random.default_rng(3), recipe)
    for planted, is_used in ((90, False), (89, True)):
        changed = y.copy()
        changed[planted] += 10.0
        w = train(x, changed, np.random.default_rng(3), recipe)
        assert np.array_equal(w.W, clean.W) is not is_used


def test_progress_is_told_after_every_epoch() -> None:
    x, y = windows(100)
    told: list[tuple[int, int]] = []
    train(x, y, np.random.default_rng(1), SMALL, progress=lambda done, total, now: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_what_cannot_be_learned_from_is_refused() -> None:
    x, y = windows(50)
    rng = np.random.default_rng(1)
    hole = x.copy()
    hole[3, 2, 1] = np.nan
    with pytest.raises(ValueError, match="unknown or infinite inputs"):
        train(hole, y, rng, SMALL)
    with pytest.raises(ValueError, match="no window to learn from among 50"):
        train(x, np.full_like(y, np.nan), rng, SMALL)
    with pytest.raises(ValueError, match="infinite targets"):
        train(x, y + np.float32(np.inf), rng, SMALL)
    with pytest.raises(ValueError, match="targets"):
        train(x, y[:-1], rng, SMALL)
    with pytest.raises(ValueError, match="weights of 3 inputs"):
        train(x, y, rng, SMALL, start=initial(3, 8, 2, rng))


def test_a_training_that_diverges_says_so() -> None:
    x, y = windows(50)
    with pytest.raises(FloatingPointError, match="diverged in epoch"):
        train(x, y, np.random.default_rng(1), Recipe(units=8, epochs=3, lr=1e30))


@pytest.mark.parametrize("wrong", [{"units": 0}, {"validation": 0.6}, {"lr": 0.0}, {"patience": 0}])
def test_a_recipe_that_cannot_be_followed_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        Recipe(**wrong)  # type: ignore[arg-type]
