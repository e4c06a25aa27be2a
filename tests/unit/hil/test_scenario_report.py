"""Reports: the same results as JSON, JUnit XML, HTML and CSV, whatever the run has shown."""

from __future__ import annotations

import csv
import dataclasses as dc
import html.parser
import json
import math
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from hil import scenario_report as sr
from hil.scenario import Happening, Run, run
from hil.scenario_chart import COLUMNS_MAX, chart
from hil.scenario_files import read_scenario
from hil.scenario_model import Form
from hil.scenario_report import Report
from hil.scenario_verdicts import Result, judge

pytestmark = pytest.mark.timeout(600)
"""With an empty cache the first of these tests compiles every kernel."""

BODY = """
[scenario]
name = "lab"
title = "Trip <of> B & \\"more\\""
station = "iowa240"
duration = "1 s"
step_ms = 10
seed = 5
description = "One & only."

[[event]]
name = "trip"
at = 0.5
pulse = "FDR_B.CB_201.TRIP"

[[event]]
at = 0.7
set = { SUB.LOAD.SCALE_SP = 9 }
expect = "refused"

[[assert]]
title = "opens"
tag = "FDR_B.CB_201.ST_52B"
after = "trip"
within = 0.1
equals = "CLOSED"

[[assert]]
title = "keeps its <power> & more"
tag = "FDR_B.HEAD.P"
min = 500

[record]
tags = ["FDR_B.HEAD.P", "FDR_B.M2002.VA"]
every_s = 0.05
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    path = tmp_path_factory.mktemp("scenario") / "lab.toml"
    path.write_text(BODY)
    done = run(read_scenario(path))
    return Report(done, judge(done))


def with_run(report: Report, **changes: object) -> Report:
    return dc.replace(report, run=dc.replace(report.run, **changes))


def passed(report: Report) -> Report:
    return dc.replace(report, results=[r for r in report.results if r.is_passed])


# ---------------------------------------------------------------- results.json


def test_the_document_has_the_agreed_shape_and_says_what_was_measured(report: Report) -> None:
    d = json.loads(json.dumps(sr.combined([report]), allow_nan=False))
    assert (d["verdict"], d["seed"], d["config_hash"]) == ("FAIL", 5, report.run.config_hash)
    assert [(r["title"], r["form"], r["verdict"]) for r in d["results"]] == [
        ("trip", "command", "PASS"),
        ("SUB.LOAD.SCALE_SP = 9 pu", "command", "PASS"),
        ("opens", "eventually", "PASS"),
        ("keeps its <power> & more", "always", "FAIL"),
    ]
    opens, power = d["results"][2:]
    assert (opens["measured"], opens["unit"], opens["max"]) == (pytest.approx(0.05), "s", pytest.approx(0.1))
    assert (power["min"], power["max"], power["unit"], power["tag"]) == (500.0, None, "kW", "FDR_B.HEAD.P")
    assert power["measured"] < 1.0 and 0.55 <= power["at_s"] <= 1.0
    assert d["run"]["steps"] == 101 and d["run"]["simulated_s"] == pytest.approx(1.01)
    assert re.fullmatch("[0-9a-f]{16}", d["run"]["digest"]) and re.fullmatch("[0-9a-f]{64}", d["config_hash"])
    assert {"gridhil", "numpy", "numba", "python"} <= d["versions"].keys()
    events = [(e["time_s"], e["tag"], e["what"]) for e in d["events"]]
    assert (0.54, "FDR_B.CB_201.ST_52A", "CLOSED -> OPEN") in events
    assert (0.7, "SUB.LOAD.SCALE_SP", "command 9 pu: refused (out_of_range)") in events
    assert d["events"][0]["time"].startswith("2017-07-12T12:00:00")


def test_what_is_no_number_becomes_null(report: Report) -> None:
    nan = Result(title="x", form=Form.AT, is_passed=False, message="nan", measured=math.nan, low=1.0)
    (row,) = sr.document(dc.replace(report, results=[nan]))["results"]
    assert (row["measured"], row["min"], row["max"]) == (None, 1.0, None)


def test_several_runs_make_one_document_of_the_same_shape(report: Report) -> None:
    good = passed(report)
    d = sr.combined([good, report])
    assert (d["verdict"], d["seed"]) == ("FAIL", 5)
    assert len(d["results"]) == len(good.results) + len(report.results)
    assert [s["verdict"] for s in d["scenarios"]] == ["PASS", "FAIL"]
    assert re.fullmatch("[0-9a-f]{64}", d["config_hash"])
    other = with_run(good, scenario=dc.replace(good.run.scenario, seed=6))
    assert sr.combined([good, other])["seed"] is None
    assert sr.combined([good, other])["verdict"] == "PASS"


def test_events_beyond_the_limit_are_counted(report: Report) -> None:
    many = tuple(Happening(k, 1, "FDR_B.CB_201.ST_52A", 0, 1, 0) for k in range(sr.EVENTS_MAX + 7))
    d = sr.document(with_run(report, happenings=many, happenings_left_out=2, happenings_lost=1))
    assert (len(d["events"]), d["events_left_out"]) == (sr.EVENTS_MAX, 10)


# ---------------------------------------------------------------- JUnit


def test_junit_has_one_case_per_assertion_and_command_with_the_failures_figures(report: Report) -> None:
    root = ET.fromstring(sr.junit([report, passed(report)]))
    assert (root.get("tests"), root.get("failures")) == ("7", "1")
    suite = root[0]
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == ("lab", "4", "1")
    facts = {p.get("name"): p.get("value") for p in suite.iter("property")}
    assert facts["time_means"] == "simulated seconds"
    assert (facts["seed"], facts["config_hash"]) == ("5", report.run.config_hash)
    cases = {c.get("name"): c for c in suite.iter("testcase")}
    assert cases["trip"].get("classname") == "lab.commands"
    assert cases["opens"].get("classname") == "lab.assertions"
    assert float(cases["opens"].get("time", "")) == pytest.approx(0.05)  # the time it took
    failed = cases["keeps its <power> & more"]
    assert float(failed.get("time", "")) == pytest.approx(1.0)  # its window
    (failure,) = failed.iter("failure")
    assert failure.get("type") == "always"
    assert "needed at least 500 kW" in (failure.get("message") or "")
    text = failure.text or ""
    assert "measured: " in text and "limits: 500 to inf kW" in text
    assert re.search(r"simulated time: at 0\.\d+ s, looked at from 0 s to 1 s", text)
    assert not list(cases["opens"].iter("failure"))


def test_characters_that_xml_cannot_hold_do_not_break_the_file(report: Report) -> None:
    odd = Result(title="a\x00b\x1b[31m\ud800", form=Form.AT, is_passed=False, message="\x08")
    root = ET.fromstring(sr.junit([dc.replace(report, results=[odd])]))
    assert next(root.iter("testcase")).get("name") == "a?b?[31m?"


# ---------------------------------------------------------------- HTML


class Page(html.parser.HTMLParser):
    """Collects text, tags and addresses of a page; knows which elements must be closed."""

    VOID = {"meta", "br", "img", "link", "line", "rect", "polyline"}

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text, self.open, self.tags, self.links = "", list[str](), list[str](), list[str]()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [v or "" for k, v in attrs if k in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def page_of(report: Report) -> tuple[Page, str]:
    text = sr._own_files(report)["report.html"]
    return Page(text), text


def test_the_page_stands_alone_and_says_everything(report: Report) -> None:
    page, text = page_of(report)
    assert page.open == []
    assert "script" not in page.tags and page.links == [] and "http" not in text and "url(" not in text
    for words in (
        'Trip <of> B & "more"',
        "One & only.",
        "3 of 4 passed",
        "iowa240",
        report.run.config_hash,
        "times real time",
        "keeps its <power> & more",
        "needed at least 500 kW",
        "CLOSED -> OPEN",
        "12:00:00.500000",
    ):
        assert words in page.text, words
    assert "<of>" not in text and "<power>" not in text  # what users write stays text
    assert page.tags.count("svg") == 2


def test_the_page_warns_of_steps_that_did_not_converge(report: Report) -> None:
    assert "did not converge" not in page_of(report)[0].text
    assert "did not converge in 3 steps" in page_of(with_run(report, not_converged=3))[0].text


def test_events_of_kinds_that_are_not_known_here_are_still_shown(report: Report) -> None:
    odd = (Happening(3, 99, "", 1, 2, 0),)
    assert "event of kind 99: 1 -> 2" in page_of(with_run(report, happenings=odd))[0].text


def test_a_chart_leaves_gaps_and_loses_no_extreme() -> None:
    times = [k * 0.01 for k in range(20 * COLUMNS_MAX)]
    values = [math.sin(t) for t in times]
    values[4321] = 77.0
    values[5000:5200] = [math.nan] * 200
    text = chart("A & B", "kW", times, values, [1.0, 999.0])
    assert "A &amp; B [kW]" in text and ">77<" in text
    assert text.count("<polyline") == 2
    assert text.count('class="m"') == 1  # the other mark lies outside
    assert "nan" not in text
    assert len(re.findall(r"\d+\.\d,\d+\.\d", text)) <= 4 * COLUMNS_MAX


@pytest.mark.parametrize("values", [[], [1.0], [math.nan] * 3, [5.0, 5.0], [0.0, 0.0]])
def test_a_chart_of_next_to_nothing_is_still_a_chart(values: list[float]) -> None:
    page = Page(chart("X", "", [float(k) for k in range(len(values))], values, []))
    assert page.open == [] and "nan" not in page.text and "inf" not in page.text


# ---------------------------------------------------------------- record.csv


def test_the_record_has_a_row_per_interval_and_empty_cells_for_bad_values(report: Report) -> None:
    rows = list(csv.reader(sr.record_csv(report.run).splitlines()))
    assert rows[0] == ["time_s", "time", "FDR_B.HEAD.P", "FDR_B.M2002.VA"]
    assert len(rows) == 1 + 21  # 0 to 1 s every 50 ms
    assert [float(r[0]) for r in rows[1:]] == pytest.approx([0.05 * k for k in range(21)])
    assert rows[11][1] == "2017-07-12T12:00:00.500000-06:00"
    assert [r[3] == "" for r in rows[1:]] == [False] * 11 + [True] * 10  # dead from 0.55 s on
    np.testing.assert_allclose([float(r[2]) for r in rows[1:]], report.run.trace[:, 0], rtol=1e-8)


# ---------------------------------------------------------------- files


def test_one_scenario_lies_flat_and_several_have_folders(report: Report, tmp_path: Path) -> None:
    written = sr.write(tmp_path / "one", [report])
    flat = {"results.json", "junit.xml", "report.html", "record.csv"}
    assert {p.relative_to(tmp_path / "one").as_posix() for p in written} == flat
    other = with_run(report, scenario=dc.replace(report.run.scenario, name="other"))
    sr.write(tmp_path / "two", [report, other])
    found = {p.relative_to(tmp_path / "two").as_posix() for p in (tmp_path / "two").rglob("*") if p.is_file()}
    assert found == {"results.json", "junit.xml"} | {
        f"{n}/{f}" for n in ("lab", "other") for f in ("report.html", "record.csv")
    }


def test_without_a_record_there_is_no_table_and_no_chart(report: Report, tmp_path: Path) -> None:
    run_: Run = report.run
    bare = with_run(
        report, scenario=dc.replace(run_.scenario, record=dc.replace(run_.scenario.record, points=()))
    )
    assert "record.csv" not in {p.name for p in sr.write(tmp_path, [bare])}
    assert "svg" not in page_of(bare)[0].tags
