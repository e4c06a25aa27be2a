"""The same training by TensorFlow, and its conversion: for those who have the ``train`` extra.

`training.train` with `KerasLearner` starts from the same weights and takes the same batches as without, so
that one can be checked against the other. Of the routes from Keras 3 to a ``.tflite`` only this one computes
what the model does: variables frozen into constants, then converted. Others convert and fail when they run,
or run and say NaN; hence the comparison with the source model, which every file has to pass.
"""

from __future__ import annotations

import importlib
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np

from forecasting.lstm.network import Reals, Weights
from forecasting.lstm.runtime import Runner
from forecasting.lstm.tflite_file import compare, probes, replace
from forecasting.lstm.training import Recipe
from rtcore.errors import HostError


def tensorflow() -> Any:
    """Return the module, imported without its messages: about processors, and about what we do on purpose."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    logging.getLogger("absl").setLevel(logging.ERROR)
    try:
        return importlib.import_module("tensorflow")
    except ImportError as error:
        raise HostError(f"TensorFlow cannot be used ({error}); pip install 'gridhil[train]'") from None


def keras_model(weights: Weights) -> Any:
    """Return an LSTM and a dense layer with these weights; windows of any length."""
    keras = tensorflow().keras
    model = keras.Sequential(
        [
            keras.Input((None, weights.inputs)),
            keras.layers.LSTM(weights.units),
            keras.layers.Dense(weights.horizons),
        ]
    )
    kernel, recurrent = np.split(weights.W, [weights.inputs])
    model.set_weights([kernel, recurrent, weights.b, weights.D, weights.d])
    return model


class KerasLearner:
    """What takes the steps of `training.train` by TensorFlow."""

    def __init__(self, start: Weights, recipe: Recipe) -> None:
        self._tf = tf = tensorflow()
        self.model = keras_model(start)
        self._optimizer = tf.keras.optimizers.Adam(
            beta_1=recipe.beta_1,
            beta_2=recipe.beta_2,
            epsilon=recipe.epsilon,
            global_clipnorm=recipe.norm_max,
        )
        windows = tf.TensorSpec((None, None, start.inputs), tf.float32)
        targets = tf.TensorSpec((None, start.horizons), tf.float32)
        self._step = tf.function(self._one_step, input_signature=[windows, targets], autograph=False)

    @property
    def weights(self) -> Weights:
        """The weights as they are now."""
        kernel, recurrent, b, d_matrix, d = self.model.get_weights()
        return Weights(np.vstack([kernel, recurrent]), b, d_matrix, d)

    def step(self, x: Reals, y: Reals, lr: float) -> float:
        """Learn from one batch; return the loss before it."""
        self._optimizer.learning_rate.assign(lr)
        return float(self._step(x, y))

    def _one_step(self, x: Any, y: Any) -> Any:
        tf = self._tf
        known = tf.math.logical_not(tf.math.is_nan(y))
        count = tf.maximum(1.0, tf.reduce_sum(tf.cast(known, tf.float32)))
        with tf.GradientTape() as tape:
            # The inner "where" keeps NaN out of the gradient, too.
            error = tf.where(known, self.model(x, training=True) - tf.where(known, y, 0.0), 0.0)
            loss = tf.reduce_sum(tf.square(error)) / count
        variables = self.model.trainable_variables
        self._optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss


def write(path: str | Path, lookback: int, weights: Weights) -> str:
    """Freeze, convert, compare with the Keras model, write; return the file's sha256.

    Raises
    ------
    ArithmeticError
        Weights that are no numbers, or a file that does not compute what the model does.
    HostError
        TensorFlow is not installed.
    """
    if not weights.is_finite:
        raise FloatingPointError("weights that are no numbers are not written")
    model = keras_model(weights)
    content = converted(model, lookback, weights.inputs)
    x = probes(lookback, weights.inputs)
    compare(path, Runner.of(content, str(path))(x), model(x, training=False).numpy())
    return replace(path, content)


def converted(model: Any, lookback: int, inputs: int) -> bytes:
    """Return a Keras model as ``.tflite``: batch 1, built-in operators alone."""
    tf = tensorflow()
    freeze = importlib.import_module("tensorflow.python.framework.convert_to_constants")
    spec = [tf.TensorSpec((1, lookback, inputs), tf.float32)]
    call = tf.function(lambda x: model(x, training=False), input_signature=spec, autograph=False)
    frozen = freeze.convert_variables_to_constants_v2(call.get_concrete_function())
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    return bytes(converter.convert())
