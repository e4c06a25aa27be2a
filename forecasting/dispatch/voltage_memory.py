"""What measured voltages at the services were above the model's, by time of day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from forecasting.series import Floats

SHARE = 0.3
"""What the newest day counts for."""

LARGEST_PU = 0.02
"""A larger difference is no error of the model: something else is wrong, and it is not learned."""


class VoltageMemory:
    """Mean differences of each service, day by day, in the slots of a day.

    Attributes
    ----------
    bias_pu : ndarray, shape (n_slot, n_service)
        0 where nothing was measured yet [pu].
    """

    def __init__(self, services: Sequence[str], slots: int) -> None:
        self._at = {name: k for k, name in enumerate(services)}
        self.bias_pu = np.zeros((slots, len(services)))
        self._seen = np.zeros((slots, len(services)), np.bool_)
        self._slot = -1
        self._sum = np.zeros(len(services))
        self._count = np.zeros(len(services))

    def add(self, slot: int, model_pu: Floats, measured_pu: Mapping[str, float]) -> None:
        """Take one look at the services; a slot is learned when the next one begins."""
        if slot != self._slot:
            self._learn()
            self._slot = slot
        for name, v in measured_pu.items():
            k = self._at.get(name)
            if k is not None and abs(v - model_pu[k]) < LARGEST_PU:
                self._sum[k] += v - model_pu[k]
                self._count[k] += 1.0

    def state(self) -> dict[str, Any]:
        """Return what was learned of the slots that are over."""
        return {"bias_pu": self.bias_pu.tolist(), "seen": self._seen.tolist()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take it over; ValueError where it is of other services."""
        bias_pu = np.array(state["bias_pu"], np.float64)
        if bias_pu.shape != self.bias_pu.shape:
            raise ValueError("the state is of other services")
        self.bias_pu, self._seen = bias_pu, np.array(state["seen"], np.bool_)

    def _learn(self) -> None:
        known = self._count > 0.0
        if self._slot >= 0 and known.any():
            new = self._sum[known] / self._count[known]
            share = np.where(self._seen[self._slot, known], SHARE, 1.0)
            self.bias_pu[self._slot, known] += share * (new - self.bias_pu[self._slot, known])
            self._seen[self._slot, known] = True
        self._sum[:], self._count[:] = 0.0, 0.0
