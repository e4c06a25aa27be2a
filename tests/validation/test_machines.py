"""Machines against analytic results and against ANDES."""

from __future__ import annotations

import numpy as np
import pytest

from rtcore.engine import Engine
from rtcore.network import model as m
from rtcore.plant import generator as gen
from rtcore.points import Kind
from tests.support import machine_rig as rig

F0 = 60.0

# Equal-area criterion: E 1.1, V 1, X 0.5, Pm 0.8, Pe = 0 during the fault, H 3, D 0.
E, X, PM, H = 1.1, 0.5, 0.8, 3.0
CCT_S = 0.223770276632
DELTA0 = np.arcsin(PM * X / E)


def smib(dt_ns: int) -> Engine:
    network = m.Network(
        name="smib",
        buses=(rig.bus("inf"), rig.bus("term")),
        sources=(rig.source(1e-4),),
        switches=(rig.reactance(0.2 - 1e-4, "inf", "term"),),
        ders=(rig.machine(0.3, "term"),),
    )
    plant = {"generator": {"g": {"h_s": H, "d_pu": 0.0, "angle_max_deg": 179.0}}}
    found = rig.engine(network, [rig.point("generator.g", "angle_deg")], plant, dt_ns)
    rig.run_machine(found, 1, e_pu=E, delta_rad=DELTA0, pm_pu=PM)
    return found


def survives(clearing_s: float, dt_ns: int) -> bool:
    """Tell whether the machine stays in step when its terminal fault is cleared after so long."""
    e = smib(dt_ns)
    e.step(10)
    term = [e.grid.nodes.index[f"term.{k}"] for k in (1, 2, 3)]
    e.grid.set_faults([(node, -1, 1e7 + 0j) for node in term])
    e.grid.refresh()
    e.step(round(clearing_s * 1e9 / dt_ns))
    e.grid.set_faults([])
    e.grid.refresh()
    for _ in range(20):
        e.step(round(0.1 * 1e9 / dt_ns))
        if e.world.machines.generator["state"][1] == gen.TRIPPED:
            assert e.world.machines.generator["trip_cause"][1] == gen.OUT_OF_STEP
            return False
    return True


@pytest.mark.parametrize("dt_ns", [500_000, 1_000_000, 2_000_000])
def test_critical_clearing_time_of_one_machine_on_an_infinite_bus(dt_ns: int) -> None:
    # The clearing instant is a whole number of steps, hence 1 % for steps up to 2 ms.
    assert survives(CCT_S * 0.99, dt_ns)
    assert not survives(CCT_S * 1.01, dt_ns)


def test_machine_at_rest_stays_at_rest() -> None:
    e = smib(1_000_000)
    e.step(5000)
    # The fixed point stops at 1e-6 pu of voltage, some 1e-4 degrees of swing.
    assert e.value("GENERATOR_G.ANGLE_DEG") == pytest.approx(np.degrees(DELTA0), abs=1e-3)


def test_small_swing_has_the_frequency_of_the_linearised_machine() -> None:
    e = smib(1_000_000)
    e.step(1)
    e.world.machines.generator["delta_rad"][1] += 0.02
    angles = []
    for _ in range(4000):
        e.step(1)
        angles.append(e.value("GENERATOR_G.ANGLE_DEG"))
    around = np.array(angles) - np.mean(angles)
    rising = np.flatnonzero((around[:-1] < 0) & (around[1:] >= 0))
    period_s = np.diff(rising).mean() * 1e-3
    # 1.80602 Hz is the linear mode; an amplitude of 1 degree shifts it by less than 0.2 %.
    assert 1.0 / period_s == pytest.approx(1.80601930556, rel=3e-3)


def island(
    governor: dict[str, float | str], h_s: float, load_pu: float, dt_ns: int = 1_000_000, d_pu: float = 0.0
) -> Engine:
    """One machine alone with a constant-power load that the station's scale steps."""
    network = m.Network(
        name="island",
        buses=(rig.bus("inf"),),
        sources=(rig.source(0.2),),
        loads=(rig.load(load_pu, "inf"),),
    )
    plant = {
        "generator": {"grid": {"model": "machine", "s_rated_va": rig.S_VA, "h_s": h_s, "d_pu": d_pu}},
        "governor": {"grid": governor},
    }
    points = [
        rig.point("source.grid", "f_hz"),
        rig.point("loads.all", "scale_sp", Kind.SETPOINT),
        rig.point("frequency.inf", "f_hz"),
        rig.point("frequency.inf", "rocof_hz_s"),
    ]
    return rig.engine(network, points, plant, dt_ns)


def step_response(e: Engine, scale: float, at_s: list[float], dt_s: float = 1e-3) -> list[float]:
    """Return the frequency at moments after a step of the load [Hz]."""
    e.step(10)
    e.command([("LOADS_ALL.SCALE_SP", scale)])
    found, done = [], 0
    for t in at_s:
        n = round(t / dt_s)
        e.step(n - done)
        done = n
        found.append(e.value("SOURCE_GRID.F_HZ"))
    return found


TGOV1 = {
    0.1: -0.001661352,
    0.5: -0.007779207,
    1.0: -0.01315523,
    2.0: -0.01584617,
    5.0: -0.007275578,
    10.0: -0.005227086,
    20.0: -0.005002171,
    30.0: -0.005000021,
}
"""Speed deviation [pu] after a load step of 0.1 pu: H 3, R 0.05, T1 0.5, T2 3, T3 10."""


def test_tgov1_answers_a_load_step_as_the_linear_model() -> None:
    e = island({"model": "tgov1", "t1_s": 0.5, "t2_s": 3.0, "t3_s": 10.0}, h_s=3.0, load_pu=0.5)
    found = step_response(e, 1.2, list(TGOV1))
    # Two steps of 1 ms at the steepest slope (0.0167 pu/s) are 3.3e-5 pu.
    assert np.array(found) / F0 - 1.0 == pytest.approx(np.array(list(TGOV1.values())), abs=3.4e-5)


@pytest.mark.parametrize(
    ("t1_s", "t2_s", "nadir_pu", "at_s"), [(0.5, 3.0, -0.0159857, 1.794), (0.1, 0.2, -0.0288043, 2.835)]
)
def test_nadir_of_tgov1_is_that_of_the_linear_model(
    t1_s: float, t2_s: float, nadir_pu: float, at_s: float
) -> None:
    e = island({"model": "tgov1", "t1_s": t1_s, "t2_s": t2_s, "t3_s": 10.0}, h_s=3.0, load_pu=0.5)
    found = np.array(step_response(e, 1.2, [k * 1e-3 for k in range(1, 4001)])) / F0 - 1.0
    assert found.min() == pytest.approx(nadir_pu, abs=3.4e-5)  # as above
    # About its minimum the curve is flat: 20 ms to either side differ by less than that.
    assert (found.argmin() + 1) * 1e-3 == pytest.approx(at_s, abs=0.02)


ANDES_HZ = {
    0.05: 59.9625, 0.10: 59.9250, 0.20: 59.8505, 0.30: 59.7779, 0.50: 59.6443, 0.75: 59.5152,
    1.00: 59.4442, 1.158: 59.4319, 1.50: 59.4821, 2.00: 59.6628, 2.50: 59.8185, 3.00: 59.8465,
    4.00: 59.6586, 5.00: 59.6408, 7.00: 59.7115, 9.00: 59.7051, 14.0: 59.6991, 18.9: 59.6995,
}  # fmt: skip
"""ANDES 2.0.0, seconds after the step: GENCLS H 4, TGOV1 R .05, T1 .3, T2 0, T3 .5, load +0.1 pu."""


def test_single_machine_island_follows_andes() -> None:
    e = island({"model": "tgov1", "t1_s": 0.3, "t2_s": 0.0, "t3_s": 0.5}, h_s=4.0, load_pu=0.5)
    found = step_response(e, 1.2, list(ANDES_HZ))
    assert found == pytest.approx(list(ANDES_HZ.values()), abs=2e-3)  # the promise: 2 mHz


def test_first_rocof_is_that_of_the_inertia() -> None:
    e = island({"model": "none"}, h_s=4.0, load_pu=0.5)
    (after_100ms,) = step_response(e, 1.2, [0.1])
    # analytic -dP f0 / 2H; one step of 1 ms in 100 ms is 1 %
    assert (after_100ms - F0) / 0.1 == pytest.approx(-0.75, rel=0.011)
    e.step(900)
    assert e.value("FREQUENCY_INF.ROCOF_HZ_S") == pytest.approx(-0.75, rel=0.002)


def test_local_frequency_follows_the_machine_within_its_lag() -> None:
    e = island({"model": "none"}, h_s=4.0, load_pu=0.5)
    step_response(e, 1.2, [1.0])
    lag_s = 0.03  # a ramp is seen late by the time constant of the low-pass
    expected = e.value("SOURCE_GRID.F_HZ") + 0.75 * lag_s
    assert e.value("FREQUENCY_INF.F_HZ") == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("dt_ns", [20_000_000, 1_000_000_000, 60_000_000_000])
def test_long_steps_come_to_the_same_rest(dt_ns: int) -> None:
    e = island({"model": "tgov1", "t1_s": 0.5, "t2_s": 3.0, "t3_s": 10.0}, h_s=3.0, load_pu=0.5, dt_ns=dt_ns)
    dt_s = dt_ns * 1e-9
    found = step_response(e, 1.2, [max(120.0, 10 * dt_s)], dt_s)
    assert found[0] == pytest.approx(F0 * (1.0 - 0.1 * 0.05), abs=1e-3)
