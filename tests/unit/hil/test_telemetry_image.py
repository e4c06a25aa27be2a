"""What was fetched last: due again by its period, aged by simulated time, Bad when it did not come."""

from __future__ import annotations

import numpy as np
import pytest

from hil.telemetry_image import RETRY_S, Fetched, TelemetryImage
from rtcore.quality import Quality

S = 1_000_000_000
EVERY, SELDOM = 1, 3
"""Point of every scan, point of every 900 s."""
LOST = int(Quality.BAD_NO_COMMUNICATION)


def image() -> TelemetryImage:
    return TelemetryImage(5, {SELDOM: 900.0, EVERY: 0.0})


def answer(*values: float, quality: int = 0) -> Fetched:
    return Fetched(np.array(values), np.full(len(values), quality, np.uint8))


def fetch(of: TelemetryImage, at_s: float, *values: float, quality: int = 0) -> None:
    ns = round(at_s * S)
    of.take(ns, of.due(ns), answer(*values, quality=quality))


def test_everything_is_due_at_first_and_nothing_is_known() -> None:
    of = image()
    assert of.due(0).tolist() == [EVERY, SELDOM]
    reading = of.reading(0)
    assert np.isnan(reading.values).all()
    assert np.isinf(reading.age_s).all()
    assert (reading.quality == int(Quality.BAD_WAITING)).all()


def test_a_point_is_due_again_after_its_period_of_simulated_time() -> None:
    of = image()
    fetch(of, 10.0, 1.0, 2.0)
    assert of.due(11 * S).tolist() == [EVERY]
    assert of.due(910 * S - 1).tolist() == [EVERY]
    assert of.due(910 * S).tolist() == [EVERY, SELDOM]


def test_values_age_until_they_are_fetched_again() -> None:
    of = image()
    fetch(of, 10.0, 1.0, 2.0)
    fetch(of, 25.0, 5.0)
    reading = of.reading(26 * S)
    assert reading.values[[EVERY, SELDOM]].tolist() == [5.0, 2.0]
    assert reading.age_s[[EVERY, SELDOM]].tolist() == [1.0, 16.0]
    assert reading.quality[[EVERY, SELDOM]].tolist() == [0, 0]


def test_a_value_is_as_old_as_its_source_says_and_due_by_the_time_of_its_fetch() -> None:
    of = image()
    ns = 100 * S
    of.take(ns, of.due(ns), Fetched(np.array([1.0, 2.0]), np.zeros(2, np.uint8), age_s=np.array([0.5, 64.0])))
    assert of.reading(101 * S).age_s[[EVERY, SELDOM]] == pytest.approx([1.5, 65.0], rel=1e-12)  # float64
    assert of.due(999 * S).tolist() == [EVERY]


def test_what_did_not_come_keeps_its_value_and_age_and_is_bad() -> None:
    of = image()
    fetch(of, 10.0, 1.0, 2.0)
    fetch(of, 20.0, np.nan, quality=LOST)
    reading = of.reading(20 * S)
    assert (reading.values[EVERY], reading.age_s[EVERY], reading.quality[EVERY]) == (1.0, 10.0, LOST)


def test_what_is_fetched_seldom_and_did_not_come_is_asked_for_again_soon() -> None:
    of = image()
    fetch(of, 0.0, np.nan, np.nan, quality=LOST)
    assert of.due(round(RETRY_S * S) - 1).tolist() == [EVERY]
    assert of.due(round(RETRY_S * S)).tolist() == [EVERY, SELDOM]
    assert of.n_bad == 2


def test_a_reading_is_a_copy_that_later_scans_do_not_change() -> None:
    of = image()
    fetch(of, 1.0, 1.0, 2.0)
    before = of.reading(S)
    fetch(of, 2.0, 9.0)
    assert before.values[EVERY] == 1.0
