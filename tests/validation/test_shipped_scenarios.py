"""Every shipped scenario holds: each assertion of each file, at the seed of its station."""

from __future__ import annotations

import dataclasses as dc
import functools
import re

import pytest

from hil import paths
from hil.scenario import run
from hil.scenario_files import find, names, read_scenario
from hil.scenario_model import Check, Scenario
from hil.scenario_verdicts import judge

LONG = ("summer_day",)
"""Take more than about 30 s each."""
OF_AN_ISLAND = ("loss_of_mains_", "black_start", "machine", "ufls_island")

pytestmark = pytest.mark.timeout(900)
"""The first one compiles every kernel with an empty cache; two stations have two sets of them."""

CASES = [pytest.param(n, marks=pytest.mark.slow) if n in LONG else n for n in names()]


@functools.cache
def shipped(name: str) -> Scenario:
    return read_scenario(name)


@pytest.mark.parametrize("name", CASES)
def test_shipped_scenario_holds(name: str) -> None:
    done = run(shipped(name))
    results = judge(done)
    assert not [f"{r.title}: {r.message}" for r in results if not r.is_passed]
    assert done.not_converged == done.fp_events == 0
    assert done.happenings_lost == 0


def test_a_scenario_repeats_bit_for_bit_and_its_seed_matters() -> None:
    scenario = dc.replace(shipped("loss_of_mains_dusk"), n_steps=4000, asserts=())
    first, again, other = (run(dc.replace(scenario, seed=s)).digest for s in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize("name", [n for n in names() if n.startswith(OF_AN_ISLAND)])
def test_every_island_scenario_looks_for_two_masters_at_every_step(name: str) -> None:
    scenario = shipped(name)
    checks = [a for a in scenario.asserts if isinstance(a, Check) and a.plus == ("DER.PCC.ST_52A",)]
    (check,) = checks
    assert [t.point.tag for t in check.targets] == ["DER.BESS_1.MODE"]
    assert (check.first, check.last, check.targets[0].high) == (0, scenario.n_steps - 1, 2.0)


def test_the_documentation_lists_every_scenario() -> None:
    text = (paths.config_dir().parent / "docs" / "scenarios.md").read_text()
    listed = re.findall(r"^\| `(\w+)` \|", text.partition("## Shipped scenarios")[2], re.MULTILINE)
    assert sorted(listed) == names()
    for name in names():
        assert find(name).stem == read_name(name)


def read_name(name: str) -> str:
    """Return the name that a file gives itself."""
    found = re.search(r'^name = "(\w+)"$', find(name).read_text(), re.MULTILINE)
    assert found is not None
    return found[1]
