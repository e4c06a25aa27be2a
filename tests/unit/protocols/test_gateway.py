"""Checks of writes that every protocol shares: steps of setpoints, groups that contradict themselves."""

from __future__ import annotations

import dataclasses as dc
import math
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.gateway import Gateway, check_value
from protocols.modbus_codec import FORMATS, decode, encode
from protocols.setpoint_steps import is_on_step, nearest, step_of
from rtcore.commands import Reason
from rtcore.points import Kind, Point
from tests.support.modbus_rig import point

TAP = point("R.A.TAP_SP", "1:hr:0:int16", Kind.SETPOINT, -16, 16)
TENTH = point("R.A.V_SP", "1:hr:2:int16*0.1", Kind.SETPOINT, -5.0, 100.0)
FREE = point("R.A.F_SP", "1:hr:4:float32", Kind.SETPOINT, -5.0, 5.0)


def control(tag: str, source: str, attr: str) -> Point:
    return dc.replace(point(tag, "2:co:0:bit", Kind.CONTROL, 0, 1), source=source, attr=attr)


TRIP, CLOSE = (control(f"CB.A.{a.upper()}", "breaker.a", a) for a in ("trip", "close"))
TRIP_B = control("CB.B.TRIP", "breaker.b", "trip")


def gateway(*points: Point) -> Gateway:
    return Gateway(points, cast(Any, None), cast(Any, None))  # checks need neither board nor ring


# ---------------------------------------------------------------- steps


def test_only_setpoints_in_an_integer_format_have_a_step() -> None:
    assert (step_of(TAP), step_of(TENTH), step_of(FREE)) == (1.0, 0.1, 0.0)
    assert step_of(point("R.A.TAP", "1:ir:0:int16")) == 0.0  # measured: nobody writes it
    assert step_of(dc.replace(TAP, wire={"opcua": "Double"})) == 0.0
    assert step_of(point("CB.A.REMOTE", "1:co:0:bit", Kind.SETPOINT, 0, 1, ("LOCAL", "REMOTE"))) == 0.0


@pytest.mark.parametrize(
    ("p", "value", "reason"),
    [
        (TAP, 2.7, Reason.OUT_OF_RANGE),
        (TAP, 2.0, Reason.DONE),
        (TAP, -16.0, Reason.DONE),
        (TAP, 17.0, Reason.OUT_OF_RANGE),
        (TAP, math.nextafter(2.0, 3.0), Reason.DONE),  # rounding of the client, not a fraction
        (TAP, 2.000001, Reason.OUT_OF_RANGE),
        (TENTH, 3 * 0.1, Reason.DONE),
        (TENTH, 0.25, Reason.OUT_OF_RANGE),
        (TENTH, math.nan, Reason.NOT_A_NUMBER),
        (FREE, 2.7, Reason.DONE),
    ],
)
def test_a_value_between_two_steps_is_out_of_range(p: Point, value: float, reason: Reason) -> None:
    assert gateway(p).check([(0, value)]) is reason


def test_an_accepted_value_goes_to_the_plant_exactly_on_its_step() -> None:
    g = gateway(TAP, TENTH, FREE)
    assert g.settled([(0, math.nextafter(2.0, 3.0)), (1, 3 * 0.1), (2, 0.1 + 0.2)]) == [
        (0, 2.0),
        (1, 0.3),
        (2, 0.1 + 0.2),
    ]


@given(st.integers(-(2**15), 2**15 - 1), st.sampled_from([1.0, 0.1, 0.01, 0.5, 2.0, 0.3]))
def test_whatever_the_registers_can_hold_is_on_a_step_and_reads_back_the_same(raw: int, scale: float) -> None:
    value = decode(raw.to_bytes(2, "big", signed=True), FORMATS["int16"], "ABCD", scale)
    assert is_on_step(value, scale) and nearest(value, scale) == value
    assert decode(encode(value, FORMATS["int16"], "ABCD", scale)[0], FORMATS["int16"], "ABCD", scale) == value


# ---------------------------------------------------------------- groups


def test_trip_and_close_of_one_breaker_in_one_request_contradict_each_other() -> None:
    g = gateway(TRIP, CLOSE, TRIP_B)
    assert g.check([(0, 1.0), (1, 1.0)]) is Reason.GROUP_REFUSED
    assert g.check([(2, 1.0), (1, 1.0), (0, 1.0)]) is Reason.GROUP_REFUSED
    assert g.check([(1, 1.0), (2, 1.0)]) is Reason.DONE  # two breakers
    assert g.check([(0, 1.0), (1, 0.0)]) is Reason.DONE  # a control written 0 asks for nothing


def test_a_wrong_value_is_named_before_a_contradiction() -> None:
    g = gateway(TRIP, CLOSE, TAP)
    assert g.check([(0, 1.0), (1, 1.0), (2, 99.0)]) is Reason.OUT_OF_RANGE


def test_a_value_without_a_step_is_checked_as_before() -> None:
    assert check_value(FREE, 5.1) is Reason.OUT_OF_RANGE
    assert check_value(point("M.A.V", "1:ir:0:int16"), 1.0) is Reason.NOT_WRITABLE
