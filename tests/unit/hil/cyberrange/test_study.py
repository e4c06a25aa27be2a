"""The range end to end on a small plan: what it finds, and that it does not matter who does the work."""

import dataclasses as dc
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from estimation.detectors.bank import NAMES
from hil import cli
from hil.cyberrange.document import document
from hil.cyberrange.draw import ATTACKED, CALIBRATE, VERIFY, Job
from hil.cyberrange.harm import Harm
from hil.cyberrange.job import AttackResult, CleanResult, SeedResult, carry_out
from hil.cyberrange.plan import RangePlan, find_plan, read_plan_file
from hil.cyberrange.run_errors import RunError
from hil.cyberrange.scoring import score
from hil.cyberrange.study import run
from rtcore.errors import GridhilError, HostError, UserInputError

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
    # 15 % more load on a feeder that drops some 1 % at full load, on one of two feeders: some 5e-4 pu, root
    # mean square over all nodes, beside what the instruments' own errors make.
    assert np.sqrt(np.mean(stealthy.rmse_pu**2) - np.mean(stealthy.clean_rmse_pu**2)) > 3e-4
    assert during(stealthy, "innovation_max")[0] > 2.0 * np.nanmax(before(stealthy, "innovation_max"))
    # All telemetry agrees with the false state; only pseudo-measurements, which nobody can write, do not.
    # They are wide: together they move J by less than a right chi-square test has between its mean and its
    # 99 % quantile (2.33 standard deviations), and do not bring it there.
    assert abs(stealthy.j_shift) < 2.33
    assert during(stealthy, "J").max() < 2.33
    assert attacks["bias"].j_shift > 20.0 * 2.33  # J is not deaf: one meter that lies alone


def test_freeze_and_replay_are_no_longer_fresh(attacks: dict[str, AttackResult]) -> None:
    for name in ("freeze", "replay"):
        values = during(attacks[name], "freshness")
        assert values[3] > 1.5 * np.nanmax(before(attacks[name], "freshness")), name


def test_a_command_sheds_load_and_only_a_stranger_is_noticed(attacks: dict[str, AttackResult]) -> None:
    trip, insider = attacks["trip"], attacks["insider"]
    assert trip.harm.deenergised_mw > 0.0
    # As long as the attack: the mean power is not above the largest, nor far below it within 3 minutes (the
    # ripple of one load is 2 %, that of many less).
    whole_kwh = 1e3 * trip.harm.deenergised_mw * 3.0 / 60.0
    assert 0.9 * whole_kwh < trip.harm.not_supplied_kwh <= whole_kwh
    assert trip.violation_min == pytest.approx(3.0)  # whoever is without voltage, as long as it lasts
    assert trip.harm == insider.harm
    assert not trip.is_false.any()  # nothing is falsified: all meters show the opened breaker's truth
    assert during(trip, "command").max() == 10.0
    assert during(insider, "command").max() == 0.0
    assert attacks["bias"].harm == Harm(0.0, 0.0, 0.0)


def test_false_is_what_the_attack_changed_by_more_than_a_sigma(
    plan: RangePlan, attacks: dict[str, AttackResult]
) -> None:
    tags = [c.measurement.name for c in plan.telemetry.channels]
    assert [tags[i] for i in np.flatnonzero(attacks["bias"].is_false.any(axis=0))] == ["FDR_B.HEAD.P"]
    assert attacks["bias"].is_false[:, tags.index("FDR_B.HEAD.P")].all()
    frozen = {tags[i] for i in np.flatnonzero(attacks["freeze"].is_false.any(axis=0))}
    assert frozen and frozen <= set(plan.channels["freeze"])
    # The stealthy attack may write every channel; feeder A is none that it needs to change by a sigma.
    stealthy = attacks["stealthy"].is_false
    assert 0.05 < stealthy.mean() < 0.5
    assert not any(tags[i].startswith("FDR_A.SM") for i in np.flatnonzero(stealthy.any(axis=0)))


def test_the_document_says_it_all(plan: RangePlan, done: dict[Job, Any]) -> None:
    doc = document(plan, score(plan, done))
    assert json.loads(json.dumps(doc, allow_nan=False)) == doc
    rates = {(r["attack"], r["detector"]): r["rate"] for r in doc["results"]}
    assert rates["trip", "command"] == 1.0
    assert rates["insider", "command"] == 0.0
    assert any(line.startswith("insider") and "command" in line for line in doc["blind_spots"])


SERIAL = """
import pickle, sys
from hil import kernel_cache
kernel_cache.prepare()
from hil.cyberrange.study import run
with open(sys.argv[1], "rb") as file:
    plan = pickle.load(file)
with open(sys.argv[2], "wb") as file:
    pickle.dump(run(plan, 1, lambda done, of: None), file)
"""


def serial(plan: RangePlan, folder: Path) -> dict[Job, Any]:
    """Return what a program of its own finds that does one run after the other, as ``--jobs 1`` does.

    Not this process: which of a kernel's compiled forms it takes follows from what it called before.
    """
    given, found = folder / "plan", folder / "results"
    given.write_bytes(pickle.dumps(plan))
    subprocess.run([sys.executable, "-c", SERIAL, str(given), str(found)], check=True)
    results: dict[Job, Any] = pickle.loads(found.read_bytes())
    return results


def test_runs_by_workers_are_the_runs_by_one_process_bit_for_bit(
    plan: RangePlan, done: dict[Job, Any], tmp_path: Path
) -> None:
    clean = dc.replace(plan, attacked=plan.attacked.model_copy(update={"seeds": 0}))
    alone = serial(clean, tmp_path)
    assert list(alone) == [Job(CALIBRATE, 0), Job(VERIFY, 0)]
    assert all(same(alone[job], done[job]) for job in alone)


def test_a_cluster_of_this_machine_gives_the_serial_result_bit_for_bit(
    plan: RangePlan, tmp_path: Path
) -> None:
    distributed = pytest.importorskip("distributed", reason="the cluster extra is not installed")
    tiny = dc.replace(
        plan,
        attacks=tuple(a for a in plan.attacks if a.name in ("bias", "stealthy")),
        clean=plan.clean.model_copy(update={"hours": 0.05, "warm_min": 1.0}),
        attacked=plan.attacked.model_copy(update={"warm_min": 1.0, "duration_min": 1.0}),
    )
    alone = serial(tiny, tmp_path)
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address="127.0.0.1:0",
        local_directory=str(tmp_path),
    ) as cluster:
        spread = run(tiny, 1, lambda _done, _all: None, dask=cluster.scheduler_address)
    assert list(alone) == list(spread)
    assert all(same(alone[job], spread[job]) for job in alone)


def test_a_cluster_that_is_not_there_is_the_hosts_failure(
    plan: RangePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed", reason="the cluster extra is not installed")
    monkeypatch.setattr("hil.cyberrange.study.CONNECT_S", 0.2)
    with pytest.raises(HostError, match="no Dask scheduler answers"):
        run(plan, 1, lambda _done, _all: None, dask="tcp://127.0.0.1:1")
    with pytest.raises(UserInputError, match="--dask: 'nowhere' is no address of a Dask scheduler"):
        run(plan, 1, lambda _done, _all: None, dask="nowhere")


def test_a_setting_that_the_plant_refuses_is_the_users_mistake(plan: RangePlan) -> None:
    wrong = dc.replace(plan, settings={"SUB.AVR_A.V_SP": 500.0})
    with pytest.raises(UserInputError, match="the plant refuses 500"):
        carry_out(wrong, Job(VERIFY, 0))


@dc.dataclass(frozen=True)
class Deadly:
    """A plan that ends the process that unpacks it, as a kernel does that is short of memory."""

    clean: Any
    attacked: Any

    def __reduce__(self) -> tuple[Any, tuple[int]]:
        return os._exit, (9,)


def test_a_worker_that_dies_is_the_hosts_failure_and_names_what_is_not_done(plan: RangePlan) -> None:
    deadly = Deadly(plan.clean, plan.attacked)
    with pytest.raises(HostError, match=r"worker process was lost.*not done: .*run attacked 0"):
        run(deadly, 2, lambda _done, _all: None)  # type: ignore[arg-type]


@pytest.mark.parametrize("n_workers", [1, 2])
def test_an_exception_of_a_run_is_no_lost_worker_and_names_the_run(plan: RangePlan, n_workers: int) -> None:
    """A step that is no number of steps per scan: an error of arithmetic before anything is simulated."""
    broken = dc.replace(plan, head=plan.head.model_copy(update={"step_s": 0.0}))
    with pytest.raises(RunError, match=r"^run \w+ 0: it failed: .* \(\w+\.py:\d+\)$") as caught:
        run(broken, n_workers, lambda _done, _all: None)
    assert not isinstance(caught.value, HostError)
    if n_workers == 1:
        assert str(caught.value).startswith(f"run {CALIBRATE} 0: ")


def test_an_error_of_a_run_is_told_without_its_type(plan: RangePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_plan: RangePlan, _job: Job) -> None:
        raise RuntimeError("out of range")

    monkeypatch.setattr("hil.cyberrange.job._clean", fails)
    with pytest.raises(RunError, match=r"run verify 3: it failed: out of range"):
        carry_out(plan, Job(VERIFY, 3))


@pytest.mark.parametrize(
    ("error", "code"), [(RunError("run verify 3: it failed: no"), 1), (HostError("a worker was lost"), 3)]
)
def test_the_command_ends_with_a_line_and_the_exit_code(
    error: GridhilError, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: Any) -> None:
        raise error

    monkeypatch.setattr("hil.cyberrange.command.run", fails)
    monkeypatch.setattr("sys.argv", ["gridhil", "cyberrange", "small"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == code
    said = capsys.readouterr().err
    assert f"gridhil: {error}" in said
    assert "Traceback" not in said


def children(pid: int) -> list[int]:
    return [int(x) for x in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid: int) -> bool:
    try:
        return "(zombie)" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def is_at_work(pid: int) -> bool:
    """Tell whether a worker has begun: only then it loads what compiles."""
    try:
        return "llvmlite" in Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return False


def until(fulfilled: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not fulfilled() and time.monotonic() < end:
        time.sleep(0.05)
    return fulfilled()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_an_end_in_the_middle_of_runs_leaves_no_worker(tmp_path: Path, number: int, code: int) -> None:
    command = [sys.executable, "-P", "-m", "hil", "cyberrange", "small", "--jobs", "2"]
    command += ["--report", str(tmp_path / "report")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as study:
        assert until(lambda: sum(map(is_at_work, children(study.pid))) == 2, 60.0)
        below = children(study.pid)
        study.send_signal(number)
        assert study.wait(10.0) == code  # a run takes longer, and is not waited for
        assert until(lambda: not any(is_running(pid) for pid in below), 10.0)
