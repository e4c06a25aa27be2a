"""Scores of a made-up study whose every figure is known, and the forms of its report."""

import csv
import dataclasses as dc
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from estimation.detectors.bank import NAMES
from hil.cyberrange.document import document
from hil.cyberrange.draw import ATTACKED, CALIBRATE, VERIFY, Job
from hil.cyberrange.harm import Harm
from hil.cyberrange.job import AttackResult, CleanResult, Result, SeedResult
from hil.cyberrange.plan import RangePlan, find_plan, read_plan_file
from hil.cyberrange.report import results_csv, write
from hil.cyberrange.report_html import html
from hil.cyberrange.roc_chart import chart, x_of, y_of
from hil.cyberrange.scoring import Scores, score

DAY, WARM, N = 8640, 20, 30
I_NU, I_J = NAMES.index("innovation_max"), NAMES.index("J")


@pytest.fixture(scope="module")
def plan() -> RangePlan:
    small = read_plan_file(find_plan("small"))
    return dc.replace(small, clean=small.clean.model_copy(update={"per_day": 0.1}))


def clean(seed: int, peak: float = 4.0) -> CleanResult:
    """A day of quiet scans with one peak in one detector."""
    values = np.random.default_rng(seed).uniform(0.0, 1.0, (DAY, len(NAMES)))
    values[1000 * (seed % 8) + 500, I_NU] = peak
    return CleanResult("2017-01-01", seed, values, np.full(DAY, 3e-4), 86, 0)


def attacked(plan: RangePlan, seed: int) -> SeedResult:
    """The first attack is seen by the largest innovation after 2 scans in even seeds only; others never."""
    results = []
    for k, section in enumerate(plan.attacks):
        values = np.zeros((WARM + N, len(NAMES)))
        names = [c.measurement.name for c in plan.telemetry.channels]
        is_false = np.zeros((N, len(names)), bool)
        is_false[:, names.index("FDR_B.HEAD.P")] = k == 0
        where: list[list[tuple[int, ...]]] = [[() for _ in NAMES] for _ in range(N)]
        if k == 0 and seed % 2 == 0:
            values[WARM + 2 :, I_NU] = 10.0
            where[2][I_NU] = (0, 1, names.index("FDR_B.HEAD.P"))
        results.append(
            AttackResult(
                section.name,
                values,
                tuple(tuple(w) for w in where),
                is_false,
                np.full(N, 6e-4),
                np.full(N, 3e-4),
                0.5,
                Harm(0.3, 12.0, -0.5),
                5.0,
                1.0,
                0,
                (),
            )
        )
    return SeedResult("2017-05-01", seed, WARM, tuple(results))


@pytest.fixture(scope="module")
def scores(plan: RangePlan) -> Scores:
    done = {Job(CALIBRATE, k): clean(k) for k in range(5)} | {
        Job(VERIFY, k): clean(10 + k, 3.0) for k in range(5)
    }
    return score(plan, done | {Job(ATTACKED, k): attacked(plan, k) for k in range(4)})


@pytest.fixture(scope="module")
def doc(plan: RangePlan, scores: Scores) -> dict[str, Any]:
    return document(plan, scores)


def test_a_threshold_lies_above_what_clean_runs_reach_and_its_bound_is_that_of_no_alarm(
    scores: Scores,
) -> None:
    detector = scores.detector("innovation_max")
    assert 3.9 < detector.threshold < 10.0
    assert (detector.verified.n, detector.verified.days) == (0, 5.0)
    assert detector.verified.upper_per_day == pytest.approx(2.996 / 5.0, abs=1e-3)


def test_rate_delay_and_place_are_those_that_were_made(scores: Scores) -> None:
    cell = scores.cell("bias", "innovation_max")
    assert (cell.n, cell.n_detected, cell.rate, cell.delay_scans) == (4, 2, 0.5, 2.0)
    assert (cell.named.n, cell.named.hits) == (2, {1: 0, 3: 2})
    assert cell.named.false_share == pytest.approx(1 / 731)
    assert cell.named.chance[3] == pytest.approx(3 / 731)


def test_what_the_load_lost_is_told_from_what_it_only_drew_otherwise(doc: dict[str, Any]) -> None:
    row = next(a for a in doc["attacks"] if a["name"] == "trip")
    assert row["load_deenergised_mw"] == 0.3
    assert (row["energy_not_supplied_kwh"], row["demand_change_kwh"]) == (12.0, -0.5)


def test_what_nobody_saw_is_unseen(scores: Scores, doc: dict[str, Any]) -> None:
    assert scores.cell("replay", "freshness").is_unseen
    assert not scores.cell("bias", "innovation_max").is_unseen
    assert any(line.startswith("replay") and "no detector sees it" in line for line in doc["blind_spots"])
    stealthy = [line for line in doc["blind_spots"] if line.startswith("stealthy: the residual tests")]
    assert len(stealthy) == 1
    assert "0.0006 instead of 0.0003 pu" in stealthy[0]


def test_the_curve_rises_where_the_threshold_falls_below_what_attacks_reach(scores: Scores) -> None:
    curve = scores.cell("bias", "innovation_max").roc
    assert curve[0] == (0.0, 0.5)
    rates = [rate for _, rate in curve]
    assert rates == sorted(rates)
    assert curve[1][0] == pytest.approx(1.0)  # five peaks of the same height in five days: all or none


def test_an_alarm_that_is_up_already_is_no_detection(plan: RangePlan) -> None:
    run = attacked(plan, 0)
    values = run.attacks[0].values.copy()
    values[WARM - 3 :, I_NU] = 10.0
    first = AttackResult(
        **{f: getattr(run.attacks[0], f) for f in AttackResult.__slots__} | {"values": values}
    )
    done = {
        Job(CALIBRATE, 0): clean(0),
        Job(VERIFY, 0): clean(1),
        Job(ATTACKED, 0): SeedResult("", 0, WARM, (first, *run.attacks[1:])),
    }
    scores = score(plan, done)
    cell = scores.cell("bias", "innovation_max")
    assert (cell.n_detected, cell.n_up) == (0, 1)
    # The curve counts by the same rule: at no threshold below the alarm's height is this run detected.
    assert {rate for _, rate in cell.roc} == {0.0}
    found = document(plan, scores)
    row = next(r for r in found["results"] if (r["attack"], r["detector"]) == ("bias", "innovation_max"))
    assert (row["detected"], row["alarm_already_up"]) == (0, 1)
    assert "up before: 1" in html(found)


def test_the_curve_goes_through_the_rate_of_the_table(scores: Scores) -> None:
    cell, detector = scores.cell("bias", "innovation_max"), scores.detector("innovation_max")
    heights = np.array(detector.tail)
    at = next(rate for per_day, rate in cell.roc if per_day >= np.sum(heights > detector.threshold) / 5.0)
    assert at == cell.rate


def test_the_report_says_how_probable_a_false_alarm_in_an_attack_is(doc: dict[str, Any]) -> None:
    row = next(d for d in doc["detectors"] if d["name"] == "innovation_max")
    # no alarm in five days: below 0.599 a day; attacks of five minutes
    assert row["false_alarm_in_attack_upper"] == pytest.approx(1 - np.exp(-0.599 * 5 / 1440), rel=1e-3)
    assert any("a false alarm in up to 0.21 %" in line for line in doc["blind_spots"])


def test_a_detector_that_never_said_anything_has_no_threshold(plan: RangePlan) -> None:
    silent = CleanResult("", 0, np.full((DAY, len(NAMES)), np.nan), np.full(DAY, 1e-4), 0, 0)
    done = {Job(CALIBRATE, 0): silent, Job(VERIFY, 0): silent, Job(ATTACKED, 0): attacked(plan, 0)}
    found = document(plan, score(plan, done))
    assert found["detectors"][I_J]["threshold"] is None
    assert found["detectors"][I_J]["verification"]["upper_95_per_day"] is None
    json.dumps(found, allow_nan=False)
    html(found)
    said = "\n".join(found["blind_spots"])
    assert "nothing can be said of J" in said
    assert "no detector sees it" not in said  # they might: nobody knows
    row = next(r for r in found["results"] if r["detector"] == "J")
    assert row["rate"] is None and row["rate_interval_95"] == [None, None]


def test_a_command_that_the_plant_refused_is_no_attack_that_nobody_saw(plan: RangePlan) -> None:
    done: dict[Job, Result] = {Job(CALIBRATE, 0): clean(0), Job(VERIFY, 0): clean(1)}
    run = attacked(plan, 0)
    refused = dc.replace(run.attacks[1], refused=("SUB.X = 1: in_local",))
    done[Job(ATTACKED, 0)] = dc.replace(run, attacks=(run.attacks[0], refused, *run.attacks[2:]))
    said = document(plan, score(plan, done))["blind_spots"]
    assert any(f"{plan.attacks[1].name}: the plant refused SUB.X = 1: in_local" in x for x in said)


@pytest.mark.parametrize(("detected", "bounds"), [(0, (0.0, 0.6024)), (4, (0.3976, 1.0))])
def test_a_rate_has_its_exact_interval(scores: Scores, detected: int, bounds: tuple[float, float]) -> None:
    """Clopper and Pearson: 1 - 0.025^(1/4) and 0.025^(1/4)."""
    cell = dc.replace(scores.cells[0], n=4, n_detected=detected, is_calibrated=True)
    assert cell.bounds == pytest.approx(bounds, abs=1e-4)


def test_expectations_decide_on_the_verdict(doc: dict[str, Any]) -> None:
    verdicts = {e["expected"].split(" in ")[0]: e["verdict"] for e in doc["expectations"]}
    assert verdicts["J detects stealthy"] == "PASS"
    assert verdicts["freshness detects freeze"] == "FAIL"
    assert doc["verdict"] == "FAIL"


def test_the_document_is_json_with_a_hash_and_a_row_for_each_attack_and_detector(
    plan: RangePlan, doc: dict[str, Any]
) -> None:
    assert json.loads(json.dumps(doc, allow_nan=False)) == doc
    assert re.fullmatch("[0-9a-f]{64}", doc["config_hash"])
    assert (doc["seed"], len(doc["results"])) == (1, len(plan.attacks) * len(NAMES))


def test_the_table_has_the_same_rows(doc: dict[str, Any]) -> None:
    rows = list(csv.DictReader(io.StringIO(results_csv(doc))))
    assert len(rows) == len(doc["results"])
    first = next(r for r in rows if (r["attack"], r["detector"]) == ("bias", "innovation_max"))
    assert (first["rate"], first["delay_s"], first["hit_at_3"]) == ("0.5", "20.0", "1.0")
    assert float(first["rate_interval_95_low"]) < 0.5 < float(first["rate_interval_95_high"])
    assert not any("[" in value for row in rows for value in row.values())


class Tags(HTMLParser):
    """Finds tags that are not closed, and addresses."""

    VOID = {"meta", "br", "rect", "line", "polyline"}

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [f"{tag} {k}" for k, _ in attrs if k in ("href", "src", "action")]
        self.addresses += [tag] if tag in ("script", "link", "iframe", "img") else []
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag


def test_the_page_needs_nothing_but_itself_and_every_tag_is_closed(doc: dict[str, Any]) -> None:
    page = html(doc)
    tags = Tags()
    tags.feed(page)
    assert tags.stack == []
    assert tags.addresses == []
    assert "url(" not in page
    assert page.count("<svg") == len(doc["attacks"])


def test_all_forms_are_written(tmp_path: Path, doc: dict[str, Any]) -> None:
    assert [p.name for p in write(tmp_path / "new", doc)] == ["results.json", "results.csv", "report.html"]
    assert json.loads((tmp_path / "new" / "results.json").read_text()) == doc


def test_a_curve_stands_where_its_figures_say() -> None:
    svg = chart("a & b", {"one": [(0.0, 0.5), (1.0, 1.0)]}, 1.0)
    assert "a &amp; b" in svg
    (points,) = re.findall(r'<polyline stroke="[^"]+" points="([^"]+)"', svg)
    corners = [tuple(map(float, p.split(","))) for p in points.split()]
    assert corners[0] == pytest.approx((x_of(0.1), y_of(0.5) - 3.0), abs=0.06)  # rounded to 0.1
    assert corners[-1] == pytest.approx((x_of(100.0), y_of(1.0) - 3.0), abs=0.06)
