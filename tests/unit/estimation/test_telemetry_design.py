"""What a further measurement would buy, by a rank-k update, is what an estimate with it has."""

from __future__ import annotations

import numpy as np
import pytest

from estimation.bad_data import analyse
from estimation.channels import Floats
from estimation.injection_flow import InjectionFlow
from estimation.measurements import Kind, Measurement
from estimation.network_model import Status
from estimation.pseudo import Pseudo
from estimation.telemetry_design import Design, states_of_loads
from estimation.wls import Estimator
from tests.unit.estimation.test_stealth import network

ABC = (1, 2, 3)
EQUAL = 1e-6
"""Relative: the update and the new factor are the same formula in different order; rounding leaves 1e-9."""


def of(kind: Kind, element: str, terminal: int, nodes: tuple[int, ...] = ABC) -> list[Measurement]:
    return [
        Measurement(name=f"{kind} {element} {k}", kind=kind, element=element, terminal=terminal, nodes=(k,))
        for k in nodes
    ]


SET = [*of(Kind.V_MAG, "src", 0), *of(Kind.P_FLOW, "line.trunk", 1), *of(Kind.Q_FLOW, "line.trunk", 1)]
MORE = [*of(Kind.V_MAG, "c", 0), *of(Kind.P_FLOW, "switch.cb", 1), *of(Kind.I_MAG, "line.spur", 1, (1,))]


class Case:
    """The small network at its nominal loads; every load a pseudo-measurement."""

    def __init__(self) -> None:
        net = network()
        self.pseudo = Pseudo(net, None)
        self.estimator = Estimator(net, [*SET, *MORE, *self.pseudo.measurements])
        values, spread = self.pseudo.at(0)
        states = states_of_loads(self.estimator, self.pseudo, values)
        self.z = self.estimator.functionals.h(states) * self.estimator.functionals.scale
        own = [5.0 if m.kind is Kind.V_MAG else 1.0 if m.kind is Kind.I_MAG else 1e3 for m in (*SET, *MORE)]
        self.sigma = np.concatenate([own, spread])
        self.candidates = list(range(len(SET), len(SET) + len(MORE)))

    def design(self, added: list[int] | None = None) -> Design:
        """The design with these candidates in the set."""
        sigma = self.sigma.copy()
        sigma[[i for i in self.candidates if i not in (added or [])]] = np.inf
        assert self.estimator.estimate(self.z, sigma).converged
        return Design(self.estimator, self.candidates, self.sigma)


@pytest.fixture(scope="module")
def case() -> Case:
    return Case()


def test_states_of_nominal_loads_are_those_of_the_power_flow(case: Case) -> None:
    values, _ = case.pseudo.at(0)
    x = states_of_loads(case.estimator, case.pseudo, values)
    no_load = InjectionFlow(case.estimator.model).no_load()
    assert np.max(np.abs(x - no_load)) > 1e-3
    at = len(SET) + len(MORE)
    z = case.estimator.functionals.h(x) * case.estimator.functionals.scale
    # The flow comes to rest at 1e-12 pu: 1e-6 W of what is asked for are far above that.
    np.testing.assert_allclose(z[at:], values, atol=1e-3)


@pytest.mark.parametrize("which", [[0], [3], [6], [0, 1, 2], [0, 3, 4, 5, 6]])
def test_an_update_gives_what_an_estimate_with_the_meter_has(case: Case, which: list[int]) -> None:
    added = [case.candidates[k] for k in which]
    worth = case.design().with_more(added)
    real = case.design(added)
    np.testing.assert_allclose(worth.v_std_pu, real.v_std_pu, rtol=EQUAL)
    np.testing.assert_allclose(worth.flow_std_w, real.flow_std_w, rtol=EQUAL)
    own = real.redundancies[added]
    np.testing.assert_allclose(worth.own, own, atol=EQUAL)
    others = [i for i in range(len(case.sigma)) if i not in case.candidates]
    np.testing.assert_allclose(worth.omega[others], real.redundancies[others], atol=EQUAL)


def test_a_meter_never_makes_anything_less_known(case: Case) -> None:
    design = case.design()
    worth = design.with_more(case.candidates)
    assert np.all(worth.v_std_pu <= design.v_std_pu * (1.0 + EQUAL))
    assert np.all(worth.flow_std_w <= design.flow_std_w * (1.0 + EQUAL))
    # The voltage at c was known through its loads alone, whose power is known to a half: now to 5 V of 7200.
    assert np.min(worth.v_std_pu / design.v_std_pu) < 0.9


def test_redundancies_and_correlations_are_those_of_the_analysis(case: Case) -> None:
    design = case.design()
    omega: Floats = analyse(case.estimator).omega
    np.testing.assert_allclose(design.redundancies, omega, atol=1e-12)
    i = 0
    correlation = design.correlation(i)
    assert correlation[i] == pytest.approx(1.0)
    assert np.all(np.abs(correlation) <= 1.0 + EQUAL)


def test_standard_deviations_of_voltages_are_those_of_drawn_measurements(case: Case) -> None:
    """400 estimates of noisy measurements: their spread is the predicted one."""
    sigma = case.sigma.copy()
    sigma[case.candidates] = np.inf
    design = case.design()
    rng = np.random.default_rng(7)
    finite = np.where(np.isfinite(sigma), sigma, 0.0)
    n = 400
    found = np.array(
        [
            np.abs(case.estimator.estimate(case.z + finite * rng.standard_normal(len(sigma)), sigma).v)
            for _ in range(n)
        ]
    )
    std = (found.std(axis=0) / case.estimator.frame.nodes.base_v)[case.estimator.model.live]
    # The spread of a spread of n values is 1/sqrt(2n) = 3.5 %; five of those, and 2 % for the curvature.
    np.testing.assert_allclose(std, design.v_std_pu, rtol=5.0 / np.sqrt(2 * n) + 0.02)


def test_status_of_the_case_is_that_of_the_files(case: Case) -> None:
    assert case.estimator.status == Status.of(network())
