"""The plant as a whole under the virtual clock, on a small station and on the shipped one."""

from __future__ import annotations

import ctypes
import dataclasses as dc

import numpy as np
import pytest

from hil.station import load_setup
from rtcore import board as bd
from rtcore import ring as rg
from rtcore.assemble import Setup, bindable, build_world
from rtcore.commands import Reason
from rtcore.engine import Engine
from rtcore.quality import Quality
from rtcore.ring import EVENT_COMMAND, EVENT_NOT_CONVERGED, EVENT_STATUS
from tests.unit.rtcore import small_station as small

pytestmark = pytest.mark.timeout(600)
"""With an empty cache the first of these tests compiles every kernel."""


def small_engine(**how: object) -> Engine:
    return Engine(small.setup(**how))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def iowa_setup() -> Setup:
    return load_setup("iowa240", 1_000_000)


@pytest.fixture
def iowa(iowa_setup: Setup) -> Engine:
    return Engine(iowa_setup)


def is_sane(e: Engine) -> bool:
    return bool(np.isfinite(e.world.values).all())


# -- the small station, checked by hand -----------------------------------------------------------


def test_voltages_and_powers_are_those_of_the_circuit() -> None:
    e = small_engine()
    e.step(3)
    town = [e.value(f"TOWN.P{k}") for k in (1, 2, 3)]
    np.testing.assert_allclose(town, small.TOWN_W / 3, rtol=1e-4)  # the loop stops at 1e-6 pu
    assert e.value("HOUSE.P") == pytest.approx(small.HOUSE_W, rel=1e-4)
    assert e.value("S.P") == pytest.approx(small.TOWN_W + small.HOUSE_W, rel=1e-4)
    # KVL by hand: from the source through 0.01 + j0.1 and the trunk to bus a, phase 2 (town alone)
    q = (small.TOWN_VAR / 3) - e.value("CAP.Q") / 3
    z = complex(0.01 + small.LINE_R, 0.1 + small.LINE_X)
    emf = 12.47e3 / np.sqrt(3)
    v = emf + 0j
    for _ in range(30):
        v = emf - z * np.conj(complex(small.TOWN_W / 3, q) / v)
    # unlike sequence impedances couple no phases here (z0 = z1); 1e-4: regulator's own 0.01 % impedance
    assert e.value("A.V2") == pytest.approx(abs(v), rel=1e-4)
    assert e.value("CAP.Q") == pytest.approx(
        300e3 * (e.value("C.V2") / (12.47e3 / np.sqrt(3))) ** 2, rel=1e-3
    )


def test_opening_the_breaker_takes_its_time_and_kills_what_is_behind_it() -> None:
    e = small_engine()
    e.step(5)
    assert e.do("CB.TRIP", 1.0).reason is Reason.DONE
    for _ in range(41):  # 52a opens 5 ms before the contacts part at 50 ms, each +- 3.5 ms of scatter
        assert (e.value("CB.ST_52A"), e.value("CB.ST_52B")) == (1.0, 0.0)
        assert e.value("CB.I1") > 30.0
        e.step()
    seen = set()
    for _ in range(22):  # half a cycle of arc, 52b 5 ms after the contacts
        e.step()
        seen.add((e.value("CB.ST_52A"), e.value("CB.ST_52B")))
    assert seen == {(1.0, 0.0), (0.0, 0.0), (0.0, 1.0)}
    assert (e.value("CB.ST_52A"), e.value("CB.ST_52B")) == (0.0, 1.0)
    assert e.value("CB.OPS") == 1.0
    for k in (1, 2, 3):
        assert e.value(f"CB.I{k}") == 0.0
        assert e.quality(f"CB.I{k}") is Quality.GOOD  # a true nothing
        for tag in (f"TOWN.V{k}", f"TOWN.P{k}", f"C.V{k}"):
            assert e.value(tag) == 0.0
            assert e.quality(tag) is Quality.BAD_DEENERGISED
        assert e.quality(f"A.V{k}") is Quality.GOOD
    assert e.value("HOUSE.P") == pytest.approx(small.HOUSE_W, rel=1e-4)
    e.do("CB.CLOSE", 1.0)
    e.step(70)
    assert e.value("CB.ST_52A") == 1.0
    assert e.value("TOWN.P1") == pytest.approx(small.TOWN_W / 3, rel=1e-4)
    assert e.quality("TOWN.P1") is Quality.GOOD


def test_a_breaker_in_local_refuses_and_obeys_again_in_remote() -> None:
    e = small_engine()
    assert e.do("CB.REMOTE", 0.0).reason is Reason.DONE
    assert e.do("CB.TRIP", 1.0).reason is Reason.IN_LOCAL
    assert e.do("CB.REMOTE", 0.5).reason is Reason.WRONG_TYPE
    e.step(100)
    assert e.value("CB.ST_52A") == 1.0
    e.do("CB.REMOTE", 1.0)
    assert e.do("CB.TRIP", 1.0).reason is Reason.DONE


def test_read_only_points_refuse_commands() -> None:
    e = small_engine()
    for tag in ("HOUSE.P", "CB.ST_52A", "REG1.TAP", "LOOP.STEP"):
        assert e.do(tag, 1.0).reason is Reason.NOT_WRITABLE


def test_commands_of_one_step_are_applied_in_ring_order() -> None:
    e = small_engine()
    for value in (3.0, 1.0, 2.0):
        e.command([("S.X_SP", value)])
    e.command([("S.Y_SP", 7.0), ("S.X_SP", -4.0)])
    e.command([("S.X_SP", 9.0), ("S.Y_SP", -1.0)])  # refused whole: Y is out of range
    e.step()
    assert (e.value("S.X_SP"), e.value("S.Y_SP")) == (-4.0, 7.0)
    verdicts = list(e.verdicts().values())
    assert [v.reason for v in verdicts] == [Reason.DONE] * 5 + [Reason.GROUP_REFUSED, Reason.OUT_OF_RANGE]
    assert {v.step for v in verdicts} == {0}


def test_status_changes_and_commands_leave_events_at_their_step_and_time() -> None:
    e = small_engine()
    e.step(10)
    e.do("CB.TRIP", 1.0)  # step 10
    e.step(60)
    events = e.events.take()
    tags = [p.tag for p in e.points]
    seen = [(r[rg.E_KIND], r[rg.E_STEP], tags[r[rg.E_TARGET]], r[rg.E_OLD], r[rg.E_NEW]) for r in events]
    one = rg.float_bits(1.0)
    assert seen[0] == (EVENT_COMMAND, 10, "CB.TRIP", Reason.DONE, one)
    assert [(k, t, a, b) for k, _, t, a, b in seen[1:]] == [
        (EVENT_STATUS, "CB.ST_52A", 1, 0),
        (EVENT_STATUS, "CB.ST_52B", 0, 1),
    ]
    at_ns = [r[rg.E_UTC_NS] - small.EPOCH_NS for r in events]
    assert at_ns[0] == 10_000_000
    # The travel starts where the step of the command begins; both contacts with the same scatter.
    assert at_ns[1:] == pytest.approx([54_000_000, 64_000_000], abs=3_600_000)
    assert at_ns[2] - at_ns[1] == pytest.approx(10_000_000, abs=2)
    for r in events[1:]:
        assert 0 <= r[rg.E_STEP] * 1_000_000 - (r[rg.E_UTC_NS] - small.EPOCH_NS) < 1_000_000


def test_taps_walk_from_the_first_step_at_their_own_pace_and_move_the_voltage() -> None:
    e = small_engine(dt_ns=100_000_000)
    e.command([("REG1.TAP_SP", 4.0)])
    e.step(19)
    assert e.value("REG1.TAP") == 0.0
    before = e.value("C.V1")
    e.step()
    assert e.value("REG1.TAP") == 1.0
    assert e.value("C.V1") / before == pytest.approx(1.00625, rel=1e-3)  # less what the load does
    e.step(100)
    assert e.value("REG1.TAP") == 4.0
    assert e.value("C.V1") / before == pytest.approx(1.025, rel=2e-3)
    assert e.value("C.V2") == pytest.approx(before, rel=2e-3)


def test_switching_the_bank_moves_its_reactive_power() -> None:
    e = small_engine()
    e.step()
    assert e.value("CAP.Q") > 250e3
    e.do("CAP.OPEN", 1.0)
    assert (e.value("CAP.ST"), e.value("CAP.Q")) == (0.0, 0.0)
    e.do("CAP.CLOSE", 1.0)
    assert e.value("CAP.ST") == 1.0
    assert e.value("CAP.Q") > 250e3


def test_the_source_follows_its_setpoint_at_once() -> None:
    e = small_engine()
    e.step()
    before = e.value("A.V2")
    e.do("S.V_SP", 1.1)
    assert e.value("A.V2") / before == pytest.approx(1.1, rel=3e-3)  # constant power draws less current


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e12, -1e12, 1e300])
def test_an_impossible_demand_is_flagged_held_counted_and_recovered_from(bad: float) -> None:
    e = small_engine(noise_abs=0.5, noise_frac=0.001)
    e.step(5)
    held = {p.tag: e.value(p.tag) for p in e.points}
    p = e.world.profile_p
    good = p.copy()
    p[0, 0] = bad
    for n in (1, 3, 5):  # a command takes a step of its own
        e.step()
        assert is_sane(e)
        assert e.value("LOOP.BAD") == n
        assert int(e.world.image[bd.M_FLAGS]) & bd.FLAG_NOT_CONVERGED
        for tag in ("C.V1", "CB.I1", "TOWN.P2", "HOUSE.P", "HOUSE.DEMAND", "S.P", "CAP.Q"):
            assert e.quality(tag) is Quality.BAD_NOT_CONVERGED, tag
            assert e.value(tag) == held[tag], tag
        assert e.quality("REG1.TAP") is Quality.GOOD
        assert e.do("S.X_SP", float(n)).reason is Reason.DONE  # a step that does not converge still obeys
        assert e.value("S.X_SP") == n
    kinds = [r[rg.E_KIND] for r in e.events.take()]
    assert kinds.count(EVENT_NOT_CONVERGED) == e.value("LOOP.BAD")
    p[:] = good
    e.step()
    assert is_sane(e)
    assert e.quality("C.V1") is Quality.GOOD
    assert e.value("TOWN.P2") == pytest.approx(small.TOWN_W / 3, rel=0.02)  # its noise is 0.1 % + 0.5 W
    assert not int(e.world.image[bd.M_FLAGS]) & bd.FLAG_NOT_CONVERGED


def test_a_floating_point_flag_left_by_other_code_in_the_thread_is_not_the_plants() -> None:
    e = small_engine()
    e.step()
    libm = ctypes.CDLL("libm.so.6")
    assert libm.feraiseexcept(1 | 4 | 8) == 0  # invalid, division by zero, overflow: all sticky
    e.step()
    assert not int(e.world.image[bd.M_FLAGS]) & bd.FLAG_FP
    assert e.value("LOOP.FP") == 0.0


def test_all_sources_of_the_network_can_be_opened_without_a_failure() -> None:
    network = small.network()
    switch = dc.replace(network.switches[0], is_closed=False)
    setup = dc.replace(small.setup(), network=dc.replace(network, switches=(switch,)))
    e = Engine(setup)
    e.step(3)
    assert (e.value("CB.ST_52A"), e.value("CB.ST_52B")) == (0.0, 1.0)
    assert e.quality("TOWN.V1") is Quality.BAD_DEENERGISED
    assert e.value("LOOP.BAD") == 0.0
    e.do("CB.CLOSE", 1.0)
    e.step(61)
    assert e.value("TOWN.P1") == pytest.approx(small.TOWN_W / 3, rel=1e-4)


def test_every_point_of_the_station_binds_to_something_bindable() -> None:
    known = bindable(small.network())
    assert all(p.attr in known[p.source] for p in small.points())


def test_building_a_world_twice_gives_the_same_world() -> None:
    (a, _, _), (b, _, _) = (build_world(small.setup(class_frac=0.01)) for _ in range(2))
    assert np.array_equal(a.points.instrument["gain"], b.points.instrument["gain"])
    assert np.array_equal(a.keys, b.keys)
    assert np.array_equal(a.x, b.x)
    c, _, _ = build_world(small.setup(class_frac=0.01, seed=2))
    assert not np.array_equal(a.points.instrument["gain"], c.points.instrument["gain"])


@pytest.mark.parametrize("chunks", [[1] * 40, [40], [7, 3, 30]])
def test_the_trajectory_does_not_depend_on_how_steps_are_asked_for(chunks: list[int]) -> None:
    whole, parts = (small_engine(ripple_pu=0.05, noise_frac=0.01) for _ in range(2))
    whole.step(40)
    for n in chunks:
        parts.step(n)
    assert parts.image == whole.image
    assert parts.digest == whole.digest


# -- the shipped station --------------------------------------------------------------------------

LOG = {
    20: [("FDR_B.CB_201.TRIP", 1.0)],
    30: [("SUB.REG_A.TAP_SP", 8.0), ("SUB.REG_B.TAP_SP", -3.0)],
    90: [("FDR_B.CB_201.CLOSE", 1.0)],
    120: [("SUB.LOAD.SCALE_SP", 1.3)],
}


def run_log(setup: Setup, n: int = 200) -> tuple[list[bytes], int]:
    e = Engine(setup)
    images = []
    for step in range(n):
        if step in LOG:
            e.command(LOG[step])
        e.step()
        images.append(e.image)
    assert [v.reason for v in e.verdicts().values()] == [Reason.DONE] * 5
    return images, e.digest


def test_same_seed_and_commands_give_bit_identical_images_and_digest(iowa_setup: Setup) -> None:
    images, digest = run_log(iowa_setup)
    again, digest_again = run_log(iowa_setup)
    assert images == again
    assert digest == digest_again


def test_another_seed_or_another_command_log_gives_another_history(iowa_setup: Setup) -> None:
    images, digest = run_log(iowa_setup, 150)
    other, other_digest = run_log(dc.replace(iowa_setup, seed=iowa_setup.seed + 1), 150)
    assert digest != other_digest
    assert all(a != b for a, b in zip(images, other, strict=True))
    quiet = Engine(iowa_setup)
    quiet.step(20)
    assert quiet.image == images[19]
    quiet.step()
    assert quiet.image != images[20]


def feeder_b(e: Engine, kind: str) -> list[str]:
    return [p.tag for p in e.points if p.tag.startswith("FDR_B.") and p.source.startswith(kind)]


def test_opening_cb_201_leaves_feeder_b_without_current_and_closing_restores_it(iowa: Engine) -> None:
    iowa.step(5)
    breaker = "terminal.switch.cb_201@1"
    currents = [p.tag for p in iowa.points if p.source == breaker and p.attr.endswith("_a")]
    assert {iowa.points[iowa.index[t]].attr for t in currents} == {"i1_a", "i2_a", "i3_a"}
    before = {p.tag: iowa.value(p.tag) for p in iowa.points}
    assert min(before[t] for t in currents) > 1.0
    iowa.do("FDR_B.CB_201.TRIP", 1.0)
    iowa.step(70)
    assert iowa.value("FDR_B.CB_201.ST_52B") == 1.0
    flows = feeder_b(iowa, "terminal.")
    assert len(flows) > 10
    assert all(iowa.value(t) == 0.0 for t in flows)
    meters = feeder_b(iowa, "load.")
    assert len(meters) > 100
    assert all(iowa.value(t) == 0.0 and iowa.quality(t) is Quality.BAD_DEENERGISED for t in meters)
    others = [p.tag for p in iowa.points if p.tag.startswith(("FDR_A.M", "FDR_C.M"))]
    assert all(iowa.quality(t) is Quality.GOOD for t in others)
    assert iowa.value("SUB.T1.P") < 0.95 * before["SUB.T1.P"]
    iowa.do("FDR_B.CB_201.CLOSE", 1.0)
    iowa.step(60)
    assert all(iowa.quality(t) is Quality.GOOD for t in meters)
    # noise of the instrument (0.1 % class and ripple of 120 ms at a time constant of 60 s)
    assert iowa.value("SUB.T1.P") == pytest.approx(before["SUB.T1.P"], rel=0.01)
    for t in currents:
        assert iowa.value(t) == pytest.approx(before[t], rel=0.02)


def test_load_scale_scales_the_demand_of_the_whole_station(iowa: Engine) -> None:
    iowa.step()
    p = iowa.world.totals["p_w"][0]
    iowa.do("SUB.LOAD.SCALE_SP", 1.2)
    # constant power inside 0.95..1.05 pu, constant impedance beyond: a little below the factor
    assert iowa.world.totals["p_w"][0] / p == pytest.approx(1.2, rel=0.01)


def test_tap_setpoints_move_the_bus_they_regulate(iowa_setup: Setup) -> None:
    e = Engine(dc.replace(iowa_setup, clock=dc.replace(iowa_setup.clock, dt_ns=100_000_000)))
    e.step()
    before = [e.value(f"SUB.BUS1.V{k}") for k in "ABC"]
    taps = [e.value(f"SUB.REG_{k}.TAP") for k in "ABC"]
    e.command([("SUB.REG_A.TAP_SP", taps[0] + 4), ("SUB.REG_B.TAP_SP", taps[1] - 4)])
    e.step(100)  # 10 s, four taps at 2 s each
    after = [e.value(f"SUB.BUS1.V{k}") for k in "ABC"]
    assert [e.value(f"SUB.REG_{k}.TAP") for k in "ABC"] == [taps[0] + 4, taps[1] - 4, taps[2]]
    # 4 taps of 0.625 %; the load answers with some of the drop, the VT errs by 0.1 %
    for a, b, change in zip(after, before, (0.025, -0.025, 0.0), strict=True):
        assert a / b - 1 == pytest.approx(change, abs=0.004)


@pytest.mark.parametrize("bad", [float("nan"), 1e14])
def test_an_impossible_load_on_the_shipped_station_is_survived(iowa: Engine, bad: float) -> None:
    iowa.step(3)
    good = iowa.world.profile_p[:, 17].copy()
    iowa.world.profile_p[:, 17] = bad
    held = iowa.world.values.copy()
    iowa.step(10)
    rows = iowa.world.points.instrument
    network = rows["is_network"] * rows["is_analog"] != 0
    assert np.all(iowa.world.quality[network] == Quality.BAD_NOT_CONVERGED)
    assert np.array_equal(iowa.world.values[network], held[network])
    assert is_sane(iowa)
    iowa.world.profile_p[:, 17] = good
    iowa.step(2)
    assert not (iowa.world.quality == Quality.BAD_NOT_CONVERGED).any()
    assert is_sane(iowa)


def test_nothing_is_ever_not_a_number_under_random_commands(iowa: Engine) -> None:
    rng = np.random.default_rng(11)
    writable = [p for p in iowa.points if p.is_writable]
    for _ in range(150):
        for p in rng.choice(np.array(writable, object), 3):
            edge = rng.choice([p.minimum, p.maximum, rng.uniform(p.minimum, p.maximum)])
            iowa.command([(p.tag, float(round(edge) if p.maximum == 1.0 else edge))])
        iowa.step(int(rng.integers(1, 30)))
        iowa.verdicts()
        assert is_sane(iowa)
        assert set(np.unique(iowa.world.quality)) <= {int(q) for q in Quality}
        for p, v in zip(iowa.points, iowa.world.values, strict=True):
            if not p.is_health:
                assert p.minimum <= v <= p.maximum, (p.tag, v)
