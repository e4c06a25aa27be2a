"""What screens say while something has not come: not what is not so."""

from __future__ import annotations

import pytest

from hil.console import looks
from hil.console.pages.bench_text import state
from hil.console.pages.estimator_text import Look
from hil.console.pages.forecast_text import no_curve
from hil.view.reading import Reading
from hil.view.station_view import StationView


@pytest.mark.parametrize(
    ("curve", "first", "words"),
    [
        (Reading(), Reading(410.0, "Good"), "waiting for the curve"),
        (Reading(), Reading(), "waiting for the curve"),
        (Reading(None, "BadNoData"), Reading(None, "BadNoData"), "no forecast yet"),
        (Reading([], "Good"), Reading(410.0, "Good"), "the curve of the forecast is missing"),
    ],
)
def test_no_forecast_is_not_said_beside_a_table_with_one(curve: Reading, first: Reading, words: str) -> None:
    assert no_curve(curve, first) == words


@pytest.mark.parametrize(("is_live", "words"), [(True, "asking the station"), (False, "not known")])
def test_the_test_bench_asks_only_over_a_live_link(is_live: bool, words: str) -> None:
    view = StationView("opc.tcp://127.0.0.1:4840/gridhil", clock_s=lambda: 100.0)
    view.link._is_connected, view.link._heard_s = is_live, 100.0
    shown = state(Look(view, looks.DARK, looks.UNICODE), None, "", is_asked=False, is_ascii=False)
    assert words in shown.plain
