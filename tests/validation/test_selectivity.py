"""The committed table of the selectivity sweep is that of this plant: its cases, and some of them again."""

from __future__ import annotations

import collections
import csv

import numpy as np
import pytest

from hil import paths
from hil import selectivity_command as sc
from hil.selectivity import Rig
from hil.selectivity_cases import FAILURE, PERMANENT, TEMPORARY, Case, cases
from hil.selectivity_judge import EXEMPT, NOTHING_UPSTREAM, RIGHT
from hil.station import Plan, make_setup, read_plan
from rtcore.engine import Engine

pytestmark = pytest.mark.timeout(900)
"""The first one compiles every kernel with an empty cache."""

TABLE = paths.config_dir().parent / "docs" / "selectivity_iowa240.csv"
SEED = 1
"""Of the committed table."""
AGAIN = 15
"""Cases that are run again: about 10 s."""
STEP_S = sc.BULK_NS * 1e-9
APART_S = STEP_S + 0.001
"""Table to the millisecond; another order of work within a step moves an event by one step."""


@pytest.fixture(scope="module")
def plan() -> Plan:
    return read_plan("iowa240")


@pytest.fixture(scope="module")
def rig(plan: Plan) -> Rig:
    return Rig(plan, sc.BULK_NS)


@pytest.fixture(scope="module")
def table() -> list[dict[str, str]]:
    with TABLE.open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def every(plan: Plan) -> list[Case]:
    assert plan.scheme is not None
    return cases(plan.network, plan.scheme, None, SEED)


def test_the_table_has_every_case_of_the_network_and_scheme(
    every: list[Case], table: list[dict[str, str]]
) -> None:
    columns = ("place", "type", "phases", "life", "device", "backup")
    assert [tuple(row[c] for c in columns) for row in table] == [
        (c.place, c.kind, c.phases, c.life, c.expected.switch, c.expected.upstream) for c in every
    ]
    lives = collections.defaultdict(set)
    for row in table:
        lives[row["life"]].add(row["place"])
    assert min(len(lives[PERMANENT]), len(lives[TEMPORARY])) >= 200


def test_the_right_device_cleared_every_case_but_for_the_named_exceptions(
    table: list[dict[str, str]],
) -> None:
    strange = [row for row in table if row["verdict"] != RIGHT]
    for row in strange:  # nothing in this station is upstream of the breaker at 69 kV
        assert (row["verdict"], row["device"], row["life"]) == (EXEMPT, "cb_hv", FAILURE), row
        assert row["reason"] == NOTHING_UPSTREAM
    for row in table:
        if row["verdict"] == RIGHT:
            assert row["first"] == (row["backup"] if row["life"] == FAILURE else row["device"]), row


def test_some_cases_run_again_come_out_as_in_the_table(
    rig: Rig, every: list[Case], table: list[dict[str, str]]
) -> None:
    for k in np.random.default_rng(20).permutation(len(every))[:AGAIN].tolist():
        again, row = rig.run(every[k]), table[k]
        told = dict(zip(sc.COLUMNS, sc.row_of(again), strict=True))
        for column in ("place", "first", "shots", "end", "verdict", "reason"):
            assert told[column] == row[column], row
        if row["open_s"]:
            assert again.judged.open_s == pytest.approx(float(row["open_s"]), abs=APART_S), row


def test_a_restored_world_goes_on_bit_for_bit_as_one_that_was_never_used(plan: Plan, rig: Rig) -> None:
    """Whatever happened since the snapshot: faults, trips, reclosures, a jammed breaker, blown links."""
    assert plan.scheme is not None
    some = cases(plan.network, plan.scheme, 20, SEED)
    for life in (FAILURE, TEMPORARY, PERMANENT):
        rig.run(next(c for c in some if c.life == life and (life == PERMANENT) == c.expected.is_fuse))
    rig.snapshot.restore()
    fresh = Engine(make_setup(plan, sc.BULK_NS))
    fresh.step(rig.engine.n_steps)
    assert fresh.digest == rig.engine.digest
    for engine in (fresh, rig.engine):
        engine.step(50)
        engine.command([("LAB.ARM.ARM", 1.0)])
        engine.step(50)
    assert fresh.image == rig.engine.image
    assert fresh.digest == rig.engine.digest
    assert np.array_equal(fresh.world.x, rig.engine.world.x, equal_nan=True)


def test_a_case_repeats_exactly_after_another(rig: Rig, every: list[Case]) -> None:
    recloser = next(c for c in every if c.expected.switch == "rcl_1006" and c.life == PERMANENT)
    fused = next(c for c in every if c.expected.is_fuse)
    first = rig.run(recloser)
    digest = rig.engine.digest
    rig.run(fused)
    assert rig.engine.digest != digest
    assert rig.run(recloser) == first
    assert rig.engine.digest == digest
    assert first.judged.end == "lockout"
    assert first.judged.shots == 4
