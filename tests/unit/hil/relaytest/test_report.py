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
from hil.relaytest.report import FORMS, junit, readings_csv, write
from hil.relaytest.report_charts import FONT, LETTER, PHASORS_WIDTH, LogLog, phasor_chart, ticks
from hil.relaytest.report_html import html
from hil.relaytest.runner import run
from rtcore.errors import HostError, UserInputError
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


def marks_of(page: str) -> int:
    chart = page[page.index("operate time against multiple") : page.index("bars: 99 % interval")]
    return len(re.findall(r"<circle|<path|<polygon points", chart))


@pytest.mark.parametrize("measured", [0.0, -0.004])
def test_a_time_of_zero_or_less_is_in_the_tables_and_not_on_the_sheet(
    doc: Any, page: str, measured: float, tmp_path: Path
) -> None:
    early = json.loads(json.dumps(doc))
    reading = early["tests"][0]["shots"][0]["readings"][0]
    reading |= {"measured": measured, "low": measured - 0.01, "high": measured + 0.01}
    assert len(write(tmp_path, early)) == 4
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert marks_of(text) == marks_of(page) - 1
    assert f"{measured:.4f} s" in text


def test_a_curve_without_any_time_has_no_sheet(doc: Any) -> None:
    empty = json.loads(json.dumps(doc))
    curve = empty["tests"][0]["curve"]
    curve["expected_s"] = [None] * len(curve["expected_s"])
    for shot in empty["tests"][0]["shots"]:
        shot["readings"][0]["measured"] = 0.0
    assert "operate time against multiple" not in html(empty)


def test_a_form_that_fails_loses_no_other(doc: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_doc: Any) -> str:
        raise ValueError("math domain error")

    monkeypatch.setitem(FORMS, "report.html", broken)
    with pytest.raises(HostError, match=r"report\.html: cannot be made of the results: math domain error"):
        write(tmp_path, doc)
    assert {p.name for p in tmp_path.iterdir()} == {"results.json", "readings.csv", "junit.xml"}
    assert next(iter(FORMS)) == "results.json"


def test_a_run_that_was_broken_off_says_why_and_has_not_passed(tmp_path: Path) -> None:
    done = run(plan_of(tmp_path, PICKUP), SimBench(ToyRelay()))
    assert (done.verdict, document(done)["verdict"]) == ("PASS", "PASS")
    broken = document(done, broken_off="station lab has ended")
    assert broken["verdict"] == "INVALID"
    assert "The run was broken off: station lab has ended." in html(broken)
    root = ET.fromstring(junit(broken))
    assert (root.get("tests"), root.get("errors")) == ("2", "1")
    done.tests.clear()  # in the first calibration
    assert document(done, broken_off="it ended")["verdict"] == "INVALID"


def test_a_failure_stays_one_when_the_run_is_broken_off(tmp_path: Path) -> None:
    done = run(plan_of(tmp_path, PICKUP), SimBench(ToyRelay(pickup_error=1.05)))
    assert document(done, broken_off="it ended")["verdict"] == "FAIL"


def test_settings_that_are_not_the_usual_ones_are_named(doc: Any, page: str) -> None:
    assert "iec_si_a, pickup 300 A primary, time dial 0.1, instant reset<" in page
    other = json.loads(json.dumps(doc))
    other["settings"] |= {"delay_s": 0.05, "min_operate_s": 0.03, "m_cap": 20.0, "dropout_ratio": 0.9}
    other["settings"] |= {"reset": "definite", "reset_delay_s": 2.0}
    assert (
        "time dial 0.1, delay 0.05 s, 0.03 s at least, curve up to 20 x pickup, definite reset after 2 s, "
        "drops out at 0.9 x pickup<" in html(other)
    )
    other["settings"] = {**doc["settings"], "curve": "dt", "delay_s": 0.4}
    assert "dt, pickup 300 A primary, delay 0.4 s, instant reset<" in html(other)


def test_a_long_label_of_phasors_fits_beside_its_margins() -> None:
    state = {"name": "fault", "v": [[7967.4, -180.0]] * 3, "f_hz": 60.0, "df_hz_s": 0.0}
    states = [{**state, "i": [[size, -180.0]] * 3} for size in (1234.5, 12345.6)]
    chart = phasor_chart(states, ["1.05 x", "20 x"])
    found = re.findall(r'<text x="4"[^>]*?(?:font-size="([\d.]+)")?>(a: [^<]+)<', chart)
    assert [(float(size) * LETTER * len(text) <= PHASORS_WIDTH - 4) for size, text in found] == [True]
    short = phasor_chart([{**state, "i": [[1.0, 0.0]] * 3}], ["1 x"])
    assert f'font-size="{FONT}"' in short
    assert short.count("font-size") == 1
