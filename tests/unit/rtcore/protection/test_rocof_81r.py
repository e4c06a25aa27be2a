"""Rate of change of frequency: the slope, its window, confirmation, direction, blocking, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcore.protection.rocof_81r import SAMPLES_MAX, Rocof81r, plan, samples_for, slope_hz_s, step
from tests.support.element_rig import ABC, V_BASE_V, ElementRig

ROUNDING_HZ_S = 1e-9
"""60 Hz hold 7e-15 Hz; over a window of 0.1 s that is 1e-13 Hz/s, and the ramp is a sum of many steps."""


class Rig(ElementRig):
    kind = "rocof_81r"

    def __init__(self, dt_s: float = 1e-3, **params: object) -> None:
        super().__init__(Rocof81r(**params), dt_s)  # type: ignore[arg-type]
        self.ramp_hz_s, self.samples = 0.0, samples_for(1, dt_s)

    def call(self, change_ago_s: float) -> None:
        self.f_hz += self.ramp_hz_s * self.dt_s
        args = (self.v_seq, self.base_v, self.f_hz, self.f_valid, self.samples, self.permitted)
        step(self.p, self.s, self.of, *args, change_ago_s, self.dt_s)

    def seconds(self, t_s: float, ramp_hz_s: float) -> None:
        self.ramp_hz_s = ramp_hz_s
        self.step(round(t_s / self.dt_s))


@settings(deadline=None)  # the first example compiles
@given(st.lists(st.floats(40, 70), min_size=2, max_size=64), st.data())
def test_the_slope_is_that_of_a_least_squares_line_wherever_the_ring_begins(
    f: list[float], data: st.DataObject
) -> None:
    head = data.draw(st.integers(0, len(f) - 1))
    ring = np.roll(np.array(f), head).reshape(1, -1)
    line = np.polyfit(0.01 * np.arange(len(f)), f, 1)[0]
    # NumPy's fit solves by SVD: 1e-9 of the largest slope there can be, 30 Hz in 10 ms.
    assert slope_hz_s(ring, 0, head, len(f), 0.01) == pytest.approx(line, abs=3e-6)


@pytest.mark.parametrize("dt_s", [0.25e-3, 1e-3, 2e-3, 0.01, 0.1])
@pytest.mark.parametrize("window_s", [0.1, 0.15, 0.25, 0.5])
def test_the_window_fits_into_its_array_and_is_as_long_as_it_can_be(window_s: float, dt_s: float) -> None:
    m = samples_for(3, dt_s).shape[1]
    assert samples_for(3, dt_s).shape == (3, m) and m <= SAMPLES_MAX
    every, count = plan(window_s / dt_s, m)
    assert 2 <= count <= m
    assert (count - 1) * every * dt_s == pytest.approx(window_s, abs=max(0.5 * every * dt_s, 1e-9) + 1e-12)


@pytest.mark.parametrize("dt_s", [0.25e-3, 1e-3, 0.01, 0.1])
@pytest.mark.parametrize("ramp_hz_s", [-2.0, 0.5])
def test_a_ramp_is_measured_exactly_at_any_step_and_window(ramp_hz_s: float, dt_s: float) -> None:
    for window_s in (0.1, 0.25, 0.5):
        rig = Rig(dt_s, window_s=window_s)
        rig.seconds(1.2, ramp_hz_s)
        assert rig["slope_hz_s"] == pytest.approx(ramp_hz_s, abs=ROUNDING_HZ_S)


def test_nothing_is_measured_before_the_window_is_full() -> None:
    rig = Rig(window_s=0.2)
    rig.seconds(0.19, 5.0)
    assert rig["slope_hz_s"] == 0.0
    rig.seconds(0.03, 5.0)
    assert rig["slope_hz_s"] == pytest.approx(5.0, abs=ROUNDING_HZ_S)


@pytest.mark.parametrize("window_s", [0.1, 0.5])
@pytest.mark.parametrize("windows", [2.0, 5.0])
def test_it_picks_up_after_whole_windows_beyond_the_level(window_s: float, windows: float) -> None:
    rig = Rig(window_s=window_s, windows=windows, rocof_hz_s=1.0, delay_s=0.05)
    rig.seconds(1.0, 0.0)
    start_s, rig.ramp_hz_s = rig.t_s, -2.0
    pickup_s = rig.run("is_pickup") - start_s
    # The slope of a window that is half full of a ramp of twice the level is the level; a sample is
    # the mean of ``every`` steps and comes at its end.
    sample_s = rig["every"] * rig.dt_s
    assert pickup_s == pytest.approx((0.5 + windows) * window_s, abs=2.0 * sample_s)
    assert rig.run() - start_s == pytest.approx(pickup_s + 0.05, abs=1e-9)


def test_a_disturbance_shorter_than_two_windows_is_none() -> None:
    rig = Rig(window_s=0.1, rocof_hz_s=1.0)
    rig.seconds(0.5, 0.0)
    for ramp_hz_s in (-5.0, 5.0, -5.0):
        rig.seconds(0.15, ramp_hz_s)
        for _ in range(300):
            rig.seconds(0.001, 0.0)
            assert rig["is_pickup"] == 0.0


def test_level_and_hysteresis() -> None:
    rig = Rig(rocof_hz_s=1.0, hysteresis_pct=10.0)
    seen = []
    for ramp_hz_s in (0.999, 1.001, 0.901, 0.899, 0.999):
        rig.seconds(0.6, ramp_hz_s)
        seen.append(rig["is_pickup"])
    assert seen == [0.0, 1.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("direction", "expected"), [("absolute", (1.0, 1.0)), ("rising", (1.0, 0.0)), ("falling", (0.0, 1.0))]
)
def test_the_sign_counts_when_it_is_asked_for(direction: str, expected: tuple[float, float]) -> None:
    seen = []
    for ramp_hz_s in (2.0, -2.0):
        rig = Rig(direction=direction)
        rig.seconds(0.8, ramp_hz_s)
        seen.append(rig["is_operated"])
    assert tuple(seen) == expected


def test_blocking_drops_the_samples_so_the_window_fills_again() -> None:
    rig = Rig(window_s=0.1)
    for undo, spoil in (
        (lambda: rig.set_v(V_BASE_V * ABC), lambda: rig.set_v(0.49 * V_BASE_V * ABC)),
        (lambda: rig.f_valid.fill(1.0), lambda: rig.f_valid.fill(0.0)),
        (lambda: rig.permitted.fill(1.0), lambda: rig.permitted.fill(0.0)),
        (lambda: rig.p["is_enabled"].fill(1.0), lambda: rig.p["is_enabled"].fill(0.0)),
        (lambda: rig.f_hz.fill(60.0), lambda: rig.f_hz.fill(np.nan)),
    ):
        rig.f_hz[0] = 60.0
        rig.seconds(0.6, 3.0)
        assert rig["is_operated"] == 1.0
        spoil()
        rig.step()
        assert rig["is_operated"] == rig["is_pickup"] == rig["slope_hz_s"] == 0.0 and rig.is_finite()
        undo()
        rig.seconds(0.25, 3.0)
        assert rig["is_pickup"] == 0.0  # 0.1 s to fill, 0.2 s to confirm
        rig.seconds(0.07, 3.0)
        assert rig["is_pickup"] == 1.0


def test_another_settings_group_with_another_window_starts_anew() -> None:
    rig = Rig(window_s=0.5)
    rig.seconds(2.0, -2.0)
    assert rig["is_operated"] == 1.0
    rig.p["window_s"] = 0.1
    rig.step()
    assert rig["is_operated"] == rig["slope_hz_s"] == 0.0
    rig.seconds(0.35, -2.0)
    assert rig["is_operated"] == 1.0
    assert rig["slope_hz_s"] == pytest.approx(-2.0, abs=ROUNDING_HZ_S)


def test_noise_of_a_millihertz_stays_below_half_a_hertz_per_second() -> None:
    """Sigma of the slope is sigma_f sqrt(12 / N) / window = 1e-3 sqrt(12 / 100) / 0.1 = 3.5 mHz/s."""
    rig, rng = Rig(window_s=0.1), np.random.default_rng(4)
    slopes = []
    for _ in range(3000):
        rig.f_hz[0] = 60.0 + 1e-3 * rng.standard_normal()
        rig.step()
        slopes.append(rig["slope_hz_s"])
    assert np.std(slopes[200:]) == pytest.approx(3.5e-3, rel=0.35)  # some 30 independent windows
    assert max(map(abs, slopes)) < 6 * 3.5e-3


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.floats(-9, 9), st.integers(1, 300), st.booleans()), max_size=12))
def test_nothing_operates_without_pickup(walk: list[tuple[float, int, bool]]) -> None:
    rig = Rig(delay_s=0.02)
    for ramp_hz_s, n, is_permitted in walk:
        rig.ramp_hz_s, rig.permitted[0] = ramp_hz_s, is_permitted
        rig.step(n)  # the rig asserts it in each step
        assert is_permitted or not rig["is_operated"]
        assert rig.is_finite()
