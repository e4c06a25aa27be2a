"""The estimator at solved grids: exact scans give the exact state, whatever is missing, wrong or dead."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from estimation.measurements import Kind, Measurement
from estimation.network_model import Status
from estimation.robust import huber
from estimation.wls import Estimate, Estimator
from rtcore.network.grid import Grid
from tests.support import grid_readings as gr

Floats = npt.NDArray[np.float64]

NETWORKS = ("ieee13", "ieee123", "iowa240-prot")
EXACT_PU = 1e-6
"""Scans are of a grid at rest to 1e-8 pu; sigmas of single loads turn that into some tens of it."""


@dc.dataclass
class Case:
    """A solved grid with more measurements than states, its exact scan and sigmas."""

    grid: Grid
    listed: list[Measurement]
    z: Floats
    sigma: Floats

    def estimator(self) -> Estimator:
        return Estimator(self.grid.network, self.listed)

    def of(self, name: str) -> int:
        """Place of a measurement by its name."""
        return next(k for k, m in enumerate(self.listed) if m.name == name)

    def error_pu(self, found: Estimate) -> float:
        """The largest error of a magnitude."""
        true = np.where(found.live, np.abs(self.grid.voltages), 0.0)
        return float(np.max(np.abs(np.abs(found.v) - true) / self.grid.nodes.base_v))


def case(name: str, more: Sequence[Measurement] = (), every: int = 3, grid: Grid | None = None) -> Case:
    grid = grid or gr.solved(name)
    listed = [*gr.voltages(grid, every), *gr.loads(grid), *more]
    return Case(grid, listed, *gr.Readings(grid).scan(listed))


def noisy(at: Case, seed: int) -> Floats:
    return at.z + at.sigma * np.random.default_rng(seed).standard_normal(len(at.z))


@pytest.fixture(scope="module")
def feeder() -> Case:
    grid = gr.solved("ieee13")
    return case("ieee13", gr.flows(grid), grid=grid)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_cold_start_finds_the_state_of_an_exact_scan(name: str) -> None:
    at = case(name)
    found = at.estimator().estimate(at.z, at.sigma)
    assert found.converged, found.reason
    assert at.error_pu(found) < EXACT_PU
    assert found.j < 1e-6 and found.dof > 0
    assert found.observable.all()


def test_currents_and_flows_of_branches_agree_with_the_rest(feeder: Case) -> None:
    found = feeder.estimator().estimate(feeder.z, feeder.sigma)
    assert found.converged, found.reason
    assert feeder.error_pu(found) < EXACT_PU
    assert found.j < 1e-6


def test_a_warm_start_comes_to_rest_where_a_cold_one_does(feeder: Case) -> None:
    warm = feeder.estimator()
    for seed in range(5):
        z = noisy(feeder, seed)
        one, other = warm.estimate(z, feeder.sigma), feeder.estimator().estimate(z, feeder.sigma)
        # Both stop when their steps are below 1e-8 pu, or 1e-5 where J stands still to 1e-7.
        assert one.j == pytest.approx(other.j, rel=1e-6)
        assert np.abs(one.v - other.v).max() / feeder.grid.nodes.base_v.max() < 1e-5
    assert one.iterations < other.iterations
    assert not one.refactored


@pytest.mark.parametrize("offset_deg", [150.0, -90.0, 179.0, 181.0])
def test_measured_angles_may_be_to_any_reference(offset_deg: float) -> None:
    """A common offset turns the state and changes nothing else; readings are within half a turn."""
    grid = gr.solved("ieee13")
    names = ("671.1", "671.2", "671.3", "680.1")
    at = case("ieee13", [gr.at_node(Kind.V_ANG, n) for n in names], grid=grid)
    is_angle = np.array([m.kind is Kind.V_ANG for m in at.listed])
    z = np.where(is_angle, (at.z + offset_deg + 180.0) % 360.0 - 180.0, at.z)
    estimator = at.estimator()
    found = estimator.estimate(z, at.sigma)
    assert found.converged, found.reason
    assert at.error_pu(found) < EXACT_PU
    assert found.j < 1e-6
    turned = np.angle(found.v * np.exp(-1j * np.radians(offset_deg)) / grid.voltages)
    assert np.abs(turned).max() < EXACT_PU  # [rad], as exact as the magnitudes are [pu]
    # Without the angles the reference is upstream again, whatever they were.
    assert estimator.estimate(np.where(is_angle, np.nan, z), at.sigma).converged
    assert estimator.estimate(z, at.sigma).converged


def test_residuals_fit_and_weights_are_in_si(feeder: Case) -> None:
    z = noisy(feeder, 1)
    found = feeder.estimator().estimate(z, feeder.sigma)
    np.testing.assert_allclose(found.residuals + found.fitted, z, rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(found.weighted, found.residuals / feeder.sigma, rtol=1e-9, atol=1e-12)
    assert found.j == pytest.approx(float(np.sum(found.weighted**2)), rel=1e-12)
    # Chi-square with dof degrees: within 5 of its scatters.
    assert abs(found.j - found.dof) < 5.0 * np.sqrt(2.0 * found.dof)


def test_wrong_weights_show_in_j_and_hardly_move_the_state(feeder: Case) -> None:
    z = noisy(feeder, 1)
    estimator = feeder.estimator()
    right = estimator.estimate(z, feeder.sigma)
    wrong = estimator.estimate(z, feeder.sigma / 3.0)
    assert wrong.refactored  # weights by which another factor is due
    assert wrong.j == pytest.approx(9.0 * right.j, rel=1e-5)  # of a common factor the state does not depend
    assert wrong.j > wrong.threshold > right.j
    np.testing.assert_allclose(wrong.v, right.v, rtol=1e-5)


def test_a_meter_said_to_be_much_better_draws_the_state_to_itself(feeder: Case) -> None:
    z, sigma = noisy(feeder, 1), feeder.sigma.copy()
    sigma[5] /= 1e3
    found = feeder.estimator().estimate(z, sigma)
    assert found.converged
    assert abs(found.residuals[5]) < 0.01 * feeder.sigma[5]


def test_the_robust_option_withstands_a_gross_error(feeder: Case) -> None:
    z = feeder.z.copy()
    z[feeder.of("v_mag 671.1")] += 40.0 * feeder.sigma[feeder.of("v_mag 671.1")]
    plain = feeder.estimator().estimate(z, feeder.sigma)
    robust = huber(feeder.estimator(), z, feeder.sigma)
    assert robust.converged, robust.reason
    # A bounded influence: 1.5 sigma of one among many, instead of 40.
    assert feeder.error_pu(robust) < 0.1 * feeder.error_pu(plain)


def test_without_errors_the_robust_estimate_is_least_squares(feeder: Case) -> None:
    z = feeder.z + 0.3 * (noisy(feeder, 1) - feeder.z)  # no residual beyond 1.5 sigma
    one = feeder.estimator().estimate(z, feeder.sigma)
    other = huber(feeder.estimator(), z, feeder.sigma)
    assert np.nanmax(np.abs(one.weighted)) < 1.5
    np.testing.assert_allclose(other.v, one.v, rtol=1e-7)


def test_measured_angles_take_the_place_of_the_reference() -> None:
    grid = gr.solved("ieee13")
    angles = [gr.at_node(Kind.V_ANG, n) for n in ("632.1", "632.2", "632.3", "671.1")]
    at = case("ieee13", angles, grid=grid)
    turn = 25.0
    z = at.z + turn * np.array([m.kind is Kind.V_ANG for m in at.listed])
    estimator = at.estimator()
    found = estimator.estimate(z, at.sigma)
    assert found.converged, found.reason
    assert found.j < 1e-6
    true = grid.voltages * np.exp(1j * np.radians(turn))
    np.testing.assert_allclose(found.v / grid.nodes.base_v, true / grid.nodes.base_v, atol=EXACT_PU)
    # When they are gone the reference is back.
    z[[m.kind is Kind.V_ANG for m in at.listed]] = np.nan
    found = estimator.estimate(z, at.sigma)
    np.testing.assert_allclose(found.v / grid.nodes.base_v, grid.voltages / grid.nodes.base_v, atol=EXACT_PU)


def test_angles_near_180_degrees_are_no_different_from_others() -> None:
    grid = gr.solved("ieee13")
    angles = [gr.at_node(Kind.V_ANG, n) for n in ("632.1", "632.2", "632.3")]
    at = case("ieee13", angles, grid=grid)
    is_angle = np.array([m.kind is Kind.V_ANG for m in at.listed])
    turn = 180.0 - at.z[is_angle].max()  # the first one stands at the seam, noise puts it beyond
    z = at.z + turn * is_angle
    z[is_angle] = (z[is_angle] + 0.01 + 180.0) % 360.0 - 180.0
    found = at.estimator().estimate(z, at.sigma)
    assert found.converged, found.reason
    assert found.j < 1.0


# --- what is not there -------------------------------------------------------------------------------


def test_missing_values_are_left_out_and_the_rest_is_as_good(feeder: Case) -> None:
    z, sigma = feeder.z.copy(), feeder.sigma.copy()
    z[[0, 7]], sigma[[3, 12]] = np.nan, np.inf
    found = feeder.estimator().estimate(z, sigma)
    assert np.flatnonzero(~found.used).tolist() == [0, 3, 7, 12]
    assert np.isnan(found.residuals[[0, 3, 7, 12]]).all()
    assert feeder.error_pu(found) < EXACT_PU
    assert found.dof == feeder.estimator().estimate(feeder.z, feeder.sigma).dof - 4


@pytest.mark.parametrize(
    ("z", "sigma"), [(np.nan, 1.0), (1.0, np.inf), (np.inf, 1.0), (1.0, 0.0), (1.0, np.nan)]
)
def test_when_nothing_is_there_nothing_is_observable_and_nothing_raised(
    feeder: Case, z: float, sigma: float
) -> None:
    m, estimator = len(feeder.z), feeder.estimator()
    found = estimator.estimate(np.full(m, z), np.full(m, sigma))
    assert not found.used.any()
    assert not found.observable.any()
    assert found.j == 0.0
    again = estimator.estimate(feeder.z, feeder.sigma)
    assert again.converged and feeder.error_pu(again) < EXACT_PU


@pytest.mark.parametrize("huge", [1e30, -1e30, 1e300])
def test_absurd_values_are_told_and_the_next_scan_is_as_if_nothing_had_been(
    feeder: Case, huge: float
) -> None:
    estimator = feeder.estimator()
    z = feeder.z.copy()
    z[4] = huge
    found = estimator.estimate(z, feeder.sigma)
    assert not found.converged or found.j > 1e6 * found.threshold
    assert found.converged == (found.reason == "")
    again = estimator.estimate(feeder.z, feeder.sigma)
    assert again.converged and feeder.error_pu(again) < EXACT_PU


# --- switching ---------------------------------------------------------------------------------------


def switched(grid: Grid, name: str, is_closed: bool) -> Status:
    grid.set_switch(name, is_closed)
    gr.re_solved(grid)
    return Status.of(grid.network).with_switch(name, is_closed)


def test_what_is_behind_an_open_breaker_is_dead_and_its_pseudo_measurements_are_not_used() -> None:
    grid = gr.solved("iowa240-prot")
    status = switched(grid, "cb_202", False)
    at = case("iowa240-prot", grid=grid)
    at.listed = [dc.replace(m, is_pseudo=m.kind is not Kind.V_MAG) for m in at.listed]
    nominal = gr.Readings(gr.solved("iowa240-prot")).values(at.listed)
    z = np.where([m.is_pseudo for m in at.listed], nominal, at.z)
    is_dead = [not grid.live[grid.nodes.of(m.element, m.nodes)[0]] for m in at.listed]
    z = np.where(is_dead, z, at.z)  # history goes on as if there were supply
    estimator = at.estimator()
    estimator.set_status(status)
    found = estimator.estimate(z, at.sigma)
    assert found.converged, found.reason
    np.testing.assert_array_equal(found.live, grid.live)
    assert not np.any(found.v[~grid.live])
    # Pseudo-measurements because nothing can be drawn, voltages because zero is what must be there.
    np.testing.assert_array_equal(~found.used, is_dead)
    assert sum(m.is_pseudo and d for m, d in zip(at.listed, is_dead, strict=True)) > 50
    assert at.error_pu(found) < EXACT_PU
    assert found.j < 1e-6


def test_switching_between_scans_gives_what_a_fresh_estimator_finds() -> None:
    grid = gr.solved("iowa240-prot")
    before = case("iowa240-prot", grid=grid)
    estimator = before.estimator()
    estimator.estimate(before.z, before.sigma)
    status = switched(grid, "cb_202", False)
    after = case("iowa240-prot", grid=grid)
    for s, at in ((status, after), (Status.of(grid.network), before), (status, after)):
        estimator.set_status(s)
        found = estimator.estimate(at.z, at.sigma)
        fresh = Estimator(grid.network, at.listed, status=s).estimate(at.z, at.sigma)
        assert found.converged and fresh.converged
        difference = np.abs(found.v - fresh.v) / grid.nodes.base_v
        assert difference.max() < 1e-8  # both rest where steps are below 1e-8 pu, and shrink by ten each


def test_voltage_at_a_dead_bus_contradicts_and_is_seen() -> None:
    grid = gr.solved("iowa240-prot")
    at = case("iowa240-prot", grid=grid)
    estimator = at.estimator()
    estimator.set_status(Status.of(grid.network).with_switch("cb_202", False))
    found = estimator.estimate(at.z, at.sigma)  # the breaker is closed: everything is alive
    assert found.converged
    dead = ~found.live
    assert dead.any() and not found.v[dead].any()
    # A full voltage at 0.2 %: 500 sigma, of every meter there.
    assert found.j > 1e5 * np.count_nonzero(dead) / 3 > found.threshold


def test_currents_of_open_poles_that_read_zero_say_nothing_and_count_nothing() -> None:
    grid = gr.solved("iowa240-prot")
    tie = [gr.into(Kind.I_MAG, "switch.cb_102", 1, (k,)) for k in (1, 2, 3)]
    without, at = case("iowa240-prot", grid=grid), case("iowa240-prot", tie, grid=grid)
    one = without.estimator().estimate(without.z, without.sigma)
    other = at.estimator().estimate(at.z, at.sigma)
    assert other.dof == one.dof  # or J would be less than its degrees of freedom
    z = at.z.copy()
    z[-1] = 50.0  # A, through an open pole
    seen = at.estimator().estimate(z, at.sigma)
    assert seen.j > seen.threshold
    assert seen.dof == one.dof + 1


def test_an_upstream_that_is_not_balanced_is_found_when_left_free() -> None:
    """Voltages of the source's bus are what they are, each phase; only then is the scan consistent."""
    at = case("ieee13")
    estimator = Estimator(at.grid.network, at.listed, upstream="free")
    found = estimator.estimate(at.z, at.sigma)
    assert found.converged, found.reason
    assert found.dof < at.estimator().estimate(at.z, at.sigma).dof  # two complex relations less
    assert found.j < 1e-6
