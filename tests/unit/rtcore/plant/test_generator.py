"""Machine: every state and command, its own limits, starting and loading."""

from __future__ import annotations

import cmath
import itertools
import math

import numpy as np
import pytest

from rtcore.component import REGISTRY, ParameterError, rows_of
from rtcore.network.grid_arrays import Emfs
from rtcore.plant import exciter, generator, governor
from rtcore.plant.generator import (
    BY_OPERATOR,
    NOT_TRIPPED,
    OFF,
    OUT_OF_STEP,
    OVERCURRENT,
    OVERSPEED,
    RUNNING,
    STARTING,
    SYNCHRONISING,
    TRIPPED,
    UNDERSPEED,
    Generator,
)

SPEC = REGISTRY["generator"]
F0, S_VA, V_LN, X = 60.0, 1e6, 277.0, 0.3


class Machine:
    """One machine at EMF 1 on a bus whose voltage and frequency EMF 0 holds; the network is one reactance."""

    def __init__(
        self,
        dt_s: float = 0.01,
        gov: dict[str, object] | None = None,
        exc: dict[str, object] | None = None,
        **params: object,
    ) -> None:
        given = {"s_rated_va": S_VA, "d_pu": 0.0, **params}
        self.p = rows_of([Generator(**given)], SPEC)  # type: ignore[arg-type]
        self.s = np.zeros(1, SPEC.state_dtype)
        self.s["v_pu_sp"], self.s["f_hz_sp"], self.s["omega_pu"], self.s["e_pu"] = 1.0, F0, -1.0, 1.0
        self.gov_p = rows_of([governor.Governor(**(gov or {}))], REGISTRY["governor"])  # type: ignore[arg-type]
        self.exc_p = rows_of([exciter.Exciter(**(exc or {}))], REGISTRY["exciter"])  # type: ignore[arg-type]
        self.gov = np.zeros(1, REGISTRY["governor"].state_dtype)
        self.exc = np.zeros(1, REGISTRY["exciter"].state_dtype)
        self.e = _emfs()
        self.unit = np.zeros((2, 3))
        self.emf_of, self.x = np.array([1], np.int32), np.array([X])
        self.owner, self.omega, self.theta = np.zeros(2, np.int32), np.zeros(2), np.zeros(2)
        self.dt_s, self.v = dt_s, 1.0
        self.bus()

    def __getattr__(self, name: str) -> float:
        return float(self.s[name][0])

    def put(self, **values: float) -> None:
        for name, value in values.items():
            self.s[name] = value

    def bus(self, v_pu: float = 1.0, f_hz: float = F0) -> None:
        self.v, self.omega[0] = v_pu, f_hz / F0 - 1.0
        self.owner[:] = 0 if v_pu > 0.0 else -1

    def run(self, p_pu: float = 0.0) -> None:
        """Put it into service at a power, at rest with the bus."""
        self.put(state=RUNNING, omega_pu=self.omega[0], pm_pu=p_pu, p_w_sp=p_pu * S_VA, e_pu=1.0, efd_pu=1.0)
        self.put(delta_rad=math.asin(p_pu * X / max(self.v, 1e-9)))
        governor.start(self.gov_p, self.gov, 0, p_pu)
        self.unit[1, 0] = 1.0

    def step(self, n: int = 1) -> int:
        changed = 0
        for _ in range(n):
            self._network()
            changed += generator.step(
                self.p, self.s, self.gov_p, self.gov, self.exc_p, self.exc, self.emf_of, self.x, self.e,
                self.unit, self.owner, self.omega, F0, self.dt_s,
            )  # fmt: skip
            self.theta[0] += self.dt_s * 2 * np.pi * F0 * self.omega[0]
            if generator.turns_along(self.p, self.s, 0, False, self.dt_s):
                self.s["delta_rad"] += self.dt_s * 2 * np.pi * F0 * self.omega[0]
            self._network()
            generator.measure(self.p, self.s, self.emf_of, self.e, self.owner, self.theta, F0)
        return changed

    def seconds(self, t_s: float) -> None:
        self.step(round(t_s / self.dt_s))

    def _network(self) -> None:
        """What the solved network says: a stiff bus at angle ``theta`` behind the reactance."""
        v = self.v * cmath.exp(1j * self.theta[0])
        emf = self.e_pu * cmath.exp(1j * self.delta_rad)
        i_pu = (emf - v) / (1j * X) * self.unit[1, 0]
        base_a = S_VA / (3.0 * V_LN)
        self.e.v1[1], self.e.i1[1], self.e.i_a[1] = v, i_pu * base_a, abs(i_pu) * base_a
        self.e.s_va[1] = v * np.conj(i_pu) * S_VA
        self.e.airgap_w[1] = (emf * np.conj(i_pu)).real * S_VA


def _emfs() -> Emfs:
    turn = np.exp(-2j * np.pi / 3 * np.arange(3))
    return Emfs(
        at=np.zeros((2, 3), np.int32),
        back=np.zeros((2, 3), np.int32),
        e1_v=V_LN * np.tile(turn, (2, 1)),
        y=np.zeros((2, 3, 3), complex),
        norton_a=np.zeros((2, 3), complex),
        unit=np.array([0, 1], np.int32),
        scale=np.ones(2, complex),
        s_va=np.zeros(2, complex),
        airgap_w=np.zeros(2),
        i_a=np.zeros(2),
        v1=np.ones(2, complex),
        i1=np.zeros(2, complex),
    )


# ------------------------------------------------------------------ every state and command

DEAD_BUS, LIVE_BUS = 0.0, 1.0
# (state, bus, start, stop) -> state after the step that brings the command
TABLE = {
    (OFF, 0, 0): OFF, (OFF, 1, 0): STARTING, (OFF, 0, 1): OFF, (OFF, 1, 1): OFF,
    (STARTING, 0, 0): STARTING, (STARTING, 1, 0): STARTING, (STARTING, 0, 1): OFF, (STARTING, 1, 1): OFF,
    (RUNNING, 0, 0): RUNNING, (RUNNING, 1, 0): RUNNING, (RUNNING, 0, 1): OFF, (RUNNING, 1, 1): OFF,
    (TRIPPED, 0, 0): TRIPPED, (TRIPPED, 1, 0): STARTING, (TRIPPED, 0, 1): TRIPPED, (TRIPPED, 1, 1): TRIPPED,
}  # fmt: skip
SYNC = {
    (DEAD_BUS, 0, 0): SYNCHRONISING, (DEAD_BUS, 1, 0): SYNCHRONISING,
    (DEAD_BUS, 0, 1): OFF, (DEAD_BUS, 1, 1): OFF,
    (LIVE_BUS, 0, 0): RUNNING, (LIVE_BUS, 1, 0): RUNNING, (LIVE_BUS, 0, 1): OFF, (LIVE_BUS, 1, 1): OFF,
}  # fmt: skip


def test_the_tables_cover_every_state_and_command() -> None:
    assert set(TABLE) == set(itertools.product((OFF, STARTING, RUNNING, TRIPPED), (0, 1), (0, 1)))
    assert set(SYNC) == set(itertools.product((DEAD_BUS, LIVE_BUS), (0, 1), (0, 1)))


@pytest.mark.parametrize(("before", "after"), TABLE.items())
def test_every_state_answers_every_command(before: tuple[float, int, int], after: float) -> None:
    g = Machine()
    if before[0] == RUNNING:
        g.run()
    g.put(state=before[0], start=before[1], stop=before[2])
    was_in = g.unit[1, 0]
    changed = g.step()
    assert g.state == after
    assert (g.start, g.stop) == (0.0, 0.0), "a pulse is consumed whatever becomes of it"
    assert g.unit[1, 0] == (after == RUNNING)
    assert changed == (was_in != g.unit[1, 0]), "the network is told of exactly what changed"
    assert (g.is_running, g.is_tripped) == (after == RUNNING, after == TRIPPED)
    if before[0] == RUNNING and after == OFF:
        assert g.trip_cause == BY_OPERATOR


@pytest.mark.parametrize(("before", "after"), SYNC.items())
def test_synchronising_waits_for_a_live_bus(before: tuple[float, int, int], after: float) -> None:
    g = Machine()
    g.bus(before[0])
    g.put(state=SYNCHRONISING, start=before[1], stop=before[2], omega_pu=0.0)
    changed = g.step()
    assert (g.state, changed, g.unit[1, 0]) == (after, after == RUNNING, after == RUNNING)


@pytest.mark.parametrize("dt_s", [0.25e-3, 0.01, 0.1])
def test_it_starts_in_its_time_synchronises_without_a_bump_and_loads_along_its_ramp(dt_s: float) -> None:
    g = Machine(dt_s, start_time_s=2.0, ramp_pu_per_s=0.1)
    g.bus(0.97, 59.8)
    g.theta[0] = 2.0
    g.put(start=1.0, p_w_sp=0.5 * S_VA)
    g.step()
    g.seconds(1.0)
    assert g.state == STARTING
    assert g.speed_pu == pytest.approx(0.5, abs=0.5 * dt_s + 1e-9)
    g.seconds(1.0)
    while g.state != RUNNING:
        assert g.timer_s < 0.2, "a live bus is taken at once"
        g.step()
    assert g.speed_pu == pytest.approx(59.8 / F0, abs=1e-12)
    # In phase with the bus, and of its voltage as far as the setpoint without exciter (1.0) allows.
    assert abs(g.angle_deg) < 1e-6
    assert abs(g.p_w) < 1e-3 * S_VA
    g.seconds(2.0)
    ref = float(g.gov["ref_pu"][0])
    assert ref == pytest.approx(0.2, abs=0.1 * dt_s * 1.01)
    g.seconds(8.0)
    assert float(g.gov["ref_pu"][0]) == 0.5


@pytest.mark.parametrize(("p_sp_pu", "ref"), [(-0.5, 0.0), (0.4, 0.4), (3.0, 0.9), (math.nan, 0.2)])
def test_the_load_reference_keeps_to_the_machines_limits(p_sp_pu: float, ref: float) -> None:
    g = Machine(p_max_pu=0.9)
    g.run(0.2)
    g.put(p_w_sp=p_sp_pu * S_VA)
    g.seconds(20.0)
    assert float(g.gov["ref_pu"][0]) == pytest.approx(ref, abs=1e-12)


def test_a_machine_that_is_off_coasts_down() -> None:
    g = Machine()
    g.run(0.5)
    g.put(stop=1.0)
    g.step()
    assert (g.unit[1, 0], g.p_w) == (0.0, 0.0)
    g.seconds(10.0)
    assert g.speed_pu == pytest.approx(math.exp(-1.0), abs=2e-3)


# ------------------------------------------------------------------ its own limits


@pytest.mark.parametrize(("speed_pu", "cause"), [(0.899, UNDERSPEED), (1.101, OVERSPEED)])
@pytest.mark.parametrize("dt_s", [1e-3, 0.01, 0.1])
def test_a_speed_beyond_its_limit_trips_after_the_delay(speed_pu: float, cause: float, dt_s: float) -> None:
    g = Machine(dt_s, h_s=50.0, speed_trip_s=1.0)
    g.run()
    g.owner[:] = 1  # alone in its island: no out-of-step against itself
    n = 0
    while g.state == RUNNING:
        g.put(omega_pu=speed_pu - 1.0)
        g.step()
        n += 1
        assert n * dt_s < 2.0
    assert n * dt_s == pytest.approx(1.0, abs=1.001 * dt_s)
    assert (g.state, g.trip_cause, g.unit[1, 0], g.is_tripped) == (TRIPPED, cause, 0.0, 1.0)


@pytest.mark.parametrize("speed_pu", [0.9005, 1.0995])
def test_at_a_speed_inside_the_limits_it_runs_on(speed_pu: float) -> None:
    g = Machine(h_s=50.0)
    g.run()
    g.owner[:] = 1
    for _ in range(1000):
        g.put(omega_pu=speed_pu - 1.0)
        g.step()
    assert g.state == RUNNING


def overload(g: Machine, i_pu: float) -> None:
    """One step with a current that the network of this file would not give."""
    g._network()
    g.e.i_a[1] = i_pu * S_VA / (3.0 * V_LN)
    generator.step(
        g.p, g.s, g.gov_p, g.gov, g.exc_p, g.exc, g.emf_of, g.x, g.e, g.unit, g.owner, g.omega, F0, g.dt_s
    )  # fmt: skip


def test_overcurrent_trips_after_its_delay_and_a_short_one_does_not() -> None:
    g = Machine(i_max_pu=4.0, i_trip_s=3.0)
    g.run()
    for _ in range(3):
        for _ in range(290):
            overload(g, 4.1)
        overload(g, 3.9)
    assert g.state == RUNNING
    n = 0
    while g.state == RUNNING and n < 1000:
        overload(g, 4.1)
        n += 1
    assert n * g.dt_s == pytest.approx(3.0, abs=2 * g.dt_s)
    assert (g.state, g.trip_cause) == (TRIPPED, OVERCURRENT)


def test_every_limit_has_its_own_time() -> None:
    """2.9 s of overcurrent are no part of the time of a speed trip."""
    g = Machine(i_max_pu=4.0, i_trip_s=3.0, speed_trip_s=1.0, h_s=50.0)
    g.run()
    g.owner[:] = 1
    for _ in range(290):
        overload(g, 5.0)
    g.put(omega_pu=0.2)
    overload(g, 0.0)
    assert g.state == RUNNING
    for _ in range(120):
        g.put(omega_pu=0.2)
        overload(g, 0.0)
    assert (g.state, g.trip_cause) == (TRIPPED, OVERSPEED)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_out_of_step_trips_at_once_is_reported_and_can_be_restarted(sign: float) -> None:
    g = Machine(angle_max_deg=150.0, start_time_s=1.0)
    g.run()
    g.put(delta_rad=sign * math.radians(149.0))
    g.step()
    assert g.state == RUNNING
    g.put(delta_rad=sign * math.radians(151.0), omega_pu=sign * 0.01, angle_deg=sign * 151.0)
    assert g.step() == 1
    assert (g.state, g.trip_cause, g.is_tripped, g.unit[1, 0]) == (TRIPPED, OUT_OF_STEP, 1.0, 0.0)
    g.seconds(5.0)
    assert (g.state, g.trip_cause) == (TRIPPED, OUT_OF_STEP), "it waits for a command"
    g.put(start=1.0)
    g.step()
    assert (g.state, g.is_tripped) == (STARTING, 0.0)
    g.seconds(1.5)
    assert (g.state, g.trip_cause, g.unit[1, 0]) == (RUNNING, NOT_TRIPPED, 1.0)
    assert abs(g.angle_deg) < 0.1


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_does_not_stick(bad: float) -> None:
    g = Machine(gov={"model": "diesel", "ki_per_s": 1.0}, exc={"model": "sexs"}, d_pu=50.0)
    g.run(0.3)
    for array in (g.e.airgap_w, g.e.i_a):
        g._network()
        array[1] = bad
        generator.step(
            g.p, g.s, g.gov_p, g.gov, g.exc_p, g.exc, g.emf_of, g.x, g.e, g.unit, g.owner, g.omega, F0, g.dt_s
        )  # fmt: skip
    for array in (g.e.v1, g.e.i1):
        g._network()
        array[1] = complex(bad, 0.0)
        generator.step(
            g.p, g.s, g.gov_p, g.gov, g.exc_p, g.exc, g.emf_of, g.x, g.e, g.unit, g.owner, g.omega, F0, g.dt_s
        )  # fmt: skip
    g.put(f_hz_sp=bad)
    g.step()
    g.put(f_hz_sp=F0)
    g.seconds(60.0)
    assert all(np.isfinite(g.s[name][0]) for name in SPEC.state_dtype.names or ())
    assert g.state == RUNNING
    assert g.p_w == pytest.approx(0.3 * S_VA, rel=0.02)


@pytest.mark.parametrize(
    ("name", "value", "need"),
    [
        ("h_s", 0.0, "> 0 s"),
        ("xd1_pu", -0.1, "> 0 pu"),
        ("f_min_pu", 1.0, "< 1 pu"),
        ("angle_max_deg", 180.0, "< 180 deg"),
    ],
)
def test_impossible_parameters_are_refused_with_range_and_unit(name: str, value: float, need: str) -> None:
    with pytest.raises(ParameterError) as caught:
        Generator(**{name: value})
    assert f"generator.{name} = {value}" in str(caught.value)
    assert f"must be {need}" in str(caught.value)


# ------------------------------------------------------------------ against a stiff bus, at any step


STEPS = [0.25e-3, 1e-3, 0.01, 0.1, 1.0, 60.0]


@pytest.mark.parametrize("dt_s", STEPS)
@pytest.mark.parametrize("f_hz", [60.0, 59.7, 60.15])
@pytest.mark.parametrize(
    "gov",
    [
        {"model": "tgov1", "r_pu": 0.05, "t2_s": 0.3, "t3_s": 1.0},
        {"model": "diesel", "r_pu": 0.05, "t1_s": 0.2, "t3_s": 0.3},
        {"model": "isochronous", "r_pu": 0.05, "t1_s": 0.2, "t3_s": 0.3},
    ],
)
def test_in_parallel_with_the_grid_it_settles_on_its_droop_at_any_step(
    dt_s: float, f_hz: float, gov: dict[str, object]
) -> None:
    """The same rest at 250 us and at 60 s, also where the grid turns away from nominal within a step."""
    g = Machine(dt_s, gov=gov, h_s=3.0, d_pu=60.0)  # well damped: it is the rest that is asked for
    g.bus(1.0, f_hz)
    g.run(0.5)
    g.seconds(max(12.0, 30 * dt_s))
    droop = 0.5 - (f_hz / F0 - 1.0) / 0.05
    damping = 60.0 * (f_hz / F0 - 1.0)  # torque against nominal speed is part of the balance
    assert g.p_w / S_VA == pytest.approx(droop - damping, abs=1e-4)  # exp(-12) of the slowest lag is left
    assert g.speed_pu == pytest.approx(f_hz / F0, abs=1e-5)


@pytest.mark.parametrize("dt_s", [1e-3, 2e-3, 5e-3, 0.01])
def test_a_swing_is_the_same_at_any_step_that_follows_it(dt_s: float) -> None:
    g, fine = Machine(dt_s, h_s=3.0), Machine(0.25e-3, h_s=3.0)
    for one in (g, fine):
        one.run(0.3)
        one.put(pm_pu=0.4)
        one.gov["ref_pu"] = 0.4
        one.put(p_w_sp=0.4 * S_VA)
        one.seconds(0.2)
    # Half a step of a swing of 3.3 Hz and 1.8 degrees: up to 0.5 ms/ms * 37 deg/s
    assert g.angle_deg == pytest.approx(fine.angle_deg, abs=0.55 * dt_s * 37.0 + 0.02)


def test_a_swing_without_damping_neither_grows_nor_decays() -> None:
    """Forward Euler would double its energy in a second at this step."""
    g = Machine(0.01, h_s=3.0)
    g.run(0.3)
    rest = g.delta_rad
    g.put(delta_rad=rest + 0.1)
    peaks = []
    for _ in range(20):
        angles = []
        for _ in range(100):
            g.step()
            angles.append(g.delta_rad - rest)
        peaks.append(max(angles))
    assert min(peaks) > 0.09
    assert max(peaks) < 0.11
