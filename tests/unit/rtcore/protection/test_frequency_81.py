"""Frequency elements: ramps, hysteresis, interpolated pickup and delay, blocking, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcore.protection.frequency_81 import Frequency81, step
from tests.support.element_rig import ABC, V_BASE_V, ElementRig

ROUNDING_S = 1e-8
"""The frequency of a ramp has a rounding of 1e-14 Hz, at 1 Hz/s 1e-14 s; thousands of summed steps more."""


class Rig(ElementRig):
    kind = "frequency_81"

    def __init__(self, dt_s: float = 1e-3, **params: object) -> None:
        super().__init__(Frequency81(**params), dt_s)  # type: ignore[arg-type]
        self.ramp_hz_s = 0.0

    def call(self, change_ago_s: float) -> None:
        self.f_hz += self.ramp_hz_s * self.dt_s
        args = (self.v_seq, self.base_v, self.f_hz, self.f_valid, self.permitted, change_ago_s, self.dt_s)
        step(self.p, self.s, self.of, *args)

    def at(self, f_hz: float) -> float:
        self.f_hz[0] = f_hz
        self.step()
        return self["is_pickup"]


@pytest.mark.parametrize("dt_s", [0.25e-3, 1e-3, 0.02, 0.1])
@pytest.mark.parametrize(
    ("direction", "f_hz", "ramp_hz_s"), [("under", 59.3, -1.7), ("over", 60.5, 1.7), ("under", 59.3, -0.13)]
)
def test_a_ramp_picks_up_when_it_passes_and_operates_after_the_delay(
    direction: str, f_hz: float, ramp_hz_s: float, dt_s: float
) -> None:
    rig = Rig(dt_s, direction=direction, f_hz=f_hz, delay_s=0.2345)
    rig.step(3)
    start_s, rig.ramp_hz_s = rig.t_s, ramp_hz_s
    passes_s = start_s + (f_hz - 60.0) / ramp_hz_s
    assert rig.run("is_pickup") == pytest.approx(passes_s, abs=ROUNDING_S)
    if rig["is_operated"] == 0.0:
        assert rig.run() == pytest.approx(passes_s + 0.2345, abs=ROUNDING_S)


def test_hysteresis_lies_beyond_the_pickup() -> None:
    under = Rig(direction="under", f_hz=59.3, hysteresis_hz=0.05)
    assert [under.at(f) for f in (59.3, 59.2999, 59.3499, 59.3501, 59.32)] == [0.0, 1.0, 1.0, 0.0, 0.0]
    over = Rig(direction="over", f_hz=60.5, hysteresis_hz=0.05)
    assert [over.at(f) for f in (60.5, 60.5001, 60.4501, 60.4499, 60.49)] == [0.0, 1.0, 1.0, 0.0, 0.0]


def test_the_dropout_of_a_ramp_is_interpolated_too() -> None:
    rig = Rig(direction="under", f_hz=59.3, hysteresis_hz=0.05, delay_s=0.0)
    rig.at(59.0)
    rig.ramp_hz_s = 0.73
    assert rig["is_operated"] == 1.0
    assert rig.run(value=0.0) == pytest.approx(0.001 + 0.35 / 0.73, abs=ROUNDING_S)


def test_a_frequency_that_comes_with_the_voltage_picks_up_when_the_network_changed() -> None:
    rig = Rig(direction="under", f_hz=59.3)
    rig.f_valid[0], rig.f_hz[0] = 0.0, 0.0
    rig.step(3)
    rig.f_valid[0], rig.f_hz[0] = 1.0, 58.0
    rig.step(change_ago_s=0.3e-3)
    assert (rig["is_pickup"], rig["pickup_ago_s"]) == (1.0, 0.3e-3)


def test_low_voltage_and_an_invalid_frequency_block_it() -> None:
    rig = Rig(direction="under", f_hz=59.3, v_block_pu=0.5, delay_s=0.1)
    for undo, spoil in (
        (lambda: rig.set_v(V_BASE_V * ABC), lambda: rig.set_v(0.499 * V_BASE_V * ABC)),
        (lambda: rig.f_valid.fill(1.0), lambda: rig.f_valid.fill(0.0)),
        (lambda: rig.permitted.fill(1.0), lambda: rig.permitted.fill(0.0)),
        (lambda: rig.p["is_enabled"].fill(1.0), lambda: rig.p["is_enabled"].fill(0.0)),
    ):
        assert rig.at(58.0) == 1.0
        spoil()
        assert rig.at(58.0) == rig["timer_s"] == 0.0
        undo()
        assert rig.at(58.0) == 1.0
        rig.step(101)
        assert rig["is_operated"] == 1.0
        spoil()
        rig.step()
        assert rig["is_operated"] == rig["fraction"] == 0.0
        undo()
    rig.set_v(0.501 * V_BASE_V * ABC)
    assert rig.at(58.0) == 1.0 and rig["is_blocked"] == 0.0


def test_a_dip_below_the_level_shorter_than_the_delay_does_nothing() -> None:
    rig = Rig(direction="under", f_hz=59.3, delay_s=0.2)
    for _ in range(5):
        for f_hz, n in ((59.0, 199), (59.9, 5)):
            rig.f_hz[0] = f_hz
            rig.step(n)
            assert rig["is_operated"] == 0.0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300, -50.0])
def test_a_frequency_that_is_none_blocks_and_leaves_nothing(bad: float) -> None:
    for direction, f_hz in (("under", 58.0), ("over", 62.0)):
        rig = Rig(direction=direction, f_hz=60.0, delay_s=0.0)
        assert rig.at(bad) == 0.0 and rig["is_blocked"] == 1.0 and rig.is_finite()
        assert rig.at(f_hz) == 1.0
        rig.v_seq[0, 1] = np.nan
        rig.step()
        assert rig["is_pickup"] == rig["is_operated"] == 0.0 and rig.is_finite()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(55, 65), st.floats(0, 1), st.booleans()), max_size=40))
def test_nothing_operates_without_pickup(walk: list[tuple[float, float, bool]]) -> None:
    rigs = [Rig(delay_s=0.003), Rig(direction="over", f_hz=60.5, delay_s=0.0)]
    for f_hz, ago, is_permitted in walk:
        for rig in rigs:
            rig.f_hz[0], rig.permitted[0] = f_hz, is_permitted
            rig.step(2, change_ago_s=ago * rig.dt_s)  # the rig asserts it in each step
            assert is_permitted or not rig["is_operated"]
            assert 0.0 <= rig["pickup_ago_s"] <= rig.dt_s and rig.is_finite()
