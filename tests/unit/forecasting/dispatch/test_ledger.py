"""Books: demand by interval and month, realised cost by cause, and what voltages have taught."""

from __future__ import annotations

import numpy as np
import pytest

from forecasting.dispatch.ledger import Demand, Ledger
from forecasting.dispatch.settings import Settings
from forecasting.dispatch.voltage_memory import LARGEST_PU, SHARE, VoltageMemory

MINUTE = 60 * 10**9
APRIL_30_23H = 1_493_593_200 * 10**9


def test_the_peak_is_the_mean_of_an_interval_that_is_over() -> None:
    demand = Demand(900.0)
    for minute in range(30):
        demand.add(minute * MINUTE, 3e6 if minute < 5 else 1.5e6)
        if minute < 15:
            assert demand.peak_w == 0.0
    assert demand.peak_w == pytest.approx((5 * 3e6 + 10 * 1.5e6) / 15)


def test_a_month_of_the_local_clock_begins_without_a_peak() -> None:
    demand = Demand(900.0, utc_offset_s=-6 * 3600)
    for minute in range(0, 420, 5):  # 23 h UTC to 6 h UTC: the local month ends with the last one
        demand.add(APRIL_30_23H + minute * MINUTE, 2e6)
    assert demand.peak_w == 2e6
    demand.add(APRIL_30_23H + 420 * MINUTE, 1e6)
    assert (demand.peak_w, demand.month) == (0.0, (2017, 5))


def test_costs_are_booked_by_cause() -> None:
    s = Settings(energy_price=0.1, export_price=0.05, ageing_price=0.01, tap_price=2.0, violation_price=3.0)
    ledger = Ledger(s, 0)
    for minute, tap in ((0, 4.0), (60, 4.0), (120, 6.0)):
        ledger.read(
            minute * MINUTE, 1e6 if minute < 120 else -1e6, {"b": -2e5}, {"r": tap}, {"n": 1.06, "m": 1.0}
        )
    books = ledger.books
    assert books.energy == pytest.approx(0.1 * 1000 - 0.05 * 1000)
    assert books.ageing == pytest.approx(0.01 * 200 * 2)
    assert (books.taps, books.tap_operations) == (4.0, 2.0)
    assert books.violation_h == 2.0
    assert books.voltage == pytest.approx(3.0 * 1.0 * 2)  # 0.01 pu for two hours
    parts = books.energy + books.ageing + books.taps + books.voltage + books.peak
    assert books.realised["total"] == pytest.approx(parts)
    for hour, cost in ((1, 3.0), (2, 100.0), (2, 4.0)):  # a step that is planned again counts once
        ledger.planned(hour * 60 * MINUTE, {"energy": cost, "total": cost + 1.0})
    assert books.predicted == {"energy": 7.0, "total": 9.0}


def test_what_others_command_is_in_no_book_but_the_demand_of_the_month() -> None:
    ledger = Ledger(Settings(), 0)
    for minute in (0, 20, 40):
        ledger.read(minute * MINUTE, 3e6, {"b": 1e5}, {"r": 1.0 + minute}, {"n": 1.2}, is_planned=False)
    assert ledger.demand.peak_w == 3e6
    assert ledger.books.realised["total"] == 0.0
    assert ledger.books.violation_h == ledger.books.tap_operations == 0.0


def test_voltages_are_learned_by_time_of_day_once_the_hour_is_over() -> None:
    memory = VoltageMemory(("a", "b"), 24)
    model = np.array([1.0, 1.0])
    for v in (1.004, 1.006):
        memory.add(7, model, {"a": v})
    assert not memory.bias_pu.any()
    memory.add(8, model, {})
    assert memory.bias_pu[7] == pytest.approx([0.005, 0.0])
    memory.add(7, model, {"a": 1.015})
    memory.add(8, model, {})
    assert memory.bias_pu[7, 0] == pytest.approx(0.005 + SHARE * 0.010)


def test_what_is_far_off_is_not_learned() -> None:
    memory = VoltageMemory(("a",), 24)
    memory.add(7, np.array([1.0]), {"a": 1.0 - 1.5 * LARGEST_PU, "unknown": 1.001})
    memory.add(8, np.array([1.0]), {})
    assert not memory.bias_pu.any()
