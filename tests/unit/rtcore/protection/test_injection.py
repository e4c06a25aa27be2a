"""Ideal sources at one relay: what it sees, what the bay shows, what the plant does not notice."""

from __future__ import annotations

import cmath
from pathlib import Path

import numpy as np
import pytest

from rtcore.assemble import Setup
from rtcore.commands import Reason
from rtcore.engine import Engine
from rtcore.protection.curves import CURVES, operate_s
from tests.support.protected_feeder import RECLOSER, Feeder, write_station

CB_UP, RCL, UV = 1, 2, 3
"""Numbers of the relays, in the order of the scheme."""
SET = "LAB.INJECT"

pytestmark = pytest.mark.timeout(600)
"""With an empty cache the first of these tests compiles every kernel."""


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_station(tmp_path_factory.mktemp("injection"), RECLOSER)


@pytest.fixture
def feeder(station: Path) -> Feeder:
    return Feeder(station)


def inject(f: Feeder, relay: int, i_a: float, *, v_v: float = 0.0, **more: float) -> None:
    """Put balanced quantities in place; counted from here on."""
    writes = {
        "LOCATION": relay,
        "ACTIVE": 1,
        **{f"I{k}_A": i_a for k in "ABC"},
        **{f"V{k}_V": v_v for k in "ABC"},
    }
    ids = f.e.command([(f"{SET}.{k}", float(v)) for k, v in {**writes, **more}.items()])
    f.changes.clear()
    f.fault_step = f.e.n_steps - 1
    f.run(f.dt_s)
    assert all(v.reason is Reason.DONE for k, v in f.e.verdicts().items() if k in ids)


def test_the_relay_sees_the_injected_quantities_and_no_other_relay_does(feeder: Feeder) -> None:
    before = feeder.value("P.R_CB_UP_IN.IA_A")
    inject(feeder, RCL, 250.0, IB_A=100.0, IC_DEG=90.0)
    feeder.run(0.05)  # points of a relay are written every 20 ms
    seen = [feeder.value(f"P.R_RCL_IN.I{k}_A") for k in "ABC"]
    assert seen == pytest.approx([250.0, 100.0, 250.0], rel=1e-12)
    # A relay without VTs has angles against I1 = (Ia + a Ib + a^2 Ic) / 3.
    a = cmath.exp(2j * cmath.pi / 3)
    i1 = (250.0 + 100.0 + a * a * 250.0j) / 3
    assert feeder.value("P.R_RCL_IN.IA_DEG") == pytest.approx(-np.angle(i1, deg=True), abs=1e-9)
    assert feeder.value("P.R_CB_UP_IN.IA_A") == pytest.approx(before, rel=1e-6)  # the load moves a little


def test_the_instruments_of_the_bay_show_them_and_the_plant_goes_on(feeder: Feeder) -> None:
    load_a = feeder.value("CB.RCL.IA")
    inject(feeder, RCL, 321.0)
    assert feeder.value("CB.RCL.IA") == pytest.approx(321.0, rel=0.01)  # the class of its CT
    assert feeder.value("CB.CB_UP.IA") == pytest.approx(2 * load_a, rel=0.05)  # both houses, as before
    feeder.do(f"{SET}.ACTIVE", 0.0)
    assert feeder.value("CB.RCL.IA") == pytest.approx(load_a, rel=0.01)


def test_the_internal_relay_operates_on_them_at_the_time_of_its_curve(feeder: Feeder) -> None:
    inject(feeder, RCL, 2000.0)
    feeder.run(1.0)
    multiple = 2000.0 / 400.0
    expected_s = float(operate_s(CURVES["ieee_ei_f"], multiple, 0.5, 1e9))
    (operated_s,) = feeder.times("P.R_RCL_51F.OPERATED")[:1]
    assert operated_s == pytest.approx(expected_s, abs=2e-6)
    assert feeder.times("P.R_RCL.TRIP")


def test_blocked_it_operates_as_a_shadow_and_trips_and_recloses_nothing(feeder: Feeder) -> None:
    assert feeder.do("P.R_RCL.BLOCKED", 1.0) is Reason.DONE
    inject(feeder, RCL, 2000.0)
    feeder.run(1.5)  # beyond breaker failure, too
    assert feeder.times("P.R_RCL_51F.OPERATED")
    assert feeder.times("P.R_RCL.TRIP")
    moved = [tag for tag, _, _ in feeder.changes if tag.startswith("CB.")]
    assert moved == []


def test_following_the_breaker_current_ends_when_its_poles_open(feeder: Feeder) -> None:
    inject(feeder, RCL, 2000.0, FOLLOWING=1)
    feeder.run(0.8)  # the curve gives 0.648 s, the breaker 0.05 s
    assert feeder.times("P.R_RCL.TRIP")
    assert [feeder.value(f"CB.RCL.I{k}") for k in "ABC"] == pytest.approx([0.0] * 3, abs=1.0)
    feeder.run(0.6)  # the first open interval has 0.5 s: it closes onto the same current
    assert len(feeder.times("P.R_RCL.PICKUP")) == 2


def test_a_ramp_of_frequency_turns_the_phasors_and_is_seen_by_the_relay(feeder: Feeder) -> None:
    inject(feeder, UV, 0.0, v_v=7967.0, F_HZ_SP=59.0, DF_HZ_S=-2.0)
    feeder.run(0.5)
    # 59 Hz at the beginning of the first step; 501 steps later, the last began 0.5 s after that
    assert feeder.value(f"{SET}.F_HZ") == pytest.approx(59.0 - 2.0 * 0.5, abs=1e-9)
    feeder.run(0.05)
    assert feeder.value("P.R_UV_IN.F_HZ") == pytest.approx(59.0 - 2.0 * 0.55, abs=0.05)  # written every 20 ms
    assert feeder.value("P.R_UV_IN.V1_V") == pytest.approx(7967.0, rel=1e-12)


def test_a_ramp_begins_where_it_is_set_and_not_where_the_sources_were_turned_on(feeder: Feeder) -> None:
    inject(feeder, UV, 0.0, v_v=7967.0, F_HZ_SP=60.0)
    feeder.run(0.3)
    feeder.do(f"{SET}.DF_HZ_S", -1.0)  # takes effect in the first of the steps that follow
    feeder.run(0.5)
    assert feeder.value(f"{SET}.F_HZ") == pytest.approx(60.0 - 0.5, abs=0.0021)  # "do" runs a step or two
    feeder.do(f"{SET}.F_HZ_SP", 55.0)
    assert feeder.value(f"{SET}.F_HZ") == pytest.approx(55.0, abs=0.0021)


def test_an_undervoltage_element_trips_on_injected_voltage(feeder: Feeder) -> None:
    inject(feeder, UV, 0.0, v_v=0.7 * 13800 / 3**0.5)
    feeder.run(0.5)
    assert feeder.times("P.R_UV_27.OPERATED") == pytest.approx([0.3], abs=2e-6)


def test_a_token_that_comes_back_shows_how_long_it_was_under_way(feeder: Feeder) -> None:
    token = feeder.value(f"{SET}.TOKEN")
    assert token == feeder.e.n_steps - 1
    feeder.run(0.012)
    feeder.do(f"{SET}.TOKEN_IN", token)  # applied at the next step: 13 after the one that showed it
    assert feeder.value(f"{SET}.ROUND_TRIP_S") == pytest.approx(0.013, abs=1e-12)
    assert feeder.value(f"{SET}.ROUND_TRIPS") == 1.0


def test_a_record_is_played_a_frame_a_step_and_then_there_is_nothing(feeder: Feeder) -> None:
    frames = np.outer(np.arange(1, 31), np.exp(2j * np.pi / 3 * np.array([0, -1, 1, 0, -1, 1]))) * [
        *[10.0] * 3,
        *[100.0] * 3,
    ]
    with_record = Setup(
        **{f: getattr(feeder.setup, f) for f in Setup.__dataclass_fields__ if f != "playback"},
        playback=[frames],
    )
    feeder.e = Engine(with_record)
    feeder.run(0.05)
    inject(feeder, RCL, 0.0, PLAY=1)
    for k in range(1, 31):
        assert abs(feeder.e.world.relays.seen.i[RCL - 1]) == pytest.approx([10.0 * k] * 3, rel=1e-12)
        assert feeder.value(f"{SET}.PLAYING") == 1.0
        feeder.run(feeder.dt_s)
    assert feeder.value(f"{SET}.PLAYING") == 0.0
    assert abs(feeder.e.world.relays.seen.i[RCL - 1]) == pytest.approx([0.0] * 3)


@pytest.mark.parametrize("location", [0, 4, 1000])
def test_a_place_that_is_not_there_changes_nothing(feeder: Feeder, location: int) -> None:
    before = feeder.value("CB.RCL.IA")
    inject(feeder, location, 5000.0)
    feeder.run(0.05)
    assert feeder.value(f"{SET}.ON") == 0.0
    assert feeder.value("CB.RCL.IA") == pytest.approx(before, rel=0.02)


def test_the_sources_are_at_the_relays_terminals_unless_they_are_to_go_through_its_transformers(
    feeder: Feeder,
) -> None:
    feeder.e.world.relays.inputs.gain[RCL - 1, 0] = 1.02  # a CT that shows 2 % more
    inject(feeder, RCL, 100.0)
    feeder.run(0.05)
    assert feeder.value("P.R_RCL_IN.IA_A") == pytest.approx(100.0, rel=1e-12)
    feeder.do(f"{SET}.THROUGH_CT", 1.0)
    feeder.run(0.05)
    assert feeder.value("P.R_RCL_IN.IA_A") == pytest.approx(102.0, rel=1e-12)
