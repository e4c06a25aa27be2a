"""Range plans: what is shipped is right, what is wrong is said, all of it at once."""

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

import hil.cyberrange.plan as plans
from estimation.detectors.bank import NAMES
from hil import paths
from hil.cyberrange.plan import find_plan, is_range, read_plan_file
from hil.cyberrange.schema import DetectorName
from hil.settings_check import check_file
from rtcore.errors import UserInputError

SHIPPED = sorted((paths.config_dir() / "cyberrange").glob("*.toml"))
HEAD = """
[range]
name = "mine"
station = "iowa240"
telemetry = "sections"
"""
BIAS = """
[[attack]]
name = "bias"
kind = "bias"
points = ["FDR_B.HEAD.P"]
offset = 100
"""


@pytest.fixture(scope="module", autouse=True)
def _read_once() -> Iterator[None]:
    """Read the station once for all plans: nothing changes it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plans, "read_plan", functools.cache(plans.read_plan))
        yield


def problems_of(tmp_path: Path, text: str) -> dict[str, str]:
    """Return place -> what is wrong."""
    path = tmp_path / "plan.toml"
    path.write_text(text)
    with pytest.raises(UserInputError) as caught:
        read_plan_file(path)
    return {p.place: p.what for p in caught.value.problems}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_shipped_plans_are_right(path: Path) -> None:
    assert check_file(path) == []


def test_a_plan_is_found_by_name_and_a_near_miss_is_told() -> None:
    assert find_plan("small") == paths.config_dir() / "cyberrange" / "small.toml"
    with pytest.raises(UserInputError, match="did you mean 'small'"):
        find_plan("smal")


def test_a_range_plan_is_told_from_a_scenario_and_from_an_attack_file() -> None:
    assert is_range({"range": {}, "set": {}})
    assert not is_range({"scenario": {}, "set": {}})
    assert not is_range({"attacks": {}, "attack": []})


def test_patterns_become_the_channels_of_the_telemetry(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(HEAD + BIAS.replace("HEAD.P", "HEAD.[PQ]"))
    plan = read_plan_file(path)
    assert plan.channels["bias"] == ("FDR_B.HEAD.P", "FDR_B.HEAD.Q")
    assert plan.steps_per_scan == 10


def test_every_problem_comes_at_once(tmp_path: Path) -> None:
    text = (
        HEAD.replace('telemetry = "sections"', 'telemetry = "sections"\nscan_s = 10\nstep_s = 3')
        + "[clean]\ndays = 0\n[atack]\n"
        + "[set]\n'SUB.AVR_A.AUTOO' = 1\n'SUB.T1.P' = 1\n'SUB.AVR_A.AUTO' = true\n"
        + BIAS.replace("HEAD.P", "HEAD.X").replace("offset", "offsett")
        + BIAS.replace("offset = 100", "per_s = 1")
        + '[[expect]]\nattack = "bais"\ndetector = "J"\nmin_rate = 0.9\nmax_rate = 0.1\n'
    )
    found = problems_of(tmp_path, text)
    assert "did you mean 'attack'" in found["atack"]
    assert "must be >= 1" in found["clean.days"]
    assert "whole number of steps" in found["range.scan_s"]
    assert "did you mean 'SUB.AVR_A.AUTO'" in found['set."SUB.AVR_A.AUTOO"']
    assert "nobody can write it" in found['set."SUB.T1.P"']
    assert "not a number" in found['set."SUB.AVR_A.AUTO"']
    assert "did you mean 'offset'" in found["attack[0].offsett"]
    assert "unknown parameter 'per_s'" in found["attack[1].per_s"]
    assert "missing" in found["attack[1].offset"]
    assert "did you mean 'bias'" in found["expect[0].attack"]
    assert "more than max_rate" in found["expect[0].min_rate"]


@pytest.mark.parametrize(
    ("attack", "place", "what"),
    [
        ('kind = "bias"\noffset = 1\npoints = ["FDR_B.HEAD.X"]', "points[0]", "no channel of the telemetry"),
        ('kind = "freeze"', "points", "nothing to change"),
        ('kind = "freeze"\npoints = ["*"]\nplace = "wire"', "place", "between plant and centre"),
        ('kind = "freeze"\npoints = ["*"]\nstart_s = 5', "start_s", "begin after the warm-up"),
        ('kind = "stealthy"\npoints = ["*"]', "model", "needs it"),
        ('kind = "stealthy"\npoints = ["*"]\nmodel = {}', "model", "would change nothing"),
        (
            'kind = "stealthy"\npoints = ["*"]\nmodel = { factor = 2, buses = ["bus9"] }',
            "model.buses[0]",
            "no bus is like 'bus9'",
        ),
        (
            'kind = "topology"\npoints = ["*"]\nmodel = { flipped = ["cb_20"] }\nstatuses = {"A.ST" = 0}',
            "model.flipped[0]",
            "no switch 'cb_20'",
        ),
        (
            'kind = "topology"\nstatuses = {"FDR_B.CB_201.ST_52" = 0}',
            'statuses."FDR_B.CB_201.ST_52"',
            "did you mean 'FDR_B.CB_201.ST_52A'",
        ),
        (
            'kind = "topology"\nstatuses = {"FDR_B.HEAD.P" = 0}',
            'statuses."FDR_B.HEAD.P"',
            "is no two-state point but analog",
        ),
        (
            'kind = "replay"\npoints = ["FDR_B.HEAD.P"]\nwindow_s = 5401',
            "window_s",
            "5401 s: at most 5400 s, the warm-up",  # 90 min unless the plan says otherwise
        ),
        ('kind = "delay"\npoints = ["FDR_B.HEAD.P"]\ndelay_s = 1e300', "delay_s", "<= 1e+07"),
        (
            'kind = "scale"\npoints = ["FDR_B.HEAD.P"]\nfactor = 1e308',
            "factor",
            "with the range of FDR_B.HEAD.P, up to",
        ),
        ('kind = "command"', "command", "needs it"),
        (
            'kind = "command"\ncommand = [{ tag = "FDR_B.CB_202.TIP", value = 1 }]',
            "command[0].tag",
            "did you mean 'FDR_B.CB_202.TRIP'",
        ),
        (
            'kind = "command"\ncommand = [{ tag = "FDR_B.CB_202.TRIP" }]',
            "command[0].value",
            "one of them is needed",
        ),
    ],
)
def test_what_an_attack_cannot_be_is_said(tmp_path: Path, attack: str, place: str, what: str) -> None:
    found = problems_of(tmp_path, f'{HEAD}\n[[attack]]\nname = "a"\n{attack}\n')
    assert what in found[f"attack[0].{place}"]


def test_two_attacks_of_one_name_and_none_at_all_are_mistakes(tmp_path: Path) -> None:
    assert "is the name of 2 attacks" in problems_of(tmp_path, HEAD + BIAS + BIAS)["attack[0].name"]
    assert "at least one" in problems_of(tmp_path, HEAD)["attack"]


def test_more_runs_than_the_year_has_days_are_a_mistake(tmp_path: Path) -> None:
    clean = "[clean]\ndays = 20\nverify_days = 30\nhours = 168\n[attacked]\nseeds = 16\n"
    found = problems_of(tmp_path, HEAD + clean + BIAS)
    assert (
        "50 clean runs of 7 d and 16 attacked days are more than the 365 days" in found["clean.verify_days"]
    )


def test_a_station_or_telemetry_that_is_not_there_is_a_problem_of_the_plan(tmp_path: Path) -> None:
    found = problems_of(tmp_path, HEAD.replace('"iowa240"', '"iowa24"') + BIAS)
    assert "did you mean 'iowa240'" in found["range.station"]
    found = problems_of(tmp_path, HEAD.replace('"sections"', '"section"') + BIAS)
    assert "did you mean 'sections'" in found["range.telemetry"]


def test_what_is_no_toml_is_said_with_its_line(tmp_path: Path) -> None:
    assert "not TOML" in problems_of(tmp_path, "[range\n")["line 1 column 7"]


def test_the_plan_of_the_manual_is_right(tmp_path: Path) -> None:
    text = (paths.config_dir().parent / "docs" / "cyberrange.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```toml\n(.*?)```", text, re.S)
    path = tmp_path / "mine.toml"
    path.write_text(block, encoding="utf-8")
    plan = read_plan_file(path)
    assert [a.name for a in plan.attacks] == ["stealthy", "insider"]


def test_the_manual_and_the_schema_name_every_detector() -> None:
    text = (paths.config_dir().parent / "docs" / "cyberrange.md").read_text(encoding="utf-8")
    detectors, _, _ = text.partition("## Thresholds and false alarms")
    assert re.findall(r"^\| `(\w+)` \|", detectors, re.M) == list(NAMES)
    assert get_args(DetectorName) == NAMES
