"""Bad input to the plant: setpoints beyond limits, impossible parameters, a network without a solution."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest

from hil.paths import find
from hil.station import load_setup
from protocols.gateway import check_value
from rtcore.assemble import Setup
from rtcore.commands import Reason
from rtcore.engine import Engine
from rtcore.network import model as m
from rtcore.plant import battery
from rtcore.plant import generator as gen
from rtcore.points import Kind, Point
from rtcore.quality import Quality
from tests.support import machine_rig as rig
from tests.support.station import gridhil

pytestmark = pytest.mark.timeout(900)
"""With an empty cache the first of these tests compiles every kernel."""

NEW = (
    "source",
    "generator",
    "battery",
    "pv",
    "pv_fleet",
    "microgrid",
    "dispatch",
    "load_shedding",
    "breaker",
)


@functools.cache
def station() -> Setup:
    return load_setup("iowa240-der", 10_000_000)


@pytest.fixture(scope="module")
def plant() -> Engine:
    e = Engine(station())
    e.step(5)
    return e


def writable(e: Engine) -> list[Point]:
    return [p for p in e.points if p.is_writable and p.source.partition(".")[0] in NEW]


def test_every_kind_has_points_that_take_commands(plant: Engine) -> None:
    assert {p.source.partition(".")[0] for p in writable(plant)} == set(NEW)


def test_a_setpoint_outside_its_limits_is_refused_and_changes_nothing(plant: Engine) -> None:
    e, n = plant, 0
    for p in writable(e):
        if p.kind is not Kind.SETPOINT or p.is_two_state:
            continue
        at = e.world.points.instrument["source"][e.index[p.tag]]
        for bad, reason in [
            (p.maximum + 1.0, Reason.OUT_OF_RANGE),
            (p.minimum - 1.0, Reason.OUT_OF_RANGE),
            (float("nan"), Reason.NOT_A_NUMBER),
            (float("inf"), Reason.NOT_A_NUMBER),
        ]:
            before = e.world.x[at]
            assert check_value(p, bad) is reason, "the gateway refuses it first"
            assert e.do(p.tag, bad).reason is reason, (p.tag, bad)
            # the dispatch moves its own battery's setpoint meanwhile, by watts
            assert e.world.x[at] == pytest.approx(before, rel=1e-3, abs=100.0), p.tag
        n += 1
    assert n > 100


def test_two_states_and_pulses_take_nothing_but_their_two_values(plant: Engine) -> None:
    e, n = plant, 0
    for p in writable(e):
        if p.kind is Kind.SETPOINT and not p.is_two_state:
            continue
        for bad, reason in [
            (0.5, Reason.WRONG_TYPE),
            (2.0, Reason.WRONG_TYPE),
            (float("nan"), Reason.NOT_A_NUMBER),
        ]:
            assert check_value(p, bad) is reason, (p.tag, bad)
            assert e.do(p.tag, bad).reason is reason, (p.tag, bad)
        n += 1
    assert n > 20
    assert e.value("DER.MGC.STATE") == 1.0


# ------------------------------------------------------------------ impossible parameters


WRONG = """
[plant.generator.dg_1]
h_s = -1.5
[plant.governor.dg_1]
r_pu = 0.0
[plant.exciter.dg_1]
k = 5000.0
[plant.battery.bess_1]
eta_charge = 1.2
soc_min_pct = 80.0
[plant.pv."*"]
gamma_per_k = 0.5
[plant.microgrid.cb_hv]
stable_s = -1.0
[plant.load_shedding.cb_302]
f_hz = 61.0
[plant.sync_check.cb_hv]
angle_max_deg = 0.0
[plant.dispatch.bess_1]
tau_s = 0.0
[plant.frequency.bus1]
jump_max_deg = 90.0
[plant.pv_fleet.all]
penetration_pct = 120.0
"""

EXPECTED = [
    "plant.generator.dg_1: h_s = -1.5 s: must be > 0 s",
    "plant.governor.dg_1: r_pu = 0.0 pu: must be > 0 pu",
    "plant.exciter.dg_1: k = 5000.0: must be <= 1000",
    "plant.battery.bess_1: eta_charge = 1.2: must be <= 1",
    "plant.battery.bess_1: soc_min_pct = 80.0 %: must be <= 45 %",
    'plant.pv."*": gamma_per_k = 0.5 1/K: must be <= 0 1/K',
    "plant.microgrid.cb_hv: stable_s = -1.0 s: must be >= 0 s",
    "plant.load_shedding.cb_302: f_hz = 61.0 Hz: must be < 60 Hz",
    "plant.sync_check.cb_hv: angle_max_deg = 0.0 deg: must be > 0 deg",
    "plant.dispatch.bess_1: tau_s = 0.0 s: must be >= 1 s",
    "plant.frequency.bus1: jump_max_deg = 90.0 deg: must be <= 60 deg",
    "plant.pv_fleet.all: penetration_pct = 120.0 %: must be <= 100 %",
]


def test_impossible_parameters_of_the_plant_are_one_report_with_range_and_unit(tmp_path: Path) -> None:
    shipped = find("stations", "iowa240-der")
    head = shipped.read_text(encoding="utf-8").split("[plant.")[0]
    bad = tmp_path / "bad.toml"
    bad.write_text(head + WRONG, encoding="utf-8")
    done = gridhil("check", str(bad), state=tmp_path / "state")
    assert done.returncode == 2
    told = [line for line in done.stderr.splitlines() if "plant." in line]
    for what in EXPECTED:
        assert sum(what in line for line in told) == 1, (what, told)
    assert len(told) == len(EXPECTED), "no more than what is wrong, and all of it"


# ------------------------------------------------------------------ a network that cannot be solved


DIESEL = {"model": "diesel", "t1_s": 0.2, "t3_s": 0.3}


def small(**plant: dict[str, dict[str, object]]) -> Engine:
    """A grid machine, a machine, a battery and a site beside one load."""
    kva = rig.S_VA / 1e3
    both = {"bus": "far", "nodes": (1, 2, 3, 0), "kv": rig.KV}
    network = m.Network(
        name="small",
        buses=(rig.bus("inf"), rig.bus("far")),
        sources=(rig.source(0.1),),
        switches=(rig.reactance(0.1, "inf", "far"),),
        loads=(rig.load(0.3, "far"),),
        ders=(
            rig.machine(0.3, "far"),
            m.Der(name="b", kind="battery", kva=0.2 * kva, x1_pu=0.1, x0_pu=0.1, **both),  # type: ignore[arg-type]
            m.Der(name="s", kind="pv", kva=0.1 * kva, **both),  # type: ignore[arg-type]
        ),
    )
    points = [
        rig.point("generator.g", "start", Kind.CONTROL),
        rig.point("generator.g", "p_w_sp", Kind.SETPOINT),
        rig.point("battery.b", "p_w_sp", Kind.SETPOINT),
        rig.point("loads.all", "scale_sp", Kind.SETPOINT),
        rig.point("generator.g", "speed_pu"),
        rig.point("battery.b", "soc_pct"),
        *(rig.point(source, attr) for source, attr in SHOWN),
    ]
    given = {
        "generator": {
            "g": {"start_time_s": 0.1, "ramp_pu_per_s": 1.0, "d_pu": 5.0},
            "grid": {"model": "machine", "s_rated_va": rig.S_VA, "d_pu": 5.0},
        },
        "governor": {"g": DIESEL, "grid": DIESEL},
    }
    return rig.engine(network, points, {**given, **plant})


SHOWN = [
    ("source.grid", "p_w"),
    ("generator.g", "p_w"),
    ("generator.g", "i_a"),
    ("battery.b", "p_w"),
    ("pv.s", "p_w"),
    ("pv.s", "v_pu"),
    ("bus.far", "v1_v"),
    ("loads.all", "p_w"),
    ("frequency.far", "f_hz"),
    ("sync_check.tie", "v1_pu"),
]


def test_a_battery_set_to_form_beside_a_grid_source_follows_it() -> None:
    e = small(battery={"b": {"mode": "forming"}})
    e.step(3)
    assert e.world.storage.s["mode"][0] == battery.FOLLOWING
    assert list(e.world.grid.unit[e.world.grid.emfs.unit, 0]) == [1.0, 0.0, 0.0]  # the source alone
    e.do("LOADS_ALL.SCALE_SP", 0.3)  # 9 MW are within its 20 MVA
    e.world.source["is_mains_sp"] = 0.0
    e.step(100)
    e.world.storage.s["mode"] = battery.FORMING  # on a dead bus it may
    e.step(3000)
    assert e.world.storage.s["mode"][0] == battery.FORMING
    assert e.value("BUS_FAR.V1_V") > 0.5 * rig.KV * 1e3 / np.sqrt(3.0)
    e.world.source["is_mains_sp"] = 1.0
    e.step(3)
    assert e.world.storage.s["mode"][0] == battery.FOLLOWING


@pytest.mark.parametrize("scale", [40.0, 1e6, float("nan")])
def test_an_unsolvable_step_is_marked_held_and_recovered_from_with_machines_and_inverters(
    scale: float,
) -> None:
    e = small()
    e.do("BATTERY_B.P_W_SP", 5e6)
    e.do("GENERATOR_G.P_W_SP", 0.1 * rig.S_VA)
    e.do("GENERATOR_G.START", 1.0)
    e.step(20_000)
    s = e.world.machines.generator
    assert s["state"][1] == gen.RUNNING
    tags = [rig.point(source, attr).tag for source, attr in SHOWN]
    held = {tag: e.value(tag) for tag in tags}
    v = e.world.grid.v.copy()
    e.world.totals["scale_sp"] = scale  # past the command path, which would refuse it
    bad = int(e.world.counters[1])
    e.step(20)
    assert e.world.counters[1] - bad == 20, "not one of these steps was solved"
    for tag in tags:
        assert e.quality(tag) is Quality.BAD_NOT_CONVERGED, tag
        assert e.value(tag) == held[tag], tag
    assert np.array_equal(e.world.grid.v, v)
    assert e.quality("GENERATOR_G.SPEED_PU") is Quality.GOOD
    assert e.quality("BATTERY_B.SOC_PCT") is Quality.GOOD
    w = e.world
    for rows in (
        s,
        w.machines.governor,
        w.machines.exciter,
        w.storage.s,
        w.sites.s,
        w.source,
        w.frequencies.s,
    ):
        assert all(np.all(np.isfinite(rows[name])) for name in rows.dtype.names)
    e.world.totals["scale_sp"] = 1.0
    e.step(1)
    assert not (e.world.quality == Quality.BAD_NOT_CONVERGED).any(), "the first step that can be solved is"
    assert np.all(np.isfinite(w.x))
    e.step(10_000)
    assert s["state"][1] == gen.RUNNING
    for tag in tags:
        assert e.value(tag) == pytest.approx(held[tag], rel=0.02, abs=1.0), tag


def test_an_unsolvable_load_on_the_shipped_station_is_survived_by_everything_on_it(plant: Engine) -> None:
    e = plant
    e.do("DER.DG_1.P_SP", 800.0)
    e.do("DER.DG_1.START", 1.0)
    e.step(2000)
    assert e.value("DER.DG_1.STATE") == gen.RUNNING
    good = e.world.profile_p[:, 17].copy()
    e.world.profile_p[:, 17] = 1e14
    e.step(10)
    for tag in ("SUB.BUS1.VA", "DER.DG_1.P", "DER.BESS_1.W", "DER.FLEET.P", "DER.PCC_25.DV", "SUB.SRC.V"):
        assert e.quality(tag) is Quality.BAD_NOT_CONVERGED, tag
    assert e.quality("DER.BESS_1.SOC") is Quality.GOOD
    e.world.profile_p[:, 17] = good
    e.step(2)
    assert not (e.world.quality == Quality.BAD_NOT_CONVERGED).any()
    e.step(500)
    assert e.value("DER.DG_1.STATE") == gen.RUNNING
    assert e.value("DER.MGC.STATE") == 1.0
    assert np.all(np.isfinite(e.world.values))
