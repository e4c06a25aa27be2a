"""Tap mechanism and capacitor switch."""

from __future__ import annotations

import numpy as np
import pytest

from rtcore.component import REGISTRY, rows_of
from rtcore.plant import capacitor, regulator
from rtcore.plant.regulator import Regulator

STEP_PU = 0.00625


class Taps:
    def __init__(self, dt_s: float = 0.1, **params: float) -> None:
        self.p = rows_of([Regulator(step_pu=STEP_PU, **params)], REGISTRY["regulator"])
        self.s = np.zeros(1, REGISTRY["regulator"].state_dtype)
        self.s["wait_s"] = self.p["tap_time_s"]
        self.unit = np.ones((3, 3))
        self.dt_s = dt_s

    @property
    def tap(self) -> float:
        return float(self.s["tap"][0])

    def run(self, seconds: float, setpoint: float | None = None) -> list[float]:
        if setpoint is not None:
            self.s["tap_sp"] = setpoint
        taps = []
        for _ in range(round(seconds / self.dt_s)):
            before = self.tap
            changed = regulator.step(self.p, self.s, np.array([1], np.int32), self.unit, self.dt_s)
            assert changed == (self.tap != before)
            taps.append(self.tap)
        return taps


@pytest.mark.parametrize("dt_s", [250e-6, 1e-3, 10e-3, 0.1])
def test_walks_one_tap_per_tap_time(dt_s: float) -> None:
    rig = Taps(dt_s)
    taps = rig.run(8.5, setpoint=3.0)
    n = round(2.0 / dt_s)
    assert taps == [0.0] * (n - 1) + [1.0] * n + [2.0] * n + [3.0] * (len(taps) - 3 * n + 1)


def test_the_ratio_follows_the_tap_and_touches_no_other_unit() -> None:
    rig = Taps(mid_pu=1.01)
    rig.run(10.0, setpoint=-4.0)
    ratio = 1.01 - 4 * STEP_PU
    assert rig.unit[1, 1] == pytest.approx(1 / ratio, rel=1e-15)
    assert rig.unit[1, 2] == pytest.approx(1 / ratio**2, rel=1e-15)
    assert rig.unit[1, 0] == 1.0
    assert np.all(rig.unit[[0, 2]] == 1.0)


@pytest.mark.parametrize(("setpoint", "end"), [(99.0, 4.0), (-99.0, -4.0)])
def test_stops_at_the_end_stops(setpoint: float, end: float) -> None:
    rig = Taps(tap_max=4.0)
    assert rig.run(30.0, setpoint)[-1] == end


def test_a_reversed_setpoint_turns_the_walk_around() -> None:
    rig = Taps()
    assert rig.run(5.0, setpoint=5.0)[-1] == 2.0
    taps = rig.run(12.0, setpoint=-1.0)
    assert taps[-1] == -1.0
    assert max(taps) == 2.0
    moves = np.flatnonzero(np.diff([2.0, *taps]))
    assert np.all(np.diff(moves) == 20)  # still one tap every 2 s


def test_a_setpoint_taken_back_in_time_moves_nothing_and_the_next_walk_waits_in_full() -> None:
    rig = Taps()
    rig.run(1.9, setpoint=1.0)
    rig.run(5.0, setpoint=0.0)
    assert rig.tap == 0.0
    assert rig.run(2.0, setpoint=1.0) == [0.0] * 19 + [1.0]


@pytest.mark.parametrize(("asked", "tap"), [(2.4, 2.0), (2.6, 3.0), (-2.6, -3.0), (-0.4, 0.0)])
def test_a_setpoint_between_taps_goes_to_the_nearest(asked: float, tap: float) -> None:
    assert Taps().run(10.0, asked)[-1] == tap


class Bank:
    def __init__(self, is_closed: float) -> None:
        self.s = np.zeros(1, REGISTRY["capacitor"].state_dtype)
        self.s["is_closed"] = is_closed
        self.unit = np.full((2, 3), is_closed)

    def step(self, *, close: float = 0.0, open_: float = 0.0) -> int:
        self.s["close"], self.s["open"] = close, open_
        return int(capacitor.step(self.s, np.array([1], np.int32), self.unit))


@pytest.mark.parametrize(
    ("state", "close", "open_", "after"),
    [
        (0, 0, 0, 0),
        (0, 1, 0, 1),
        (0, 0, 1, 0),
        (0, 1, 1, 0),  # open wins
        (1, 0, 0, 1),
        (1, 1, 0, 1),
        (1, 0, 1, 0),
        (1, 1, 1, 0),
    ],
)
def test_capacitor_answers_every_command_in_both_positions(
    state: int, close: int, open_: int, after: int
) -> None:
    bank = Bank(float(state))
    assert bank.step(close=close, open_=open_) == (state != after)
    assert bank.s["is_closed"][0] == after
    assert bank.unit[1, 0] == after
    assert np.all(bank.unit[0] == state), "another unit was written"
    assert (bank.s["close"][0], bank.s["open"][0]) == (0.0, 0.0)
    assert bank.step() == 0
