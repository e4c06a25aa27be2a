"""Hand-over between grid and island: table, timers, causes, any sequence of events on a hand model."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from rtcore.component import REGISTRY, rows_of
from rtcore.control import microgrid as mg
from rtcore.control.microgrid import DEAD, GRID, ISLAND, RESYNC, TRANSFER, Microgrid, init, step
from rtcore.plant import breaker as cb
from rtcore.plant.battery import FOLLOWING, FORMING, OFF, Battery
from tests.support.mechanisms import Mechanisms

F0 = 60.0
SPECS = {kind: REGISTRY[kind] for kind in ("microgrid", "breaker", "battery")}
SYNC = np.dtype([(name, "f8") for name in ("is_permitted", "v1_pu", "f1_hz", "v2_pu", "f2_hz")])


class Rig:
    """The kernel with breaker, battery and check as rows that the test writes itself."""

    def __init__(self, dt_s: float = 0.01, state: float = GRID, **params: float) -> None:
        self.p = rows_of([Microgrid(**params)], SPECS["microgrid"])
        self.s = np.zeros(1, SPECS["microgrid"].state_dtype)
        init(self.s)
        self.breaker = np.zeros(1, SPECS["breaker"].state_dtype)
        self.bat_p = rows_of([Battery(s_rated_va=1e6, v_base_v=277.0, e_rated_wh=1e6)], SPECS["battery"])
        self.bat = np.zeros(1, SPECS["battery"].state_dtype)
        self.check = np.zeros(1, SYNC)
        self.bat["is_enabled_sp"], self.bat["soc_pct"], self.bat["v_pu_sp"] = 1.0, 50.0, 1.0
        self.bat["f_hz_sp"] = F0
        self.bat["mode"] = FORMING if state in (ISLAND, RESYNC) else FOLLOWING
        self.breaker["state"] = cb.CLOSED if state in (GRID, TRANSFER) else cb.OPEN
        self.s["state"] = state
        self.grid()
        self.check["v2_pu"], self.check["f2_hz"] = 1.0, F0
        self.dt_s, self.at = dt_s, np.zeros(1, np.int32)

    def __getattr__(self, name: str) -> float:
        return float(self.s[name][0])

    def grid(self, v_pu: float = 1.0, f_hz: float = F0) -> None:
        self.check["v1_pu"], self.check["f1_hz"] = v_pu, f_hz

    def put(self, **values: float) -> None:
        for name, value in values.items():
            self.s[name] = value

    def step(self, n: int = 1) -> tuple[float, float]:
        """Advance, pulses cleared before each step; returns (trip, close) of the last."""
        for _ in range(n):
            self.breaker["trip"] = self.breaker["close"] = 0.0
            step(
                self.p, self.s, self.at, self.at, self.breaker, self.bat, self.bat_p, self.check, self.at,
                F0, self.dt_s,
            )  # fmt: skip
        return float(self.breaker["trip"][0]), float(self.breaker["close"][0])

    @property
    def mode(self) -> float:
        return float(self.bat["mode"][0])

    @property
    def references(self) -> tuple[float, float]:
        return float(self.bat["f_hz_sp"][0]), float(self.bat["v_pu_sp"][0])


# ------------------------------------------------------------------ transition table


def test_grid_stays_grid_while_nothing_happens() -> None:
    rig = Rig()
    assert rig.step(1000) == (0.0, 0.0)
    assert (rig.state, rig.is_island, rig.is_grid_healthy, rig.transfers, rig.mode) == (
        GRID, 0.0, 1.0, 0.0, FOLLOWING,
    )  # fmt: skip


def test_a_command_parts_and_the_battery_forms_only_when_the_contacts_are_open() -> None:
    rig = Rig()
    rig.put(island=1.0)
    assert rig.step() == (1.0, 0.0)
    assert (rig.state, rig.cause, rig.transfers, rig.is_island) == (TRANSFER, mg.COMMAND, 1.0, 1.0)
    assert rig.island == 0.0, "a pulse is consumed"
    rig.breaker["state"] = cb.OPENING
    for _ in range(5):
        assert rig.step() == (0.0, 0.0)
        assert (rig.state, rig.mode) == (TRANSFER, FOLLOWING)
    rig.breaker["state"] = cb.OPEN
    rig.step()
    assert (rig.state, rig.mode, rig.timer_s) == (ISLAND, FORMING, 0.0)


def test_a_breaker_that_does_not_move_is_tripped_again() -> None:
    rig = Rig()
    rig.put(island=1.0)
    assert [rig.step()[0] for _ in range(4)] == [1.0, 1.0, 1.0, 1.0]
    assert rig.state == TRANSFER


def test_a_breaker_opened_by_somebody_else_makes_an_island_at_once() -> None:
    rig = Rig()
    rig.breaker["state"] = cb.OPEN
    rig.step()
    assert (rig.state, rig.cause, rig.mode) == (ISLAND, mg.BREAKER, FORMING)


@pytest.mark.parametrize(
    ("enabled", "soc_pct", "state"), [(1.0, 10.1, ISLAND), (1.0, 10.0, DEAD), (0.0, 50.0, DEAD)]
)
def test_only_a_battery_in_service_with_charge_forms(enabled: float, soc_pct: float, state: float) -> None:
    rig = Rig()  # soc_min_pct is 10
    rig.bat["is_enabled_sp"], rig.bat["soc_pct"] = enabled, soc_pct
    rig.breaker["state"] = cb.OPEN
    rig.step()
    assert rig.state == state
    assert rig.mode == (FORMING if state == ISLAND else FOLLOWING)


@pytest.mark.parametrize("state", [ISLAND, RESYNC, DEAD])
def test_from_the_step_the_contacts_make_the_battery_follows(state: float) -> None:
    rig = Rig(state=state)
    rig.bat["f_hz_sp"], rig.bat["v_pu_sp"] = 60.3, 1.04
    rig.breaker["state"] = cb.CLOSED
    rig.step()
    assert (rig.state, rig.mode, rig.returns, rig.is_island) == (GRID, FOLLOWING, 1.0, 0.0)
    assert rig.references == (F0, 1.0)


@pytest.mark.parametrize("state", [ISLAND, RESYNC])
@pytest.mark.parametrize("mode", [OFF, FOLLOWING])
def test_without_its_forming_battery_an_island_is_dead(state: float, mode: float) -> None:
    rig = Rig(state=state)
    rig.bat["mode"] = mode
    rig.step()
    assert (rig.state, rig.mode) == (DEAD, mode)


def test_a_battery_that_is_off_stays_off_when_the_grid_comes_back() -> None:
    rig = Rig(state=DEAD)
    rig.bat["mode"], rig.bat["is_enabled_sp"] = OFF, 0.0
    rig.breaker["state"] = cb.CLOSED
    rig.step()
    assert (rig.state, rig.mode) == (GRID, OFF)


# ------------------------------------------------------------------ loss of mains: causes and times


@pytest.mark.parametrize(
    ("v_pu", "f_hz", "cause", "delay_s"),
    [
        (0.499, F0, mg.UNDERVOLTAGE, 0.04),
        (0.0, 0.0, mg.UNDERVOLTAGE, 0.04),  # a dead line has no frequency to judge
        (1.201, F0, mg.OVERVOLTAGE, 0.04),
        (1.0, 58.49, mg.UNDERFREQUENCY, 0.16),
        (1.0, 61.21, mg.OVERFREQUENCY, 0.16),
    ],
)
def test_outside_a_band_for_its_time_is_loss_of_mains(
    v_pu: float, f_hz: float, cause: float, delay_s: float
) -> None:
    rig = Rig(rocof_max_hz_s=0.0)
    rig.step(10)
    rig.grid(v_pu, f_hz)
    n = round(delay_s / rig.dt_s)
    rig.step(n)
    assert rig.state == GRID, "not before its time"
    assert rig.step() == (1.0, 0.0)
    assert (rig.state, rig.cause) == (TRANSFER, cause)


@pytest.mark.parametrize(("v_pu", "f_hz"), [(0.5, F0), (1.2, F0), (1.0, 58.5), (1.0, 61.2)])
def test_the_edges_of_the_bands_belong_to_them(v_pu: float, f_hz: float) -> None:
    rig = Rig(rocof_max_hz_s=0.0)
    rig.grid(v_pu, f_hz)
    rig.step(1000)
    assert rig.state == GRID


def test_a_short_sag_is_ridden_through_and_its_time_begins_anew() -> None:
    rig = Rig()
    for _ in range(20):
        rig.grid(0.3)
        rig.step(4)
        rig.grid(1.0)
        rig.step(1)
    assert rig.state == GRID


@pytest.mark.parametrize("dt_s", [0.25e-3, 1e-3, 10e-3])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_slope_beyond_its_limit_parts_after_the_low_pass_and_the_delay(dt_s: float, sign: float) -> None:
    rig = Rig(dt_s, rocof_max_hz_s=2.0, rocof_tau_s=0.1, rocof_delay_s=0.2)
    rig.step(10)
    n, f_hz = 0, F0
    while rig.state == GRID and n < 2.0 / dt_s:
        f_hz += sign * 2.5 * dt_s
        rig.grid(1.0, f_hz)
        rig.step()
        n += 1
    assert rig.cause == mg.ROCOF
    # the low-passed slope passes 2 of 2.5 Hz/s after 0.1 ln 5 = 0.161 s; a step either way in each part
    assert n * dt_s == pytest.approx(0.1 * math.log(5.0) + 0.2, abs=3 * dt_s)


def test_a_slope_below_its_limit_and_a_step_of_the_frequency_are_no_loss_of_mains() -> None:
    rig = Rig(1e-3)
    f_hz = F0
    for _ in range(400):
        f_hz += 1.9e-3
        rig.grid(1.0, f_hz)
        rig.step()
    assert rig.state == GRID
    rig.grid(1.0, f_hz + 0.3)  # 3 Hz/s behind the low-pass for 0.04 s
    rig.step(1000)
    assert rig.state == GRID


def test_the_slope_is_not_measured_across_a_dead_time() -> None:
    rig = Rig(1e-3)
    rig.step(10)
    rig.grid(0.0, 0.0)
    rig.step(20)
    rig.grid(1.0, 59.9)
    rig.step(1000)
    assert (rig.state, rig.rocof_hz_s) == (GRID, 0.0)


# ------------------------------------------------------------------ the way back


def test_an_island_returns_by_itself_after_the_stable_time_and_no_sooner() -> None:
    rig = Rig(state=ISLAND, stable_s=5.0)
    rig.step(500)
    assert rig.state == ISLAND
    rig.step(2)
    assert rig.state == RESYNC


@pytest.mark.parametrize(("v_pu", "f_hz"), [(0.916, F0), (1.051, F0), (1.0, 59.49), (1.0, 60.11)])
def test_an_unhealthy_grid_starts_the_stable_time_anew(v_pu: float, f_hz: float) -> None:
    rig = Rig(state=ISLAND, stable_s=5.0)
    rig.step(490)
    rig.grid(v_pu, f_hz)
    rig.step()
    assert (rig.is_grid_healthy, rig.healthy_s) == (0.0, 0.0)
    rig.grid()
    rig.step(500)
    assert rig.state == ISLAND
    rig.step(2)
    assert rig.state == RESYNC


def test_after_a_commanded_parting_the_stable_time_begins_with_the_parting() -> None:
    rig = Rig(stable_s=5.0)
    rig.step(10_000)  # the grid was healthy all along
    rig.put(island=1.0)
    rig.step()
    rig.breaker["state"] = cb.OPEN
    rig.step(490)
    assert rig.state == ISLAND
    rig.step(20)
    assert rig.state == RESYNC


def test_without_automatic_return_only_a_command_brings_it_back() -> None:
    rig = Rig(state=ISLAND, stable_s=1.0)
    rig.put(is_auto_sp=0.0)
    rig.step(1000)
    assert rig.state == ISLAND
    rig.put(resync=1.0)
    rig.step()
    assert rig.state == RESYNC


def test_a_command_to_return_needs_a_healthy_grid_and_is_not_kept() -> None:
    rig = Rig(state=ISLAND)
    rig.put(is_auto_sp=0.0, resync=1.0)
    rig.grid(0.8)
    rig.step()
    rig.grid(1.0)
    rig.step(100)
    assert rig.state == ISLAND


def test_in_resync_the_references_walk_to_the_grid_a_little_faster() -> None:
    rig = Rig(state=RESYNC, slip_hz=0.05, slew_per_s=1.0)
    rig.grid(1.03, 59.9)
    for _ in range(1000):  # 10 s: the battery takes its references at once
        rig.check["f2_hz"], rig.check["v2_pu"] = rig.bat["f_hz_sp"], rig.bat["v_pu_sp"]
        rig.step()
    # first order with 1 s: exp(-10) of 0.1 Hz and of 0.03 pu is left
    assert rig.references == pytest.approx((59.95, 1.03), abs=1e-5)


def test_resync_closes_only_with_permission_and_only_a_live_island() -> None:
    rig = Rig(state=RESYNC)
    assert rig.step(100) == (0.0, 0.0)
    rig.check["is_permitted"] = 1.0
    rig.check["v2_pu"] = 0.05
    assert rig.step() == (0.0, 0.0)
    rig.check["v2_pu"] = 1.0
    assert rig.step() == (0.0, 1.0)


@pytest.mark.parametrize("state", [ISLAND, RESYNC, DEAD])
def test_permission_lost_while_the_contacts_travel_opens_them_again(state: float) -> None:
    """A dead line may be closed; when the mains come back meanwhile, the sides do not fit any more."""
    rig = Rig(state=state)
    rig.breaker["state"], rig.check["is_permitted"] = cb.CLOSING, 1.0
    assert rig.step() == (0.0, 0.0)
    rig.check["is_permitted"] = 0.0
    assert rig.step() == (1.0, 0.0)


def test_a_grid_that_fails_during_resync_leaves_a_nominal_island() -> None:
    rig = Rig(state=RESYNC)
    rig.bat["f_hz_sp"], rig.bat["v_pu_sp"] = 59.1, 1.06
    rig.grid(0.5)
    rig.step()
    assert (rig.state, rig.mode) == (ISLAND, FORMING)
    assert rig.references == (F0, 1.0), "else it would run at what was slewed to a grid that is gone"


@pytest.mark.parametrize("dt_s", [1.0, 10.0, 60.0])
def test_with_long_steps_the_slip_does_not_jump_over_the_window(dt_s: float) -> None:
    rig = Rig(dt_s, state=RESYNC)
    for _ in range(50):
        rig.check["f2_hz"], rig.check["v2_pu"] = rig.bat["f_hz_sp"], rig.bat["v_pu_sp"]
        rig.step()
    turn_deg = 360.0 * (rig.references[0] - F0) * dt_s
    assert turn_deg == pytest.approx(mg.SLIP_MAX_DEG, rel=1e-6)  # the window is 20 degrees wide


# ------------------------------------------------------------------ dead


def test_a_dead_island_is_started_after_its_wait() -> None:
    rig = Rig(state=DEAD, blackstart_wait_s=5.0)
    rig.grid(0.0, 0.0)
    rig.step(500)
    assert (rig.state, rig.mode) == (DEAD, FOLLOWING)
    rig.step(2)
    assert (rig.state, rig.mode) == (ISLAND, FORMING)


@pytest.mark.parametrize("lacking", ["permission", "charge", "service", "open contacts"])
def test_no_black_start_without_what_it_needs(lacking: str) -> None:
    rig = Rig(state=DEAD)
    rig.grid(0.0, 0.0)
    if lacking == "permission":
        rig.put(is_blackstart_sp=0.0)
    elif lacking == "charge":
        rig.bat["soc_pct"] = 9.0
    elif lacking == "service":
        rig.bat["is_enabled_sp"] = 0.0
    else:
        rig.breaker["state"] = cb.CLOSING
        rig.check["is_permitted"] = 1.0
    rig.step(10_000)
    assert (rig.state, rig.mode) == (DEAD, FOLLOWING)


def test_a_dead_island_is_closed_onto_a_grid_that_stayed_healthy() -> None:
    rig = Rig(state=DEAD, stable_s=3.0)
    rig.check["is_permitted"] = 1.0
    assert rig.step(300) == (0.0, 0.0)
    assert rig.step(2) == (0.0, 1.0)


def test_a_command_closes_a_dead_island_onto_a_healthy_grid_at_once() -> None:
    rig = Rig(state=DEAD)
    rig.put(is_auto_sp=0.0, resync=1.0)
    rig.check["is_permitted"] = 1.0
    assert rig.step() == (0.0, 1.0)


def test_without_automatic_return_a_dead_island_is_still_started() -> None:
    rig = Rig(state=DEAD, stable_s=1.0)
    rig.put(is_auto_sp=0.0)
    rig.check["is_permitted"] = 1.0
    rig.step(1000)
    assert (rig.state, rig.mode) == (ISLAND, FORMING)


def test_a_live_island_that_nobody_synchronises_gets_its_battery_to_do_it() -> None:
    """A machine may keep the island alive when the battery is gone; its slip need not fit the window ever."""
    rig = Rig(state=DEAD, stable_s=1.0)
    rig.check["is_permitted"] = 0.0
    assert rig.step(1000) == (0.0, 0.0)
    assert (rig.state, rig.mode) == (RESYNC, FORMING)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e300])
def test_a_measurement_that_is_no_number_does_not_stick(bad: float) -> None:
    rig = Rig(rocof_max_hz_s=2.0)
    rig.step(10)
    rig.grid(1.0, bad)
    rig.step()
    rig.grid(bad, F0)
    rig.step()
    rig.grid()
    rig.step(200)
    assert rig.state == GRID
    assert all(np.isfinite(rig.s[name][0]) for name in SPECS["microgrid"].state_dtype.names or ())


def test_points_of_connection_do_not_disturb_each_other() -> None:
    p = rows_of([Microgrid(), Microgrid(stable_s=1.0)], SPECS["microgrid"])
    s = np.zeros(2, SPECS["microgrid"].state_dtype)
    init(s)
    breaker, bat = np.zeros(3, SPECS["breaker"].state_dtype), np.zeros(2, SPECS["battery"].state_dtype)
    breaker["state"] = cb.CLOSED
    bat_p = rows_of([Battery(s_rated_va=1e6, v_base_v=277.0, e_rated_wh=1e6)] * 2, SPECS["battery"])
    bat["is_enabled_sp"], bat["soc_pct"], bat["mode"] = 1.0, 50.0, FOLLOWING
    check = np.zeros(3, SYNC)
    check["v1_pu"], check["f1_hz"] = 1.0, F0
    pcc, master = np.array([2, 1], np.int32), np.array([0, 1], np.int32)
    s["island"][1] = 1.0
    step(p, s, pcc, master, breaker, bat, bat_p, check, pcc, F0, 0.01)
    assert list(s["state"]) == [GRID, TRANSFER]
    assert list(breaker["trip"]) == [0.0, 1.0, 0.0]


# ------------------------------------------------------------------ any sequence


class World(RuleBasedStateMachine):
    """The kernel with a hand model of breaker, battery and two voltages; any event at any moment.

    The island's angle against the grid is integrated from both frequencies; the check permits as
    the real one does. The mains, the operator and the battery may do anything at any step.
    """

    @initialize(dt_s=st.sampled_from([0.001, 0.01, 0.02]), soc=st.sampled_from([9.0, 50.0]))
    def start(self, dt_s: float, soc: float) -> None:
        self.rig = Rig(dt_s, stable_s=0.5, blackstart_wait_s=0.2)
        self.rig.bat["soc_pct"] = soc
        self.mechanism = Mechanisms(1, spring_charge_s=0.0)
        self.rig.breaker = self.mechanism.s
        self.v1, self.f1, self.angle_deg = 1.0, F0, 0.0
        self.is_permitted, self.t_s, self.dead_s = True, 0.0, 0.0
        self.v2, self.f2, self.was_closed = 1.0, F0, True

    @property
    def is_closed(self) -> bool:
        return bool(self.mechanism.unit[0, 0] != 0.0)

    def _look(self) -> None:
        """What the network would say after this step, and the check's verdict."""
        rig = self.rig
        if self.is_closed:
            self.v2, self.f2, self.angle_deg = self.v1, self.f1, 0.0
        elif rig.mode == FORMING:
            if self.v2 == 0.0:
                self.angle_deg = 77.0  # a black start begins anywhere
            self.v2, self.f2 = rig.references[1], rig.references[0]
            self.angle_deg += 360.0 * (self.f2 - self.f1) * rig.dt_s
            self.angle_deg = (self.angle_deg + 180.0) % 360.0 - 180.0
        else:
            self.v2 = self.f2 = 0.0
        both = self.v1 > 0.0 and self.v2 > 0.0
        ahead = self.angle_deg + 360.0 * (self.f2 - self.f1) * 0.06
        fits = abs(self.v2 - self.v1) <= 0.05 and abs(self.f2 - self.f1) <= 0.1 and abs(ahead) <= 10.0
        self.is_permitted = self.is_closed or not both or fits
        check = rig.check
        check["v1_pu"], check["f1_hz"] = self.v1, self.f1 if self.v1 > 0.0 else 0.0
        check["v2_pu"], check["f2_hz"] = self.v2, self.f2
        check["is_permitted"] = float(self.is_permitted)

    def _step(self) -> None:
        rig = self.rig
        closed_before, angle_before, v_before = self.is_closed, self.angle_deg, (self.v1, self.v2)
        permitted = rig.check["is_permitted"].copy()
        asked = rig.breaker["close"][0] != 0.0 and rig.breaker["state"][0] == cb.OPEN
        if rig.bat["is_enabled_sp"][0] == 0.0:
            rig.bat["mode"] = OFF
        elif rig.mode == OFF and self.v2 > 0.0:
            rig.bat["mode"] = FOLLOWING
        self.mechanism.permitted[:] = permitted
        self.mechanism.step(rig.dt_s)
        if asked and rig.breaker["state"][0] == cb.CLOSING:
            assert permitted[0] != 0.0, "closing without permission"
        before = rig.breaker["close"][0]
        step(
            rig.p, rig.s, rig.at, rig.at, rig.breaker, rig.bat, rig.bat_p, rig.check, rig.at, F0, rig.dt_s
        )  # fmt: skip
        if rig.breaker["close"][0] != before:
            assert self.is_permitted, "a close pulse without permission"
        assert not (self.is_closed and rig.mode == FORMING), "two masters: forming with closed contacts"
        if self.is_closed and not closed_before and min(v_before) > 0.0:
            # one step of slip beyond the check's own window
            assert abs(angle_before) <= 10.0 + 360.0 * 0.1 * (0.06 + 2 * rig.dt_s)
        self.t_s += rig.dt_s
        self._look()

    @rule(n=st.sampled_from([1, 2, 3, 5, 10, 50, 300]))
    def wait(self, n: int) -> None:
        for _ in range(n):
            self._step()

    @rule(v=st.sampled_from([0.0, 0.0, 0.4, 0.95, 1.0, 1.04, 1.3]), f=st.sampled_from([58.0, 59.6, F0, 62.0]))
    def mains(self, v: float, f: float) -> None:
        if v > 0.0 and self.v1 == 0.0:
            self.angle_deg = 123.0  # it comes back at any angle
        self.v1, self.f1 = v, f
        self._look()

    @rule(which=st.sampled_from(["island", "resync"]))
    def command(self, which: str) -> None:
        self.rig.s[which] = 1.0

    @rule(which=st.sampled_from(["is_auto_sp", "is_blackstart_sp"]), on=st.booleans())
    def switch(self, which: str, on: bool) -> None:
        self.rig.s[which] = float(on)

    @rule(close=st.booleans())
    def operator_at_the_breaker(self, close: bool) -> None:
        if not close:
            self.rig.breaker["trip"] = 1.0
        elif self.is_permitted:  # else the core refuses it
            self.rig.breaker["close"] = 1.0

    @rule(on=st.booleans(), soc=st.sampled_from([5.0, 50.0]))
    def battery(self, on: bool, soc: float) -> None:
        self.rig.bat["is_enabled_sp"], self.rig.bat["soc_pct"] = float(on), soc

    @rule()
    def cut_out(self) -> None:
        if self.rig.mode == FORMING:
            self.rig.bat["mode"] = OFF

    @rule(on=st.booleans())
    def a_healthy_grid_for_long_enough_always_ends_in_grid(self, on: bool) -> None:
        rig = self.rig
        if self.v1 == 0.0:
            self.angle_deg = 123.0
        self.v1, self.f1 = 1.0, F0
        rig.s["is_auto_sp"], rig.bat["is_enabled_sp"] = 1.0, float(on)
        self._look()
        # stable 0.5 s, a whole turn at 0.05 Hz 20 s, slewing by 2.1 Hz and its decay 8 s
        limit = self.t_s + 40.0
        while rig.state != GRID or not self.is_closed:
            self._step()
            assert self.t_s < limit, f"stuck in state {rig.state}"

    @invariant()
    def states_agree(self) -> None:
        if not hasattr(self, "rig"):
            return
        rig = self.rig
        assert rig.is_island == (rig.state != GRID)
        if rig.mode == FORMING:
            assert rig.state in (ISLAND, RESYNC)
            assert not self.is_closed
        assert rig.returns <= rig.transfers


TestWorld = World.TestCase
TestWorld.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
