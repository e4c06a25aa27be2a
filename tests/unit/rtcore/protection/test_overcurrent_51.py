"""Time overcurrent element: pickup, travel, resets, blocking, bad input, what happens inside a step."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcore.component import ParameterError
from rtcore.protection.curves import CURVES, operate_s
from rtcore.protection.overcurrent_51 import RESETS, time_s
from tests.support.overcurrent_rig import Rig, e51

EXACT = 1e-8
"""Constant currents are integrated exactly; the rest is rounding of 250,000 sums up to a minute [s]."""


def test_it_picks_up_beyond_its_pickup_and_drops_out_below_the_reset_ratio() -> None:
    rig = Rig(e51(reset_ratio=0.75))
    for m, is_pickup in [(1.0, 0.0), (1.01, 1.0), (0.76, 1.0), (0.75, 0.0), (0.99, 0.0)]:
        rig.step(m)
        assert rig.is_pickup == is_pickup, m
        assert rig.quantity_a == pytest.approx(100.0 * m, abs=1e-12)


def test_pickup_and_dropout_are_stamped_with_the_change_of_the_network() -> None:
    rig = Rig(e51())
    rig.step(2.0, change_ago_s=0.3e-3)
    assert (rig.is_pickup, rig.pickup_ago_s) == (1.0, 0.3e-3)
    assert rig.fraction == pytest.approx(0.3e-3 / operate_s(CURVES["iec_si_a"], 2.0, 0.1, 30.0), rel=1e-12)
    rig.step(0.0, change_ago_s=0.4e-3)
    assert (rig.is_pickup, rig.pickup_ago_s, rig.fraction) == (0.0, 0.4e-3, 0.0)


def test_the_output_stays_until_the_dropout() -> None:
    rig = Rig(e51(curve="dt", delay_s=0.01))
    rig.step(2.0, 50)
    assert (rig.is_operated, rig.fraction) == (1.0, 1.0)
    rig.step(0.96)
    assert (rig.is_operated, rig.fraction) == (1.0, 1.0)
    rig.step(0.95)
    assert (rig.is_operated, rig.is_pickup, rig.fraction) == (0.0, 0.0, 0.0)


@given(
    st.sampled_from(sorted(CURVES.values())),
    st.floats(1.2, 25.0),
    st.floats(1.2, 25.0),
    st.floats(0.0, 1.0),
    st.sampled_from([0.25e-3, 1e-3, 0.1]),
)
@settings(max_examples=60, deadline=None)
def test_travel_is_exact_for_any_change_at_any_instant_and_step(
    curve: float, before: float, after: float, share: float, dt_s: float
) -> None:
    element = e51(curve=curve, time_dial=0.1, delay_s=0.25)
    of_m = [operate_s(curve, m, 0.1, 30.0) + 0.25 for m in (before, after)]
    change_s = 2.0 * dt_s + share * (of_m[0] - 2.0 * dt_s)  # one change a step, and one at the start
    expected_s = change_s + (1.0 - change_s / of_m[0]) * of_m[1]
    assert Rig(element, dt_s).run((0.0, before), (change_s, after)) == pytest.approx(expected_s, abs=EXACT)


@pytest.mark.parametrize("dt_s", [0.25e-3, 1e-3, 7e-3, 0.1])
@pytest.mark.parametrize("delay_s", [0.0, 0.1, 0.35])
def test_definite_time_is_the_delay_at_any_current_and_step(delay_s: float, dt_s: float) -> None:
    for m in (1.001, 5.0, 1e4):
        assert Rig(e51(curve="dt", delay_s=delay_s), dt_s).run((0.0, m)) == pytest.approx(delay_s, abs=EXACT)


def test_a_delay_is_added_to_a_curve_and_the_minimum_is_a_floor() -> None:
    of_curve = operate_s(CURVES["ieee_ei_f"], 20.0, 0.5, 30.0)  # 0.096 s
    for settings_, expected_s in [
        ({"delay_s": 0.2}, of_curve + 0.2),
        ({"minimum_s": 0.15}, 0.15),
        ({"minimum_s": 0.05}, of_curve),
        ({"minimum_s": 0.15, "delay_s": 0.2}, of_curve + 0.2),
        ({"m_cap": 10.0}, operate_s(CURVES["ieee_ei_f"], 10.0, 0.5, 30.0)),
    ]:
        rig = Rig(e51(curve="ieee_ei_f", time_dial=0.5, **settings_))
        assert rig.run((0.0, 20.0)) == pytest.approx(expected_s, abs=EXACT), settings_
        assert time_s(rig.p, 0, 20.0) == expected_s


def test_instant_reset_forgets_at_once() -> None:
    rig = Rig(e51(curve="dt", delay_s=0.1, reset="instant"))
    assert rig.run((0.0, 2.0), (0.099, 0.0), (0.1, 2.0)) == pytest.approx(0.2, abs=EXACT)


@pytest.mark.parametrize(("gap_s", "trip_s"), [(0.0399, 0.1399), (0.0401, 0.1901)])
def test_definite_reset_holds_the_travel_for_its_delay(gap_s: float, trip_s: float) -> None:
    rig = Rig(e51(curve="dt", delay_s=0.1, reset="definite", reset_delay_s=0.04))
    # 0.05 s, a gap, then the remaining 0.05 s; or the whole 0.1 s when the gap was too long.
    assert rig.run((0.0, 2.0), (0.05, 0.0), (0.05 + gap_s, 2.0)) == pytest.approx(trip_s, abs=EXACT)


def test_every_dropout_starts_the_definite_reset_anew() -> None:
    rig = Rig(e51(curve="dt", delay_s=0.1, reset="definite", reset_delay_s=0.04))
    rig.step(2.0, 10)
    for _ in range(4):
        rig.step(0.0, 30)
        rig.step(2.0, 10)
    assert rig.fraction == pytest.approx(0.5, abs=EXACT)


def test_dependent_reset_goes_back_as_the_disc_does() -> None:
    rig = Rig(e51(curve="iec_vi_b", time_dial=0.1, reset="dependent"))
    rig.s["fraction"] = 0.5
    rig.step(0.5, 1000)
    tr_s = 0.1 * 47.3 / (1.0 - 0.25)
    assert rig.fraction == pytest.approx(0.5 - 1.0 / tr_s, abs=EXACT)
    rig.step(0.97, 1000)
    assert rig.fraction == pytest.approx(0.5 - 1.0 / tr_s, abs=EXACT)  # between ratio and pickup: held
    rig.step(0.0, 3000)
    assert rig.fraction == 0.0


def test_a_trip_just_before_the_current_goes_is_seen_at_the_end_of_the_step() -> None:
    rig = Rig(e51(curve="dt", delay_s=0.0105))
    rig.step(2.0, 10)
    rig.step(0.0, change_ago_s=0.2e-3)  # due 0.5 ms before the end
    assert (rig.is_operated, rig.is_pickup) == (1.0, 1.0)
    assert rig.operate_ago_s == pytest.approx(0.5e-3, abs=EXACT)
    rig.step(0.0)
    assert (rig.is_operated, rig.is_pickup, rig.fraction) == (0.0, 0.0, 0.0)
    rig = Rig(e51(curve="dt", delay_s=0.0105))
    rig.step(2.0, 10)
    rig.step(0.0, change_ago_s=0.6e-3)  # gone before it was due
    assert (rig.is_operated, rig.is_pickup, rig.fraction) == (0.0, 0.0, 0.0)


def test_settings_in_force_count_from_the_step_they_come() -> None:
    rig = Rig(e51(curve="iec_si_a", time_dial=0.1))
    rig.step(5.0, 100)
    gone = 0.1 / operate_s(CURVES["iec_si_a"], 5.0, 0.1, 30.0)
    assert rig.fraction == pytest.approx(gone, abs=EXACT)
    rig.p["curve"], rig.p["time_dial"] = CURVES["iec_ei_c"], 0.5
    rig.step(5.0, 100)
    gone += 0.1 / operate_s(CURVES["iec_ei_c"], 5.0, 0.5, 30.0)
    assert rig.fraction == pytest.approx(gone, abs=EXACT)
    rig.p["pickup_a"] = 250.0
    rig.step(5.0, 100)
    gone += 0.1 / operate_s(CURVES["iec_ei_c"], 2.0, 0.5, 30.0)
    assert rig.fraction == pytest.approx(gone, abs=EXACT)
    rig.p["pickup_a"] = 1000.0
    rig.step(5.0)
    assert (rig.is_pickup, rig.fraction) == (0.0, 0.0)


@pytest.mark.parametrize("how", ["is_enabled", "is_permitted"])
def test_what_is_blocked_never_picks_up_and_drops_out_at_once(how: str) -> None:
    rig = Rig(e51(curve="dt", delay_s=0.0105))
    blocking = rig.p["is_enabled"] if how == "is_enabled" else rig.permitted
    blocking[:] = 0.0
    rig.step(20.0, 100, change_ago_s=0.5e-3)
    assert not any(rig.s[name][0] for name in ("is_pickup", "fraction", "is_operated", "quantity_a"))
    for n in (10, 100):  # due within the step that blocks, 0.3 ms before the network changes; and long ago
        blocking[:] = 1.0
        rig.step(20.0, n)
        assert (rig.is_pickup, rig.is_operated) == (1.0, float(n == 100))
        blocking[:] = 0.0
        rig.step(20.0, change_ago_s=0.2e-3)
        assert not any(rig.s[name][0] for name in ("is_pickup", "fraction", "is_operated", "quantity_a"))


@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_current_that_is_no_number_does_not_stick(bad: float, reset: str) -> None:
    rig = Rig(e51(curve="dt", delay_s=0.01, reset=reset))
    for m in (bad, 2.0, bad):
        rig.step(m, 5, change_ago_s=0.4e-3)
        assert rig.is_operated == 0.0
        assert all(np.isfinite(value) for value in rig.s[0])
    rig.step(0.0, 5)
    rig.step(2.0, 11)
    assert rig.is_operated == 1.0


@pytest.mark.parametrize("name", ["pickup_a", "time_dial", "delay_s", "m_cap", "reset_ratio", "curve"])
def test_a_setting_that_is_no_number_does_not_stick(name: str) -> None:
    rig = Rig(e51(reset="dependent"))
    good = float(rig.p[name][0])
    rig.step(2.0, 5)
    for m in (2.0, 0.5):
        rig.p[name] = math.nan
        rig.step(m, 5, change_ago_s=0.4e-3)
        assert rig.is_operated == 0.0
        assert all(np.isfinite(value) for value in rig.s[0])
    rig.p[name] = good
    assert rig.run((0.0, 20.0)) < 0.3  # 0.227 s from the start of the disc


event = st.tuples(
    st.one_of(st.floats(0.0, 40.0), st.sampled_from([0.95, 1.0, math.nan, math.inf])),
    st.floats(0.0, 1.0),
    st.sampled_from([1.0, 1.0, 1.0, 0.0]),
    st.integers(1, 20),
)


@given(
    st.lists(event, max_size=20),
    st.sampled_from(sorted(CURVES.values())),
    st.sampled_from(sorted(RESETS)),
    st.sampled_from([0.25e-3, 1e-3, 0.1]),
)
@settings(max_examples=150, deadline=None)
def test_nothing_operates_without_pickup_or_permission_whatever_happens(
    events: list[tuple[float, float, float, int]], curve: float, reset: str, dt_s: float
) -> None:
    rig = Rig(e51(curve=curve, time_dial=0.05, delay_s=0.01, reset=reset, reset_delay_s=0.03), dt_s)
    for m, share, is_permitted, n in events:
        rig.permitted[:] = is_permitted
        for k in range(n):
            was = rig.is_pickup, rig.is_operated, rig.fraction
            rig.step(m, change_ago_s=share * dt_s if k == 0 else dt_s)
            assert 0.0 <= rig.fraction <= 1.0
            assert rig.is_operated <= min(rig.is_pickup, is_permitted)
            assert rig.is_operated == 0.0 or rig.fraction == 1.0
            for now, before, ago in ((rig.is_pickup, was[0], "pickup"), (rig.is_operated, was[1], "operate")):
                assert now == before or 0.0 <= rig.s[f"{ago}_ago_s"][0] <= dt_s
            if k > 0 and 0.95 < m <= 1.0:  # between reset ratio and pickup all holds
                assert (rig.is_pickup, rig.is_operated, rig.fraction) == was or is_permitted == 0.0


@pytest.mark.parametrize(
    "bad",
    [
        *({"curve": "iec_x"}, {"quantity": "d"}, {"reset": "never"}, {"pickup_a": 0.0}, {"time_dial": 0.0}),
        *({"shots": 32.0}, {"is_enabled": 2.0}, {"reset_ratio": 1.1}, {"m_cap": 1.0}, {"delay_s": -0.1}),
    ],
)
def test_settings_out_of_range_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ParameterError, match=next(iter(bad))):
        e51(**bad)
