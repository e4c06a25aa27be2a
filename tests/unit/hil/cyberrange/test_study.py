"""The range end to end on a small plan: what it finds, and that it does not matter who does the work."""

import dataclasses as dc
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from estimation.detectors.bank import NAMES
from hil.cyberrange.document import document
from hil.cyberrange.job import ATTACKED, VERIFY, AttackResult, CleanResult, Job, SeedResult, carry_out, draw
from hil.cyberrange.plan import RangePlan, find_plan, read_plan_file
from hil.cyberrange.scoring import score
from hil.cyberrange.study import run
from rtcore.errors import HostError, UserInputError

WARM_MIN = 42.0
"""The least in which every detector has learned enough (240 scans)."""


@pytest.fixture(scope="module")
def plan() -> RangePlan:
    small = read_plan_file(find_plan("small"))
    clean = {"days": 1, "verify_days": 1, "hours": 0.15, "warm_min": WARM_MIN}
    attacked = {"seeds": 1, "warm_min": WARM_MIN, "duration_min": 3.0}
    return dc.replace(
        small,
        clean=small.clean.model_copy(update=clean),
        attacked=small.attacked.model_copy(update=attacked),
    )


@pytest.fixture(scope="module")
def done(plan: RangePlan) -> dict[Job, Any]:
    return run(plan, 2, lambda _done, _all: None)


@pytest.fixture(scope="module")
def attacks(done: dict[Job, Any]) -> dict[str, AttackResult]:
    found = done[Job(ATTACKED, 0)]
    assert isinstance(found, SeedResult)
    return {a.attack: a for a in found.attacks}


def during(result: AttackResult, name: str) -> Any:
    n = len(result.rmse_pu)
    return result.values[-n:, NAMES.index(name)]


def before(result: AttackResult, name: str) -> Any:
    n = len(result.rmse_pu)
    return result.values[:-n, NAMES.index(name)]


def same(a: Any, b: Any) -> bool:
    """Tell whether two results are equal bit for bit (a number that is none equals itself)."""
    return pickle.dumps(_plain(a)) == pickle.dumps(_plain(b))


def _plain(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        return x.dtype.str, x.shape, x.tobytes()
    if dc.is_dataclass(x):
        return [_plain(getattr(x, f.name)) for f in dc.fields(x)]
    return [_plain(y) for y in x] if isinstance(x, tuple | list) else repr(x)


def test_clean_scans_converge_and_the_estimate_is_near_the_truth(done: dict[Job, Any]) -> None:
    clean = done[Job(VERIFY, 0)]
    assert isinstance(clean, CleanResult)
    assert clean.n_not_converged == 0
    # class errors of 0.3 % with many meters, loads of the laterals from history: well below 0.2 %
    assert clean.rmse_pu.max() < 2e-3
    assert np.isfinite(clean.values).all()


def test_a_gross_error_is_seen_by_residual_innovation_and_balance_at_its_place(
    plan: RangePlan, attacks: dict[str, AttackResult]
) -> None:
    bias = attacks["bias"]
    for name in ("J", "LNR", "innovation_max", "balance"):
        assert during(bias, name)[0] > 3.0 * np.nanmax(before(bias, name)), name
    channel = next(i for i, c in enumerate(plan.telemetry.channels) if c.measurement.name == "FDR_B.HEAD.P")
    assert bias.where[0][NAMES.index("innovation_max")][0] == channel


def test_the_stealthy_attack_moves_the_estimate_and_the_innovation_and_not_the_residual(
    attacks: dict[str, AttackResult],
) -> None:
    stealthy = attacks["stealthy"]
    assert stealthy.rmse_pu.mean() > 1.5 * stealthy.clean_rmse_pu.mean()
    assert during(stealthy, "innovation_max")[0] > 2.0 * np.nanmax(before(stealthy, "innovation_max"))
    # What J says of the false load is what the pseudo-measurements say, which nobody can write.
    assert during(stealthy, "J").max() < 0.1 * during(attacks["bias"], "J").max()


def test_freeze_and_replay_are_no_longer_fresh(attacks: dict[str, AttackResult]) -> None:
    for name in ("freeze", "replay"):
        values = during(attacks[name], "freshness")
        assert values[3] > 1.5 * np.nanmax(before(attacks[name], "freshness")), name


def test_a_command_sheds_load_and_only_a_stranger_is_noticed(attacks: dict[str, AttackResult]) -> None:
    trip, insider = attacks["trip"], attacks["insider"]
    assert trip.energy_kwh > 0.0
    assert trip.shed_mw > 0.0
    assert trip.violation_min == pytest.approx(3.0)  # whoever is without voltage, as long as it lasts
    assert (trip.energy_kwh, trip.shed_mw) == (insider.energy_kwh, insider.shed_mw)
    assert during(trip, "command").max() == 10.0
    assert during(insider, "command").max() == 0.0
    assert attacks["bias"].energy_kwh == 0.0


def test_the_document_says_it_all(plan: RangePlan, done: dict[Job, Any]) -> None:
    doc = document(plan, score(plan, done))
    assert json.loads(json.dumps(doc, allow_nan=False)) == doc
    rates = {(r["attack"], r["detector"]): r["rate"] for r in doc["results"]}
    assert rates["trip", "command"] == 1.0
    assert rates["insider", "command"] == 0.0
    assert any(line.startswith("insider") and "command" in line for line in doc["blind_spots"])


def test_a_run_by_a_worker_is_the_run_by_this_process_bit_for_bit(
    plan: RangePlan, done: dict[Job, Any]
) -> None:
    assert same(done[Job(VERIFY, 0)], carry_out(plan, Job(VERIFY, 0)))


def test_runs_are_drawn_by_seed_kind_and_number(plan: RangePlan) -> None:
    other = dc.replace(plan, head=plan.head.model_copy(update={"seed": 2}))
    drawn = [
        draw(p, Job(kind, k), 24.0) for p in (plan, other) for kind in (VERIFY, ATTACKED) for k in range(2)
    ]
    assert len({d.seed for d in drawn}) == len(drawn)
    assert {d.start.hour for d in drawn} == {0}
    assert draw(plan, Job(VERIFY, 0), 24.0).seed == drawn[0].seed


def test_a_cluster_of_this_machine_gives_the_serial_result_bit_for_bit(
    plan: RangePlan, tmp_path: Path
) -> None:
    distributed = pytest.importorskip("distributed", reason="the cluster extra is not installed")
    tiny = dc.replace(
        plan,
        clean=plan.clean.model_copy(update={"hours": 0.05, "warm_min": 1.0}),
        attacked=plan.attacked.model_copy(update={"warm_min": 1.0, "duration_min": 1.0}),
    )
    serial = run(tiny, 1, lambda _done, _all: None)
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address="127.0.0.1:0",
        local_directory=str(tmp_path),
    ) as cluster:
        spread = run(tiny, 1, lambda _done, _all: None, dask=cluster.scheduler_address)
    assert list(serial) == list(spread)
    assert all(same(serial[job], spread[job]) for job in serial)


def test_a_cluster_that_is_not_there_is_the_hosts_failure(
    plan: RangePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed", reason="the cluster extra is not installed")
    monkeypatch.setattr("hil.cyberrange.study.CONNECT_S", 0.2)
    with pytest.raises(HostError, match="no Dask scheduler answers"):
        run(plan, 1, lambda _done, _all: None, dask="tcp://127.0.0.1:1")


def test_a_setting_that_the_plant_refuses_is_the_users_mistake(plan: RangePlan) -> None:
    wrong = dc.replace(plan, settings={"SUB.AVR_A.V_SP": 500.0})
    with pytest.raises(UserInputError, match="the plant refuses 500"):
        carry_out(wrong, Job(VERIFY, 0))
