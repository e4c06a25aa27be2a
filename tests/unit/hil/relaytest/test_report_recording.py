"""Charts of recordings: bars and arrowheads, which shots are worth one; and what is said of a test."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from hil.relaytest.document import document
from hil.relaytest.report import results_json, write
from hil.relaytest.report_choice import SHOWN_MAX, chosen
from hil.relaytest.report_recording import heart, spans, ticks, whole_shot
from hil.relaytest.runner import run
from tests.unit.hil.relaytest.plans import PICKUP, RESET, SHOTS_24, plan_of
from tests.unit.hil.relaytest.sim_bench import SimBench
from tests.unit.hil.relaytest.toy_relay import ToyRelay


@pytest.fixture(scope="module")
def doc(tmp_path_factory: pytest.TempPathFactory) -> Any:
    plan = plan_of(tmp_path_factory.mktemp("plan"), SHOTS_24 + PICKUP + RESET)
    return document(run(plan, SimBench(ToyRelay()), utc_s=lambda: 0.0))


def event(what: str, t_s: float) -> dict[str, Any]:
    return {"what": what, "t_s": t_s}


def test_recording_jumps_to_the_fault_current_at_time_0(doc: Any) -> None:
    shot = doc["tests"][0]["shots"][0]
    rms = shot["recording"]["rms"]
    before, after = (rms["t_s"].index(t) for t in (-0.001, 0.0))
    assert [rms["i_a"][k] for k in (before, after)] == [[0.0] * 3, [600.0] * 3]
    assert rms["t_s"][0] == pytest.approx(shot["events"][0]["t_s"])


def test_every_shot_and_search_has_a_recording(doc: Any) -> None:
    assert all(s["recording"] is not None for t in doc["tests"] for s in t["shots"])


def test_chart_has_three_currents_three_voltages_and_the_signals_that_came(doc: Any) -> None:
    chart = whole_shot(doc["tests"][0]["shots"][0])
    assert chart.count("<polyline") == 6
    lanes = re.findall(r">(device [a-z ]+|breaker closed|internal [a-z]+)<", chart)
    assert lanes == ["device pickup", "device trip", "breaker closed", "internal trip"]
    assert heart(doc["tests"][0]["shots"][0]).count("<polyline") == 6


def test_frequency_has_a_panel_where_it_is_not_nominal(tmp_path: Path) -> None:
    ramp = '[[test]]\nkind = "step"\nname = "r"\ndf_hz_s = -1.0\nexpected_s = 1.5\n'
    done = document(run(plan_of(tmp_path, ramp), SimBench(ToyRelay(under_hz=59.0))))
    shot = done["tests"][0]["shots"][0]
    rms = shot["recording"]["rms"]
    at = [f for t, f in zip(rms["t_s"], rms["f_hz"], strict=True) if abs(t - 1.0) < 0.02]
    assert at == pytest.approx(
        [59.0] * len(at), abs=0.05
    )  # 1 Hz/s over the 20 ms that are looked at, a cycle
    chart = whole_shot(shot)
    assert "f [Hz]" in chart
    assert chart.count("<polyline") == 7
    rms["f_hz"][len(rms["f_hz"]) // 2] = None
    assert whole_shot(shot).count("<polyline") == 8  # a gap


def test_frequency_has_none_where_it_is_nominal(doc: Any) -> None:
    assert "f [Hz]" not in whole_shot(doc["tests"][0]["shots"][0])


def test_shot_without_recording_still_shows_its_signals(doc: Any) -> None:
    shot = {**doc["tests"][0]["shots"][0], "recording": None}
    assert "device trip" in whole_shot(shot)
    assert heart(shot) == ""


def test_breaker_that_opened_was_closed_before() -> None:
    events = [event("52a_open", 0.4), event("52a_closed", 0.9), event("52a_open", 1.2)]
    assert list(spans(events, "52a_closed", "52a_open")) == [(None, 0.4), (0.9, 1.2)]


def test_pickup_without_dropout_lasts_to_the_end_and_a_second_one_changes_nothing() -> None:
    events = [event("pickup", 0.1), event("pickup", 0.2)]
    assert list(spans(events, "pickup", "dropout")) == [(0.1, None)]
    assert list(spans([], "pickup", "dropout")) == []


def test_ticks_are_round_and_few() -> None:
    assert ticks(-0.3, 1.1, 7) == [-0.2, 0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert ticks(0.0, 799.0, 3) == [0.0, 500.0]
    assert ticks(2.0, 2.0, 3) == [2.0]


def test_worst_of_each_label_and_a_typical_shot_are_chosen(doc: Any) -> None:
    shots = doc["tests"][0]["shots"]
    found = chosen(shots)
    assert {s["label"] for s, _ in found} == {s["label"] for s in shots}
    (worst,) = [s for s, role in found if role == "worst"]
    assert max(s["readings"][0]["used"] for s in shots) == worst["readings"][0]["used"]
    (typical,) = [s for s, role in found if role == "typical"]
    shares = sorted(s["readings"][0]["used"] for s in shots)
    assert typical["readings"][0]["used"] in shares[10:14]


def test_a_failed_shot_is_shown_however_many_there_are() -> None:
    def shot(number: int, verdict: str) -> dict[str, Any]:
        common = {"attempt": 1, "superseded": False, "events": [event("trip", 0.0)], "readings": []}
        return {"number": number, "label": f"shot {number}", "verdict": verdict, **common}

    shots = [shot(k, "FAIL" if k == 77 else "PASS") for k in range(100)]
    found = chosen(shots)
    assert len(found) == SHOWN_MAX
    assert (shots[77], "worst") in found


def test_page_of_24_shots_stays_small(doc: Any, tmp_path: Path) -> None:
    sizes = {p.name: p.stat().st_size for p in write(tmp_path, doc)}
    assert sizes["report.html"] < 1_000_000
    assert sizes["results.json"] < 1_000_000


def test_lists_of_numbers_are_one_line_of_the_results(doc: Any) -> None:
    text = results_json(doc)
    assert re.search(r'"t_s": \[ ?-0\.\d+, [^\n]+\]', text)
    assert len(text.splitlines()) < 30_000


def test_a_passed_test_says_how_close_to_its_limits_it_came(doc: Any) -> None:
    said = [t["said"] for t in doc["tests"]]
    assert re.fullmatch(
        r"all 24 shots within the tolerance; closest to a limit: operate time of shot \d+, 0\.\d{4} s, "
        r"allowed 0\.\d{4} to 0\.\d{4} s",
        said[0],
    )
    assert said[1].startswith("within the tolerance; closest to a limit: pickup 300.75 A, allowed ")


def test_a_test_that_must_not_trip_says_so(tmp_path: Path) -> None:
    text = SHOTS_24.replace("[2, 3, 5, 8, 12, 20]", "[0.9]").replace("repeats = 4", "repeats = 2")
    done = document(run(plan_of(tmp_path, text), SimBench(ToyRelay())))
    assert done["tests"][0]["said"] == "all 2 shots as expected: no operation where there must be none"


def test_a_test_that_shows_nothing_says_why(tmp_path: Path) -> None:
    text = SHOTS_24.replace("[2, 3, 5, 8, 12, 20]", "[20]")
    done = document(run(plan_of(tmp_path, text), SimBench(ToyRelay(), poll_s=0.1)))
    assert done["tests"][0]["verdict"] == "INCONCLUSIVE"
    assert re.match(r"\d of 4 shots INCONCLUSIVE: .*uncertainty", done["tests"][0]["said"])
