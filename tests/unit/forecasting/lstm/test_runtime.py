"""The runner gives each window its own answer, refuses what is not its model, and is silent."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from forecasting.lstm import runtime
from forecasting.lstm.network import initial
from forecasting.lstm.runtime import Runner
from forecasting.lstm.tflite_file import write
from hil.doctor_tflite import ADD_MODEL
from rtcore.errors import HostError, UserInputError


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "load.tflite"
    write(path, 24, initial(5, 32, 24, np.random.default_rng(1)))
    return path


def test_a_window_does_not_know_what_was_asked_before(model: Path) -> None:
    """Also after one full of NaN; equal to the last bit, because nothing of a call may be left."""
    x = np.random.default_rng(2).standard_normal((6, 24, 5)).astype(np.float32)
    alone = [Runner(model)(window[None])[0] for window in x]
    runner = Runner(model)
    assert np.array_equal(runner(x), alone)
    assert np.isnan(runner(np.full((1, 24, 5), np.nan))).all()
    assert np.array_equal(runner(x[::-1]), alone[::-1])


def test_a_forecast_takes_a_small_part_of_its_time_budget(model: Path) -> None:
    """The budget is 150 ms of processor time; 24 hours take 0.1 ms where this was written."""
    runner = Runner(model)
    x = np.zeros((1, 24, 5), np.float32)
    runner(x)
    begin = time.process_time()
    for _ in range(20):
        runner(x)
    assert (time.process_time() - begin) / 20 < 0.015


def test_windows_of_another_shape_are_refused(model: Path) -> None:
    with pytest.raises(ValueError, match=r"\(n, 24, 5\), not \(1, 25, 5\)"):
        Runner(model)(np.zeros((1, 25, 5)))


def test_a_changed_or_cut_file_is_refused_with_both_checksums(model: Path, tmp_path: Path) -> None:
    content = model.read_bytes()
    expected = hashlib.sha256(content).hexdigest()
    assert Runner(model, expected).sha256 == expected
    turned = bytearray(content)
    turned[len(turned) // 2] ^= 1
    for k, wrong in enumerate((bytes(turned), content[: len(content) // 2], b"", b"something else")):
        path = tmp_path / f"wrong{k}.tflite"
        path.write_bytes(wrong)
        with pytest.raises(UserInputError) as caught:
            Runner(path, expected)
        for told in (str(path), expected, hashlib.sha256(wrong).hexdigest()):
            assert told in str(caught.value)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_cut_file_is_refused_without_a_checksum_too(share: float, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.tflite"
    path.write_bytes(model.read_bytes()[: int(share * model.stat().st_size)])
    with pytest.raises(UserInputError, match=r"cut\.tflite: .* cannot load it: .*sha256 is [0-9a-f]{64}"):
        Runner(path)


def test_other_files_and_other_models_are_refused(tmp_path: Path) -> None:
    text, adder = tmp_path / "text.tflite", tmp_path / "adder.tflite"
    text.write_text("not a model at all")
    adder.write_bytes(ADD_MODEL)
    for path, what in (
        (text, "no TensorFlow Lite file"),
        (adder, r"input: one float32 of \(1, rows, inputs\), not float32 \(1, 4\), float32 \(1, 4\)"),
        (tmp_path / "none.tflite", "cannot be read: No such file"),
        (tmp_path, "cannot be read: Is a directory"),
    ):
        with pytest.raises(UserInputError, match=what) as caught:
            Runner(path)
        assert str(path) in str(caught.value)


def test_loading_and_running_says_nothing(model: Path) -> None:
    """A terminal interface may own the screen that standard error goes to."""
    code = (
        "import sys, numpy as np; from forecasting.lstm.runtime import Runner; r = Runner(sys.argv[1]);"
        "r(np.zeros((2, 24, 5)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(model)], capture_output=True, text=True, check=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_the_second_interpreter_is_taken_where_the_first_is_missing(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = runtime.PACKAGES[0]
    monkeypatch.setattr(runtime, "PACKAGES", (("no_interpreter", "no-interpreter"), here))
    assert Runner(model).package.startswith("ai-edge-litert ")
    monkeypatch.setattr(runtime, "PACKAGES", (("no_interpreter", "no-interpreter"),))
    with pytest.raises(HostError, match="pip install ai-edge-litert"):
        Runner(model)


def test_an_interpreter_built_for_another_numpy_is_named(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As tflite-runtime 2.14 fails beside NumPy 2: at the first model, not when it is imported."""

    class Old:
        class OpResolverType:
            BUILTIN_WITHOUT_DEFAULT_DELEGATES = 0

        @staticmethod
        def Interpreter(**_: object) -> None:
            raise SystemError("CreateWrapperFromBuffer returned NULL")

    monkeypatch.setattr(runtime, "_package", lambda: (Old, "ai-edge-litert"))
    with pytest.raises(HostError, match=r"does not run beside NumPy \d.*CreateWrapperFromBuffer"):
        Runner(model)
