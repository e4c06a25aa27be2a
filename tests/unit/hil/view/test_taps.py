"""Taps over time, and what belongs together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hil.view.taps import Bank, Regulator, banks_of, history_of, last_change_h, regulators_of
from tests.support.console_models import model_of, point

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_records_and_what_came_since_make_stairs_up_to_now() -> None:
    recorded = [NOW - timedelta(hours=2), NOW - timedelta(hours=1)], [3.0, 4.0]
    live = [1000.0 - 1800.0], [5.0]
    hours, taps = history_of(recorded, live, NOW, 1000.0)
    assert hours == pytest.approx([-2.0, -1.0, -1.0, -0.5, -0.5, 0.0])
    assert taps == [3.0, 3.0, 4.0, 4.0, 5.0, 5.0]


def test_records_of_the_time_that_was_seen_live_are_not_drawn_twice() -> None:
    recorded = [NOW - timedelta(hours=1), NOW - timedelta(minutes=10)], [3.0, 9.0]
    live = [1000.0 - 1800.0], [4.0]
    assert 9.0 not in history_of(recorded, live, NOW, 1000.0)[1]


def test_without_anything_there_is_no_line() -> None:
    assert history_of(([], []), ([], []), NOW, 0.0) == ([], [])


def test_the_last_change_is_the_newest_one() -> None:
    assert last_change_h([-2.0, -1.0, -1.0, 0.0], [3.0, 3.0, 4.0, 4.0]) == 1.0
    assert last_change_h([-2.0, 0.0], [3.0, 3.0]) is None


def test_a_bank_has_the_control_of_its_name() -> None:
    model = model_of(
        point("F.CAP_1.ST", "capacitor", "capacitor.cap_1"),
        point("F.CAP_2.ST", "capacitor", "capacitor.cap_2"),
        point("D.CAPC_2.AUTO", "capacitor_control", "capacitor_control.cap_2"),
    )
    assert banks_of(model) == (Bank("F.CAP_1", ""), Bank("F.CAP_2", "D.CAPC_2"))


def test_a_regulator_without_points_is_none() -> None:
    rows = ({"device": "S.REG_A", "control": "S.AVR_A", "phase": "a"},
            {"device": "", "control": "", "phase": "b"})  # fmt: skip
    assert regulators_of(model_of(regulators=rows)) == (Regulator("S.REG_A", "S.AVR_A", "a"),)
