"""Thinned recordings show what the full traces show; the tail of the ring keeps what the ring forgets."""

from __future__ import annotations

import numpy as np
import pytest

from hil.relaytest.bench import Traces, balanced
from hil.relaytest.live_traces import CHUNK, TraceTail
from hil.relaytest.recording import (
    EVEN_MAX,
    JUMPS_MAX,
    LEVELS,
    Floats,
    Recording,
    frequency_hz,
    recording,
)
from rtcore.waves import format_waves, waves_bytes, waves_in

DT_S, F0_HZ, V = 0.001, 60.0, 7967.0


def traces(i_a: Floats, first: int = 100) -> Traces:
    n = len(i_a)
    return Traces(
        np.arange(first, first + n),
        i_a[:, None] * np.array(balanced(1.0)),
        np.tile(np.array(balanced(V)), (n, 1)),
    )


def recorded(i_a: Floats, zero: int = 0, at: int = 0) -> Recording:
    found = recording(traces(i_a), 100 + zero, 100 + at, DT_S, F0_HZ)
    assert found is not None
    return found


def test_a_jump_keeps_the_steps_on_both_sides_and_nothing_else() -> None:
    i_a = np.where(np.arange(5000) < 1234, 0.0, 800.0)
    rms = recorded(i_a, zero=1234).rms
    assert [t for t in rms.t_s.round(6) if abs(t) < 0.002] == [-0.001, 0.0]
    assert len(rms.t_s) <= 8  # both ends, the jump, and what stands next to it
    assert np.interp(-0.0005, rms.t_s, rms.i_a[:, 0]) == pytest.approx(400.0)


def test_a_short_pulse_between_the_evenly_spaced_steps_is_not_lost() -> None:
    i_a = np.full(60_000, 100.0)
    i_a[30_011:30_014] = 900.0
    assert recorded(i_a).rms.i_a.max() == pytest.approx(900.0)


def test_a_slow_ramp_is_followed() -> None:
    i_a = np.linspace(0.0, 500.0, 8000)
    rms = recorded(i_a).rms
    drawn = np.interp(np.arange(8000) * DT_S, rms.t_s, rms.i_a[:, 1])
    # a dropped step was like both neighbours but for one of LEVELS levels; rounding adds a half at both
    assert abs(drawn - i_a).max() <= 2.0 * 500.0 / LEVELS


def test_noise_makes_no_more_points_than_a_chart_can_show() -> None:
    i_a = np.random.default_rng(3).uniform(0.0, 1000.0, 20_000)
    assert len(recorded(i_a).rms.t_s) <= EVEN_MAX + 2 * JUMPS_MAX


def test_waveform_has_the_crest_of_its_phasor_and_nothing_before_the_fault() -> None:
    i_a = np.where(np.arange(500) < 200, 0.0, 800.0)
    wave = recorded(i_a, zero=200, at=200).wave
    assert wave is not None
    assert (wave.t_s[0], wave.t_s[-1]) == pytest.approx((-2 / F0_HZ, 6 / F0_HZ), abs=DT_S)
    assert abs(wave.i_a[wave.t_s < -DT_S]).max() == 0.0
    # 20 samples a cycle may miss the crest by half a sample of three phases: 1 - cos(9 deg) = 1.2 %
    assert wave.i_a.max() == pytest.approx(800.0 * 2**0.5, rel=0.013)


def test_steps_that_were_lost_leave_no_waveform_but_the_rest() -> None:
    whole = traces(np.full(500, 300.0))
    some = np.r_[0:200, 210:500]
    found = recording(Traces(whole.step[some], whole.i_a[some], whole.v_v[some]), 300, 300, DT_S, F0_HZ)
    assert found is not None
    assert found.wave is None
    assert len(found.rms.t_s) > 1


def turning(f_hz: Floats, jump_at: int | None = None) -> Traces:
    """Return voltages of a frequency at each step, perhaps with a jump of their angle by 70 degrees."""
    angle = 2.0 * np.pi * np.cumsum(f_hz - F0_HZ) * DT_S
    if jump_at is not None:
        angle[jump_at:] += np.radians(70.0)
    still = traces(np.full(len(f_hz), 100.0))
    return Traces(still.step, still.i_a, still.v_v * np.exp(1j * angle)[:, None])


def test_frequency_is_that_of_the_turning_voltages_but_for_a_cycle_about_its_step() -> None:
    f_hz = np.where(np.arange(2000) < 800, 60.0, 58.5)
    found = frequency_hz(turning(f_hz), DT_S, F0_HZ)
    away = abs(np.arange(2000) - 800) > 17  # a cycle
    assert found[away] == pytest.approx(f_hz[away], abs=1e-6)  # rounding of the angles
    assert ((found > 58.5 - 1e-6) & (found < 60.0 + 1e-6)).all()


def test_frequency_follows_a_ramp() -> None:
    f_hz = 60.0 - 1.0 * np.arange(3000) * DT_S
    found = frequency_hz(turning(f_hz), DT_S, F0_HZ)
    assert found[30:-30] == pytest.approx(f_hz[30:-30], abs=1e-6)  # rounding of the angles
    assert found == pytest.approx(f_hz, abs=0.01)  # at both ends half of the first and last cycle, 1 Hz/s


def test_jump_of_the_angle_is_no_frequency_and_a_nominal_one_is_not_kept() -> None:
    jumped = turning(np.full(1000, 60.0), jump_at=500)
    assert frequency_hz(jumped, DT_S, F0_HZ) == pytest.approx(60.0, abs=1e-6)
    found = recording(jumped, 0, 0, DT_S, F0_HZ)
    assert found is not None
    assert found.f_hz is None


def test_ramp_of_the_frequency_alone_is_kept_with_its_ends_and_bends() -> None:
    k = np.arange(6000)
    f_hz = 60.0 - np.clip((k - 1000) * DT_S, 0.0, 2.0)
    found = recording(turning(f_hz), 100, 100, DT_S, F0_HZ)
    assert found is not None
    assert found.f_hz is not None
    drawn = np.interp(k * DT_S, found.rms.t_s, found.f_hz)
    assert abs(drawn - f_hz).max() < 0.03  # 25 steps between those that are kept, and a cycle at the bends


def test_without_voltage_there_is_no_frequency() -> None:
    t = turning(np.full(1000, 58.0))
    dead = np.arange(1000) >= 500
    found = frequency_hz(Traces(t.step, t.i_a, np.where(dead[:, None], 0.0, t.v_v)), DT_S, F0_HZ)
    assert np.isnan(found[530:]).all()
    assert found[:470] == pytest.approx(58.0, abs=1e-6)
    assert np.isnan(frequency_hz(traces(np.ones(1)), DT_S, F0_HZ)).all()


def test_noise_of_voltage_transformers_does_not_look_like_a_frequency() -> None:
    noise = np.random.default_rng(5).normal(0.0, 0.002, (5000, 3, 2)) @ [1.0, 1j]
    t = turning(np.full(5000, 60.0))
    found = recording(Traces(t.step, t.i_a, t.v_v * (1.0 + noise)), 0, 0, DT_S, F0_HZ)
    assert found is not None
    assert found.f_hz is None


def test_without_traces_there_is_no_recording() -> None:
    assert recording(Traces.none(), 0, 0, DT_S, F0_HZ) is None


class Plant:
    """Writes a ring of two relays; the current of the second one is the number of the step."""

    def __init__(self, capacity: int) -> None:
        self.buffer = bytearray(waves_bytes(2, capacity))
        format_waves(self.buffer, 2, capacity)
        self.waves, self.capacity, self.step = waves_in(self.buffer), capacity, 0

    def run(self, n_steps: int) -> None:
        for _ in range(n_steps):
            at = self.step % self.capacity
            self.waves.marks[at] = self.step, 0
            self.waves.phasors[at] = 0.0
            self.waves.phasors[at, 12] = self.step
            self.step += 1
            self.waves.head[0] = self.step


def test_tail_keeps_what_the_ring_has_overwritten() -> None:
    plant = Plant(capacity=4 * CHUNK)
    tail = TraceTail(plant.buffer, relay=1)
    for _ in range(24):
        plant.run(CHUNK // 2)
        tail.follow()
    found = tail.between(700, 2999)
    assert (found.step == np.arange(700, 3000)).all()
    assert (found.i_a[:, 0] == found.step).all()
    assert found.v_v.shape == (2300, 3)


def test_tail_has_the_newest_step_at_once() -> None:
    plant = Plant(capacity=4 * CHUNK)
    tail = TraceTail(plant.buffer, relay=1)
    plant.run(10)
    assert tail.between(0, 100).step.tolist() == list(range(10))


def test_tail_that_was_held_up_has_a_gap_and_says_which_steps_it_has() -> None:
    plant = Plant(capacity=4 * CHUNK)
    tail = TraceTail(plant.buffer, relay=1)
    plant.run(10 * CHUNK)
    found = tail.between(0, 10 * CHUNK)
    assert found.step[0] == 7 * CHUNK
    assert (found.i_a[:, 0] == found.step).all()


def test_tail_of_steps_that_never_were_is_empty() -> None:
    assert len(TraceTail(Plant(CHUNK * 4).buffer, 0).between(5, 9).step) == 0
