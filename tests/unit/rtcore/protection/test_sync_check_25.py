"""Synchronism check: the window and its edges, slip advance, dead sides, one island, and the command path."""

from __future__ import annotations

import dataclasses as dc
import json
import math
from pathlib import Path

import numpy as np
import pytest

from rtcore.commands import Reason
from rtcore.component import REGISTRY, rows_of
from rtcore.engine import Engine
from rtcore.network import model as m
from rtcore.plant import breaker as cb
from rtcore.points import Kind
from rtcore.protection.sync_check_25 import SyncCheck, advance_deg, check
from tests.support import machine_rig as rig

pytestmark = pytest.mark.timeout(900)
"""With an empty cache the engine of the last tests compiles every kernel."""

SPEC = REGISTRY["sync_check"]
BASE_V = 7200.0
ABC = np.exp(-2j * np.pi / 3 * np.arange(3))
VECTORS: dict[str, list[dict[str, float]]] = json.loads(
    (Path(__file__).parents[3] / "data/reference/protection_vectors.json").read_text()
)["sync_25"]


class Rig:
    """One breaker between nodes 0..2 of island 0 and nodes 3..5 of island 1."""

    def __init__(self, **params: float) -> None:
        self.p = rows_of([SyncCheck(**params)], SPEC)
        self.s = np.zeros(1, SPEC.state_dtype)
        self.v = np.zeros(7, complex)
        self.owner, self.f_hz = np.array([0, 0, 0, 1, 1, 1], np.int32), np.full(2, 60.0)
        self.sides = np.array([[0, 1, 2]], np.int32), np.array([[3, 4, 5]], np.int32)
        self.base_v = np.full(6, BASE_V)
        self.put()

    def put(self, v1: float = 1.0, v2: float = 1.0, angle_deg: float = 0.0, slip_hz: float = 0.0) -> None:
        self.v[:3] = BASE_V * v1 * ABC
        self.v[3:6] = BASE_V * v2 * ABC * np.exp(1j * math.radians(angle_deg))
        self.f_hz[1] = 60.0 + slip_hz

    def look(self) -> bool:
        check(self.p, self.s, *self.sides, self.v, self.base_v, self.owner, self.f_hz)
        return bool(self.s["is_permitted"][0])


def permits(**place: float) -> bool:
    """Look once, with a window of edges that floating point can hit: 0.0625 pu, 0.125 Hz, 10 degrees."""
    looking = Rig(dv_max_pu=0.0625, df_max_hz=0.125, angle_max_deg=10.0, close_time_s=0.0)
    looking.put(**place)
    return looking.look()


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize(
    ("quantity", "edge", "beyond"),
    [("v2", 0.0625, 1e-6), ("slip_hz", 0.125, 1e-6), ("angle_deg", 10.0, 1e-6)],
)
def test_the_edges_of_the_window_belong_to_it(quantity: str, edge: float, beyond: float, sign: float) -> None:
    middle = 1.0 if quantity == "v2" else 0.0
    # Magnitude and angle come out of root and arc tangent, hence 1e-9 inside; the slip is exact.
    rounding = 0.0 if quantity == "slip_hz" else 1e-9
    assert permits(**{quantity: middle + sign * (edge - rounding)})
    assert not permits(**{quantity: middle + sign * (edge + beyond)})


def test_slip_times_closing_time_is_added_to_the_angle() -> None:
    assert advance_deg(0.1, 0.08) == pytest.approx(2.88, abs=1e-12)  # 360 * 0.1 * 0.08
    looking = Rig(close_time_s=0.08, angle_max_deg=10.0, df_max_hz=0.5)
    for angle_deg, slip_hz, is_inside in [
        (7.11, 0.1, True),  # makes at 9.99
        (7.13, 0.1, False),  # makes at 10.01
        (-12.87, 0.1, True),  # makes at -9.99, although it is outside now
        (-12.89, 0.1, False),
        (12.87, -0.1, True),
        (-7.13, -0.1, False),
    ]:
        looking.put(angle_deg=angle_deg, slip_hz=slip_hz)
        assert looking.look() is is_inside, (angle_deg, slip_hz)
        assert looking.s["dangle_deg"][0] == pytest.approx(angle_deg, abs=1e-9)  # shown as it is now
        assert looking.s["df_hz"][0] == pytest.approx(slip_hz, abs=1e-9)


@pytest.mark.parametrize("row", VECTORS["advance_deg"], ids=str)
def test_the_advance_is_that_of_the_reference(row: dict[str, float]) -> None:
    assert advance_deg(row["slip_hz"], row["t_close_s"]) == pytest.approx(row["deg"], rel=1e-6)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("row", VECTORS["slip_limit_hz"], ids=str)
def test_in_phase_the_slip_limit_of_the_reference_uses_up_the_whole_angle(
    row: dict[str, float], sign: float
) -> None:
    looking = Rig(df_max_hz=2.0, close_time_s=row["t_close_s"], angle_max_deg=row["angle_deg"])
    for factor, is_inside in ((1.0 - 1e-6, True), (1.0 + 1e-6, False)):
        looking.put(slip_hz=sign * row["slip_hz"] * factor)
        assert looking.look() is is_inside


def test_the_angle_ahead_wraps() -> None:
    looking = Rig(close_time_s=1.0, angle_max_deg=10.0, df_max_hz=2.0)
    looking.put(angle_deg=175.0, slip_hz=0.5)  # 180 degrees in a second: makes at -5
    assert looking.look()
    looking.put(angle_deg=5.0, slip_hz=0.5)
    assert not looking.look()


def test_what_is_shown_is_side_2_less_side_1() -> None:
    looking = Rig()
    looking.put(v1=1.02, v2=0.99, angle_deg=-3.0, slip_hz=0.04)
    looking.look()
    shown = {name: float(looking.s[name][0]) for name in ("dv_pu", "dangle_deg", "df_hz", "v1_pu", "v2_pu")}
    expected = {"dv_pu": -0.03, "dangle_deg": -3.0, "df_hz": 0.04, "v1_pu": 1.02, "v2_pu": 0.99}
    assert shown == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("dead", [[0, 1, 2], [3, 4, 5], [0, 1, 2, 3, 4, 5]])
def test_a_dead_line_and_a_dead_bus_may_be_closed(dead: list[int]) -> None:
    looking = Rig()
    looking.put(angle_deg=90.0)
    assert not looking.look()
    looking.owner[dead] = -1
    looking.v[dead] = 0.0
    assert looking.look()
    assert looking.s["dangle_deg"][0] == looking.s["df_hz"][0] == looking.s["dv_pu"][0] == 0.0


@pytest.mark.parametrize("side", [0, 3])
@pytest.mark.parametrize("dead", [[0], [1], [2], [0, 2], [1, 2], [0, 1]])
def test_a_side_with_a_live_phase_is_not_dead(side: int, dead: list[int]) -> None:
    looking = Rig()
    looking.put(angle_deg=120.0)
    nodes = [side + k for k in dead]
    looking.v[nodes], looking.owner[nodes] = 0.0, -1
    assert not looking.look()


@pytest.mark.parametrize("place", [{"v1": 0.3, "v2": 0.3}, {"v1": 0.02, "v2": 1.0}, {"v1": 1.0, "v2": 0.0}])
def test_between_dead_and_live_nothing_is_permitted(place: dict[str, float]) -> None:
    """A side whose voltage a black start still raises, or a fault holds down, is not a dead one."""
    looking = Rig(dv_max_pu=0.5)
    looking.put(**place)
    assert not looking.look()


def test_sides_of_one_island_may_always_be_closed() -> None:
    looking = Rig()
    looking.owner[:] = 0
    looking.put(v1=1.05, v2=0.8, angle_deg=25.0)  # a long loop
    assert looking.look()
    assert looking.s["dangle_deg"][0] == pytest.approx(25.0, abs=1e-9)


def test_one_phase_is_checked_by_its_own_voltage() -> None:
    looking = Rig()
    looking.sides[0][:], looking.sides[1][:] = [[-1, 1, -1]], [[-1, 4, -1]]
    looking.v[[0, 2, 3, 5]] = np.nan
    looking.put(angle_deg=5.0)
    looking.v[[0, 2, 3, 5]] = np.nan
    assert looking.look()
    looking.v[4] *= np.exp(1j * math.radians(10.0))
    assert not looking.look()


def test_a_voltage_that_is_not_a_number_permits_nothing_and_leaves_nothing() -> None:
    looking = Rig()
    looking.v[4] = np.nan
    assert not looking.look()
    looking.put()
    assert looking.look()
    assert all(np.isfinite(looking.s[name][0]) for name in SPEC.state_dtype.names or ())


# ------------------------------------------------------------------ through the command path


@pytest.fixture(scope="module")
def two_grids() -> Engine:
    """Two ideal sources on either side of an open breaker."""
    network = m.Network(
        name="tie",
        buses=(rig.bus("left"), rig.bus("right")),
        sources=(rig.source(0.1, "left"), dc.replace(rig.source(0.1, "right"), name="other")),
        switches=(rig.reactance(0.01, "left", "right", is_closed=False),),
    )
    points = [
        rig.point("breaker.tie", "close", Kind.CONTROL),
        rig.point("breaker.tie", "trip", Kind.CONTROL),
        rig.point("breaker.tie", "state"),
        rig.point("breaker.tie", "ops"),
        rig.point("source.other", "f_hz_sp", Kind.SETPOINT),
        rig.point("sync_check.tie", "is_permitted", Kind.STATUS),
        rig.point("sync_check.tie", "dangle_deg"),
    ]
    return rig.engine(network, points, {})


def test_a_close_command_outside_the_window_is_interlocked_and_changes_nothing(two_grids: Engine) -> None:
    e = two_grids
    e.do("SOURCE_OTHER.F_HZ_SP", 60.5)
    e.step(200)  # a slip of 0.5 Hz, 36 degrees by now
    assert e.value("SYNC_CHECK_TIE.IS_PERMITTED") == 0.0
    before = e.world.breakers.s.copy(), e.world.grid.unit.copy()
    verdict = e.do("BREAKER_TIE.CLOSE", 1.0)
    assert verdict.reason is Reason.INTERLOCKED
    e.step(200)
    assert e.value("BREAKER_TIE.STATE") == cb.OPEN
    assert np.array_equal(e.world.grid.unit, before[1])
    assert e.world.breakers.s.tobytes() == before[0].tobytes()
    assert e.do("BREAKER_TIE.CLOSE", 0.0).reason is Reason.DONE  # a pulse of 0 asks for nothing


def run_until_permitted(e: Engine, is_permitted: float) -> None:
    for _ in range(20_000):
        e.step(1)
        if e.value("SYNC_CHECK_TIE.IS_PERMITTED") == is_permitted:
            return
    pytest.fail("the slip brought no change in a turn")


def test_the_command_answers_to_the_very_step_that_the_check_shows(two_grids: Engine) -> None:
    e = two_grids
    e.do("SOURCE_OTHER.F_HZ_SP", 60.05)
    run_until_permitted(e, 1.0)
    run_until_permitted(e, 0.0)
    assert e.do("BREAKER_TIE.CLOSE", 1.0).reason is Reason.INTERLOCKED
    run_until_permitted(e, 1.0)
    assert e.do("BREAKER_TIE.CLOSE", 1.0).reason is Reason.DONE
    e.step(70)
    assert e.value("BREAKER_TIE.STATE") == cb.CLOSED
    assert abs(e.value("SYNC_CHECK_TIE.DANGLE_DEG")) < 10.0  # one island now, its angle that of the tie
    assert e.do("BREAKER_TIE.TRIP", 1.0).reason is Reason.DONE  # a trip needs no permission
    e.step(60)
    assert (e.value("BREAKER_TIE.STATE"), e.value("BREAKER_TIE.OPS")) == (cb.OPEN, 1.0)
