"""``gridhil scenario``: check every file, run one after the other, report, say the verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from hil import kernel_cache
from hil import scenario_report as sr
from hil.output import print_line
from hil.output_places import make_folder
from hil.progress import progress
from hil.scenario import run
from hil.scenario_files import read_scenario
from hil.scenario_model import Scenario
from hil.scenario_verdicts import judge
from rtcore.errors import Problem, UserInputError


def run_files(
    files: Sequence[str], folder: Path | None, seed: int | None, out: Console, err: Console
) -> list[sr.Report]:
    """Run scenarios and write their report; nothing is run before every file is right.

    Parameters
    ----------
    folder : Path or None
        Where to write the report; None writes none.
    seed : int or None
        Seed instead of the files'.
    out, err : Console
        For verdicts, and for progress.
    """
    scenarios = _read(files, seed)
    if folder is not None:
        make_folder(folder)
    reports = []
    kernel_cache.prepare()
    if not kernel_cache.has(kernel_cache.HEADLESS):
        print_line(err, "compiling the kernels for this machine, once (two to four minutes) ...")
    for scenario in scenarios:
        with progress(scenario.name, err) as tick, kernel_cache.compiling(kernel_cache.HEADLESS):
            done = run(scenario, tick)
        report = sr.Report(done, judge(done))
        _say(report, out)
        reports.append(report)
    if folder is not None:
        written = sr.write(folder, reports)
        print_line(out, f"report: {', '.join(str(p) for p in written if p.suffix in ('.html', '.xml'))}")
    return reports


def _read(files: Sequence[str], seed: int | None) -> list[Scenario]:
    scenarios, problems = [], list[Problem]()
    for file in files:
        try:
            scenarios.append(read_scenario(file, seed))
        except UserInputError as error:
            problems += error.problems
    used = Counter(s.name for s in scenarios)
    problems += [
        Problem(str(s.path), "scenario.name", f"{s.name!r} is the name of {used[s.name]} of these files")
        for s in scenarios
        if used[s.name] > 1
    ]
    if problems:
        raise UserInputError(set(problems))
    return scenarios


def _say(report: sr.Report, out: Console) -> None:
    done, results = report.run, report.results
    for r in results:
        print_line(out, f"{r.verdict}  {r.title}: {r.message}")
    if done.not_converged:
        print_line(out, f"note: the power flow did not converge in {done.not_converged} steps")
    passed = sum(r.is_passed for r in results)
    pace = f"{done.simulated_s:.6g} s simulated in {done.wall_s:.3g} s"
    factor = f"{done.realtime_factor:.3g} times real time"
    what = f"{done.scenario.name}: {passed} of {len(results)} passed"
    print_line(out, f"{report.verdict}  {what}, {pace} ({factor}), seed {done.scenario.seed}")


def document(reports: Sequence[sr.Report]) -> dict[str, Any]:
    """Return the results of all runs, JSON-ready."""
    return sr.combined(reports)
