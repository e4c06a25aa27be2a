"""Which switch or tap is not where it is told to be: hypotheses tried in slices between scans.

All of them take seconds, and the next scan is not to wait. They are tried on the measurements of one scan,
in this order: switches that voltages speak against, taps, all other switches whose contacts are telemetered.
The one that explains most is kept with its estimator, which goes on estimating every scan while it holds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from estimation.network_model import Status
from estimation.telemetry_scan import Taken, TelemetryScan
from estimation.topology_errors import TAP_MOVES_MAX, Hypothesis, estimator_under, explains, flipped
from estimation.topology_evidence import contradicted
from estimation.wls import Estimate, Estimator, Steps

Floats = npt.NDArray[np.float64]

CONTRADICTED_MAX = 4
"""Switches that voltages speak against and that are tried first."""
STEPS_MAX = 24
"""Iterations given to one hypothesis, cold steps among them: one that holds is at rest after 5 to 11, and the
others would hold it up."""


class Doubts:
    """Doubts in the statuses that one station tells.

    Parameters
    ----------
    scan : TelemetryScan

    Attributes
    ----------
    best : Hypothesis or None
        The one that is believed.
    """

    def __init__(self, scan: TelemetryScan) -> None:
        self._scan = scan
        self.best: Hypothesis | None = None
        self._believed: Estimator | None = None
        self._told: Status | None = None
        self._trial: Steps[None] | None = None

    @property
    def is_trying(self) -> bool:
        """Tell whether hypotheses are being tried."""
        return self._trial is not None

    def drop(self) -> None:
        """All is well: forget hypotheses and what was believed."""
        self.best, self._believed, self._trial = None, None, None

    def believed(self, taken: Taken) -> Estimate | None:
        """Return the estimate of a scan under what is believed, None where that explains it no longer."""
        if taken.status != self._told:
            self.drop()  # what was tried was tried beside other positions
        if self.best is None or self._believed is None or self._is_poor(self.best.estimate):
            return None
        found = self._believed.estimate(taken.z, taken.sigma)
        if self._is_poor(found):
            self.best, self._believed = None, None
            return None
        self._trial = None
        return found

    @staticmethod
    def _is_poor(found: Estimate) -> bool:
        return not found.converged or found.j > found.threshold

    def begin(self, present: Estimate, taken: Taken) -> None:
        """Start trying, on the measurements of this scan, unless hypotheses are being tried already."""
        if self._trial is None:
            self._told, self._trial = taken.status, self._try_all(present, taken)

    def step(self) -> bool:
        """Go on by one slice; tell whether there is more to do."""
        if self._trial is None:
            return False
        with np.errstate(all="ignore"):
            if next(self._trial, self) is self:
                self._trial = None
        return self._trial is not None

    # -- hypotheses --------------------------------------------------------------------

    def _try_all(self, present: Estimate, taken: Taken) -> Steps[None]:
        base = estimator_under(self._scan.estimator, taken.status)
        told = list(self._scan.telemetry.statuses)
        z = np.where(np.arange(len(taken.z)) < self._scan.n_channels, taken.z, np.nan)
        first = [x for x in contradicted(base, z, most=CONTRADICTED_MAX) if x in told]
        yield
        yield from self._try_switches(base, present, taken, first)
        if present.converged:  # without a state to compare with, nothing tells one hypothesis from another
            for regulator in self._scan.telemetry.taps:
                yield from self._try_tap(base, present, taken, regulator)
            yield from self._try_switches(base, present, taken, [x for x in told if x not in first])

    def _try_switches(
        self, base: Estimator, present: Estimate, taken: Taken, names: Sequence[str]
    ) -> Steps[None]:
        for name in names:
            status = flipped(base, name)
            yield from self._try(base, present, taken, f"switch.{name}", status.switches[name], status)

    def _try_tap(self, base: Estimator, present: Estimate, taken: Taken, regulator: str) -> Steps[None]:
        """Step away from the indicated position while J falls: it has one minimum over the tap."""
        tap = taken.status.taps[regulator]
        highest = next(r for r in base.network.regulators if r.name == regulator).tap_highest
        for direction in (1, -1):
            least = present.j
            for k in range(1, TAP_MOVES_MAX + 1):
                at = tap + direction * k
                if abs(at) > highest:
                    break
                status = taken.status.with_tap(regulator, at)
                found = yield from self._try(base, present, taken, f"regulator.{regulator}", at, status)
                if found is None or not found.converged or found.j >= least:
                    break
                least = found.j
            if least < present.j:
                break

    def _try(
        self,
        base: Estimator,
        present: Estimate,
        taken: Taken,
        element: str,
        position: tuple[bool, ...] | bool | int,
        status: Status,
    ) -> Steps[Estimate | None]:
        other = estimator_under(base, status)
        other.x = other.start.copy()  # a state that was bent to fit a wrong position leads nowhere
        yield
        estimate = yield from _few(other.in_steps(taken.z, taken.sigma))
        if estimate is None:
            return None
        tried = Hypothesis(element, position, status, estimate)
        if explains(tried, present) and self._is_better(tried):
            self.best, self._believed = tried, other
        return estimate

    def _is_better(self, tried: Hypothesis) -> bool:
        best = self.best
        return best is None or tried.estimate.j - tried.estimate.dof < best.estimate.j - best.estimate.dof


def _few(steps: Steps[Estimate]) -> Steps[Estimate | None]:
    """Return the result of an estimate if it has one before long."""
    for _ in range(STEPS_MAX):
        try:
            next(steps)
        except StopIteration as done:
            found: Estimate = done.value
            return found
        yield
    steps.close()
    return None
