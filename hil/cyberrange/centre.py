"""The control centre of a run: telemetry as fetched, estimate, detectors."""

from __future__ import annotations

import copy
import dataclasses as dc
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from estimation import bad_data
from estimation.channels import Channel, Sigmas
from estimation.detectors.areas import areas_of, layout_of
from estimation.detectors.bank import Bank
from estimation.detectors.changes import ChangeWatch
from estimation.detectors.scan import Change, Scan
from estimation.measurements import Measurement
from estimation.network_model import Status
from estimation.pseudo import Pseudo
from estimation.reading import Reading
from estimation.telemetry_scan import TelemetryScan
from estimation.wls import Estimate, Estimator
from hil.cyberrange.plan import RangePlan
from hil.cyberrange.plant import PlantScan
from hil.estimator_setup import periods
from hil.load_history import history_of
from hil.telemetry_image import Fetched, TelemetryImage

Floats = npt.NDArray[np.float64]

TOP = 4
"""Candidates for the largest normalised residual."""


@dc.dataclass(frozen=True, slots=True)
class Seen:
    """What the centre makes of one scan.

    Attributes
    ----------
    scores : mapping
        Detector -> value and the channels it points to.
    rmse_pu : float
        Root mean square error of the estimated voltage magnitudes against the true ones, over live nodes
        that are observable [pu]; NaN where there is no estimate.
    is_bad : bool
        J above its 99 % quantile.
    z : float64[n_channels]
        The channels as the centre holds them [SI], NaN where there is none.
    """

    scores: Mapping[str, tuple[float, tuple[int, ...]]]
    rmse_pu: float
    is_bad: bool
    converged: bool
    z: Floats


class Model:
    """What does not change over the runs of a plan: measurements, sigmas, layout."""

    def __init__(self, plan: RangePlan) -> None:
        station, self.telemetry = plan.station, plan.telemetry
        load = station.station.load
        self.network = station.network
        self.points = station.points.core
        self.channels: tuple[Channel, ...] = self.telemetry.channels
        self.factor = np.array([c.factor for c in self.channels])
        self.sigmas = Sigmas(self.channels)
        self.periods = periods(self.telemetry)
        self.pseudo = Pseudo(
            self.network,
            history_of(station),
            ripple_pu=load.ripple_pct / 100.0,
            ripple_tau_s=load.ripple_tau_s,
        )
        self.measurements: list[Measurement] = [c.measurement for c in self.channels]
        self.measurements += self.pseudo.measurements
        self.status = Status.of(self.network)
        self.layout = layout_of(self.channels)
        self.areas = areas_of(self.channels)

    @property
    def n(self) -> int:
        """Number of telemetered channels; pseudo-measurements lie behind them."""
        return len(self.channels)

    def scan(self) -> TelemetryScan:
        """Return a way from points to estimates, with an estimator of its own."""
        return TelemetryScan(self.network, self.telemetry, self.pseudo)


class Centre:
    """The centre over one stream of scans; ``fork`` lets it go on from here on another stream."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.scan = model.scan()
        self.image = TelemetryImage(len(model.points), model.periods)
        self.bank = Bank(model.layout, model.areas)
        self.watch = ChangeWatch(model.points, model.telemetry)

    @property
    def estimator(self) -> Estimator:
        """The estimator in use."""
        return self.scan.estimator

    def fork(self) -> Centre:
        """Return a centre that knows what this one knows."""
        other = copy.copy(self)
        other.image = copy.deepcopy(self.image)
        other.bank, other.watch = copy.deepcopy(self.bank), copy.deepcopy(self.watch)
        other.scan = self.scan.fork()
        return other

    def take(
        self, truth: PlantScan, values: Floats, quality: npt.NDArray[np.uint8], logged: tuple[str, ...] = ()
    ) -> Seen:
        """Take one scan as it came in.

        Parameters
        ----------
        truth : PlantScan
            For the error of the estimate only.
        values, quality
            Of all points, as the reader got them.
        logged : tuple of str
            Tags that the centre itself has commanded since the scan before.
        """
        asked = self.image.due(truth.utc_ns)
        self.image.take(truth.utc_ns, asked, Fetched(values[asked], quality[asked]))
        reading = self.image.reading(truth.utc_ns)
        changes = self.watch.update(truth.t_s, values, quality, logged)
        return self._judge(truth, reading, changes)

    def _judge(self, truth: PlantScan, reading: Reading, changes: list[Change]) -> Seen:
        model = self.model
        taken = self.scan.take(reading.sim_ns, reading.values, reading.quality, reading.age_s)
        z, age_s = taken.z, taken.age_s
        estimate = self.scan.estimate(taken)
        j, dof, lnr, which = np.nan, np.nan, np.nan, -1
        if estimate.converged:
            j, dof = estimate.j, float(estimate.dof)
            lnr, which = self._largest(estimate)
        scan = Scan(
            t_s=truth.t_s, z=z[: model.n], age_s=age_s, changes=changes, j=j, dof=dof, lnr=lnr,
            lnr_channel=which if which < model.n else -1,
        )  # fmt: skip
        rmse = rmse_pu(estimate, truth.v, self.estimator.frame.base_v)
        is_bad = bool(estimate.converged and estimate.j > estimate.threshold)
        return Seen(self.bank.update(scan), rmse, is_bad, estimate.converged, scan.z)

    def _largest(self, estimate: Estimate) -> tuple[float, int]:
        """Return the largest normalised residual and its measurement; NaN without a factor."""
        found = bad_data.largest(self.estimator, estimate, top=TOP)
        if not len(found.rn):
            return np.nan, -1
        return float(np.abs(found.rn[0])), int(found.which[0])


def rmse_pu(estimate: Estimate, v: npt.NDArray[np.complex128], base_v: Floats) -> float:
    """Return the root mean square error of the voltage magnitudes [pu], NaN without an estimate."""
    known = estimate.live & estimate.observable
    if not estimate.converged or not known.any():
        return np.nan
    error = (np.abs(estimate.v[known]) - np.abs(v[known])) / base_v[known]
    return float(np.sqrt(np.mean(error * error)))
