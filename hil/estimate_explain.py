"""``gridhil estimate STATION --explain``: what a telemetry set can do, and what one more meter would buy.

No run: the state is that of the loads that history expects at the moment, the readings are exact, what is
fetched now and then is half its period old. Everything else follows from the factor of one estimate
(``estimation.telemetry_design``).
"""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from estimation import bad_data
from estimation.channels import Channel, Floats, Telemetry
from estimation.measurements import UNIT
from estimation.pseudo import History, Pseudo
from estimation.telemetry_design import TESTABLE, Design, Worth, states_of_loads
from estimation.telemetry_scan import TelemetryScan
from hil.load_history import history_of
from hil.output import finite
from hil.settings_types import iso
from hil.station import Plan
from hil.telemetry_channels import Binder, NoMeasurementError
from hil.telemetry_files import telemetry_of
from rtcore.errors import Problem, UserInputError
from rtcore.network.topology import islands
from rtcore.quality import Quality

NS_PER_S = 1_000_000_000
SERVICE_S = 900.0
"""How often a further service meter would be read, as the meters of the shipped sets are [s]."""
DEFAULT_SET = "realistic"
TWINS = 0.9995
"""From this correlation on two residuals are the same."""


def explain(plan: Plan, name: str | None, at_ns: int | None) -> dict[str, Any]:
    """Return the telemetry design of a station at a moment, JSON-ready.

    Parameters
    ----------
    name : str, optional
        Telemetry set; default that of the station.
    at_ns : int, optional
        Moment [ns UTC]; default the station's start.

    Raises
    ------
    UserInputError
        Also for a moment that the station's profile does not cover, unless it repeats.
    """
    telemetry = _telemetry(plan, name)
    at_ns = plan.station.start_utc_ns if at_ns is None else at_ns
    history = history_of(plan)
    said, like_ns = ("", at_ns) if history is None else _coverage(history, plan, at_ns)
    document = _Study(plan, telemetry, history, like_ns).document()
    return document | {"at": iso(at_ns, plan.station.utc_offset_s), "history": said}


def _coverage(history: History, plan: Plan, at_ns: int) -> tuple[str, int]:
    """Return in words that the profile repeats, where it does not cover a moment, and the moment to take.

    Raises
    ------
    UserInputError
        Where the profile neither covers the moment nor repeats.
    """
    end_ns = history.start_ns + len(history.p_w) * history.step_ns
    if history.start_ns <= at_ns < end_ns:
        return "", at_ns
    offset_s = plan.station.utc_offset_s
    first, end, at = (iso(t, offset_s) for t in (history.start_ns, end_ns, at_ns))
    covers = f"the profile covers {first} to {end}"
    if not history.wraps:
        what = f"{covers} and does not repeat; {at} is outside"
        raise UserInputError([Problem(str(plan.station.path), "profile", what)])
    like_ns = history.start_ns + (at_ns - history.start_ns) % (end_ns - history.start_ns)
    said = f"{covers} and repeats: loads of {at} are those of {iso(like_ns, offset_s)}"
    # Later on the past goes on from the last row to the first; before the first row there is none.
    return said, max(at_ns, like_ns)


def _telemetry(plan: Plan, name: str | None) -> Telemetry:
    section = plan.station.estimation
    if name is None and section is not None:
        return telemetry_of(plan, section.telemetry, plan.station.path.parent)
    return telemetry_of(plan, name or DEFAULT_SET, Path())


def further_channels(plan: Plan, telemetry: Telemetry) -> Iterator[Channel]:
    """Yield the measuring points of a station that a set does not read."""
    binder, known = Binder(plan), {c.point for c in telemetry.channels}
    for i, point in enumerate(plan.points.core):
        if i in known:
            continue
        try:
            yield binder.channel(i, SERVICE_S if point.source.startswith("load.") else 0.0)
        except NoMeasurementError:
            continue


class _Study:
    """One set at one moment."""

    def __init__(self, plan: Plan, telemetry: Telemetry, history: History | None, at_ns: int) -> None:
        self.plan, self.telemetry, self.at_ns = plan, telemetry, at_ns
        self.n = len(telemetry.channels)
        more = tuple(further_channels(plan, telemetry))
        whole = dc.replace(telemetry, channels=(*telemetry.channels, *more))
        pseudo = Pseudo(plan.network, history)
        self.scan = TelemetryScan(plan.network, whole, pseudo, load_scale=plan.station.load.scale)
        estimator = self.scan.estimator
        self.names = [
            f"{m.name} (load)" if i >= self.scan.n_channels else m.name
            for i, m in enumerate(estimator.measurements)
        ]
        values, _ = pseudo.at(at_ns, self.scan.load_scale)
        states = states_of_loads(estimator, pseudo, values)
        true = estimator.functionals.h(states) * estimator.functionals.scale
        z, self.sigma = self._read(true, whole.channels)
        candidates = np.arange(self.n, self.scan.n_channels)
        in_force = self.sigma.copy()
        in_force[candidates] = np.inf
        estimate = estimator.estimate(z, in_force)
        if not estimate.converged:
            raise UserInputError([Problem(telemetry.name, "", f"no estimate to explain: {estimate.reason}")])
        self.fitted = estimate.fitted
        self.design = Design(estimator, candidates.tolist(), self.sigma)
        self.analysis = bad_data.analysis_of(estimator, self.design.redundancies)

    def _read(self, true: Floats, channels: tuple[Channel, ...]) -> tuple[Floats, Floats]:
        """Return what exact instruments read, and the standard deviations that go with it."""
        n_points = len(self.plan.points.core)
        values, age_s = np.zeros(n_points), np.zeros(n_points)
        quality = np.full(n_points, int(Quality.BAD_WAITING), np.uint8)
        for channel, value in zip(channels, true[: len(channels)].tolist(), strict=True):
            values[channel.point] = value / channel.factor
            age_s[channel.point] = 0.5 * channel.period_s
            quality[channel.point] = int(Quality.GOOD)
        taken = self.scan.take(self.at_ns, values, quality, age_s)
        return taken.z, taken.sigma

    # -- the document ------------------------------------------------------------------

    def document(self) -> dict[str, Any]:
        """Return everything."""
        omega = self.design.redundancies[: self.n]
        channels = [self._channel(i) for i in range(self.n)]
        candidates = self._candidates()
        return {
            "station": self.plan.station.name,
            "telemetry": self.telemetry.name,
            "title": self.telemetry.title,
            "at": iso(self.at_ns, self.plan.station.utc_offset_s),
            "n_channels": self.n,
            "redundancy": self.analysis.redundancy,
            "n_testable": int(np.count_nonzero(omega >= TESTABLE)),
            "testable_share": float(np.count_nonzero(omega >= TESTABLE) / self.n),
            "critical": [c["channel"] for c in channels if c["is_critical"]],
            "voltage_std_pu": self._voltages(self.design.v_std_pu) | {"buses": self._buses()},
            "flow_std_w": self._flows(self.design.flow_std_w),
            "channels": channels,
            "groups": self._groups(),
            "candidates": candidates,
            "best": _best(candidates),
        }

    def _channel(self, i: int) -> dict[str, Any]:
        omega = self.design.redundancies[i]
        is_testable = bool(omega >= TESTABLE)
        return {
            "channel": self.names[i],
            "unit": UNIT[self.telemetry.channels[i].measurement.kind],
            "value": float(self.fitted[i]),
            "sigma": finite(self.sigma[i]),
            "redundancy": finite(omega),
            "detectable": finite(self.analysis.detectable[i]),
            "is_testable": is_testable,
            "is_critical": bool(self.analysis.critical[i]),
            "alike": [self.names[j] for j in self._alike(i)],
            "why": "" if is_testable else self._why(i),
        }

    def _alike(self, i: int) -> list[int]:
        """Return the measurements whose residuals are correlated by 0.9 or more, the most alike first."""
        size = np.abs(self.design.correlation(i))
        size[i] = 0.0
        return [int(j) for j in np.argsort(-size, kind="stable")[: np.count_nonzero(size >= bad_data.ALIKE)]]

    def _why(self, i: int) -> str:
        """Return in words why an error of a channel does not show in its own residual."""
        if self.scan.estimator.functionals.is_dead[i]:
            return "not used: nothing live is behind it, its switch is open"
        if not math.isfinite(self.design.redundancies[i]):
            return "not used: its reading is at the end of its range"
        if self.analysis.critical[i]:
            return "nothing else measures it"
        correlation = self.design.correlation(i)
        correlation[i] = 0.0
        j = int(np.argmax(np.abs(correlation)))
        size = abs(float(correlation[j]))
        other = f"{'pseudo-load' if j >= self.scan.n_channels else 'channel'} {self.names[j]}"
        if size >= TWINS:
            return f"its residual is that of {other} (correlation {size:.5f})"
        if size >= bad_data.ALIKE:
            return f"its residual is correlated {size:.4f} with {other}"
        share = 100.0 * float(self.design.redundancies[i])
        return f"{share:.1f} % of an error show; what else tells of it is weaker, most of all {other}"

    def _groups(self) -> list[list[str]]:
        """Return sets of measurements with at least one channel that are correlated in a chain."""
        pairs = [(i, j) for i in range(self.n) for j in self._alike(i)]
        if not pairs:
            return []
        a, b = np.array(pairs, np.int64).T
        of = islands(len(self.names), a, b)
        groups: dict[int, list[int]] = {}
        for i in sorted({*a.tolist(), *b.tolist()}):
            groups.setdefault(int(of[i]), []).append(i)
        return [[self.names[i] for i in group] for group in groups.values()]

    def _voltages(self, std_pu: Floats) -> dict[str, Any]:
        worst = int(np.argmax(std_pu))
        live = np.flatnonzero(self.scan.estimator.model.live)
        node = self.scan.estimator.nodes[live[worst]]
        return {"mean": float(np.mean(std_pu)), "worst": float(std_pu[worst]), "worst_bus": _bus(node)}

    def _buses(self) -> dict[str, float]:
        """Return the standard deviation of the least known phase of every live bus [pu]."""
        live = np.flatnonzero(self.scan.estimator.model.live).tolist()
        found: dict[str, float] = {}
        for i, std in zip(live, self.design.v_std_pu.tolist(), strict=True):
            bus = _bus(self.scan.estimator.nodes[i])
            found[bus] = max(found.get(bus, 0.0), std)
        return found

    def _flows(self, std_w: Floats) -> dict[str, Any]:
        if not len(std_w):
            return {"mean": 0.0, "worst": 0.0, "worst_at": "no switch"}
        worst = int(np.argmax(std_w))
        at = self.scan.estimator.model.poles[worst].switch
        return {"mean": float(np.mean(std_w)), "worst": float(std_w[worst]), "worst_at": at}

    # -- one more meter ----------------------------------------------------------------

    def _candidates(self) -> list[dict[str, Any]]:
        """Return what every further meter would leave, the most useful first."""
        meters: dict[str, list[int]] = {}
        for i in range(self.n, self.scan.n_channels):
            if math.isfinite(self.sigma[i]):
                device = self.plan.points.core[self.scan.channels[i].point].device
                meters.setdefault(device, []).append(i)
        found = [self._meter(name, at, self.design.with_more(at)) for name, at in meters.items()]
        return sorted(found, key=lambda c: (-c["score"], c["meter"]))

    def _meter(self, name: str, at: list[int], worth: Worth) -> dict[str, Any]:
        before, after = self.design, worth
        omega = before.redundancies[: self.n]
        is_new = (after.omega[: self.n] >= TESTABLE) & ~(omega >= TESTABLE)
        v, flow = self._voltages(after.v_std_pu), self._flows(after.flow_std_w)
        more = int(np.count_nonzero(is_new))
        gains = (
            1.0 - _ratio(v["mean"], float(np.mean(before.v_std_pu))),
            1.0 - _ratio(flow["mean"], self._flows(before.flow_std_w)["mean"]),
            more / self.n,
        )
        return {
            "meter": name,
            "points": [self.names[i] for i in at],
            "score": float(sum(gains)),
            "voltage_std_pu": v,
            "flow_std_w": flow,
            "more_testable": more,
            "now_testable": [self.names[i] for i in np.flatnonzero(is_new).tolist()],
            "own_testable": int(np.count_nonzero(after.own >= TESTABLE)),
        }


def _best(candidates: list[dict[str, Any]]) -> Mapping[str, str]:
    """Return the best meter for each aim."""
    if not candidates:
        return {}
    return {
        "mean voltage": min(candidates, key=lambda c: c["voltage_std_pu"]["mean"])["meter"],
        "worst voltage": min(candidates, key=lambda c: c["voltage_std_pu"]["worst"])["meter"],
        "mean flow": min(candidates, key=lambda c: c["flow_std_w"]["mean"])["meter"],
        "testable channels": max(candidates, key=lambda c: c["more_testable"])["meter"],
    }


def _ratio(value: float, of: float) -> float:
    return value / of if of > 0.0 else 1.0


def _bus(node: str) -> str:
    return node.rpartition(".")[0]
