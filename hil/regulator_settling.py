"""Regulators of a study come to rest in simulated time: their relays and mechanisms, loads held.

Relay (``rtcore/control/tap_changer.py``) and mechanism (``rtcore/plant/regulator.py``) are the
plant's own; nothing here decides a tap. A relay stops at the first tap inside its band, tap by
tap the way of OpenDSS' ``time`` control mode. OpenDSS' static mode instead moves, all regulators
together, 70 % of the taps that it reckons are missing, at least one, and solves again: where
several taps are missing it can come to rest elsewhere in the band (ieee123 from neutral:
regulator reg4a at 10, by timers at 8). An hour of the Iowa year never asks for more than one
tap, so there both come to the same taps.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rtcore.component import REGISTRY, rows_of
from rtcore.control import tap_changer
from rtcore.control.tap_changer import relay_of
from rtcore.control.tap_changer_inputs import sense, wire
from rtcore.network.grid import Grid
from rtcore.plant import regulator
from rtcore.plant.regulator import Regulator

STEP_S = 0.5
"""Step of simulated time [s]; delays are met to within one step."""


class Settling:
    """The relays and mechanisms of all regulators of a grid, in automatic.

    Attributes
    ----------
    relays, mechanisms : structured arrays, shape (n,)
        State rows of kinds ``tap_changer`` and ``regulator``, in network order.
    """

    def __init__(self, grid: Grid, taps: dict[str, int] | None = None) -> None:
        self.grid = grid
        network = grid.network
        position = {r.name: r.tap for r in network.regulators} | (taps or {})
        self._relay_p = rows_of([relay_of(r) for r in network.regulators], REGISTRY["tap_changer"])
        self.relays = np.zeros(len(network.regulators), REGISTRY["tap_changer"].state_dtype)
        self._mechanism_p = rows_of(
            [
                Regulator(step_pu=r.step_pu, mid_pu=r.mid_pu, tap_max=r.tap_highest)
                for r in network.regulators
            ],
            REGISTRY["regulator"],
        )
        self.mechanisms = np.zeros(len(network.regulators), REGISTRY["regulator"].state_dtype)
        self.mechanisms["tap"] = [position[r.name] for r in network.regulators]
        self.mechanisms["wait_s"] = self._mechanism_p["tap_time_s"]
        tap_changer.init(self._relay_p, self.relays, self.mechanisms)
        self._units = np.array([grid.units[f"regulator.{r.name}"][0] for r in network.regulators], np.int32)
        self._inputs = wire(grid)
        for r in network.regulators:
            grid.set_tap(r.name, position[r.name])
        grid.refresh()

    @property
    def taps(self) -> dict[str, int]:
        """Regulator -> tap in force, in network order."""
        named = zip(self.grid.network.regulators, self.mechanisms["tap"], strict=True)
        return {r.name: int(tap) for r, tap in named}

    @property
    def is_resting(self) -> bool:
        """Whether no relay asks for a tap and no mechanism moves."""
        return not (np.any(self.relays["direction"]) or np.any(self.relays["is_moving"]))

    def hold(self, seconds: float) -> float:
        """Hold the loads for a time; returns when the last regulator came to rest [s].

        The grid stands solved at the taps in force afterwards.
        """
        elapsed = max(self.walk(seconds), default=0.0)
        if elapsed < seconds:  # one step, for nothing changes any more but the clock
            self._decide(seconds - elapsed)
        return elapsed

    def walk(self, seconds: float) -> Iterator[float]:
        """Solve and step until all rest or the time is over; yields the time after each step [s]."""
        self.grid.solve()
        self._decide(0.0)
        elapsed = 0.0
        while not self.is_resting and elapsed < seconds:
            dt_s = min(STEP_S, seconds - elapsed)
            unit = self.grid.arrays.unit
            if regulator.step(self._mechanism_p, self.mechanisms, self._units, unit, dt_s):
                self.grid.refresh()
                self.grid.solve()
            self._decide(dt_s)
            elapsed += dt_s
            yield elapsed

    def _decide(self, dt_s: float) -> None:
        w = self._inputs
        sense(self._relay_p, self.grid.arrays.v, self.grid.arrays.unit, w)
        tap_changer.step(
            self._relay_p,
            self.relays,
            self._mechanism_p,
            self.mechanisms,
            w.v_local,
            w.v_distant,
            w.i_local,
            w.s_forward_w,
            dt_s,
        )
