"""The estimator of a running station: scan by scan from what was read to what is published.

One scan: statuses, estimate, residual tests, identification where they fail, the other detectors. What takes
longer than there is time between two scans (redundancies, hypotheses of wrong statuses and taps) is done in
slices after the scans. Whatever comes in, a scan gives an output: a reason and Bad values instead of an
exception, the last good state with its age instead of a silent old value.
"""

from __future__ import annotations

import dataclasses as dc
import math
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from estimation import bad_data
from estimation.centred import CentredTest
from estimation.channels import Floats
from estimation.detectors.alarm import Rule
from estimation.detectors.scan import Change
from estimation.doubts import Doubts
from estimation.held_alarm import HeldAlarm
from estimation.network_model import Status
from estimation.out_of_range import impossible
from estimation.outputs import Why
from estimation.pseudo_levels import Levels
from estimation.publication import Found, publish
from estimation.reading import Bytes, Output, Reading
from estimation.redundancy import Redundancy
from estimation.telemetry_scan import Taken, TelemetryScan
from estimation.topology_evidence import contradicted, contradictions
from estimation.watchers import Watchers
from estimation.wls import ITERATIONS_MAX, Estimate
from rtcore.published import Layout

RULE = Rule(needed=3, window=5, rearm=5)
"""Residual tests: an alarm needs 3 of 5 scans."""
BAD_SCANS_TO_SUSPECT_A_SWITCH = 2
"""Bad scans in a row before statuses are questioned: instruments of one scan may straddle a switching."""
FAR, FAR_REMOVALS = 50.0, 3
"""With J so many times its threshold so few are removed: each costs a factor, and none explains it."""
IDENTIFY_SHARE = 0.5
"""Removals take so much of the time between two scans at most, by what they took so far, but for the few
above: what is left then is found at a lower rate alone."""
RETRY_ITERATIONS = 15
"""Iterations after a scan in which no state was found: one that can be found takes fewer from a cold one."""
RETRY_PAUSE = 2.0
"""A search for a state that failed is repeated after so many times what it took: scans between are on time,
and the estimate under a status that is believed instead goes on in them."""
LIVE_SHARE_MIN = 0.5
"""With less of what is read in every scan there is no telemetry."""
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
        What ``solve_ms`` is measured with, and the time that work after a scan takes.
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
        self._bad, self._bad_centred = HeldAlarm(RULE), HeldAlarm(RULE)
        self._redundancy = Redundancy(scan.estimator)
        self._doubts = Doubts(scan)
        self._substitute: Estimate | None = None
        self._last: Estimate | None = None
        self._tried: Status | None = None
        self._retry_s = -math.inf
        self._removal_s = 0.0
        self._n_bad = 0
        self._is_doubted = False
        self._is_switch: tuple[tuple[Status, bytes] | None, bool] = (None, False)
        self._pending: tuple[Estimate, Taken] | None = None
        self._good: tuple[int, Estimate] | None = None
        self._n_scans = 0

    def scan(self, reading: Reading) -> Output:
        """Take one scan; see the module. ``settle`` afterwards does what can wait."""
        self._n_scans += 1
        network = self._scan.estimator.network
        taken = self._scan.take(reading.sim_ns, reading.values, reading.quality, reading.age_s)
        self._redundancy.look(taken.status)
        start_s = self._clock_s()
        estimate = self._estimate(taken)
        solve_s = self._clock_s() - start_s
        findings = self._identify(estimate, taken) if estimate.converged else None
        beyond = () if findings is None else impossible(self._scan, taken, findings.estimate)
        self._test(estimate, beyond)
        self._question_statuses(estimate, findings, taken)
        good = self._substitute or (findings.estimate if findings is not None else None)
        if good is not None and good.converged:
            self._good = (reading.sim_ns, good)
        is_clean = findings is not None and not (findings.removed or beyond or self._doubts.best)
        j_centred = self._test_centred(reading.sim_ns, estimate, is_clean=is_clean)
        is_clean &= not self._bad.is_up
        self._watch(reading, taken, estimate, findings, beyond, is_clean=is_clean)
        self._pending = (estimate, taken)
        return publish(
            self.layout,
            Found(
                scan=self._scan,
                estimate=estimate,
                findings=findings,
                beyond=beyond,
                analysis=self._redundancy.analysis,
                why=self._why(estimate, findings, beyond, taken),
                good=self._good,
                sim_ns=reading.sim_ns,
                j_centred=j_centred,
                threshold_centred=self.centred.threshold,
                learned_h=self.centred.learned_h,
                bad=self._bad,
                bad_centred=self._bad_centred,
                switch_suspect=self._suspect("switch", [s.name for s in network.switches]),
                tap_suspect=self._suspect("regulator", [r.name for r in network.regulators]),
                solve_s=solve_s,
                n_scans=self._n_scans,
                rate_hz=self._rate_hz,
                watched=self._watchers.state,
            ),
        )

    def level(self, levels: Levels) -> None:
        """Take forecasts of groups of loads for the scans to come; none is what history says."""
        self._scan.levels = levels

    def settle(self, budget_s: float = math.inf) -> None:
        """Do what can wait until a scan is published, a slice at least and as many as there is time for.

        Parameters
        ----------
        budget_s : float
            After so long no other slice is begun [s]; one takes up to 0.1 s in a network of 240 buses.
        """
        start_s = self._clock_s()
        if self._pending is not None:
            (estimate, taken), self._pending = self._pending, None
            if estimate.converged:
                self._redundancy.begin(taken.status, estimate)
            if self._is_doubted:
                self._doubts.begin(estimate, taken)
        while True:  # in turns: neither is to wait for all of the other
            is_more = [job() for job in (self._doubts.step, self._redundancy.step)]
            if not any(is_more) or self._clock_s() - start_s >= budget_s:
                return

    def remember(self) -> dict[str, Floats]:
        """Return what was learned from this station, as arrays for ``recall``."""
        parts = {"centred": self.centred.remember(), "watchers": self._watchers.remember()}
        return {f"{part}.{key}": x for part, found in parts.items() for key, x in found.items()}

    def recall(self, learned: Mapping[str, Floats]) -> None:
        """Go on from what a service of the same channels learned; ValueError where it is none of theirs."""
        self.centred.recall(_part(learned, "centred"))
        self._watchers.recall(_part(learned, "watchers"))

    # -- tests -------------------------------------------------------------------------

    def _estimate(self, taken: Taken) -> Estimate:
        """Estimate, if there is telemetry: what history and old meters say is no state."""
        last, is_told = self._last, taken.live_share >= LIVE_SHARE_MIN
        if last is not None and not is_told:
            return _not_tried(last)
        is_retry = last is not None and not last.converged
        start_s = self._clock_s()
        if last is not None and is_retry and start_s < self._retry_s and taken.status == self._tried:
            return _not_tried(last)
        self._scan.estimator.iterations_max = RETRY_ITERATIONS if is_retry else ITERATIONS_MAX
        found = self._last = self._scan.estimate(taken)
        self._tried = taken.status
        end_s = self._clock_s()
        self._retry_s = end_s + RETRY_PAUSE * (end_s - start_s)
        return dc.replace(found, converged=found.converged and is_told)

    def _identify(self, estimate: Estimate, taken: Taken) -> bad_data.Findings:
        analysis = self._redundancy.analysis
        omega = None if analysis is None else analysis.omega
        is_far = estimate.j > FAR * estimate.threshold
        start_s = self._clock_s()
        found = bad_data.identify(
            self._scan.estimator,
            taken.z,
            taken.sigma,
            estimate,
            omega,
            most=self._far_removals() if is_far else self._removals_max(),
        )
        if found.removed:
            self._removal_s = (self._clock_s() - start_s) / len(found.removed)
        return found

    def _far_removals(self) -> int:
        """Where the last scans were not explained by a few, only the worst is named: doubts need the time."""
        return 1 if self._n_bad >= BAD_SCANS_TO_SUSPECT_A_SWITCH else FAR_REMOVALS

    def _removals_max(self) -> int:
        """How many measurements there is time to remove."""
        if self._removal_s <= 0.0:
            return bad_data.REMOVED_MAX
        affordable = int(IDENTIFY_SHARE / self._rate_hz / self._removal_s)
        return min(max(affordable, FAR_REMOVALS), bad_data.REMOVED_MAX)

    def _test(self, estimate: Estimate, beyond: Sequence[bad_data.Removed]) -> None:
        """Judge J, and readings that cannot be; a scan that gives no J is no clean one."""
        if estimate.converged and math.isfinite(estimate.threshold):
            self._bad.update(estimate.j > estimate.threshold or bool(beyond))
        else:
            self._bad.hold()

    def _test_centred(self, sim_ns: int, estimate: Estimate, *, is_clean: bool) -> float:
        weighted = estimate.weighted[: self._scan.n_channels]
        if is_clean:
            self.centred.learn(sim_ns, weighted)
        else:
            self.centred.pause()
        j = self.centred.statistic(weighted) if estimate.converged else math.nan
        if math.isnan(j):
            self._bad_centred.hold()
        else:
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
            self._n_bad = 0
            self._doubts.drop()
            return
        self._n_bad += 1
        if self._n_bad >= BAD_SCANS_TO_SUSPECT_A_SWITCH:
            self._substitute = self._doubts.believed(taken)
            self._is_doubted = self._substitute is None

    def _suspect(self, kind: str, names: Sequence[str]) -> int:
        """Number of the suspected element among its kind in the network, 1 first; 0 for none."""
        best = self._doubts.best
        found, _, name = ("", "", "") if best is None else best.element.partition(".")
        return names.index(name) + 1 if found == kind else 0

    def _watch(
        self,
        reading: Reading,
        taken: Taken,
        estimate: Estimate,
        findings: bad_data.Findings | None,
        beyond: Sequence[bad_data.Removed],
        *,
        is_clean: bool,
    ) -> None:
        t_s = reading.sim_ns / NS_PER_S
        changes = self._changes(t_s, reading.values, reading.quality)
        n = self._scan.n_channels
        named = [*beyond[:1], *(() if findings is None else findings.removed[:1])]
        first = max(named, key=lambda one: abs(one.rn), default=None)
        self._watchers.update(
            t_s,
            taken.z[:n],
            taken.age_s,
            changes,
            j=estimate.j if estimate.converged else math.nan,
            dof=estimate.dof,
            lnr=math.nan if findings is None else (findings.rn_max if first is None else abs(first.rn)),
            lnr_channel=-1 if first is None or first.index >= n else first.index,
            is_clean=is_clean,
            is_told=taken.live_share >= LIVE_SHARE_MIN,
        )

    # -- why ---------------------------------------------------------------------------

    def _why(
        self,
        estimate: Estimate,
        findings: bad_data.Findings | None,
        beyond: Sequence[bad_data.Removed],
        taken: Taken,
    ) -> Why:
        if taken.live_share < LIVE_SHARE_MIN:
            return Why.NO_TELEMETRY
        if self._substitute is not None:
            return Why.OTHER_STATUS
        if self._contradicts(findings, beyond, taken):
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

    def _contradicts(
        self, findings: bad_data.Findings | None, beyond: Sequence[bad_data.Removed], taken: Taken
    ) -> bool:
        """Tell whether statuses do not fit: voltage where they feed nothing, or none where they do.

        One voltage by itself is the meter's, not the switch's: it reads the same without its fuse. So one
        that was removed alone does not count, and several removed ones, or one that is left, do where a
        switch in its other position would take contradictions away.
        """
        estimator, named = self._scan.estimator, [one.index for one in beyond]
        wrong = contradictions(estimator, taken.z)
        wrong[named] = False
        removed = [] if findings is None else [one.index for one in findings.removed]
        n_wrong, n_left = int(np.sum(wrong)), int(np.sum(wrong)) - int(np.sum(wrong[removed]))
        if n_left > 1:
            return True
        if n_wrong == 0 or (n_left == 0 and len(removed) == 1):
            return False
        key = (taken.status, wrong.tobytes())
        if self._is_switch[0] != key:  # islands of every status take their time, and faults last
            z = taken.z.copy()
            z[named] = np.nan
            self._is_switch = key, bool(contradicted(estimator, z, most=1))
        return self._is_switch[1]


def _not_tried(last: Estimate) -> Estimate:
    """Return that there is no estimate this time, in the shape of the last one."""
    nothing = np.full_like(last.weighted, np.nan)
    return dc.replace(last, converged=False, iterations=0, weighted=nothing, used=np.zeros_like(last.used))


def _part(learned: Mapping[str, Floats], name: str) -> dict[str, Floats]:
    return {k.removeprefix(f"{name}."): x for k, x in learned.items() if k.startswith(f"{name}.")}
