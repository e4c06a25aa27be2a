"""Load shedding: levels, times, restoration, and what others do to the breaker meanwhile."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rtcore.component import REGISTRY, rows_of
from rtcore.control.load_shedding import LoadShedding, step
from rtcore.plant import breaker as cb
from tests.support.mechanisms import Mechanisms

SPEC = REGISTRY["load_shedding"]


class Rig:
    """Stages, each with a real breaker mechanism, in their order in the step: breakers first."""

    def __init__(self, *stages: LoadShedding, dt_s: float = 0.01) -> None:
        n = len(stages)
        self.p, self.s = rows_of(list(stages), SPEC), np.zeros(n, SPEC.state_dtype)
        self.s["is_enabled_sp"] = 1.0
        self.mechanisms = Mechanisms(n)
        self.breaker, self.permitted = self.mechanisms.s, self.mechanisms.permitted
        self.of, self.v, self.f = np.arange(n, dtype=np.int32), np.ones(n), np.full(n, 60.0)
        self.dt_s = dt_s

    def steps(self, n: int = 1) -> None:
        for _ in range(n):
            self.mechanisms.step(self.dt_s)
            step(self.p, self.s, self.of, self.breaker, self.v, self.f, self.dt_s)

    def until_moved(self, n_max: int = 100_000) -> int:
        """Return the steps until the first breaker no longer stands where it stood."""
        before = self.breaker["state"][0]
        for n in range(1, n_max + 1):
            self.steps()
            if self.breaker["state"][0] != before:
                return n
        pytest.fail("breaker never moved")

    def until(self, state: float, n_max: int = 100_000) -> int:
        """Return the steps until the first breaker is in a state."""
        for n in range(1, n_max + 1):
            self.steps()
            if self.breaker["state"][0] == state:
                return n
        pytest.fail(f"breaker never reached state {state}")


def stage(**params: float) -> LoadShedding:
    return LoadShedding(**{"f_hz": 59.0, "f_delay_s": 0.2, "restore_s": 5.0, **params})


def test_a_low_frequency_sheds_after_its_delay_and_no_sooner() -> None:
    rig = Rig(stage())
    rig.f[:] = 58.99
    # 0.2 s are 20 steps, or 21 by the rounding of their sum; the mechanism takes the trip one step later.
    assert rig.until(cb.OPENING) in (21, 22)
    assert (rig.s["is_shed"][0], rig.s["sheds"][0]) == (1.0, 1.0)


@pytest.mark.parametrize("dt_s", [0.25e-3, 1e-3, 0.02, 1.0])
def test_the_delay_holds_at_any_step(dt_s: float) -> None:
    rig = Rig(stage(f_delay_s=2.0), dt_s=dt_s)
    rig.f[:] = 58.0
    assert rig.until_moved() * dt_s == pytest.approx(2.0, abs=2.001 * dt_s)


def test_at_the_level_nothing_is_shed_and_a_short_dip_starts_the_delay_anew() -> None:
    rig = Rig(stage())
    rig.f[:] = 59.0
    rig.steps(1000)
    for _ in range(50):
        rig.f[:] = 58.5
        rig.steps(19)
        rig.f[:] = 59.01
        rig.steps()
    assert rig.s["sheds"][0] == 0.0


def test_a_dead_bus_is_no_low_frequency() -> None:
    rig = Rig(stage(v_pu=0.8, v_delay_s=0.1))
    rig.v[:], rig.f[:] = 0.0, 0.0
    rig.steps(1000)
    assert rig.s["sheds"][0] == 0.0
    assert rig.breaker["state"][0] == cb.CLOSED


def test_a_low_voltage_sheds_where_it_is_set_and_not_where_it_is_off() -> None:
    rig = Rig(stage(v_pu=0.85, v_delay_s=0.5), stage())
    rig.v[:] = 0.84
    rig.steps(100)
    assert list(rig.s["sheds"]) == [1.0, 0.0]


def test_stages_shed_in_the_order_of_their_levels_and_only_as_far_as_needed() -> None:
    rig = Rig(stage(f_hz=59.3), stage(f_hz=59.1), stage(f_hz=58.9))
    for f_hz, shed in [(59.35, [0, 0, 0]), (59.2, [1, 0, 0]), (59.0, [1, 1, 0]), (58.8, [1, 1, 1])]:
        rig.f[:] = f_hz
        rig.steps(100)
        assert list(rig.s["is_shed"]) == shed
    assert list(rig.s["sheds"]) == [1.0, 1.0, 1.0], "a shed stage does not operate again"


def test_it_restores_after_a_good_time_and_not_before() -> None:
    rig = Rig(stage())
    rig.f[:] = 58.0
    rig.until(cb.OPEN)
    rig.f[:] = 59.79  # good is 59.8
    rig.steps(2000)
    assert rig.breaker["state"][0] == cb.OPEN
    rig.f[:] = 59.8
    # 5 s of good frequency are 500 or 501 steps, the mechanism takes the command in the next one
    assert rig.until(cb.CLOSING) in (501, 502)
    rig.until(cb.CLOSED)
    rig.steps()
    assert (rig.s["is_shed"][0], rig.s["sheds"][0]) == (0.0, 1.0)


@pytest.mark.parametrize(("v_pu", "f_hz"), [(0.89, 60.0), (0.0, 0.0), (1.0, 59.7)])
def test_a_bad_moment_starts_the_good_time_anew(v_pu: float, f_hz: float) -> None:
    rig = Rig(stage())
    rig.f[:] = 58.0
    rig.until(cb.OPEN)
    rig.f[:] = 60.0
    rig.steps(490)
    rig.v[:], rig.f[:] = v_pu, f_hz
    rig.steps()
    rig.v[:], rig.f[:] = 1.0, 60.0
    rig.steps(490)
    assert rig.breaker["state"][0] == cb.OPEN


def test_a_restoration_time_of_zero_never_closes() -> None:
    rig = Rig(stage(restore_s=0.0))
    rig.f[:] = 58.0
    rig.until(cb.OPEN)
    rig.f[:] = 60.0
    rig.steps(20_000)
    assert rig.breaker["state"][0] == cb.OPEN


def test_it_restores_only_what_it_shed() -> None:
    rig = Rig(stage())
    rig.breaker["trip"] = 1.0  # an operator
    rig.steps(2000)
    assert rig.breaker["state"][0] == cb.OPEN
    rig.f[:] = 58.0
    rig.steps(100)
    assert rig.s["sheds"][0] == 0.0, "there is nothing to shed"


def test_closed_by_somebody_else_it_may_shed_again() -> None:
    rig = Rig(stage())
    rig.f[:] = 58.0
    rig.until(cb.OPEN)
    rig.f[:] = 59.5
    rig.breaker["close"] = 1.0
    rig.until(cb.CLOSED)
    rig.steps()
    assert rig.s["is_shed"][0] == 0.0
    rig.f[:] = 58.0
    rig.until(cb.OPEN)
    assert rig.s["sheds"][0] == 2.0


def test_it_asks_a_breaker_that_does_not_open_again_without_counting_again() -> None:
    rig = Rig(stage())
    rig.breaker["fail_trip_sp"] = 1.0
    rig.f[:] = 58.0
    rig.steps(500)
    assert (rig.breaker["state"][0], rig.s["is_shed"][0], rig.s["sheds"][0]) == (cb.CLOSED, 1.0, 1.0)
    rig.breaker["fail_trip_sp"] = 0.0
    assert rig.until(cb.OPEN) < 20
    assert rig.s["sheds"][0] == 1.0


def test_it_gives_up_on_a_breaker_that_does_not_open_when_the_frequency_is_good() -> None:
    rig = Rig(stage())
    rig.breaker["fail_trip_sp"] = 1.0
    rig.f[:] = 58.0
    rig.steps(500)
    rig.f[:] = 60.0
    rig.steps(2)
    rig.breaker["fail_trip_sp"] = 0.0
    rig.steps(100)
    assert (rig.breaker["state"][0], rig.s["is_shed"][0]) == (cb.CLOSED, 0.0)


def test_out_of_service_it_neither_sheds_nor_restores() -> None:
    rig = Rig(stage())
    rig.f[:] = 58.0
    rig.until(cb.OPEN)
    rig.s["is_enabled_sp"] = 0.0
    rig.f[:] = 60.0
    rig.steps(2000)
    assert (rig.breaker["state"][0], rig.s["is_shed"][0]) == (cb.OPEN, 0.0)
    rig.breaker["close"] = 1.0
    rig.until(cb.CLOSED)
    rig.f[:] = 58.0
    rig.steps(1000)
    assert rig.breaker["state"][0] == cb.CLOSED


def test_a_close_that_the_check_refuses_is_asked_for_again_until_it_passes() -> None:
    rig = Rig(stage())
    rig.f[:] = 58.0
    rig.until(cb.OPEN)
    rig.f[:], rig.permitted[:] = 60.0, 0.0
    rig.steps(1000)
    assert (rig.breaker["state"][0], rig.s["is_shed"][0]) == (cb.OPEN, 1.0)
    rig.permitted[:] = 1.0
    assert rig.until(cb.CLOSED) < 20


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_measurement_that_is_no_number_does_not_stick(bad: float) -> None:
    rig = Rig(stage(v_pu=0.8))
    rig.f[:], rig.v[:] = bad, 1.0
    rig.steps(3)
    rig.f[:], rig.v[:] = 60.0, bad
    rig.steps(3)
    rig.v[:] = 1.0
    rig.steps(100)
    assert (rig.s["sheds"][0], rig.s["f_low_s"][0], rig.s["v_low_s"][0]) == (0.0, 0.0, 0.0)
