"""Gross errors: what is seen, what is named, what cannot be."""

from __future__ import annotations

import dataclasses as dc

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import norm

from estimation import bad_data
from estimation.measurements import Kind, Measurement
from estimation.wls import Estimate, Estimator
from tests.support import grid_readings as gr

Floats = npt.NDArray[np.float64]


@dc.dataclass
class Case:
    estimator: Estimator
    z: Floats
    sigma: Floats

    @property
    def listed(self) -> list[Measurement]:
        return self.estimator.measurements

    def of(self, name: str) -> int:
        return next(k for k, m in enumerate(self.listed) if m.name == name)

    def noisy(self, seed: int = 1) -> Floats:
        return self.z + self.sigma * np.random.default_rng(seed).standard_normal(len(self.z))


def case(kinds: tuple[str, ...], every: int = 1) -> Case:
    """The 13-bus feeder with voltages, loads and flows of some kinds of branches."""
    grid = gr.solved("ieee13")
    listed = [*gr.voltages(grid, every), *gr.loads(grid), *gr.flows(grid, kinds)]
    return Case(Estimator(grid.network, listed), *gr.Readings(grid).scan(listed))


@pytest.fixture(scope="module")
def rich() -> Case:
    """Everything is measured several times."""
    return case(("line", "switch", "transformer"))


def test_the_threshold_is_passed_by_one_clean_scan_in_a_hundred() -> None:
    for m in (1, 100, 1000):
        one = 2.0 * norm.sf(bad_data.lnr_threshold(m))
        assert m * one == pytest.approx(0.01, rel=1e-9)
    assert bad_data.lnr_threshold(1000) == pytest.approx(4.417, abs=1e-3)  # tables of the normal distribution
    assert bad_data.lnr_threshold(0) == bad_data.lnr_threshold(1)


def test_redundancies_add_up_to_the_degrees_of_freedom(rich: Case) -> None:
    found = rich.estimator.estimate(rich.noisy(), rich.sigma)
    analysis = bad_data.analyse(rich.estimator)
    # The trace of a projector is its rank; the diagonal is clipped at 0 and solved for to 1e-9.
    assert np.nansum(analysis.omega) == pytest.approx(found.dof, abs=1e-5)
    assert not analysis.critical.any()
    assert analysis.redundancy > 1.0


def test_an_error_of_the_detectable_size_is_found_four_times_in_five(rich: Case) -> None:
    """The size is by definition that of a mean beyond the threshold by the quantile of the misses."""
    estimate = rich.estimator.estimate(rich.z, rich.sigma)
    analysis = bad_data.analyse(rich.estimator)
    limit = bad_data.lnr_threshold(int(np.count_nonzero(estimate.used)))
    for name in ("v_mag 671.1", "p_flow line.632670:1.2", "i_mag switch.671692:1.1"):
        k = rich.of(name)
        z = rich.z + analysis.detectable[k] * (np.arange(len(rich.z)) == k)
        rn = bad_data.normalised(rich.estimator.estimate(z, rich.sigma), analysis.omega)
        # Without noise the residual is its mean; 2 %: h is not linear over some sigmas.
        assert rn[k] == pytest.approx(limit + norm.ppf(0.8), rel=0.02)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("name", ["v_mag 675.2", "p_flow line.632670:1.2", "q_flow line.632645:1.3"])
def test_a_gross_error_is_removed_and_its_size_is_told(rich: Case, name: str, sign: float) -> None:
    """20 sigma: 15 beyond the threshold in a redundant measurement, never missed."""
    k = rich.of(name)
    z = rich.noisy()
    clean = rich.estimator.estimate(z, rich.sigma)
    z[k] += sign * 20.0 * rich.sigma[k]
    found = bad_data.identify(rich.estimator, z, rich.sigma)
    assert [r.index for r in found.removed] == [k]
    assert found.is_finished
    assert not found.estimate.used[k]
    # Its standard deviation is sigma / sqrt(Omega), 1.4 sigma at most here: four of them, and its own noise.
    assert found.removed[0].error == pytest.approx(sign * 20.0 * rich.sigma[k], abs=6.0 * rich.sigma[k])
    # Without one of many the state moves by less than a sigma of a voltmeter.
    assert np.abs(np.abs(found.estimate.v) - np.abs(clean.v)).max() < 0.002 * np.abs(clean.v).max()


def test_several_gross_errors_are_removed_one_by_one(rich: Case) -> None:
    bad = {rich.of(n) for n in ("v_mag 675.2", "p_flow line.632670:1.2", "q_flow line.632645:1.3")}
    z = rich.noisy()
    for k in bad:
        z[k] += 25.0 * rich.sigma[k]
    found = bad_data.identify(rich.estimator, z, rich.sigma)
    assert {r.index for r in found.removed} == bad
    sizes = [abs(r.rn) for r in found.removed]
    assert sizes[0] == max(sizes)
    assert found.estimate.j < found.estimate.threshold


def test_clean_data_lose_nothing(rich: Case) -> None:
    for seed in range(3):
        found = bad_data.identify(rich.estimator, rich.noisy(seed), rich.sigma)
        assert found.removed == () and found.is_finished


def test_twelve_independent_errors_are_all_removed(rich: Case) -> None:
    """40 sigma each, at meters that do not share an element: every removal is right, and lowers J."""
    names = [f"v_mag {n}" for n in ("671.1", "675.2", "634.3", "611.3", "646.2", "652.1")]
    names += ["p_flow line.632670:1.2", "q_flow line.632645:1.3", "p_flow line.692675:1.1"]
    names += ["q_flow line.692675:1.3", "i_mag line.632633:1.1", "p_flow line.684611:1.3"]
    z, bad = rich.noisy(), {rich.of(n) for n in names}
    for k in bad:
        z[k] += 40.0 * rich.sigma[k]
    found = bad_data.identify(rich.estimator, z, rich.sigma)
    assert {r.index for r in found.removed} == bad
    assert found.is_finished
    assert found.estimate.j < found.estimate.threshold


def test_it_gives_up_where_no_few_measurements_are_to_blame(rich: Case) -> None:
    """Everything contradicts everything: the search ends, and says that it found no end."""
    z = rich.z + 30.0 * rich.sigma * np.random.default_rng(1).choice([-1.0, 1.0], len(rich.z))
    found = bad_data.identify(rich.estimator, z, rich.sigma)
    assert 0 < len(found.removed) <= bad_data.REMOVED_MAX
    assert found.rn_max > found.threshold
    assert not found.is_finished
    assert found.estimate.converged


class Stuck(Estimator):
    """Finds no state without its first measurement."""

    def estimate(self, z: Floats, sigma: Floats) -> Estimate:
        found = super().estimate(z, sigma)
        return found if np.isfinite(sigma[0]) else dc.replace(found, converged=False)


def test_a_removal_without_which_no_state_is_found_is_taken_back(rich: Case) -> None:
    estimator = Stuck(rich.estimator.network, rich.listed)
    z = rich.noisy()
    z[0] += 40.0 * rich.sigma[0]
    found = bad_data.identify(estimator, z, rich.sigma)
    assert found.removed == ()
    assert found.estimate.converged and found.estimate.used[0]
    assert not found.is_finished
    assert np.isfinite(estimator.system.sigma[0])  # the factor is of what was returned


def test_the_threshold_counts_what_is_tested(rich: Case) -> None:
    """Not critical measurements, not anchors."""
    estimate = rich.estimator.estimate(rich.noisy(), rich.sigma)
    m = int(np.count_nonzero(estimate.used))
    omega = bad_data.analyse(rich.estimator).omega
    omega[:10] = 0.0
    found = bad_data.identify(rich.estimator, rich.noisy(), rich.sigma, estimate, omega, m - 5)
    assert found.threshold == bad_data.lnr_threshold(m - 15)


def test_the_likeliest_candidates_hold_the_largest_of_all(rich: Case) -> None:
    z = rich.noisy()
    z[rich.of("v_mag 671.1")] += 15.0 * rich.sigma[rich.of("v_mag 671.1")]
    estimate = rich.estimator.estimate(z, rich.sigma)
    analysis = bad_data.analyse(rich.estimator)
    every = np.abs(np.nan_to_num(bad_data.normalised(estimate, analysis.omega)))
    few = bad_data.largest(rich.estimator, estimate, analysis.omega)
    assert few.which[0] == np.argmax(every)
    np.testing.assert_allclose(np.abs(few.rn), every[few.which], rtol=1e-6)
    assert (np.diff(np.abs(few.rn)) <= 0.0).all()
    assert few.columns.shape == (len(z), len(few.which))


def test_without_redundancy_every_measurement_is_critical_and_no_error_is_seen() -> None:
    grid = gr.solved("ieee13")
    listed = [*gr.loads_once(grid), gr.at_node(Kind.V_MAG, "650.1")]
    estimator = Estimator(grid.network, listed)
    z, sigma = gr.Readings(grid).scan(listed)
    z[-1] *= 1.02
    estimate = estimator.estimate(z, sigma)
    analysis = bad_data.analyse(estimator)
    assert analysis.critical.all()
    assert np.isinf(analysis.detectable).all()
    assert np.isnan(bad_data.normalised(estimate, analysis.omega)).all()
    assert bad_data.identify(estimator, z, sigma).removed == ()


def test_two_meters_in_a_row_check_each_other_and_cannot_be_told_apart() -> None:
    """The same flow read twice, and nothing else that knows it: equal and opposite residuals."""
    grid = gr.solved("ieee13")
    twice = [dc.replace(gr.into(Kind.P_FLOW, "line.684611", 1, (3,)), name=n) for n in ("one", "other")]
    others = [m for m in gr.loads(grid) if m.element != "611"]
    q = gr.into(Kind.Q_FLOW, "line.684611", 1, (3,))
    listed = [*twice, q, *others, gr.at_node(Kind.V_MAG, "650.1")]
    estimator = Estimator(grid.network, listed)
    z, sigma = gr.Readings(grid).scan(listed)
    z[0] += 30.0 * sigma[0]
    found = bad_data.identify(estimator, z, sigma)
    (removed,) = found.removed
    assert {removed.index, *removed.alike} == {0, 1}
    estimator.estimate(z, sigma)
    assert bad_data.correlated(estimator, np.array([0, 1])) == [(1,), (0,)]
    # Two equal meters share their error, half each: half of the variance is left.
    np.testing.assert_allclose(bad_data.analyse(estimator).omega[:2], 0.5, atol=1e-3)


def test_a_measurement_that_is_far_better_than_its_neighbours_has_leverage(rich: Case) -> None:
    """It is where the estimate is, whatever the others say."""
    k = rich.of("v_mag 671.1")
    sigma = rich.sigma.copy()
    sigma[k] /= 30.0
    rich.estimator.estimate(rich.z, sigma)
    analysis = bad_data.analyse(rich.estimator)
    assert analysis.leverage[k] and not analysis.critical[k]


def test_what_is_not_there_is_neither_critical_nor_tested(rich: Case) -> None:
    z = rich.noisy()
    z[3] = np.nan
    estimate = rich.estimator.estimate(z, rich.sigma)
    analysis = bad_data.analyse(rich.estimator)
    assert np.isnan(analysis.omega[3]) and not analysis.critical[3]
    assert np.isnan(bad_data.normalised(estimate, analysis.omega)[3])
    assert 3 not in bad_data.largest(rich.estimator, estimate).which


def test_without_any_measurement_nothing_is_named(rich: Case) -> None:
    found = bad_data.identify(rich.estimator, np.full(len(rich.z), np.nan), rich.sigma)
    assert found.removed == ()
    assert found.rn_max == 0.0
