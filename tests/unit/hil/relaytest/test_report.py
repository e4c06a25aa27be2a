"""Every form of the report says the same, and the page needs nothing but itself."""

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from hil.relaytest.document import document
from hil.relaytest.report import junit, readings_csv, write
from hil.relaytest.report_charts import LogLog, ticks
from hil.relaytest.report_html import html
from hil.relaytest.runner import run
from rtcore.errors import UserInputError
from tests.unit.hil.relaytest.plans import HEAD, PICKUP, SHOTS_24, plan_of
from tests.unit.hil.relaytest.sim_bench import SimBench
from tests.unit.hil.relaytest.toy_relay import ToyRelay

VOID = {"meta", "br", "rect", "line", "circle", "polyline", "polygon", "path"}


@pytest.fixture(scope="module")
def doc(tmp_path_factory: pytest.TempPathFactory) -> Any:
    head = HEAD.replace('name = "trial"', 'name = "trial"\ntitle = "Relay <7> & more"')
    plan = plan_of(tmp_path_factory.mktemp("plan"), SHOTS_24 + PICKUP, head)
    done = run(plan, SimBench(ToyRelay(slow=1.1)), utc_s=lambda: 0.0)
    return document(done, {"configuration (SHA-256)": "ab" * 32})


@pytest.fixture(scope="module")
def page(doc: Any) -> str:
    return html(doc)


class Balance(HTMLParser):
    """Finds tags that are not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.n_rows: list[int] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag


def test_document_is_json_that_reads_back_the_same(doc: Any) -> None:
    assert json.loads(json.dumps(doc, allow_nan=False)) == doc
    failed = sum(s["verdict"] == "FAIL" for s in doc["tests"][0]["shots"])
    assert (doc["verdict"], doc["counts"]["FAIL"]) == ("FAIL", failed)


def test_same_results_make_the_same_page_from_the_file(doc: Any, page: str) -> None:
    assert html(json.loads(json.dumps(doc))) == page


def test_page_is_well_formed_and_asks_for_nothing(page: str) -> None:
    parser = Balance()
    parser.feed(page)
    assert parser.stack == []
    assert not re.search(r"https?:|<script|<link|<img|url\(|@import|src=", page)
    assert "Relay &lt;7&gt; &amp; more" in page
    assert "<7>" not in page


def test_page_has_all_that_a_customer_asks_for(doc: Any, page: str) -> None:
    for text in (
        "operates 10 % slow at every multiple",
        doc["plan"]["sha256"],
        "ab" * 32,
        doc["host"]["name"],
        "poll phase",
        "half-width",
        "internal relay",
        "tolerance tube",
        "Loop and connection in each shot",
        "@page { size: A4",
        "not the analogue front end",
        "no errors of CTs and VTs",
        "seed of noise",
        "Timelines and recordings",
        "Phasors applied",
    ):
        assert text in page, text


def test_chart_marks_every_measured_shot(doc: Any, page: str) -> None:
    shots = doc["tests"][0]["shots"]
    chart = page[page.index("operate time against multiple") : page.index("bars: 99 % interval")]
    # one mark a shot, one more in the legend for each verdict; nothing else has these shapes
    marks = len(re.findall(r"<circle|<path|<polygon points", chart))
    assert marks == len(shots) + len({s["verdict"] for s in shots})


def test_csv_has_every_reading(doc: Any) -> None:
    rows = list(csv.DictReader(io.StringIO(readings_csv(doc))))
    assert len(rows) == 24 + 2
    assert float(rows[0]["measured"]) == pytest.approx(doc["tests"][0]["shots"][0]["readings"][0]["measured"])
    assert rows[0]["verdict"] == doc["tests"][0]["shots"][0]["verdict"]


def test_junit_counts_failures_and_what_is_not_known(doc: Any) -> None:
    root = ET.fromstring(junit(doc))
    counts = doc["counts"]
    assert int(root.get("tests", 0)) == 25
    assert int(root.get("failures", 0)) == counts["FAIL"]
    assert int(root.get("errors", 0)) == counts.get("INCONCLUSIVE", 0) + counts.get("INVALID", 0)
    failure = root.find(".//failure")
    assert failure is not None
    assert "operates 10 % slow" in (failure.text or "")


def test_junit_is_what_common_readers_take(doc: Any) -> None:
    mixed = json.loads(json.dumps(doc))
    shots = mixed["tests"][0]["shots"]
    shots[1]["verdict"], shots[1]["invalid"] = "INVALID", "the loop slipped"
    shots[2]["verdict"] = "INCONCLUSIVE"
    mixed["tests"].append({**mixed["tests"][1], "name": "empty", "shots": [], "verdict": "INVALID"})
    root = ET.fromstring(junit(mixed))
    of_verdict = {"FAIL": "failure", "INVALID": "error", "INCONCLUSIVE": "error"}
    for suite, test in zip(root, mixed["tests"], strict=True):
        cases = suite.findall("testcase")
        assert [e.tag for e in suite] == ["properties", *["testcase"] * len(cases)]
        for name, tag in (
            ("tests", "testcase"),
            ("failures", "testcase/failure"),
            ("errors", "testcase/error"),
        ):
            assert int(suite.get(name, -1)) == len(suite.findall(tag))
        assert suite.get("skipped") == "0"
        assert float(suite.get("time", -1)) == pytest.approx(
            sum(float(c.get("time", -1)) for c in cases), abs=5e-5
        )  # a rounding of 1 us for each case
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.get("timestamp", ""))
        assert len({(c.get("classname"), c.get("name")) for c in cases}) == len(cases)
        for case, shot in zip(cases, test["shots"], strict=bool(test["shots"])):
            assert [e.tag for e in case] == [of_verdict.get(shot["verdict"], "system-out")]
            assert all(e.get("message") for e in case if e.tag != "system-out")
    for name in ("tests", "failures", "errors"):
        assert int(root.get(name, -1)) == sum(int(suite.get(name, -1)) for suite in root)
    assert root[-1].find("testcase/error") is not None


def test_states_that_differ_in_the_size_of_the_current_alone_are_drawn_once(page: str) -> None:
    assert page.count('aria-label="phasors of') == 2
    assert "600 .. 6000 A -60°" in page


def test_every_file_is_written_and_a_file_in_the_way_is_said(doc: Any, tmp_path: Path) -> None:
    written = write(tmp_path / "out", doc)
    assert [p.name for p in written] == ["results.json", "report.html", "readings.csv", "junit.xml"]
    (tmp_path / "file").write_text("")
    with pytest.raises(UserInputError, match="takes a folder"):
        write(tmp_path / "file", doc)


@pytest.mark.parametrize("relay", [{"is_mute": True}, {"dead_s": 2.0}, {"tms": 1.0}, {"trips_at_s": 5.1}])
def test_bad_devices_make_a_report_too(tmp_path: Path, relay: dict[str, Any]) -> None:
    text = SHOTS_24.replace("[2, 3, 5, 8, 12, 20]", "[5]").replace("repeats = 4", "repeats = 2")
    done = document(run(plan_of(tmp_path, text), SimBench(ToyRelay(**relay))))
    assert len(write(tmp_path / "out", done)) == 4
    assert done["verdict"] in ("FAIL", "INVALID")


def test_logarithmic_axis_has_decades_as_far_apart_as_each_other() -> None:
    sheet = LogLog((1.0, 100.0), (0.1, 10.0))
    assert sheet.x(10.0) - sheet.x(1.0) == pytest.approx(sheet.x(100.0) - sheet.x(10.0))
    assert sheet.y(1.0) - sheet.y(10.0) == pytest.approx(sheet.y(0.1) - sheet.y(1.0))
    assert ticks((0.9, 30.0)) == pytest.approx([1, 2, 5, 10, 20])
