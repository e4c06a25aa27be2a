"""The augmented system on a network of three buses in the linear (DC) approximation, worked out by hand.

Reactances x12 0.1, x13 0.2, x23 0.25 pu; angles of buses 2 and 3 are the states; six measurements, P12, P13,
P23, P1, P2, P3. Estimates, J and normalised residuals were computed apart from this code, by the normal
equations, to 12 digits.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse as sp
from scipy.stats import binom, chi2

from estimation.augmented import EPS, Augmented, SingularError

Floats = npt.NDArray[np.float64]

H = np.array([[-10.0, 0.0], [0.0, -5.0], [4.0, -4.0], [-10.0, -5.0], [14.0, -4.0], [-4.0, 9.0]])
SIGMA = np.array([0.01, 0.01, 0.01, 0.02, 0.02, 0.02])
Z = np.array([0.504, 0.394, 0.123, 0.910, -0.392, -0.512])
HAT = np.array(
    [0.542952064547, 0.368296155672, 0.258186995729, 0.278120550546, 0.268628381585, 0.283815851922]
)
CLEAN_X, CLEAN_J = np.array([-0.0504878025629, -0.0796842904604]), 0.765486473659
CLEAN_RN = np.array(
    [0.129875226222, 0.556298878395, 0.721485173969, 0.39431773186, 0.228479521117, 0.189500911856]
)
GROSS_X, GROSS_J = np.array([-0.0491209302326, -0.0847720930233]), 87.3748837209
GROSS_RN = np.array([1.89196613334, 3.7569880027, 9.33434186772, 0.298349767087, 2.53713827226, 3.2179262567])
P23 = 2
DIGITS = 2e-11
"""The vector has 12 digits of numbers below 1; the damping moves an estimate by EPS / lambda_min, lambda_min
of the gain matrix being 1e6: 1e-12 of it."""
SAME_J = 1e-9
"""J is quadratic in what has 12 digits, and up to 100."""
DOF = 4


def three_buses() -> Augmented:
    system = Augmented(sp.csr_array(H != 0).astype(float), sp.csr_array((0, 2)))
    system.factor(H[H != 0], SIGMA)
    return system


def solved(z: Floats) -> tuple[Floats, float, Floats]:
    """Return x, J and absolute normalised residuals."""
    system = three_buses()
    s, x = system.solve(z / SIGMA, np.zeros(0), np.zeros(2))
    return x, float(s @ s), np.abs(s) / np.sqrt(system.omega_diagonal())


def test_the_estimate_of_three_buses_is_that_of_the_vector() -> None:
    x, j, rn = solved(Z)
    np.testing.assert_allclose(x, CLEAN_X, atol=DIGITS)
    assert j == pytest.approx(CLEAN_J, abs=SAME_J)
    np.testing.assert_allclose(rn, CLEAN_RN, atol=SAME_J)


def test_the_diagonal_of_the_hat_matrix_is_that_of_the_vector() -> None:
    hat = 1.0 - three_buses().omega_diagonal()
    np.testing.assert_allclose(hat, HAT, atol=DIGITS)
    assert hat.sum() == pytest.approx(2.0, abs=DIGITS)  # as many as states


def test_a_gross_error_in_one_flow_has_the_largest_residual() -> None:
    x, j, rn = solved(Z + 0.10 * (np.arange(6) == P23))
    np.testing.assert_allclose(x, GROSS_X, atol=DIGITS)
    assert j == pytest.approx(GROSS_J, abs=1e-8)  # given to 12 digits, 10 behind the point
    np.testing.assert_allclose(rn, GROSS_RN, atol=1e-8)
    assert np.argmax(rn) == P23
    assert j > chi2.ppf(0.99, DOF) > CLEAN_J


def test_a_consistent_falsehood_leaves_j_as_it_is() -> None:
    c = np.array([0.0, -0.02])
    before, after = solved(Z), solved(Z + H @ c)
    np.testing.assert_allclose(after[0], before[0] + c, atol=DIGITS)
    assert after[1] == pytest.approx(before[1], abs=1e-12)
    np.testing.assert_allclose(after[2], before[2], atol=1e-10)


def test_the_95_percent_test_alarms_in_5_percent_of_clean_runs() -> None:
    n, rng, system = 3000, np.random.default_rng(1), three_buses()
    errors = rng.standard_normal((n, 6))
    r = errors @ system.omega_columns(np.arange(6))
    alarms = int(np.sum(np.sum(r**2, axis=1) > chi2.ppf(0.95, DOF)))
    # 150 expected, scatter 12: outside this interval once in a thousand times.
    assert binom.ppf(0.0005, n, 0.05) <= alarms <= binom.ppf(0.9995, n, 0.05)


def test_omega_is_a_projector_and_orthogonal_to_h() -> None:
    omega = three_buses().omega_columns(np.arange(6))
    np.testing.assert_allclose(omega @ omega, omega, atol=1e-9)
    np.testing.assert_allclose(omega @ (H / SIGMA[:, None]), 0.0, atol=1e-6)  # of entries up to 1400


def test_the_covariance_is_the_inverse_of_the_gain_matrix() -> None:
    hs = H / SIGMA[:, None]
    found = three_buses().covariance_columns(np.eye(2))
    np.testing.assert_allclose(found, np.linalg.inv(hs.T @ hs), rtol=1e-9)


def test_an_exact_relation_is_kept_to_rounding_and_is_not_weighed() -> None:
    """2 x1 = x2: the same as least squares over the one state that is left."""
    exact = sp.csr_array(np.array([[2.0, -1.0]]))
    system = Augmented(sp.csr_array(H != 0).astype(float), exact)
    system.factor(H[H != 0], SIGMA)
    _, x = system.solve(Z / SIGMA, np.zeros(1), np.zeros(2))
    column = (H @ [1.0, 2.0]) / SIGMA
    assert x[1] == pytest.approx(2.0 * x[0], rel=1e-12)
    assert x[0] == pytest.approx(float(column @ (Z / SIGMA) / (column @ column)), rel=1e-10)
    assert system.omega_diagonal().sum() == pytest.approx(5.0, abs=1e-9)  # one state less


def test_a_measurement_without_weight_is_as_good_as_not_there() -> None:
    system, sigma = three_buses(), SIGMA.copy()
    sigma[P23] = np.inf
    system.factor(H[H != 0], sigma)
    _, x = system.solve(np.where(np.isfinite(sigma), Z / sigma, 0.0), np.zeros(0), np.zeros(2))
    rest = np.arange(6) != P23
    least = np.linalg.lstsq(H[rest] / SIGMA[rest, None], Z[rest] / SIGMA[rest], rcond=None)[0]
    np.testing.assert_allclose(x, least, atol=DIGITS)
    assert system.omega_diagonal()[P23] == pytest.approx(1.0, abs=1e-12)


def test_relations_that_repeat_each_other_are_an_error() -> None:
    exact = sp.csr_array(np.array([[1.0, 0.0], [1.0, 0.0]]))
    system = Augmented(sp.csr_array(H != 0).astype(float), exact)
    with pytest.raises(SingularError):
        system.factor(H[H != 0], SIGMA)
    assert not system.is_factored


def test_what_nothing_measures_stays_where_it_is() -> None:
    """The damping alone holds it: no step in that direction, and its variance is 1/EPS."""
    h = np.array([[1.0, 0.0], [2.0, 0.0]])
    system = Augmented(sp.csr_array(np.ones((2, 2))), sp.csr_array((0, 2)))
    system.factor(h.ravel(), np.ones(2))
    _, x = system.solve(np.array([1.0, 2.0]), np.zeros(0), np.zeros(2))
    np.testing.assert_allclose(x, [1.0, 0.0], atol=EPS)
    assert system.covariance_columns(np.eye(2))[1, 1] == pytest.approx(1.0 / EPS, rel=1e-9)


def test_columns_do_not_depend_on_how_many_are_asked_for() -> None:
    rng = np.random.default_rng(2)
    h = rng.standard_normal((90, 30))
    system = Augmented(sp.csr_array(np.ones_like(h)), sp.csr_array((0, 30)))
    system.factor(h.ravel(), np.ones(90))
    every = system.omega_columns(np.arange(90))  # in several portions
    few = system.omega_columns(np.array([70, 3, 41]))
    np.testing.assert_allclose(few, every[:, [70, 3, 41]], atol=1e-13)
    np.testing.assert_allclose(system.omega_diagonal(), np.diag(every), atol=1e-13)
