"""What is wrong or impossible in a plan is refused, all of it at once, before anything is energised."""

import re
from pathlib import Path

import pytest

from hil.relaytest.plan import find_plan, read_plan
from hil.relaytest.runner import run
from hil.relaytest.schema import KINDS
from hil.relaytest.station_facts import facts_of
from rtcore.errors import UserInputError
from tests.unit.hil.relaytest.plans import HEAD, SHOTS_24, plan_of
from tests.unit.hil.relaytest.sim_bench import SimBench
from tests.unit.hil.relaytest.toy_relay import ToyRelay

ROOT = Path(__file__).parents[4]
SHIPPED = sorted((ROOT / "config" / "relaytests").glob("*.toml"))


def problems(folder: Path, tests: str, head: str = HEAD) -> dict[str, str]:
    with pytest.raises(UserInputError) as caught:
        plan_of(folder, tests, head)
    return {p.place: p.what for p in caught.value.problems}


def test_every_impossible_thing_is_listed_in_one_report(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        """
[[test]]
kind = "trip_time"
name = "too_much"
multiples = [2, 100]
[[test]]
kind = "trip_time"
name = "too_close"
multiples = [1.01]
[[test]]
kind = "sequence"
name = "too_short"
state = [{name = "a", duration_s = 0.0002}, {name = "b", duration_s = 1, until = ["tripp"]}]
measure = [{name = "m", start = "c", stop = "trip", expected_s = 1}]
[[test]]
kind = "network_fault"
name = "unknown_fault"
fault = "haed"
[[test]]
kind = "step"
name = "off_range"
f_hz = 30.0
expected_s = 0.5
[[test]]
kind = "step"
name = "nothing"
[[test]]
kind = "trip_tiem"
name = "misspelt"
[[test]]
kind = "pickup"
name = "no_dropout"
observe = "trip"
[[test]]
kind = "sensitivity"
name = "calm"
""",
    )
    assert found["test[0]"] == "needs 30000 A; the sources give 20000 A at most"
    assert "within the accuracy of current" in found["test[1]"]
    assert "less than a step" in found["test[2]"]
    assert "did you mean 'trip'?" in found["test[2].state[1].until"]
    assert "nothing is called 'c'" in found["test[2].measure[0].start"]
    assert "did you mean 'head'?" in found["test[3].fault"]
    assert found["test[4]"] == "30 Hz is out of range; 45 to 65 Hz"
    assert "nothing steps" in found["test[5]"]
    assert "did you mean 'trip_time'?" in found["test[6].kind"]
    assert "dropout = false" in found["test[7]"]
    assert "nothing disturbs" in found["test[8]"]


def test_wrong_head_is_reported_beside_wrong_tests(tmp_path: Path) -> None:
    head = (
        HEAD.replace("cb_203", "cb_302")
        .replace("abb_ref615", "abb")
        .replace("time_dial = 0.1", "time_dial = 0")
    )
    found = problems(tmp_path, SHOTS_24.replace("repeats = 4", "repeat = 4"), head + "[spare]\n")
    assert "did you mean 'cb_203'?" in found["plan.location"]
    assert "no tolerance 'abb'" in found["tolerance.standard"]
    assert "must be > 0" in found["settings.time_dial"]
    assert "did you mean 'repeats'?" in found["test[0].repeat"]
    assert "unknown table" in found["spare"]


@pytest.mark.parametrize("tolerance", ["time_ms = 0", "class_pct = -1", "level_pct = 0", ""])
def test_tolerance_that_is_none_is_refused(tmp_path: Path, tolerance: str) -> None:
    head = HEAD.replace('standard = "abb_ref615"', tolerance)
    assert any(place.startswith("tolerance") for place in problems(tmp_path, SHOTS_24, head))


def test_curve_and_pickup_are_checked(tmp_path: Path) -> None:
    assert (
        "did you mean 'iec_si_a'?"
        in problems(tmp_path, SHOTS_24, HEAD.replace("iec_si_a", "iec_s_a"))["settings.curve"]
    )
    assert "gives no pickup" in problems(tmp_path, SHOTS_24, HEAD.replace("300 A", "2 x"))["settings.pickup"]


def test_output_tag_that_the_station_has_not_is_refused(tmp_path: Path) -> None:
    assert (
        "no point 'X.TRIP'" in problems(tmp_path, '[outputs]\ntrip = "X.TRIP"\n' + SHOTS_24)["outputs.trip"]
    )


def test_device_without_pickup_signal_cannot_be_searched_by_it(tmp_path: Path) -> None:
    text = '[device]\npickup_signal = false\n[[test]]\nkind = "pickup"\nname = "p"\n'
    assert 'observe = "trip"' in problems(tmp_path, text)["test[0].observe"]


def test_test_without_settings_that_needs_them_is_refused(tmp_path: Path) -> None:
    start, end = HEAD.index("[settings]"), HEAD.index("[tolerance]")
    assert "needs [settings]" in problems(tmp_path, SHOTS_24, HEAD[:start] + HEAD[end:])["test[0]"]


def test_file_that_is_no_toml_and_plan_that_is_nowhere_are_said(tmp_path: Path) -> None:
    assert any("not TOML" in what for what in problems(tmp_path, "[[").values())
    with pytest.raises(UserInputError, match="no such relay test plan; did you mean 'si_51'"):
        find_plan("si_52")


def test_shipped_plans_fit_the_station_that_they_name() -> None:
    facts = facts_of("iowa240", Path())
    for path in SHIPPED:
        assert read_plan(path, lambda _station, _near: facts).tests, path
    assert find_plan("si_51") == SHIPPED[-1]


def test_examples_of_the_manual_are_plans_and_there_is_one_of_every_kind(tmp_path: Path) -> None:
    facts = facts_of("iowa240", Path())
    text = (ROOT / "docs" / "relaytest.md").read_text(encoding="utf-8")
    (tmp_path / "r1.txt").write_text("settings of the device\n")
    head, *more = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    kinds = set[str]()
    for block in ["", *more]:
        path = tmp_path / "plan.toml"
        path.write_text(head + block)
        kinds |= {t.section.kind for t in read_plan(path, lambda _station, _near: facts).tests}
    assert kinds == set(KINDS)


def test_wrong_settings_do_not_hide_what_is_wrong_in_the_tests(tmp_path: Path) -> None:
    too_much = SHOTS_24.replace("[2, 3, 5, 8, 12, 20]", "[2, 100]")
    off_range = '[[test]]\nkind = "step"\nname = "s"\nf_hz = 30.0\nexpected_s = 0.5\n'
    found = problems(tmp_path, too_much + off_range, HEAD.replace("iec_si_a", "iec_s_a"))
    assert set(found) == {"settings.curve", "test[0]", "test[1]"}
    # with a pickup that is not known, multiples of it are not blamed
    found = problems(tmp_path, SHOTS_24 + off_range, HEAD.replace('"300 A"', '"300 V"'))
    assert set(found) == {"settings.pickup", "test[1]"}
    found = problems(tmp_path, SHOTS_24 + off_range, HEAD.replace("time_dial = 0.1", "time_dial = 0"))
    assert set(found) == {"settings.time_dial", "test[1]"}
    found = problems(tmp_path, too_much + off_range, HEAD.replace('name = "trial"', "nam = 1"))
    assert {"plan.nam", "plan.name", "test[0]", "test[1]"} == set(found)
    found = problems(tmp_path, too_much, HEAD.replace("abb_ref615", "abb"))
    assert set(found) == {"tolerance.standard", "test[0]"}


def test_grid_is_evenly_spaced_on_the_logarithmic_axis_beside_the_list(tmp_path: Path) -> None:
    text = 'kind = "trip_time"\nname = "g"\nmultiples = [0.9]\ngrid = {low = 2, high = 16, n = 4}\n'
    plan = plan_of(tmp_path, f"[[test]]\n{text}")
    assert [s.multiple for s in plan.tests[0].shots] == [0.9, 2.0, 4.0, 8.0, 16.0]
    without = '[[test]]\nkind = "trip_time"\nname = "g"\n'
    assert "one of multiples, grid is needed" in problems(tmp_path, without)["test[0]"]


def test_ramp_that_leaves_the_range_of_the_sources_is_refused(tmp_path: Path) -> None:
    ramp = '[[test]]\nkind = "step"\nname = "r"\ndf_hz_s = -5.0\nexpect = "no_trip"\nhold_s = 4.0\n'
    assert "ramps to 40 Hz; 45 to 65 Hz" in problems(tmp_path, ramp)["test[0]"]
    assert plan_of(tmp_path, ramp.replace("4.0", "2.9")).tests


def test_dwell_shorter_than_a_step_is_refused(tmp_path: Path) -> None:
    text = '[[test]]\nkind = "pickup"\nname = "p"\ndwell_s = 0.0004\nprefault_s = 0.0004\n'
    assert set(problems(tmp_path, text)) == {"test[0].dwell_s", "test[0].prefault_s"}


def test_output_without_a_point_that_a_shot_waits_for_is_refused(tmp_path: Path) -> None:
    text = '[[test]]\nkind = "breaker_failure"\nname = "b"\ni = "5 x"\nbackup_s = 0.2\n'
    assert set(problems(tmp_path, text)) == {"outputs.backup"}
    twice = '[outputs]\nretrip = "BF.RETRIP"\nbackup = "BF.RETRIP"\n'
    assert "named twice" in problems(tmp_path, twice + text)["outputs.backup"]


def test_secondary_value_without_a_ratio_is_refused(tmp_path: Path) -> None:
    head = HEAD.replace('"iowa240"', '"lab"').replace("cb_203", "cb_201").replace('"300 A"', '"5 A sec"')
    test = '[[test]]\nkind = "step"\nname = "s"\nv = "60 V sec"\nexpected_s = 0.5\n'
    facts = facts_of("iowa240", Path())
    path = tmp_path / "plan.toml"
    path.write_text(head + test)
    with pytest.raises(UserInputError) as caught:
        read_plan(path, lambda _station, _near: facts)
    (problem,) = caught.value.problems
    assert (problem.place, "plan.vt_ratio" in problem.what) == ("test[0].v", True)
    path.write_text(head.replace("[settings]", "vt_ratio = 60.0\n[settings]") + test)
    plan = read_plan(path, lambda _station, _near: facts)
    fault = plan.tests[0].shots[0].states[1].source
    assert not isinstance(fault, str)
    assert fault is not None
    assert [abs(v) for v in fault.v_v] == pytest.approx([3600.0] * 3)
    assert plan.facts.locations["cb_201"].vt_ratio == 60.0


def test_sources_stand_at_the_terminals_or_before_the_transformers_as_the_plan_says(tmp_path: Path) -> None:
    one = SHOTS_24.replace("[2, 3, 5, 8, 12, 20]", "[20]").replace("repeats = 4", "repeats = 1")
    for option, words in (("", "at its terminals"), ("through_ct = true\n", "through its CTs")):
        bench = SimBench(ToyRelay())
        run(plan_of(tmp_path, one, HEAD.replace("[settings]", f"{option}[settings]")), bench)
        assert bench.log == [f"connect cb_203 {words}"]


def test_grid_does_not_round_a_multiple_to_pickup_itself(tmp_path: Path) -> None:
    text = '[[test]]\nkind = "trip_time"\nname = "g"\ngrid = {low = 1.004, high = 4, n = 2}\n'
    assert "multiple 1.004 is within the accuracy of current" in problems(tmp_path, text)["test[0]"]
    exact = HEAD + "current_pct = 0.1\n"
    assert [s.multiple for s in plan_of(tmp_path, text, exact).tests[0].shots] == [1.004, 4.0]
    through_1 = text.replace("1.004", "0.25").replace("n = 2", "n = 5")
    assert [s.multiple for s in plan_of(tmp_path, through_1).tests[0].shots] == [0.25, 0.5, 1.0, 2.0, 4.0]


def test_recloser_with_more_fast_trips_than_trips_is_refused(tmp_path: Path) -> None:
    text = '[[test]]\nkind = "recloser"\nname = "r"\ni = "5 x"\ndead_times_s = [0.5, 2.0]\nfast_trips = '
    found = problems(tmp_path, text + "4\n")
    assert found["test[0]"] == "fast_trips = 4, but with 2 dead times there are 3 trips"
    assert plan_of(tmp_path, text + "3\n").tests


def test_sequence_that_judges_nothing_is_refused(tmp_path: Path) -> None:
    text = '[[test]]\nkind = "sequence"\nname = "s"\nstate = [{name = "a", i = "5 x", duration_s = 1}]\n'
    assert problems(tmp_path, text)["test[0]"] == "nothing is judged; one of measure, never is needed"
    assert plan_of(tmp_path, text + 'never = ["close"]\n').tests


def test_fault_that_ends_before_the_trip_must_have_come_is_refused(tmp_path: Path) -> None:
    text = '[[test]]\nkind = "network_fault"\nname = "n"\nfault = "head"\nhold_s = 2.0\nexpected_s = '
    assert "hold_s = 2 is too short" in problems(tmp_path, text + "3.0\n")["test[0]"]
    assert "right until 2.047 s" in problems(tmp_path, text + "1.95\n")["test[0]"]
    assert plan_of(tmp_path, text + "1.5\n").tests


@pytest.mark.parametrize("kind", ['["trip_time"]', "{a = 1}", "1", "true"])
def test_kind_that_is_no_text_is_a_problem(tmp_path: Path, kind: str) -> None:
    found = problems(tmp_path, f'[[test]]\nkind = {kind}\nname = "t"\n')
    assert "is no kind of test" in found["test[0].kind"]


@pytest.mark.parametrize(
    ("test", "key"),
    [
        ('kind = "pickup"\nstep_pct = 1e-12', "step_pct"),
        (
            'kind = "direction"\ni = "2 x"\nfrom_deg = -90\nto_deg = 90\nresolution_deg = 1e-300',
            "resolution_deg",
        ),
        ('kind = "direction"\ni = "2 x"\nfrom_deg = -90\nto_deg = 90\ngrid_deg = 1e-9', "grid_deg"),
    ],
)
def test_search_without_end_is_refused(tmp_path: Path, test: str, key: str) -> None:
    assert "must be >=" in problems(tmp_path, f'[[test]]\nname = "s"\n{test}\n')[f"test[0].{key}"]


def test_disturbed_current_too_close_to_pickup_is_refused(tmp_path: Path) -> None:
    text = '[[test]]\nkind = "sensitivity"\nname = "s"\nnoise_pct = 1.0\nmultiple = 1.01\n'
    assert "within the accuracy of current" in problems(tmp_path, text)["test[0]"]


@pytest.mark.parametrize("name", ["nowhere.txt", "~nobody_of_that_name/x", "x" * 5000])
def test_settings_file_that_is_not_there_is_refused(tmp_path: Path, name: str) -> None:
    found = problems(tmp_path, f'[device]\nsettings_file = "{name}"\n' + SHOTS_24)
    assert set(found) == {"device.settings_file"}


def test_a_device_can_only_write_points_that_can_be_written() -> None:
    tags = facts_of("iowa240", Path()).tags
    assert {"LAB.INJECT.INPUT_1", "FDR_B.CB_201.TRIP"} <= tags
    assert not {"FDR_B.CB_201.IA", "FDR_B.CB_201.ST_52A"} & tags
