"""What a switching makes of meters that are read every 15 minutes: only what is untrue then is left out."""

from __future__ import annotations

import dataclasses as dc

import numpy as np
import pytest

from estimation.measurements import Kind
from estimation.network_model import Model, Status
from estimation.pseudo_levels import Level, Levels
from estimation.supply import Feeders, Supply
from estimation.telemetry_scan import TelemetryScan
from rtcore.network.model import Network
from tests.support.estimation_rig import HOUR_NS, Rig, rig

AGE_S = 60.0
"""Of the meters at the switching; scans are 60 s apart."""


@pytest.fixture(scope="module")
def station() -> Rig:
    return rig("realistic")


@pytest.fixture(scope="module")
def z(station: Rig) -> np.ndarray:
    return station.draw(np.random.default_rng(5))[0]


class Meters:
    """Scans in which the meters were read in the first one alone, unless told so."""

    def __init__(self, station: Rig, z: np.ndarray) -> None:
        self.station, self.z, self.scan = station, z, station.fresh_scan()
        self.slow = np.array([c.period_s > 0.0 for c in station.telemetry.channels])
        self.points = [c.point for c in station.telemetry.channels if c.period_s > 0.0]
        self.n = 0
        self.take(Status.of(station.plan.network), is_read=True)

    def take(self, status: Status, *, is_read: bool = False, scan: TelemetryScan | None = None) -> np.ndarray:
        """Return which channels have a value."""
        reading = self.station.reading(self.z, status=status, after_s=AGE_S * self.n)
        if is_read:
            self.read_at = self.n
        age_s = reading.age_s.copy()
        age_s[self.points] = AGE_S * (self.n - self.read_at)
        self.n += 1
        self.taken = (scan or self.scan).take(reading.sim_ns, reading.values, reading.quality, age_s)
        return np.isfinite(self.taken.z[: len(self.slow)])

    def where(self, feeder: str) -> np.ndarray:
        """Return the meters of a feeder: its buses have numbers that begin with 1, 2, 3 for A, B, C."""
        digit = str("ABC".index(feeder) + 1)
        names = [c.measurement.element for c in self.station.telemetry.channels]
        numbers = ["".join(k for k in n if k.isdigit()) for n in names]
        return self.slow & np.array([len(k) == 4 and k[0] == digit for k in numbers])

    def of(self, *kinds: Kind) -> np.ndarray:
        return np.array([c.measurement.kind in kinds for c in self.station.telemetry.channels])

    def is_fed(self, status: Status) -> np.ndarray:
        """Tell which channels are measured where there is supply."""
        frame = self.scan.estimator.frame
        live = Model(frame, status).live
        found = []
        for c in self.station.telemetry.channels:
            at = (
                frame.nodes.of(c.measurement.element, c.measurement.nodes)
                if not c.measurement.terminal
                else []
            )
            found.append(bool(live[at].all()))
        return np.array(found)


def switched(station: Rig, name: str, *, is_closed: bool, before: Status | None = None) -> Status:
    return (before or Status.of(station.plan.network)).with_switch(name, is_closed)


def test_meters_of_other_feeders_stay_and_of_the_switched_one_the_powers_of_who_is_fed(
    station: Rig, z: np.ndarray
) -> None:
    meters = Meters(station, z)
    after = switched(station, "cb_202", is_closed=False)  # in the middle of feeder B
    there, fed = meters.take(after), meters.is_fed(after)
    power, volts = meters.of(Kind.P_INJ, Kind.Q_INJ), meters.of(Kind.V_MAG)
    of_b = meters.where("B")
    for other in "AC":
        assert np.count_nonzero(meters.where(other)) > 20
        assert there[meters.where(other)].all()
    assert there[of_b & fed & power].all()
    assert not there[of_b & fed & volts].any()
    assert not there[of_b & ~fed].any()
    for some in (of_b & fed & power, of_b & fed & volts, of_b & ~fed):
        assert some.any()


def test_what_is_left_out_comes_back_when_it_is_read_again(station: Rig, z: np.ndarray) -> None:
    meters = Meters(station, z)
    after = switched(station, "cb_202", is_closed=False)
    meters.take(after)
    assert not meters.take(after)[meters.where("B")].all()
    assert meters.take(after, is_read=True)[meters.where("B")].all()


def test_meters_read_without_supply_say_nothing_once_it_is_back(station: Rig, z: np.ndarray) -> None:
    meters = Meters(station, z)
    closed, opened = Status.of(station.plan.network), switched(station, "cb_201", is_closed=False)
    meters.take(opened)
    assert meters.take(opened, is_read=True)[meters.where("B")].all()
    back = meters.take(closed)
    assert not back[meters.where("B")].any()
    assert back[meters.where("A") | meters.where("C")].all()


def test_a_tie_touches_the_feeder_that_takes_over_and_the_part_that_is_taken(
    station: Rig, z: np.ndarray
) -> None:
    meters = Meters(station, z)
    cut = switched(station, "cb_202", is_closed=False)
    meters.take(cut)
    meters.take(cut, is_read=True)
    there = meters.take(switched(station, "cb_204", is_closed=True, before=cut))  # from feeder C
    volts = meters.of(Kind.V_MAG)
    assert there[meters.where("A")].all()
    assert not there[meters.where("C") & volts].any()
    assert there[meters.where("C") & ~volts].all()
    still_dead_or_on_b = there[meters.where("B")]
    assert still_dead_or_on_b.any()  # what B itself feeds was read after it was cut
    assert not there[meters.where("B") & ~meters.is_fed(cut)].any()


def test_the_breaker_of_the_whole_station_touches_everything(station: Rig, z: np.ndarray) -> None:
    meters = Meters(station, z)
    there = meters.take(switched(station, "cb_hv", is_closed=False))
    assert not there[meters.slow].any()


def test_old_voltages_elsewhere_and_powers_of_the_feeder_are_trusted_less(
    station: Rig, z: np.ndarray
) -> None:
    quiet, meters = Meters(station, z), Meters(station, z)
    quiet.take(Status.of(station.plan.network))
    meters.take(switched(station, "cb_202", is_closed=False))
    m, volts = len(meters.slow), meters.of(Kind.V_MAG)
    more = meters.taken.sigma[:m] > quiet.taken.sigma[:m]
    assert more[meters.where("A") & volts].all()
    assert not more[meters.where("A") & ~volts].any()
    known = np.isfinite(meters.taken.z[:m])
    assert more[meters.where("B") & ~volts & known].all()


def test_a_fork_knows_what_was_switched_before_it_and_nothing_after_it_goes_back(
    station: Rig, z: np.ndarray
) -> None:
    meters = Meters(station, z)
    cut = switched(station, "cb_202", is_closed=False)
    before = meters.take(cut)
    fork = meters.scan.fork()
    np.testing.assert_array_equal(meters.take(cut, scan=fork), before)
    meters.take(switched(station, "cb_102", is_closed=True, before=cut), scan=fork)
    np.testing.assert_array_equal(meters.take(cut), before)


def test_supply_is_that_of_the_whole_model_whatever_is_switched(station: Rig) -> None:
    frame, told = station.scan.estimator.frame, Status.of(station.plan.network)
    supply = Supply(frame)
    one_pole = told.with_switch("cb_203", is_closed=(True, False, True))
    tie = told.with_switch("cb_201", is_closed=False).with_switch("cb_204", is_closed=True)
    found = [
        (supply.live(s), Model(frame, s).live)
        for s in (told, one_pole, tie, tie.with_tap("sub_regulator_a", 0))
    ]
    for live, whole in found:
        np.testing.assert_array_equal(live, whole)
    assert not np.array_equal(found[0][0], found[1][0])


def test_feeders_of_a_network_that_branches_without_breakers_are_one(station: Rig) -> None:
    """The head breakers of the station taken for lines: nothing keeps the feeders' voltages apart."""
    network = station.plan.network
    frame = station.scan.estimator.frame
    shipped = Feeders(frame)
    assert {"grid_69kv", "eq_source_bus", "bus_xfmr", "bus1"} == set(shipped.trunk)
    without = Feeders(_Joined(frame, network))  # type: ignore[arg-type]  # as much of a frame as it looks at
    assert without.trunk == frozenset()
    before = Status.of(network)
    touched = without.touched(before, before.with_switch("cb_302", is_closed=False))
    assert touched.all()


class _Joined:
    """A frame in which the breaker of feeder B is a line."""

    def __init__(self, frame: object, network: Network) -> None:
        self.nodes, head = frame.nodes, "cb_201"  # type: ignore[attr-defined]
        blocks = frame.blocks  # type: ignore[attr-defined]
        self.blocks = {k: v for k, v in blocks.items() if k != f"switch.{head}"}
        self.blocks["line.head"] = blocks[f"switch.{head}"]
        switches = tuple(s for s in network.switches if s.name != head)
        self.network = dc.replace(network, switches=switches)


def test_a_forecast_of_a_feeder_counts_while_every_switch_is_as_built(station: Rig, z: np.ndarray) -> None:
    """With one in another position its meter measures other loads than its own."""
    pseudo, loads = station.scan.pseudo, station.plan.network.loads
    of_b = tuple(k for k, x in enumerate(loads) if "bus2" in x.bus)
    said_w = float(pseudo.loads_at(station.sim_ns)[0][0, list(of_b)].sum())
    begin_ns = station.sim_ns - HOUR_NS // 2
    levels = (Level(of_b, begin_ns, begin_ns + HOUR_NS, 1.5 * said_w, 0.1 * said_w),)

    def drawn(status: Status, levels: Levels) -> list[float]:
        meters = Meters(station, z)
        meters.scan.levels = levels
        meters.take(status)
        assert meters.scan.fork().levels == levels
        found: list[float] = meters.taken.z[station.m :].tolist()
        return found

    usual, switched_off = Status.of(station.plan.network), switched(station, "cb_202", is_closed=False)
    assert drawn(usual, levels) != drawn(usual, ())
    assert drawn(switched_off, levels) == drawn(switched_off, ())
