"""All runs of a plan: one after the other, on the processors of this machine, or on a Dask cluster.

Every run is a job by itself (``job``), so that the results are the same, bit for bit, whoever does it.
"""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from hil.cyberrange import worker
from hil.cyberrange.draw import ATTACKED, CALIBRATE, VERIFY, Job
from hil.cyberrange.job import Result, carry_out
from hil.cyberrange.plan import RangePlan
from hil.supervisor import die_with_parent
from rtcore.errors import HostError, Problem, UserInputError

CONNECT_S = 10.0
"""How long a scheduler may take to answer [s]."""
Tick = Callable[[int, int], None]


def jobs_of(plan: RangePlan) -> list[Job]:
    """Return all runs, the long ones first."""
    clean = [Job(CALIBRATE, k) for k in range(plan.clean.days)]
    clean += [Job(VERIFY, k) for k in range(plan.clean.verify_days)]
    return clean + [Job(ATTACKED, k) for k in range(plan.attacked.seeds)]


def run(plan: RangePlan, n_workers: int, tick: Tick, dask: str | None = None) -> dict[Job, Result]:
    """Do every run of a plan.

    Parameters
    ----------
    n_workers : int
        Processes on this machine; 1: this one.
    dask : str, optional
        Address of a Dask scheduler that does the work instead. Its workers need this program and the
        files that the plan names in the same places.

    Raises
    ------
    HostError
        No such cluster, or a worker was lost.
    RunError
        A run ended by an exception of its own; the others are given up.
    """
    jobs = jobs_of(plan)
    tick(0, len(jobs))
    done: dict[Job, Result] = {}
    for job, result in _results(plan, jobs, n_workers, dask):
        done[job] = result
        tick(len(done), len(jobs))
    return {job: done[job] for job in jobs}


def _results(
    plan: RangePlan, jobs: Sequence[Job], n_workers: int, dask: str | None
) -> Iterator[tuple[Job, Result]]:
    if dask is not None:
        return _on_cluster(plan, jobs, dask)
    if n_workers == 1:
        return ((job, carry_out(plan, job)) for job in jobs)
    return _in_processes(plan, jobs, n_workers)


def _in_processes(plan: RangePlan, jobs: Sequence[Job], n: int) -> Iterator[tuple[Job, Result]]:
    """Spawn, never fork: the parent has threads of numerical libraries."""
    payload = pickle.dumps(plan)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(n, len(jobs)), context, initializer=die_with_parent) as pool:
        futures = {pool.submit(worker.work, payload, (j.kind, j.number)): j for j in jobs}
        try:
            for future in as_completed(futures):
                yield futures[future], pickle.loads(future.result())
        except BrokenProcessPool:
            left = ", ".join(str(job) for future, job in futures.items() if _is_lost(future))
            raise HostError(
                f"a worker process was lost (killed, or out of memory?); not done: {left}"
            ) from None
        except BaseException:  # an interrupt, too: leaving the pool would wait for runs of minutes
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _is_lost(future: Future[bytes]) -> bool:
    return not future.done() or future.cancelled() or future.exception() is not None


def _on_cluster(plan: RangePlan, jobs: Sequence[Job], address: str) -> Iterator[tuple[Job, Result]]:
    distributed = _distributed()
    try:
        client = distributed.Client(address, timeout=CONNECT_S)
    except ValueError:
        what = f"{address!r} is no address of a Dask scheduler; one looks like tcp://127.0.0.1:8786"
        raise UserInputError([Problem("--dask", "", what)]) from None
    except (OSError, TimeoutError) as error:
        raise HostError(f"no Dask scheduler answers at {address}: {error}") from None
    with client:
        [payload] = client.scatter([pickle.dumps(plan)], broadcast=True)
        keys = [(j.kind, j.number) for j in jobs]
        futures = client.map(lambda key, p: worker.work(p, key), keys, p=payload, pure=False)
        for job, future in zip(jobs, futures, strict=True):
            try:
                yield job, pickle.loads(future.result())
            except (distributed.KilledWorker, CancelledError, OSError) as error:
                raise HostError(f"{job}: the cluster lost it: {error}") from None


def _distributed() -> Any:
    try:
        import distributed
    except ImportError:
        raise HostError("--dask needs Dask: pip install 'gridhil[cluster]'") from None
    return distributed
