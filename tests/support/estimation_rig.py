"""Telemetry without the plant: states drawn from the pseudo-measurements, seen through drawn instruments.

What the estimator is told is then true to the letter, so that its statistics can be held against theory.
"""

from __future__ import annotations

import dataclasses as dc
import tempfile
from pathlib import Path

import numpy as np

from estimation.channels import Floats, Telemetry
from estimation.detectors.areas import areas_of, layout_of
from estimation.detectors.bank import Bank
from estimation.detectors.changes import ChangeWatch
from estimation.injection_flow import InjectionFlow
from estimation.network_model import Complex, Status
from estimation.pseudo import Pseudo
from estimation.reading import Reading
from estimation.service import Service
from estimation.telemetry_scan import TelemetryScan
from estimation.watchers import Watchers
from hil.load_history import history_of
from hil.paths import config_dir
from hil.station import Plan, read_plan
from hil.telemetry_files import telemetry_of
from rtcore.published import Layout
from rtcore.quality import Quality

HOUR_NS = 3_600_000_000_000


@dc.dataclass
class Rig:
    """One station at one hour, seen by its telemetry; ``draw`` makes a scan."""

    plan: Plan
    telemetry: Telemetry
    scan: TelemetryScan
    sim_ns: int

    def __post_init__(self) -> None:
        estimator = self.scan.estimator
        self.m = self.scan.n_channels
        self.pseudo_z, self.pseudo_sigma = self.scan.pseudo.at(self.sim_ns)
        self.flow = InjectionFlow(estimator.model)
        self.scale = estimator.functionals.scale
        channels = self.telemetry.channels
        self.accuracy = [c.accuracy for c in channels]
        self.class_frac = np.array([a.class_frac for a in self.accuracy])
        self.noise_frac = np.array([a.noise_frac for a in self.accuracy])
        self.noise_abs = np.array([a.noise_abs for a in self.accuracy])
        self.quantum = np.array([a.quantum for a in self.accuracy])
        self.true, self.states = self.truth(self.pseudo_z)
        self.sigma = np.concatenate([self._sigmas(self.true[: self.m]), self.pseudo_sigma])

    def fresh_scan(self) -> TelemetryScan:
        """Return a telemetry scan of its own, with nothing estimated yet."""
        return TelemetryScan(self.plan.network, self.telemetry, self.scan.pseudo)

    def _sigmas(self, value: Floats) -> Floats:
        return np.array([float(a.sigma(v)) for a, v in zip(self.accuracy, value, strict=True)])

    def truth(self, injected: Floats) -> tuple[Floats, Complex]:
        """Return the true measurements [SI] and states under these values of the pseudo-measurements."""
        estimator, pseudo = self.scan.estimator, self.scan.pseudo
        nodes = estimator.frame.nodes
        s = np.zeros(estimator.frame.n, np.complex128)
        between: dict[tuple[int, int], complex] = {}
        p, q = pseudo.injections(injected).reshape(2, -1)
        for place, power in zip(pseudo.places, p + 1j * q, strict=True):
            at = nodes.of(place.bus, place.nodes)
            if len(at) == 2:
                between[at[0], at[1]] = power
            else:
                s[at[0]] += power
        states = self.flow.solve(s, between=[(i, j, p) for (i, j), p in between.items()])
        return estimator.functionals.h(states) * self.scale, states

    def draw(self, rng: np.random.Generator, *, gain: Floats | None = None) -> tuple[Floats, Floats, Complex]:
        """Return z, the true measurements and the true states of a scan.

        Loads are drawn from the pseudo-measurements, instruments anew unless their ``gain`` is given.
        """
        drawn = self.pseudo_z + self.pseudo_sigma * rng.standard_normal(len(self.pseudo_z))
        true, states = self.truth(drawn)
        x = true[: self.m]
        if gain is None:
            gain = self.draw_gain(rng)
        noise = (self.noise_frac * np.abs(x) + self.noise_abs) * rng.standard_normal(self.m)
        y = gain * x + noise
        quantised = np.where(
            self.quantum > 0.0, np.rint(y / np.maximum(self.quantum, 1e-12)) * self.quantum, y
        )
        return np.concatenate([quantised, self.pseudo_z]), true, states

    def reading(self, z: Floats, *, status: Status | None = None, after_s: float = 0.0) -> Reading:
        """Return measurements as points of the station that were all fetched just now.

        ``z`` may be longer than the channels; contacts tell ``status``, by default the network's.
        """
        n = len(self.plan.points.core)
        values, quality = np.full(n, np.nan), np.full(n, int(Quality.BAD_WAITING), np.uint8)
        for k, c in enumerate(self.telemetry.channels):
            values[c.point] = z[k] / c.factor
        told = status or Status.of(self.plan.network)
        for name, contacts in self.telemetry.statuses.items():
            poles = told.poles(name, len(contacts.points))
            for point, is_closed in zip(contacts.points, poles, strict=True):
                values[point] = contacts.closed_at if is_closed else 1.0 - contacts.closed_at
        for name, point in self.telemetry.taps.items():
            values[point] = told.taps[name]
        for name, point in self.telemetry.capacitors.items():
            values[point] = float(told.capacitors[name])
        quality[np.isfinite(values)] = int(Quality.GOOD)
        sim_ns = self.sim_ns + round(1e9 * after_s)
        return Reading(sim_ns, values, quality, np.where(np.isfinite(values), 0.0, np.inf))

    def draw_gain(self, rng: np.random.Generator) -> Floats:
        """Return 1 + the ratio error of every instrument, as ``rtcore.instruments.draw_gain`` draws it."""
        error = rng.standard_normal(self.m) * self.class_frac / 3.0
        return 1.0 + np.clip(error, -self.class_frac, self.class_frac)


def plan_with(telemetry: str, station: str = "iowa240") -> Plan:
    """Return a shipped station with another telemetry set than its file names: residuals are its points."""
    text = (config_dir() / "stations" / f"{station}.toml").read_text()
    shipped = 'telemetry = "realistic"'
    assert shipped in text
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{station}.toml"
        file.write_text(text.replace(shipped, f'telemetry = "{telemetry}"'))
        return read_plan(str(file))


def rig(telemetry: str, station: str = "iowa240", hour: int = 0) -> Rig:
    """Return a station at its start and some hours, seen by a telemetry set."""
    plan = plan_with(telemetry, station)
    found = telemetry_of(plan, telemetry)
    pseudo = Pseudo(plan.network, history_of(plan))
    scan = TelemetryScan(plan.network, found, pseudo)
    return Rig(plan, found, scan, plan.station.start_utc_ns + hour * HOUR_NS)


def service_of(plan: Plan, telemetry: Telemetry) -> Service:
    """Return the service that the estimator's process of a station would run, over all of its points."""
    channels = telemetry.channels
    return Service(
        TelemetryScan(plan.network, telemetry, Pseudo(plan.network, history_of(plan))),
        Layout(plan.points.of("estimator")),
        Watchers(Bank(layout_of(channels), areas_of(channels)), {}),
        ChangeWatch(plan.points.core, telemetry).update,
    )
