"""Every defect of the stand-in shows its own effect on the whole behaviour, and no other."""

from __future__ import annotations

import pytest

from examples.standin.curves import operate_s
from examples.standin.defects import ALIVE_S, DEAD_S, DEFECTS, dead_for_s, spoilt
from examples.standin.relay import Relay, Settings
from tests.unit.examples.standin_rig import contact, element, shot_s

SOUND_SET = Settings(element(), ground=element(pickup_a=20.0))
RISE = (0.0, True)


def pickup_level(defect: str | None) -> float:
    """Return the least multiple, in steps of 1 %, at which the relay picks up."""
    relay = Relay(spoilt(Settings(element()), defect))
    for percent in range(90, 120):
        if relay.step(percent * 0.01, (percent + 0.5, 0.0, 0.0, 0.0), True).is_pickup:
            return percent / 100
    raise AssertionError("no pickup")


def second_trip_s(defect: str | None) -> float:
    """Return the time to trip at M = 5 after a fault that took half the disk and a second without current."""
    relay = Relay(spoilt(Settings(element(tms=1.0)), defect))
    half_s, t_s = operate_s("IEC_SI", 1.0, 5.0) / 2, 0.0
    while t_s < 20.0:
        m = 5.0 if t_s < half_s or t_s >= half_s + 1.0 else 0.0
        out = relay.step(t_s, (m * 100.0, 0.0, 0.0, 0.0), True)
        if out.is_trip:
            return out.trip_at_s - half_s - 1.0
        t_s += 0.001
    raise AssertionError("no trip")


def behaviour(defect: str | None) -> dict[str, object]:
    times = {m: shot_s(m, defect) for m in (2.0, 5.0, 20.0)}
    sound = {m: operate_s("IEC_SI", 0.1, m) for m in times}
    return {
        "times": {m: round(t / sound[m], 3) if t else None for m, t in times.items()},
        "pickup": pickup_level(defect),
        "second": round(second_trip_s(defect) / operate_s("IEC_SI", 1.0, 5.0), 2),
        "contact": contact(defect, 0.15),
        "dead": dead_for_s(defect, ALIVE_S + 0.5) > 0,
    }


SOUND = behaviour(None)


def test_a_sound_relay_keeps_its_times_its_pickup_and_one_steady_trip() -> None:
    assert SOUND == {
        "times": {2.0: 1.0, 5.0: 1.0, 20.0: 1.0},
        "pickup": 1.0,
        "second": 1.0,
        "contact": [RISE, (0.15, False)],
        "dead": False,
    }


@pytest.mark.parametrize(
    ("defect", "differs"),
    [
        # The fault in the disk's time also shows in the second trip, which is a time.
        ("slow10", {"times", "second"}),
        ("wrong_curve", {"times", "second"}),
        # 5 % in the pickup is 5 % in M: the times follow.
        ("pickup5", {"pickup", "times", "second"}),
        ("no_reset", {"second"}),
        ("chatter", {"contact"}),
        ("double_command", {"contact"}),
        ("dead2s", {"dead"}),
    ],
)
def test_a_defect_changes_what_it_names_and_nothing_else(defect: str, differs: set[str]) -> None:
    found = behaviour(defect)
    assert {key for key in SOUND if found[key] != SOUND[key]} == differs


def test_every_defect_is_tested_and_explained() -> None:
    assert set(DEFECTS) == {
        *("slow10", "wrong_curve", "pickup5", "no_reset", "chatter", "dead2s", "double_command")
    }


def test_slow10_takes_ten_percent_longer_everywhere() -> None:
    assert behaviour("slow10")["times"] == {2.0: 1.1, 5.0: 1.1, 20.0: 1.1}


def test_wrong_curve_is_very_inverse_where_standard_inverse_is_set() -> None:
    for m in (2.0, 5.0, 20.0):
        # Interpolated: rounding is all there is.
        assert shot_s(m, "wrong_curve") == pytest.approx(operate_s("IEC_VI", 0.1, m), abs=1e-9)


def test_pickup5_picks_up_at_105_percent() -> None:
    # 104.5 % is not enough and 105.5 % is.
    assert behaviour("pickup5")["pickup"] == 1.05


def test_no_reset_goes_on_where_the_last_fault_left_off() -> None:
    # Half a disk is left to turn.
    assert behaviour("no_reset")["second"] == 0.5


def test_chatter_gives_many_trips_and_double_command_two() -> None:
    assert [on for _, on in contact("double_command", 0.15)] == [True, False, True, False]
    rises = [t_s for t_s, on in contact("chatter", 0.01) if on]
    assert len(rises) == 8
    assert rises[-1] < 0.3


def test_a_slow_scan_stretches_the_second_command_and_does_not_lose_it() -> None:
    assert [on for _, on in contact("double_command", 0.01, step_s=0.1)] == [True, False, True, False]


def test_dead2s_is_alive_for_three_seconds_and_dead_for_two_over_and_over() -> None:
    assert dead_for_s("dead2s", 0.0) == dead_for_s("dead2s", ALIVE_S - 0.01) == 0.0
    assert dead_for_s("dead2s", ALIVE_S) == DEAD_S
    assert dead_for_s("dead2s", ALIVE_S + 0.5) == pytest.approx(DEAD_S - 0.5)
    assert dead_for_s("dead2s", ALIVE_S + DEAD_S) == 0.0
    assert dead_for_s("dead2s", 2 * (ALIVE_S + DEAD_S) - 0.1) == pytest.approx(0.1)


def test_a_defect_reaches_every_element() -> None:
    found = spoilt(SOUND_SET, "pickup5")
    assert found.ground is not None
    assert found.ground.pickup_a == pytest.approx(21.0)
    assert spoilt(SOUND_SET, None) == SOUND_SET
