"""Operating times of relays and fuses at constant currents."""

from __future__ import annotations

import dataclasses as dc
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil import coordination_devices as cd
from rtcore.protection.instantaneous_50 import Instantaneous50
from rtcore.protection.negative_sequence_46 import NegativeSequence46
from rtcore.protection.quantities import GROUND
from rtcore.protection.recloser_79 import Recloser79
from rtcore.protection.scheme import Element, Scheme
from tests.support.small_feeder import (
    FAST,
    OPENING_S,
    RECLOSING,
    REL,
    SLOW,
    cleared_by_65k_s,
    overcurrent,
    relay,
    very_inverse_s,
)


def balanced(i_a: float) -> Any:
    return i_a * np.exp(-2j * np.pi / 3.0 * np.arange(3))


def only(*elements: Element) -> cd.RelayDevice:
    (made,) = cd.relays(Scheme(name="x", relays=(relay("cb", *elements),)), {}, 60.0)
    return made


def test_a_recloser_is_fast_upstream_and_slow_downstream() -> None:
    device = only(
        overcurrent("f", "cb", *FAST, shots=0b00011), overcurrent("s", "cb", *SLOW, shots=0b11100), RECLOSING
    )
    fast_s, slow_s = very_inverse_s(1000.0, *FAST), very_inverse_s(1000.0, *SLOW)
    first, cleared = device.first(balanced(1000.0)), device.cleared(balanced(1000.0))
    assert (first.by, cleared.by) == ("f", "s")
    assert first.time_s == pytest.approx(fast_s, rel=REL)
    assert cleared.time_s == pytest.approx(slow_s + OPENING_S, rel=REL)


def test_shots_that_the_recloser_does_not_have_do_not_count() -> None:
    once = Element(name="79", function="recloser_79", settings=(Recloser79(open_interval_2_s=0.0),))
    device = only(overcurrent("f", "cb", *FAST, shots=0b00011), overcurrent("s", "cb", *SLOW, shots=28), once)
    assert device.cleared(balanced(1000.0)).by == "f"


def test_the_element_that_comes_first_decides() -> None:
    """1000 A to ground: the ground element has five times its pickup, the phase element twice."""
    device = only(overcurrent("p", "cb", 500.0, 0.1), overcurrent("g", "cb", 200.0, 0.1, quantity=GROUND))
    assert device.first(balanced(1000.0)).by == "p"
    to_ground = device.first(np.array([1000.0, 0, 0], complex))
    assert to_ground == cd.Operation(pytest.approx(very_inverse_s(1000.0, 200.0, 0.1), rel=REL), "g")


def test_elements_out_of_service_or_of_other_breakers_do_not_count() -> None:
    device = only(
        overcurrent("p", "cb", 500.0, 0.5),
        overcurrent("off", "cb", 100.0, 0.1, is_enabled=0.0),
        overcurrent("bf", "cb", 100.0, 0.1, trips=("other",)),
    )
    assert device.first(balanced(1000.0)).by == "p"


@pytest.mark.parametrize(("terminal", "seen"), [(1, "away"), (2, "back")])
def test_only_elements_that_look_at_the_fault_count(terminal: int, seen: str) -> None:
    elements = (
        overcurrent("away", "cb", 100.0, 0.1, direction="67p"),
        overcurrent("back", "cb", 100.0, 0.1, direction="-67p"),
    )
    scheme_ = Scheme(name="x", relays=(relay("cb", *elements, terminal=terminal),))
    (device,) = cd.relays(scheme_, {}, 60.0)
    assert cd.facing(device, is_forward=True).first(balanced(500.0)).by == seen
    assert cd.facing(device, is_forward=False).first(balanced(500.0)).by != seen


def test_definite_times_are_those_of_their_settings() -> None:
    fifty = Element(
        name="50",
        function="instantaneous_50",
        trips=("cb",),
        settings=(Instantaneous50(pickup_a=900.0, delay_s=0.1),),
    )
    two_phase = np.array([1000.0, -1000.0, 0.0], complex)  # I2 = 1000 / sqrt(3) A
    negative = Element(
        name="46",
        function="negative_sequence_46",
        trips=("cb",),
        settings=(NegativeSequence46(rated_a=1000.0, i2_pu=0.5, delay_s=3.0),),
    )
    heat = dc.replace(
        negative,
        settings=(NegativeSequence46(rated_a=1000.0, characteristic="i2t", k_s=10.0),),  # type: ignore[arg-type]
    )
    assert only(fifty).first(balanced(1000.0)).time_s == 0.1
    assert only(fifty).first(balanced(899.0)).time_s == math.inf
    assert only(negative).first(two_phase).time_s == 3.0
    assert only(negative).first(balanced(1000.0)).time_s == math.inf
    assert only(heat).first(two_phase).time_s == pytest.approx(30.0, rel=REL)  # 10 / (1 / sqrt(3))^2


def test_a_broken_conductor_element_that_trips_acts_on_unbalanced_faults() -> None:
    broken = NegativeSequence46(characteristic="broken", ratio=0.4, delay_s=5.0)  # type: ignore[arg-type]
    device = only(Element(name="46bc", function="negative_sequence_46", trips=("cb",), settings=(broken,)))
    assert device.first(np.array([1000.0, 0, 0], complex)).time_s == 5.0
    assert device.first(balanced(1000.0)).time_s == math.inf


def test_the_slower_of_two_faulted_links_clears_and_the_faster_may_melt() -> None:
    """The third phase carries load."""
    fuse = cd.fuse("f", {"f": {"link": "65K"}})
    i = np.array([2000.0, -1500.0, 100.0], complex)
    assert fuse.cleared(i).time_s == pytest.approx(cleared_by_65k_s(1500.0), rel=1e-9)
    assert fuse.first(i).time_s == pytest.approx(0.1 * (918.0 / 2000.0) ** 2, rel=1e-9)


@given(st.floats(1.0, 1e5), st.sampled_from(["3ph", "slg"]))
def test_nothing_has_interrupted_before_it_acts(i_a: float, kind: str) -> None:
    i = balanced(i_a) if kind == "3ph" else np.array([i_a, 0, 0], complex)
    device = only(
        overcurrent("f", "cb", *FAST, shots=0b00011), overcurrent("s", "cb", *SLOW, shots=28), RECLOSING
    )
    for d in (device, cd.fuse("f", {})):
        assert d.first(i).time_s <= d.cleared(i).time_s
