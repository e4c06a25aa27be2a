"""The stand-in's 51: published operating times, changing currents, pickup, dropout, cost of sampling."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from examples.standin.curves import operate_s
from examples.standin.relay import Relay, Settings
from tests.unit.examples.standin_rig import element, first_trip_s, shot_s

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("curve", "times_s"),
    [
        ("IEC_SI", {1.5: 17.1942188451, 2: 10.02902702, 5: 4.27972007095, 20: 2.26735636725}),
        ("IEC_VI", {1.5: 27.0, 2: 13.5, 5: 3.375, 20: 0.710526315789}),
        ("IEC_EI", {1.5: 64.0, 2: 26.6666666667, 5: 3.33333333333, 20: 0.200501253133}),
        ("IEEE_MI", {1.5: 6.439016218, 2: 3.80324922523, 5: 1.68832559753, 20: 0.948063235094}),
        ("IEEE_VI", {1.5: 16.179, 2: 7.02766666667, 5: 1.30808333333, 20: 0.540147869674}),
        ("IEEE_EI", {1.5: 22.6817, 2: 9.5217, 5: 1.2967, 20: 0.192376691729}),
    ],
)
def test_operating_times_are_those_of_the_standards(curve: str, times_s: dict[float, float]) -> None:
    for m, expected_s in times_s.items():
        # The figures have twelve digits.
        assert operate_s(curve, 1.0, m) == pytest.approx(expected_s, rel=1e-10)
        assert operate_s(curve, 0.1, m) == pytest.approx(0.1 * expected_s, rel=1e-10)


@pytest.mark.parametrize("m", [1.5, 2.0, 5.0, 20.0])
def test_at_constant_current_the_disk_gives_the_curve_s_time(m: float) -> None:
    # Interpolated within the sample, so only rounding of some thousand additions is left.
    assert shot_s(m) == pytest.approx(operate_s("IEC_SI", 0.1, m), abs=1e-9)


def test_a_changing_current_trips_when_the_integral_is_full() -> None:
    # IEEE VI, TD 1: half the disk at M = 5 (0.654042 s), the rest at M = 2 (3.513833 s).
    half_s = 0.6540416667
    settings = Settings(element(tms=1.0, curve="IEEE_VI"))
    found_s = first_trip_s(settings, lambda t_s: 5.0 if t_s < half_s else 2.0)
    # The change is seen up to a sample (1 ms) late, and M = 5 weighs 5.4 times as much as M = 2.
    assert found_s == pytest.approx(4.167875, abs=0.001 * 7.0277 / 1.3081)


def test_an_instant_reset_forgets_and_a_definite_one_remembers_until_its_delay_is_over() -> None:
    def pulses(t_s: float) -> float:
        return 5.0 if t_s < 1.0 or t_s >= 3.0 else 0.0

    alone_s = operate_s("IEC_SI", 1.0, 5.0)
    instant = first_trip_s(Settings(element(tms=1.0)), pulses)
    held = first_trip_s(Settings(element(tms=1.0, reset="definite", reset_delay_s=3.0)), pulses)
    late = first_trip_s(Settings(element(tms=1.0, reset="definite", reset_delay_s=1.5)), pulses)
    # Each change of the current is seen up to one sample (1 ms) late; there are three.
    assert instant == pytest.approx(7.279720, abs=0.003)
    assert held == pytest.approx(3.0 + alone_s - 1.0, abs=0.003)
    assert late == pytest.approx(instant, abs=1e-9)


def test_after_an_operation_the_disk_is_back_at_once() -> None:
    relay = Relay(Settings(element(reset="definite", reset_delay_s=60.0)))
    for k in range(600):
        out = relay.step(k * 0.001, (500.0, 0.0, 0.0, 0.0), True)
    assert out.is_trip
    out = relay.step(0.6, (0.0, 0.0, 0.0, 0.0), True)
    assert (out.is_trip, out.disk) == (False, 0.0)


def test_it_picks_up_above_the_pickup_drops_out_at_95_percent_and_stands_still_between() -> None:
    relay = Relay(Settings(element()))
    seen = []
    for k, i_a in enumerate((99.9, 100.1, 97.0, 95.1, 94.9, 97.0)):
        out = relay.step(k * 0.001, (0.0, i_a, 0.0, 0.0), True)
        seen.append((out.is_pickup, out.disk > 0.0))
    # Between 95 and 100 % the disk keeps what it has, and below 95 % it loses it.
    assert seen == [(False, False), (True, False), (True, True), (True, True), (False, False), (False, False)]


def test_the_largest_phase_counts_and_ground_has_its_own_element() -> None:
    relay = Relay(Settings(element(), ground=element(pickup_a=20.0)))
    assert not relay.step(0.0, (90.0, 99.0, 10.0, 19.0), True).is_pickup
    assert relay.step(0.001, (90.0, 99.0, 10.0, 21.0), True).is_pickup
    assert Relay(Settings(element())).step(0.0, (90.0, 99.0, 101.0, 0.0), True).is_pickup
    assert not Relay(Settings(element())).step(0.0, (90.0, 99.0, 10.0, 500.0), True).is_pickup


@pytest.mark.parametrize("poll_s", [0.005, 0.1])
def test_a_slow_poll_finds_the_fault_late_and_never_trips_before_the_curve(poll_s: float) -> None:
    starts_s = 1.0 + 0.4 * poll_s
    found_s = first_trip_s(Settings(element()), lambda t_s: 5.0 if t_s >= starts_s else 0.0, poll_s)
    assert found_s is not None
    # The first sample that shows the fault comes 0.6 of a poll after it, and from there the curve runs.
    assert found_s - starts_s == pytest.approx(operate_s("IEC_SI", 0.1, 5.0) + 0.6 * poll_s, abs=1e-9)


def test_a_full_disk_does_not_trip_when_the_sample_that_would_tell_says_the_fault_is_gone() -> None:
    relay = Relay(Settings(element()))
    relay.step(0.0, (500.0, 0.0, 0.0, 0.0), True)
    relay.step(0.4, (500.0, 0.0, 0.0, 0.0), True)
    # At 0.428 s the disk is full, by a current that may have ended long before 0.5 s.
    assert not relay.step(0.5, (0.0, 0.0, 0.0, 0.0), True).is_trip


def test_over_a_long_silence_the_disk_stands_still() -> None:
    relay = Relay(Settings(element()), max_gap_s=0.5)
    relay.step(0.0, (500.0, 0.0, 0.0, 0.0), True)
    before = relay.step(0.2, (500.0, 0.0, 0.0, 0.0), True)
    after = relay.step(2.2, (500.0, 0.0, 0.0, 0.0), True)
    assert 0.0 < before.disk == after.disk
    assert not after.is_trip


def test_the_stand_in_imports_nothing_of_gridhil() -> None:
    names = ("__main__", "modbus_client", "modbus_server", "opcua_client", "opcua_server")
    code = (
        f"import sys\nfor n in {names!r}: __import__('examples.standin.' + n)\n"
        "print({m.partition('.')[0] for m in sys.modules} & "
        "{'rtcore', 'hil', 'protocols', 'estimation', 'forecasting'})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "set()"
