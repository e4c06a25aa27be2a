"""Poles of a breaker: scatter of their times, current zeros, pre-arc."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rtcore.component import rows_of
from rtcore.plant.breaker import CLOSED, CLOSING, OPEN, Breaker, init, step
from rtcore.plant.breaker_mechanism import scatter
from rtcore.plant.breaker_poles import zero_ago_s
from tests.support.breaker_rig import CLOSE_TIME_S, KEY, OPEN_TIME_S, SPEC, STEPS_S, W0, Rig

# --- scatter ---------------------------------------------------------------------------------------


def test_scatter_has_the_declared_deviation_and_is_bounded() -> None:
    draws = np.array([scatter(KEY, row, n) for row in range(4) for n in range(5000)])
    assert abs(draws.mean()) < 4.0 / math.sqrt(draws.size)  # four standard errors of the mean
    assert draws.std() == pytest.approx(1.0, abs=4.0 / math.sqrt(2 * draws.size))
    assert np.abs(draws).max() <= 2.0 * math.sqrt(3.0)


def test_scatter_moves_the_times_of_every_operation_and_repeats_with_the_key() -> None:
    def times(key: np.uint64) -> list[float]:
        rig = Rig(CLOSED, scatter_s=0.002, spring_charge_s=0.0)
        found = []
        for _ in range(20):
            for command in ("trip", "close"):
                rig.set(**{command: 1.0})
                found.append(rig.until_change() - (OPEN_TIME_S if command == "trip" else CLOSE_TIME_S))
                rig.run(20)
        return found

    first = times(KEY)
    assert first == times(KEY)
    assert len({round(x, 9) for x in first}) == len(first)
    assert max(abs(x) for x in first) <= 2.0 * math.sqrt(3.0) * 0.002 + 1e-9


def test_poles_of_their_own_scatter_apart_and_end_together_in_state() -> None:
    rig = Rig(CLOSED, 250e-6, scatter_s=0.003, is_per_pole=1.0)
    rig.set(trip=1.0)
    n_open = []
    for _ in range(400):
        rig.step()
        n_open.append(3 - sum(rig.poles))
    assert {1, 2} & set(n_open), "poles parted in one step although they scatter by 3 ms"
    assert n_open[-1] == 3
    assert (rig.state, rig.is_52b, rig.ops) == (OPEN, 1.0, 1.0)


# --- current zeros ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dt_s", STEPS_S)
@pytest.mark.parametrize("angle_deg", [0.0, 37.0, 90.0, -150.0])
def test_every_pole_interrupts_at_the_next_zero_of_its_current(dt_s: float, angle_deg: float) -> None:
    rig = Rig(CLOSED, dt_s, has_arc="on")
    angles = np.radians(angle_deg + np.array([0.0, -120.0, 120.0]))
    rig.i[0] = 1000.0 * np.exp(1j * angles)
    rig.set(trip=1.0)
    zeros = []
    for angle in angles:  # the first pi/2 + n pi at or after the parting
        n = math.ceil((W0 * OPEN_TIME_S + angle - math.pi / 2) / math.pi - 1e-9)
        zeros.append((math.pi / 2 + n * math.pi - angle) / W0)
    opened: dict[int, float] = {}
    while len(opened) < 3:
        rig.step()
        left = [k for k in range(3) if not rig.poles[k] and k not in opened]
        if left:
            first = min(left, key=lambda k: zeros[k])
            assert rig.t_s - rig.change[0] == pytest.approx(zeros[first], abs=1e-9)
            opened.update(dict.fromkeys(left, rig.t_s))
    for k in range(3):
        assert zeros[k] - 1e-9 <= opened[k] <= zeros[k] + dt_s + 1e-9
    assert max(zeros) - OPEN_TIME_S <= 0.5 / 60.0 + 1e-9
    energy = [rig.i2t_1, rig.i2t_2, rig.i2t_3]
    assert energy == pytest.approx([1e6 * (z - OPEN_TIME_S) for z in zeros], abs=1.0)  # 1e-6 s of 1 kA


def test_a_small_current_is_chopped_at_the_parting() -> None:
    for amp_a, is_chopped in ((4.9, True), (5.1, False)):
        rig = Rig(CLOSED, has_arc="on")
        rig.i[:] = amp_a  # zero 4.2 ms after the parting
        rig.set(trip=1.0)
        late_s = rig.until_change() - OPEN_TIME_S
        assert (late_s < 1e-9) == is_chopped


@pytest.mark.parametrize("since_s", [0.0, 1e-3, 5e-3])
def test_a_zero_is_found_once_in_a_row_of_steps(since_s: float) -> None:
    """Cut a half period into steps anywhere: exactly one of them has the zero."""
    i, dt_s = 3.0 - 4.0j, 1e-3
    found = [zero_ago_s(i, dt_s, since_s + n * dt_s, W0) for n in range(1, 9)]
    assert sum(x >= 0.0 for x in found) == 1
    assert zero_ago_s(i, since_s, 1.0, 0.0) == since_s  # a frame that stands still: at once


def test_pre_arc_conducts_ahead_of_the_touch() -> None:
    rig = Rig(OPEN, prearc_s=0.003)
    rig.set(close=1.0)
    assert rig.until_change() == pytest.approx(CLOSE_TIME_S - 0.003, abs=1e-9)
    assert rig.state == CLOSING
    rig.run(3)
    assert rig.state == CLOSED


def test_breakers_do_not_disturb_each_other_and_may_have_fewer_poles() -> None:
    common = {"scatter_s": 0.0, "has_arc": "off"}
    p = rows_of([Breaker(**common), Breaker(open_time_s=0.002, **common)], SPEC)  # type: ignore[arg-type]
    s = np.zeros(2, SPEC.state_dtype)
    init(s, [True, True])
    units = np.array([[0, 1, 2], [3, -1, -1]], np.int32)
    unit, change = np.ones((5, 3)), np.zeros(1)
    s["trip"][1] = 1.0
    i = np.zeros((2, 3), complex)
    changed = [step(p, s, units, unit, np.ones(2), i, change, KEY, k * 1e-3, W0, 1e-3) for k in range(3)]
    assert changed == [0, 1, 0]
    assert list(s["state"]) == [CLOSED, OPEN]
    assert list(unit[:, 0]) == [1.0, 1.0, 1.0, 0.0, 1.0]
    assert list(s["is_closed_b"]) == [1.0, 0.0]
    assert list(s["apart_s"]) == [0.0, 0.0], "a pole that is not there does not differ"
