"""`forecasting.lstm` works where an old tflite-runtime and NumPy 1 are what there is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from forecasting.lstm.card import Card, Data, Scaling
from forecasting.lstm.network import forward, initial
from forecasting.lstm.tflite_file import write

ROOT = Path(__file__).resolve().parents[4]
PYTHON = Path(sys.prefix) / "tflite" / "bin" / "python"
"""Made by ``make tflite``."""

HOST = """
import json, sys
import numpy as np
from forecasting.lstm.model import Model
from forecasting.lstm.runtime import Runner
from rtcore.errors import UserInputError
path, broken = sys.argv[1:]
try:
    Runner(broken, Model(path).card.sha256)
    refused = ""
except UserInputError as error:
    refused = str(error)
x = np.random.default_rng(5).standard_normal((4, 24, 3))
model = Model(path)
answers = [model(x[[k]])[0].tolist() for k in (3, 0, 1, 2)] + model(x).tolist()
heavy = [m for m in ("pandas", "prophet", "numba", "scipy", "ai_edge_litert") if m in sys.modules]
print(json.dumps({"package": model.runner.package, "numpy": np.__version__, "answers": answers,
                  "refused": refused, "heavy": heavy}))
"""


def card_of(sha256: str) -> Card:
    one = Scaling("load", 0.0, 1.0)
    data = Data("a.csv", "load", "0" * 64, 10, 10, "2017-01-01T00:00:00Z", "2017-01-01T09:00:00Z", "UTC")
    return Card(
        sha256=sha256,
        created_utc="2026-01-01T00:00:00Z",
        trainer="numpy",
        seed=1,
        step_s=3600.0,
        lookback=24,
        inputs=(one, Scaling("sin", 0.0, 1.0), Scaling("cos", 0.0, 1.0)),
        target=one,
        horizons=(1, 2, 3, 4, 5, 6),
        preparation={},
        recipe={},
        split={},
        scores={},
        data=data,
        versions={},
    )


@pytest.mark.skipif(not PYTHON.exists(), reason="no environment with tflite-runtime; 'make tflite' makes it")
def test_a_model_runs_in_tflite_runtime_beside_numpy_1(tmp_path: Path) -> None:
    weights = initial(3, 16, 6, np.random.default_rng(4))
    path, broken = tmp_path / "load.tflite", tmp_path / "broken.tflite"
    card_of(write(path, 24, weights)).write(path)
    broken.write_bytes(path.read_bytes()[:1000])  # without its checksum this kills the old interpreter
    done = subprocess.run(
        [str(PYTHON), "-c", HOST, str(path), str(broken)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["package"] == "tflite-runtime 2.14.0"
    assert found["numpy"].startswith("1.")
    assert found["heavy"] == []
    assert "broken.tflite" in found["refused"] and "sha256" in found["refused"]
    wanted = forward(weights, np.random.default_rng(5).standard_normal((4, 24, 3)))
    # float32 in two implementations; the state must not carry over, so the order of questions is no matter.
    assert np.abs(np.array(found["answers"]) - wanted[[3, 0, 1, 2, 0, 1, 2, 3]]).max() < 1e-5
