"""Points as the estimator sees them: what they measure, their readings in SI, how far off these may be.

    z = factor * reading,   sigma^2 = bias^2 + noise^2 + quantum^2/12 + skew^2

Parts, for the instruments of ``rtcore.instruments``, y = quantise(saturate(cutoff((1 + g) x + n))):

bias
    g ~ N(0, class/3) cut at the class limit, which is at c = 3 standard deviations: values beyond stand
    at the limit. For a standard normal Z the variance of min(max(Z, -c), c) is the integral of
    z^2 phi(z) over [-c, c], and c^2 for what lies beyond,
    (2 Phi(c) - 1) - 2 c phi(c) + 2 c^2 (1 - Phi(c)) = 0.99501 for c = 3 (integration by parts).
    Fixed for the life of an instrument: from scan to scan only the other parts are new.
noise
    n ~ N(0, (noise_frac |x| + noise_abs)^2): the two parts add up before they are squared, as in the kernel.
quantum
    Rounding to the nearest step: uniform over one step.
skew
    The value is ``age_s`` old and moves by ``rate_per_s``: its error is their product.

A reading of 0 behind a cut-off says only that the true value is smaller than that: uniform over
[-cutoff, cutoff], or [0, cutoff] for a magnitude; the mean square error is cutoff^2/3 either way.
"""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from estimation.measurements import Measurement
from estimation.network_model import Status

Floats = npt.NDArray[np.float64]

CUT = 3.0
"""Where the ratio error is cut, in its standard deviations."""


def cut_variance(c: float) -> float:
    """Return the variance of a standard normal variable that is cut (clipped) at -c and c."""
    normal = NormalDist()
    beyond = 1.0 - normal.cdf(c)
    return (1.0 - 2.0 * beyond) - 2.0 * c * normal.pdf(c) + 2.0 * c * c * beyond


BIAS_SHARE = math.sqrt(cut_variance(CUT)) / CUT
"""Standard deviation of the ratio error over the class limit: 0.3325."""


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """How far a reading may be off; SI units.

    Attributes
    ----------
    class_frac : float
        Limit of the ratio error [of the reading].
    noise_frac, noise_abs : float
        Standard deviation of the noise [of the reading], [SI].
    quantum, cutoff : float
        Resolution; readings below the cut-off are 0 [SI].
    low, high : float
        Range [SI]; a reading at its end says only that the true value lies there or beyond.
    floor : float
        Least sigma [SI]: no instrument is better, and no weight runs away.
    """

    class_frac: float = 0.0
    noise_frac: float = 0.0
    noise_abs: float = 0.0
    quantum: float = 0.0
    cutoff: float = 0.0
    low: float = -math.inf
    high: float = math.inf
    floor: float = 0.0

    def sigma(
        self, value: npt.ArrayLike, rate_per_s: npt.ArrayLike = 0.0, age_s: npt.ArrayLike = 0.0
    ) -> Floats:
        """Return the standard deviation of readings of this instrument.

        Parameters
        ----------
        value : array_like
            Readings [SI]; the arguments broadcast.
        rate_per_s : array_like
            How fast the true value moves, root mean square [SI/s].
        age_s : array_like
            How old the readings are [s].

        Returns
        -------
        ndarray
            [SI]; infinite at the ends of the range (but for 0), NaN for NaN readings.
        """
        columns = {f.name: np.float64(getattr(self, f.name)) for f in dc.fields(self)}
        return _sigma(columns, np.asarray(value, float), rate_per_s, age_s)


def _sigma(
    a: Mapping[str, Floats | np.float64], value: Floats, rate_per_s: npt.ArrayLike, age_s: npt.ArrayLike
) -> Floats:
    is_at_end = ~np.isnan(_end(a, value))
    with np.errstate(invalid="ignore", over="ignore"):  # what comes in by the wire may be any number
        inside = _sigma_inside(a, value, rate_per_s, age_s)
    return np.asarray(np.where(is_at_end, np.inf, inside))


def _end(a: Mapping[str, Floats | np.float64], value: Floats) -> Floats:
    """Return the end of the range that a reading stands at or beyond, NaN within (0 is always within)."""
    is_other = value != 0.0
    end = np.where(is_other & (value <= a["low"]), a["low"], np.nan)
    return np.asarray(np.where(is_other & (value >= a["high"]), a["high"], end))


def _sigma_inside(
    a: Mapping[str, Floats | np.float64], value: Floats, rate_per_s: npt.ArrayLike, age_s: npt.ArrayLike
) -> Floats:
    size, cutoff = np.abs(value), a["cutoff"]
    spread = a["noise_frac"] * size + a["noise_abs"]
    known = (BIAS_SHARE * a["class_frac"] * size) ** 2 + spread**2 + a["quantum"] ** 2 / 12.0
    cut = cutoff**2 / 3.0 + a["quantum"] ** 2 / 12.0
    rate = np.asarray(rate_per_s, float)
    skew = rate * np.where(rate == 0.0, 0.0, age_s)  # what stands still does not age, however old it is
    variance = np.where((size == 0.0) & (cutoff > 0.0), cut, known) + skew**2
    sigma = np.sqrt(np.maximum(variance, a["floor"] ** 2))
    return np.asarray(np.where(np.isnan(value), np.nan, sigma))


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One point, or one pseudo-measurement.

    Attributes
    ----------
    measurement : Measurement
    point : int
        Place in the station's list of points, -1 for a pseudo-measurement.
    factor : float
        SI value over the point's value, with the sign: a meter's kW drawn are injections of -1000 W.
    accuracy : Accuracy
    period_s : float
        How often it is fetched [s]; 0 is in every scan, 900 a service meter.
    """

    measurement: Measurement
    point: int
    factor: float
    accuracy: Accuracy
    period_s: float = 0.0


class Sigmas:
    """Sigmas of a list of channels at once, as ``Accuracy.sigma`` gives them one by one."""

    def __init__(self, channels: Sequence[Channel]) -> None:
        names = [f.name for f in dc.fields(Accuracy)]
        self._columns = {n: np.array([getattr(c.accuracy, n) for c in channels], np.float64) for n in names}

    def at(self, value: npt.ArrayLike, rate_per_s: npt.ArrayLike = 0.0, age_s: npt.ArrayLike = 0.0) -> Floats:
        """Return the standard deviation of every channel [SI], from what they read [SI], in their order."""
        return _sigma(self._columns, np.asarray(value, float), rate_per_s, age_s)

    @property
    def high(self) -> Floats:
        """Upper ends of the ranges [SI]."""
        return np.asarray(self._columns["high"])

    def end(self, value: npt.ArrayLike) -> Floats:
        """Return the end of the range that every reading stands at or beyond [SI], NaN for one within."""
        return _end(self._columns, np.asarray(value, float))

    def inside(self, value: npt.ArrayLike) -> Floats:
        """Return the standard deviations as if no range had an end [SI]: of the instruments at the ends."""
        return _sigma_inside(self._columns, np.asarray(value, float), 0.0, 0.0)


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Contacts:
    """The points that tell how a switch stands: one for all poles, or one for each pole.

    ``closed_at`` is their value when closed: 1 of a 52a contact, 0 of a fuse's "blown".
    """

    points: tuple[int, ...]
    closed_at: float = 1.0


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """What a control centre has of a station.

    Attributes
    ----------
    name, title : str
    channels : tuple of Channel
    statuses : mapping
        Switch -> its contacts.
    taps, capacitors : mapping
        Regulator, capacitor -> the point of its position.
    """

    name: str
    title: str = ""
    channels: tuple[Channel, ...]
    statuses: Mapping[str, Contacts]
    taps: Mapping[str, int]
    capacitors: Mapping[str, int]

    @property
    def points(self) -> list[int]:
        """Places of all points that it reads, ascending."""
        contacts = [i for c in self.statuses.values() for i in c.points]
        others = [*self.taps.values(), *self.capacitors.values()]
        return sorted({c.point for c in self.channels if c.point >= 0} | {*contacts, *others})

    def status(self, values: npt.ArrayLike, otherwise: Status) -> Status:
        """Return how everything is switched according to the points.

        Parameters
        ----------
        values : array_like
            Values of all points of the station; NaN where nothing is known.
        otherwise : Status
            Holds for what has no point or whose points are NaN.
        """
        x = np.asarray(values, float)
        switches, taps, capacitors = (
            dict(otherwise.switches),
            dict(otherwise.taps),
            dict(otherwise.capacitors),
        )
        for name, contacts in self.statuses.items():
            seen = x[list(contacts.points)]
            if not np.isnan(seen).any():
                closed = tuple((seen == contacts.closed_at).tolist())
                switches[name] = closed if len(closed) > 1 else closed[0]
        taps.update({n: round(x[i]) for n, i in self.taps.items() if not math.isnan(x[i])})
        capacitors.update({n: bool(x[i]) for n, i in self.capacitors.items() if not math.isnan(x[i])})
        return dc.replace(otherwise, switches=switches, taps=taps, capacitors=capacitors)
