"""Harmonic screening: spectra, limits, distortion of buses and at terminals, filters, pacing."""

from __future__ import annotations

import cmath
import itertools
import math

import numpy as np
import pytest

from rtcore.network.grid import Grid
from rtcore.network.harmonic_grid import ORDERS, HarmonicGrid
from rtcore.network.model import Bus, Der, Load, Network, Source, Switch
from rtcore.plant.harmonic_limits import current_limits, voltage_limits
from rtcore.plant.harmonic_spectra import SPECTRA, class_d_limit, inverter_limit
from rtcore.plant.harmonics import NEXT, Harmonics, advance, tuned_currents
from rtcore.plant.harmonics_setup import (
    ActivePlace,
    PccPlace,
    Places,
    SourcePlace,
    TunedPlace,
    build_harmonics,
    short_circuit_a,
)

KV, V = 4.16, 4160.0 / math.sqrt(3.0)
A120 = cmath.rect(1.0, -2.0 * math.pi / 3.0)
DT_S = 1e-3
PIECES = 2 * len(ORDERS) + 1
EVERY = 40  # 25 pieces a second in steps of 1 ms
SCAN_STEPS = EVERY * PIECES

# A few hundred multiplications in double precision, and 1e-12 S to ground at every node.
ROUNDING = 1e-9


def feeder(loads: tuple[Load, ...] = ()) -> Network:
    """Return bus "a" with the source, a breaker, and bus "b" with two three-phase inverters."""
    return Network(
        name="two",
        buses=tuple(Bus(name=b, base_kv_ln=KV / math.sqrt(3.0)) for b in "ab"),
        sources=(
            Source(
                name="s",
                bus="a",
                nodes=(1, 2, 3),
                base_kv=KV,
                r1_ohm=0.02,
                x1_ohm=0.2,
                r0_ohm=0.05,
                x0_ohm=0.5,
            ),
        ),
        switches=(
            Switch(
                name="cb",
                kind="breaker",
                bus1="a",
                nodes1=(1, 2, 3),
                bus2="b",
                nodes2=(1, 2, 3),
                r_ohm=1e-3,
            ),
        ),
        loads=loads,
        ders=tuple(Der(name=n, kind="pv", bus="b", nodes=(1, 2, 3, 0), kv=KV, kva=500.0) for n in "xy"),
    )


class Rig:
    """A feeder with its scan, stepped as a plant would."""

    def __init__(self, places: Places, loads: tuple[Load, ...] = (), dt_s: float = DT_S) -> None:
        self.grid = Grid(feeder(loads))
        self.grid.solve()
        self.h: Harmonics = build_harmonics(self.grid, places)
        self.fundamental = np.zeros((2, 3), np.complex128)
        self.fundamental[0] = 50.0 * np.array([1.0, A120, A120**2])
        self.dt_s, self.step = dt_s, 0

    def advance(self) -> int:
        done = advance(self.h, self.grid.arrays, self.fundamental, self.step, self.dt_s)
        self.step += 1
        return int(done)

    def scan(self) -> None:
        """Go on to the end of a scan that begins from now on."""
        while self.step % SCAN_STEPS:
            self.advance()
        while not self.advance():
            pass

    def bus(self, attr: str) -> float:
        return float(self.h.buses.s[attr][0])

    def pcc(self, attr: str) -> float:
        return float(self.h.pccs.s[attr][0])

    def open_breaker(self, is_open: bool = True) -> None:
        self.grid.set_switch("cb", not is_open)
        self.grid.refresh()
        self.grid.solve()


def places(spectrum: str = "pv_inverter_limit", **more: object) -> Places:
    return Places(
        sources=(SourcePlace(element="der.x", spectrum=spectrum),),
        buses=("b",),
        pccs=(PccPlace(element="switch.cb", terminal=2, il_a=50.0),),
        **more,  # type: ignore[arg-type]
    )


# --- spectra -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "overlap_deg"), [("six_pulse", 0.0), ("six_pulse_drive", 20.0)])
def test_six_pulse_spectra_are_the_fourier_series_of_the_phase_current(name: str, overlap_deg: float) -> None:
    n = 1 << 16
    x = -90.0 + 360.0 * (np.arange(n) + 0.5) / n  # one cycle that holds all four edges

    def edge(at_deg: float) -> np.ndarray:
        u = max(overlap_deg, 1e-3)
        along = np.radians(np.clip(x - at_deg, 0.0, u))
        return (1.0 - np.cos(along)) / (1.0 - math.cos(math.radians(u)))

    current = edge(-60.0) - edge(60.0) - edge(120.0) + edge(240.0)
    series = [np.mean(current * np.exp(-1j * h * np.radians(x))) for h in range(26)]
    turn = series[1] / abs(series[1])
    for h in ORDERS:
        expected = series[h] / abs(series[1]) / turn**h
        # 65536 samples a cycle: an edge is missed by at most half a sample of 0.0055 degrees
        assert SPECTRA[name].phasor(h) == pytest.approx(expected, abs=2e-4), h


def test_ideal_six_pulse_bridge_emits_one_over_h() -> None:
    for h in ORDERS:
        expected = 0.0 if h % 3 == 0 else 1.0 / h
        assert abs(SPECTRA["six_pulse"].phasor(h)) == pytest.approx(expected, abs=1e-12)
    assert SPECTRA["six_pulse"].phasor(5) == pytest.approx(-0.2)
    assert SPECTRA["six_pulse"].phasor(7) == pytest.approx(1.0 / 7.0)


def test_inverters_stay_within_ieee_1547_and_two_per_cent_in_total() -> None:
    for name in ("pv_inverter", "pv_inverter_3ph"):
        parts = [100.0 * abs(SPECTRA[name].phasor(h)) for h in ORDERS]
        assert math.hypot(*parts) == pytest.approx(2.0)
        assert all(part < inverter_limit(h) for part, h in zip(parts, ORDERS, strict=True))
    assert all(SPECTRA["pv_inverter_3ph"].phasor(h) == 0.0 for h in (3, 9, 15, 21))
    assert [inverter_limit(h) for h in (9, 11, 15, 17, 21, 23)] == [4.0, 2.0, 2.0, 1.5, 1.5, 0.6]


def test_electronics_have_the_class_d_limits_of_iec_61000_3_2() -> None:
    # 1 W at 230 V is 4.348 mA: 3.4 mA/W is 78.2 %, 3.85/13 mA/W is 6.81 %
    assert class_d_limit(3) == pytest.approx(78.2)
    assert class_d_limit(13) == pytest.approx(6.8115, abs=1e-3)


# --- IEEE 519-2022 -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kv", "limits"),
    [
        (0.48, (5.0, 8.0)),
        (1.0, (5.0, 8.0)),
        (1.01, (3.0, 5.0)),
        (69.0, (3.0, 5.0)),
        (69.1, (1.5, 2.5)),
        (161.0, (1.5, 2.5)),
        (230.0, (1.0, 1.5)),
    ],
)
def test_voltage_limits_are_those_of_table_1(kv: float, limits: tuple[float, float]) -> None:
    assert voltage_limits(kv) == limits


@pytest.mark.parametrize(
    ("ratio", "odd", "tdd"),
    [
        (19.9, (4.0, 2.0, 1.5, 0.6), 5.0),
        (20.0, (7.0, 3.5, 2.5, 1.0), 8.0),
        (50.0, (10.0, 4.5, 4.0, 1.5), 12.0),
        (100.0, (12.0, 5.5, 5.0, 2.0), 15.0),
        (1000.0, (15.0, 7.0, 6.0, 2.5), 20.0),
    ],
)
def test_current_limits_are_those_of_table_2(ratio: float, odd: tuple[float, ...], tdd: float) -> None:
    limits = current_limits(12.47, ratio)
    assert limits.tdd == tdd
    for orders, limit in zip(((3, 5, 7, 9), (11, 13, 15), (17, 19, 21), (23, 25)), odd, strict=True):
        assert [limits.individual(h) for h in orders] == [limit] * len(orders)
    # even orders: half up to the 6th, the full limit above (2022 edition)
    assert [limits.individual(h) for h in (2, 4, 6)] == [0.5 * odd[0]] * 3
    assert [limits.individual(h) for h in (8, 10, 12, 18, 24)] == [odd[0], odd[0], odd[1], odd[2], odd[3]]


def test_current_limits_at_higher_voltage_are_those_of_tables_3_and_4() -> None:
    assert (current_limits(115.0, 30.0).individual(5), current_limits(115.0, 30.0).tdd) == (3.5, 4.0)
    assert (current_limits(230.0, 30.0).individual(11), current_limits(230.0, 60.0).tdd) == (1.0, 3.75)


# --- distortion ----------------------------------------------------------------------------------


def test_tdd_is_the_root_sum_of_squares_of_what_passes_the_terminal() -> None:
    rig = Rig(places())
    rig.scan()
    expected = math.hypot(*(inverter_limit(h) for h in ORDERS))  # no other way but the breaker: 50 A of 50 A
    for attr in ("tdd1_pct", "tdd2_pct", "tdd3_pct", "tdd_pct"):
        assert rig.pcc(attr) == pytest.approx(expected, rel=1e-6)  # 1e-12 S at the nodes takes the rest
    assert rig.pcc("limit_pct") == current_limits(KV, short_circuit_a(rig.grid, "b") / 50.0).tdd


def test_short_circuit_current_is_voltage_over_positive_sequence_impedance() -> None:
    # loads and the other sequences take no part in a balanced short circuit
    z1 = abs(complex(0.02 + 1e-3, 0.2))
    assert short_circuit_a(Grid(feeder()), "b") == pytest.approx(V / z1, rel=1e-6)


@pytest.mark.parametrize(("il_a", "is_over"), [(50.0, 1.0), (5000.0, 0.0)])
def test_pcc_flag_tells_whether_a_limit_is_exceeded(il_a: float, is_over: float) -> None:
    rig = Rig(
        Places(
            sources=places().sources,
            pccs=(PccPlace(element="switch.cb", terminal=2, il_a=il_a, isc_a=10.0 * il_a),),
        )
    )
    rig.scan()
    assert rig.pcc("is_over") == is_over
    # IEEE 1547 and IEEE 519 below Isc/IL = 20 have the same limits: 50 A of 50 A puts every order at its own
    limit = current_limits(KV, 10.0).individual(int(rig.pcc("worst_order")))
    assert rig.pcc("worst_pct") == pytest.approx(limit * 50.0 / il_a, rel=1e-6)


def test_voltages_are_impedance_times_current_of_each_phase() -> None:
    rig = Rig(places("six_pulse"))
    rig.scan()
    grid = HarmonicGrid(rig.grid)
    volts = []
    for k, h in enumerate(ORDERS):
        injected = np.zeros(rig.grid.n, np.complex128)
        for phase in range(3):
            phi = cmath.phase(rig.fundamental[0, phase])
            current = 50.0 * SPECTRA["six_pulse"].phasor(h) * cmath.exp(1j * h * phi)
            injected[rig.grid.nodes.index[f"b.{phase + 1}"]] = current
        v = grid.scan_order(k, injected)
        volts.append([v[rig.grid.nodes.index[f"b.{phase}"]] for phase in (1, 2, 3)])
    thd_v = np.sqrt(np.sum(np.abs(volts) ** 2, axis=0))
    for phase in range(3):
        v1 = abs(rig.grid.voltages[rig.grid.nodes.index[f"b.{phase + 1}"]])
        assert rig.bus(f"thd{phase + 1}_pct") == pytest.approx(100.0 * thd_v[phase] / v1, rel=ROUNDING)
    assert rig.bus("thd_pct") == pytest.approx(100.0 * np.max(thd_v) / V, rel=ROUNDING)
    worst = np.max(np.abs(volts), axis=1)
    assert rig.bus("worst_order") == ORDERS[int(np.argmax(worst))]
    assert rig.bus("worst_pct") == pytest.approx(100.0 * np.max(worst) / V, rel=ROUNDING)


def test_bus_flag_answers_to_the_limits() -> None:
    rig = Rig(places("six_pulse"))
    rig.scan()
    assert rig.bus("is_over") == 0.0
    rig.fundamental *= 1.01 * 3.0 / rig.bus("worst_pct")  # a single harmonic beyond 3 %
    rig.scan()
    assert rig.bus("is_over") == 1.0


def test_two_equal_sources_turned_by_36_degrees_cancel_the_fifth() -> None:
    rig = Rig(
        Places(
            sources=[SourcePlace(element=f"der.{n}", spectrum="pv_inverter_limit") for n in "xy"],
            pccs=places().pccs,
        )
    )
    rig.fundamental[1] = rig.fundamental[0] * cmath.exp(1j * math.pi / 5.0)
    rig.scan()
    fifth, seventh = (float(rig.h.pccs.pct[0, ORDERS.index(h)]) for h in (5, 7))
    assert fifth < 1e-9 * seventh  # exact opposites, but for rounding
    assert seventh == pytest.approx(4.0 * 2.0 * abs(math.cos(7.0 * math.pi / 10.0)), rel=1e-6)


def test_a_load_emits_what_its_own_current_says_and_against_the_network() -> None:
    load = Load(
        name="d", bus="b", nodes=(2, 0), phases=1, conn="wye", kv=V / 1e3, kw=100.0, kvar=0.0, model=5
    )
    rig = Rig(
        Places(
            sources=(SourcePlace(element="load.d", spectrum="electronics", share=0.4),),
            pccs=(PccPlace(element="switch.cb", terminal=1, il_a=10.0),),
        ),
        (load,),
    )
    rig.scan()
    source = rig.h.sources
    current = 100e3 / V  # constant current: 100 kW at rated voltage
    assert source.s["i1_a"][0] == pytest.approx(current, rel=1e-9)
    assert source.s["ih_a"][0] == pytest.approx(0.4 * current * source.total[0])
    u = rig.grid.voltages[rig.grid.nodes.index["b.2"]]
    # the current drawn has the voltage's own angle (unity power factor)
    assert source.turn[0, 0] == pytest.approx(u / abs(u), abs=1e-9)
    assert source.magnitude[0, 0] == pytest.approx(-0.4 * current)
    assert rig.pcc("tdd1_pct") == pytest.approx(0.0, abs=0.1)  # only coupled through the source's X0 - X1
    # The linear part of the load keeps a little: 58 ohm beside 0.3 h ohm of the source.
    assert rig.pcc("tdd2_pct") == pytest.approx(100.0 * source.s["ih_a"][0] / 10.0, rel=0.02)


def test_no_share_no_emission() -> None:
    rig = Rig(places())
    rig.h.sources.s["share_pu_sp"] = 0.0
    rig.scan()
    assert rig.bus("thd_pct") == rig.pcc("tdd_pct") == rig.bus("worst_order") == 0.0


def test_setpoints_outside_their_range_are_taken_at_the_nearest_limit() -> None:
    rig = Rig(places())
    rig.h.sources.s["share_pu_sp"] = 7.0
    rig.scan()
    assert rig.h.pccs.pct[0, 0] == pytest.approx(4.0, rel=1e-6)  # all of the limit of the third
    rig.h.sources.s["share_pu_sp"] = math.nan
    rig.scan()
    assert rig.h.pccs.pct[0, 0] == 0.0


# --- filters -------------------------------------------------------------------------------------


def test_a_tuned_filter_lowers_its_order_and_gives_it_back_when_it_is_off() -> None:
    rig = Rig(places("six_pulse", tuned=(TunedPlace(bus="b", q_var=600e3, tuned_order=5.0, is_on=False),)))
    t = rig.h.tuned
    rig.scan()
    bare = rig.h.buses.pct[0].copy()
    assert t.s["ih_a"][0] == t.s["i1_a"][0] == 0.0
    t.s["is_on_sp"] = 1.0
    rig.scan()
    on = rig.h.buses.pct[0].copy()
    fifth = ORDERS.index(5)
    assert on[fifth] < 0.15 * bare[fifth]
    assert t.s["ih_a"][0] > 0.8 * 50.0 / 5.0  # most of the 10 A of the fifth go into the filter
    # Reactive power of the sum of three phases at 1 pu; the source's voltage there is a little higher.
    assert t.s["q_var"][0] == pytest.approx(600e3, rel=0.02)
    t.s["is_on_sp"] = 0.0
    rig.scan()
    assert np.array_equal(rig.h.buses.pct[0], bare)


def test_a_tuned_filter_supplies_reactive_power_at_the_fundamental() -> None:
    rig = Rig(places(tuned=(TunedPlace(bus="b", q_var=600e3, tuned_order=4.7, quality=1e-3 + 400.0),)))
    i_a = np.zeros((1, 3), np.complex128)
    v = np.zeros(rig.grid.n + 1, np.complex128)
    v[rig.h.tuned.at[0]] = V * np.array([1.0, A120, A120**2])
    tuned_currents(rig.h.tuned, v, i_a)
    power = np.sum(v[rig.h.tuned.at[0]] * np.conj(i_a[0]))
    assert power.imag == pytest.approx(600e3, rel=1e-6)
    assert power.real < 0.0  # it has losses
    rig.h.tuned.s["is_on_sp"] = 0.0
    tuned_currents(rig.h.tuned, v, i_a)
    assert not i_a.any()


def test_an_active_filter_cancels_its_share_at_every_order() -> None:
    rig = Rig(places(active=(ActivePlace(bus="b", rated_a=1e3, share=0.9),)))
    rig.h.active.s["is_on_sp"] = 0.0
    rig.scan()
    bare = rig.h.pccs.pct[0].copy()
    rig.h.active.s["is_on_sp"] = 1.0
    rig.scan()
    assert rig.h.pccs.pct[0] == pytest.approx(0.1 * bare, rel=1e-9)
    emitted = float(rig.h.sources.s["ih_a"][0])
    assert rig.h.active.s["i_a"][0] == pytest.approx(0.9 * emitted)
    assert rig.h.active.s["is_limited"][0] == 0.0


def test_an_active_filter_gives_no_more_than_its_rating() -> None:
    rig = Rig(places(active=(ActivePlace(bus="b", rated_a=1.0, share=1.0),)))
    rig.scan()
    rig.scan()  # the limit follows the demand of the scan before
    assert rig.h.active.s["i_a"][0] == pytest.approx(1.0)
    assert rig.h.active.s["is_limited"][0] == 1.0
    rig.fundamental *= 0.01  # now it is enough
    rig.scan()
    rig.scan()
    assert rig.h.active.s["is_limited"][0] == 0.0
    assert rig.pcc("tdd_pct") < 1e-9


# --- pacing --------------------------------------------------------------------------------------


def test_one_scan_a_second_and_never_more_than_one_piece_a_step() -> None:
    rig = Rig(places())
    finished, busy = [], []
    for _ in range(3 * SCAN_STEPS):
        before = int(rig.h.progress[NEXT])
        step = rig.step
        done = rig.advance()
        after = int(rig.h.progress[NEXT])
        if done:
            finished.append(step)
        if done or after != before:
            busy.append(step)
            assert (after - before) % PIECES == 1
    assert np.diff(finished).tolist() == [1000, 1000]  # 25 pieces, 40 steps of 1 ms apart
    assert busy == list(range(0, 3 * SCAN_STEPS, EVERY))


@pytest.mark.parametrize(("dt_s", "steps"), [(0.05, 12), (1.0, 12), (60.0, 12)])
def test_with_long_steps_every_step_does_one_order(dt_s: float, steps: int) -> None:
    rig, fine = Rig(places(), dt_s=dt_s), Rig(places())
    assert [rig.advance() for _ in range(steps)] == [0] * (steps - 1) + [1]
    fine.scan()
    assert np.array_equal(rig.h.buses.s, fine.h.buses.s)
    assert np.array_equal(rig.h.pccs.s, fine.h.pccs.s)


@pytest.mark.parametrize("dt_s", [250e-6, 1e-3, 2e-3, 0.01, 0.04, 0.0625, 0.083])
def test_a_scan_takes_half_a_second_to_a_second_whenever_steps_are_short_enough(dt_s: float) -> None:
    rig = Rig(places(), dt_s=dt_s)
    n = 0
    while not rig.advance():
        n += 1
    assert 0.45 < (n + 1) * dt_s <= 1.0 + 1e-9


def test_same_steps_same_results() -> None:
    one, other = Rig(places("led")), Rig(places("led"))
    for rig in (one, other):
        for _ in range(2500):
            rig.advance()
    assert one.h.buses.s.tobytes() == other.h.buses.s.tobytes()
    assert one.h.pccs.s.tobytes() == other.h.pccs.s.tobytes()


def test_a_plant_that_starts_in_the_middle_waits_for_the_next_scan() -> None:
    rig = Rig(places())
    rig.step = 7 * EVERY + 3
    while rig.step < SCAN_STEPS:
        assert rig.advance() == 0
    assert rig.bus("thd_pct") == 0.0
    rig.scan()
    assert rig.bus("thd_pct") > 0.0


def test_a_breaker_that_opens_during_a_scan_counts_in_the_next() -> None:
    rig, calm = Rig(places()), Rig(places())
    for _ in range(SCAN_STEPS // 2):
        rig.advance()
    rig.open_breaker()
    while not rig.advance():
        pass
    calm.scan()
    assert np.array_equal(rig.h.pccs.s, calm.h.pccs.s)
    rig.scan()
    assert rig.pcc("tdd_pct") == rig.bus("thd_pct") == rig.bus("thd1_pct") == 0.0  # dead
    rig.open_breaker(False)
    rig.scan()
    assert np.array_equal(rig.h.pccs.s, calm.h.pccs.s)


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e30, complex(math.nan, 1.0)])
def test_an_absurd_current_leaves_its_source_out_and_nothing_behind(bad: complex) -> None:
    rig, calm = Rig(places()), Rig(places())
    calm.scan()
    rig.fundamental[0, 1] = bad
    rig.scan()
    assert rig.pcc("tdd2_pct") == pytest.approx(0.0, abs=1e-9)
    assert math.isfinite(rig.bus("thd_pct"))
    rig.fundamental[:] = calm.fundamental
    rig.scan()
    assert np.array_equal(rig.h.buses.s, calm.h.buses.s)


def test_a_voltage_that_is_no_number_does_not_stay() -> None:
    rig, calm = Rig(places()), Rig(places())
    calm.scan()
    v = rig.grid.arrays.v.copy()
    rig.grid.arrays.v[:] = math.nan
    rig.scan()
    rig.grid.arrays.v[:] = v
    rig.scan()
    assert np.array_equal(rig.h.buses.s, calm.h.buses.s)
    assert np.array_equal(rig.h.pccs.s, calm.h.pccs.s)


def test_state_rows_given_by_the_caller_are_written_in_place() -> None:
    from rtcore.component import REGISTRY

    wanted = places(tuned=(TunedPlace(bus="b", q_var=1e5),), active=(ActivePlace(bus="b", rated_a=1.0),))
    state = {k: np.zeros(n, REGISTRY[k].state_dtype) for k, n in wanted.rows().items()}
    grid = Grid(feeder())
    grid.solve()
    h = build_harmonics(grid, wanted, state)
    assert state["tuned_filter"]["is_on_sp"][0] == state["active_filter"]["is_on_sp"][0] == 1.0
    fundamental = np.full((2, 3), 10.0 + 0.0j)
    for step in itertools.count():
        if advance(h, grid.arrays, fundamental, step, 1.0):
            break
    assert state["harmonic_bus"]["thd_pct"][0] > 0.0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (Places(sources=(SourcePlace(element="load.z", spectrum="led"),)), "no 'load.z'"),
        (Places(sources=(SourcePlace(element="bus.a", spectrum="led"),)), "a load or a der"),
        (Places(buses=("z",)), "'z' has no phases"),
    ],
)
def test_places_that_are_not_in_the_network_are_refused(wrong: Places, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_harmonics(Grid(feeder()), wrong)
