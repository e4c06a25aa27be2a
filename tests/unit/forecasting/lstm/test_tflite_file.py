"""A written file computes what NumPy does, or is not written."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from forecasting.lstm import tflite_file
from forecasting.lstm.network import Weights, forward, initial
from forecasting.lstm.runtime import Runner
from forecasting.lstm.tflite_file import packed, weights_of, write
from rtcore.errors import UserInputError


@pytest.mark.parametrize(
    ("inputs", "units", "horizons", "lookback"), [(1, 1, 1, 1), (4, 32, 24, 24), (9, 16, 48, 168)]
)
def test_a_file_computes_what_numpy_does(
    inputs: int, units: int, horizons: int, lookback: int, tmp_path: Path
) -> None:
    rng = np.random.default_rng(units)
    w = initial(inputs, units, horizons, rng)
    write(tmp_path / "m.tflite", lookback, w)
    x = 3.0 * rng.standard_normal((20, lookback, inputs)).astype(np.float32)
    # float32 rounding over a look-back of 168 is below 1e-6; the requirement is 1e-5.
    assert np.abs(Runner(tmp_path / "m.tflite")(x) - forward(w, x)).max() < 1e-5


def test_the_same_weights_make_the_same_file_and_its_checksum_is_returned(tmp_path: Path) -> None:
    w = initial(3, 8, 4, np.random.default_rng(1))
    first, second = (write(tmp_path / name, 12, w) for name in ("a.tflite", "b.tflite"))
    content = (tmp_path / "a.tflite").read_bytes()
    assert first == second == hashlib.sha256(content).hexdigest()
    assert content == (tmp_path / "b.tflite").read_bytes()


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("array", range(4))
def test_weights_that_are_no_numbers_are_not_written(array: int, value: float, tmp_path: Path) -> None:
    w = initial(3, 8, 4, np.random.default_rng(1))
    w.arrays[array].flat[5 % w.arrays[array].size] = value
    path = tmp_path / "m.tflite"
    path.write_bytes(b"the model before")
    with pytest.raises(FloatingPointError):
        write(path, 12, w)
    assert path.read_bytes() == b"the model before"


def other_gate_order(w: Weights) -> Weights:
    i, f, g, o = np.split(w.W, 4, axis=1)
    return Weights(np.hstack([i, g, f, o]), w.b, w.D, w.d)


def test_a_file_that_computes_something_else_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tflite_file, "packed", lambda rows, w: packed(rows, other_gate_order(w)))
    with pytest.raises(ArithmeticError, match="is off by"):
        write(tmp_path / "m.tflite", 12, initial(3, 8, 4, np.random.default_rng(1)))
    assert list(tmp_path.iterdir()) == []


def test_training_can_go_on_from_the_weights_in_a_file(tmp_path: Path) -> None:
    w = initial(3, 8, 4, np.random.default_rng(1))
    w.b[:] = np.random.default_rng(2).standard_normal(32)
    write(tmp_path / "m.tflite", 12, w)
    found = weights_of(tmp_path / "m.tflite")
    assert all(np.array_equal(a, b) for a, b in zip(found.arrays, w.arrays, strict=True))


def test_weights_are_not_guessed_from_another_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "m.tflite", 12, initial(3, 8, 4, np.random.default_rng(1)))
    monkeypatch.setattr(tflite_file, "OPERATORS", ("WHILE",))  # the file's graph is not that
    with pytest.raises(UserInputError, match=r"m\.tflite: not written by gridhil's own trainer"):
        weights_of(tmp_path / "m.tflite")
