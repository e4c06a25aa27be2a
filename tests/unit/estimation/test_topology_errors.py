"""Switches and taps that are not where they are said to be."""

from __future__ import annotations

import dataclasses as dc
import os

import numpy as np
import numpy.typing as npt
import pytest

from estimation.measurements import Measurement
from estimation.network_model import Status
from estimation.topology_errors import Hypothesis, explains, find_switch, find_tap, flipped, try_switches
from estimation.wls import Estimator
from hil.station import read_plan
from hil.telemetry_files import telemetry_of
from rtcore.network.grid import Grid
from tests.support import grid_readings as gr

Floats = npt.NDArray[np.float64]

STATION = "iowa240"
MANY = int(os.environ.get("GRIDHIL_RUNS", "0"))


@dc.dataclass
class Seen:
    """A station as its section telemetry sees it, with nominal loads known to a fifth; values of any grid."""

    grid: Grid
    listed: list[Measurement]
    sigma: Floats
    estimator: Estimator

    def scan(self, grid: Grid, seed: int = 1) -> Floats:
        """Meters read what is there; pseudo-measurements say what they always do."""
        rng = np.random.default_rng(seed)
        is_pseudo = np.array([m.is_pseudo for m in self.listed])
        nominal, true = gr.Readings(self.grid).values(self.listed), gr.Readings(grid).values(self.listed)
        errors = self.sigma * rng.standard_normal(len(true))
        return np.where(is_pseudo, nominal + errors, np.where(np.abs(true) < 1e-3, 0.0, true + errors))


@pytest.fixture(scope="module")
def seen() -> Seen:
    plan = read_plan(STATION)
    grid = Grid(plan.network)
    grid.solve()
    channels = [c for c in telemetry_of(plan, "sections").channels if not c.period_s]
    pseudo = [dc.replace(m, is_pseudo=True) for m in gr.loads(grid)]
    listed = [*(c.measurement for c in channels), *pseudo]
    true = gr.Readings(grid).values(listed)
    meters = [float(c.accuracy.sigma(x)) for c, x in zip(channels, true, strict=False)]
    loads = 0.2 * np.abs(true[len(meters) :]) + 100.0
    estimator = Estimator(plan.network, listed)
    estimator.iterations_max = 15  # under a wrong status its J is enough, it need not come to rest
    return Seen(grid, listed, np.concatenate([meters, loads]), estimator)


def wrongly_said(seen: Seen, name: str) -> tuple[Floats, Status]:
    """Return a scan with one switch in the other position, and the status of the network's files."""
    grid = Grid(seen.grid.network)
    switch = next(s for s in grid.network.switches if s.name == name)
    grid.set_switch(name, not switch.is_closed)
    gr.re_solved(grid)
    return seen.scan(grid), Status.of(grid.network)


SWITCHES = [s.name for s in gr.read_network(gr.paths.find("networks", "iowa240-prot")).switches]
BREAKERS = [n for n in SWITCHES if n.startswith(("cb_", "rcl_"))]


UNSEEN = ("fuse_1011", "fuse_2028", "fuse_2049")
"""Behind these no meter reads in every scan: what is lost is a load that was known to a fifth, little beside
the errors of the others on its feeder."""


def searched(seen: Seen, name: str, among: list[str]) -> str:
    """Return what the search names, the status of the station being as it is said but for one switch."""
    z, said = wrongly_said(seen, name)
    seen.estimator.set_status(said)
    present = seen.estimator.estimate(z, seen.sigma)
    assert present.j > present.threshold
    found = find_switch(seen.estimator, z, seen.sigma, present, among)
    assert seen.estimator.status == said
    return found.element if found else ""


@pytest.mark.parametrize("name", ["cb_101", "cb_202", "cb_102", "rcl_3107"])
def test_a_breaker_that_is_not_where_its_contact_says_is_found(seen: Seen, name: str) -> None:
    """A feeder's breaker, one in mid-feeder, a tie that is closed, a recloser."""
    other = BREAKERS[BREAKERS.index(name) - 1]
    assert searched(seen, name, [name, other]) == f"switch.{name}"


@pytest.mark.skipif(not MANY, reason="takes minutes: GRIDHIL_RUNS=1")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", [n for n in SWITCHES if n != "cb_hv" and n not in UNSEEN])
def test_it_is_found_among_all_switches(seen: Seen, name: str) -> None:
    assert searched(seen, name, SWITCHES) == f"switch.{name}"


@pytest.mark.skipif(not MANY, reason="takes minutes: GRIDHIL_RUNS=1")
@pytest.mark.parametrize("name", UNSEEN)
def test_a_blown_fuse_of_a_small_load_without_a_meter_is_not_seen(seen: Seen, name: str) -> None:
    """J stays within what chance allows, so that no search begins."""
    z, said = wrongly_said(seen, name)
    seen.estimator.set_status(said)
    present = seen.estimator.estimate(z, seen.sigma)
    assert present.j < present.threshold


def test_with_the_incoming_breaker_open_there_is_nothing_to_estimate_but_the_hypothesis_holds(
    seen: Seen,
) -> None:
    """Everything is dead: no residual is left, and no degree of freedom to judge one by."""
    z = np.where([m.is_pseudo for m in seen.listed], seen.scan(seen.grid), 0.0)
    seen.estimator.set_status(Status.of(seen.grid.network))
    present = seen.estimator.estimate(z, seen.sigma)
    assert not present.converged or present.j > present.threshold
    (hypothesis,) = try_switches(seen.estimator, z, seen.sigma, ["cb_hv"])
    alive = hypothesis.estimate.live
    assert np.count_nonzero(alive) <= 3  # the source's own bus
    assert not explains(hypothesis, present) or hypothesis.estimate.dof > 0


def test_when_every_switch_is_where_it_is_said_none_is_named(seen: Seen) -> None:
    z = seen.scan(seen.grid)
    seen.estimator.set_status(Status.of(seen.grid.network))
    present = seen.estimator.estimate(z, seen.sigma)
    assert present.j < present.threshold
    assert not any(
        explains(h, present) for h in try_switches(seen.estimator, z, seen.sigma, ["cb_202", "cb_102"])
    )


@pytest.mark.parametrize(
    ("left", "is_cause"),
    [(0.0, True), (0.09, True), (0.11, False), (0.49, False), (-0.1, True)],
)
def test_a_hypothesis_explains_nothing_while_a_tenth_of_the_excess_is_left(
    seen: Seen, left: float, is_cause: bool
) -> None:
    """Of an excess of 10 000, so that what J may have by chance is far below a tenth."""
    z = seen.scan(seen.grid)
    said = Status.of(seen.grid.network)
    seen.estimator.set_status(said)
    clean = seen.estimator.estimate(z, seen.sigma)
    present = dc.replace(clean, j=clean.dof + 1e4)
    other = dc.replace(clean, j=clean.dof + left * 1e4)
    assert explains(Hypothesis("switch.any", True, said, other), present) is is_cause


def test_the_search_leaves_the_estimator_as_it_was(seen: Seen) -> None:
    z = seen.scan(seen.grid)
    seen.estimator.set_status(Status.of(seen.grid.network))
    present = seen.estimator.estimate(z, seen.sigma)
    x, factor = seen.estimator.x.copy(), seen.estimator.system
    find_switch(seen.estimator, z, seen.sigma, present, ["cb_202"])
    np.testing.assert_array_equal(seen.estimator.x, x)
    assert seen.estimator.system is factor
    again = seen.estimator.estimate(z, seen.sigma)
    assert not again.refactored
    assert again.j == pytest.approx(present.j, rel=1e-6)


def test_all_poles_go_where_the_first_one_is_not() -> None:
    grid = gr.solved("ieee13")
    name = grid.network.switches[0].name
    estimator = Estimator(grid.network, [])
    assert flipped(estimator, name).switches[name] is False
    poles = len(grid.network.switches[0].nodes1)
    estimator.set_status(estimator.status.with_switch(name, (False,) + (True,) * (poles - 1)))
    assert flipped(estimator, name).switches[name] is True


# --- taps --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("moved", [0, 1, -3, 8])
def test_a_tap_that_is_not_where_its_indicator_says_is_found(moved: int) -> None:
    """A step is 0.625 %, three times the 0.2 % of a voltmeter, of which several are beyond."""
    grid = gr.solved("ieee13")
    regulator = grid.network.regulators[1].name
    said = Status.of(grid.network)
    grid.set_tap(regulator, said.taps[regulator] + moved)
    gr.re_solved(grid)
    listed = [*gr.voltages(grid), *gr.loads(grid)]
    z, sigma = gr.Readings(grid).scan(listed)
    z = z + sigma * np.random.default_rng(1).standard_normal(len(z))
    estimator = Estimator(grid.network, listed)
    present = estimator.estimate(z, sigma)
    found = find_tap(estimator, z, sigma, present, regulator)
    assert estimator.status == said
    if moved == 0:
        assert found is None
    else:
        assert found is not None
        assert found.position == said.taps[regulator] + moved
        assert found.estimate.j < found.estimate.threshold < present.j


def test_no_tap_beyond_the_last_one_is_tried() -> None:
    grid = gr.solved("ieee13")
    regulator = grid.network.regulators[0]
    said = Status.of(grid.network).with_tap(regulator.name, regulator.tap_highest - 1)
    listed = [*gr.voltages(grid), *gr.loads(grid)]
    z, sigma = gr.Readings(grid).scan(listed)
    # Voltages beyond the regulator are higher than any tap makes them.
    phase = regulator.transformer.windings[1].nodes[0]
    beyond = [m.element not in ("sourcebus", "650") and m.nodes == (phase,) for m in listed]
    z = np.where(np.array(beyond) & np.array([m.kind is gr.Kind.V_MAG for m in listed]), 1.2 * z, z)
    estimator = Estimator(grid.network, listed, status=said)
    found = find_tap(estimator, z, sigma, estimator.estimate(z, sigma), regulator.name)
    assert found is not None and found.position == regulator.tap_highest
