"""Recloser sequences of the reference vectors, against step length: permanent and temporary fault."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from rtcore.protection import recloser_79 as k79
from tests.support.recloser_rig import CLOSE_TIME_S, FAST_S, OPEN_TIME_S, SLOW_S, Line

VECTORS = Path(__file__).parents[1] / "data" / "reference" / "protection_vectors.json"
PERMANENT, TEMPORARY = json.loads(VECTORS.read_text())["recloser_79"]
STEPS_S = [0.25e-3, 1e-3, 5e-3, 20e-3]

TOLERANCE_S = 1e-9 * 20 + 1e-8
"""Instants are exact within the step: 1e-9 for each of up to 20 timers, 1e-8 for the vector's last digit."""


def line(dt_s: float, **settings: float) -> Line:
    dead = dict(zip(("open_interval_1_s", "open_interval_2_s", "open_interval_3_s"), PERMANENT["dead_s"]))
    return Line(dt_s=dt_s, **{**dead, "open_interval_4_s": 0.0, "reset_s": 15.0, **settings})


def test_the_model_of_breaker_and_relay_is_that_of_the_vector() -> None:
    assert (PERMANENT["t_open_s"], PERMANENT["t_close_s"]) == (OPEN_TIME_S, CLOSE_TIME_S)
    assert PERMANENT["fast"]["t_s"] == FAST_S
    assert PERMANENT["slow"]["t_s"] == pytest.approx(SLOW_S, abs=1e-11)  # digits of the vector


@pytest.mark.parametrize("dt_s", STEPS_S)
def test_a_permanent_fault_goes_through_the_sequence_to_lockout_at_the_final_opening(dt_s: float) -> None:
    rig = line(dt_s)
    rig.faults = [(0.0, 1e9)]
    rig.run_to(16.0)
    for what, vector in [
        ("trip", PERMANENT["trip_s"]),
        ("open", PERMANENT["open_s"]),
        ("close", PERMANENT["close_command_s"]),
        ("closed", PERMANENT["closed_s"]),
        ("lockout", [PERMANENT["lockout_at_final_open_s"]]),
        ("cycle", PERMANENT["trip_s"][:1]),
        ("shot 1", PERMANENT["close_command_s"][:1]),
        ("shot 2", PERMANENT["close_command_s"][1:2]),
        ("shot 3", PERMANENT["close_command_s"][2:]),
        ("reset", []),
    ]:
        assert rig.times(what) == pytest.approx(vector, abs=TOLERANCE_S), what
    assert (rig.shot, rig.cycles, rig.recloses, rig.lockouts) == (3.0, 1.0, 3.0, 1.0)
    assert rig.lockout_reason == k79.LAST_SHOT


@pytest.mark.parametrize("dt_s", STEPS_S)
def test_a_temporary_fault_costs_one_trip_and_ends_in_reset_at_shot_0(dt_s: float) -> None:
    rig = line(dt_s)
    rig.faults = [(0.0, 0.9)]  # gone within the first dead time
    rig.run_to(17.0)
    for what, key in [("trip", "trip_s"), ("open", "open_s"), ("close", "close_command_s")]:
        assert rig.times(what) == pytest.approx(TEMPORARY[key], abs=TOLERANCE_S), what
    assert rig.times("closed") == pytest.approx(TEMPORARY["closed_s"], abs=TOLERANCE_S)
    assert rig.times("reset") == pytest.approx([TEMPORARY["closed_s"][0] + 15.0], abs=TOLERANCE_S)
    assert rig.times("shot 0") == rig.times("reset")
    assert rig.times("lockout") == []
    assert (rig.state, rig.shot, rig.mechanism) == (k79.RESET, 0.0, 1)


@pytest.mark.parametrize(
    ("returns_s", "shot", "trip_s"),
    [
        (1.25835 + 14.0, 1.0, FAST_S),  # within the reset time: the second shot, which is fast
        (1.25835 + 15.1, 0.0, FAST_S),  # after it: a new sequence
    ],
)
def test_a_fault_that_returns_goes_on_with_the_sequence_only_within_the_reset_time(
    returns_s: float, shot: float, trip_s: float
) -> None:
    rig = line(1e-3)
    rig.faults = [(0.0, 0.9), (returns_s, 1e9)]
    rig.run_to(returns_s + 0.1)
    assert rig.shot == shot
    assert len(rig.times("reset")) == (shot == 0.0)
    rig.run_to(returns_s + 30.0)
    assert rig.times("trip")[1] == pytest.approx(returns_s + trip_s, abs=TOLERANCE_S)
    assert rig.times("lockout") == [rig.times("open")[-1]]
    assert len(rig.times("trip")) == (4 if shot else 5)
    assert rig.cycles == (1.0 if shot else 2.0)


def test_a_dead_time_is_counted_from_the_opening_of_the_breaker() -> None:
    rig = line(1e-3)
    rig.faults = [(0.0, 1e9)]
    rig.run_to(16.0)
    dead = [
        close - opened for opened, close in itertools.pairwise(sorted(rig.times("open") + rig.times("close")))
    ]
    assert dead[::2] == pytest.approx(PERMANENT["dead_s"], abs=TOLERANCE_S)
