"""A change that is computed beside: the newest result, zeros before it, and failures are told."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from estimation.attacks import Attack, Kind
from hil.attack_background import Background, beside, failures


def until(question, within_s: float = 5.0):  # type: ignore[no-untyped-def]
    for _ in range(round(within_s / 0.005)):
        if question():
            return
        threading.Event().wait(0.005)
    pytest.fail("nothing came of it in time")


def test_it_never_waits_and_gives_the_newest_result() -> None:
    go = threading.Event()

    def slow(t_s, values):  # type: ignore[no-untyped-def]
        go.wait(5.0)
        return values + t_s

    beside = Background(slow, pause_s=0.0)
    np.testing.assert_array_equal(beside(1.0, np.array([10.0])), [0.0])
    go.set()
    until(lambda: beside(1.0, np.array([10.0]))[0] == 11.0)
    until(lambda: beside(2.0, np.array([20.0]))[0] == 22.0)


def test_a_model_that_fails_changes_nothing_any_more_and_is_told() -> None:
    def broken(_t_s, _values):  # type: ignore[no-untyped-def]
        raise ValueError("no model")

    model = Background(broken, pause_s=0.0)
    model(0.0, np.zeros(1))
    until(lambda: model.failure is not None)
    assert model(1.0, np.array([5.0])) == 0.0
    attack = Attack(name="x", kind=Kind.STEALTHY, channels=("A",), delta=model)
    assert list(failures([attack])) == ["x: it has no effect any more, its model failed: no model"]


def test_a_model_goes_by_the_simulated_time_it_is_given() -> None:
    """On the wire times count from the start of the command, which says nothing of the hour of the load."""
    attack = Attack(name="x", kind=Kind.STEALTHY, channels=("A",), delta=lambda t_s, v: v * 0.0 + t_s)
    delta = beside(attack, lambda: 7200.0).delta
    assert delta is not None
    until(lambda: delta(1.0, np.zeros(1))[0] == 7200.0)
