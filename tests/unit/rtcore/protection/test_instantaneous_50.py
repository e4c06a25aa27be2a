"""Instantaneous overcurrent element: comparator, timer, floor, blocking, what happens inside a step."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcore.component import ParameterError
from rtcore.protection.instantaneous_50 import Instantaneous50
from tests.support.overcurrent_rig import Rig, e50

EXACT = 1e-12
"""Sums of some steps [s]."""


def trip_s(rig: Rig, m: float = 2.0, change_ago_s: float | None = None, n_max: int = 5000) -> float:
    """Return the time from the pickup to the operation."""
    rig.step(m, change_ago_s=change_ago_s)
    for n in range(n_max):
        if rig.is_operated != 0.0:
            return rig.dt_s * n + rig.pickup_ago_s - rig.operate_ago_s
        rig.step(m)
    pytest.fail("never operated")


@pytest.mark.parametrize("dt_s", [0.25e-3, 1e-3, 7e-3, 0.1])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize(
    ("delay_s", "minimum_s", "expected_s"),
    [(0.0, 0.0, 0.0), (0.0, 0.02, 0.02), (0.015, 0.02, 0.02), (0.25, 0.02, 0.25)],
)
def test_it_operates_after_the_delay_or_the_floor_at_any_step_and_instant(
    delay_s: float, minimum_s: float, expected_s: float, share: float, dt_s: float
) -> None:
    rig = Rig(e50(delay_s=delay_s, minimum_s=minimum_s), dt_s)
    # The first stamp counts from the end of the first step, hence no correction for where it began.
    assert trip_s(rig, change_ago_s=share * dt_s) == pytest.approx(expected_s, abs=EXACT)


def test_a_real_relay_needs_20_ms_unless_told_otherwise() -> None:
    rig = Rig(Instantaneous50(pickup_a=100.0))
    assert trip_s(rig) == pytest.approx(0.02, abs=EXACT)


def test_it_picks_up_beyond_its_pickup_and_drops_out_below_the_reset_ratio() -> None:
    rig = Rig(e50(reset_ratio=0.75))
    for m, is_on in [(1.0, 0.0), (1.01, 1.0), (0.76, 1.0), (0.75, 0.0), (0.99, 0.0)]:
        rig.step(m)
        assert (rig.is_pickup, rig.is_operated) == (is_on, is_on), m
        assert rig.quantity_a == pytest.approx(100.0 * m, abs=1e-12)


def test_a_dropout_starts_the_timer_anew() -> None:
    rig = Rig(e50(delay_s=0.0205))
    rig.step(2.0, 20)
    assert rig.fraction == pytest.approx(20 / 20.5, abs=1e-9)
    rig.step(0.0)
    assert (rig.is_pickup, rig.fraction) == (0.0, 0.0)
    assert trip_s(rig) == pytest.approx(0.0205, abs=EXACT)


def test_an_operation_just_before_the_current_goes_is_seen_at_the_end_of_the_step() -> None:
    rig = Rig(e50(delay_s=0.0105))
    rig.step(2.0, 10)
    rig.step(0.0, change_ago_s=0.2e-3)  # due 0.5 ms before the end
    assert (rig.is_operated, rig.is_pickup) == (1.0, 1.0)
    assert rig.operate_ago_s == pytest.approx(0.5e-3, abs=EXACT)
    rig.step(0.0)
    assert (rig.is_operated, rig.is_pickup) == (0.0, 0.0)
    rig.step(2.0, 10)
    rig.step(0.0, change_ago_s=0.6e-3)  # gone before it was due
    assert (rig.is_operated, rig.is_pickup) == (0.0, 0.0)


@pytest.mark.parametrize("how", ["is_enabled", "is_permitted"])
def test_what_is_blocked_never_picks_up_and_drops_out_at_once(how: str) -> None:
    rig = Rig(e50(delay_s=0.0105))
    blocking = rig.p["is_enabled"] if how == "is_enabled" else rig.permitted
    rig.step(20.0, 10)
    assert rig.is_pickup == 1.0
    blocking[:] = 0.0
    for _ in range(20):
        rig.step(20.0, change_ago_s=0.2e-3)  # it would be due before
        assert not any(rig.s[name][0] for name in ("is_pickup", "fraction", "is_operated", "quantity_a"))
    blocking[:] = 1.0
    assert trip_s(rig, 20.0) == pytest.approx(0.0105, abs=EXACT)


event = st.tuples(
    st.one_of(st.floats(0.0, 5.0), st.sampled_from([0.95, 1.0, math.nan, math.inf])),
    st.floats(0.0, 1.0),
    st.sampled_from([1.0, 1.0, 1.0, 0.0]),
    st.integers(1, 20),
)


@given(st.lists(event, max_size=20), st.sampled_from([0.25e-3, 1e-3, 0.1]))
@settings(max_examples=100, deadline=None)
def test_nothing_operates_without_pickup_or_permission_whatever_happens(
    events: list[tuple[float, float, float, int]], dt_s: float
) -> None:
    rig = Rig(e50(delay_s=0.004), dt_s)
    for m, share, is_permitted, n in events:
        rig.permitted[:] = is_permitted
        for k in range(n):
            rig.step(m, change_ago_s=share * dt_s if k == 0 else dt_s)
            assert 0.0 <= rig.fraction <= 1.0
            assert rig.is_operated <= min(rig.is_pickup, is_permitted)
            assert all(np.isfinite(value) for value in rig.s[0])
    rig.permitted[:] = 1.0
    rig.step(0.0, 2)
    assert (rig.is_pickup, rig.is_operated, rig.fraction) == (0.0, 0.0, 0.0)
    assert trip_s(rig) == pytest.approx(0.004, abs=EXACT)


@pytest.mark.parametrize(
    "bad", [{"quantity": "d"}, {"pickup_a": 0.0}, {"shots": 32.0}, {"minimum_s": -0.01}, {"reset_ratio": 1.1}]
)
def test_settings_out_of_range_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ParameterError, match=next(iter(bad))):
        e50(**bad)
