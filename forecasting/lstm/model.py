"""A trained model as it is used: windows and forecasts in the units of the data, file and card checked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from forecasting.lstm.card import Card, card_path, read_card
from forecasting.lstm.runtime import Runner
from rtcore.errors import Problem, UserInputError

Floats = npt.NDArray[np.float64]


class Model:
    """A ``.tflite`` file with its card.

    Raises
    ------
    UserInputError
        Whatever `card.read_card` and `runtime.Runner` refuse; a card of another shape than its model.
    """

    def __init__(self, path: str | Path) -> None:
        self.card: Card = read_card(path)
        self.runner = Runner(path, self.card.sha256)
        problems = [Problem(str(card_path(path)), place, what) for place, what in self._contradictions()]
        if problems:
            raise UserInputError(problems)
        self._mean = np.array([i.mean for i in self.card.inputs])
        self._scale = np.array([i.scale for i in self.card.inputs])

    def __call__(self, x: npt.NDArray[Any]) -> Floats:
        """Return forecasts (n, horizons) from windows (n, rows, inputs), both in the units of the data."""
        y = self.runner((x - self._mean) / self._scale)
        return y.astype(np.float64) * self.card.target.scale + self.card.target.mean

    def _contradictions(self) -> Iterator[tuple[str, str]]:
        card, runner = self.card, self.runner
        pairs = (
            ("lookback", card.lookback, runner.lookback),
            ("inputs", len(card.inputs), runner.inputs),
            ("horizons", len(card.horizons), runner.horizons),
        )
        for place, said, has in pairs:
            if said != has:
                yield place, f"{said} on the card, {has} in the model"
