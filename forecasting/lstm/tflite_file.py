"""Writes a network as ``.tflite`` with the schema that ai-edge-litert ships: no converter, no framework.

The graph is the fused LSTM operator, its last row, and a dense layer; batch 1. The LSTM is operator version 1
with 24 inputs, of which the peepholes (3), the projection (2) and layer normalisation (4) are absent.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from forecasting.lstm.network import Reals, Weights, forward
from forecasting.lstm.runtime import IDENTIFIER, Runner, sha256_of
from rtcore.errors import HostError, Problem, UserInputError

OPERATORS = ("UNIDIRECTIONAL_SEQUENCE_LSTM", "STRIDED_SLICE", "FULLY_CONNECTED")
ABSENT = -1
SCHEMA_VERSION = 3
OLD_CODES_END = 127
"""Operator codes were one byte once; that field stays, and says 127 of newer ones."""
TOLERANCE = 1e-5
"""Largest difference of a file and its source, relative to outputs above 1: rounding makes 5e-7."""
PROBES, PROBE_SEED = 8, 20170101


def write(path: str | Path, lookback: int, weights: Weights) -> str:
    """Write the network, prove that the file computes the same, and return the file's sha256.

    Parameters
    ----------
    path : Path
        Where to; replaced at once, or untouched when something is wrong.
    lookback : int
        Rows of a window.
    weights : Weights
        What was learned.

    Raises
    ------
    ArithmeticError
        Weights that are no numbers, or a file that does not compute what `network.forward` does.
    HostError
        The schema (part of ai-edge-litert) is not installed.
    """
    content = packed(lookback, weights)
    x = probes(lookback, weights.inputs)
    compare(path, Runner.of(content, str(path))(x), forward(weights, x))
    return replace(path, content)


def probes(lookback: int, inputs: int) -> Reals:
    """Return the random windows on which a file is compared with its source."""
    rng = np.random.default_rng(PROBE_SEED)
    return rng.standard_normal((PROBES, lookback, inputs)).astype(np.float32)


def compare(path: str | Path, found: Reals, wanted: Reals) -> None:
    """Raise ArithmeticError unless a file's outputs are those of its source."""
    difference = float(np.abs(found - wanted).max() / max(1.0, float(np.abs(wanted).max())))
    if not difference <= TOLERANCE:  # NaN is no agreement
        raise ArithmeticError(f"{path}: the model written is off by {difference:g}, {TOLERANCE:g} is allowed")


def replace(path: str | Path, content: bytes) -> str:
    """Write a file so that nobody ever sees half of it; return its sha256."""
    path = Path(path)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.write_bytes(content)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    return sha256_of(content)


def weights_of(path: str | Path) -> Weights:
    """Return the weights in a file that `write` wrote, to go on training from.

    Raises
    ------
    UserInputError
        A file with another graph, for instance one that a converter wrote.
    HostError
        The schema (part of ai-edge-litert) is not installed.
    """
    runner = Runner(path)  # refuses what is no model
    model = _schema().ModelT.InitFromPackedBuf(Path(path).read_bytes(), 0)
    graph = model.subgraphs[0]
    codes = [model.operatorCodes[op.opcodeIndex].builtinCode for op in graph.operators]
    if codes != [getattr(_schema().BuiltinOperator, name) for name in OPERATORS]:
        what = "not written by gridhil's own trainer: no weights can be read out of its graph"
        raise UserInputError([Problem(str(path), "", what)])

    def constant(operator: int, place: int) -> Reals:
        tensor = graph.tensors[graph.operators[operator].inputs[place]]
        values = np.frombuffer(bytes(model.buffers[tensor.buffer].data), "<f4")
        return values.astype(np.float32).reshape(tensor.shape)

    gates = [np.hstack([constant(0, 1 + k), constant(0, 5 + k)]).T for k in range(4)]
    biases = [constant(0, 12 + k) for k in range(4)]
    found = Weights(np.hstack(gates), np.concatenate(biases), constant(2, 1).T.copy(), constant(2, 2))
    x = probes(runner.lookback, runner.inputs)
    compare(path, runner(x), forward(found, x))
    return found


def packed(lookback: int, weights: Weights) -> bytes:
    """Return the content of the file: the same bytes for the same weights."""
    if not weights.is_finite:
        raise FloatingPointError("weights that are no numbers are not written")
    graph = _Graph()
    inputs, units = weights.inputs, weights.units
    x, rows = graph.tensor((1, lookback, inputs)), graph.tensor((1, lookback, units))
    last, y = graph.tensor((1, units)), graph.tensor((1, weights.horizons))
    gates = [g.T for g in np.split(weights.W, 4, axis=1)]
    graph.add(
        OPERATORS[0],
        [
            x,
            *(graph.floats(g[:, :inputs]) for g in gates),
            *(graph.floats(g[:, inputs:]) for g in gates),
            *[ABSENT] * 3,
            *(graph.floats(b) for b in np.split(weights.b, 4)),
            *[ABSENT] * 2,
            *(graph.tensor((1, units), is_variable=True) for _ in ("h", "c")),
            *[ABSENT] * 4,
        ],
        rows,
        "UnidirectionalSequenceLSTMOptions",
        fusedActivationFunction=graph.schema.ActivationFunctionType.TANH,
    )
    cut = [graph.integers(v) for v in ((0, lookback - 1, 0), (1, lookback, units), (1, 1, 1))]
    graph.add(OPERATORS[1], [rows, *cut], last, "StridedSliceOptions", shrinkAxisMask=0b010)
    dense = [last, graph.floats(weights.D.T), graph.floats(weights.d)]
    graph.add(OPERATORS[2], dense, y, "FullyConnectedOptions")
    return graph.finished([x], [y])


def _schema() -> Any:
    try:
        return importlib.import_module("ai_edge_litert.schema_py_generated")
    except ImportError:
        raise HostError("models are written with the schema of ai-edge-litert; pip install it") from None


class _Graph:
    """A model under construction; methods return the index of the tensor they add."""

    def __init__(self) -> None:
        self.schema = _schema()
        self._model, self._graph = self.schema.ModelT(), self.schema.SubGraphT()
        self._model.version = SCHEMA_VERSION
        self._model.buffers = [self.schema.BufferT()]  # number 0 means "no data"
        self._model.operatorCodes, self._graph.tensors, self._graph.operators = [], [], []

    def tensor(
        self, shape: Sequence[int], data: npt.NDArray[Any] | None = None, is_variable: bool = False
    ) -> int:
        """Add a tensor; with data it is a constant."""
        types = self.schema.TensorType
        is_whole = data is not None and data.dtype.kind == "i"
        new = self.schema.TensorT()
        new.name, new.shape, new.isVariable = f"t{len(self._graph.tensors)}", list(shape), is_variable
        new.type = types.INT32 if is_whole else types.FLOAT32
        new.buffer = 0
        if data is not None:
            new.buffer = len(self._model.buffers)
            self._model.buffers.append(self.schema.BufferT())
            self._model.buffers[-1].data = np.frombuffer(data.tobytes(), np.uint8)
        self._graph.tensors.append(new)
        return len(self._graph.tensors) - 1

    def floats(self, values: npt.NDArray[Any]) -> int:
        """Add a constant of float32."""
        return self.tensor(values.shape, np.ascontiguousarray(values, "<f4"))

    def integers(self, values: Sequence[int]) -> int:
        """Add a constant of int32."""
        return self.tensor((len(values),), np.array(values, "<i4"))

    def add(self, code: str, inputs: list[int], output: int, options: str, **values: Any) -> None:
        """Add an operator, version 1."""
        kind, op = self.schema.OperatorCodeT(), self.schema.OperatorT()
        kind.builtinCode, kind.version = getattr(self.schema.BuiltinOperator, code), 1
        kind.deprecatedBuiltinCode = min(kind.builtinCode, OLD_CODES_END)
        op.opcodeIndex, op.inputs, op.outputs = len(self._model.operatorCodes), inputs, [output]
        op.builtinOptionsType = getattr(self.schema.BuiltinOptions, options)
        op.builtinOptions = getattr(self.schema, f"{options}T")()
        vars(op.builtinOptions).update(values)
        self._model.operatorCodes.append(kind)
        self._graph.operators.append(op)

    def finished(self, inputs: list[int], outputs: list[int]) -> bytes:
        """Return the file."""
        self._graph.inputs, self._graph.outputs = inputs, outputs
        self._model.subgraphs = [self._graph]
        builder = importlib.import_module("flatbuffers").Builder(1024)
        builder.Finish(self._model.Pack(builder), IDENTIFIER)
        return bytes(builder.Output())
