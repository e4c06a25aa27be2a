"""What operators, engineers and instructors ask of the protection of the running plant, and its answers."""

from __future__ import annotations

import dataclasses as dc
import math
from pathlib import Path

import pytest

from hil.network_files import read_network
from hil.protection_files import read_scheme
from rtcore.commands import Reason
from rtcore.component import REGISTRY, settings_kind
from rtcore.points import Kind
from rtcore.protection.scheme import Scheme
from tests.support.protected_feeder import RECLOSER, Feeder, write_station

pytestmark = pytest.mark.timeout(900)
"""With an empty cache the first of these tests compiles every kernel."""

EXACT_S = 1e-6
"""Instants are exact within the step; tags are whole nanoseconds, timers round by 1e-9."""

OPEN_S, CLOSE_S = 0.05, 0.06
MARGIN_S = 0.02


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_station(tmp_path_factory.mktemp("recloser"), RECLOSER)


@pytest.fixture
def feeder(station: Path) -> Feeder:
    return Feeder(station)


def scheme_of(station: Path) -> Scheme:
    folder = station.parent
    return read_scheme(folder / "scheme.toml", read_network(folder / "network"))


def trip_s(feeder: Feeder) -> float:
    (first, *_) = feeder.times("P.R_RCL.TRIP")
    return first


# ---- settings -------------------------------------------------------------------------------------


def test_every_setting_of_every_group_reads_back_as_the_scheme_states_it(
    station: Path, feeder: Feeder
) -> None:
    n = 0
    for relay, element in scheme_of(station).elements():
        for g, params in enumerate(element.settings, 1):
            for name, value in dc.asdict(params).items():
                field = next(f for f in dc.fields(params) if f.name == name)
                number = field.metadata["choices"].get(value, value)
                tag = f"P.R_{relay.name.upper()}_{element.name.upper()}_G{g}."
                tag += name.removeprefix("is_").upper()
                assert feeder.value(tag) == number, tag
                n += 1
    assert n > 60


def test_every_setting_takes_its_limits_and_refuses_what_is_beyond(station: Path, feeder: Feeder) -> None:
    kinds = {settings_kind(e.function) for _, e in scheme_of(station).elements()}
    points = [p for p in feeder.setup.points if p.source.partition(".")[0] in kinds]
    assert {p.source.partition(".")[0] for p in points} == kinds
    for point in points:
        assert point.kind is Kind.SETPOINT
        spec = REGISTRY[point.source.partition(".")[0].removesuffix("_settings")]
        meta = next(f.metadata for f in dc.fields(spec.params) if f"{f.name}_sp" == point.attr)
        limits = meta["limits"] or {"ge": min(meta["choices"].values()), "le": max(meta["choices"].values())}
        assert (point.minimum, point.maximum) == (limits["ge"], limits["le"]), point.tag
        for value in (point.minimum, point.maximum):
            assert feeder.do(point.tag, value) is Reason.DONE
            assert feeder.value(point.tag) == value
        for value, reason in [
            (math.nextafter(point.maximum, math.inf), Reason.OUT_OF_RANGE),
            (math.nextafter(point.minimum, -math.inf), Reason.OUT_OF_RANGE),
            (math.nan, Reason.NOT_A_NUMBER),
        ]:
            assert feeder.do(point.tag, value) is reason
            assert feeder.value(point.tag) == point.maximum


def test_a_changed_setting_is_in_force_at_once(feeder: Feeder) -> None:
    assert feeder.do("P.R_RCL_51F_G1.CURVE", 0.0) is Reason.DONE  # definite time
    assert feeder.do("P.R_RCL_51F_G1.DELAY_S", 0.3) is Reason.DONE
    feeder.fault("bus.d")
    feeder.run(0.15)
    assert feeder.times("P.R_RCL_51F.PICKUP") == pytest.approx([0.0], abs=EXACT_S)
    assert feeder.do("P.R_RCL_51F_G1.DELAY_S", 0.2) is Reason.DONE
    feeder.run(0.2)
    # the disc went half of its way in 0.15 s; the rest goes at the new speed of 0.2 s for the whole
    travelled_s = 0.15 + 1e-3  # applied at the step after the one in which the fault began
    rest_s = (1.0 - travelled_s / 0.3) * 0.2
    assert trip_s(feeder) == pytest.approx(travelled_s + rest_s, abs=2e-3)  # two steps


def test_a_pickup_above_the_current_drops_the_element_at_once(feeder: Feeder) -> None:
    feeder.fault("bus.d")
    feeder.run(0.1)
    assert feeder.value("P.R_RCL_51F.PICKUP") == 1.0
    assert feeder.do("P.R_RCL_51F_G1.PICKUP_A", 5000.0) is Reason.DONE
    feeder.run(2e-3)
    assert (feeder.value("P.R_RCL_51F.PICKUP"), feeder.value("P.R_RCL_51F.TIMER")) == (0.0, 0.0)
    feeder.run(3.0)
    assert feeder.times("P.R_RCL.TRIP") == []


def test_another_settings_group_is_in_force_at_once_and_back(feeder: Feeder) -> None:
    feeder.fault("bus.d")
    feeder.run(0.1)
    assert (feeder.value("P.R_RCL.GROUP"), feeder.value("P.R_RCL_51F.PICKUP")) == (1.0, 1.0)
    assert feeder.do("P.R_RCL.GROUP_SP", 2.0) is Reason.DONE
    feeder.run(2e-3)
    assert feeder.value("P.R_RCL.GROUP") == 2.0
    assert feeder.value("P.R_RCL_51F.PICKUP") == 0.0  # 3000 A
    feeder.run(2.0)
    assert feeder.times("P.R_RCL.TRIP") == []
    at_s = feeder.t
    assert feeder.do("P.R_RCL.GROUP_SP", 1.0) is Reason.DONE
    feeder.run(1.0)
    m = feeder.value("P.R_RCL.TRIP_CURRENT_A") / 400.0
    expected_s = at_s + 0.5 * (28.2 / (m**2 - 1.0) + 0.1217)
    assert trip_s(feeder) == pytest.approx(expected_s, abs=1.01e-3)  # the command waits for its step
    # the setpoints of group 2 are those of group 1 where it says nothing else
    assert feeder.value("P.R_RCL_51F_G2.CURVE") == feeder.value("P.R_RCL_51F_G1.CURVE")


@pytest.mark.parametrize("value", [0.0, 5.0, -1.0])
def test_a_group_that_is_none_is_refused(feeder: Feeder, value: float) -> None:
    assert feeder.do("P.R_RCL.GROUP_SP", value) is Reason.OUT_OF_RANGE
    assert feeder.value("P.R_RCL.GROUP") == 1.0


@pytest.mark.parametrize("value", [3.0, 4.0])
def test_a_group_that_the_relay_has_not_leaves_its_last_one_in_force(feeder: Feeder, value: float) -> None:
    assert feeder.do("P.R_RCL.GROUP_SP", value) is Reason.DONE
    feeder.run(2e-3)
    assert feeder.value("P.R_RCL.GROUP") == 2.0


def test_a_recloser_taken_out_of_service_within_its_open_interval_does_not_close(feeder: Feeder) -> None:
    feeder.fault("bus.d")  # trips at 0.39 s; open interval until 0.94 s
    feeder.run(0.6)
    assert feeder.value("P.R_RCL_79.CYCLE") == 1.0
    assert feeder.do("P.R_RCL.IN_SERVICE", 0.0) is Reason.DONE
    feeder.run(10.0)
    assert feeder.times("CB.RCL.ST_52A") == []
    assert (feeder.value("P.R_RCL_79.LOCKOUT"), feeder.value("P.R_RCL_79.LOCKOUT_REASON")) == (1.0, 6.0)


def test_a_relay_out_of_service_gives_alarm_and_trips_nothing(feeder: Feeder) -> None:
    assert feeder.do("P.R_RCL.IN_SERVICE", 0.0) is Reason.DONE
    feeder.fault("bus.d")
    feeder.run(3.0)
    assert feeder.value("P.R_RCL.ALARM") == 1.0
    assert feeder.times("P.R_RCL.PICKUP") == feeder.times("P.R_RCL.TRIP") == []


# ---- breakers -------------------------------------------------------------------------------------


def test_a_command_to_a_position_that_is_reached_says_so(feeder: Feeder) -> None:
    assert feeder.do("CB.RCL.CLOSE") is Reason.POSITION_REACHED
    assert feeder.do("CB.RCL.TRIP") is Reason.DONE
    feeder.run(OPEN_S + MARGIN_S)
    assert feeder.do("CB.RCL.TRIP") is Reason.POSITION_REACHED
    assert feeder.value("P.R_RCL_79.LOCKOUT_REASON") == 3.0  # opened by hand
    assert feeder.do("CB.RCL.CLOSE") is Reason.DONE
    feeder.run(CLOSE_S + MARGIN_S)
    assert feeder.value("CB.RCL.ST_52A") == 1.0


def test_a_tagged_breaker_refuses_the_operator_and_can_be_tripped(feeder: Feeder) -> None:
    assert feeder.do("CB.RCL.TAG") is Reason.DONE
    assert feeder.do("CB.RCL.TRIP") is Reason.DONE
    feeder.run(1.0)
    assert feeder.do("CB.RCL.CLOSE") is Reason.TAGGED
    feeder.run(1.0)
    assert feeder.times("CB.RCL.ST_52A") == []
    assert feeder.do("CB.RCL.TAG", 0.0) is Reason.DONE
    feeder.run(2e-3)
    assert feeder.do("CB.RCL.CLOSE") is Reason.DONE


@pytest.mark.parametrize(
    ("tag", "at_s"),
    [("CB.RCL.TAG", 0.1), ("CB.RCL.TAG", 0.6), ("P.R_RCL_79.HOT_LINE", 0.1), ("P.R_RCL_79.HOT_LINE", 0.6)],
)
def test_no_automatic_close_on_a_tagged_line(feeder: Feeder, tag: str, at_s: float) -> None:
    feeder.fault("bus.d")  # trips at 0.39 s; open interval until 0.94 s
    feeder.run(at_s)
    assert feeder.do(tag) is Reason.DONE
    feeder.run(10.0)
    assert feeder.times("CB.RCL.ST_52A") == feeder.times("P.R_RCL_79.CLOSING") == []
    assert feeder.value("P.R_RCL_79.LOCKOUT") == 1.0
    assert feeder.value("P.R_RCL_79.LOCKOUT_REASON") == 7.0


@pytest.mark.parametrize("at_s", [0.41, 0.6])  # while the relay's trip opens the breaker; open interval
def test_an_operator_s_trip_ends_the_cycle(feeder: Feeder, at_s: float) -> None:
    feeder.fault("bus.d")  # trips at 0.39 s; open interval until 0.94 s
    feeder.run(at_s)
    assert feeder.do("CB.RCL.TRIP") is Reason.DONE
    feeder.run(10.0)
    assert feeder.times("CB.RCL.ST_52A") == feeder.times("P.R_RCL_79.CLOSING") == []
    assert feeder.value("P.R_RCL_79.LOCKOUT_REASON") == 3.0
    assert feeder.do("CB.RCL.TRIP") is Reason.POSITION_REACHED


def test_in_local_reclosing_is_not_switched_from_remote(feeder: Feeder) -> None:
    assert feeder.do("CB.RCL.REMOTE", 0.0) is Reason.DONE
    feeder.run(2e-3)
    for name, value in (("ENABLED", 0.0), ("HOT_LINE", 1.0), ("DRIVE_LOCKOUT", 1.0)):
        assert feeder.do(f"P.R_RCL_79.{name}", value) is Reason.IN_LOCAL
    assert feeder.do("CB.RCL.REMOTE") is Reason.DONE
    feeder.run(2e-3)
    assert feeder.do("P.R_RCL_79.DRIVE_LOCKOUT") is Reason.DONE


def test_a_tag_that_comes_with_the_close_demand_wins(feeder: Feeder) -> None:
    feeder.fault("bus.d")
    feeder.run(0.5)
    close_s = trip_s(feeder) + OPEN_S + 0.5
    feeder.run(math.floor(close_s * 1e3 + 1.0) * 1e-3 - feeder.t)  # the step in which it is demanded
    assert feeder.do("CB.RCL.TAG") is Reason.DONE
    feeder.run(3.0)
    assert feeder.times("P.R_RCL_79.CLOSING") == pytest.approx([close_s], abs=EXACT_S)  # it was demanded
    assert feeder.times("CB.RCL.ST_52A") == []
    assert (feeder.value("CB.RCL.ST_52B"), feeder.value("P.R_RCL_79.LOCKOUT")) == (1.0, 1.0)


# ---- arming and faults ----------------------------------------------------------------------------


def test_a_fault_needs_arming_and_one_arming_is_for_one_fault(feeder: Feeder) -> None:
    feeder.set_fault("bus.d", r_ohm=50.0)
    assert feeder.do("LAB.FAULT_1.APPLY") is Reason.NOT_ARMED
    assert feeder.value("LAB.FAULT_1.APPLIED") == 0.0
    assert feeder.do("LAB.ARM.ARM") is Reason.DONE
    feeder.run(2e-3)
    assert feeder.do("LAB.FAULT_1.APPLY") is Reason.DONE
    feeder.run(2e-3)
    assert (feeder.value("LAB.FAULT_1.ON"), feeder.value("LAB.ARM.ARMED")) == (1.0, 0.0)
    assert feeder.do("LAB.FAULT_2.APPLY") is Reason.NOT_ARMED


def test_a_fault_that_cannot_be_is_refused_and_says_why(feeder: Feeder) -> None:
    feeder.set_fault("bus.d", r_ohm=0.0)
    assert feeder.do("LAB.ARM.ARM") is Reason.DONE
    feeder.run(2e-3)
    assert feeder.do("LAB.FAULT_1.APPLY") is Reason.INTERLOCKED
    assert (feeder.value("LAB.FAULT_1.POSSIBLE"), feeder.value("LAB.FAULT_1.REFUSAL")) == (0.0, 7.0)
    feeder.set_fault("bus.d")
    assert feeder.do("LAB.FAULT_1.APPLY") is Reason.DONE  # a slip does not use up the arming
    feeder.run(2e-3)
    assert feeder.value("LAB.FAULT_1.ON") == 1.0


def test_arming_times_out(feeder: Feeder) -> None:
    feeder.set_fault("bus.d")
    assert feeder.do("LAB.ARM.ARM") is Reason.DONE
    feeder.run(29.9)
    assert feeder.value("LAB.ARM.ARMED") == 1.0
    assert 0.0 < feeder.value("LAB.ARM.TIME_LEFT_S") < 0.2
    feeder.run(0.2)
    assert feeder.value("LAB.ARM.ARMED") == 0.0
    assert feeder.do("LAB.FAULT_1.APPLY") is Reason.NOT_ARMED


def test_disarming_takes_the_permission_away(feeder: Feeder) -> None:
    feeder.set_fault("bus.d")
    assert feeder.do("LAB.ARM.ARM") is Reason.DONE
    feeder.run(2e-3)
    assert feeder.do("LAB.ARM.DISARM") is Reason.DONE
    feeder.run(2e-3)
    assert feeder.do("LAB.FAULT_1.APPLY") is Reason.NOT_ARMED


def test_a_fault_on_a_dead_section_is_taken_carries_nothing_and_is_on_record(feeder: Feeder) -> None:
    feeder.fault("bus.f", type="3phg")
    feeder.run(1.0)
    assert feeder.times("LAB.FAULT_1.ON") == pytest.approx([0.0], abs=EXACT_S)
    assert feeder.times("LAB.FAULT_1.LIVE") == []
    assert [feeder.value(f"LAB.FAULT_1.I{k}_A") for k in "ABC"] == [0.0, 0.0, 0.0]
    assert feeder.value("LAB.FAULT_1.POSSIBLE") == 1.0
    assert feeder.times("P.R_RCL.PICKUP") == []
    assert feeder.do("CB.TIE.CLOSE") is Reason.DONE  # onto the fault
    feeder.run(2.0)
    (live_s, *_), (closed_s, *_) = feeder.times("LAB.FAULT_1.LIVE"), feeder.times("CB.TIE.ST_52A")
    assert live_s == pytest.approx(closed_s, abs=1.01e-3)  # told at the end of the step
    assert feeder.times("P.R_RCL_51F.PICKUP")[0] == pytest.approx(closed_s, abs=EXACT_S)
    assert len(feeder.times("P.R_RCL.TRIP")) >= 1


# ---- breaker failure and lockout ------------------------------------------------------------------


@pytest.mark.parametrize("failure", [1.0, 2.0])
def test_a_breaker_that_does_not_trip_is_cleared_upstream_and_locked_out(
    feeder: Feeder, failure: float
) -> None:
    assert feeder.do("P.R_RCL_LAB.FAIL_TRIP", failure) is Reason.DONE
    feeder.fault("bus.d")
    feeder.run(2.0)
    start_s = trip_s(feeder)
    assert feeder.times("P.R_RCL_50BF.RETRIP") == pytest.approx([start_s + 0.08], abs=EXACT_S)
    assert feeder.times("P.R_RCL_50BF.OPERATED") == pytest.approx([start_s + 0.16], abs=EXACT_S)
    assert feeder.times("P.R_RCL.LOCKED_OUT") == pytest.approx([start_s + 0.16], abs=EXACT_S)
    assert feeder.times("CB.CB_UP.ST_52B") == pytest.approx([start_s + 0.16 + OPEN_S], abs=EXACT_S)
    assert feeder.times("CB.RCL.ST_52B") == []
    assert feeder.value("LAB.FAULT_1.LIVE") == 0.0
    assert feeder.times("P.R_CB_UP.TRIP") == []  # cleared by the breaker failure, not by the backup
    assert feeder.value("CB.RCL.TRIP_CIRCUIT") == float(failure != 1.0)
    # nobody closes it until the lockout is reset
    assert feeder.value("CB.CB_UP.LOCKED_OUT") == feeder.value("CB.RCL.LOCKED_OUT") == 1.0
    assert feeder.do("CB.CB_UP.CLOSE") is Reason.LOCKED_OUT
    feeder.clear()
    feeder.run(5.0)
    assert feeder.do("CB.CB_UP.CLOSE") is Reason.LOCKED_OUT
    assert feeder.do("P.R_RCL.RESET_LOCKOUT") is Reason.DONE
    feeder.run(5e-3)
    assert feeder.value("CB.CB_UP.LOCKED_OUT") == 0.0
    assert feeder.do("CB.CB_UP.CLOSE") is Reason.DONE
    feeder.run(0.5)
    assert feeder.value("CB.CB_UP.ST_52A") == 1.0
    assert feeder.value("P.R_RCL.TARGETS") == 5.0  # 51f and 50bf


def test_a_lockout_is_not_reset_while_the_trip_is_there(feeder: Feeder) -> None:
    # both breakers stay, so the trips stay
    assert feeder.do("P.R_RCL_LAB.FAIL_TRIP", 2.0) is Reason.DONE
    assert feeder.do("P.R_CB_UP_LAB.FAIL_TRIP", 2.0) is Reason.DONE
    feeder.fault("bus.d")
    feeder.run(2.0)
    assert (feeder.value("P.R_RCL.TRIP"), feeder.value("P.R_RCL.LOCKED_OUT")) == (1.0, 1.0)
    assert feeder.do("P.R_RCL.RESET_LOCKOUT") is Reason.INTERLOCKED
    feeder.run(0.1)
    assert feeder.value("P.R_RCL.LOCKED_OUT") == 1.0
    assert feeder.do("P.R_RCL.RESET_TARGETS") is Reason.DONE


def test_a_breaker_that_trips_in_time_starts_no_breaker_failure_trip(feeder: Feeder) -> None:
    feeder.fault("bus.d")
    feeder.run(0.8)
    assert len(feeder.times("P.R_RCL_50BF.PICKUP")) == 1
    assert feeder.times("P.R_RCL_50BF.OPERATED") == feeder.times("P.R_RCL_50BF.RETRIP") == []


def test_an_open_trip_circuit_is_an_alarm_of_its_relay(feeder: Feeder) -> None:
    assert feeder.value("P.R_RCL.ALARM") == 0.0
    assert feeder.do("P.R_RCL_LAB.FAIL_TRIP", 1.0) is Reason.DONE
    feeder.run(5e-3)
    assert (feeder.value("CB.RCL.TRIP_CIRCUIT"), feeder.value("P.R_RCL.ALARM")) == (0.0, 1.0)


# ---- voltage --------------------------------------------------------------------------------------


def test_undervoltage_operates_on_a_low_voltage(feeder: Feeder) -> None:
    assert feeder.do("P.R_RCL.GROUP_SP", 2.0) is Reason.DONE  # overcurrent above this fault
    feeder.fault("bus.d")
    feeder.run(0.5)
    assert feeder.times("P.R_UV_27.PICKUP") == pytest.approx([0.0], abs=EXACT_S)
    assert feeder.times("P.R_UV_27.OPERATED") == pytest.approx([0.3], abs=EXACT_S)


@pytest.mark.parametrize("lost", [1.0, 2.0, 3.0, 4.0])
def test_undervoltage_does_not_take_blown_vt_fuses_for_a_low_voltage(feeder: Feeder, lost: float) -> None:
    feeder.changes.clear()
    assert feeder.do("P.R_UV_IN.VT_LOST", lost) is Reason.DONE
    feeder.run(1.0)
    assert (feeder.value("P.R_UV_IN.VT_FAILED"), feeder.value("P.R_UV.ALARM")) == (1.0, 1.0)
    assert feeder.times("P.R_UV_27.PICKUP") == feeder.times("P.R_UV_27.OPERATED") == []
    assert feeder.do("P.R_UV_IN.VT_LOST", 0.0) is Reason.DONE
    feeder.run(0.1)
    assert (feeder.value("P.R_UV_IN.VT_FAILED"), feeder.value("P.R_UV.ALARM")) == (0.0, 0.0)
