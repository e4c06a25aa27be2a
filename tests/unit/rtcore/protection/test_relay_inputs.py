"""What relays see: phasors, sequences, errors, saturation by the clock of the fault, VT failure."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pytest

from rtcore.assembly.places import bus_nodes, terminal_rows_of
from rtcore.component import REGISTRY, rows_of
from rtcore.network import model as m
from rtcore.network.grid import Grid
from rtcore.noise import quantile_table, step_key
from rtcore.protection import relay_inputs as ri
from rtcore.protection.ct_saturation import factor, tables
from rtcore.protection.relay_inputs import RelayInputs, init, see, take_currents
from rtcore.world import Ideal

SPEC = REGISTRY["relay_inputs"]
BASE_V = 7967.0
ABC = np.exp(-2j * np.pi / 3 * np.arange(3))
TURN = np.exp(2j * np.pi / 3)
EXACT = {"ct_class_pct": 0, "ct_phase_deg": 0, "vt_class_pct": 0, "vt_phase_deg": 0}
DT_S = 1e-3
NOISE = quantile_table()


class Seen(NamedTuple):
    i: Any
    i_seq: Any
    v: Any
    v_seq: Any
    f_hz: Any
    v_base_v: Any

    @property
    def phasors(self) -> tuple[Any, ...]:
        return self[:4]


class Rig:
    """Relays whose currents and voltages are given."""

    def __init__(self, n: int = 1, seed: int = 1, every: int = 1, **params: float) -> None:
        self.n, self.every, self.k = n, every, 0
        self.p = rows_of([RelayInputs(**{**EXACT, **params})] * n, SPEC)
        self.s = np.zeros(n, SPEC.state_dtype)
        self.columns = self.s.view(np.float64).reshape(n, -1)
        self.gain = init(self.p, self.s, np.random.default_rng(seed))
        self.tables = tables(self.p, 60.0)
        self.vt_at = np.arange(3 * n, dtype=np.int32).reshape(n, 3)
        self.seen = Seen(*(np.zeros((n, 3), complex) for _ in range(4)), np.full(n, 60.0), np.full(n, BASE_V))
        self.ideal = Ideal(
            *(np.full(1, -1), np.full(1, -1), np.zeros(3, complex), np.zeros(3, complex), np.full(1, 60.0))
        )
        self.i, self.v = np.tile(100.0 * ABC, (n, 1)), np.tile(BASE_V * ABC, (n, 1))

    def step(self, change_ago_s: float = DT_S, dt_s: float = DT_S) -> None:
        self.k += 1
        self.seen.i[:] = self.i
        key = np.uint64(step_key(np.uint64(5), self.k))
        see(
            *(
                self.p,
                self.columns,
                self.gain,
                self.tables,
                self.vt_at,
                self.seen,
                self.ideal,
                self.v.ravel(),
            ),
            *(NOISE, key, self.k, self.every, change_ago_s, dt_s),
        )

    def fault(self, i_a: complex = 6000.0, v_pu: float = 0.3) -> None:
        self.i[:], self.v[:] = i_a * ABC, v_pu * BASE_V * ABC

    def of(self, name: str) -> float:
        return float(self.s[name][0])


# ---- phasors --------------------------------------------------------------------------------------


def test_sequence_components_are_those_of_fortescue() -> None:
    r = Rig()
    rng = np.random.default_rng(3)
    r.i[0], r.v[0] = (rng.normal(size=(2, 3)) + 1j * rng.normal(size=(2, 3))) * 100.0
    r.step()
    for phases, seen, seq in (
        (r.i[0], r.seen.i[0], r.seen.i_seq[0]),
        (r.v[0], r.seen.v[0], r.seen.v_seq[0]),
    ):
        assert seen == pytest.approx(phases, abs=1e-9)  # currents are differences of voltages
        back = np.array([[1, 1, 1], [1, TURN**2, TURN], [1, TURN, TURN**2]]) @ seq
        assert back == pytest.approx(phases, abs=1e-9)


def test_points_show_magnitudes_and_angles_to_v1() -> None:
    r = Rig()
    r.i *= np.exp(0.7j)  # wherever the frame stands
    r.v *= np.exp(0.7j)
    r.i[0] *= np.exp(-1j * math.radians(25.0))
    r.i[0, 2] = 0.0
    r.step()
    shown = {name: r.of(name) for name in ("ia_a", "ib_a", "ic_a", "va_v", "v1_v", "ia_deg", "ib_deg")}
    shown |= {name: r.of(name) for name in ("va_deg", "vc_deg", "v1_deg", "v2_v", "f_hz")}
    assert shown == pytest.approx(
        {"ia_a": 100.0, "ib_a": 100.0, "ic_a": 0.0, "va_v": BASE_V, "v1_v": BASE_V, "ia_deg": -25.0}
        | {"ib_deg": -145.0, "va_deg": 0.0, "vc_deg": 120.0, "v1_deg": 0.0, "v2_v": 0.0, "f_hz": 60.0},
        abs=1e-9,  # rounding of root and arc tangent
    )
    # Phase c open: I0 = I2 = 1/3 in magnitude, I1 = 2/3; 3 I0 = -Ic of before, at -25 + 120 + 180 deg.
    assert [r.of(f"i{k}_a") for k in "120n"] == pytest.approx([200 / 3, 100 / 3, 100 / 3, 100.0], abs=1e-9)
    assert r.of("i0_deg") == pytest.approx(-25.0 + 120.0 - 180.0, abs=1e-9)


def test_without_voltage_angles_are_to_the_current() -> None:
    r = Rig()
    r.v[:] = 0.0
    r.i[0] *= 1j
    r.step()
    assert (r.of("i1_deg"), r.of("ib_deg")) == pytest.approx((0.0, -120.0), abs=1e-9)


def test_points_are_written_now_and_then_and_what_elements_see_always() -> None:
    r = Rig(n=2, every=4)
    written: list[list[bool]] = []
    for k in range(8):
        r.i[:] = (100.0 + k) * ABC
        r.step()
        assert abs(r.seen.i[:, 0]) == pytest.approx(100.0 + k)
        written.append([bool(abs(x - 100.0 - k) < 1e-6) for x in r.s["ia_a"]])
    assert np.sum(written, axis=0).tolist() == [2, 2]
    assert not any(all(now) for now in written)  # not both in one step


def test_a_place_with_one_phase_shows_its_voltage_as_v1_and_judges_no_vt() -> None:
    r = Rig()
    r.vt_at[0, [0, 2]] = -1
    r.step()
    assert r.seen.v_seq[0] == pytest.approx([0, r.v[0, 1], 0])
    assert abs(r.seen.v[0]) == pytest.approx([0, BASE_V, 0])
    r.v[0, 1] = 0.0
    r.step()
    assert r.of("is_vt_failed") == 0.0


def test_a_relay_without_transformers_sees_nothing() -> None:
    r = Rig()
    r.vt_at[:] = -1
    r.i[:] = 0.0
    r.step()
    assert not any(np.any(x) for x in r.seen.phasors)
    assert r.of("is_vt_failed") == 0.0


def test_currents_are_taken_from_the_phase_conductors_of_each_relays_terminal() -> None:
    abc, zero = (1, 2, 3), {"r1_ohm": 0.0, "r0_ohm": 0.0, "x1_ohm": 1.0, "x0_ohm": 1.0}
    network = m.Network(
        name="two",
        buses=(m.Bus(name="bus", base_kv_ln=8.0), m.Bus(name="line", base_kv_ln=8.0)),
        sources=(m.Source(name="grid", bus="bus", nodes=abc, base_kv=13.8, **zero),),
        switches=(
            m.Switch(
                name="cb",
                kind="breaker",
                bus1="bus",
                nodes1=abc,
                bus2="line",
                nodes2=abc,
                r_ohm=0.0,
                x_ohm=2.0,
            ),
        ),
    )
    grid = Grid(network)
    rows, of, phase = terminal_rows_of(grid, [("switch.cb", 2), ("switch.cb", 1)])
    v, bus, line = grid.arrays.v, *bus_nodes(grid, ["bus", "line"])
    v[bus], v[line] = 8000.0 * ABC, 7000.0 * np.exp(-0.2j) * ABC
    i = np.full((2, 3), 99.0 + 0j)
    take_currents(rows, of, phase, v, grid.arrays.unit, i)
    assert i[1] == pytest.approx((v[bus] - v[line]) / 2j, rel=1e-9)  # into the line
    assert i[0] == pytest.approx(-i[1], rel=1e-9)


def test_columns_are_those_of_the_declaration() -> None:
    at = {name: SPEC.column(name) for name in ("ia_a", "i1_a", "va_v", "v1_v", "v2_deg", "in_a", "f_hz")}
    assert at == {
        "ia_a": ri.SIZE + ri.I_SEEN,
        "i1_a": ri.SIZE + ri.I_SEQ + 1,
        "va_v": ri.SIZE + ri.V_SEEN,
        "v1_v": ri.SIZE + ri.V_SEQ + 1,
        "v2_deg": ri.ANGLE + ri.V_SEQ + 2,
        "in_a": ri.RESIDUAL,
        "f_hz": ri.F,
    }
    names = ("is_vt_failed", "ct_factor", "vt_lost_sp", "fault_a_s", "i_before_a_a", "v_before_a_v")
    numbers = (ri.FAILED, ri.FACTOR, ri.LOST, ri.SINCE, ri.I_BEFORE, ri.V_BEFORE)
    assert [SPEC.column(name) for name in names] == list(numbers)


# ---- errors ---------------------------------------------------------------------------------------


def test_errors_are_drawn_once_within_their_class_and_again_the_same_with_the_seed() -> None:
    many = {"ct_class_pct": 3.0, "ct_phase_deg": 2.0, "vt_class_pct": 0.5, "vt_phase_deg": 0.33}
    r, again, other = Rig(n=100, **many), Rig(n=100, **many), Rig(n=100, seed=2, **many)
    assert np.array_equal(r.gain, again.gain)
    assert not np.array_equal(r.gain, other.gain)
    for columns, pct, deg in ((slice(0, 3), 3.0, 2.0), (slice(3, 6), 0.5, 0.33)):
        ratio = 100.0 * (abs(r.gain[:, columns]) - 1.0)
        angle = np.degrees(np.angle(r.gain[:, columns]))
        for drawn, limit in ((ratio, pct), (angle, deg)):
            assert abs(drawn).max() <= limit * (1 + 1e-9)
            # 300 draws: the standard error of the spread is 4 % of it, of the mean 6 %
            assert drawn.std() == pytest.approx(limit / 3.0, rel=0.15)
            assert abs(drawn.mean()) < limit / 12.0
    r.step()
    assert r.seen.i == pytest.approx(100.0 * ABC * r.gain[:, :3])
    assert r.seen.v == pytest.approx(BASE_V * ABC * r.gain[:, 3:])


def test_noise_is_as_large_as_stated_and_differs_by_channel_and_step() -> None:
    r = Rig(n=100, ct_noise_pct=0.5, vt_noise_pct=0.2)
    r.step()
    first = r.seen.i.copy()
    for seen, true, pct in ((r.seen.i, r.i, 0.5), (r.seen.v, r.v, 0.2)):
        noise = 100.0 * (seen / true - 1.0)
        # 300 draws each: the standard error of the spread is 4 %
        assert noise.real.std() == pytest.approx(pct, rel=0.15)
        assert noise.imag.std() == pytest.approx(pct, rel=0.15)
        assert len(np.unique(noise)) == 300
    r.step()
    assert not np.any(r.seen.i == first)


# ---- saturation -----------------------------------------------------------------------------------


def saturating(**params: float) -> Rig:
    """Ks = 200/(6000 * 5/400 * 0.5333) = 5 at 6 kA, X/R 10."""
    r = Rig(ct_vk_v=200.0, ct_r_ohm=200.0 / (75.0 * 5.0), x_over_r=10.0, **params)
    r.step()
    return r


def test_a_fault_starts_the_clock_when_the_network_changed_and_the_current_follows_the_table() -> None:
    r = saturating()
    r.fault()
    seen = []
    for k in range(40):
        r.step(change_ago_s=0.4e-3 if k == 0 else DT_S)
        assert r.of("fault_a_s") == pytest.approx(0.4e-3 + k * DT_S, abs=1e-12)
        expected = factor(r.tables, 0, 5.0, 0.4e-3 + k * DT_S)
        assert r.seen.i[0] == pytest.approx(6000.0 * ABC * expected, rel=1e-9)
        assert r.of("ct_factor") == pytest.approx(min(expected, 1.0), rel=1e-9)
        seen.append(expected)
    assert seen[10] == 1.0  # 13.6 ms to the knee at the earliest
    assert min(seen) < 0.45


def test_saturation_passes_and_the_steady_current_is_the_true_one() -> None:
    r = saturating()
    r.fault()
    for _ in range(400):
        r.step()
    assert r.of("ct_factor") == 1.0
    assert r.seen.i[0] == pytest.approx(6000.0 * ABC)


def test_the_clock_stops_when_the_fault_is_over_and_starts_anew_with_the_next() -> None:
    r = saturating()
    r.fault()
    for _ in range(30):
        r.step()
    assert r.of("ct_factor") < 1.0
    r.fault(i_a=599.0)  # below 1.5 times the rating
    r.step()
    assert (r.of("fault_a_s"), r.of("ct_factor")) == (-1.0, 1.0)
    r.fault()
    r.step(change_ago_s=0.25e-3)
    assert r.of("fault_a_s") == 0.25e-3


def test_each_phase_has_its_own_clock() -> None:
    r = saturating()
    r.i[0, 1] *= 60.0
    r.step()
    assert [r.of(f"fault_{k}_s") for k in "abc"] == [-1.0, DT_S, -1.0]
    r.i[0, 2] *= 60.0
    r.step()
    assert [r.of(f"fault_{k}_s") for k in "abc"] == pytest.approx([-1.0, 2 * DT_S, DT_S])


@pytest.mark.parametrize(("i_a", "is_fault"), [(599.0, False), (601.0, True)])
def test_a_fault_is_above_one_and_a_half_times_the_rating(i_a: float, is_fault: bool) -> None:
    r = saturating()
    r.fault(i_a=i_a)
    r.step()
    assert (r.of("fault_a_s") >= 0.0) is is_fault


def test_a_load_that_grows_to_any_current_does_not_saturate() -> None:
    r = saturating()
    i_a = 100.0
    while i_a < 6000.0:
        i_a *= 1.9
        r.fault(i_a=i_a)
        r.step()
    for _ in range(30):
        r.step()
        assert (r.of("fault_a_s"), r.of("ct_factor")) == (-1.0, 1.0)


@pytest.mark.parametrize("params", [{"is_saturation": 0.0}, {"ct_vk_v": 441.0}])
def test_switched_off_or_large_enough_a_core_does_not_saturate(params: dict[str, float]) -> None:
    """441 V is Ks = 11.03 at 6 kA, above 1 + X/R."""
    r = Rig(**{"ct_vk_v": 200.0, "ct_r_ohm": 200.0 / 375.0, "x_over_r": 10.0, **params})
    r.step()
    r.fault()
    for _ in range(60):
        r.step()
        assert r.seen.i[0] == pytest.approx(6000.0 * ABC)


def test_a_three_phase_fault_makes_no_false_residual_current() -> None:
    r = saturating()
    r.fault()
    for _ in range(60):
        r.step()
        assert abs(r.seen.i_seq[0, 0]) < 1e-9


# ---- VT failure (60) ------------------------------------------------------------------------------


def test_a_lost_fuse_is_a_vt_failure_from_that_step_until_the_voltages_are_whole_again() -> None:
    for lost in (1.0, 2.0, 3.0, 4.0):
        r = Rig()
        r.step()
        assert r.of("is_vt_failed") == 0.0
        r.s["vt_lost_sp"] = lost
        r.step()
        assert r.of("is_vt_failed") == 1.0
        assert np.count_nonzero(r.seen.v) == (0 if lost == 4.0 else 2)
        r.fault(v_pu=1.0)  # a fault meanwhile does not make the voltages good
        r.step()
        assert r.of("is_vt_failed") == 1.0
        r.s["vt_lost_sp"] = 0.0
        r.step()
        assert r.of("is_vt_failed") == 0.0


def test_a_fuse_that_was_out_before_is_known_by_v2_without_i2() -> None:
    r = Rig()
    r.s["vt_lost_sp"] = 2.0
    r.s["v_before_a_v"] = r.s["v_before_b_v"] = r.s["v_before_c_v"] = 0.0
    r.step()
    assert r.of("is_vt_failed") == 1.0


@pytest.mark.parametrize("phases", [[0], [0, 1], [0, 1, 2]])
@pytest.mark.parametrize("side", ["line", "source"])
def test_a_fault_is_not_a_vt_failure(phases: list[int], side: str) -> None:
    """On the line the current rises; on the source side the load's current falls with the voltage."""
    r = Rig()
    r.step()
    r.v[0, phases] *= 0.2
    r.i[0, phases] *= 20.0 if side == "line" else 0.2
    for _ in range(5):
        r.step()
        assert r.of("is_vt_failed") == 0.0


def test_a_dead_bus_is_not_a_vt_failure() -> None:
    r = Rig()
    r.step()
    r.v[:] = r.i[:] = 0.0
    r.step()
    assert r.of("is_vt_failed") == 0.0


def test_without_load_nothing_is_judged() -> None:
    r = Rig()
    r.i[:] *= 0.79 / 100.0  # 0.2 % of 400 A is 0.8 A
    r.step()
    r.s["vt_lost_sp"] = 4.0
    r.step()
    assert r.of("is_vt_failed") == 0.0


# ---- bad numbers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e300])
def test_a_number_that_is_none_counts_as_zero_and_leaves_nothing(bad: float) -> None:
    r, good = Rig(), Rig()
    r.step()
    r.i[0, 0], r.v[0, 1] = complex(bad, 0.0), complex(0.0, bad)
    r.step()
    assert all(np.isfinite(x).all() for x in r.seen.phasors)
    assert np.isfinite(r.s.view("f8")).all()
    r.i[:], r.v[:] = good.i, good.v
    for _ in range(2):
        r.step()
    for _ in range(4):
        good.step()
    assert r.of("is_vt_failed") == 0.0
    assert r.s.tobytes() == good.s.tobytes()


def test_words_of_bad_numbers_are_refused_where_they_are_given() -> None:
    with pytest.raises(ValueError, match="ct_primary_a = 0 A: must be >= 1 A"):
        RelayInputs(ct_primary_a=0)
