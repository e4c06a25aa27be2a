"""Arming: a window with a timeout, used up by the first fault."""

from __future__ import annotations

import numpy as np
import pytest

from rtcore.component import REGISTRY, rows_of
from rtcore.plant.arming import Arming, step, use

SPEC = REGISTRY["arming"]


class Rig:
    def __init__(self, dt_s: float = 0.001, **params: float) -> None:
        self.p, self.s = rows_of([Arming(**params)], SPEC), np.zeros(1, SPEC.state_dtype)
        self.dt_s = dt_s

    def go(self, n: int = 1, **commands: float) -> None:
        for name, value in commands.items():
            self.s[name] = value
        for _ in range(n):
            step(self.p, self.s, self.dt_s)

    @property
    def is_armed(self) -> bool:
        return bool(self.s["is_armed"][0])


@pytest.mark.parametrize("dt_s", [0.25e-3, 1e-3, 0.1])
def test_it_disarms_by_itself_after_the_timeout(dt_s: float) -> None:
    rig = Rig(dt_s, timeout_s=2.0)
    rig.go(arm=1.0)
    assert rig.is_armed and rig.s["arm"][0] == 0.0
    assert rig.s["armed_ago_s"][0] == dt_s  # since the beginning of the step
    rig.go(round(2.0 / dt_s) - 2)
    assert rig.is_armed
    rig.go(2)
    assert not rig.is_armed and rig.s["time_left_s"][0] == 0.0


def test_arming_again_starts_the_window_anew() -> None:
    rig = Rig(0.1, timeout_s=1.0)
    rig.go(arm=1.0)
    rig.go(7)
    rig.go(arm=1.0)
    rig.go(7)
    assert rig.is_armed


def test_disarm_wins_over_arm() -> None:
    rig = Rig()
    rig.go(arm=1.0)
    rig.go(arm=1.0, disarm=1.0)
    assert not rig.is_armed


@pytest.mark.parametrize("is_held", [0.0, 1.0])
def test_the_first_fault_uses_it_up_unless_it_is_held(is_held: float) -> None:
    rig = Rig(is_held=is_held)
    rig.go(arm=1.0)
    use(rig.p, rig.s, rig.dt_s)
    assert rig.is_armed == bool(is_held) and rig.s["uses"][0] == 1.0


def test_a_time_that_is_no_number_does_not_stay() -> None:
    rig = Rig()
    rig.go(arm=1.0)
    rig.s["time_left_s"] = np.nan
    rig.go()
    assert not rig.is_armed and rig.s["time_left_s"][0] == 0.0
