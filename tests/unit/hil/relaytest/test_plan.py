"""What is wrong or impossible in a plan is refused, all of it at once, before anything is energised."""

from pathlib import Path

import pytest

from hil.relaytest.plan import find_plan, read_plan
from hil.relaytest.station_facts import facts_of
from rtcore.errors import UserInputError
from tests.unit.hil.relaytest.plans import HEAD, SHOTS_24, plan_of

SHIPPED = sorted((Path(__file__).parents[4] / "config" / "relaytests").glob("*.toml"))


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
method = "pulse"
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
    with pytest.raises(UserInputError, match="no shipped plan; did you mean 'si_51'"):
        find_plan("si_52")


def test_shipped_plans_fit_the_station_that_they_name() -> None:
    facts = facts_of("iowa240", Path())
    for path in SHIPPED:
        assert read_plan(path, lambda _station, _near: facts).tests, path
    assert find_plan("si_51") == SHIPPED[-1]
