"""A change that is computed beside: the newest result, zeros before it, and failures are told."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from hil.attack_background import Background


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


def test_what_it_raises_is_raised_to_who_asks() -> None:
    def broken(_t_s, _values):  # type: ignore[no-untyped-def]
        raise ValueError("no model")

    beside = Background(broken, pause_s=0.0)
    with pytest.raises(ValueError, match="no model"):
        until(lambda: beside(0.0, np.zeros(1))[0] != 0.0)
