"""The estimator of a running station: scan by scan from what was read to what is published.

One scan: statuses, estimate, residual tests, identification where they fail, the other detectors. Hypotheses
of wrong statuses are tried one a scan. Whatever comes in, a scan
gives an output: a reason and Bad values instead of an exception, the last good state with its age instead of
a silent old value.
"""

from __future__ import annotations

import dataclasses as dc
import math
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from estimation import bad_data
from estimation.centred import CentredTest
from estimation.channels import Floats
from estimation.detectors.alarm import Alarm, Rule
from estimation.detectors.scan import Change
from estimation.network_model import Status
from estimation.outputs import Layout, Why
from estimation.publication import Found, publish
from estimation.reading import Bytes, Output, Reading
from estimation.telemetry_scan import Taken, TelemetryScan
from estimation.topology_errors import Hypothesis, explains, try_switches
from estimation.topology_evidence import ALIVE_PU, DEAD_PU, contradicted
from estimation.watchers import Watchers
from estimation.wls import Estimate, Estimator

RULE = Rule(needed=3, window=5, rearm=5)
"""Residual tests: an alarm needs 3 of 5 scans."""
BAD_SCANS_TO_SUSPECT_A_SWITCH = 2
"""Bad scans in a row before statuses are questioned: instruments of one scan may straddle a switching."""
DOUBT_ITERATIONS = 12
"""A right hypothesis comes to rest within a few iterations; wrong ones need not."""
FAR, FAR_REMOVALS = 50.0, 3
"""With J so many times its threshold so few are removed: each costs a factor, and none explains it."""
LIVE_SHARE_MIN = 0.5
"""With less of what is read in every scan there is no telemetry."""
CONTRADICTED_MAX = 4
"""Switches that voltages speak against and that are tried first."""
NS_PER_S = 1e9


class Service:
    """Estimates every scan of one station.

    Parameters
    ----------
    scan : TelemetryScan
    layout : Layout
        The estimator's points.
    watchers : Watchers
        The detectors beside the residual tests.
    changes : callable
        (seconds, values, quality) of a scan -> what moved since the one before.
    rate_hz : float
        For the point that says it.
    clock_s : callable
        What ``solve_ms`` is measured with.
    """

    def __init__(
        self,
        scan: TelemetryScan,
        layout: Layout,
        watchers: Watchers,
        changes: Callable[[float, Floats, Bytes], Sequence[Change]],
        *,
        rate_hz: float = 2.0,
        clock_s: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._scan, self.layout, self._watchers, self._changes = scan, layout, watchers, changes
        self._clock_s, self._rate_hz = clock_s, rate_hz
        self.centred = CentredTest(scan.n_channels)
        self._bad, self._bad_centred = Alarm(RULE), Alarm(RULE)
        self._analysis: bad_data.Analysis | None = None
        self._analysed: tuple[Status, bytes] | None = None
        estimator = scan.estimator
        self._doubter = Estimator(
            estimator.network, estimator.measurements, upstream=estimator.frame.upstream
        )
        self._doubter.iterations_max = DOUBT_ITERATIONS
        self._hypotheses: Iterator[Hypothesis] | None = None
        self._best: Hypothesis | None = None
        self._substitute: Estimate | None = None
        self._n_bad = 0
        self._is_doubted = False
        self._pending: tuple[Estimate, Taken] | None = None
        self._good: tuple[int, Estimate] | None = None
        self._n_scans = 0

    def scan(self, reading: Reading) -> Output:
        """Take one scan; see the module. ``settle`` afterwards does what can wait."""
        self._n_scans += 1
        taken = self._scan.take(reading.sim_ns, reading.values, reading.quality, reading.age_s)
        start_s = self._clock_s()
        estimate = self._scan.estimate(taken)
        solve_s = self._clock_s() - start_s
        if taken.live_share < LIVE_SHARE_MIN:  # what history and old meters say is no state
            estimate = dc.replace(estimate, converged=False)
        self._bad.update(estimate.converged and estimate.j > estimate.threshold)
        findings = self._identify(estimate, taken) if estimate.converged else None
        self._question_statuses(estimate, findings, taken)
        good = self._substitute or (findings.estimate if findings is not None else None)
        if good is not None and good.converged:
            self._good = (reading.sim_ns, good)
        j_centred = self._test_centred(reading.sim_ns, estimate, findings)
        self._watch(reading, taken, estimate, findings)
        self._pending = (estimate, taken)
        return publish(
            self.layout,
            Found(
                scan=self._scan,
                estimate=estimate,
                findings=findings,
                analysis=self._analysis,
                why=self._why(estimate, findings, taken),
                good=self._good,
                sim_ns=reading.sim_ns,
                j_centred=j_centred,
                threshold_centred=self.centred.threshold,
                learned_h=self.centred.learned_h,
                is_bad=self._bad.is_up,
                is_bad_centred=self._bad_centred.is_up,
                switch_suspect=self._suspect(),
                solve_s=solve_s,
                n_scans=self._n_scans,
                rate_hz=self._rate_hz,
                watched=self._watchers.state,
            ),
        )

    def settle(self) -> None:
        """Do what takes long, after a scan is published: redundancies, one hypothesis of a wrong status."""
        if self._pending is None:
            return
        (estimate, taken), self._pending = self._pending, None
        if estimate.converged:
            self._analyse(estimate, taken)
        if self._is_doubted:
            self._try_next(estimate, taken)

    # -- tests -------------------------------------------------------------------------

    def _analyse(self, estimate: Estimate, taken: Taken) -> None:
        """Redundancies, anew when other measurements take part or something was switched."""
        key = (taken.status, estimate.used.tobytes())
        if self._analysed != key and self._scan.estimator.system.is_factored:
            self._analysis, self._analysed = bad_data.analyse(self._scan.estimator), key

    def _identify(self, estimate: Estimate, taken: Taken) -> bad_data.Findings:
        omega = None if self._analysis is None else self._analysis.omega
        is_far = estimate.j > FAR * estimate.threshold
        most = FAR_REMOVALS if is_far else bad_data.REMOVED_MAX
        return bad_data.identify(self._scan.estimator, taken.z, taken.sigma, estimate, omega, most=most)

    def _test_centred(self, sim_ns: int, estimate: Estimate, findings: bad_data.Findings | None) -> float:
        if not estimate.converged or findings is None:
            self.centred.pause()
            self._bad_centred.update(is_above=False)
            return math.nan
        weighted = estimate.weighted[: self._scan.n_channels]
        if findings.removed or self._best is not None:
            self.centred.pause()
        else:
            self.centred.learn(sim_ns, weighted)
        j = self.centred.statistic(weighted)
        self._bad_centred.update(j > self.centred.threshold)
        return j

    def _question_statuses(
        self, estimate: Estimate, findings: bad_data.Findings | None, taken: Taken
    ) -> None:
        """Doubt statuses while removing measurements does not explain J, or no state is found at all.

        A hypothesis that explains everything is kept, and its estimate shown, as long as it does.
        """
        self._substitute, self._is_doubted = None, False
        if findings is None:
            is_well = taken.live_share < LIVE_SHARE_MIN  # nothing to tell it from
        else:
            single = len(findings.removed) == 1 and findings.is_finished
            is_well = estimate.j <= estimate.threshold or single
        if is_well:
            self._n_bad, self._hypotheses, self._best = 0, None, None
            return
        self._n_bad += 1
        self._is_doubted = self._n_bad >= BAD_SCANS_TO_SUSPECT_A_SWITCH and not self._best_holds(taken)

    def _try_next(self, estimate: Estimate, taken: Taken) -> None:
        """Try one hypothesis: those first that voltages speak for, all of them where there is a state."""
        if self._hypotheses is None:
            self._doubter.set_status(taken.status)
            n, told = self._scan.n_channels, list(self._scan.telemetry.statuses)
            z = np.where(np.arange(len(taken.z)) < n, taken.z, np.nan)
            first = [x for x in contradicted(self._doubter, z, most=CONTRADICTED_MAX) if x in told]
            rest = [x for x in told if x not in first] if estimate.converged else []
            self._hypotheses = try_switches(self._doubter, taken.z, taken.sigma, [*first, *rest])
        tried = next(self._hypotheses, None)
        if tried is None:
            self._hypotheses = None
        elif explains(tried, estimate) and self._is_better(tried):
            self._best = tried

    def _best_holds(self, taken: Taken) -> bool:
        """Estimate under the status that is believed instead of the one told; tell whether all is well."""
        if self._best is None or self._best.estimate.j > self._best.estimate.threshold:
            return False
        self._hypotheses = None  # its estimator is needed under another status
        self._doubter.set_status(self._best.status)
        found = self._doubter.estimate(taken.z, taken.sigma)
        if not found.converged or found.j > found.threshold:
            self._best = None
            return False
        self._substitute = found
        return True

    def _is_better(self, tried: Hypothesis) -> bool:
        best = self._best
        return best is None or tried.estimate.j - tried.estimate.dof < best.estimate.j - best.estimate.dof

    def _suspect(self) -> int:
        """Number of the switch in the network, 1 first; 0 for none."""
        if self._best is None:
            return 0
        names = [s.name for s in self._scan.estimator.network.switches]
        return names.index(self._best.element.partition(".")[2]) + 1

    def _watch(
        self, reading: Reading, taken: Taken, estimate: Estimate, findings: bad_data.Findings | None
    ) -> None:
        t_s = reading.sim_ns / NS_PER_S
        changes = self._changes(t_s, reading.values, reading.quality)
        n = self._scan.n_channels
        first = findings.removed[0] if findings is not None and findings.removed else None
        self._watchers.update(
            t_s,
            taken.z[:n],
            taken.age_s,
            changes,
            j=estimate.j if estimate.converged else math.nan,
            dof=estimate.dof,
            lnr=math.nan if findings is None else (findings.rn_max if first is None else abs(first.rn)),
            lnr_channel=-1 if first is None or first.index >= n else first.index,
        )

    # -- why ---------------------------------------------------------------------------

    def _why(self, estimate: Estimate, findings: bad_data.Findings | None, taken: Taken) -> Why:
        if taken.live_share < LIVE_SHARE_MIN:
            return Why.NO_TELEMETRY
        if self._substitute is not None:
            return Why.OTHER_STATUS
        if self._contradicts(taken):
            return Why.CONTRADICTION
        if findings is None:
            return Why.SINGULAR if estimate.reason.startswith("singular") else Why.NOT_CONVERGED
        if not findings.is_finished:
            return Why.UNEXPLAINED
        if taken.n_unknown:
            return Why.STATUS_UNKNOWN
        if np.any(estimate.live & ~estimate.observable):
            return Why.NOT_OBSERVABLE
        return Why.OK

    def _contradicts(self, taken: Taken) -> bool:
        """Tell whether there is voltage where the statuses feed nothing, or none where they do."""
        n, functionals = self._scan.n_channels, self._scan.estimator.functionals
        v_pu = taken.z[:n] / functionals.scale[:n]
        dead = functionals.is_dead[:n]
        with np.errstate(invalid="ignore"):
            wrong = np.where(dead, v_pu > ALIVE_PU, v_pu < DEAD_PU)
        return bool(np.any(wrong & self._scan.is_voltage))
