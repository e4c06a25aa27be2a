"""``gridhil scenario`` as a user runs it: verdicts, exit codes, reports, refusals."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

import pytest

from tests.support.station import ROOT, gridhil

pytestmark = pytest.mark.timeout(600)
"""With an empty cache the first of these tests compiles every kernel."""

DOCS = (ROOT / "docs" / "scenarios.md").read_text()
SHORT = """
[scenario]
name = "NAME"
station = "iowa240"
duration = "1 s"
step_ms = 10
[[event]]
at = 0.2
pulse = "FDR_B.CB_201.TRIP"
[[assert]]
title = "the breaker opens"
tag = "FDR_B.CB_201.ST_52B"
at = "end"
equals = "CLOSED"
"""
QUICK = ("breaker_trip_and_close", "load_step")
"""Shipped scenarios that run here; tests/validation runs every one of them, without a process each."""
FAILS = '[[assert]]\ntitle = "the feeder keeps its current"\ntag = "FDR_B.HEAD.IA"\nmin = 5\n'


def scenario(folder: Path, name: str, more: str = "") -> str:
    path = folder / f"{name}.toml"
    path.write_text(SHORT.replace("NAME", name) + more)
    return str(path)


def run(tmp_path: Path, *arguments: str) -> tuple[int, str, str]:
    done = gridhil("scenario", *arguments, state=tmp_path / "state", timeout_s=500.0)
    return done.returncode, done.stdout, done.stderr


def test_shipped_scenarios_pass(tmp_path: Path) -> None:
    report = tmp_path / "out"
    code, out, err = run(tmp_path, *QUICK, "--report", str(report))
    assert code == 0, out + err
    for name, suite in zip(QUICK, ET.parse(report / "junit.xml").getroot(), strict=True):
        assert re.search(rf"^PASS  {name}: (\d+) of \1 passed, .* times real time\), seed \d+$", out, re.M), (
            out
        )
        assert suite.get("failures") == "0" and int(suite.get("tests", 0)) >= 10
        assert (report / name / "report.html").stat().st_size > 10_000
        assert (report / name / "record.csv").read_text().count("\n") > 100


def test_the_example_of_the_documentation_passes(tmp_path: Path) -> None:
    (example,) = [b for b in re.findall(r"```toml\n(.*?)```", DOCS, re.S) if "[scenario]" in b]
    (tmp_path / "example.toml").write_text(example)
    code, out, err = run(tmp_path, str(tmp_path / "example.toml"))
    assert code == 0, out + err


def test_a_failing_scenario_says_what_was_measured_and_ends_with_1(tmp_path: Path) -> None:
    code, out, err = run(tmp_path, scenario(tmp_path, "bad", FAILS), "--report", str(tmp_path / "out"))
    assert code == 1, out + err
    assert "Traceback" not in out + err
    (line,) = [x for x in out.splitlines() if x.startswith("FAIL  the feeder")]
    assert re.search(
        r"FDR_B\.HEAD\.IA: 0 A at 0\.25 s; needed at least 5 A; outside for 0\.76 s of 1\.01 s", line
    )
    assert re.search(r"^FAIL  bad: 2 of 3 passed", out, re.M)
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert (results["verdict"], [r["verdict"] for r in results["results"]]) == (
        "FAIL",
        ["PASS", "PASS", "FAIL"],
    )
    (failure,) = ET.parse(tmp_path / "out" / "junit.xml").getroot().iter("failure")
    assert "needed at least 5 A" in (failure.get("message") or "")
    assert 'class="v FAIL"' in (tmp_path / "out" / "report.html").read_text()


class Together(NamedTuple):
    """Two scenarios, good and bad, given in one command."""

    folder: Path
    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Together:
    folder = tmp_path_factory.mktemp("together")
    files = [scenario(folder, "good"), scenario(folder, "bad", FAILS)]
    return Together(folder, *run(folder, *files, "--report", str(folder / "out"), "--json"))


def test_json_is_one_document_and_two_runs_have_one_digest(tmp_path: Path, together: Together) -> None:
    file = scenario(tmp_path, "good")
    first, other = (json.loads(run(tmp_path, file, "--json", *more)[1]) for more in ([], ["--seed", "8"]))
    again = json.loads(together.out)["scenarios"][0]
    assert first["verdict"] == "PASS" and {"seed", "config_hash", "results"} <= first.keys()
    assert first["run"]["digest"] == again["run"]["digest"]
    assert first["results"] == again["results"] and first["events"] == again["events"]
    assert other["seed"] == 8 and other["config_hash"] == first["config_hash"]
    assert other["run"]["digest"] != first["run"]["digest"]


def test_several_scenarios_end_with_1_when_one_fails(together: Together) -> None:
    folder, code, out, err = together
    assert code == 1, err
    results = json.loads(out)
    assert results == json.loads((folder / "out" / "results.json").read_text())
    assert [s["verdict"] for s in results["scenarios"]] == ["PASS", "FAIL"]
    suites = ET.parse(folder / "out" / "junit.xml").getroot()
    assert [s.get("name") for s in suites] == ["good", "bad"]
    assert (folder / "out" / "bad" / "report.html").exists()


def test_every_problem_of_every_file_is_listed_and_nothing_runs(tmp_path: Path) -> None:
    wrong = scenario(tmp_path, "wrong", '[[assert]]\ntitle = "x"\ntag = "SUB.T1.PP"\nat = "2 h"\nmin = 1\n')
    code, out, err = run(
        tmp_path, scenario(tmp_path, "good"), wrong, "nowhere.toml", "--report", str(tmp_path / "out")
    )
    assert (code, out) == (2, "")
    assert not (tmp_path / "out").exists()
    assert "Traceback" not in err
    for words in (
        "wrong.toml: assert[1].tag: the station has no point 'SUB.T1.PP'; did you mean 'SUB.T1.P'?",
        "wrong.toml: assert[1].at: '2 h' is 7200 s after the start, beyond the end of the run (1 s)",
        "nowhere.toml: no such scenario file",
    ):
        assert words in err, err


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["GOOD", "GOOD"], "'good' is the name of 2 of these files"),
        (["GOOD", "--report", "FILE"], "is a file; --report takes a folder"),
        (["GOOD", "--seed", "-1"], "seed"),
        ([], "FILE"),
    ],
)
def test_wrong_arguments_end_with_2(tmp_path: Path, arguments: list[str], what: str) -> None:
    (tmp_path / "file").write_text("")
    words = {"GOOD": scenario(tmp_path, "good"), "FILE": str(tmp_path / "file")}
    code, _, err = run(tmp_path, *(words.get(a, a) for a in arguments))
    assert code == 2
    assert what in err and "Traceback" not in err


def test_check_validates_scenario_files_without_running_them(tmp_path: Path) -> None:
    good, wrong = scenario(tmp_path, "good"), scenario(tmp_path, "wrong", "[recrd]\n")
    assert gridhil("check", good, state=tmp_path / "state").returncode == 0
    done = gridhil("check", good, wrong, state=tmp_path / "state")
    assert done.returncode == 2
    assert "wrong.toml: recrd: unknown table; allowed: scenario, set, event, assert, record" in done.stderr
    assert "did you mean 'record'?" in done.stderr
