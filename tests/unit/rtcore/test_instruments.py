"""What an instrument makes of a true value: bias, noise, quantum, cut-off, range, quality."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcore.instruments import PointArrays, draw_gain, instrument_rows, measure
from rtcore.noise import quantile_table, step_key
from rtcore.quality import Quality

TABLE = quantile_table()
KEY = np.uint64(12345)


class Rig:
    """n equal instruments on one true value each."""

    def __init__(self, n: int = 1, *, low: float = -1e9, high: float = 1e9, **figures: float) -> None:
        self.x = np.zeros(n)
        self.points = PointArrays(
            instrument=instrument_rows(
                n,
                source=np.arange(n),
                factor=figures.get("factor", 1.0),
                gain=figures.get("gain", 1.0),
                noise_frac=figures.get("noise_frac", 0.0),
                noise_abs=figures.get("noise_abs", 0.0),
                quantum=figures.get("quantum", 0.0),
                cutoff=figures.get("cutoff", 0.0),
                low=low,
                high=high,
                is_analog=figures.get("is_analog", 1),
                is_network=figures.get("is_network", 1),
                node=figures.get("node", -1),
            ),
            is_health=np.zeros(n, np.uint8),
            writable=np.zeros(n, np.uint8),
            guard=np.full(n, -1),
            interlock=np.full((n, 1), -1),
            interlock_reason=np.full((n, 1), -1),
            hot=np.arange(n, dtype=np.int32),
            cold=np.zeros(0, np.int32),
            statuses=np.zeros(0, np.int32),
            stamp=np.full(n, -1),
        )
        self.live = np.ones(3, np.uint8)
        self.values, self.quality = np.zeros(n), np.full(n, 255, np.uint8)

    def measure(self, true: float | np.ndarray, step: int = 0, *, is_solved: bool = True) -> np.ndarray:
        self.x[:] = true
        key = np.uint64(step_key(KEY, step))
        measure(
            self.points, self.points.hot, self.x, self.live, is_solved, TABLE, key, self.values, self.quality
        )
        return self.values.copy()


def test_a_perfect_instrument_shows_the_truth_in_the_points_unit() -> None:
    rig = Rig(factor=1e-3)
    assert rig.measure(12_345.6)[0] == 12_345.6 * 1e-3
    assert rig.quality[0] == Quality.GOOD


def test_ratio_errors_are_fixed_by_the_seed_and_inside_the_class() -> None:
    class_frac = np.full(20_000, 0.005)
    gain = draw_gain(class_frac, np.random.default_rng(4))
    assert np.array_equal(gain, draw_gain(class_frac, np.random.default_rng(4)))
    assert not np.array_equal(gain, draw_gain(class_frac, np.random.default_rng(5)))
    error = gain - 1.0
    assert np.abs(error).max() <= 0.005 * (1 + 1e-12)  # rounding of 1 + g
    # a third of the class, less what the cut at three sigma takes (variance 0.99); five standard errors
    assert error.std() == pytest.approx(0.005 / 3.0, rel=5 / np.sqrt(2 * 20_000) + 0.01)
    assert abs(error.mean()) < 5 * 0.005 / 3 / np.sqrt(20_000)
    assert np.all(draw_gain(np.zeros(5), np.random.default_rng(1)) == 1.0)


def test_the_ratio_error_is_a_bias_and_does_not_change_from_step_to_step() -> None:
    rig = Rig(gain=1.003)
    assert {rig.measure(1000.0, step)[0] for step in range(50)} == {1000.0 * 1.003}


@pytest.mark.parametrize(
    ("frac", "absolute", "true"), [(0.01, 0.0, 500.0), (0.0, 2.0, 500.0), (0.01, 2.0, -500.0)]
)
def test_noise_has_the_declared_deviation_and_no_bias(frac: float, absolute: float, true: float) -> None:
    n, steps = 200, 200
    rig = Rig(n, noise_frac=frac, noise_abs=absolute)
    seen = np.array([rig.measure(true, step) for step in range(steps)]) - true
    sigma = frac * abs(true) + absolute
    total = n * steps
    # five standard errors of a deviation and of a mean
    assert seen.std() == pytest.approx(sigma, rel=5 / np.sqrt(2 * total))
    assert abs(seen.mean()) < 5 * sigma / np.sqrt(total)
    # instruments differ from each other and from step to step
    assert abs(np.corrcoef(seen[:, 0], seen[:, 1])[0, 1]) < 5 / np.sqrt(steps)
    assert abs(np.corrcoef(seen[:-1, 0], seen[1:, 0])[0, 1]) < 5 / np.sqrt(steps)


@given(st.floats(-1e6, 1e6), st.sampled_from([0.001, 0.1, 0.25, 3.0]))
def test_readings_are_whole_quanta_at_most_half_a_quantum_off(true: float, quantum: float) -> None:
    seen = Rig(quantum=quantum).measure(true)[0]
    assert seen / quantum == pytest.approx(round(seen / quantum), abs=1e-6)  # rounding of the product
    assert abs(seen - true) <= quantum / 2 * (1 + 1e-9) + abs(true) * 1e-15


@pytest.mark.parametrize(("true", "seen"), [(0.99, 0.0), (-0.99, 0.0), (1.0, 1.0), (-1.01, -1.01)])
def test_readings_below_the_cut_off_are_zero(true: float, seen: float) -> None:
    rig = Rig(cutoff=1.0)
    assert rig.measure(true)[0] == seen
    assert rig.quality[0] == Quality.GOOD


@pytest.mark.parametrize(
    ("true", "seen", "quality"),
    [
        (-10.0, -10.0, Quality.GOOD),
        (20.0, 20.0, Quality.GOOD),
        (20.0001, 20.0, Quality.UNCERTAIN_RANGE),
        (-1e30, -10.0, Quality.UNCERTAIN_RANGE),
        (float("inf"), 20.0, Quality.UNCERTAIN_RANGE),
    ],
)
def test_a_saturated_instrument_shows_its_limit_and_says_so(
    true: float, seen: float, quality: Quality
) -> None:
    rig = Rig(low=-10.0, high=20.0)
    assert rig.measure(true)[0] == seen
    assert rig.quality[0] == quality


@settings(max_examples=300)
@given(
    true=st.floats(-1e12, 1e12),
    high=st.floats(0.1, 1e6),
    quantum=st.sampled_from([0.0, 0.001, 0.1, 0.7, 13.0]),
    noise=st.floats(0.0, 100.0),
    step=st.integers(0, 10**12),
)
def test_a_reading_is_finite_and_inside_the_points_range(
    true: float, high: float, quantum: float, noise: float, step: int
) -> None:
    rig = Rig(low=-high / 3, high=high, quantum=quantum, noise_abs=noise)
    seen = rig.measure(true, step)[0]
    assert -high / 3 <= seen <= high


def test_a_dead_node_reads_zero_and_deenergised_until_it_lives_again() -> None:
    rig = Rig(node=1, noise_abs=5.0)
    rig.live[1] = 0
    assert rig.measure(230.0)[0] == 0.0
    assert rig.quality[0] == Quality.BAD_DEENERGISED
    rig.live[1] = 1
    assert rig.measure(230.0)[0] != 0.0
    assert rig.quality[0] == Quality.GOOD


def test_an_unsolved_network_keeps_the_last_value_and_says_not_converged() -> None:
    rig = Rig(node=1)
    rig.measure(230.0)
    assert rig.measure(float("nan"), is_solved=False)[0] == 230.0
    assert rig.quality[0] == Quality.BAD_NOT_CONVERGED
    rig.live[1] = 0  # unsolved counts more: whether the node is dead is not known either
    rig.measure(0.0, is_solved=False)
    assert rig.quality[0] == Quality.BAD_NOT_CONVERGED
    rig.live[1] = 1
    assert rig.measure(231.0)[0] == 231.0
    assert rig.quality[0] == Quality.GOOD


def test_what_is_not_of_the_network_is_measured_without_a_solution() -> None:
    rig = Rig(is_network=0)
    assert rig.measure(60.0, is_solved=False)[0] == 60.0
    assert rig.quality[0] == Quality.GOOD


def test_bits_and_setpoints_pass_unmeasured() -> None:
    rig = Rig(is_analog=0, gain=1.01, noise_abs=3.0, quantum=0.5, low=0.0, high=1.0)
    assert rig.measure(1.3, is_solved=False)[0] == 1.3
    assert rig.quality[0] == Quality.GOOD


def test_same_step_same_reading() -> None:
    rig = Rig(10, noise_abs=1.0)
    assert np.array_equal(rig.measure(5.0, 77), rig.measure(5.0, 77))
    assert not np.array_equal(rig.measure(5.0, 77), rig.measure(5.0, 78))
