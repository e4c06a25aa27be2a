"""The estimator's service on readings of iowa240 with the section meters, made without the plant."""

from __future__ import annotations

import dataclasses as dc

import numpy as np
import pytest

from estimation.detectors.areas import areas_of, layout_of
from estimation.detectors.bank import Bank
from estimation.injection_flow import InjectionFlow
from estimation.network_model import Status
from estimation.outputs import Layout, State, Why
from estimation.reading import Output, Reading
from estimation.service import Service
from estimation.watchers import Watchers
from rtcore.quality import BAD_FROM, Quality
from tests.support.estimation_rig import Rig, rig

EST = ("estimator", "estimator")
HEAD_P = "FDR_B.HEAD.P"


@pytest.fixture(scope="module")
def station() -> Rig:
    return rig("sections")


@pytest.fixture(scope="module")
def clean(station: Rig) -> np.ndarray:
    """One clean scan: drawn loads, drawn instruments."""
    return station.draw(np.random.default_rng(11))[0]


class Desk:
    """A service and what it said last."""

    def __init__(self, station: Rig) -> None:
        self.station = station
        self.layout = Layout(station.plan.points.estimators)
        channels = station.telemetry.channels
        watchers = Watchers(Bank(layout_of(channels), areas_of(channels)), {"innovation": 5.0})
        self.service = Service(station.fresh_scan(), self.layout, watchers, lambda *_: [], rate_hz=2.0)
        self.output = Output(np.zeros(0), np.zeros(0, np.uint8))
        self.n = 0

    def scan(self, z: np.ndarray, **told: Status) -> Desk:
        return self.take(self.station.reading(z, after_s=0.5 * self.n, **told))

    def take(self, reading: Reading) -> Desk:
        self.output = self.service.scan(reading)
        self.service.settle()
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
