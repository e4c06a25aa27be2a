"""State estimation: iowa240 in three phases, peers on its balanced equivalent, cost against size.

Wall time of one estimation from the last state, fresh noise in every measurement of every scan; loads are
pseudo-measurements with 30 % of noise, so that the state moves by far more than on a running feeder.
"""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt

from estimation.wls import Estimator
from hil import paths
from hil.bench.se_balanced import equivalent
from hil.bench.se_case import Case, case_of
from hil.bench.se_pandapower import Pandapower
from hil.bench.se_pgm import TOLERANCE_PU, PowerGridModel
from hil.bench.step import COPIES, copies
from hil.network_files import read_network
from rtcore.errors import HostError
from rtcore.network.model import Network

Complex = npt.NDArray[np.complex128]

RUNS_MIN, RUNS_MAX = 100, 2000
REFACTORS = 10
OTHER_SIGMA = 1.2
"""Change of all sigmas that makes a new factor necessary; the estimate stays the same."""
PER_PANDAPOWER = 10
"""Runs of ours and of power-grid-model to one of pandapower."""
PANDAPOWER_SHARE = 0.25
"""Part of the time that pandapower may take."""
TURN = np.exp(2j * np.pi / 3.0 * np.arange(3))


def run(seconds: float = 20.0) -> dict[str, dict[str, float | str]]:
    """Measure all; ``seconds`` bounds the repetitions, at least 100 of each estimator of ours.

    Returns
    -------
    dict
        ``iowa240`` -> p50_ms, p99_ms, cold_ms (structure and first estimate), refactor_ms (a scan with other
        sigmas), measurements, states; ``balanced`` -> p50_ms, pgm_ms, pandapower_ms, pandapower_flat_ms,
        ratios, and the largest error of positive-sequence voltage of each; ``scaling ...`` -> nodes,
        measurements, p50_ms, cold_ms.
    """
    iowa240 = read_network(paths.find("networks", "iowa240"))
    found: dict[str, dict[str, float | str]] = {"iowa240": feeder(iowa240, 0.4 * seconds)}
    found["balanced"] = balanced(equivalent(iowa240), 0.4 * seconds)
    networks = {name: read_network(paths.find("networks", name)) for name in ("ieee13", "ieee123")}
    networks |= {"iowa240": iowa240, f"{COPIES}x iowa240": copies(iowa240, COPIES)}
    for name, network in networks.items():
        found[f"scaling {name}"] = scaling(network, 0.05 * seconds)
    return found


def timed(case: Case, seconds: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return the wall times of estimates from fresh scans [s].

    Raises
    ------
    ArithmeticError
        When one of them does not converge: its time would mean nothing.
    """
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while len(taken) < RUNS_MIN or (time.perf_counter() < end and len(taken) < RUNS_MAX):
        taken.append(once(case, case.scan(rng))[0])
    return np.array(taken)


def once(case: Case, z: npt.NDArray[np.float64], factor: float = 1.0) -> tuple[float, Complex]:
    """Return the wall time of one estimate [s] and the node voltages [V]; all sigmas times a factor."""
    sigma = factor * case.sigma
    begin = time.perf_counter()
    estimate = case.estimator.estimate(z, sigma)
    taken_s = time.perf_counter() - begin
    if not estimate.converged:
        raise ArithmeticError(f"{case.estimator.network.name}: {estimate.reason}")
    return taken_s, estimate.v


def cold_s(case: Case, rng: np.random.Generator) -> float:
    """Return the wall time from a network and its measurements to the first estimate [s]."""
    z = case.scan(rng)
    begin = time.perf_counter()
    Estimator(case.estimator.network, case.estimator.measurements).estimate(z, case.sigma)
    return time.perf_counter() - begin


def feeder(network: Network, seconds: float) -> dict[str, float | str]:
    """Measure one network closely: median and tail, start from nothing, scans that need a new factor."""
    case, rng = case_of(network), np.random.default_rng(1)
    cold = cold_s(case, rng)
    case.run(rng)
    taken = timed(case, seconds, rng)
    refactors = [once(case, case.scan(rng), (OTHER_SIGMA, 1.0)[k % 2])[0] for k in range(REFACTORS)]
    return {
        "p50_ms": 1e3 * float(np.median(taken)),
        "p99_ms": 1e3 * float(np.percentile(taken, 99)),
        "cold_ms": 1e3 * cold,
        "refactor_ms": 1e3 * float(np.median(refactors)),
        "runs": len(taken),
        "measurements": len(case.true),
        "states": 2 * len(case.estimator.nodes),
    }


def scaling(network: Network, seconds: float) -> dict[str, float | str]:
    """Measure one network of a row of sizes."""
    case, rng = case_of(network), np.random.default_rng(1)
    cold = cold_s(case, rng)
    case.run(rng)
    return {
        "nodes": len(case.estimator.nodes),
        "measurements": len(case.true),
        "p50_ms": 1e3 * float(np.median(timed(case, seconds, rng))),
        "cold_ms": 1e3 * cold,
    }


def balanced(network: Network, seconds: float) -> dict[str, float | str]:
    """Measure beside the peers: the same scans in turn, every tenth for pandapower as well."""
    case, rng = case_of(network), np.random.default_rng(1)
    case.estimator.tol_pu = TOLERANCE_PU
    peer = PowerGridModel(network, case.estimator.measurements, case.sigma)
    truth = _positive(once(case, case.true)[1])
    ours: list[float] = []
    theirs: list[float] = []
    errors: list[tuple[float, float]] = []
    slow = _Slow(network, case, truth)
    end = time.perf_counter() + seconds
    while len(ours) < RUNS_MIN or (time.perf_counter() < end and len(ours) < RUNS_MAX):
        z = case.scan(rng)
        taken_s, v = once(case, z)
        peer_s, peer_v = peer.estimate(z)
        ours.append(taken_s)
        theirs.append(peer_s)
        errors.append((_error(_positive(v), truth), _error(_positive(peer_v.ravel()), truth)))
        if len(ours) % PER_PANDAPOWER == 0:
            slow.take(z, PANDAPOWER_SHARE * seconds)
    p50 = float(np.median(ours))
    worst, peer_worst = np.max(errors, axis=0) / case.estimator.frame.base_v[0]
    return {
        "p50_ms": 1e3 * p50,
        "pgm_ms": 1e3 * float(np.median(theirs)),
        "ratio_to_pgm": p50 / float(np.median(theirs)),
        "error_pu": float(worst),
        "pgm_error_pu": float(peer_worst),
        "runs": len(ours),
        "measurements": len(case.true),
        **slow.figures(p50),
    }


class _Slow:
    """pandapower, where its environment is there: some of the scans, warm, the first of them also cold."""

    def __init__(self, network: Network, case: Case, truth: Complex) -> None:
        self.truth, self.base_v, self.why = truth, case.estimator.frame.base_v[0], ""
        self.taken: list[float] = []
        self.flat: list[float] = []
        self.errors: list[float] = []
        self.peer: Pandapower | None = None
        try:
            self.peer = Pandapower(network, case.estimator.measurements, case.sigma)
            self.peer.estimate(case.true)  # compiles
        except HostError as error:
            self.why = str(error)

    def take(self, z: npt.NDArray[np.float64], limit_s: float) -> None:
        """Estimate one scan, unless the time for it is used up."""
        if self.peer is None or sum(self.taken) + sum(self.flat) > limit_s:
            return
        if len(self.flat) < 3:
            self.flat.append(self.peer.estimate(z, is_cold=True)[0])
        taken_s, v = self.peer.estimate(z)
        if len(v):
            self.taken.append(taken_s)
            self.errors.append(_error(v * np.exp(-1j * np.angle(v[0])), self.truth))

    def figures(self, ours_s: float) -> dict[str, float | str]:
        """Return its medians beside our median, or why there are none."""
        if self.peer is None:
            return {"pandapower": self.why}
        with self.peer:
            if not self.taken:
                return {"pandapower": "did not converge"}
        theirs = float(np.median(self.taken))
        return {
            "pandapower_ms": 1e3 * theirs,
            "pandapower_flat_ms": 1e3 * float(np.median(self.flat)),
            "ratio_to_pandapower": ours_s / theirs,
            "pandapower_error_pu": max(self.errors) / self.base_v,
            "pandapower_runs": len(self.taken),
        }


def _positive(v: Complex) -> Complex:
    """Return positive-sequence voltages of nodes in bus order, the first at angle zero [V]."""
    found = (v.reshape(-1, 3) * TURN).mean(axis=1)
    return np.asarray(found * np.exp(-1j * np.angle(found[0])), np.complex128)


def _error(v: Complex, truth: Complex) -> float:
    return float(np.max(np.abs(v - truth)))
