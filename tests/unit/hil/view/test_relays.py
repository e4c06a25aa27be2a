"""What a relay, its breaker and its recloser say, from their points."""

from __future__ import annotations

import pytest

from hil.view.model import Relay
from hil.view.reading import NOTHING, Reading
from hil.view.relays import (
    Level,
    breaker_state,
    first_target,
    group_of,
    recloser_state,
    relay_state,
    shots_of,
    targets,
)
from tests.support.console_models import RELAY, protection_model

MODEL = protection_model()
QUIET = {"IN_SERVICE": 1.0, "PICKUP": 0.0, "TRIP": 0.0, "LOCKED_OUT": 0.0, "BLOCKED": 0.0, "ALARM": 0.0,
         "TARGETS": 0.0}  # fmt: skip


def reader(values: dict[str, float], is_stale: bool = False):  # type: ignore[no-untyped-def]
    return lambda tag: Reading(values[tag], "Good", is_stale=is_stale) if tag in values else NOTHING


def relay_reader(is_stale: bool = False, **changes: float):  # type: ignore[no-untyped-def]
    return reader({f"R.{name}": value for name, value in (QUIET | changes).items()}, is_stale)


@pytest.mark.parametrize(
    ("changes", "word", "level"),
    [
        ({}, "in service", Level.GOOD),
        ({"TARGETS": 2.0}, "TARGET", Level.NOTE),
        ({"IN_SERVICE": 0.0}, "OUT OF SERVICE", Level.WARN),
        ({"PICKUP": 1.0, "TARGETS": 1.0}, "PICKUP", Level.WARN),
        ({"LOCKED_OUT": 1.0, "PICKUP": 1.0}, "LOCKOUT 86", Level.BAD),
        ({"TRIP": 1.0, "PICKUP": 1.0, "LOCKED_OUT": 1.0}, "TRIP", Level.BAD),
    ],
)
def test_a_relay_says_the_most_urgent_thing(changes: dict[str, float], word: str, level: Level) -> None:
    state = relay_state(RELAY, relay_reader(**changes))
    assert (state.word, state.level) == (word, level)


def test_what_was_true_before_the_link_went_has_a_question_mark() -> None:
    state = relay_state(RELAY, relay_reader(is_stale=True, PICKUP=1.0))
    assert (state.word, state.level) == ("PICKUP?", Level.UNKNOWN)


def test_a_relay_of_which_nothing_came_says_nothing() -> None:
    assert relay_state(RELAY, lambda _: NOTHING).word == "?"


@pytest.mark.parametrize(
    ("a", "b", "word"),
    [(1.0, 0.0, "CLOSED"), (0.0, 1.0, "OPEN"), (0.0, 0.0, "MOVING"), (1.0, 1.0, "FAULTY 52")],
)
def test_a_breaker_stands_where_both_contacts_say(a: float, b: float, word: str) -> None:
    assert breaker_state("B", reader({"B.ST_52A": a, "B.ST_52B": b})).word == word


def test_a_breaker_with_one_contact_unknown_stands_nobody_knows_where() -> None:
    assert breaker_state("B", reader({"B.ST_52A": 1.0})).word == "?"


def test_bits_of_targets_leave_out_direction_and_reclosing() -> None:
    assert targets(RELAY, MODEL, 0b11) == ("51P", "50BF")
    assert targets(RELAY, MODEL, 0b10) == ("50BF",)
    assert targets(RELAY, MODEL, None) == ()
    assert first_target(RELAY, MODEL, 2.0) == "50BF"
    assert first_target(RELAY, MODEL, 0.0) == ""


def test_beyond_the_last_group_the_last_one_is_in_force() -> None:
    element = RELAY.elements[1]
    assert group_of(element, 1.0) == "R_51P_G1"
    assert group_of(element, 2.0) == group_of(element, 4.0) == "R_51P_G2"
    assert group_of(element, None) == ""


INTERVALS = {"R_79_G1.OPEN_INTERVAL_1_S": 5.0, "R_79_G1.OPEN_INTERVAL_2_S": 15.0,
             "R_79_G1.OPEN_INTERVAL_3_S": 0.0, "R_79_G1.OPEN_INTERVAL_4_S": 30.0,
             "R_79_G1.RESET_S": 20.0, "R_79_G1.RESET_LOCKOUT_S": 6.0, "R.GROUP": 1.0}  # fmt: skip


def test_the_second_dead_time_is_that_after_the_first_shot() -> None:
    values = INTERVALS | {"R_79.SHOT": 1.0, "R_79.STATE": 1.0, "R_79.OPEN_TIMER_S": 3.0}
    shots = shots_of(RELAY, values.get)
    assert shots.text == "1/2"  # intervals after the first 0 do not count
    assert shots.open_s == (3.0, 15.0)
    assert shots.reset_s[1] == 20.0
    assert recloser_state(RELAY, reader(values)).word == "CYCLE"


def test_in_lockout_the_reclaim_time_is_that_of_lockout() -> None:
    values = INTERVALS | {"R_79.SHOT": 2.0, "R_79.STATE": 2.0, "R_79.RESET_TIMER_S": 1.0}
    assert shots_of(RELAY, values.get).reset_s == (1.0, 6.0)


def test_shots_that_are_not_known_are_not_made_up() -> None:
    assert shots_of(RELAY, {"R_79.SHOT": 1.0}.get).text == "-"
    bare = Relay("R", "B", "", "", ())
    assert shots_of(bare, {}.get).text == "-"
