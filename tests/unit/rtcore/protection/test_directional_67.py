"""Directional element: sectors and their edges, faults on either side, votes, voltage memory, bad input."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcore.component import ParameterError
from rtcore.protection.directional_67 import Directional67, step
from tests.support.element_rig import ABC, V_BASE_V, Complex, ElementRig, sequences, turned

EDGE_DEG = 0.01
"""Asked for: 0.5 degrees; a product of three phasors is good for 1e-13."""
FORWARD, REVERSE, NONE = 1.0, -1.0, 0.0
Z1, Z0 = 1.5 * turned(75.0), 3.0 * turned(72.0)
"""What lies behind a fault on either side [ohm]: a source and a piece of line."""


class Rig(ElementRig):
    kind = "directional_67"

    def __init__(self, quantity: str = "phase", dt_s: float = 1e-3, **params: Any) -> None:
        super().__init__(Directional67(quantity=quantity, **params), dt_s)

    def call(self, change_ago_s: float) -> None:
        args = (self.i, self.i_seq, self.v, self.v_seq, self.base_v, self.f_hz, self.f_valid, 60.0)
        step(self.p, self.s, self.of, *args, self.permitted, change_ago_s, self.dt_s)

    def look(self, n: int = 1) -> float:
        self.step(n)
        assert self["is_operated"] == self["fraction"] == 0.0
        assert self["is_pickup"] == self["is_forward"] + self["is_reverse"] <= 1.0
        return self["is_forward"] - self["is_reverse"]

    def put(self, v: Complex, i: Complex) -> float:
        self.set_v(v)
        self.set_i(i)
        return self.look()

    def turn_all(self, angle_rad: float) -> None:
        """Turn everything, as the slip does in a frame of nominal frequency."""
        self.set_v(self.v[0] * np.exp(1j * angle_rad))
        self.set_i(self.i[0] * np.exp(1j * angle_rad))


def fault(kind: str, side: float, roll: int = 0, r_ohm: float = 0.0) -> tuple[Complex, Complex]:
    """Return voltages and currents at the relay for a fault in front of it (or behind), fed through it.

    What feeds the fault lies on the other side of the relay, so the relay's voltage is E - Z I with the
    current that flows towards the fault, out of the bus (or into it).
    """
    i_seq = np.zeros(3, complex)
    if kind == "3ph":
        i_seq[1] = V_BASE_V / (Z1 + 2.0 + r_ohm)
    elif kind == "slg":
        i_seq[:] = V_BASE_V / (2 * (Z1 + 2.0) + Z0 + 2.0 + 3 * r_ohm)
    else:
        i_seq[1] = V_BASE_V / (2 * (Z1 + 2.0) + r_ohm)
        i_seq[2] = -i_seq[1]
    v_seq = np.array([0.0, V_BASE_V, 0.0]) - np.array([Z0, Z1, Z1]) * i_seq
    back = np.linalg.inv(np.array([sequences(row) for row in np.eye(3)]).T)
    return np.roll(back @ v_seq, roll), side * np.roll(back @ i_seq, roll)


@pytest.mark.parametrize("roll", [0, 1, 2])
@pytest.mark.parametrize("side", [FORWARD, REVERSE])
@pytest.mark.parametrize(
    ("quantity", "kind"),
    [
        ("phase", "3ph"),
        ("phase", "ll"),
        ("phase", "slg"),
        ("ground", "slg"),
        ("negative", "slg"),
        ("negative", "ll"),
    ],
)
def test_a_fault_is_seen_on_its_side_in_every_phase(quantity: str, kind: str, side: float, roll: int) -> None:
    for r_ohm in (0.0, 5.0):
        assert Rig(quantity).put(*fault(kind, side, roll, r_ohm)) == side


@pytest.mark.parametrize("rca_deg", [30.0, 45.0, -10.0])
@pytest.mark.parametrize("phase", [0, 1, 2])
def test_the_phase_sector_reaches_90_degrees_to_either_side_of_its_angle(phase: int, rca_deg: float) -> None:
    """The voltage between the other two phases lags that of the phase by 90 degrees."""
    rig = Rig(rca_deg=rca_deg)
    for offset_deg in (-90.0, 90.0):
        for inside, expected in ((-EDGE_DEG, FORWARD), (EDGE_DEG, REVERSE)):
            angle_deg = rca_deg - 90.0 + offset_deg + math.copysign(inside, offset_deg * inside)
            i = np.zeros(3, complex)
            i[phase] = 500.0 * ABC[phase] * turned(angle_deg)
            assert rig.put(V_BASE_V * ABC, i) == expected, (offset_deg, inside)


def test_between_narrower_sectors_no_direction_is_decided() -> None:
    rig = Rig(rca_deg=45.0, half_sector_deg=80.0)
    expected = {
        79.9: FORWARD,
        80.1: NONE,
        99.9: NONE,
        100.1: REVERSE,
        -79.9: FORWARD,
        -80.1: NONE,
        -100.1: REVERSE,
    }
    for off_deg, direction in expected.items():
        i = np.array([500.0 * turned(45.0 - 90.0 + off_deg), 0, 0])
        assert rig.put(V_BASE_V * ABC, i) == direction, off_deg


@pytest.mark.parametrize("rca_deg", [-60.0, -15.0, 0.0, -90.0])
def test_the_ground_sector_turns_on_the_reversed_residual_voltage(rca_deg: float) -> None:
    rig = Rig("ground", rca_ground_deg=rca_deg, ratio_min=0.0)
    rig.v_seq[0] = 0.1 * V_BASE_V * turned(33.0), V_BASE_V, 0.0
    for off_deg, direction in (
        (90 - EDGE_DEG, 1),
        (90 + EDGE_DEG, -1),
        (-90 + EDGE_DEG, 1),
        (-90 - EDGE_DEG, -1),
    ):
        rig.i_seq[0] = 100.0 * turned(33.0 + 180.0 + rca_deg + off_deg), 0.0, 0.0
        assert rig.look() == direction, off_deg


def test_negative_sequence_is_forward_below_and_reverse_above_its_impedances() -> None:
    rig = Rig("negative", z2f_ohm=-0.3, z2r_ohm=0.3, line_angle_deg=65.0)
    rig.i_seq[0] = 0.0, 200.0, 100.0 * turned(20.0)
    for z2_ohm, direction in ((-0.301, 1), (-0.299, 0), (0.0, 0), (0.299, 0), (0.301, -1)):
        rig.v_seq[0, 2] = z2_ohm * turned(65.0) * rig.i_seq[0, 2] + 50j * turned(65.0) * rig.i_seq[0, 2]
        assert rig.look() == direction, z2_ohm  # what stands across the line's angle does not count


def test_reverse_impedance_below_the_forward_one_is_refused() -> None:
    with pytest.raises(ParameterError, match="z2r_ohm"):
        Directional67(z2f_ohm=0.2, z2r_ohm=0.1)


def test_small_currents_have_no_direction() -> None:
    for quantity, size in (("phase", 1.0), ("ground", 1 / 3), ("negative", 1 / 3)):
        rig = Rig(quantity, i_min_a=20.0, ratio_min=0.0)
        for i_a, is_seen in ((19.99, False), (20.01, True)):
            rig.v_seq[0] = -0.1 * V_BASE_V, V_BASE_V, -0.1 * V_BASE_V
            rig.i[0], rig.i_seq[0] = i_a * ABC * turned(-45.0), i_a * size * turned(-60.0)
            assert (rig.look() == FORWARD) is is_seen, quantity


def test_errors_of_current_transformers_under_load_have_no_direction() -> None:
    for quantity, column in (("ground", 0), ("negative", 2)):
        rig = Rig(quantity, ratio_min=0.1, i_min_a=20.0)
        rig.v_seq[0] = -0.1 * V_BASE_V, V_BASE_V, -0.1 * V_BASE_V
        for share, is_seen in ((0.099, False), (0.101, True)):
            rig.i_seq[0] = 0.0, 600.0, 0.0
            rig.i_seq[0, column] = 600.0 * share * turned(-60.0)
            assert (rig.look() == FORWARD) is is_seen, quantity


def test_a_residual_voltage_too_small_to_polarise_decides_nothing() -> None:
    rig = Rig("ground", v_min_pu=0.02, ratio_min=0.0)
    rig.i_seq[0, 0] = 100.0 * turned(-60.0)
    for residual_pu, direction in ((0.0199, NONE), (0.0201, FORWARD)):
        rig.v_seq[0, 0] = -residual_pu * V_BASE_V / 3.0
        assert rig.look() == direction


def test_the_majority_decides_and_a_tie_goes_to_the_largest_phase() -> None:
    ahead = ABC * turned(-45.0)
    for weights, by_majority, by_largest in (
        ((200, 300, -500), FORWARD, REVERSE),
        ((200, -300, -500), REVERSE, REVERSE),
        ((-200, 500, 0), FORWARD, FORWARD),  # a tie of two
        ((0, 0, 500), FORWARD, FORWARD),
        ((0, 0, 0), NONE, NONE),
    ):
        i = np.array(weights) * ahead
        assert Rig(rule="majority").put(V_BASE_V * ABC, i) == by_majority
        assert Rig(rule="largest_phase").put(V_BASE_V * ABC, i) == by_largest


# ------------------------------------------------------------------ voltage memory


@pytest.mark.parametrize("side", [FORWARD, REVERSE])
@pytest.mark.parametrize("residual_pu", [0.0, 0.019])
def test_a_fault_at_the_relay_is_polarised_by_the_voltage_before_it(side: float, residual_pu: float) -> None:
    """What is left of the voltage is arc and coupling: its angle tells nothing (here the opposite)."""
    rig = Rig(v_min_pu=0.02)
    rig.put(V_BASE_V * ABC, 200.0 * ABC)
    assert rig.put(-residual_pu * V_BASE_V * ABC, side * 5000.0 * turned(-75.0) * ABC) == side
    assert rig["is_memory"] == 1.0
    assert rig.put(V_BASE_V * ABC, side * 5000.0 * turned(-75.0) * ABC) == side
    assert rig["is_memory"] == 0.0


@pytest.mark.parametrize("dt_s", [0.25e-3, 1e-3, 0.1])
def test_the_memory_is_gone_after_its_time_and_nothing_is_decided(dt_s: float) -> None:
    rig = Rig(dt_s=dt_s, memory_s=1.0)
    rig.put(V_BASE_V * ABC, 200.0 * ABC)
    rig.set_v(0.0 * ABC)
    rig.set_i(5000.0 * turned(-75.0) * ABC)
    assert rig.look(round(1.0 / dt_s)) == FORWARD
    assert rig.look() == NONE
    assert rig["is_memory"] == rig["memory_bc_re"] == rig["memory_ab_im"] == 0.0


def test_without_memory_or_before_any_voltage_nothing_is_decided() -> None:
    for memory_s, v_before in ((0.0, ABC), (2.0, 0.0 * ABC)):
        rig = Rig(memory_s=memory_s)
        rig.put(V_BASE_V * v_before, 200.0 * ABC)
        assert rig.put(0.0 * ABC, 5000.0 * turned(-75.0) * ABC) == NONE


@pytest.mark.parametrize("slip_hz", [-1.3, 0.7])
@pytest.mark.parametrize("is_known", [True, False])
def test_the_memory_turns_with_the_slip_of_the_last_valid_frequency(slip_hz: float, is_known: bool) -> None:
    """Current on the edge less 3 degrees: 2 s at 1 Hz are two turns, which must be followed to 3 degrees."""
    rig = Rig(dt_s=1e-3, memory_s=2.0, rca_deg=45.0)
    rig.f_hz[0], rig.f_valid[0] = 60.0 + slip_hz, 1.0 if is_known else 0.0
    turn_rad = 2.0 * math.pi * slip_hz * rig.dt_s
    rig.put(V_BASE_V * ABC, 5000.0 * turned(-45.0 + 87.0) * ABC)
    rig.turn_all(turn_rad)
    rig.look()
    rig.set_v(0.0 * ABC)
    seen = []
    for _ in range(1990):
        rig.f_hz[0] = rig.f_valid[0] = 0.0  # no voltage, no frequency
        rig.turn_all(turn_rad)
        seen.append(rig.look())
    assert (set(seen) == {FORWARD}) is is_known


def test_only_the_lost_voltage_is_remembered() -> None:
    """Fault between b and c at the relay: Vbc is gone, b and c are polarised by what they still have."""
    rig = Rig()
    rig.put(V_BASE_V * ABC, 200.0 * ABC)
    a, middle = ABC[0], (ABC[1] + ABC[2]) / 2.0
    i_b = 5000.0 * (ABC[1] - ABC[2]) / math.sqrt(3.0) * turned(-70.0)
    assert rig.put(V_BASE_V * np.array([a, middle, middle]), np.array([0.0, i_b, -i_b])) == FORWARD
    assert math.hypot(rig["memory_bc_re"], rig["memory_bc_im"]) < 1.0
    assert math.hypot(rig["memory_ca_re"], rig["memory_ca_im"]) == pytest.approx(1.0, abs=1e-12)


# ------------------------------------------------------------------ interface and bad input


def test_a_change_of_direction_is_stamped_with_the_change_of_the_network() -> None:
    rig = Rig()
    rig.put(V_BASE_V * ABC, 500.0 * turned(-45.0) * ABC)
    rig.set_i(-rig.i[0])
    rig.step(change_ago_s=0.3e-3)
    assert (rig["is_forward"], rig["is_reverse"], rig["direction_ago_s"]) == (0.0, 1.0, 0.3e-3)
    assert (rig["is_pickup"], rig["pickup_ago_s"]) == (1.0, rig.dt_s)  # it was and is decided
    rig.set_i(0.0 * ABC)
    rig.step(change_ago_s=0.2e-3)
    assert (rig["is_pickup"], rig["pickup_ago_s"], rig["direction_ago_s"]) == (0.0, 0.2e-3, 0.2e-3)


@pytest.mark.parametrize("quantity", ["phase", "ground", "negative"])
def test_a_blocked_element_decides_nothing_but_its_memory_goes_on(quantity: str) -> None:
    for name in ("permitted", "is_enabled"):
        rig = Rig(quantity)
        target = rig.permitted if name == "permitted" else rig.p["is_enabled"]
        target[0] = 0.0
        v, i = fault("slg", FORWARD)
        assert rig.put(v, i) == NONE
        target[0] = 1.0
        if quantity == "phase":
            v = 0.0 * v
        assert rig.put(v, i) == FORWARD


@pytest.mark.parametrize("quantity", ["phase", "ground", "negative"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
@pytest.mark.parametrize("where", ["v", "i", "both", "f"])
def test_what_is_no_number_does_not_stick(quantity: str, bad: float, where: str) -> None:
    rig = Rig(quantity)
    assert rig.put(*fault("slg", REVERSE)) == REVERSE
    if where in {"v", "both"}:
        rig.v[0], rig.v_seq[0] = bad, bad
    if where in {"i", "both"}:
        rig.i[0], rig.i_seq[0] = bad, bad
    if where == "f":
        rig.f_hz[0] = bad
    rig.look(3)
    assert rig.is_finite() and abs(rig["slip_hz"]) < 20.0
    rig.f_hz[0] = 60.0
    assert rig.put(*fault("slg", FORWARD)) == FORWARD
    assert rig.is_finite()


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 360), st.floats(0, 360), st.floats(0.05, 1.5), st.floats(-95, 95), st.integers(0, 2))
def test_turning_the_current_round_turns_the_direction_round(
    v_deg: float, i_deg: float, v_pu: float, rca_deg: float, which: int
) -> None:
    quantity = ("phase", "ground", "negative")[which]
    rig = Rig(quantity, rca_deg=rca_deg, rca_ground_deg=rca_deg, ratio_min=0.0)
    seen = []
    for sign in (1.0, -1.0):
        v, i = V_BASE_V * v_pu * ABC * turned(v_deg), sign * 500.0 * ABC * turned(i_deg)
        rig.v[0], rig.v_seq[0] = v, v[0]
        rig.i[0], rig.i_seq[0] = i, i[0]
        seen.append(rig.look())
    assert seen[0] == -seen[1]
