"""From phasors to waveforms and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.recorder.waves import Jump, phasors_of, synthesise

F0_HZ, DT_S, RATE_HZ = 60.0, 1e-3, 4_800.0


def steady(n: int, *values: complex) -> np.ndarray:
    return np.tile(np.array(values, np.complex128), (n, 1))


def test_a_steady_phasor_is_a_cosine_of_its_peak_and_angle() -> None:
    wave = synthesise(steady(101, 100 * np.exp(0.3j), 7200.0), DT_S, RATE_HZ, F0_HZ)
    t = np.arange(481) / RATE_HZ
    assert wave.shape == (481, 2)
    np.testing.assert_allclose(wave[:, 0], 141.4213562 * np.cos(2 * np.pi * 60 * t + 0.3), atol=1e-6)
    np.testing.assert_allclose(wave[:, 1], 10_182.33765 * np.cos(2 * np.pi * 60 * t), atol=1e-3)


def test_a_current_goes_on_where_the_network_jumps_and_its_offset_dies_away() -> None:
    before, after, at_s, tau_s = 100.0 + 0j, 2000 * np.exp(-1.2j), 0.0503, 0.02
    phasors = np.concatenate([steady(51, before), steady(150, after)])
    jump = Jump(at_s, np.array([tau_s]))
    fine = synthesise(phasors, DT_S, 1e6, F0_HZ, jumps=[jump])[:, 0]
    at = round(at_s * 1e6)
    slope = (
        2 * np.pi * 60 * np.sqrt(2) * 2000 * 1e-6 * 1.1 + np.sqrt(2) * 2100 / tau_s * 1e-6
    )  # steepest, one sample
    assert abs(fine[at] - fine[at - 1]) < slope
    t = np.arange(len(fine)) * 1e-6
    pure = np.sqrt(2) * (after * np.exp(2j * np.pi * 60 * t)).real
    leap = np.sqrt(2) * ((before - after) * np.exp(2j * np.pi * 60 * at_s)).real
    np.testing.assert_allclose(
        (fine - pure)[at:], leap * np.exp(-(t[at:] - at_s) / tau_s), atol=1e-6
    )  # rounding of products
    np.testing.assert_allclose(fine[:at], np.sqrt(2) * 100 * np.cos(2 * np.pi * 60 * t[:at]), atol=1e-6)


def test_a_voltage_jumps_at_once() -> None:
    phasors = np.concatenate([steady(50, 100.0), steady(50, 10.0)])
    wave = synthesise(phasors, DT_S, 1e5, F0_HZ, jumps=[Jump(0.05, np.zeros(1))])[:, 0]
    t = np.arange(len(wave)) / 1e5
    size = np.where(t < 0.05, 100.0, 10.0)
    np.testing.assert_allclose(wave, np.sqrt(2) * size * np.cos(2 * np.pi * 60 * t), atol=1e-9)


@given(st.floats(-4.0, 4.0), st.floats(0.0, 50.0), st.floats(1.0, 5_000.0))
def test_phasors_come_back_from_their_wave(angle: float, start_s: float, size: float) -> None:
    made = steady(100, size * np.exp(1j * angle), size)
    wave = synthesise(made, DT_S, RATE_HZ, F0_HZ, start_s)
    seen = phasors_of(wave, RATE_HZ, F0_HZ, DT_S, start_s)
    assert (
        np.abs(seen - made[: len(seen)]).max() < 1e-9 * size + 1e-12 * start_s * size * 400
    )  # phase at late times


RATES_HZ = [240.0, 250.0, 600.0, 700.0, 1_000.0, 1_200.0, 1_234.5, 1_600.0, 2_000.0, 2_500.0, 3_200.0]
RATES_HZ += [3_840.0, 4_000.0, 4_800.0, 5_000.0, 7_680.0, 10_000.0]


@pytest.mark.parametrize("f0_hz", [50.0, 60.0])
@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_a_steady_wave_gives_its_phasor_exactly_at_any_rate(rate_hz: float, f0_hz: float) -> None:
    """Also where a cycle is no whole number of samples, and with a constant below the wave."""
    made = steady(200, 120 * np.exp(0.7j))
    wave = synthesise(made, DT_S, rate_hz, f0_hz) + 30.0
    seen = phasors_of(wave, rate_hz, f0_hz, DT_S)
    assert np.abs(seen - made[0, 0]).max() < 1e-9 * 120


@pytest.mark.parametrize("rate_hz", [1_600.0, 2_000.0, 4_000.0, 5_000.0])
@pytest.mark.parametrize(("harmonic", "most"), [(3, 1e-9), (5, 1e-9), (7, 1e-9), (11, 0.02)])
def test_harmonics_hardly_enter_where_a_cycle_is_no_whole_number_of_samples(
    rate_hz: float, harmonic: int, most: float
) -> None:
    t = np.arange(int(0.2 * rate_hz)) / rate_hz
    wave = np.cos(2 * np.pi * F0_HZ * t) + 0.1 * np.cos(2 * np.pi * harmonic * F0_HZ * t + 1.0)
    seen = phasors_of(wave[:, None], rate_hz, F0_HZ, DT_S)
    assert np.abs(seen - np.sqrt(0.5)).max() < most * np.sqrt(0.5)


def test_slow_frequency_is_a_turning_phasor_and_comes_back() -> None:
    t = np.arange(500) * DT_S
    made = (100 * np.exp(2j * np.pi * -0.5 * t))[:, None]  # 59.5 Hz
    wave = synthesise(made, DT_S, RATE_HZ, F0_HZ)
    k = np.arange(len(wave)) / RATE_HZ
    # between steps the chord of the circle: (pi 0.5 Hz 1 ms)^2 / 2
    np.testing.assert_allclose(wave[:, 0], np.sqrt(2) * 100 * np.cos(2 * np.pi * 59.5 * k), atol=1e-3)
    seen = phasors_of(wave, RATE_HZ, F0_HZ, DT_S)
    late = 1 / F0_HZ / 2  # a full-cycle window shows the middle of its cycle
    wanted = 100 * np.exp(2j * np.pi * -0.5 * (np.arange(len(seen)) * DT_S - late))
    assert np.abs(seen[50:, 0] - wanted[50:]).max() < 1.0  # leakage of half a hertz, below 1 %


def test_harmonics_do_not_enter_the_fundamental() -> None:
    t = np.arange(480) / RATE_HZ
    wave = np.cos(2 * np.pi * 60 * t) + 0.2 * np.cos(2 * np.pi * 300 * t) + 0.5
    seen = phasors_of(wave[:, None], RATE_HZ, F0_HZ, DT_S)
    np.testing.assert_allclose(np.abs(seen), np.sqrt(0.5), atol=1e-12)


def test_less_than_a_cycle_is_refused() -> None:
    with pytest.raises(ValueError, match="less than a cycle of 80"):
        phasors_of(np.zeros((79, 1)), RATE_HZ, F0_HZ, DT_S)


def test_too_few_samples_a_cycle_are_refused() -> None:
    with pytest.raises(ValueError, match="2 samples a cycle; 4 are needed"):
        phasors_of(np.zeros((100, 1)), 120.0, F0_HZ, DT_S)
