"""Verdicts of the selectivity sweep on made-up sequences of events."""

from __future__ import annotations

import dataclasses as dc

import pytest

from hil import selectivity_judge as sj
from hil.selectivity_cases import FAILURE, PERMANENT, TEMPORARY, Case, Expected
from hil.selectivity_judge import EXEMPT, RIGHT, WRONG, Event, judge

RECLOSER = Expected("rcl", "rcl_relay", True, "cb", "cb_relay", ("cb",))
HEAD = Expected("cb", "cb_relay", False, "", "", ())
FUSE = Expected("fuse", upstream="rcl", upstream_relay="rcl_relay")

STRUCK = (Event(0.0, "fault", "1", "is_on", True), Event(0.0, "fault", "1", "is_live", True))


def case(expected: Expected, life: str) -> Case:
    return Case("bus.x", "slg", "a", life, expected)


def trip(t_s: float, relay: str, breaker: str) -> tuple[Event, ...]:
    return (
        Event(t_s, "relay", relay, "is_trip", True),
        Event(t_s + 0.045, "breaker", breaker, "is_52a", False),
        Event(t_s + 0.055, "fault", "1", "is_live", False),
        Event(t_s + 0.1, "relay", relay, "is_trip", False),
    )


def close(t_s: float, breaker: str, *, is_live: bool) -> tuple[Event, ...]:
    return (
        Event(t_s, "fault", "1", "is_live", is_live),
        Event(t_s + 0.005, "breaker", breaker, "is_52a", True),
    )


def gone(t_s: float) -> Event:
    return Event(t_s, "fault", "1", "is_on", False)


def lockout(t_s: float, relay: str) -> Event:
    return Event(t_s, "recloser_79", f"{relay}.79", "is_lockout", True)


TO_LOCKOUT = (
    *STRUCK,
    *trip(0.06, "rcl_relay", "rcl"),
    *close(0.6, "rcl", is_live=True),
    *trip(0.8, "rcl_relay", "rcl"),
    lockout(0.9, "rcl_relay"),
)
SAVED = (
    *STRUCK,
    *trip(0.06, "rcl_relay", "rcl"),
    gone(0.32),
    *close(0.6, "rcl", is_live=False),
)
BLOWN = (
    *STRUCK,
    Event(0.02, "fuse", "fuse", "is_blown", True),
    Event(0.02, "fault", "1", "is_live", False),
)
CLOSED_AGAIN = (
    *STRUCK,
    *trip(0.4, "cb_relay", "cb"),
    *close(1.0, "cb", is_live=True),
    *trip(1.4, "cb_relay", "cb"),
)
BF_CLEARED = (
    *STRUCK,
    Event(0.06, "relay", "rcl_relay", "is_trip", True),
    Event(0.22, "breaker_failure_50bf", "rcl_relay.50bf", "is_operated", True),
    Event(0.22, "relay", "rcl_relay", "is_locked_out", True),
    Event(0.27, "breaker", "cb", "is_52a", False),
    Event(0.28, "fault", "1", "is_live", False),
)


@pytest.mark.parametrize(
    ("expected", "life", "events", "end"),
    [
        (RECLOSER, PERMANENT, TO_LOCKOUT, "lockout"),
        (RECLOSER, TEMPORARY, SAVED, "live"),
        (FUSE, PERMANENT, BLOWN, "blown"),
        (FUSE, TEMPORARY, (*BLOWN, gone(0.25)), "blown"),
        (HEAD, PERMANENT, (*STRUCK, *trip(0.4, "cb_relay", "cb")), "open"),
        (HEAD, TEMPORARY, (*STRUCK, *trip(0.4, "cb_relay", "cb"), gone(0.7)), "open"),
        (RECLOSER, FAILURE, BF_CLEARED, "dark"),
    ],
)
def test_what_the_scheme_wants_is_right(
    expected: Expected, life: str, events: tuple[Event, ...], end: str
) -> None:
    judged = judge(case(expected, life), events)
    assert (judged.verdict, judged.reason, judged.end) == (RIGHT, "", end)


def test_the_first_interruption_is_the_earliest_whatever_the_order_of_the_list() -> None:
    judged = judge(case(RECLOSER, PERMANENT), TO_LOCKOUT[::-1])
    assert judged.verdict == RIGHT
    assert (judged.first, judged.trip_s, judged.open_s, judged.shots) == ("rcl", 0.06, 0.105, 2)


@pytest.mark.parametrize(
    ("expected", "life", "events", "reason"),
    [
        (RECLOSER, PERMANENT, STRUCK, "nobody interrupted; fault still fed; ended undone, not lockout"),
        (RECLOSER, PERMANENT, (*TO_LOCKOUT, *trip(0.07, "cb_relay", "cb")), "cb_relay tripped; cb opened"),
        (
            RECLOSER,
            PERMANENT,
            (*TO_LOCKOUT, Event(0.1, "relay", "cb_relay", "is_trip", True)),
            "cb_relay tripped",
        ),
        (
            RECLOSER,
            PERMANENT,
            (*TO_LOCKOUT, Event(0.03, "fuse", "fuse", "is_blown", True)),
            "fuse opened; fuse first",
        ),
        (RECLOSER, PERMANENT, TO_LOCKOUT[:-1], "ended open, not lockout"),
        (RECLOSER, TEMPORARY, SAVED[:-2], "ended open, not live"),
        (RECLOSER, TEMPORARY, (*SAVED, *trip(0.7, "rcl_relay", "rcl")), "ended open, not live"),
        (FUSE, TEMPORARY, SAVED, "rcl_relay tripped; rcl opened; rcl first; ended undone, not blown"),
        (HEAD, PERMANENT, CLOSED_AGAIN, "closed again"),
        (
            RECLOSER,
            PERMANENT,
            (*TO_LOCKOUT, Event(0.25, "breaker_failure_50bf", "rcl_relay.50bf", "is_operated", True)),
            "breaker failure operated",
        ),
        (RECLOSER, FAILURE, BF_CLEARED[:2], "rcl_relay did not trip; breaker failure did not operate; "
         "cb not opened; rcl_relay not locked out; cb closed again; fault still fed"),
        (
            RECLOSER,
            FAILURE,
            (*BF_CLEARED, Event(0.24, "relay", "cb_relay", "is_trip", True)),
            "cb_relay tripped",
        ),
        (RECLOSER, FAILURE, (*BF_CLEARED, *close(5.0, "cb", is_live=False)), "cb closed again"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(
    expected: Expected, life: str, events: tuple[Event, ...], reason: str
) -> None:
    judged = judge(case(expected, life), events)
    assert judged.verdict == WRONG
    assert judged.reason == reason


def test_a_case_that_was_cut_or_did_not_converge_is_wrong() -> None:
    judged = judge(case(RECLOSER, PERMANENT), TO_LOCKOUT, is_over=False, troubles=2)
    assert judged.verdict == WRONG
    assert judged.reason == f"2 steps did not converge; {sj.STEP_LIMIT}"


def test_without_a_breaker_upstream_a_failure_is_exempt_but_only_that_is() -> None:
    """The relay must still have asked for help and nobody else have tripped."""
    asked = (
        *STRUCK,
        Event(0.4, "relay", "cb_relay", "is_trip", True),
        Event(0.56, "breaker_failure_50bf", "cb_relay.50bf", "is_operated", True),
    )
    judged = judge(case(HEAD, FAILURE), asked, is_over=False)
    assert (judged.verdict, judged.reason) == (EXEMPT, sj.NOTHING_UPSTREAM)
    for cut in (asked[:2], asked[:3]):
        assert judge(case(HEAD, FAILURE), cut, is_over=False).verdict == WRONG
    stranger = (*asked, Event(0.5, "relay", "rcl_relay", "is_trip", True))
    assert judge(case(HEAD, FAILURE), stranger, is_over=False).verdict == WRONG


def test_a_fuse_and_a_relay_are_told_apart() -> None:
    assert FUSE.is_fuse
    assert not RECLOSER.is_fuse
    assert dc.replace(FUSE, relay="r").is_fuse is False
