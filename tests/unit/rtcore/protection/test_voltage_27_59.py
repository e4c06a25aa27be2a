"""Under- and overvoltage: levels, hysteresis, quantities, modes, curves, timers inside a step, blocking."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcore.protection import overvoltage_59, undervoltage_27
from rtcore.protection.overvoltage_59 import Overvoltage59
from rtcore.protection.undervoltage_27 import Undervoltage27
from rtcore.protection.voltage_curves import OVER_CURVES, UNDER_CURVES, curve_s
from tests.support.element_rig import ABC, V_BASE_V, ElementRig

EPS = 1e-9
"""Voltages come out of a root and a division: a few units of the last digit."""
ROUNDING_S = 1e-9
"""Thousands of summed milliseconds."""


class VoltageRig(ElementRig):
    kernel = staticmethod(undervoltage_27.step)

    def call(self, change_ago_s: float) -> None:
        args = (self.of, self.v, self.v_seq, self.base_v, self.permitted, change_ago_s, self.dt_s)
        self.kernel(self.p, self.s, *args)

    def put(self, a: float, b: float | None = None, c: float | None = None) -> None:
        """Set the phases' magnitudes [pu]."""
        sizes = np.array([a, a if b is None else b, a if c is None else c])
        self.set_v(V_BASE_V * sizes * ABC)


class Under(VoltageRig):
    kind, kernel = "undervoltage_27", staticmethod(undervoltage_27.step)

    def __init__(self, dt_s: float = 1e-3, **params: object) -> None:
        super().__init__(Undervoltage27(**{"minimum_s": 0.0, **params}), dt_s)  # type: ignore[arg-type]


class Over(VoltageRig):
    kind, kernel = "overvoltage_59", staticmethod(overvoltage_59.step)

    def __init__(self, dt_s: float = 1e-3, **params: object) -> None:
        super().__init__(Overvoltage59(**{"minimum_s": 0.0, **params}), dt_s)  # type: ignore[arg-type]


def picks_up(rig: VoltageRig, *sizes: float) -> bool:
    rig.put(*sizes)
    rig.step()
    return rig["is_pickup"] == 1.0


def test_undervoltage_picks_up_below_its_level_and_drops_out_above_the_hysteresis() -> None:
    rig = Under(pickup_pu=0.8, hysteresis_pct=2.0)
    ladder = [(0.8 + EPS, False), (0.8 - EPS, True), (0.81, True), (0.816 - EPS, True), (0.816 + EPS, False)]
    assert [picks_up(rig, u) for u, _ in ladder] == [expected for _, expected in ladder]
    assert not picks_up(rig, 0.805)  # inside the band from above


def test_overvoltage_picks_up_above_its_level_and_drops_out_below_the_hysteresis() -> None:
    rig = Over(pickup_pu=1.1, hysteresis_pct=5.0)
    ladder = [(1.1 - EPS, False), (1.1 + EPS, True), (1.06, True), (1.045 + EPS, True), (1.045 - EPS, False)]
    assert [picks_up(rig, u) for u, _ in ladder] == [expected for _, expected in ladder]
    assert not picks_up(rig, 1.09)


def test_one_phase_is_enough_in_any_mode_and_all_are_needed_in_all_mode() -> None:
    assert picks_up(Under(mode="any"), 0.5, 1.0, 1.0) and not picks_up(Under(mode="all"), 0.5, 0.5, 1.0)
    assert picks_up(Under(mode="all"), 0.5, 0.6, 0.7)
    assert picks_up(Over(mode="any"), 1.2, 1.0, 1.0) and not picks_up(Over(mode="all"), 1.2, 1.2, 1.0)
    assert picks_up(Over(mode="all"), 1.2, 1.2, 1.2)


def test_each_quantity_is_per_unit_of_its_own_base() -> None:
    """Phase a gone: a-b and c-a are 1/sqrt(3) of sqrt(3) base, V1 is 2/3, 3 V0 is one phase."""
    seen = {}
    for quantity in ("phase_neutral", "phase_phase", "positive"):
        rig = Under(quantity=quantity, v_min_pu=0.0)
        picks_up(rig, 0.0, 1.0, 1.0)
        seen[quantity] = rig["v_pu"]
    rig = Over(quantity="residual")
    picks_up(rig, 0.0, 1.0, 1.0)
    seen["residual"] = rig["v_pu"]
    expected = {"phase_neutral": 0.0, "phase_phase": 3**-0.5, "positive": 2 / 3, "residual": 1.0}
    assert seen == pytest.approx(expected, abs=1e-12)  # sums of three phasors


def test_the_residual_voltage_of_an_earth_fault_on_an_isolated_system_is_3_pu() -> None:
    rig = Over(quantity="residual", pickup_pu=0.3)
    rig.set_v(V_BASE_V * (ABC - ABC[0]))
    rig.step()
    assert rig["v_pu"] == pytest.approx(3.0, abs=1e-12) and rig["is_pickup"] == 1.0


def test_a_phase_without_a_transformer_does_not_count() -> None:
    assert not picks_up(Under(phases="ab", v_min_pu=0.0), 1.0, 1.0, 0.0)
    assert picks_up(Under(phases="ab", v_min_pu=0.0), 1.0, 0.5, 0.0)
    assert not picks_up(Under(phases="ab", quantity="phase_phase", v_min_pu=0.0), 1.0, 1.0, 0.0)
    assert not picks_up(Under(phases="a", quantity="phase_phase"), 0.5)  # no pair at all
    assert not picks_up(Over(phases="c"), 1.5, 1.5, 1.0)


@pytest.mark.parametrize("change_ago_s", [1e-3, 0.4e-3])
def test_definite_time_runs_from_the_change_and_is_interpolated(change_ago_s: float) -> None:
    for rig, u in ((Under(delay_s=0.0307), 0.5), (Over(delay_s=0.0307), 1.3)):
        rig.step(5)
        rig.put(u)
        rig.step(change_ago_s=change_ago_s)
        start_s = rig.t_s - change_ago_s
        assert rig["pickup_ago_s"] == change_ago_s
        assert rig.run() == pytest.approx(start_s + 0.0307, abs=ROUNDING_S)


@pytest.mark.parametrize("dt_s", [0.25e-3, 1e-3, 0.02, 0.1])
@pytest.mark.parametrize(
    ("rig", "u", "t_s"),
    [
        (lambda dt_s: Under(dt_s, curve="a", k=0.5), 0.6, 0.5 / 0.25),
        (lambda dt_s: Under(dt_s, curve="b", k=0.05), 0.4, 24 / 15.5**2 + 0.055),
        (lambda dt_s: Over(dt_s, curve="a", k=0.5), 1.32, 0.5 / 0.2),
        (lambda dt_s: Over(dt_s, curve="b", k=0.05), 1.32, 24 / 5.9**2 + 0.035),
        (lambda dt_s: Over(dt_s, curve="c", k=0.05), 1.32, 24 / 5.9**3 + 0.035),
    ],
)
def test_an_inverse_curve_operates_at_its_formula_at_any_step(rig, u: float, t_s: float, dt_s: float) -> None:  # type: ignore[no-untyped-def]
    made = rig(dt_s)
    made.put(u)
    assert made.run() == pytest.approx(t_s, abs=ROUNDING_S)


def test_an_inverse_curve_integrates_a_voltage_that_changes_inside_a_step() -> None:
    """Half of the way at 0.6 pu (2 s), the rest at 0.4 pu (1 s), the change 0.3 ms before a step's end."""
    rig = Under(curve="a", k=0.5)
    rig.put(0.6)
    rig.step(1000)
    assert rig["fraction"] == pytest.approx(0.5, abs=1e-9)  # a thousand additions
    rig.put(0.4)
    rig.step(change_ago_s=0.3e-3)
    assert rig["fraction"] == pytest.approx(0.5 + 0.7e-3 / 2 + 0.3e-3 / 1, abs=1e-9)
    assert rig.run() == pytest.approx(1.0007 + (0.5 - 0.7e-3 / 2) * 1.0, abs=ROUNDING_S)


@pytest.mark.parametrize("params", [{"delay_s": 0.1202}, {"curve": "a", "k": 0.0601}])
def test_a_voltage_that_returns_inside_a_step_counts_by_the_instant_of_its_return(
    params: dict[str, object],
) -> None:
    for ago_s, is_late in ((0.9e-3, False), (0.5e-3, True)):  # at 0.1201 s and 0.1205 s
        rig = Under(**params)
        rig.put(0.4)
        rig.step(120)
        assert rig["is_operated"] == 0.0
        rig.put(1.0)
        rig.step(change_ago_s=ago_s)
        assert (rig["is_operated"] == 1.0) is is_late
        if is_late:
            assert rig["operate_ago_s"] == pytest.approx(0.8e-3, abs=ROUNDING_S)
            rig.step()
        assert rig["is_operated"] == rig["is_pickup"] == rig["fraction"] == 0.0


def test_the_floor_of_a_real_relay_holds_for_definite_and_inverse_time() -> None:
    for rig in (
        Over(delay_s=0.0, minimum_s=0.03),
        Over(curve="b", k=0.05, minimum_s=0.2),
    ):
        rig.put(1.8)
        assert rig.run() == pytest.approx(float(rig.p["minimum_s"][0]), abs=ROUNDING_S)


def test_a_dead_line_is_no_undervoltage_unless_wanted() -> None:
    rig = Under(v_min_pu=0.2)
    assert not picks_up(rig, 0.1) and rig["is_dead"] == 1.0
    assert picks_up(rig, 0.1, 0.1, 0.3) and rig["is_dead"] == 0.0  # one live phase
    assert not picks_up(rig, 0.19)
    assert picks_up(Under(v_min_pu=0.0), 0.0)


@pytest.mark.parametrize("name", ["permitted", "is_enabled"])
@pytest.mark.parametrize("rig", [Under(), Over(), Under(curve="a"), Over(curve="c")])
def test_a_blocked_element_drops_out_and_starts_anew(rig: VoltageRig, name: str) -> None:
    rig.put(0.5 if isinstance(rig, Under) else 1.5)
    rig.step(20)
    assert rig["is_pickup"] == 1.0 and rig["fraction"] > 0.0
    target = rig.permitted if name == "permitted" else rig.p["is_enabled"]
    target[0] = 0.0
    rig.step()
    assert rig["is_pickup"] == rig["fraction"] == rig["timer_s"] == 0.0
    target[0] = 1.0
    rig.step()
    assert rig["is_pickup"] == 1.0


@pytest.mark.parametrize("bad", [complex(np.nan, 0), complex(np.inf, 0), complex(1e300, 1e300)])
def test_a_voltage_that_is_no_number_is_left_out_and_leaves_nothing(bad: complex) -> None:
    for rig in (Under(), Over(), Under(curve="b"), Over(curve="b", quantity="phase_phase")):
        rig.set_v(np.array([bad, bad, bad]))
        rig.step(3)
        assert rig["is_pickup"] == rig["v_pu"] == 0.0 and rig.is_finite()
        rig.put(1.0)
        rig.v[0, 0] = bad
        rig.step()
        assert rig["is_pickup"] == 0.0 and rig.is_finite()
        assert picks_up(rig, 0.5 if isinstance(rig, Under) else 1.5)


def test_a_base_that_is_no_number_or_zero_measures_nothing() -> None:
    for base_v in (0.0, np.nan):
        for rig in (Under(), Over()):
            rig.base_v[0] = base_v
            rig.step(2)
            assert rig["is_pickup"] == rig["v_pu"] == 0.0 and rig.is_finite()


@settings(deadline=None)  # the first example compiles
@given(
    curve=st.sampled_from([*UNDER_CURVES.values(), *OVER_CURVES.values()]).filter(bool),
    x=st.floats(0.0, 3.0),
    more=st.floats(1e-6, 1.0),
    k=st.floats(0.05, 15),
)
def test_inverse_curves_never_rise_with_the_deviation(curve: float, x: float, more: float, k: float) -> None:
    slow, fast = curve_s(curve, x, k, 2.0, 0.035), curve_s(curve, x + more, k, 2.0, 0.035)
    assert 0.0 < fast <= slow * (1.0 + 1e-12)  # equal below the saturation
    assert fast < slow or x + more <= 0.02 + 1e-12


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0.0, 1.6), st.floats(0.0, 1.0), st.booleans()), max_size=40))
def test_nothing_operates_without_pickup_whatever_the_voltage_does(
    walk: list[tuple[float, float, bool]],
) -> None:
    rigs = [Under(delay_s=0.005), Over(delay_s=0.0), Under(curve="a", k=0.05), Over(curve="c", k=0.05)]
    for u, ago, is_permitted in walk:
        for rig in rigs:
            rig.put(u)
            rig.permitted[0] = is_permitted
            rig.step(2, change_ago_s=ago * rig.dt_s)  # the rig asserts it in each step
            assert is_permitted or not rig["is_operated"]
            assert 0.0 <= rig["fraction"] <= 1.0 and rig.is_finite()
