"""Plant tables of a station file: names, patterns, values with their units, all problems at once."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from hil.plant_settings import given_values, read_plant
from rtcore.component import REGISTRY, component, param

INSTANCES = {
    "t_machine": ["source", "diesel"],
    "t_roof": [f"pv_{k}" for k in range(1, 21)],
    "t_bare": ["one"],
    "t_none": [],
}


@pytest.fixture(autouse=True)
def kinds() -> Iterator[None]:
    """Four kinds of this file's own, so that the tests do not hang on the plant's numbers."""

    @component("t_machine", attrs=())
    class Machine:
        """A machine."""

        s_rated_va: float = param(unit="VA", doc="rating", gt=0)
        h_s: float = param(default=5.0, unit="s", doc="inertia constant", gt=0, le=50)
        model: float = param(default="none", unit="", doc="governor", choices={"none": 0, "tgov1": 1})
        is_fast: bool = param(default=False, unit="", doc="skips the start")
        poles: int = param(default=4, unit="", doc="poles", ge=2)

    @component("t_roof", attrs=())
    class Roof:
        """A roof."""

        category: float = param(default=1.0, unit="", doc="category of the standard", ge=1, le=3)
        tilt_deg: float = param(default=20.0, unit="deg", doc="tilt", ge=0, le=90)

    @component("t_bare", attrs=())
    class Bare:
        """Without parameters."""

    @component("t_none", attrs=())
    class Nowhere:
        """Without instances."""

        gain: float = param(default=1.0, unit="", doc="gain")

    yield
    for kind in INSTANCES:
        del REGISTRY[kind]


def read(text: str, **more: Any) -> tuple[dict[str, dict[str, Any]], list[str]]:
    plant, problems = read_plant(
        tomllib.loads(text)["plant"], more.pop("instances", INSTANCES), "lab.toml", **more
    )
    return plant, [str(p) for p in problems]


def test_a_table_gives_the_parameter_object_of_its_instance_and_the_rest_are_left_out() -> None:
    plant, problems = read(
        '[plant.t_machine.diesel]\ns_rated_va = 100e6\nh_s = 3\nmodel = "tgov1"\nis_fast = true\npoles = 2\n'
    )
    assert problems == []
    assert plant == {
        "t_machine": {
            "diesel": REGISTRY["t_machine"].params(s_rated_va=1e8, h_s=3, model=1, is_fast=True, poles=2)
        }
    }


def test_a_pattern_gives_defaults_and_a_name_goes_before_it_wherever_it_stands() -> None:
    plant, problems = read(
        """
        [plant.t_roof.pv_2]
        category = 3
        [plant.t_roof."*"]
        category = 2
        tilt_deg = 10
        [plant.t_roof."pv_1*"]
        tilt_deg = 30
        """
    )
    assert problems == []
    roofs = plant["t_roof"]
    assert list(roofs) == INSTANCES["t_roof"]
    assert {
        name: (r.category, r.tilt_deg) for name, r in roofs.items() if name in ("pv_1", "pv_2", "pv_3")
    } == {
        "pv_1": (2, 30),  # the later pattern wins, parameter by parameter
        "pv_2": (3, 10),
        "pv_3": (2, 10),
    }


def test_of_two_patterns_the_later_wins() -> None:
    text = '[plant.t_roof."pv_1*"]\ntilt_deg = 30\n[plant.t_roof."*"]\ntilt_deg = 10\n'
    assert {r.tilt_deg for r in read(text)[0]["t_roof"].values()} == {10}


def test_what_the_network_states_need_not_be_repeated_and_may_be_overridden() -> None:
    stated = {"t_machine": {"source": {"s_rated_va": 5e6, "h_s": 2.0}, "diesel": {"s_rated_va": 1e6}}}
    plant, problems = read("[plant.t_machine.source]\nh_s = 4\n", stated=stated)
    assert problems == []
    assert plant == {"t_machine": {"source": REGISTRY["t_machine"].params(s_rated_va=5e6, h_s=4)}}


def test_given_values_are_what_the_file_says_and_no_more() -> None:
    raw = tomllib.loads(
        '[plant.t_machine.diesel]\nmodel = "tgov1"\n[plant.t_machine."*"]\nh_s = 4\nmodel = "none"\n'
        "[plant.t_roof.pv_2]\n"
    )["plant"]
    assert given_values(raw, INSTANCES) == {
        "t_machine": {"source": {"h_s": 4, "model": "none"}, "diesel": {"h_s": 4, "model": "tgov1"}},
        "t_roof": {"pv_2": {}},
    }


def test_every_problem_comes_in_one_report_with_range_unit_and_meaning() -> None:
    plant, problems = read(
        """
        [plant.t_machine.source]
        h_s = -1
        s_rated_va = "100 MVA"
        model = "tgov"
        hs = 2
        poles = 2.5
        is_fast = 1
        [plant.t_machine.disel]
        h_s = 51
        [plant.t_machine.diesel]
        h_s = true
        [plant.t_roof."pw_*"]
        category = 2
        [plant.t_roof.pv_1]
        category = nan
        tilt_deg = [1]
        [plant.t_roof.pv_2]
        category = inf
        [plant.t_none."*"]
        gain = 2
        [plant.t_bare.one]
        [plant.t_roff.pv_1]
        """
    )
    assert plant == {}
    kinds = "t_machine, t_none, t_roof"
    pv_names = ", ".join(f"pv_{k}" for k in range(1, 13))
    assert problems == [
        "lab.toml: plant.t_machine.source: s_rated_va = '100 MVA': must be a number [VA] (rating)",
        "lab.toml: plant.t_machine.source: poles = 2.5: must be a whole number (poles)",
        "lab.toml: plant.t_machine.source: is_fast = 1: must be true or false (skips the start)",
        "lab.toml: plant.t_machine.source: h_s = -1 s: must be > 0 s (inertia constant)",
        "lab.toml: plant.t_machine.source: model = 'tgov': must be one of none, tgov1; "
        "did you mean 'tgov1'? (governor)",
        "lab.toml: plant.t_machine.source: unknown parameter 'hs'; "
        "allowed: s_rated_va, h_s, model, is_fast, poles; did you mean 'h_s'?",
        "lab.toml: plant.t_machine.disel: no t_machine of this name; allowed: source, diesel; "
        "did you mean 'diesel'?",
        "lab.toml: plant.t_machine.disel: h_s = 51 s: must be <= 50 s (inertia constant)",
        "lab.toml: plant.t_machine.diesel: h_s = true: must be a number [s] (inertia constant)",
        f'lab.toml: plant.t_roof."pw_*": fits no t_roof; there are {pv_names}, .. (20 in all)',
        "lab.toml: plant.t_roof.pv_1: category = nan: must be a finite number (category of the standard)",
        "lab.toml: plant.t_roof.pv_1: tilt_deg = [1]: must be a number [deg] (tilt)",
        "lab.toml: plant.t_roof.pv_2: category = inf: must be a finite number (category of the standard)",
        'lab.toml: plant.t_none."*": the network has no t_none',
        f"lab.toml: plant.t_bare: unknown kind; allowed: {kinds}",
        f"lab.toml: plant.t_roff: unknown kind; allowed: {kinds}; did you mean 't_roof'?",
    ]


@pytest.mark.parametrize("value", ["1" + "0" * 400, '"none"', "1979-05-27", "{ a = 1 }"])
def test_no_value_of_toml_crashes_the_check(value: str) -> None:
    plant, (problem,) = read(f"[plant.t_roof.pv_1]\ntilt_deg = {value}\n")
    assert plant == {} and "must be a" in problem


@pytest.mark.parametrize("value", ["1", "true", '"1"'])
def test_of_a_closed_set_the_word_is_written_not_the_number_behind_it(value: str) -> None:
    _, (problem,) = read(f"[plant.t_machine.source]\ns_rated_va = 1\nmodel = {value}\n")
    assert "must be one of none, tgov1" in problem


def test_a_parameter_without_default_is_asked_for_by_instance() -> None:
    plant, problems = read('[plant.t_machine."*"]\nh_s = 4\n[plant.t_machine.diesel]\ns_rated_va = 1e6\n')
    assert problems == ["lab.toml: plant.t_machine.source: s_rated_va is missing and has no default (rating)"]
    assert list(plant["t_machine"]) == ["diesel"]


def test_a_name_with_pattern_characters_is_a_name_where_there_is_one() -> None:
    text = '[plant.t_roof."a[1]"]\ntilt_deg = 30\n'
    plant, problems = read(text, instances={"t_roof": ["a[1]", "a1"]})
    assert problems == [] and list(plant["t_roof"]) == ["a[1]"]


def test_without_instances_values_are_checked_and_nothing_is_made() -> None:
    text = "[plant.t_roof.anything]\ntilt_deg = 91\n[plant.t_machine.any]\nh_s = 4\n[plant.t_bare.one]\n"
    plant, problems = read(text, instances=None)
    assert plant == {}
    assert problems[0] == "lab.toml: plant.t_roof.anything: tilt_deg = 91 deg: must be <= 90 deg (tilt)"
    assert (
        problems[1].startswith("lab.toml: plant.t_bare: unknown kind; allowed: ") and "breaker" in problems[1]
    )
    assert len(problems) == 2
