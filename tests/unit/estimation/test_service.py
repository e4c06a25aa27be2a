"""The estimator's service on readings of iowa240 with the section meters, made without the plant."""

from __future__ import annotations

import dataclasses as dc

import numpy as np
import pytest

from estimation.detectors.areas import areas_of, layout_of
from estimation.detectors.bank import Bank
from estimation.injection_flow import InjectionFlow
from estimation.network_model import Status
from estimation.outputs import State, Why
from estimation.pseudo_levels import Level
from estimation.reading import Output, Reading
from estimation.service import Service
from estimation.watchers import Watchers
from rtcore.published import Layout
from rtcore.quality import BAD_FROM, Quality
from tests.support.estimation_rig import HOUR_NS, Rig, rig

EST = ("estimator", "estimator")
HEAD_P = "FDR_B.HEAD.P"


@pytest.fixture(scope="module")
def station() -> Rig:
    return rig("sections")


@pytest.fixture(scope="module")
def clean(station: Rig) -> np.ndarray:
    """One clean scan: drawn loads, drawn instruments."""
    return station.draw(np.random.default_rng(11))[0]


class Ticks:
    """A clock that goes on by a millisecond at every look: how far work comes is no matter of speed."""

    def __init__(self) -> None:
        self.n = 0

    def __call__(self) -> float:
        self.n += 1
        return 1e-3 * self.n


SLICES = 30
"""So many looks at the clock does the desk give to the work after a scan."""


class Desk:
    """A service and what it said last."""

    def __init__(self, station: Rig) -> None:
        self.station = station
        self.layout = Layout(station.plan.points.of("estimator"))
        channels = station.telemetry.channels
        watchers = Watchers(Bank(layout_of(channels), areas_of(channels)), {"innovation": 5.0})
        self.service = Service(station.fresh_scan(), self.layout, watchers, lambda *_: [], clock_s=Ticks())
        self.output = Output(np.zeros(0), np.zeros(0, np.uint8))
        self.n = 0

    def scan(self, z: np.ndarray, **told: Status) -> Desk:
        return self.take(self.station.reading(z, after_s=0.5 * self.n, **told))

    def take(self, reading: Reading) -> Desk:
        self.output = self.service.scan(reading)
        self.service.settle(1e-3 * SLICES)
        self.n += 1
        return self

    def value(self, attr: str, kind: str = "estimator", name: str = "estimator") -> float:
        return float(self.output.values[self.layout.place(kind, name, attr)])

    def quality(self, attr: str, kind: str = "estimator", name: str = "estimator") -> int:
        return int(self.output.quality[self.layout.place(kind, name, attr)])

    @property
    def suspects(self) -> list[str]:
        names = self.layout.instances("residual")
        return [names[int(v) - 1] for k in (1, 2, 3) if (v := self.value(f"suspect_{k}")) > 0]


@pytest.fixture
def desk(station: Rig) -> Desk:
    return Desk(station)


def index(station: Rig, name: str) -> int:
    return next(k for k, c in enumerate(station.telemetry.channels) if c.measurement.name == name)


def test_a_clean_scan_gives_a_good_state(desk: Desk, station: Rig, clean: np.ndarray) -> None:
    desk.scan(clean)
    assert desk.value("reason") == Why.OK
    assert desk.value("is_converged") == 1
    assert desk.value("j") < desk.value("threshold")
    assert desk.suspects == []
    assert desk.value("age_s") == 0.0
    frame = station.scan.estimator.frame
    node = frame.nodes.index["bus1001.1"]
    states = station.draw(np.random.default_rng(11))[2]
    v = abs(states[station.scan.estimator.model.state[node]]) * frame.base_v[node]
    # voltage transformers of class 0.3: 0.1 % of one, many of them
    assert desk.value("va_v", "estimate", "bus1001") == pytest.approx(v, rel=1e-3)
    assert desk.quality("va_v", "estimate", "bus1001") == Quality.GOOD


def test_forecasts_of_feeders_hold_until_others_are_given(
    desk: Desk, station: Rig, clean: np.ndarray
) -> None:
    """A right one is consistent with the meters; one that is wrong by half of the load is not."""
    loads = tuple(k for k, x in enumerate(station.plan.network.loads) if "bus2" in x.bus)
    begin_ns = station.sim_ns - HOUR_NS // 2
    said_w = float(station.scan.pseudo.loads_at(station.sim_ns)[0][0, list(loads)].sum())

    def j(factor: float) -> float:
        desk.service.level((Level(loads, begin_ns, begin_ns + HOUR_NS, factor * said_w, 0.03 * said_w),))
        return desk.scan(clean).value("j")

    threshold = desk.scan(clean).value("threshold")
    assert j(1.0) < threshold
    assert j(1.5) > threshold
    desk.service.level(())
    assert desk.scan(clean).value("j") < threshold


def test_a_gross_error_is_named_in_its_first_scan(desk: Desk, station: Rig, clean: np.ndarray) -> None:
    desk.scan(clean)
    k = index(station, HEAD_P)
    bad = clean.copy()
    bad[k] += 20.0 * station.sigma[k]
    desk.scan(bad)
    assert desk.suspects[0] == HEAD_P
    assert desk.value("state", "residual", HEAD_P) == State.REMOVED
    assert desk.value("is_bad_data") == 0  # one scan of five
    desk.scan(bad).scan(bad)
    assert desk.value("is_bad_data") == 1
    assert desk.value("switch_suspect") == 0  # one measurement explains it


def test_a_wrong_status_is_found_and_its_estimate_shown_as_substitute(
    desk: Desk, station: Rig, clean: np.ndarray
) -> None:
    wrong = Status.of(station.plan.network).with_switch("cb_202", is_closed=False)
    names = [s.name for s in station.plan.network.switches]
    desk.scan(clean)
    for _ in range(12):
        desk.scan(clean, status=wrong)
        if desk.value("switch_suspect") == names.index("cb_202") + 1:
            break
    else:
        pytest.fail("no switch was suspected")
    desk.scan(clean, status=wrong)
    assert desk.quality("va_v", "estimate", "bus2013") == Quality.UNCERTAIN_SUBSTITUTE
    assert desk.value("va_v", "estimate", "bus2013") > 7000.0
    desk.scan(clean)
    assert desk.value("switch_suspect") == 0
    assert desk.quality("va_v", "estimate", "bus2013") == Quality.GOOD


def test_without_telemetry_the_last_state_ages(desk: Desk, clean: np.ndarray, station: Rig) -> None:
    desk.scan(clean)
    nothing = np.full_like(clean, np.nan)
    desk.take(station.reading(nothing, after_s=1.0))
    assert desk.value("reason") == Why.NO_TELEMETRY
    assert desk.quality("j") >= BAD_FROM
    assert desk.value("age_s") == pytest.approx(1.0, abs=1e-6)
    assert desk.quality("va_v", "estimate", "bus1001") == Quality.UNCERTAIN_LAST_USABLE
    desk.take(station.reading(nothing, after_s=30.0))
    assert desk.quality("va_v", "estimate", "bus1001") >= BAD_FROM
    assert desk.value("va_v", "estimate", "bus1001") > 7000.0  # the last one, and Bad
    desk.take(station.reading(clean, after_s=30.5))
    assert desk.value("reason") == Why.OK


def test_one_dead_voltage_meter_is_removed_and_contradicts_no_status(
    desk: Desk, station: Rig, clean: np.ndarray
) -> None:
    name = "FDR_B.HEAD.VA"
    dead = clean.copy()
    dead[index(station, name)] = 0.0
    desk.scan(clean)
    for _ in range(3):
        desk.scan(dead)
        assert desk.value("reason") == Why.OK
        assert desk.suspects == [name]
        assert desk.quality("va_v", "estimate", "bus1001") == Quality.GOOD
    assert desk.value("is_bad_data") == 1


def test_a_reading_far_beyond_its_range_is_named_and_raises_the_alarm(
    desk: Desk, station: Rig, clean: np.ndarray
) -> None:
    far = clean.copy()
    far[index(station, HEAD_P)] *= 1e12
    desk.scan(clean).scan(far)
    assert desk.value("j") < desk.value("threshold")  # the estimate does without it, and is well
    assert desk.suspects == [HEAD_P]
    assert desk.value("suspect_1_rn") == desk.value("rn", "residual", HEAD_P) > 100.0
    assert desk.value("state", "residual", HEAD_P) == State.REMOVED
    assert desk.value("is_bad_data") == 0  # one scan of five
    desk.scan(far).scan(far)
    assert desk.value("is_bad_data") == 1
    assert desk.value("reason") == Why.OK


def test_alarms_that_cannot_be_tested_are_uncertain_and_those_that_are_on_stay_on(
    desk: Desk, station: Rig, clean: np.ndarray
) -> None:
    desk.scan(clean)
    assert desk.quality("is_bad_data") == Quality.GOOD
    assert desk.quality("is_bad_data_centred") == Quality.UNCERTAIN_INITIAL  # 24 h are learned from first
    for name in ("innovation", "balance", "ewma"):
        assert desk.value("is_alarm", "detector", name) == 0
        assert desk.quality("is_alarm", "detector", name) == Quality.UNCERTAIN_INITIAL
    bad = clean.copy()
    bad[index(station, HEAD_P)] *= 1e12
    desk.scan(bad).scan(bad).scan(bad)
    for k in range(10):  # twice as many as end an alarm
        desk.take(station.reading(np.full_like(clean, np.nan), after_s=3.0 + k))
    assert desk.value("is_bad_data") == 1
    assert desk.quality("is_bad_data") == Quality.UNCERTAIN_LAST_USABLE


def test_nan_infinite_and_bad_telemetry_is_left_out(desk: Desk, station: Rig, clean: np.ndarray) -> None:
    odd = clean.copy()
    odd[:40:2] = np.nan
    odd[1:40:2] = np.inf
    desk.scan(odd)
    assert desk.value("reason") == Why.OK
    assert desk.value("n_measurements") <= len(station.sigma) - 40
    assert desk.value("state", "residual", station.telemetry.channels[0].measurement.name) == State.NOT_USED


def test_old_readings_weigh_less_and_very_old_ones_nothing(
    desk: Desk, station: Rig, clean: np.ndarray
) -> None:
    reading = station.reading(clean)
    age_s = reading.age_s.copy()
    slow = [c.point for c in station.telemetry.channels if c.period_s > 0.0]
    age_s[slow] = 600.0
    fresh = station.fresh_scan().take(reading.sim_ns, reading.values, reading.quality, reading.age_s)
    aged = station.fresh_scan().take(reading.sim_ns, reading.values, reading.quality, age_s)
    k = [i for i, c in enumerate(station.telemetry.channels) if c.period_s > 0.0]
    assert np.all(aged.sigma[k] > fresh.sigma[k])
    age_s[slow] = 3.0 * 3600.0
    gone = station.fresh_scan().take(reading.sim_ns, reading.values, reading.quality, age_s)
    assert np.all(np.isnan(gone.z[k]))
    desk.take(dc.replace(reading, age_s=age_s))
    assert desk.value("reason") == Why.OK


def test_voltage_where_there_can_be_none_is_a_contradiction(
    desk: Desk, station: Rig, clean: np.ndarray
) -> None:
    wrong = Status.of(station.plan.network).with_switch("cb_201", is_closed=False)
    desk.scan(clean, status=wrong)
    assert desk.value("reason") == Why.CONTRADICTION
    assert desk.quality("va_v", "estimate", "bus1001") >= Quality.UNCERTAIN_LAST_USABLE


def under(station: Rig, status: Status) -> np.ndarray:
    """What perfect instruments show while the network really has another status than its files state."""
    scan = station.fresh_scan()
    estimator, pseudo = scan.estimator, scan.pseudo
    estimator.set_status(status)
    model, nodes = estimator.model, estimator.frame.nodes
    s = np.zeros(estimator.frame.n, np.complex128)
    between = []
    p, q = pseudo.injections(station.pseudo_z).reshape(2, -1)
    for place, power in zip(pseudo.places, p + 1j * q, strict=True):
        at = nodes.of(place.bus, place.nodes)
        if not model.live[at].all():
            continue
        if len(at) == 2:
            between.append((at[0], at[1], power))
        else:
            s[at[0]] += power
    states = InjectionFlow(model).solve(s, between=between)
    seen = estimator.functionals.h(states) * estimator.functionals.scale
    return np.concatenate([seen[: station.m], station.pseudo_z])


def test_when_the_link_is_gone_old_meters_are_no_telemetry(
    desk: Desk, station: Rig, clean: np.ndarray
) -> None:
    """Meters of every 15 minutes keep a good quality for a while; they do not make a state of now."""
    desk.scan(clean)
    reading = station.reading(clean, after_s=2.0)
    quality = reading.quality.copy()
    fast = [c.point for c in station.telemetry.channels if c.period_s == 0.0]
    contacts = [i for c in station.telemetry.statuses.values() for i in c.points]
    quality[[*fast, *contacts]] = int(Quality.BAD_NO_COMMUNICATION)
    desk.take(dc.replace(reading, quality=quality))
    assert desk.value("reason") == Why.NO_TELEMETRY
    assert desk.value("age_s") == pytest.approx(2.0, abs=1e-6)
    assert desk.quality("va_v", "estimate", "bus1001") == Quality.UNCERTAIN_LAST_USABLE


def test_when_contacts_say_nothing_the_state_is_uncertain(
    desk: Desk, station: Rig, clean: np.ndarray
) -> None:
    reading = station.reading(clean)
    quality = reading.quality.copy()
    quality[list(station.telemetry.statuses["cb_201"].points)] = int(Quality.BAD_NO_COMMUNICATION)
    desk.take(dc.replace(reading, quality=quality))
    assert desk.value("reason") == Why.STATUS_UNKNOWN
    assert desk.quality("va_v", "estimate", "bus1001") == Quality.UNCERTAIN_SENSOR


@pytest.mark.parametrize("name", ["cb_302", "cb_201"])
def test_a_breaker_told_closed_that_is_open_is_found_though_no_state_fits(
    desk: Desk, station: Rig, clean: np.ndarray, name: str
) -> None:
    names = [s.name for s in station.plan.network.switches]
    z = under(station, Status.of(station.plan.network).with_switch(name, is_closed=False))
    desk.scan(clean)
    for _ in range(8):
        desk.scan(z)
        assert desk.quality("va_v", "estimate", "bus1001") != Quality.GOOD
        if desk.value("switch_suspect"):
            break
    assert desk.value("switch_suspect") == names.index(name) + 1
    desk.scan(z)
    assert desk.value("reason") == Why.OTHER_STATUS
    assert desk.quality("va_v", "estimate", "bus3076") != Quality.GOOD


def test_every_channel_has_a_residual_point(desk: Desk, station: Rig, clean: np.ndarray) -> None:
    """Section meters as well: they are points of a station whose file names the set."""
    names = [c.measurement.name for c in station.telemetry.channels]
    assert sorted(desk.layout.instances("residual")) == sorted(names)
    dead = station.scan.estimator.functionals.is_dead[: station.m]
    cut = clean.copy()
    cut[: station.m][dead] = 0.0  # transducers show no current as 0: what is left of noise is cut off
    desk.scan(cut).scan(cut)  # redundancies are found after the first
    unused = {n for n in names if desk.value("state", "residual", n) == State.NOT_USED}
    assert len(unused) == 18  # currents of three open ties, by breaker and by relay
    assert unused == {n for n, is_dead in zip(names, dead, strict=True) if is_dead}


def test_a_gross_error_of_a_section_meter_is_named(desk: Desk, station: Rig, clean: np.ndarray) -> None:
    name = "FDR_B.SM_2013.PA"
    bad = clean.copy()
    k = index(station, name)
    bad[k] += 20.0 * station.sigma[k]
    desk.scan(clean).scan(bad)
    assert desk.suspects[0] == name
    assert desk.value("state", "residual", name) == State.REMOVED


def test_a_tap_that_is_not_where_it_is_told_is_named_and_its_estimate_shown(
    desk: Desk, station: Rig, clean: np.ndarray
) -> None:
    names = [r.name for r in station.plan.network.regulators]
    name = names[1]
    told = Status.of(station.plan.network)
    z = under(station, told.with_tap(name, told.taps[name] - 5))
    desk.scan(clean)
    for _ in range(8):
        desk.scan(z)
        if desk.value("reason") == Why.OTHER_STATUS:
            break
    assert desk.value("tap_suspect") == names.index(name) + 1
    assert desk.value("switch_suspect") == 0
    assert desk.value("reason") == Why.OTHER_STATUS
    desk.scan(clean)
    assert desk.value("tap_suspect") == 0


def test_work_after_a_scan_ends_when_its_time_is_over_and_goes_on_after_the_next(
    station: Rig, clean: np.ndarray
) -> None:
    """The clock stands at so many looks as there were slices, and the hypothesis is found all the same."""
    desk, wrong = Desk(station), Status.of(station.plan.network).with_switch("cb_202", is_closed=False)
    clock, looks = desk.service._clock_s, list[int]()
    assert isinstance(clock, Ticks)
    desk.scan(clean)
    n_scans = 0
    while not desk.value("switch_suspect"):
        n_scans += 1
        assert n_scans < 120
        desk.output = desk.service.scan(station.reading(clean, after_s=0.5 * n_scans, status=wrong))
        before = clock.n
        desk.service.settle(5.5e-3)
        looks.append(clock.n - before)
    assert max(looks) == 7  # the start, and one after each of six slices
    assert n_scans > 3  # it took several scans


def test_what_was_learned_goes_over_to_another_service(desk: Desk, station: Rig, clean: np.ndarray) -> None:
    for _ in range(4):
        desk.scan(clean)
    learned_h = desk.value("learned_h")
    assert learned_h == pytest.approx(3 * 0.5 / 3600.0, rel=1e-6)
    other = Desk(station)
    other.service.recall(desk.service.remember())
    assert other.scan(clean).value("learned_h") == pytest.approx(learned_h, rel=1e-9)
    with pytest.raises(ValueError, match="not learned from"):
        other.service.recall({})


def test_without_telemetry_nothing_is_estimated(desk: Desk, station: Rig, clean: np.ndarray) -> None:
    """An attempt on history alone took seconds in every scan, and could not give a state."""
    desk.scan(clean)
    desk.take(station.reading(np.full_like(clean, np.nan), after_s=1.0))
    assert desk.value("iterations") == 0
    assert desk.value("n_measurements") == 0
    assert desk.value("state", "residual", HEAD_P) == State.NOT_USED
    assert desk.scan(clean).value("reason") == Why.OK
