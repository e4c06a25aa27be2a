"""From points as they were fetched to measurements with sigmas, and to an estimate.

The one way from telemetry to state: the service, the range and the command line go it alike.
"""

from __future__ import annotations

import dataclasses as dc

import numpy as np
import numpy.typing as npt

from estimation.channels import Channel, Floats, Sigmas, Telemetry
from estimation.measurements import Kind
from estimation.network_model import Status, Upstream
from estimation.pseudo import Pseudo
from estimation.pseudo_levels import Levels
from estimation.supply import Feeders
from estimation.wls import Estimate, Estimator
from rtcore.network.model import Network
from rtcore.quality import BAD_FROM

Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

V_DRIFT_FRAC = 0.01
"""How far a voltage has moved when its reading is an hour old, as far as that is: taps and load [of it]."""
RATE_PER_S = 5e-4
"""How fast what is read in every scan moves [of it, per s]: the ripple of 2 % over a minute."""
HOUR_S = 3600.0
STEP_FRAC = 0.01
"""What one step of a tap (5/8 %) or of a capacitor bank moves a voltage by at most [of it]; a switching in
another feeder, by the drop that all feeders share, counts as one."""
SWITCHED_POWER_FRAC = 0.02
"""What a load draws more or less at another voltage after a switching in its own feeder [of it]: the voltage
moves by a few percent while it stays within its band, and a load follows it by half, or not at all."""
AGES_MAX, AGES_PER_OCTAVE = 16, 8
"""More different ages of meters are rounded up, by up to 9 %: what a load drifts is worked out for each."""
NEVER_NS = -(1 << 62)
RAISE, REFRESH_SCANS = 1.25, 60
"""Sigmas stay in use while none is too small by more than this factor, for so many scans."""
AGE_MAX_S = 2.0 * HOUR_S
"""Older readings are no measurements any more [s]."""


@dc.dataclass(frozen=True, slots=True)
class Taken:
    """One scan, ready to be estimated; channels first, then pseudo-measurements.

    Attributes
    ----------
    z, sigma : ndarray, shape (m,)
        [SI]; NaN and inf where there is none.
    age_s : ndarray, shape (n_channels,)
    status : Status
        As the contacts say, with the last known position of those that say nothing.
    live_share : float
        How much of what is read in every scan is there.
    n_unknown : int
        Switches whose contacts say nothing.
    end, end_sigma : ndarray, shape (n_channels,)
        End of its range that a reading stands at or beyond, NaN within, and how far a reading there may be
        off [SI]. ``sigma`` is infinite then.
    """

    z: Floats
    sigma: Floats
    age_s: Floats
    status: Status
    live_share: float
    n_unknown: int
    end: Floats
    end_sigma: Floats


class TelemetryScan:
    """Telemetry of one station and its estimator.

    Parameters
    ----------
    network : Network
    telemetry : Telemetry
    pseudo : Pseudo
    load_scale : float
        What the centre believes all loads to be, of their history.

    Attributes
    ----------
    levels : tuple
        Forecasts of the sums of some loads. They count while every switch is as built: with another
        one open or closed a meter measures other loads than its own.
    """

    def __init__(
        self,
        network: Network,
        telemetry: Telemetry,
        pseudo: Pseudo,
        *,
        load_scale: float = 1.0,
        upstream: Upstream = "balanced",
    ) -> None:
        self.telemetry, self.pseudo, self.load_scale = telemetry, pseudo, load_scale
        self.channels = telemetry.channels
        measured = [c.measurement for c in self.channels]
        self.estimator = Estimator(network, [*measured, *pseudo.measurements], upstream=upstream)
        self._at = np.array([c.point for c in self.channels], np.int64)
        self._factor = np.array([c.factor for c in self.channels])
        self._sigmas = Sigmas(self.channels)
        self.high = self._sigmas.high
        self.is_voltage = np.array([c.measurement.kind is Kind.V_MAG for c in self.channels], np.bool_)
        self._slow = np.array([c.period_s > 0.0 for c in self.channels], np.bool_)
        both = [(kind, p) for kind in (Kind.P_INJ, Kind.Q_INJ) for p in pseudo.places]
        where = {(kind, p.bus, p.nodes): k for k, (kind, p) in enumerate(both)}
        keys = [(c.measurement.kind, c.measurement.element, c.measurement.nodes) for c in self.channels]
        self._pseudo_of = np.array([where.get(k, -1) for k in keys], np.int64)
        self._sigma = np.full(len(measured) + len(pseudo.measurements), np.nan)
        self._status = self.estimator.status
        self.levels: Levels = ()
        self._levels: Levels = ()
        self._feeders = Feeders(self.estimator.frame)
        self._nodes = [self._nodes_of(c) for c in self.channels]
        self._is_load = self._pseudo_of >= 0
        self._void_ns = np.full(len(measured), NEVER_NS, np.int64)
        self._moved_ns = np.full(len(measured), NEVER_NS, np.int64)
        self._steps: list[tuple[int, int]] = []
        self._n_taken = 0

    @property
    def n_channels(self) -> int:
        """How many measurements are telemetry; the pseudo-measurements come behind them."""
        return len(self.channels)

    def take(self, sim_ns: int, values: Floats, quality: Bytes, age_s: Floats) -> Taken:
        """Turn points into measurements.

        Parameters
        ----------
        sim_ns : int
            Simulated time [ns UTC since 1970].
        values, quality, age_s : ndarray, shape (n_points,)
            All core points of the station in their own units, their quality codes, the age of what was
            fetched [s].
        """
        good = np.where(quality >= BAD_FROM, np.nan, values)
        self._look_at_switches(sim_ns, self.telemetry.status(good, self._status))
        self._levels = self.levels if self._is_as_built() else ()
        z = good[self._at] * self._factor
        age = age_s[self._at]
        end = self._sigmas.end(z)
        inside = np.where(np.isnan(end), z, np.where(np.isfinite(end), end, np.nan))
        skew = self._skew(sim_ns, inside, age)
        sigma = np.hypot(self._sigmas.at(z), skew)
        outdated = self._is_outdated(sim_ns, age)
        z, end = np.where(outdated, np.nan, z), np.where(outdated, np.nan, end)
        self._n_taken += 1
        typical, spread = self.pseudo.at(sim_ns, self.load_scale, self._levels)
        return Taken(
            np.concatenate([z, typical]),
            self._steady(np.concatenate([sigma, spread])),
            age,
            self._status,
            float(np.mean(np.isfinite(z[~self._slow]))) if not self._slow.all() else 1.0,
            sum(bool(np.isnan(good[list(c.points)]).any()) for c in self.telemetry.statuses.values()),
            end,
            np.hypot(self._sigmas.inside(inside), skew),
        )

    def estimate(self, taken: Taken) -> Estimate:
        """Estimate the state of a scan, under the status that it tells."""
        self.estimator.set_status(taken.status)
        return self.estimator.estimate(taken.z, taken.sigma)

    def is_told(self, channel: int, estimate: Estimate) -> bool:
        """Tell whether an estimate says anything of where a channel is measured, if only that it is dead."""
        at = self._nodes[channel]
        return bool(np.all(estimate.observable[at] | ~estimate.live[at]))

    def _nodes_of(self, channel: Channel) -> Ints:
        """Return the nodes that a channel is measured at."""
        m, frame = channel.measurement, self.estimator.frame
        if m.terminal:
            block = frame.blocks[m.element]
            at = block.nodes[block.terminal == m.terminal]
        else:
            at = np.array(frame.nodes.of(m.element, m.nodes), np.int64)
        return np.asarray(at[at >= 0], np.int64)

    def _switch(self, sim_ns: int, before: Status, after: Status) -> None:
        """Note which readings a switching makes untrue; channels that are read in every scan do not care.

        Everything where supply is lost or comes back. In the feeders that the switching is in voltages and
        flows, too; what loads draw there goes on. Nothing in other feeders.
        """
        if self.estimator.status.switches != before.switches:
            self.estimator.set_status(before)
        was_live = self.estimator.model.live
        self.estimator.set_status(after)
        is_changed = was_live != self.estimator.model.live
        is_touched = self._feeders.touched(before, after)
        changed = np.array([bool(is_changed[at].any()) for at in self._nodes], np.bool_)
        touched = np.array([bool(is_touched[at].any()) for at in self._nodes], np.bool_)
        self._void_ns[changed | (touched & ~self._is_load)] = sim_ns
        self._moved_ns[touched] = sim_ns

    def _is_as_built(self) -> bool:
        """Tell whether every switch is in its normal position, with all of its poles."""
        return all(
            set(self._status.poles(s.name, len(s.nodes1))) == {s.is_closed}
            for s in self.estimator.network.switches
        )

    def _look_at_switches(self, sim_ns: int, status: Status) -> None:
        """Note what switches that moved make untrue, and steps of voltage."""
        before, self._status = self._status, status
        if not self._n_taken:
            return
        is_switched = status.switches != before.switches
        if is_switched:
            self._switch(sim_ns, before, status)
        steps = int(is_switched) + sum(abs(tap - before.taps[name]) for name, tap in status.taps.items())
        steps += sum(on != before.capacitors[name] for name, on in status.capacitors.items())
        if steps:
            self._steps.append((sim_ns, steps))
            self._steps = [x for x in self._steps if x[0] > sim_ns - AGE_MAX_S * 1e9]

    def _steps_since(self, sim_ns: int, age: Floats) -> Floats:
        """Return how many steps of taps and capacitors there have been since each reading was taken."""
        read_ns = sim_ns - np.where(np.isfinite(age), age, AGE_MAX_S) * 1e9
        count = np.zeros(len(age))
        for at_ns, steps in self._steps:
            count += np.where(read_ns < at_ns, steps, 0)
        return count

    def _is_outdated(self, sim_ns: int, age: Floats) -> Bools:
        """Tell which readings were taken before what makes them untrue: all are after two hours."""
        return np.asarray((self._slow & self._is_before(self._void_ns, sim_ns, age)) | (age > AGE_MAX_S))

    @staticmethod
    def _is_before(at_ns: Ints, sim_ns: int, age: Floats) -> Bools:
        """Tell which readings were taken before a time of their own."""
        return np.asarray(-age < (at_ns - sim_ns) * 1e-9)

    def _skew(self, sim_ns: int, z: Floats, age: Floats) -> Floats:
        """How far slow channels have moved since they were read [SI]: loads as their history does."""
        skew = np.where(self._slow, 0.0, RATE_PER_S * np.abs(z) * np.where(np.isfinite(age), age, 0.0))
        old = np.flatnonzero(self._slow & np.isfinite(age) & (age > 0.0))
        seconds = age[old]
        if len(np.unique(seconds)) > AGES_MAX:  # each with a time stamp of its own
            seconds = np.exp2(np.ceil(AGES_PER_OCTAVE * np.log2(seconds)) / AGES_PER_OCTAVE)
        for one in np.unique(seconds):
            drift = self.pseudo.drift(sim_ns, float(one), self.load_scale, self._levels)
            at = old[seconds == one]
            known = at[self._pseudo_of[at] >= 0]
            skew[known] = drift[self._pseudo_of[known]]
        moved = old[self._is_load[old] & self._is_before(self._moved_ns, sim_ns, age)[old]]
        skew[moved] = np.hypot(skew[moved], SWITCHED_POWER_FRAC * np.abs(z[moved]))
        volts = old[self.is_voltage[old]]
        stepped = STEP_FRAC * self._steps_since(sim_ns, age)[volts] * np.abs(z[volts])
        skew[volts] = np.hypot(V_DRIFT_FRAC * np.abs(z[volts]) * np.sqrt(age[volts] / HOUR_S), stepped)
        return np.nan_to_num(skew)

    def _steady(self, sigma: Floats) -> Floats:
        """Return sigmas that change only when they must: an estimate with the old ones needs no new factor.

        Ageing meters and readings near a cut-off would call for one in nearly every scan. Sigmas in use stay
        while none is much too small; then all that have grown grow. Now and then all are brought up to date.
        """
        if (self._n_taken - 1) % REFRESH_SCANS == 0:
            self._sigma = sigma
        with np.errstate(invalid="ignore"):
            is_other = (sigma > RAISE * self._sigma) | (np.isfinite(sigma) != np.isfinite(self._sigma))
        if is_other.any():
            self._sigma = np.where(is_other | (sigma > self._sigma), sigma, self._sigma)
        return self._sigma

    def fork(self) -> TelemetryScan:
        """Return one that knows what this one knows and goes on by itself; its factor cannot be copied."""
        network, estimator = self.estimator.network, self.estimator
        other = TelemetryScan(
            network,
            self.telemetry,
            self.pseudo,
            load_scale=self.load_scale,
            upstream=estimator.frame.upstream,
        )
        other.estimator.set_status(estimator.status)
        other.estimator.x = estimator.x.copy()
        for name in ("_sigma", "_status", "_n_taken", "levels"):
            setattr(other, name, getattr(self, name))
        other._steps = list(self._steps)
        other._void_ns, other._moved_ns = self._void_ns.copy(), self._moved_ns.copy()
        return other
