"""The plant of one run: the station's own engine, taken a scan at a time.

The plant is stepped with a second by default. What a centre sees every ten seconds does not depend on
shorter steps: the load's ripple is an exact discretisation of its process for any step, the network is
solved to the same tolerance in each, and timers of voltage relays (15 s, taps of seconds) and capacitor
controls are counted in whole steps. What is shorter than a step is not followed: swings of machines
(above 10 ms one machine of an island keeps the energy balance) and the course of a fault. There are none in
these runs; opened breakers open within a step.
"""

from __future__ import annotations

import dataclasses as dc
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from hil.cyberrange.plan import RangePlan
from hil.engine_snapshot import Snapshot
from hil.station import make_setup
from rtcore.commands import Reason
from rtcore.engine import Engine
from rtcore.errors import Problem, UserInputError
from rtcore.network import admittance as adm
from rtcore.plant.load import P1, V1

Floats = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]

RANGE_A_PU = (0.95, 1.05)
"""Service voltages outside are violations: ANSI C84.1 Range A."""
DEAD_PU = 0.1
BRANCHES = 3
"""Most branches of a load."""


@dc.dataclass(frozen=True, slots=True)
class PlantScan:
    """The truth at one scan.

    Attributes
    ----------
    t_s : float
        Since the start of the run [s].
    utc_ns : int
    values, quality
        All points, as the instruments show them.
    v : complex128[n_nodes]
        True node voltages [V], network order.
    branch_w : float64[n_loads, 3]
        Power that each branch of each load draws [W], 0 where a load has no such branch.
    is_dead : bool[n_loads, 3]
        Branches below a tenth of their base voltage.
    n_violations, n_dead : int
        Load nodes outside Range A though alive, and without voltage.
    """

    t_s: float
    utc_ns: int
    values: Floats
    quality: npt.NDArray[np.uint8]
    v: Complex
    branch_w: Floats
    is_dead: npt.NDArray[np.bool_]
    n_violations: int
    n_dead: int


class Plant:
    """One plant on one day with one set of instruments."""

    def __init__(self, plan: RangePlan, start: dt.datetime, seed: int, duration_s: float) -> None:
        station = plan.station.station
        time = station.time.model_copy(update={"start": start})
        on_day = dc.replace(plan.station, station=dc.replace(station, time=time))
        dt_ns = round(plan.head.step_s * 1e9)
        self.engine = Engine(make_setup(on_day, dt_ns, {"seed": seed}, duration_s))
        self.scan_s, self._steps = plan.head.scan_s, plan.steps_per_scan
        self._dt_ns, self._start_ns = dt_ns, on_day.station.start_utc_ns
        self._load_nodes, self._base_v, self._branch_v = _load_nodes(self.engine)
        self.refused: list[str] = []
        """Commands that the plant did not carry out, and why."""
        self._set(plan.settings, str(plan.path))

    def _set(self, settings: Mapping[str, float], file: str) -> None:
        """Give the plan's settings; one that the plant refuses is the user's mistake."""
        wrong = []
        for tag, value in settings.items():
            reason = self.engine.do(tag, value).reason
            if reason is not Reason.DONE:
                wrong.append(
                    Problem(file, f'set."{tag}"', f"the plant refuses {value:g}: {reason.name.lower()}")
                )
        if wrong:
            raise UserInputError(wrong)
        self.engine.step(-self.engine.n_steps % self._steps)

    def scan(self, commands: Sequence[tuple[str, float]] = ()) -> PlantScan:
        """Go on to the next scan; commands are given at its beginning."""
        engine = self.engine
        asked = {engine.command([write])[0]: write for write in commands}
        engine.step(self._steps)
        verdicts = engine.verdicts()
        for number, (tag, value) in asked.items():
            if number in verdicts and not verdicts[number].is_done:
                self.refused.append(f"{tag} = {value:g}: {verdicts[number].reason.name.lower()}")
        v = engine.grid.voltages.copy()
        size = np.abs(v[self._load_nodes]) / self._base_v
        is_without = size < DEAD_PU
        is_wrong = ~is_without & ((size < RANGE_A_PU[0]) | (size > RANGE_A_PU[1]))
        now_ns = (engine.n_steps - 1) * self._dt_ns  # of the step whose image this is
        return PlantScan(
            now_ns * 1e-9,
            self._start_ns + now_ns,
            engine.world.values.copy(),
            engine.world.quality.copy(),
            v,
            engine.world.loads.columns[:, P1 : P1 + BRANCHES].copy(),
            engine.world.loads.columns[:, V1 : V1 + BRANCHES] < DEAD_PU * self._branch_v,
            int(np.count_nonzero(is_wrong)),
            int(np.count_nonzero(is_without)),
        )

    def scans(self, n: int) -> Iterator[PlantScan]:
        """Yield the next n scans."""
        for _ in range(n):
            yield self.scan()

    def snapshot(self) -> Snapshot:
        """Return a moment to go back to."""
        return Snapshot(self.engine)


def _load_nodes(engine: Engine) -> tuple[npt.NDArray[np.int64], Floats, Floats]:
    """Return the nodes that loads are at, each once, their base voltages and those of branches [V]."""
    network = engine.setup.network
    nodes = adm.node_table(network)
    branches = adm.load_branches(network, nodes)
    at = np.unique(np.concatenate((branches.a, branches.b)))
    at = at[at >= 0].astype(np.int64)
    branch_v = np.zeros((len(network.loads), BRANCHES))  # 0: no such branch, never dead
    for load in range(len(network.loads)):
        volts = branches.vb_v[branches.load == load]
        branch_v[load, : len(volts)] = volts
    return at, np.asarray(nodes.base_v, float)[at], branch_v
