"""The study: forecasts from the past alone, figures as defined, and hours of both modes on the real plant."""

from __future__ import annotations

import csv
import dataclasses as dc
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from forecasting.dispatch.settings import Settings
from forecasting.series import Series
from hil import dispatch_study, dispatch_study_report
from hil.cli import app
from hil.dispatch_site import site_of
from hil.dispatch_study_forecast import AHEAD, LoadForecast, Spread, SunForecast
from hil.dispatch_study_run import Case, Run, StudyRun
from hil.station import read_plan
from rtcore.clock import NS_PER_HOUR
from rtcore.errors import UserInputError

T0 = 1_491_112_800 * 10**9
"""2017-04-02, midnight of the station's clock: a Sunday with sun."""

OPTIONS = dispatch_study.Options("iowa240-der", T0, weeks=1)
HOURS = 6


@pytest.fixture(scope="module")
def case() -> Case:
    made = dispatch_study.make_case(dc.replace(OPTIONS, start_ns=T0 + 9 * NS_PER_HOUR), Settings())
    return dc.replace(made, hours=HOURS, covers=np.array([0.2, 0.2]))


@pytest.fixture(scope="module")
def runs(case: Case) -> list[Run]:
    rules = StudyRun(case, "rules").run()
    final = dict(zip([b.name for b in case.site.batteries], rules.soc_pct[-1].tolist(), strict=True))
    return [rules, StudyRun(case, "optimising", final).run()]


def test_a_station_says_what_the_dispatcher_must_know() -> None:
    site = site_of(read_plan("iowa240-der"), T0)
    assert [(b.name, b.e_rated_wh, b.p_charge_max_w) for b in site.batteries] == [
        ("bess_1", 10e6, 5e6),
        ("bess_2", 2e6, 1e6),
    ]
    assert site.batteries[0].soc_min_pct == 20.0, "what is kept for islands is not for plans"
    assert [r.tap_v for r in site.regulators] == pytest.approx([123.0 * 0.2 / 32] * 3)
    assert len(site.pv) == 40
    assert site.feeders == ("A", "B", "C")
    assert site.volt_var.q_pu == (0.44, 0.0, 0.0, -0.44)


def test_a_station_without_a_battery_is_refused() -> None:
    with pytest.raises(UserInputError, match="battery"):
        site_of(read_plan("iowa240"), T0)


def test_a_start_without_history_is_refused() -> None:
    early = dc.replace(OPTIONS, start_ns=1_483_336_800 * 10**9)  # the second day of the profile
    with pytest.raises(UserInputError, match="four weeks"):
        dispatch_study.make_case(early, Settings())


def test_load_forecasts_do_not_know_what_comes() -> None:
    rng = np.random.default_rng(3)
    week = 1e6 * (2.0 + np.sin(np.arange(40 * 24) * np.pi / 12.0)) + 1e4 * rng.normal(size=40 * 24)
    past = LoadForecast({"A": Series("A", T0, NS_PER_HOUR, week[: 39 * 24])})
    first = past.ahead()["A"]
    # a sine with 1 % noise: the ridges know the day, so half of its height is far off
    assert first == pytest.approx(week[39 * 24 : 40 * 24], abs=0.2e6)
    other = LoadForecast({"A": Series("A", T0, NS_PER_HOUR, week[: 39 * 24])})
    assert np.array_equal(other.ahead()["A"], first)
    other.append({"A": 9e6})
    assert not np.array_equal(other.ahead()["A"], first)


def test_the_sun_is_that_of_now_soon_and_that_of_past_days_later() -> None:
    sun, clear = SunForecast(), np.full(AHEAD, 4e6)
    rng = np.random.default_rng(5)
    for _ in range(30):
        level = rng.uniform(0.2, 1.0)
        for hour in range(24):
            sun.append(level * 4e6 if 6 <= hour < 18 else 0.0, 4e6 if 6 <= hour < 18 else 0.0, 1e5)
    for _ in range(3):
        sun.append(0.25 * 4e6, 4e6, 1e5)
    ahead = sun.ahead(clear) / 4e6
    assert ahead[0] == pytest.approx(0.25, abs=0.08)  # within a day the level stays
    assert ahead[-1] == pytest.approx(0.6, abs=0.12)  # the mean of 0.2 to 1.0, of 30 days


def test_the_spread_is_the_upper_quantile_of_past_errors_by_steps_ahead() -> None:
    spread, rng = Spread(), np.random.default_rng(7)
    for _ in range(600):
        spread.ahead(np.zeros(AHEAD))
        spread.append(float(rng.normal()) * 1e5)
    # 80 % of a normal distribution lies below 0.84 standard deviations; 600 errors know it to 0.06
    assert spread.ahead(np.zeros(AHEAD)) == pytest.approx(0.84e5, abs=0.2e5)


def test_both_runs_meet_the_same_load_and_sun_and_end_equally_charged(case: Case, runs: list[Run]) -> None:
    rules, planned = runs
    # constant-power loads differ by what voltages do to them, and meters sample alike
    assert planned.load_wh == pytest.approx(rules.load_wh, rel=2e-3)
    assert planned.solar_wh + planned.curtailed_wh == pytest.approx(
        rules.solar_wh + rules.curtailed_wh, rel=2e-3
    )
    assert planned.soc_pct[-1] == pytest.approx(rules.soc_pct[-1], abs=0.5)
    assert planned.dispatcher is not None
    assert planned.dispatcher.n_plans == HOURS
    assert planned.events == ()


def test_figures_follow_from_the_minutes(case: Case, runs: list[Run]) -> None:
    run = runs[0]
    f = dispatch_study_report.figures(case, run)
    by_hand = max(run.import_w[k : k + 15].mean() for k in range(0, HOURS * 60, 15))
    assert f["peak_kw"] == pytest.approx(by_hand / 1e3)
    net = f["import_mwh"] - f["export_mwh"]
    assert net == pytest.approx(run.import_w.sum() / 60.0 / 1e6)
    # what comes in goes to loads, losses and cells; 2 % of the load are lost
    assert 0.0 < f["losses_mwh"] < 0.05 * run.load_wh / 1e6
    assert f["cost"] == pytest.approx(sum(v for k, v in f.items() if k.startswith("cost_")))


def test_violations_count_every_service_for_itself(case: Case, runs: list[Run]) -> None:
    strict = dc.replace(
        case, settings=dc.replace(case.settings, v_max_pu=1.001, v_min_pu=0.999, margin_pu=0.0)
    )
    run = StudyRun(dc.replace(strict, hours=1), "rules").run()
    f = dispatch_study_report.figures(strict, run)
    assert f["violation_h"] == pytest.approx(f["low_h"] + f["high_h"])
    assert len(run.low_h) * 1.0 >= f["violation_h"] > 0.5 * len(run.low_h)
    assert f["violated_h"] == pytest.approx(1.0)


def test_everything_is_written(case: Case, runs: list[Run], tmp_path: Path) -> None:
    doc = dispatch_study_report.document(case, runs, {"station": "iowa240-der"})
    paths = dispatch_study_report.write(tmp_path / "out", case, runs, doc)
    assert [p.name for p in paths] == ["study.csv", "hours.csv", "study.json", "study.png"]
    assert json.loads(paths[2].read_text())["runs"][1]["plans"]["made"] == HOURS
    with paths[1].open() as f:
        rows = list(csv.DictReader(f))
    assert len(rows) == 2 * HOURS
    assert rows[-1]["mode"] == "optimising"
    assert paths[3].read_bytes().startswith(b"\x89PNG")
    text = dispatch_study_report.table_rows(doc)
    assert all(len(row) == 3 for row in text)
    assert any("Optimising against rules" in note for note in dispatch_study_report.notes(doc))


def test_a_file_where_the_results_should_go_is_told_before_the_weeks_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch_study, "study", lambda *_, **__: pytest.fail("it ran"))
    (tmp_path / "study").write_text("mine")
    answer = CliRunner().invoke(app, ["dispatch", "study", "-o", str(tmp_path / "study")])
    assert isinstance(answer.exception, UserInputError)
    assert "is a file; --output takes a folder" in str(answer.exception)


def test_what_is_compared_must_be_known() -> None:
    answer = CliRunner().invoke(app, ["dispatch", "study", "--modes", "rules,magic"])
    assert answer.exit_code == 2
    assert "rules, optimising, or both" in answer.output
