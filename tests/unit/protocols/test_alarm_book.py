"""How alarms stand: what came and went stays until somebody has seen it."""

from __future__ import annotations

import json

import pytest

from protocols.alarm_book import Alarm, AlarmBook

TRIP, FAILED, LOW = "A.R.TRIP", "A.CB.CIRCUIT", "A.T.WARM"


def book() -> AlarmBook:
    return AlarmBook(
        [
            Alarm(tag=LOW, text="warm", severity="low", on=1, states=("NORMAL", "ALARM")),
            Alarm(tag=TRIP, text="relay trip", severity="high", on=1, states=("OFF", "TRIPPED")),
            Alarm(tag=FAILED, text="trip circuit", severity="high", on=0, states=("FAILED", "HEALTHY")),
        ]
    )


def states(found: AlarmBook) -> dict[str, str]:
    return {row["tag"]: row["state"] for row in found.rows()}


def acknowledge(found: AlarmBook, *tags: str) -> int:
    return found.acknowledge(found.unacknowledged(tags), "ann", "seen", 99)


def test_an_alarm_goes_through_all_its_states() -> None:
    b = book()
    b.take(TRIP, 0.0, 1)
    assert b.rows() == []
    b.take(TRIP, 1.0, 2)
    assert states(b) == {TRIP: "unack_active"}
    assert acknowledge(b, TRIP) == 1
    assert states(b) == {TRIP: "ack_active"}
    (row,) = b.rows()
    assert (row["acked_by"], row["acked_utc_ns"], row["comment"]) == ("ann", 99, "seen")
    b.take(TRIP, 0.0, 3)
    assert b.rows() == []


def test_one_that_came_and_went_unseen_stays_until_it_is_acknowledged() -> None:
    b = book()
    b.take(TRIP, 1.0, 2)
    b.take(TRIP, 0.0, 3)
    (row,) = b.rows()
    assert (row["state"], row["shown"], row["since_utc_ns"], row["changed_utc_ns"]) == (
        "unack_cleared", "OFF", 2, 3,
    )  # fmt: skip
    assert acknowledge(b) == 1
    assert b.rows() == []


def test_an_alarm_that_comes_again_and_again_is_counted() -> None:
    b = book()
    for k in range(6):
        b.take(TRIP, float(k % 2 == 0), k)
    (row,) = b.rows()
    assert (row["count"], row["state"], row["since_utc_ns"]) == (3, "unack_cleared", 0)


def test_the_value_that_is_the_alarm_may_be_0() -> None:
    b = book()
    b.take(FAILED, 0.0, 5)
    (row,) = b.rows()
    assert (row["state"], row["shown"]) == ("unack_active", "FAILED")


def test_what_does_not_change_changes_nothing() -> None:
    b = book()
    b.take(TRIP, 1.0, 1)
    before = b.number, b.rows()
    b.take(TRIP, 1.0, 2)
    b.take("no.alarm", 1.0, 3)
    assert (b.number, b.rows()) == before


def test_what_changed_after_it_was_seen_is_not_acknowledged() -> None:
    b = book()
    b.take(TRIP, 1.0, 1)
    seen = b.unacknowledged()
    b.take(TRIP, 0.0, 2)
    b.take(TRIP, 1.0, 3)
    assert b.acknowledge(seen, "ann", "", 9) == 0
    assert states(b) == {TRIP: "unack_active"}


def test_the_severest_stand_first_and_the_newest_of_them_before_others() -> None:
    b = book()
    b.take(LOW, 1.0, 9)
    b.take(TRIP, 1.0, 1)
    b.take(FAILED, 0.0, 2)
    assert [r["tag"] for r in b.rows()] == [FAILED, TRIP, LOW]
    assert json.loads(b.json()) == b.rows()


def test_the_text_is_made_anew_only_where_something_changed() -> None:
    b = book()
    b.take(TRIP, 1.0, 1)
    assert b.json() is b.json()
    acknowledge(b)
    assert json.loads(b.json())[0]["state"] == "ack_active"


def test_a_book_goes_on_where_an_earlier_one_ended() -> None:
    old, new = book(), book()
    old.take(TRIP, 1.0, 1)
    acknowledge(old)
    old.take(LOW, 1.0, 2)
    new.restore(json.loads(json.dumps(old.state())))
    assert new.rows() == old.rows()
    new.take(LOW, 0.0, 7)  # it went while nobody looked
    assert states(new) == {TRIP: "ack_active", LOW: "unack_cleared"}


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"entries": []},
        {"entries": {TRIP: 3}},
        {"entries": {TRIP: {"state": "unack_active"}}},
        {"entries": {TRIP: {"state": "odd", "since_utc_ns": 1, "changed_utc_ns": 1}}},
        {"entries": {TRIP: {"state": "ack_active", "since_utc_ns": "1", "changed_utc_ns": 1}}},
        {"entries": {TRIP: {"state": "ack_active", "since_utc_ns": 1, "changed_utc_ns": 1, "comment": 5}}},
    ],
)
def test_a_damaged_state_is_refused_and_nothing_of_it_is_taken(state: dict[str, object]) -> None:
    b = book()
    b.take(LOW, 1.0, 1)
    with pytest.raises((ValueError, TypeError, KeyError, AttributeError)):
        b.restore(state)
    assert states(b) == {LOW: "unack_active"}


def test_what_is_no_alarm_any_more_is_left_out() -> None:
    old = book()
    old.take(TRIP, 1.0, 1)
    new = AlarmBook([Alarm(tag=LOW, text="", severity="low", on=1, states=("a", "b"))])
    new.restore(old.state())
    assert new.rows() == []
