"""From what a scan found to the values and qualities of the estimator's points."""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from estimation.bad_data import Analysis, Findings, Removed
from estimation.held_alarm import HeldAlarm
from estimation.outputs import SUSPECTS, State, Why
from estimation.reading import Output
from estimation.telemetry_scan import TelemetryScan
from estimation.watchers import Watched
from estimation.wls import Estimate
from rtcore.published import Layout, Values
from rtcore.quality import Quality

PHASES = "abc"
QUALITY_OF = {
    Why.OTHER_STATUS: Quality.UNCERTAIN_SUBSTITUTE,
    Why.CONTRADICTION: Quality.UNCERTAIN_SENSOR,
    Why.UNEXPLAINED: Quality.UNCERTAIN_SENSOR,
    Why.STATUS_UNKNOWN: Quality.UNCERTAIN_SENSOR,
}
"""Quality of a state of now that is not to be relied on."""
USABLE_S = 5.0
"""So long the last good state is shown as uncertain after a failed estimate, then as Bad [s, simulated]."""


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Everything that one scan found; see ``estimation.service``.

    ``beyond``: readings at an end of their range that cannot be there, see ``estimation.out_of_range``.
    """

    scan: TelemetryScan
    estimate: Estimate
    findings: Findings | None
    beyond: tuple[Removed, ...]
    analysis: Analysis | None
    why: Why
    good: tuple[int, Estimate] | None
    sim_ns: int
    j_centred: float
    threshold_centred: float
    learned_h: float
    bad: HeldAlarm
    bad_centred: HeldAlarm
    switch_suspect: int
    tap_suspect: int
    solve_s: float
    n_scans: int
    rate_hz: float
    watched: Mapping[str, Watched]

    @property
    def age_s(self) -> float:
        """Age of the last good state [s], NaN where there was none."""
        return math.nan if self.good is None else (self.sim_ns - self.good[0]) * 1e-9


def publish(layout: Layout, found: Found) -> Output:
    """Return the output of a scan."""
    image = Values(layout)
    _summary(image, found)
    for name in layout.instances("detector"):
        seen = found.watched.get(name)
        if seen is not None:
            image.put("detector", name, "value", seen.value, seen.quality)
            image.put("detector", name, "threshold", seen.threshold)
            image.put("detector", name, "is_alarm", seen.is_alarm, seen.quality)
            image.put("detector", name, "alarms", seen.n_alarms, seen.quality)
    _estimates(image, found)
    _residuals(image, found)
    return Output(image.values, image.quality)


def _summary(image: Values, found: Found) -> None:
    estimate = found.estimate
    tested = Quality.GOOD if estimate.converged else Quality.BAD_NOT_CONVERGED

    def put(attr: str, value: float, quality: int = Quality.GOOD) -> None:
        image.put("estimator", "estimator", attr, float(value), quality)

    put("j", estimate.j, tested)
    put("dof", estimate.dof, tested)
    put("threshold", estimate.threshold, tested)
    put("is_bad_data", found.bad.is_up, found.bad.quality)
    put("j_centred", found.j_centred, tested)
    put("threshold_centred", found.threshold_centred)
    put("is_bad_data_centred", found.bad_centred.is_up, found.bad_centred.quality)
    put("learned_h", found.learned_h)
    put("is_converged", estimate.converged)
    put("iterations", estimate.iterations)
    put("solve_ms", 1e3 * found.solve_s)
    put("scans", found.n_scans)
    put("rate_hz", found.rate_hz)
    put("n_measurements", int(np.count_nonzero(estimate.used)))
    put("n_unobservable", int(np.count_nonzero(estimate.live & ~estimate.observable)))
    suspects = _suspects(found)
    for k in range(SUSPECTS):
        channel, rn = suspects[k] if k < len(suspects) else (-1, 0.0)
        name = found.scan.channels[channel].measurement.name if channel >= 0 else ""
        put(f"suspect_{k + 1}", image.layout.number("residual", name))
        put(f"suspect_{k + 1}_rn", rn)
    put("switch_suspect", found.switch_suspect)
    put("tap_suspect", found.tap_suspect)
    put("reason", int(found.why))
    put("age_s", found.age_s)


def _suspects(found: Found) -> list[tuple[int, float]]:
    """Telemetered channels beyond their range or removed, and those that look just the same."""
    if found.findings is None:
        return []
    n, listed = found.scan.n_channels, list[tuple[int, float]]()
    for removed in (*found.beyond, *found.findings.removed):
        for channel in (removed.index, *removed.alike):
            if channel < n and channel not in [c for c, _ in listed]:
                listed.append((channel, removed.rn))
    return listed


def _estimates(image: Values, found: Found) -> None:
    """Voltages of the cleaned estimate, or of the last good one: uncertain at first, then Bad."""
    if found.good is None:
        return
    estimate = found.good[1]
    index = found.scan.estimator.frame.nodes.index
    age_s = found.age_s
    if age_s <= 0.0:
        fresh = int(QUALITY_OF.get(found.why, Quality.GOOD))
    else:
        fresh = int(Quality.UNCERTAIN_LAST_USABLE if age_s <= USABLE_S else Quality.BAD_NOT_CONVERGED)
    for bus in image.layout.instances("estimate"):
        for number, letter in enumerate(PHASES, 1):
            node = index.get(f"{bus}.{number}", -1)
            if node < 0:
                continue
            quality = fresh
            if not estimate.live[node]:
                quality = max(fresh, int(Quality.BAD_DEENERGISED))
            elif not estimate.observable[node]:
                quality = max(fresh, int(Quality.BAD_SENSOR))
            v = estimate.v[node]
            image.put("estimate", bus, f"v{letter}_v", abs(v), quality)
            image.put("estimate", bus, f"a{letter}_deg", math.degrees(np.angle(v)), quality)


def _residuals(image: Values, found: Found) -> None:
    layout, estimate = image.layout, found.estimate
    at = {c.measurement.name: k for k, c in enumerate(found.scan.channels)}
    names = layout.instances("residual")
    which = np.array([at.get(name, -1) for name in names], np.int64)
    there = which >= 0
    state = np.full(len(names), float(State.NOT_USED))
    rn = np.full(len(names), np.nan)
    if estimate.converged:
        k = which[there]
        if found.analysis is not None:
            omega = found.analysis.omega[k]
            with np.errstate(divide="ignore", invalid="ignore"):
                rn[there] = np.where(
                    found.analysis.critical[k], np.nan, estimate.weighted[k] / np.sqrt(omega)
                )
        state[there] = _states(found, k)
        for one in found.beyond:
            rn[which == one.index] = one.rn
    for attr, value in {"rn": rn, "state": state}.items():
        columns = layout.column("residual", attr)
        shown = columns >= 0
        quality = np.where(np.isfinite(value), int(Quality.GOOD), int(Quality.BAD_OUT_OF_SERVICE))
        image.values[columns[shown]] = value[shown]
        image.quality[columns[shown]] = quality[shown]


def _states(found: Found, k: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    state = np.where(found.estimate.used[k], float(State.USED), float(State.NOT_USED))
    if found.analysis is not None:  # until redundancies are known, none is known to be critical
        state[found.analysis.critical[k] & found.estimate.used[k]] = float(State.CRITICAL)
    if found.findings is not None:
        removed = [r.index for r in (*found.beyond, *found.findings.removed)]
        alike = [i for r in found.findings.removed for i in r.alike]
        state[np.isin(k, alike)] = float(State.SUSPECT)
        state[np.isin(k, removed)] = float(State.REMOVED)
    return state
