"""``gridhil relaytest``: check the plan, find the running station, carry out the plan, report."""

from __future__ import annotations

import dataclasses as dc
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from rich.console import Console

from hil.output import print_line
from hil.output_places import make_folder
from hil.relaytest.bench import Bench
from hil.relaytest.document import document
from hil.relaytest.plan import FactsOf, Plan, find_plan, read_plan
from hil.relaytest.progress import Progress
from hil.relaytest.report import write
from hil.relaytest.results import PASS, Shot, TestResult, said
from hil.relaytest.runner import Run, Tell, execute
from hil.stop_signals import Stopped
from rtcore.errors import HostError

Opened = tuple[Bench, Mapping[str, str]]
BenchOf = Callable[[Plan], AbstractContextManager[Opened]]
"""Bench for a plan, and what else identifies the station in the report, by name."""


def run_file(
    name: str,
    folder: Path | None,
    facts_of: FactsOf,
    bench_of: BenchOf,
    out: Console,
    shown_at: Callable[[Bench], Path | None] = lambda _bench: None,
) -> dict[str, Any]:
    """Carry out a plan and return the document of its results.

    Parameters
    ----------
    name : str
        File of the plan, or name of a shipped one.
    folder : Path or None
        Where to write the report; None writes none.
    shown_at : callable
        Gives the file where others may see how far it has come; None shows it to nobody.

    Raises
    ------
    UserInputError
        Everything wrong or impossible in the plan; nothing has been energised.
    HostError
        No such station runs, or the report cannot be written; or the run was broken off, by this or by
        a signal (``Stopped``, ``KeyboardInterrupt``): the tests that had ended have been reported then.
    """
    path = find_plan(name)
    plan = read_plan(path, facts_of)
    if folder is not None:
        make_folder(folder)

    def tell(result: TestResult, shot: Shot) -> None:
        progress.tell(result, shot)
        label = shot.record.plan.label if not shot.is_search else ""
        whys = [r.why for r in shot.readings if r.verdict != PASS]
        why = shot.invalid or "; ".join(whys)
        print_line(out, f"{shot.verdict:<12}  {result.name} {shot.number} {label}  {why}".rstrip())

    with bench_of(plan) as (bench, station):
        facts = dc.replace(plan.facts, dt_s=bench.facts.dt_s)  # the host may have decided on the step
        plan = read_plan(path, lambda _station, _near: facts)
        done = Run(plan, time.time())
        progress = Progress(shown_at(bench), plan)
        broken = _carried_out(done, bench, tell)
        progress.end(done.verdict, "" if broken is None else _why(broken))
    doc = document(done, station, "" if broken is None else _why(broken))
    for result in done.tests:
        print_line(out, f"{result.verdict:<12}  {result.name}: {said(result)}")
    print_line(out, f"{doc['verdict']}  {plan.head.name}: {_said(doc)}")
    if folder is not None:
        written = write(folder, doc)
        print_line(out, f"report: {', '.join(str(p) for p in written)}")
    if broken is not None:
        raise broken
    return doc


def _carried_out(done: Run, bench: Bench, tell: Tell) -> BaseException | None:
    """Carry out the tests of a run; return what broke it off, the tests that had ended are in ``done``."""
    try:
        for result in execute(done.plan, bench, tell):
            done.tests.append(result)
    except (HostError, Stopped, KeyboardInterrupt) as error:
        return error
    return None


def _why(broken: BaseException) -> str:
    return str(broken) if isinstance(broken, HostError) else "interrupted"


def _said(doc: Mapping[str, Any]) -> str:
    counts = ", ".join(f"{n} {verdict}" for verdict, n in doc["counts"].items())
    meaning = {
        "INVALID": "; the measurement cannot be trusted, nothing is shown about the device",
        "INCONCLUSIVE": "; the device is neither shown to be right nor to be wrong",
    }
    if doc["broken_off"]:
        counts += f"; broken off: {doc['broken_off']}"
    return f"shots: {counts}{meaning.get(doc['verdict'], '')}"
