"""The attacker's model of a station, for stealthy and topology attacks of an attack file.

The attacker reads a telemetry set, positions included, and knows the network but for an error of its lines;
for loads without telemetry it has the same history as the control centre.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from estimation.attacks import Delta
from estimation.channels import Floats, Sigmas, Telemetry
from estimation.network_model import Status
from estimation.pseudo import History, Pseudo
from estimation.stealth import Bools, Stealth, misjudged
from estimation.wls import Estimator
from hil.attack_sections import AttackSection, ModelSection
from hil.station import Plan
from hil.telemetry_files import telemetry_of
from rtcore.points import Point

WRITABLE_ALL = "*"


def channels_of(plan: Plan, section: AttackSection, seed: int, near: Path) -> tuple[tuple[str, ...], Delta]:
    """Return the tags that the attacker reads, and what it adds to each at a time; see ``Attack.delta``.

    Times are simulated ones since the start of the station [s].

    Raises
    ------
    ValueError
        Buses or switches that the network does not have.
    UserInputError
        A telemetry set that cannot be read.
    """
    model = section.model or ModelSection()
    telemetry = telemetry_of(plan, model.telemetry, near)
    attacker = _Attacker(plan, telemetry, section, model, seed)
    return attacker.tags, attacker.delta


class _Attacker:
    """Reads points, estimates, and tells what to add to them."""

    def __init__(
        self, plan: Plan, telemetry: Telemetry, section: AttackSection, model: ModelSection, seed: int
    ) -> None:
        points, self._telemetry = plan.points.core, telemetry
        self._channels = [c for c in telemetry.channels if c.point >= 0]
        analog = [c.point for c in self._channels]
        others = [i for i in telemetry.points if i not in set(analog)]
        self._points, self._n = np.array([*analog, *others], np.intp), len(analog)
        self.tags = tuple(points[i].tag for i in self._points)
        self._all = np.full(len(points), np.nan)
        self._factors = np.array([c.factor for c in self._channels])
        self._start_ns = plan.station.start_utc_ns
        self._pseudo = _pseudo(plan)
        network = misjudged(plan.network, model.error_pct / 100.0, np.random.default_rng(seed))
        self._stated = Status.of(network)
        self._sigmas, self._sigma = Sigmas(self._channels), np.zeros(0)
        self._stealth = Stealth(
            Estimator(network, [c.measurement for c in self._channels] + list(self._pseudo.measurements)),
            lambda _z: self._sigma,
            factor=model.factor,
            buses=model.buses,
            writable=self._writable(section, points),
            flipped=model.flipped,
        )

    def _writable(self, section: AttackSection, points: list[Point]) -> Bools:
        patterns = section.points or (WRITABLE_ALL,)
        tags = [points[c.point].tag for c in self._channels]
        told = [any(fnmatchcase(tag, p) for p in patterns) for tag in tags]
        return np.array(told + [False] * len(self._pseudo.measurements), np.bool_)

    def delta(self, t_s: float, values: Floats) -> Floats:
        """Return what to add to the values of ``tags``, in their units; positions stay."""
        self._all[self._points] = values
        self._stealth.set_status(self._telemetry.status(self._all, self._stated))
        z = self._factors * values[: self._n]
        pseudo, pseudo_sigma = self._pseudo.at(self._start_ns + round(t_s * 1e9))
        self._sigma = np.concatenate([self._sigmas.at(z), pseudo_sigma])
        change = np.zeros(len(values))
        change[: self._n] = self._stealth(np.concatenate([z, pseudo]))[: self._n] / self._factors
        return change


def _pseudo(plan: Plan) -> Pseudo:
    station = plan.station
    profile = station.read_profile([x.name for x in plan.network.loads], None)
    history = None
    if profile is not None:
        history = History(
            start_ns=profile.start_utc_ns,
            step_ns=profile.step_ns,
            p_w=profile.p_w,
            q_var=profile.q_var,
            wraps=profile.wraps,
        )
    ripple = {"ripple_pu": station.load.ripple_pct / 100.0, "ripple_tau_s": station.load.ripple_tau_s}
    return Pseudo(plan.network, history, **ripple)
