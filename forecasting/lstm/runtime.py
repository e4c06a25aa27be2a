"""Runs a ``.tflite`` network: ai-edge-litert, or tflite-runtime where that is what is installed.

Two traps of the interpreters are met here. The fused LSTM operator keeps its state from call to call, so the
variables are reset before every window. And the default delegate announces itself on standard error, which
may be a terminal that somebody draws on; the LSTM cannot be delegated anyway, so none is made.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from rtcore.errors import HostError, Problem, UserInputError

Float32s = npt.NDArray[np.float32]

PACKAGES = (("ai_edge_litert", "ai-edge-litert"), ("tflite_runtime", "tflite-runtime"))
"""Module and distribution of the interpreters, the preferred one first."""
IDENTIFIER = b"TFL3"
"""Bytes 4 to 7 of every TensorFlow Lite file."""


def sha256_of(content: bytes) -> str:
    """Return the checksum as models are known by: 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


class Runner:
    """One network, loaded; calls are on one thread, and independent of each other.

    Parameters
    ----------
    path : Path
        The ``.tflite`` file: one input (1, rows, inputs), one output (1, horizons), both float32.
    sha256 : str, optional
        What the file must be. Without it only its form is checked, and that by the interpreter, of which
        ai-edge-litert refuses whatever is broken and tflite-runtime may crash.

    Raises
    ------
    UserInputError
        A file that is not there, not the expected one, broken, or another kind of model.
    HostError
        No interpreter, or one that does not work with the installed NumPy.
    """

    def __init__(self, path: str | Path, sha256: str | None = None) -> None:
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            what = f"cannot be read: {error.strerror}"
            raise UserInputError([Problem(str(path), "", what)]) from None
        self._load(content, str(path), sha256)

    @classmethod
    def of(cls, content: bytes, name: str) -> Self:
        """Return the runner of a file's content; ``name`` is for messages."""
        runner = cls.__new__(cls)
        runner._load(content, name, None)
        return runner

    def _load(self, content: bytes, name: str, sha256: str | None) -> None:
        self.sha256 = sha256_of(content)
        _check_content(content, name, self.sha256, sha256)
        self.package, self._interpreter = _interpreter(content, name)
        self._input, self.lookback, self.inputs = _window(self._interpreter, name)
        self._output, self.horizons = _horizons(self._interpreter, name)

    def __call__(self, x: npt.NDArray[Any]) -> Float32s:
        """Return the outputs (n, horizons) for windows ``x`` (n, rows, inputs), oldest row first."""
        x = np.ascontiguousarray(x, np.float32)
        if x.ndim != 3 or x.shape[1:] != (self.lookback, self.inputs):
            raise ValueError(f"windows are (n, {self.lookback}, {self.inputs}), not {x.shape}")
        y = np.empty((len(x), self.horizons), np.float32)
        for k in range(len(x)):
            self._interpreter.reset_all_variables()
            self._interpreter.set_tensor(self._input, x[k : k + 1])
            self._interpreter.invoke()
            y[k] = self._interpreter.get_tensor(self._output)[0]
        return y


def _check_content(content: bytes, name: str, found: str, expected: str | None) -> None:
    if expected is not None and found != expected:
        what = f"not the expected model: its sha256 is {found}, expected is {expected}"
        raise UserInputError([Problem(name, "", what)])
    if content[4:8] != IDENTIFIER:
        what = f"no TensorFlow Lite file (bytes 4 to 7 are not TFL3); its sha256 is {found}"
        raise UserInputError([Problem(name, "", what)])


def _interpreter(content: bytes, name: str) -> tuple[str, Any]:
    """Return the interpreter, ready, and "distribution version" of its package."""
    module, distribution = _package()
    package = f"{distribution} {metadata.version(distribution)}"
    try:
        interpreter = module.Interpreter(
            model_content=content,
            num_threads=1,
            experimental_op_resolver_type=module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        interpreter.allocate_tensors()
    except (SystemError, ImportError, AttributeError) as error:  # what an extension built for NumPy 1 does
        raise HostError(
            f"{package} does not run beside NumPy {np.__version__}: {error}; pip install ai-edge-litert"
        ) from None
    except (ValueError, RuntimeError) as error:
        said = " ".join(str(error).split()) or "no reason given"
        what = f"{package} cannot load it: {said}; its sha256 is {sha256_of(content)}"
        raise UserInputError([Problem(name, "", what)]) from None
    return package, interpreter


def _package() -> tuple[Any, str]:
    for module, distribution in PACKAGES:
        try:
            return importlib.import_module(f"{module}.interpreter"), distribution
        except ImportError:
            continue
    raise HostError("neither ai-edge-litert nor tflite-runtime is installed; pip install ai-edge-litert")


def _window(interpreter: Any, name: str) -> tuple[int, int, int]:
    """Return the input's index, rows and inputs a row."""
    details = interpreter.get_input_details()
    shapes = list(_shapes(details))
    if len(details) == 1 and details[0]["dtype"] is np.float32 and len(shapes[0]) == 3 and shapes[0][0] == 1:
        return details[0]["index"], *shapes[0][1:]
    raise UserInputError([Problem(name, "input", f"one float32 of (1, rows, inputs), not {_said(details)}")])


def _horizons(interpreter: Any, name: str) -> tuple[int, int]:
    """Return the output's index and size."""
    details = interpreter.get_output_details()
    shapes = list(_shapes(details))
    if len(details) == 1 and details[0]["dtype"] is np.float32 and len(shapes[0]) == 2 and shapes[0][0] == 1:
        return details[0]["index"], shapes[0][1]
    raise UserInputError([Problem(name, "output", f"one float32 of (1, horizons), not {_said(details)}")])


def _shapes(details: list[dict[str, Any]]) -> Iterator[tuple[int, ...]]:
    for detail in details:
        yield tuple(int(n) for n in detail["shape"])


def _said(details: list[dict[str, Any]]) -> str:
    pairs = zip(details, _shapes(details), strict=True)
    return ", ".join(f"{np.dtype(d['dtype'])} {s}" for d, s in pairs) or "none"
