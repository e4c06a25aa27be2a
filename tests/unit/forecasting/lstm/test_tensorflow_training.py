"""With the ``train`` extra, TensorFlow learns the same from the same batches and writes what it learned."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from forecasting.lstm import tensorflow_training
from forecasting.lstm.network import Reals, forward, initial
from forecasting.lstm.runtime import Runner
from forecasting.lstm.training import Recipe, train
from rtcore.errors import HostError

HAS_TENSORFLOW = importlib.util.find_spec("tensorflow") is not None
needs_tensorflow = pytest.mark.skipif(
    not HAS_TENSORFLOW, reason="tensorflow (1.7 GB) is not installed; pip install 'gridhil[train]'"
)
RECIPE = Recipe(units=16, epochs=3)


def windows() -> tuple[Reals, Reals]:
    x = np.random.default_rng(0).standard_normal((500, 24, 4)).astype(np.float32)
    y = np.stack([x[:, -1, 0] * x[:, -2, 1], x[:, :, 2].mean(axis=1)], axis=1)
    y[::7, 0] = y[3] = np.nan
    return x, y


@needs_tensorflow
@pytest.mark.filterwarnings("ignore")  # TensorFlow's own
def test_tensorflow_learns_what_numpy_learns() -> None:
    """Same start, same batches: 3 epochs of 8 steps of 4e-3 differ by float32 rounding, 3e-3 at most."""
    x, y = windows()
    losses: list[float] = []
    ours = train(x, y, np.random.default_rng(1), RECIPE, progress=lambda k, n, now: losses.append(now))
    theirs = train(
        x,
        y,
        np.random.default_rng(1),
        RECIPE,
        progress=lambda k, n, now: losses.append(now),
        learner=tensorflow_training.KerasLearner,
    )
    assert losses[3:] == pytest.approx(losses[:3], rel=1e-4)
    assert max(float(np.abs(a - b).max()) for a, b in zip(ours.arrays, theirs.arrays, strict=True)) < 1e-2


@needs_tensorflow
@pytest.mark.filterwarnings("ignore")
def test_a_converted_file_computes_what_was_trained(tmp_path: Path) -> None:
    w = initial(4, 16, 3, np.random.default_rng(2))
    sha256 = tensorflow_training.write(tmp_path / "m.tflite", 24, w)
    x = np.random.default_rng(3).standard_normal((10, 24, 4)).astype(np.float32)
    assert np.abs(Runner(tmp_path / "m.tflite", sha256)(x) - forward(w, x)).max() < 1e-5


@needs_tensorflow
@pytest.mark.filterwarnings("ignore")
def test_a_conversion_that_computes_something_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    w, other = (initial(4, 16, 3, np.random.default_rng(k)) for k in (2, 3))
    wrong = tensorflow_training.converted(tensorflow_training.keras_model(other), 24, 4)
    monkeypatch.setattr(tensorflow_training, "converted", lambda *_: wrong)
    with pytest.raises(ArithmeticError, match="is off by"):
        tensorflow_training.write(tmp_path / "m.tflite", 24, w)
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_no_numbers_are_not_converted(tmp_path: Path) -> None:
    w = initial(4, 16, 3, np.random.default_rng(2))
    w.D[0, 0] = np.nan
    with pytest.raises(FloatingPointError):
        tensorflow_training.write(tmp_path / "m.tflite", 24, w)


@pytest.mark.skipif(HAS_TENSORFLOW, reason="tensorflow is installed")
def test_without_tensorflow_the_extra_is_named() -> None:
    x, y = windows()
    with pytest.raises(HostError, match=r"pip install 'gridhil\[train\]'"):
        train(x, y, np.random.default_rng(1), RECIPE, learner=tensorflow_training.KerasLearner)
