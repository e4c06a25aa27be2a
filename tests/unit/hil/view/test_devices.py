"""What can be operated on a device, and what visibly stands in the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from hil.view import devices
from hil.view.reading import Reading
from tests.support.console_models import model_of, point

BREAKER = "F.CB"
ROWS = (
    ("ST_52A", "status", "is_52a", ("OPEN", "CLOSED"), "observer"),
    ("TRIP", "control", "trip", None, "operator"),
    ("CLOSE", "control", "close", None, "operator"),
    ("REMOTE", "setpoint", "is_remote_sp", ("LOCAL", "REMOTE"), "operator"),
    ("TAG", "setpoint", "is_tagged_sp", ("OFF", "TAGGED"), "operator"),
    ("SPRING", "status", "is_spring_charged", ("DISCHARGED", "CHARGED"), "observer"),
    ("LOCKED_OUT", "status", "is_locked_out", ("NO", "YES"), "observer"),
    ("OWN", "setpoint", "own_sp", None, "station"),
    ("IA", "analog", "i1_a", None, "observer"),
)


BREAKER_POINTS = [
    point(
        f"{BREAKER}.{name}", "breaker", kind=kind, attr=attr, states=states, role=role, unit="V",
        minimum=0.5, maximum=20.0,
    )
    for name, kind, attr, states, role in ROWS
]  # fmt: skip
FAULT = point("LAB.FAULT_1.APPLY", "fault", kind="control", role="instructor")
MODEL = model_of(*BREAKER_POINTS, FAULT)


def reader(values: Mapping[str, float], *, is_stale: bool = False) -> Callable[[str], Reading]:
    usual = {"ST_52A": 1.0, "REMOTE": 1.0, "TAG": 0.0, "SPRING": 1.0, "LOCKED_OUT": 0.0}
    known = {f"{BREAKER}.{n}": v for n, v in usual.items()} | dict(values)
    return lambda tag: Reading(known[tag], "Good", is_stale=is_stale) if tag in known else Reading()


def test_controls_come_before_setpoints_and_the_stations_own_are_left_out() -> None:
    found = [p.name for p in devices.operations(MODEL, BREAKER)]
    assert found == ["TRIP", "CLOSE", "REMOTE", "TAG"]
    assert devices.operable(MODEL) == (BREAKER, "LAB.FAULT_1")


def test_position_and_locks_stand_first_among_states() -> None:
    found = [p.name for p in devices.state_points(MODEL, BREAKER)]
    assert found[0] == "ST_52A"
    assert found[-1] == "IA"
    assert "OWN" not in found
    assert "TRIP" not in found


@pytest.mark.parametrize(
    ("command", "values", "words"),
    [
        ("TRIP", {f"{BREAKER}.REMOTE": 0.0}, "LOCAL"),
        ("TRIP", {f"{BREAKER}.ST_52A": 0.0}, "open already"),
        ("CLOSE", {f"{BREAKER}.ST_52A": 0.0, f"{BREAKER}.TAG": 1.0}, "tagged out"),
        ("CLOSE", {f"{BREAKER}.ST_52A": 0.0, f"{BREAKER}.LOCKED_OUT": 1.0}, "locked out"),
        ("CLOSE", {f"{BREAKER}.ST_52A": 0.0, f"{BREAKER}.SPRING": 0.0}, "spring is not charged"),
        ("CLOSE", {}, "closed already"),
    ],
)
def test_what_stands_in_the_way_is_said(command: str, values: dict[str, float], words: str) -> None:
    (found,) = devices.hindrances(MODEL, MODEL.points[f"{BREAKER}.{command}"], reader(values))
    assert words in found


def test_a_tag_does_not_keep_a_breaker_from_tripping_and_can_be_taken_off_in_local() -> None:
    held = reader({f"{BREAKER}.TAG": 1.0, f"{BREAKER}.REMOTE": 0.0})
    assert devices.hindrances(MODEL, MODEL.points[f"{BREAKER}.TAG"], held) == []
    assert devices.hindrances(MODEL, MODEL.points[f"{BREAKER}.TRIP"], reader({f"{BREAKER}.TAG": 1.0})) == []


def test_what_is_stale_is_no_reason() -> None:
    stale = reader({f"{BREAKER}.REMOTE": 0.0}, is_stale=True)
    assert devices.hindrances(MODEL, MODEL.points[f"{BREAKER}.TRIP"], stale) == []


def test_a_fault_needs_the_laboratory_armed() -> None:
    assert devices.hindrances(MODEL, FAULT, reader({devices.ARMED: 0.0})) == ["the laboratory is not armed"]
    assert devices.hindrances(MODEL, FAULT, reader({devices.ARMED: 1.0})) == []
    assert devices.ARMED in devices.needs(MODEL, "LAB.FAULT_1")


def test_a_value_that_is_there_already_is_known_and_stands_in_nobodys_way() -> None:
    tag = MODEL.points[f"{BREAKER}.TAG"]
    assert devices.has_value(tag, reader({}), 0.0)
    assert not devices.has_value(tag, reader({}), 1.0)
    assert devices.hindrances(MODEL, tag, reader({})) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [("", ""), ("12", ""), ("1,5", ""), ("0.5", ""), ("99", "outside 0.5 to 20 V"), ("nan", "outside"),
     ("inf", "outside"), ("a lot", "a number is wanted")],
)  # fmt: skip
def test_a_typed_value_is_judged_in_words(text: str, words: str) -> None:
    assert devices.problem_of_value(MODEL.points[f"{BREAKER}.OWN"], text).startswith(words)


def test_the_effect_of_a_trip_is_an_open_52a() -> None:
    assert devices.effect(MODEL, MODEL.points[f"{BREAKER}.TRIP"]) == (f"{BREAKER}.ST_52A", 0.0)
    assert devices.effect(MODEL, FAULT) is None, "this slot has no point that shows it"


def test_a_part_without_commands_is_operated_as_the_whole_that_has_them() -> None:
    model = model_of(
        point("F.R_CB_50BF.TRIPPED", "breaker_failure_50bf", kind="status", states=("NO", "YES")),
        point("F.R_CB.RESET_LOCKOUT", "relay", kind="control", attr="reset_lockout"),
        point("SUB.LOOP.LATE", "loop"),
    )
    assert devices.whole(model, "F.R_CB_50BF") == "F.R_CB"
    assert devices.whole(model, "F.R_CB") == "F.R_CB"
    assert devices.whole(model, "SUB.LOOP") == "SUB.LOOP", "nothing of it takes commands"


def test_a_tap_and_a_settings_group_are_read_back_where_they_are_and_other_setpoints_from_themselves() -> (
    None
):
    model = model_of(
        point("R.TAP_SP", "regulator", kind="setpoint", attr="tap_sp"),
        point("R.TAP", "regulator", attr="tap"),
        point("Q.GROUP_SP", "relay", kind="setpoint", attr="group_sp"),
        point("V.V_SP", "avr", kind="setpoint", attr="v_sp"),
        point("V.V", "avr", attr="v"),
    )
    assert devices.effect(model, model.points["R.TAP_SP"], 6.0) == ("R.TAP", 6.0)
    assert devices.effect(model, model.points["Q.GROUP_SP"], 2.0) == ("Q.GROUP_SP", 2.0), "nothing shows it"
    assert devices.effect(model, model.points["V.V_SP"], 121.0) == ("V.V_SP", 121.0)
    assert devices.problem_of_value(model.points["R.TAP_SP"], "0.5") == "a whole number is wanted"


def test_what_is_read_back_may_be_rounded_to_a_float32() -> None:
    assert devices.is_same(0.1, 0.10000000149011612)
    assert not devices.is_same(0.1, 0.1001)
