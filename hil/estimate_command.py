"""``gridhil estimate NETWORK --measurements FILE``: state, tests, suspects, and what else could be wrong.

Order: estimate; remove the largest normalised residuals while they are beyond their threshold; where that is
not one measurement and all is well, try every switch in its other position and every tap. What is published
is the estimate without the suspects, under the status as it was given: hypotheses are named, not taken.
"""

from __future__ import annotations

import dataclasses as dc
from typing import Any

import numpy as np

from estimation import bad_data
from estimation.anchors import Bools, anchors, estimate_held, without_anchors
from estimation.augmented import SingularError
from estimation.measurements import UNIT
from estimation.network_model import Status, Upstream
from estimation.robust import huber
from estimation.topology_errors import Hypothesis, explains, find_switch, find_tap
from estimation.topology_evidence import contradicted
from estimation.wls import Estimate, Estimator, threshold
from hil.measurement_files import MeasurementSet
from hil.nominal_loads import with_loads
from hil.output import finite
from rtcore.network.model import Network

SWITCHES_MAX = 3
"""Hypotheses that are tried where no state was found."""
TAP_ROUNDS = 4
"""Regulators stand behind each other: their taps are estimated in turn until none moves, so often at most."""

NOTHING: dict[str, Any] = {
    "j_after_removal": None,
    "dof_after_removal": None,
    "is_clean": False,
    "redundancy": None,
    "unobservable": [],
    "critical": [],
    "nodes": {},
    "measurements": [],
    "switch_suspect": None,
    "tap_suspect": None,
}
"""What there is to say where no state was found."""


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to estimate.

    Attributes
    ----------
    upstream : {"balanced", "free"}
    is_robust : bool
        Huber's estimate; suspects are then named and not removed.
    removes : bool
    status : Status
    load_sigma_pct : float, optional
        Standard deviation of loads that are not measured, of their nominal apparent power [%]; None: unknown.
    estimates_taps : bool
    """

    status: Status
    upstream: Upstream = "balanced"
    is_robust: bool = False
    removes: bool = True
    load_sigma_pct: float | None = None
    estimates_taps: bool = False


def run(network: Network, measured: MeasurementSet, options: Options) -> dict[str, Any]:
    """Estimate and return everything that is found, JSON-ready; see ``docs/estimation.md``."""
    return _Run(network, measured, options).document()


class _Run:
    """One file, one network: the estimator's measurements are those of the file, then loads, then anchors.

    Attributes
    ----------
    n : int
        Measurements without anchors.
    first, findings, final : Estimate, Findings, Estimate
        Of all measurements; what was found bad; without the suspects that were removed.
    """

    def __init__(self, network: Network, measured: MeasurementSet, options: Options) -> None:
        self.network, self.options = network, options
        measurements, z, sigma = with_loads(network, measured, options.load_sigma_pct)
        held, z_held, sigma_held = anchors(network)
        self.n = len(measurements)
        self.names = [m.name for m in measurements]
        self.estimator = Estimator(
            network, [*measurements, *held], upstream=options.upstream, status=options.status
        )
        self.z = np.concatenate([z, z_held])
        self.first, self.sigma = estimate_held(
            self.estimator, self.z, np.concatenate([sigma, sigma_held]), self.n
        )
        if options.estimates_taps and self.first.converged:
            self._settle_taps()
        if options.is_robust and self.first.converged:
            self.first = huber(self.estimator, self.z, self.sigma)
        self.findings = self._find()
        self.final = self.findings.estimate

    def _settle_taps(self) -> None:
        """Move every tap to where J is least; the estimator keeps the status found."""
        for _ in range(TAP_ROUNDS):
            has_moved = False
            for regulator in self.network.regulators:
                found = find_tap(self.estimator, self.z, self.sigma, self.first, regulator.name)
                if found is not None:
                    self.estimator.set_status(found.status)
                    self.first, has_moved = self.estimator.estimate(self.z, self.sigma), True
            if not has_moved:
                break
        self.first = self.estimator.estimate(self.z, self.sigma)

    def _find(self) -> bad_data.Findings:
        """Identify and remove, or only name what is beyond its threshold."""
        estimate, estimator = self.first, self.estimator
        omega = bad_data.analyse(estimator).omega if estimate.converged else None
        if omega is None or (self.options.removes and not self.options.is_robust):
            return bad_data.identify(estimator, self.z, self.sigma, estimate, omega, self.n)
        limit = bad_data.lnr_threshold(bad_data.n_tested(estimate, omega, n=self.n))
        rn = np.nan_to_num(bad_data.normalised(estimate, omega)[: self.n])
        beyond = np.argsort(-np.abs(rn), kind="stable")[: np.count_nonzero(np.abs(rn) > limit)]
        alike = bad_data.correlated(estimator, beyond)
        named = tuple(
            bad_data.Removed(i, float(rn[i]), float(estimate.residuals[i] / omega[i]), others)
            for i, others in zip(beyond.tolist(), alike, strict=True)
        )
        rn_max = float(np.max(np.abs(rn), initial=0.0))
        return bad_data.Findings(named, estimate, rn_max, limit, is_finished=not named)

    # -- what else could be wrong --------------------------------------------------------

    def _hypotheses(self, dof: int) -> dict[str, Any]:
        """Return the switch and the tap that would explain what no single measurement does."""
        first, findings = self.first, self.findings
        nothing = {"switch_suspect": None, "tap_suspect": None}
        is_single = len(findings.removed) == 1 and findings.is_finished
        is_well = first.converged and first.j <= threshold(dof)
        if dof <= 0 or is_well or (is_single and self.final.j <= self.final.threshold):
            return nothing
        if first.converged:
            switches = [s.name for s in self.network.switches]
        else:  # a status without a state is slow to refuse: only those that voltages speak against
            known = np.where(np.arange(len(self.z)) < self.n, self.z, np.nan)
            switches = contradicted(self.estimator, known, SWITCHES_MAX)
        switch = find_switch(self.estimator, self.z, self.sigma, first, switches)
        has_tap = first.converged and not self.options.estimates_taps
        tap = self._best_tap() if has_tap else None
        return {
            "switch_suspect": None if switch is None else _of_switch(switch),
            "tap_suspect": None if tap is None else _of_tap(tap, self.options.status),
        }

    def _best_tap(self) -> Hypothesis | None:
        names = [r.name for r in self.network.regulators]
        found = [find_tap(self.estimator, self.z, self.sigma, self.first, name) for name in names]
        good = [h for h in found if h is not None and explains(h, self.first)]
        return min(good, key=lambda h: h.estimate.j, default=None)

    # -- the document --------------------------------------------------------------------

    def document(self) -> dict[str, Any]:
        """Return everything."""
        final, findings, estimator = self.final, self.findings, self.estimator
        doc: dict[str, Any] = {
            "converged": final.converged,
            "reason": final.reason,
            "iterations": self.first.iterations,
            "taps": dict(estimator.status.taps),
            "dead_nodes": [n for n, alive in zip(estimator.nodes, final.live, strict=True) if not alive],
            "rn_threshold": findings.threshold,
            "suspects": [self._suspect(r) for r in findings.removed],
        }
        if not final.converged:
            unseen = self._unobservable_at_start()
            doc |= NOTHING | _j_of(self.first.j, self.first.dof) | {"unobservable": unseen}
            return doc | self._hypotheses(self.first.dof)
        sigma = self.sigma.copy()
        if final is not self.first:
            sigma[[r.index for r in findings.removed]] = np.inf
        observable, n_open = without_anchors(estimator, sigma, self.n)
        analysis = bad_data.analyse(estimator)
        # Anchors take part in the estimate, and not in what it is tested by.
        n_fixed = estimator.system.n - estimator.system.p - n_open
        dof = [int(np.count_nonzero(e.used[: self.n])) - n_fixed for e in (self.first, final)]
        j = [float(np.nansum(e.weighted[: self.n] ** 2)) for e in (self.first, final)]
        doc |= _j_of(j[0], dof[0]) | {
            "j_after_removal": j[1],
            "dof_after_removal": dof[1],
            "is_clean": findings.is_finished and not j[1] > threshold(dof[1]),
            "redundancy": analysis.redundancy,
            "unobservable": self._buses(final.live & ~observable),
            "critical": [
                self.names[i]
                for i in np.flatnonzero(analysis.critical[: self.n]).tolist()
                if not estimator.is_pseudo[i]
            ],
            "nodes": _nodes(estimator, final, observable),
            "measurements": self._rows(analysis),
        }
        return doc | self._hypotheses(dof[0])

    def _buses(self, chosen: Bools) -> list[str]:
        """Return the buses of nodes, each once."""
        at = [self.estimator.nodes[i].rpartition(".")[0] for i in np.flatnonzero(chosen).tolist()]
        return list(dict.fromkeys(at))

    def _unobservable_at_start(self) -> list[str]:
        """Return the buses that are not observable where no current flows: no other state is known."""
        estimator = self.estimator
        estimator.x = estimator.start.copy()
        try:
            observable, _ = without_anchors(estimator, self.sigma, self.n)
        except SingularError:
            return []
        return self._buses(estimator.model.live & ~observable)

    def _suspect(self, found: bad_data.Removed) -> dict[str, Any]:
        return {
            "measurement": self.names[found.index],
            "rn": found.rn,
            "error": finite(found.error),
            "unit": UNIT[self.estimator.measurements[found.index].kind],
            "alike": [self.names[i] for i in found.alike if i < self.n],
        }

    def _rows(self, analysis: bad_data.Analysis) -> list[dict[str, Any]]:
        estimate, named = self.final, {r.index: r.rn for r in self.findings.removed}
        rn = bad_data.normalised(estimate, analysis.omega)
        rows = []
        for i, m in enumerate(self.estimator.measurements[: self.n]):
            state = "used" if estimate.used[i] else "unused"
            if i in named:
                state = "suspect" if estimate.used[i] else "removed"
            elif analysis.critical[i]:
                state = "critical"
            rows.append(
                {
                    "measurement": m.name,
                    "unit": UNIT[m.kind],
                    "is_pseudo": m.is_pseudo,
                    "value": float(self.z[i]),
                    "sigma": float(self.sigma[i]),
                    "fitted": finite(estimate.fitted[i]),
                    "residual": finite(self.z[i] - estimate.fitted[i]),
                    "rn": finite(named.get(i, rn[i])),
                    "redundancy": finite(analysis.omega[i]),
                    "detectable": finite(analysis.detectable[i]),
                    "state": state,
                }
            )
        return rows


def _nodes(estimator: Estimator, estimate: Estimate, observable: Bools) -> dict[str, dict[str, float]]:
    """Return the voltages that are estimated: dead nodes are at 0, unobservable ones are left out."""
    base_v = estimator.frame.nodes.base_v
    return {
        name: {
            "v_re": float(estimate.v[i].real),
            "v_im": float(estimate.v[i].imag),
            "v_pu": float(abs(estimate.v[i]) / base_v[i]),
        }
        for i, name in enumerate(estimator.nodes)
        if observable[i] or not estimate.live[i]
    }


def _of_switch(found: Hypothesis) -> dict[str, Any]:
    position = "closed" if found.position is True else "open"
    name = found.element.partition(".")[2]
    return {"switch": name, "position": position} | _j_of(found.estimate.j, found.estimate.dof)


def _of_tap(found: Hypothesis, status: Status) -> dict[str, Any]:
    name = found.element.partition(".")[2]
    told = {"regulator": name, "tap": found.position, "given": status.taps[name]}
    return told | _j_of(found.estimate.j, found.estimate.dof)


def _j_of(j: float, dof: int) -> dict[str, Any]:
    return {"j": finite(j), "dof": dof, "threshold": finite(threshold(dof))}
