"""Upstream grid: setpoints, loss and return of mains, its own trip, as ideal source and as a machine."""

from __future__ import annotations

import numpy as np
import pytest

from rtcore.engine import Engine
from rtcore.network import model as m
from rtcore.plant import generator as gen
from rtcore.points import Kind
from tests.support import machine_rig as rig

pytestmark = pytest.mark.timeout(900)
"""With an empty cache the first of these tests compiles every kernel."""

F0 = 60.0
MACHINE = {
    "generator": {"grid": {"model": "machine", "s_rated_va": rig.S_VA, "h_s": 4.0, "d_pu": 1.0}},
    "governor": {"grid": {"model": "tgov1", "t1_s": 0.3, "t2_s": 0.0, "t3_s": 0.5, "ki_per_s": 0.5}},
}


def engine(
    plant: dict[str, dict[str, dict[str, object]]], dt_ns: int = 1_000_000, load_pu: float = 0.3
) -> Engine:
    network = m.Network(
        name="grid",
        buses=(rig.bus("inf"), rig.bus("far")),
        sources=(rig.source(0.1),),
        switches=(rig.reactance(0.1, "inf", "far"),),
        loads=(rig.load(load_pu, "far"),),
    )
    points = [
        rig.point("source.grid", "f_hz"),
        rig.point("source.grid", "v_pu"),
        rig.point("source.grid", "p_w"),
        rig.point("source.grid", "v_pu_sp", Kind.SETPOINT),
        rig.point("source.grid", "f_hz_sp", Kind.SETPOINT),
        rig.point("source.grid", "is_mains_sp", Kind.SETPOINT),
        rig.point("loads.all", "p_w"),
        rig.point("frequency.far", "f_hz"),
        rig.point("bus.far", "v1_v"),
        rig.point("loop.loop", "not_converged"),
    ]
    return rig.engine(network, points, plant, dt_ns)


def row(e: Engine, name: str) -> float:
    return float(e.world.machines.generator[name][0])


@pytest.mark.parametrize("plant", [{}, MACHINE])
def test_it_starts_at_rest_with_what_the_load_takes(plant: dict[str, dict[str, dict[str, object]]]) -> None:
    e = engine(plant)
    e.step(1)
    assert e.value("SOURCE_GRID.P_W") == pytest.approx(0.3 * rig.S_VA, rel=1e-5)
    e.step(2000)
    # the fixed point stops at 1e-6 pu
    assert e.value("SOURCE_GRID.F_HZ") == pytest.approx(F0, abs=1e-4)
    assert e.value("SOURCE_GRID.V_PU") == 1.0


def test_an_ideal_source_takes_both_setpoints_at_once() -> None:
    e = engine({})
    e.step(5)
    e.do("SOURCE_GRID.F_HZ_SP", 59.2)
    e.do("SOURCE_GRID.V_PU_SP", 1.05)
    assert (e.value("SOURCE_GRID.F_HZ"), e.value("SOURCE_GRID.V_PU")) == (pytest.approx(59.2), 1.05)
    e.step(300)
    # 10 time constants of the element's low-pass: 4e-5 of 0.8 Hz is left
    assert e.value("FREQUENCY_FAR.F_HZ") == pytest.approx(59.2, abs=5e-5)
    assert e.value("SOURCE_GRID.P_W") == pytest.approx(0.3 * rig.S_VA, rel=1e-5)


def test_the_angle_stays_wrapped_at_an_off_nominal_frequency() -> None:
    e = engine({}, 10_000_000)
    e.do("SOURCE_GRID.F_HZ_SP", 61.0)
    for _ in range(50):
        e.step(37)
        assert -np.pi <= row(e, "delta_rad") <= np.pi
    assert e.value("LOOP_LOOP.NOT_CONVERGED") == 0.0


@pytest.mark.parametrize("dt_ns", [1_000_000, 100_000_000, 1_000_000_000])
def test_the_machine_takes_the_frequency_setpoint_as_its_governors_reference(dt_ns: int) -> None:
    e = engine(MACHINE, dt_ns)
    e.step(3)
    e.do("SOURCE_GRID.F_HZ_SP", 59.7)
    e.step(max(10, round(300e9 / dt_ns)))
    assert e.value("SOURCE_GRID.F_HZ") == pytest.approx(59.7, abs=1e-3)  # the integral part brings it there


@pytest.mark.parametrize("dt_ns", [1_000_000, 1_000_000_000])
@pytest.mark.parametrize("plant", [{}, MACHINE])
def test_loss_of_mains_leaves_everything_dead_and_the_return_brings_it_back(
    plant: dict[str, dict[str, dict[str, object]]], dt_ns: int
) -> None:
    e = engine(plant, dt_ns)
    e.step(10)
    before = e.value("BUS_FAR.V1_V")
    e.do("SOURCE_GRID.IS_MAINS_SP", 0.0)
    for _ in range(3):
        shown = [
            e.value(t) for t in ("SOURCE_GRID.F_HZ", "SOURCE_GRID.V_PU", "SOURCE_GRID.P_W", "BUS_FAR.V1_V")
        ]
        assert shown == [0.0, 0.0, 0.0, 0.0]
        assert e.value("FREQUENCY_FAR.F_HZ") == 0.0
        e.step(100)
    assert row(e, "state") == gen.OFF
    e.do("SOURCE_GRID.IS_MAINS_SP", 1.0)
    e.step(3)
    assert e.value("BUS_FAR.V1_V") == pytest.approx(before, rel=1e-3)
    e.step(max(10, round(120e9 / dt_ns)))
    # its governor began without load: secondary control of 40 s brings frequency back
    assert e.value("SOURCE_GRID.F_HZ") == pytest.approx(F0, abs=0.05)
    assert e.value("SOURCE_GRID.P_W") == pytest.approx(0.3 * rig.S_VA, rel=1e-4)
    assert row(e, "state") == gen.RUNNING


def test_many_losses_and_returns_leave_no_trace() -> None:
    e = engine({})
    e.step(5)
    fresh = e.value("BUS_FAR.V1_V")
    for k in range(40):
        e.do("SOURCE_GRID.IS_MAINS_SP", float(k % 2))
        e.step(k % 7)
    assert e.value("SOURCE_GRID.F_HZ") == F0
    e.step(5)
    assert e.value("BUS_FAR.V1_V") == pytest.approx(fresh, rel=1e-6)
    assert e.value("LOOP_LOOP.NOT_CONVERGED") == 0.0


def test_a_machine_that_tripped_itself_waits_until_the_mains_were_taken_away_and_given_back() -> None:
    e = engine(MACHINE)
    e.step(10)
    far = [e.grid.nodes.index[f"inf.{k}"] for k in (1, 2, 3)]
    e.grid.set_faults([(node, -1, 1e3 + 0j) for node in far])
    e.grid.refresh()
    e.step(3100)  # behind 0.1 pu a bolted fault draws 10 pu; 4 are allowed for 3 s
    assert (row(e, "state"), row(e, "trip_cause")) == (gen.TRIPPED, gen.OVERCURRENT)
    assert e.value("SOURCE_GRID.P_W") == 0.0
    e.grid.set_faults([])
    e.grid.refresh()
    e.step(2000)
    assert row(e, "state") == gen.TRIPPED
    assert e.value("BUS_FAR.V1_V") == 0.0
    e.do("SOURCE_GRID.IS_MAINS_SP", 0.0)
    e.do("SOURCE_GRID.IS_MAINS_SP", 1.0)
    e.step(100)
    assert (row(e, "state"), row(e, "trip_cause")) == (gen.RUNNING, gen.NOT_TRIPPED)
    assert e.value("BUS_FAR.V1_V") > 0.9 * rig.KV * 1e3 / np.sqrt(3.0)


def test_a_step_of_the_frequency_setpoint_of_an_ideal_source_turns_no_power() -> None:
    """Voltages turn with their source within a step, so that a warm start stays warm at any frequency."""
    e = engine({}, 100_000_000)
    e.do("SOURCE_GRID.F_HZ_SP", 57.0)
    for _ in range(50):
        e.step(1)
        assert e.value("LOADS_ALL.P_W") == pytest.approx(0.3 * rig.S_VA, rel=1e-5)
    assert e.value("LOOP_LOOP.NOT_CONVERGED") == 0.0
