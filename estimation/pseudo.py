"""Pseudo-measurements: what loads without telemetry draw, from their own past, with an honest sigma.

Forecast of a row of the history (an hour, valid at its start) from the rows that are over when it is asked:

1. mean of the same time of the week in the last 4 weeks, of those there are (at least 2);
2. else mean of the same time of day in the last 7 days (at least 2);
3. else mean of the last 24 hours (at least 2 rows);
4. else the network's nominal power.

What the weeks or days give is then brought to the level of now: by the total active power of the last row
over its own forecast, and half way by that of each load over the last 3 rows (within 1/3 and 3). Without this
all loads err alike on a hot day (on the shipped year the total is wrong by 290 kW rms, with it by 60 to 90,
where independent errors would give 50), and an estimator that takes errors as independent would see a bad
measurement in the weather. Reactive power follows the active one's level: its own ratio is noise.

The row that holds the moment is not known yet (a meter reports an interval when it is over), so nothing of it
and nothing ahead is used. Between two rows the forecast is linear, as the plant's demand is.

Sigma: the same forecast is made for the same time of day of the last 28 days and compared with what came.
The mean square of these errors is the variance; one pseudo-observation of ``PRIOR`` of the forecast is added,
so that few or lucky days do not make it small, and stands alone where there is no past. With errors e0, e1 of
two neighbouring rows the variance between them is (1-f)^2 v0 + f^2 v1 + 2 f (1-f) c01. Then the ripple within
the hour is added, and a floor. What this leaves out: errors have much in common, of P and Q of one load and
of all loads on an unusually hot day; the estimator takes them as independent.

Levels: groups of loads whose sum is forecast by somebody else are brought to that instead of the level of
their own last row, with the sigma that is left then (``estimation.pseudo_levels``).

Nodes: the legs of a wye load carry nearly equal parts. Their errors are one and the same, that of the load,
so that three measurements of a leg each would make a load seem known better than it is: measured are the sum
over the legs, with the sigma above, and their differences, which are 0 but for ``IMBALANCE``. A load between
two nodes that are otherwise without a path to ground is measured by the sum of both nodes, which with the
estimator's exact "no current in sum" says all there is; any other delta branch a-b puts S V_a/(V_a - V_b) on
node a and S V_b/(V_b - V_a) on node b, with nominal voltages 120 degrees apart. Nodes with a resource (sun,
battery, machine) get its rating as further uncertainty: what it delivers is not in the history of the loads.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import scipy.sparse.linalg as spl

from estimation.channels import Floats
from estimation.measurements import Kind, Measurement
from estimation.pseudo_levels import Levels, Step, is_usable, row_weights
from rtcore.network import admittance as adm
from rtcore.network.model import Network
from rtcore.network.topology import islands

Ints = npt.NDArray[np.int64]

NS_PER_S = 1_000_000_000
DAY_NS = 86_400 * NS_PER_S
WEEKS, DAYS, LEAST = 4, 7, 2
"""Weeks and days that a forecast looks back, and the fewest values it takes a mean of."""
MOST_OF_A_DAY = 96
"""Rows that stand for the last 24 hours, of a history with short rows evenly spread over them."""
RECENT, OWN = 3, 0.5
"""Rows that the level of a load is taken from, and how far its forecast follows it."""
LEVEL_LIMIT = 3.0
ERROR_DAYS = 28
PRIOR = 0.5
"""Standard deviation of a load without a past, of its forecast."""
IMBALANCE = 0.02
"""Standard deviation of one leg's power about the mean of the load's legs, relative. The plant splits a load
evenly; where meters on real feeders show more, it belongs here."""
FLOOR_FRAC, FLOOR_VA = 0.02, 10.0
"""Least sigma: of the nominal power, and in W or var."""


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Power of every load over time.

    Attributes
    ----------
    start_ns, step_ns : int
        Start of the first row [ns UTC since 1970] and length of a row [ns]; a row is valid at its start.
    p_w, q_var : ndarray, shape (n_t, n_load)
        Power drawn [W], [var], in the order of the network's loads.
    wraps : bool
        The plant starts over at the end: later on the past continues from the last row to the first.
    """

    start_ns: int
    step_ns: int
    p_w: Floats
    q_var: Floats
    wraps: bool = False


@dc.dataclass(frozen=True, slots=True)
class _Past:
    """What a row's look back gave.

    Attributes
    ----------
    now : ndarray, shape (2, 2, n_load)
        Forecasts of P and Q of the row and the next.
    said, came : ndarray, shape (2, n_day, 2, n_load)
        Today's row and that of past days as they were forecast, NaN without a past; and what came.
    """

    now: Floats
    said: Floats
    came: Floats


@dc.dataclass(frozen=True, slots=True)
class _Rows:
    """What is said of a row and the next, P and Q of every load.

    Attributes
    ----------
    mean, variance : ndarray, shape (2, 2, n_load)
    covariance : ndarray, shape (2, n_load)
        Of the errors in both rows.
    common : ndarray, shape (n_load,)
        Standard deviation of the level that loads share, of it.
    """

    mean: Floats
    variance: Floats
    covariance: Floats
    common: Floats

    def at(self, f: float) -> Floats:
        """Return the power between both rows, shape (2, n_load)."""
        mean: Floats = (1.0 - f) * self.mean[0] + f * self.mean[1]
        return mean


class Pseudo:
    """Pseudo-measurements of all loads of a network.

    Parameters
    ----------
    network : Network
    history : History or None
        None: the nominal power of every load, at ``PRIOR``.
    ripple_pu : float
        Standard deviation of the power within the hour, relative.
    ripple_tau_s : float
        Correlation time of that [s].

    Attributes
    ----------
    measurements : tuple of Measurement
        P, then Q, of every node or pair of nodes with a load or a resource.
    """

    def __init__(
        self,
        network: Network,
        history: History | None,
        *,
        ripple_pu: float = 0.02,
        ripple_tau_s: float = 60.0,
    ) -> None:
        self.history, self.ripple_pu, self.ripple_tau_s = history, ripple_pu, ripple_tau_s
        self._nominal = _nominal(network)
        self.places = tuple(_places(network))
        """Nodes, or pairs of nodes between which a load is, in the order of ``drift``."""
        rows = _rows(self.places)
        self.measurements = tuple(
            Measurement(
                name=f"{kind} {r.name}",
                kind=kind,
                element=r.bus,
                nodes=r.nodes,
                weights=r.weights,
                is_pseudo=True,
            )
            for kind in (Kind.P_INJ, Kind.Q_INJ)
            for r in rows
        )
        of_places = sp.csr_array(_combinations(rows, len(self.places)))
        self._to_places = sp.csc_array(sp.block_diag([of_places, of_places]))
        share = sp.csr_array(_shares(self.places, len(network.loads)))
        of_p = sp.csr_array(-share.real), sp.csr_array(share.imag)
        of_q = sp.csr_array(-share.imag), sp.csr_array(-share.real)
        self._from_loads = sp.csr_array(sp.block_array([list(of_p), list(of_q)]))
        self._from_loads_squared = self._from_loads.power(2)
        self._combined = sp.csr_array(self._to_places @ self._from_loads)
        self._combined_squared = self._combined.power(2)
        self._is_difference = np.tile([r.is_difference for r in rows], 2)
        self._spread_of_legs = abs(self._to_places).power(2)
        extra = np.array([where.rating_va for where in self.places])
        self._extra_variance = self._spread_of_legs @ np.tile(extra**2, 2)
        nominal = abs(share) @ np.abs(self._nominal[0] + 1j * self._nominal[1])
        floor = np.tile(np.maximum(FLOOR_FRAC * nominal, FLOOR_VA), 2)
        self._floor = np.sqrt(self._spread_of_legs @ floor**2)
        self._row: int | None = None
        nominal_rows = np.stack([self._nominal, self._nominal])
        unknown = np.full((2, 1, *self._nominal.shape), np.nan)
        self._past = _Past(nominal_rows, unknown, unknown)
        self._plain = _rows_of(self._past)
        self._levelled: tuple[object, _Rows] = (None, self._plain)
        if history is not None:
            self._stack = np.stack([history.p_w, history.q_var], axis=1)
            """P and Q of every row, shape (n_t, 2, n_load)."""

    def at(self, sim_ns: int, scale: float = 1.0, levels: Levels = ()) -> tuple[Floats, Floats]:
        """Return values and standard deviations of all measurements at a time.

        Parameters
        ----------
        sim_ns : int
            Simulated time [ns UTC since 1970].
        scale : float
            Factor on every load that is in force.
        levels : tuple
            Forecasts of the sums of some loads, at that factor; none by default.

        Returns
        -------
        values, sigma : ndarray, shape (len(measurements),)
            Injections [W], [var].
        """
        mean, variance = self.loads_at(sim_ns, scale, levels)
        mean, variance = scale * mean, scale**2 * (variance + (self.ripple_pu * mean) ** 2)
        values = self._combined @ mean.ravel()
        spread = self._combined_squared @ variance.ravel() + self._extra_variance
        legs = np.asarray(self._from_loads @ mean.ravel())
        imbalance = np.asarray(self._spread_of_legs @ (IMBALANCE * legs) ** 2)
        spread = spread + np.where(self._is_difference, imbalance, 0.0)
        return values, np.maximum(np.sqrt(spread), self._floor)

    def injections(self, values: Floats) -> Floats:
        """Return what is injected at ``places``, P of all and then Q of all [W], [var], from measurements."""
        found: Floats = spl.spsolve(self._to_places, values)
        return found

    def drift(self, sim_ns: int, age_s: float, scale: float = 1.0, levels: Levels = ()) -> Floats:
        """Return the root mean square change of P and Q at ``places`` within ``age_s`` [W], [var].

        What skew makes of a meter that is read now and then: the slope from row to row and its uncertainty,
        and the ripple, whose values lose touch with each other with its correlation time.
        """
        rows, f = self._now(sim_ns, scale, levels)
        decay = -np.expm1(-age_s / self.ripple_tau_s)
        variance = 2.0 * decay * (self.ripple_pu * rows.at(f)) ** 2
        if self.history is not None:
            v0, v1 = rows.variance
            slope = rows.mean[1] - rows.mean[0]
            per_row = slope**2 + np.maximum(v0 + v1 - 2.0 * rows.covariance, 0.0)
            variance = variance + per_row * (age_s * NS_PER_S / self.history.step_ns) ** 2
        moved: Floats = np.sqrt(self._from_loads_squared @ variance.ravel())
        return scale * moved

    def loads_at(self, sim_ns: int, scale: float = 1.0, levels: Levels = ()) -> tuple[Floats, Floats]:
        """Return forecast and variance of P and Q of every load, shape (2, n_load) [W, var], [W^2, var^2].

        Without ripple, and before ``scale``.
        """
        rows, f = self._now(sim_ns, scale, levels)
        mean, (v0, v1) = rows.at(f), rows.variance
        variance = (1.0 - f) ** 2 * v0 + f**2 * v1 + 2.0 * f * (1.0 - f) * rows.covariance
        return mean, np.maximum(variance, 0.0) + (rows.common * mean) ** 2

    def _now(self, sim_ns: int, scale: float, levels: Levels) -> tuple[_Rows, float]:
        """Return what is said of the row of a moment and the next, and how far it is between them."""
        row, f = 0, 0.0
        if self.history is not None:
            row, rest_ns = divmod(sim_ns - self.history.start_ns, self.history.step_ns)
            f = rest_ns / self.history.step_ns
            if row != self._row:
                self._past, self._row = self._look_back(row), row
                self._plain = _rows_of(self._past)
        present = tuple(x for x in levels if x.holds(sim_ns))
        if not present:
            return self._plain, f
        key = (row, scale, present)
        if self._levelled[0] != key:
            self._levelled = key, self._at_levels(row, scale, present)
        return self._levelled[1], f

    def _at_levels(self, row: int, scale: float, levels: Levels) -> _Rows:
        """Return what is said of a row and the next with the sums of some loads given."""
        plain, past = self._plain, self._past
        mean, variance = plain.mean.copy(), plain.variance.copy()
        covariance, common = plain.covariance.copy(), plain.common.copy()
        steps: dict[tuple[int, int], Step] = {}
        for level in levels:
            span = level.begin_ns, level.end_ns
            step = steps.get(span) or steps.setdefault(span, self._step(row, *span))
            group = np.array(level.loads, np.int64)
            shape = step.shape(group)
            if not is_usable(level, scale * shape.said_w[0]):
                continue
            said = past.said[..., group].copy()
            said[:, 0] = past.now[..., group]
            said *= (shape.per_w * np.append(level.p_w / scale, shape.came_w[1:]))[..., None, None]
            own = _rows_of(_Past(said[:, 0], said, past.came[..., group]))
            mean[..., group], variance[..., group] = own.mean, own.variance
            covariance[..., group], common[group] = own.covariance, level.relative
        return _Rows(mean, variance, covariance, common)

    def _step(self, row: int, begin_ns: int, end_ns: int) -> Step:
        """Return what was said of the step of a level before it began, what came, and what is said now."""
        now_w = self._past.said[:, :, 0].copy()
        now_w[:, 0] = self._past.now[:, 0]
        if self.history is None:
            return Step(now_w, now_w, np.full_like(now_w, np.nan), np.array([1.0, 0.0]), 0)
        h = self.history
        first, weights = row_weights((begin_ns - h.start_ns) / h.step_ns, (end_ns - h.start_ns) / h.step_ns)
        begun = first - self._per_day() * np.arange(ERROR_DAYS + 1)
        asked = begun + np.arange(len(weights))[:, None]
        said = self._means(asked, begun) * self._level(begun)
        said[:, 0] = self._without_gaps(said[:, 0], asked[:, 0], first)
        return Step(now_w, said[:, :, 0], self._rows(asked, row)[:, :, 0], weights, row - first)

    def _look_back(self, row: int) -> _Past:
        """Return forecasts of a row and the next, now and on past days."""
        first = row - self._per_day() * np.arange(ERROR_DAYS + 1)
        asked = np.stack([first, first + 1])  # today's row, yesterday's, ..: known before it
        said = self._means(asked, first) * self._level(first)
        return _Past(self._without_gaps(said[:, 0], asked[:, 0], row), said, self._rows(asked, row))

    def _level(self, known: Ints) -> Floats:
        """Return the factor of every load on forecasts made before row ``known``, shape (days, 1, n_load)."""
        asked = known - np.arange(1, RECENT + 1)[:, None]
        true, said = self._rows(asked, known)[:, :, 0], self._means(asked, known)[:, :, 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            total = true.sum(axis=2) / said.sum(axis=2)
            recent = true.sum(axis=0).sum(axis=1) / said.sum(axis=0).sum(axis=1)
            own = true.sum(axis=0) / said.sum(axis=0) / recent[:, None]
        own = np.where(np.isfinite(own), own, 1.0)
        factor = np.where(np.isfinite(total[0]), total[0], 1.0)[:, None] * (1.0 + OWN * (own - 1.0))
        return np.clip(factor, 1.0 / LEVEL_LIMIT, LEVEL_LIMIT)[:, None, :]

    def _means(self, asked: Ints, known: Ints) -> Floats:
        """Return forecasts from rows before ``known``, NaN without a past; shape (asked, days, 2, n_load)."""
        per_day = self._per_day()
        of_weeks = self._mean(asked, 7 * per_day * np.arange(1, WEEKS + 1), known)
        if not np.isnan(of_weeks).any():
            return of_weeks
        return np.where(
            np.isnan(of_weeks), self._mean(asked, per_day * np.arange(1, DAYS + 1), known), of_weeks
        )

    def _without_gaps(self, forecast: Floats, asked: Ints, known: int) -> Floats:
        if not np.isnan(forecast).any():
            return forecast
        per_day = self._per_day()
        back = np.arange(1, per_day + 1, max(1, per_day // MOST_OF_A_DAY))
        last = self._mean(asked[:, None], back, np.array([known]))[:, 0]
        filled = np.where(np.isnan(forecast), last, forecast)
        return np.where(np.isnan(filled), self._nominal, filled)

    def _mean(self, asked: Ints, back: Ints, known: Ints) -> Floats:
        """Return the mean of rows that lie ``back`` behind those asked for, NaN of fewer than ``LEAST``."""
        rows = self._rows(asked[..., None] - back, known[None, :, None])
        there = ~np.isnan(rows)
        n = there.sum(axis=2)
        mean = np.where(there, rows, 0.0).sum(axis=2) / np.maximum(n, 1)
        return np.where(n >= LEAST, mean, np.nan)

    def _rows(self, at: Ints, known: Ints | int) -> Floats:
        """Return P and Q of rows, NaN of those that are not before ``known``; shape (..., 2, n_load)."""
        assert self.history is not None
        n_t = len(self.history.p_w)
        is_there = (at >= 0) & (at < known) & (self.history.wraps | (at < n_t))
        found = self._stack[at % n_t]
        found[~is_there] = np.nan
        return found

    def _per_day(self) -> int:
        assert self.history is not None
        return max(1, round(DAY_NS / self.history.step_ns))


def _rows_of(past: _Past) -> _Rows:
    """Return forecasts with the moments of their errors on past days, and of one of ``PRIOR``."""
    now, error = past.now, past.came[:, 1:] - past.said[:, 1:]
    there = ~np.isnan(error).any(axis=0)
    error = np.where(there, error, 0.0)
    n = there.sum(axis=0) + 1.0
    variance = ((error**2).sum(axis=1) + (PRIOR * now) ** 2) / n
    covariance = ((error[0] * error[1]).sum(axis=0) + np.prod(PRIOR * now, axis=0)) / n
    return _Rows(now, variance, covariance, np.zeros(now.shape[2]))


def _nominal(network: Network) -> Floats:
    return np.array([[1e3 * x.kw for x in network.loads], [1e3 * x.kvar for x in network.loads]])


@dc.dataclass(frozen=True, slots=True)
class _Place:
    """Nodes that are measured together, which part of which load is there, and the resources' rating [VA]."""

    name: str
    bus: str
    nodes: tuple[int, ...]
    parts: tuple[tuple[int, complex], ...]
    rating_va: float


def _places(network: Network) -> list[_Place]:
    nodes = adm.node_table(network)
    branches = adm.load_branches(network, nodes)
    ends = list(
        zip(branches.load.tolist(), branches.a.tolist(), branches.b.tolist(), branches.share, strict=True)
    )
    ratings = _ratings(network, nodes)
    pairs = _floating_pairs(len(nodes.names), branches.a, branches.b, ratings)
    parts: dict[tuple[int, ...], list[tuple[int, complex]]] = {(i,): [] for i in sorted(ratings)}
    for load, a, b, share in ends:
        if pair := pairs.get(a):
            parts.setdefault(pair, []).append((load, complex(share)))
            continue
        for here, other in ((a, b), (b, a)):
            if here >= 0:
                parts.setdefault((here,), []).append((load, share * _split(nodes, here, other)))
    found = []
    for at in sorted(parts):
        bus, numbers = _named(nodes, at)
        name = f"{bus} {'+'.join(_letter(k) for k in numbers)}"
        found.append(_Place(name, bus, numbers, tuple(parts[at]), sum(ratings.get(i, 0.0) for i in at)))
    return found


@dc.dataclass(frozen=True, slots=True)
class _Combined:
    """One measurement: a place, the sum over the legs of a load, or a difference between them."""

    name: str
    bus: str
    nodes: tuple[int, ...]
    places: tuple[int, ...]
    weights: tuple[float, ...] = ()
    is_difference: bool = False


def _rows(places: Sequence[_Place]) -> list[_Combined]:
    """Sum and differences of places that are legs of the same load, all others by themselves.

    A difference is the mean of the legs before it less the leg: with the sum, independent directions.
    """
    groups: dict[tuple[object, ...], list[int]] = {}
    for k, place in enumerate(places):
        is_leg = len(place.nodes) == 1 and len(place.parts) == 1 and place.rating_va == 0.0
        key = (place.bus, place.parts) if is_leg else (k,)
        groups.setdefault(key, []).append(k)
    found = []
    for at in groups.values():
        first = places[at[0]]
        numbers = tuple(n for k in at for n in places[k].nodes)
        name = f"{first.bus} {'+'.join(_letter(n) for n in numbers)}"
        found.append(_Combined(name, first.bus, numbers, tuple(at) * (len(numbers) if len(at) == 1 else 1)))
        for k in range(1, len(at)):
            weights = (*(1.0 / k,) * k, -1.0)
            name = f"{first.bus} {'+'.join(_letter(n) for n in numbers[:k])}-{_letter(numbers[k])}"
            found.append(
                _Combined(name, first.bus, numbers[: k + 1], tuple(at[: k + 1]), weights, is_difference=True)
            )
    return found


def _combinations(rows: Sequence[_Combined], n_places: int) -> Floats:
    """Return what each measurement is of the places, shape (len(rows), n_places)."""
    table = np.zeros((len(rows), n_places))
    for i, row in enumerate(rows):
        for k, weight in zip(row.places, row.weights or (1.0,) * len(row.places), strict=True):
            table[i, k] = weight
    return table


def _named(nodes: adm.NodeTable, at: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    names = [nodes.names[i].rpartition(".") for i in at]
    return names[0][0], tuple(int(k) for _, _, k in names)


def _letter(number: int) -> str:
    return "abc"[number - 1] if number <= 3 else str(number)


def _split(nodes: adm.NodeTable, here: int, other: int) -> complex:
    """Return which part of the power of a branch enters it at a node."""
    if other < 0:
        return 1.0
    v, w = (_nominal_v(nodes, i) for i in (here, other))
    return v / (v - w)


def _nominal_v(nodes: adm.NodeTable, node: int) -> complex:
    number = int(nodes.names[node].rpartition(".")[2])
    return complex(np.exp(-2j * np.pi / 3.0 * (number - 1))) if number <= 3 else 0.0


def _floating_pairs(n: int, a: Ints, b: Ints, grounded: dict[int, float]) -> dict[int, tuple[int, ...]]:
    """Return node -> pair, of loads between two nodes at which nothing else injects."""
    a, b = np.where(a < 0, n, a), np.where(b < 0, n, b)
    at = np.array(list(grounded), np.int64)
    island = islands(n + 1, np.concatenate([a, at]), np.concatenate([b, np.full(len(at), n, np.int64)]))
    found: dict[int, list[int]] = {}
    for node in sorted({*a.tolist(), *b.tolist()}):
        if island[node] != island[n]:
            found.setdefault(int(island[node]), []).append(node)
    return {i: tuple(g) for g in found.values() if len(g) == 2 for i in g}


def _ratings(network: Network, nodes: adm.NodeTable) -> dict[int, float]:
    """Return node -> rating of the resources there [VA]."""
    found: dict[int, float] = {}
    for der in network.ders:
        at = [i for i in nodes.of(der.bus, der.nodes[: der.phases]) if i >= 0]
        for i in at:
            found[i] = found.get(i, 0.0) + 1e3 * der.kva / len(at)
    return found


def _shares(places: Sequence[_Place], n_loads: int) -> npt.NDArray[np.complex128]:
    """Return which part of the power of each load is at each place, shape (n_places, n_loads)."""
    table = np.zeros((len(places), n_loads), np.complex128)
    for row, place in enumerate(places):
        for load, part in place.parts:
            table[row, load] += part
    return table
