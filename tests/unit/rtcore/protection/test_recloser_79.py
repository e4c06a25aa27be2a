"""Reclosing: initiation, supervision, lockout, reset, sequence coordination, commands, any sequence."""

from __future__ import annotations

import math

import pytest

from rtcore.component import REGISTRY, ParameterError
from rtcore.protection import recloser_79 as k79
from rtcore.protection.recloser_79 import CYCLE, LOCKOUT, RESET, Recloser79, shot_allows
from tests.support import recloser_rig as model
from tests.support.recloser_rig import Line

EXACT_S = 1e-8
"""Instants are exact within the step; timers may round by 1e-9 each, and there are less than ten."""

SHORT = {"open_interval_1_s": 0.3, "open_interval_2_s": 0.5, "open_interval_3_s": 0.7, "reset_s": 3.0}
SHORT |= {"reset_lockout_s": 1.0}


def line(**more: float) -> Line:
    """Return a line with short intervals and a trip 0.1 s after the fault."""
    rig = Line(**{**SHORT, **more})
    rig.trip_time = lambda shot: 0.1
    return rig


def tripped(**more: float) -> Line:
    """Return a line in its first open interval, the fault gone."""
    rig = line(**more)
    rig.faults = [(0.0, 0.12)]
    rig.run_to(0.2)
    assert (rig.state, rig.phase, rig.mechanism) == (CYCLE, k79.TIMING, model.OPEN)
    return rig


def locked_out(rig: Line, reason: float) -> bool:
    assert (rig.is_reset, rig.is_cycle, rig.is_lockout) == (0.0, 0.0, 1.0)
    assert rig.lockout_reason == reason
    before = rig.recloses
    rig.run(2.0)
    return rig.recloses == before


# ------------------------------------------------------------------ settings, power-up


@pytest.mark.parametrize(
    ("intervals", "shots"),
    [((0, 1, 1, 1), 0), ((1, 0, 1, 1), 1), ((1, 1, 0, 1), 2), ((1, 1, 1, 0), 3), ((1, 1, 1, 1), 4)],
)
def test_the_shots_are_the_open_intervals_before_the_first_zero(
    intervals: tuple[int, ...], shots: int
) -> None:
    given_s = {f"open_interval_{k + 1}_s": 0.2 * on for k, on in enumerate(intervals)}
    rig = line(**given_s)
    rig.faults = [(0.0, 1e9)]
    rig.run_to(3.0)
    assert len(rig.times("close")) == shots
    assert len(rig.times("trip")) == shots + 1
    assert rig.state == LOCKOUT


def test_without_an_open_interval_or_out_of_service_it_stands_in_lockout() -> None:
    for rig in (line(open_interval_1_s=0.0), line(is_enabled=0.0)):
        rig.run_to(3.0)
        assert (rig.state, rig.recloses) == (LOCKOUT, 0.0)


def test_settings_have_limits() -> None:
    with pytest.raises(ParameterError, match="reset_s"):
        Recloser79(reset_s=0.0)
    names = REGISTRY["recloser_79_settings"].state_dtype.names or ()
    assert {"open_interval_1_s_sp", "close_wait_s_sp", "sequence_s_sp"} <= set(names)


@pytest.mark.parametrize("is_closed", [True, False])
def test_it_powers_up_in_lockout_and_resets_when_closed_for_its_time(is_closed: bool) -> None:
    rig = Line(is_settled=False, is_closed=is_closed, **SHORT)
    assert (rig.state, rig.lockout_reason, rig.shot) == (LOCKOUT, k79.POWER_UP, 3.0)
    rig.run_to(2.0)
    assert rig.times("reset") == pytest.approx([1.0] if is_closed else [], abs=EXACT_S)
    assert rig.shot == (0.0 if is_closed else 3.0)


def test_a_settled_plant_begins_in_reset_where_its_breaker_is_closed() -> None:
    assert line().state == RESET
    rig = Line(is_closed=False, **SHORT)
    assert rig.state == LOCKOUT
    rig.run(1.0)
    assert rig.recloses == 0.0


def test_a_mask_names_the_shots_that_an_element_may_use() -> None:
    assert [shot_allows(3.0, k) for k in range(5)] == [1.0, 1.0, 0.0, 0.0, 0.0]
    assert [shot_allows(16.0, k) for k in range(5)] == [0.0, 0.0, 0.0, 0.0, 1.0]
    assert [shot_allows(31.0, float(k)) for k in range(5)] == [1.0] * 5
    for mask, shot in [
        (math.nan, 0.0),
        (31.0, math.nan),
        (-1.0, 0.0),
        (32.0, 0.0),
        (31.0, 5.0),
        (31.0, -1.0),
    ]:
        assert shot_allows(mask, shot) == 0.0


# ------------------------------------------------------------------ close supervision and failure


def test_a_single_look_without_permission_locks_out_at_the_end_of_the_interval() -> None:
    rig = tripped()
    rig.permitted[:] = 0.0
    rig.run(1.0)
    assert rig.times("lockout") == pytest.approx([0.15 + 0.3], abs=EXACT_S)
    assert locked_out(rig, k79.NOT_PERMITTED)


def test_it_waits_for_the_permission_no_longer_than_its_limit() -> None:
    rig = tripped(close_wait_s=0.4)
    rig.permitted[:] = 0.0
    rig.run_to(0.7)
    assert (rig.state, rig.phase, rig.recloses) == (CYCLE, k79.WAITING, 0.0)
    rig.permitted[:] = 1.0
    rig.run_to(0.8)
    assert rig.times("close") == pytest.approx([0.701], abs=EXACT_S)  # seen at the end of the next step
    late = tripped(close_wait_s=0.4)
    late.permitted[:] = 0.0
    late.run_to(3.0)
    assert late.times("lockout") == pytest.approx([0.15 + 0.3 + 0.4], abs=EXACT_S)
    assert late.lockout_reason == k79.NOT_PERMITTED


def test_a_breaker_that_refuses_for_instance_with_its_spring_not_charged_is_a_close_failure() -> None:
    rig = tripped(close_fail_s=0.5)
    rig.refuses = True
    rig.run_to(0.9)
    assert rig.is_closing == 1.0
    rig.run_to(1.5)
    assert rig.times("lockout") == pytest.approx([0.45 + 0.5], abs=EXACT_S)
    assert (rig.recloses, rig.is_closing) == (1.0, 0.0)  # asked once only
    rig.refuses = False
    assert locked_out(rig, k79.CLOSE_FAILED)


def test_a_trip_while_it_closes_goes_on_with_the_next_interval() -> None:
    rig = tripped()
    rig.run_to(0.47)
    assert rig.mechanism == model.CLOSING
    rig._flow = lambda moved_s: rig.dt_s  # type: ignore[method-assign]  # the trip is none of the model's
    rig.trip[:] = 1.0
    rig.step()
    rig.open_by_hand()  # the breaker is trip-free
    rig.step()
    rig.trip[:] = 0.0
    rig.run_to(0.55)
    assert (rig.state, rig.phase, rig.shot, rig.mechanism) == (CYCLE, k79.TIMING, 1.0, model.OPEN)
    assert rig.times("closed") == []


# ------------------------------------------------------------------ lockout


def test_a_trip_by_hand_or_from_elsewhere_is_not_reclosed() -> None:
    rig = line()
    rig.open_by_hand()
    rig.run(0.2)
    assert rig.times("lockout") == rig.times("open") == pytest.approx([0.05], abs=EXACT_S)
    assert rig.shot == 3.0
    assert locked_out(rig, k79.EXTERNAL_OPENING)


def test_an_opening_by_hand_during_the_reset_time_locks_out() -> None:
    rig = tripped()
    rig.run_to(1.0)
    assert (rig.state, rig.mechanism) == (CYCLE, model.CLOSED)
    rig.open_by_hand()
    rig.run(0.1)
    assert locked_out(rig, k79.EXTERNAL_OPENING)


def test_closing_by_hand_from_lockout_resets_after_its_own_time() -> None:
    rig = line()
    rig.open_by_hand()
    rig.run_to(0.5)
    rig.close_by_hand()
    rig.run_to(3.0)
    assert rig.times("reset") == pytest.approx([0.56 + 1.0], abs=EXACT_S)
    assert (rig.state, rig.shot) == (RESET, 0.0)
    assert rig.lockout_reason == k79.EXTERNAL_OPENING  # the last one is kept


def test_closing_by_hand_onto_a_fault_trips_and_stays_in_lockout() -> None:
    rig = line()
    rig.open_by_hand()
    rig.run_to(0.5)
    rig.faults = [(0.4, 1e9)]
    rig.close_by_hand()
    rig.run_to(4.0)
    assert rig.times("trip") == pytest.approx([0.56 + 0.1], abs=EXACT_S)
    assert (rig.state, rig.mechanism, rig.recloses) == (LOCKOUT, model.OPEN, 0.0)
    assert rig.times("reset") == []


def test_closing_by_hand_in_an_open_interval_ends_the_cycle_in_lockout() -> None:
    rig = tripped()
    rig.faults = [(0.3, 1e9)]
    rig.close_by_hand()
    rig.run_to(4.0)
    assert rig.times("lockout") == rig.times("closed") == pytest.approx([0.26], abs=EXACT_S)
    assert (rig.state, rig.mechanism, rig.recloses) == (LOCKOUT, model.OPEN, 0.0)
    assert len(rig.times("trip")) == 2


def test_told_to_trip_in_an_open_interval_it_does_not_close_again() -> None:
    rig = tripped()
    rig.told[:] = 1.0
    rig.run(10.0)
    assert locked_out(rig, k79.EXTERNAL_OPENING)
    assert rig.recloses == 0.0


def test_told_to_trip_while_the_relay_s_trip_opens_the_breaker_it_does_not_close_again() -> None:
    rig = line()
    rig.faults = [(0.0, 1e9)]
    rig.run_to(0.11)  # the relay has tripped at 0.1 s, the breaker travels
    assert (rig.state, rig.phase) == (k79.CYCLE, k79.TRIPPED)
    rig.told[:] = 1.0
    rig.run(10.0)
    assert locked_out(rig, k79.EXTERNAL_OPENING)
    assert rig.recloses == 0.0


def test_told_to_trip_a_closed_breaker_it_locks_out_when_that_opens() -> None:
    rig = line()
    rig.run_to(0.1)
    rig.told[:] = 1.0
    rig.open_by_hand()
    rig.run_to(1.0)
    assert rig.times("lockout") == rig.times("open")


def test_a_trip_that_comes_while_the_breaker_stands_open_locks_out() -> None:
    rig = tripped()
    rig.trip[:], rig.trip_ago_s[:], rig.pickup[:] = 1.0, 0.0, 0.0
    rig._flow = lambda moved_s: rig.dt_s  # type: ignore[method-assign]  # the trip is none of the model's
    rig.step()
    assert locked_out(rig, k79.TRIP_WHILE_OPEN)


def test_a_trip_without_52a_outside_a_cycle_is_not_supervised() -> None:
    rig = line()
    rig.faults = [(0.0, 1e9)]
    rig.run_to(0.08)
    rig.open_by_hand()
    rig.run_to(0.11)  # travels when the relay trips
    assert (rig.times("trip"), rig.state) == (pytest.approx([0.1], abs=EXACT_S), LOCKOUT)
    assert locked_out(rig, k79.NOT_SUPERVISED)


def test_a_breaker_that_does_not_open_is_forgotten_when_the_fault_is_gone() -> None:
    rig = line()
    rig.is_stuck, rig.faults = True, [(0.0, 0.5)]
    rig.run_to(5.0)
    assert rig.times("cycle") == pytest.approx([0.1], abs=EXACT_S)
    assert rig.times("reset") == pytest.approx([0.5 + 3.0], abs=EXACT_S)
    assert (rig.recloses, rig.shot) == (0.0, 0.0)


@pytest.mark.parametrize("when", ["closed", "open"])
def test_a_hot_line_tag_blocks_every_automatic_close_and_a_trip_locks_out(when: str) -> None:
    rig = line() if when == "closed" else tripped()
    rig.s["is_hot_line_sp"] = 1.0
    if when == "closed":
        rig.run(0.5)
        assert rig.state == RESET  # a tag alone changes nothing
        rig.faults = [(rig.t, 1e9)]
    rig.run(0.5)
    assert rig.times("lockout") == pytest.approx([0.65] if when == "closed" else [0.2], abs=EXACT_S)
    assert locked_out(rig, k79.TAGGED)


def test_a_tag_of_the_breaker_forbids_closing_like_the_hot_line_tag() -> None:
    rig = tripped()
    rig.breaker["is_tagged_sp"] = 1.0
    rig.step()
    assert locked_out(rig, k79.TAGGED)


def test_out_of_service_it_never_closes_and_back_it_resets_first() -> None:
    rig = tripped()
    rig.s["is_enabled_sp"] = 0.0
    rig.step()
    assert locked_out(rig, k79.DISABLED)
    rig.close_by_hand()
    rig.run(3.0)
    assert rig.state == LOCKOUT  # closed for longer than the reset time
    rig.s["is_enabled_sp"] = 1.0
    since = rig.t
    rig.run(2.0)
    assert rig.times("reset") == pytest.approx([since + 1.0], abs=EXACT_S)


def test_the_relay_drives_to_lockout_and_holds_it_there() -> None:
    rig = line()
    rig.driven[:] = 1.0
    rig.run(3.0)
    assert (rig.state, rig.lockout_reason, rig.times("reset")) == (LOCKOUT, k79.DRIVEN, [])
    rig.driven[:] = 0.0
    since = rig.t
    rig.run(1.5)
    assert rig.times("reset") == pytest.approx([since + 1.0], abs=EXACT_S)


def test_the_operator_drives_an_open_interval_to_lockout() -> None:
    rig = tripped()
    rig.s["drive_lockout"] = 1.0
    rig.step()
    assert rig.drive_lockout == 0.0
    assert locked_out(rig, k79.DRIVEN)


# ------------------------------------------------------------------ shots by command, settings


def test_a_skipped_shot_takes_the_next_interval_from_its_beginning() -> None:
    rig = tripped()
    rig.s["skip_shot"] = 1.0
    rig.step()
    assert (rig.shot, rig.phase, rig.skip_shot) == (1.0, k79.TIMING, 0.0)
    rig.run_to(2.0)
    assert rig.times("close") == pytest.approx([0.2 + 0.5], abs=EXACT_S)  # from the command
    assert rig.shot == 2.0


def test_the_last_shot_by_command_locks_out_an_open_breaker_and_lets_a_closed_one_trip_once() -> None:
    rig = tripped()
    rig.s["drive_last_shot"] = 1.0
    rig.step()
    assert locked_out(rig, k79.LAST_SHOT)
    closed = line()
    closed.s["drive_last_shot"] = 1.0
    closed.faults = [(0.2, 1e9)]
    closed.run_to(2.0)
    assert (len(closed.times("trip")), closed.recloses, closed.state) == (1, 0.0, LOCKOUT)


def test_a_shot_skipped_at_rest_is_forgotten_after_the_reset_time() -> None:
    rig = line()
    rig.s["skip_shot"] = 1.0
    rig.step()
    assert (rig.state, rig.shot) == (RESET, 1.0)
    rig.run_to(4.0)
    assert rig.times("shot 0") == pytest.approx([3.0], abs=EXACT_S)


def test_changed_settings_put_the_counter_on_the_last_shot_for_the_reset_time_from_lockout() -> None:
    rig = line()
    rig.p["open_interval_4_s"] = 0.9
    rig.step()
    assert (rig.state, rig.shot) == (RESET, 4.0)
    rig.run_to(2.0)
    assert rig.times("shot 0") == pytest.approx([1.0], abs=EXACT_S)
    opened = tripped()
    opened.p["open_interval_1_s"] = 0.4
    opened.step()
    assert locked_out(opened, k79.SETTINGS_CHANGED)


# ------------------------------------------------------------------ reset timer, stall


def test_the_reset_timer_starts_anew_after_a_pickup() -> None:
    rig = tripped()
    rig.faults.append((1.5, 1.58))  # picked up, too short for a trip
    rig.run_to(6.0)
    assert rig.times("reset") == pytest.approx([1.58 + 3.0], abs=EXACT_S)
    assert len(rig.times("trip")) == 1


@pytest.mark.parametrize("ago_s", [0.0, 0.4e-3, -1.0])
def test_the_open_interval_stands_still_until_the_trip_has_dropped(ago_s: float) -> None:
    """A negative ago stands for the network's change; here that is the beginning of the step."""
    rig = line()
    rig.faults = [(0.0, 1e9)]
    rig.run_to(0.11)
    rig.faults = []
    held = rig._flow

    def flow(moved_s: float) -> float:
        rig.trip[:] = 0.0
        change_s = held(moved_s)
        rig.trip[:], rig.trip_ago_s[:] = float(rig.n <= 400), ago_s
        return change_s

    rig._flow = flow  # type: ignore[method-assign]
    rig.run_to(1.0)
    dropped_s = 0.401 - (rig.dt_s if ago_s < 0.0 else ago_s)
    assert rig.times("close") == pytest.approx([dropped_s + 0.3], abs=EXACT_S)


# ------------------------------------------------------------------ sequence coordination


def watcher(*pickups: tuple[float, float], **more: float) -> Line:
    """Return an upstream recloser that sees pickups and never trips."""
    rig = line(is_sequence_coordinated=1.0, **more)
    rig.trip_time = lambda shot: 1e9
    rig.faults = list(pickups)
    return rig


def test_the_upstream_shot_follows_a_downstream_recloser_without_a_trip() -> None:
    rig = watcher(*((k, k + 0.2) for k in range(6)))
    rig.run_to(9.0)
    assert [rig.times(f"shot {k}") for k in range(1, 6)] == [
        *([pytest.approx(k + 0.2, abs=EXACT_S)] for k in range(4)),
        [],  # at most 4, beyond the last shot 3
    ]
    assert rig.times("shot 0") == pytest.approx([5.2 + 3.0], abs=EXACT_S)  # reloaded at every pickup
    assert (rig.cycles, rig.lockouts, rig.recloses) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(("lasts_s", "counts"), [(1.25 / 60 - 1e-4, 0), (1.25 / 60 + 1e-4, 1)])
def test_a_pickup_counts_from_one_and_a_quarter_cycles(lasts_s: float, counts: int) -> None:
    rig = watcher((0.1, 0.1 + lasts_s))
    rig.run_to(0.2)
    assert rig.shot == counts


def test_without_the_setting_or_with_a_trip_a_pickup_does_not_count() -> None:
    rig = watcher((0.1, 0.3))
    rig.p["is_sequence_coordinated"] = 0.0
    rig.s["settings_key"] = k79.settings_key(rig.p, 0)
    rig.run_to(0.5)
    assert rig.shot == 0.0
    own = line(is_sequence_coordinated=1.0)
    own.faults = [(0.0, 0.12)]
    own.run_to(0.2)
    assert (own.shot, own.state) == (0.0, CYCLE)


def test_a_line_whose_shot_went_past_the_last_trips_into_lockout() -> None:
    rig = watcher(*((k, k + 0.2) for k in range(4)))
    rig.run_to(3.5)
    assert (rig.shot, rig.state) == (4.0, RESET)
    rig.trip_time = lambda shot: 0.1
    rig.faults = [(3.6, 1e9)]
    rig.run_to(5.0)
    assert (rig.state, rig.recloses, rig.lockout_reason) == (LOCKOUT, 0.0, k79.LAST_SHOT)
