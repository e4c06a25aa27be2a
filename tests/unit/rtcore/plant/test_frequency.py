"""Frequency element: ramps, swings of the local angle, vector shifts, dead buses, any step, bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rtcore.component import REGISTRY, rows_of
from rtcore.plant.frequency import Frequency, measure

SPEC = REGISTRY["frequency"]
F0 = 60.0
ABC = np.exp(-2j * np.pi / 3 * np.arange(3))


class Rig:
    """One element; the bus' angle runs beside that of EMF 0, EMF 1 is another island's."""

    def __init__(self, dt_s: float = 1e-3, **params: float) -> None:
        self.p = rows_of([Frequency(**params)], SPEC)
        self.s = np.zeros(1, SPEC.state_dtype)
        self.at, self.v = np.array([[0, 1, 2]], np.int32), np.zeros(4, complex)
        self.owner, self.theta, self.f = np.zeros(3, np.int32), np.zeros(2), np.full(2, F0)
        self.beside_rad, self.size, self.dt_s = -0.1, 7200.0, dt_s

    def __getattr__(self, name: str) -> float:
        return float(self.s[name][0])

    def step(self, n: int = 1, f_hz: float | None = None, beside_hz: float = 0.0) -> None:
        """Let EMF 0 run at a frequency and the bus slip against it."""
        for _ in range(n):
            if f_hz is not None:
                self.f[0] = f_hz
            self.theta += 2 * np.pi * (self.f - F0) * self.dt_s
            self.beside_rad += 2 * np.pi * beside_hz * self.dt_s
            self.look()

    def look(self) -> None:
        angle_rad = self.theta[self.owner[0]] + self.beside_rad
        with np.errstate(invalid="ignore"):  # infinity times a phasor
            self.v[:3] = self.size * ABC * np.exp(1j * angle_rad)
        measure(self.p, self.s, self.at, self.v, self.owner, self.theta, self.f, self.dt_s)


STEPS = [250e-6, 1e-3, 5e-3, 20e-3, 0.1, 1.0]


@pytest.mark.parametrize("dt_s", STEPS)
@pytest.mark.parametrize("f_hz", [60.0, 57.3, 61.9])
def test_a_constant_frequency_is_measured_exactly_at_any_step(dt_s: float, f_hz: float) -> None:
    rig = Rig(dt_s)
    rig.step(max(5, round(3.0 / dt_s)), f_hz)
    assert rig.f_hz == pytest.approx(f_hz, abs=1e-9)
    assert rig.rocof_hz_s == pytest.approx(0.0, abs=1e-6)
    assert rig.is_valid == 1.0


@pytest.mark.parametrize("dt_s", [250e-6, 1e-3, 5e-3, 20e-3, 0.1])
@pytest.mark.parametrize("slope", [-2.0, 0.75])
def test_a_ramp_is_seen_late_by_the_low_pass_and_its_slope_rightly(dt_s: float, slope: float) -> None:
    rig = Rig(dt_s)
    rig.step(10, F0)
    n = round(1.5 / dt_s)
    for k in range(1, n + 1):
        rig.step(1, F0 + slope * k * dt_s)
    # 15 time constants of the slope's own low-pass; a sampled low-pass is late by tau less about half a step
    assert rig.rocof_hz_s == pytest.approx(slope, rel=1e-5)
    late_s = dt_s * (1.0 / (1.0 - math.exp(-dt_s / 0.03)) - 1.0)
    assert rig.f_hz == pytest.approx(F0 + slope * (n * dt_s - late_s), abs=1e-6)
    assert late_s == pytest.approx(0.03, abs=max(0.55 * dt_s, 1e-6)) or dt_s > 0.03


@pytest.mark.parametrize("dt_s", [250e-6, 1e-3, 5e-3])
def test_a_local_swing_is_part_of_the_local_frequency(dt_s: float) -> None:
    """The bus slips by 0.4 Hz against the island's first EMF: that is what a relay there measures."""
    rig = Rig(dt_s, jump_max_deg=3.0)
    rig.step(10, 59.8)
    rig.step(round(0.5 / dt_s), 59.8, beside_hz=0.4)
    assert rig.f_hz == pytest.approx(60.2, abs=1e-6)


@pytest.mark.parametrize("jump_deg", [3.1, 30.0, 120.0, -170.0])
@pytest.mark.parametrize("dt_s", [250e-6, 1e-3, 20e-3])
def test_a_vector_shift_is_no_frequency(jump_deg: float, dt_s: float) -> None:
    rig = Rig(dt_s)
    rig.step(100, 60.1)
    rig.beside_rad += math.radians(jump_deg)
    rig.step(1, 60.1)
    assert rig.f_hz == pytest.approx(60.1, abs=1e-9)
    rig.step(100, 60.1)
    assert (rig.f_hz, rig.rocof_hz_s) == (pytest.approx(60.1, abs=1e-9), pytest.approx(0.0, abs=1e-5))


def test_a_small_shift_passes_the_low_pass_and_decays() -> None:
    rig = Rig(1e-3)
    rig.step(100, F0)
    rig.beside_rad += math.radians(2.9)
    rig.step(1, F0)
    # 2.9 degrees in a millisecond are 8.06 Hz; the low-pass lets 1/30.5 of that through
    assert rig.f_hz - F0 == pytest.approx(2.9 / 360.0 / 1e-3 * (1.0 - math.exp(-1.0 / 30.0)), rel=1e-6)
    rig.step(300, F0)
    assert rig.f_hz == pytest.approx(F0, abs=1e-3)


def test_a_dead_bus_has_no_frequency_and_a_live_one_has_it_at_once() -> None:
    rig = Rig()
    rig.step(100, 59.0)
    rig.owner[:] = -1
    rig.look()
    assert (rig.f_hz, rig.rocof_hz_s, rig.is_valid) == (0.0, 0.0, 0.0)
    rig.owner[:] = 0
    rig.step(1, 60.4)
    assert (rig.f_hz, rig.rocof_hz_s, rig.is_valid) == (60.4, 0.0, 1.0)  # no slope from 0 to 60 Hz


def test_a_bus_without_voltage_in_a_live_island_has_no_frequency() -> None:
    rig = Rig()
    rig.step(10, F0)
    rig.size = 0.0
    rig.look()
    assert (rig.f_hz, rig.is_valid) == (0.0, 0.0)


def test_another_islands_angle_is_no_shift() -> None:
    """At a hand-over the reference of the angle changes; frequency goes on from where it was."""
    rig = Rig()
    rig.f[1] = 59.5
    rig.theta[1] = 2.0
    rig.step(200, 60.0)
    rig.owner[:] = 1
    rig.beside_rad += 0.04  # another angle against another EMF, less than what counts as a shift
    seen = []
    for _ in range(300):
        rig.step(1, 60.0)
        seen.append(rig.f_hz)
    assert seen[0] == pytest.approx(60.0, abs=0.02)
    assert np.all(np.diff(seen) <= 1e-12), "it walks down without a jump"
    assert seen[-1] == pytest.approx(59.5, abs=1e-3)


def test_one_phase_is_measured_by_its_own_voltage() -> None:
    rig = Rig()
    rig.at[:] = [[-1, 1, -1]]
    rig.step(200, 60.7)
    assert rig.f_hz == pytest.approx(60.7, abs=1e-9)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["voltage", "frequency"])
def test_what_is_no_number_is_shown_as_none_and_does_not_stick(bad: float, where: str) -> None:
    rig = Rig()
    rig.step(100, 60.2)
    if where == "voltage":
        rig.size = bad
        rig.look()
        rig.size = 7200.0
    else:
        rig.f[0] = bad
        rig.look()
        rig.f[0] = 60.2
    assert (rig.f_hz, rig.is_valid) == (0.0, 0.0)
    rig.step(2, 60.2)
    assert (rig.f_hz, rig.is_valid) == (pytest.approx(60.2, abs=1e-9), 1.0)
    assert all(np.isfinite(rig.s[name][0]) for name in SPEC.state_dtype.names or ())
