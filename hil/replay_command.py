"""``gridhil replay``: read a recorded run, do it again, say whether it came out the same."""

from __future__ import annotations

import dataclasses as dc
import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from hil import paths
from hil.output import print_line
from hil.recorder.configuration import config_hash, part_hashes
from hil.recorder.run_folder import host
from hil.replay import RELATIVE, Outcome, replay
from hil.replay_run import RecordedRun, read_run
from hil.station import Plan, make_setup, read_plan
from rtcore.engine import Engine
from rtcore.errors import Problem, UserInputError

PASS, FAIL = "PASS", "FAIL"
INCOMPLETE = "INCOMPLETE"
"""Nothing differs, but what is on record goes far beyond the last image that can be compared."""
NAMED = ("lock_hash", "kernels", "cpu_model")
WORDS = {"lock_hash": "versions of packages", "kernels": "kernels", "cpu_model": "processor"}


@dc.dataclass(frozen=True, slots=True)
class Report:
    """What a replay found.

    Attributes
    ----------
    why : list of str
        What is not as it was where the run was recorded; empty: bits must agree.
    """

    recorded: RecordedRun
    outcome: Outcome
    why: list[str]

    @property
    def verdict(self) -> str:
        """PASS: the same; INCOMPLETE: as far as there are images."""
        if self.outcome.difference is not None:
            return FAIL
        return INCOMPLETE if self.recorded.n_beyond else PASS

    @property
    def comparison(self) -> str:
        """Which comparison was used."""
        return f"within {RELATIVE:g} relative" if self.why else "bit for bit"


def run(folder: Path, station: str | None, tick: Callable[[int, int], None]) -> Report:
    """Do a recorded run again.

    Parameters
    ----------
    station : str or None
        Station file instead of the one that the run was started with.

    Raises
    ------
    UserInputError
        What is wrong with the folder; which parts of the station are not those of the run.
    """
    recorded = read_run(folder)
    plan = _plan(recorded, station)
    core = recorded.run.core
    setup = make_setup(plan, core.dt_ns, {"seed": core.seed, "duration_s": core.duration_s})
    why = _unlike(recorded)
    return Report(recorded, replay(recorded, Engine(setup), exactly=not why, tick=tick), why)


def _plan(recorded: RecordedRun, station: str | None) -> Plan:
    run = recorded.run
    plan = read_plan(station or _station_of(recorded))
    profile = plan.station.read_profile([x.name for x in plan.network.loads], run.core.duration_s)
    now, then = part_hashes(plan, profile), run.configuration
    changed = sorted(k for k in now.keys() | then.keys() if now.get(k) != then.get(k))
    if changed:
        what = "is not what it was in the run (its station.toml is a copy; --station names another file)"
        file = str(plan.station.path)
        raise UserInputError([Problem(file, part, what) for part in changed])
    tags = {p.tag for p in plan.points.points}
    unknown = sorted({c.tag for c in recorded.commands} - tags)
    if unknown:
        where = str(recorded.folder)
        raise UserInputError(
            [Problem(where, tag, "is commanded, and no point of the station") for tag in unknown]
        )
    return plan


def _station_of(recorded: RecordedRun) -> str:
    """Return the station file of a run: where it was, or the shipped one of its name."""
    station = recorded.run.station
    if Path(station.path).is_file():
        return station.path
    shipped = paths.config_dir() / "stations" / Path(station.path).name
    if shipped.is_file():
        return str(shipped)
    what = "the station file of the run is not there; --station names it, station.toml is a copy"
    raise UserInputError([Problem(station.path, "", what)])


def _unlike(recorded: RecordedRun) -> list[str]:
    """Return what differs between this host and that of the run."""
    then, now = recorded.run.host.model_dump(), host()
    found = []
    for key in NAMED:
        if then[key] != now[key]:
            found.append(f"{WORDS[key]}: {_told(key, then)}, here {_told(key, now)}")
    return found


def _told(key: str, of: dict[str, Any]) -> str:
    return ", ".join(f"{k} {v}" for k, v in sorted(of["versions"].items())) if key == "lock_hash" else of[key]


def document(report: Report) -> dict[str, Any]:
    """Return the report, JSON-ready."""
    recorded, outcome = report.recorded, report.outcome
    return {
        "verdict": report.verdict,
        "seed": recorded.run.core.seed,
        "config_hash": config_hash(recorded.run.configuration),
        "run_id": recorded.run.run_id,
        "comparison": report.comparison,
        "because": report.why,
        "commands": outcome.n_commands,
        "last_step": outcome.last_step,
        "images_not_covered": recorded.n_uncovered,
        "not_compared_s": recorded.n_beyond * recorded.run.core.dt_ns / 1e9,
        "largest_relative": outcome.largest_relative if math.isfinite(outcome.largest_relative) else None,
        "results": _results(report),
    }


def _results(report: Report) -> list[dict[str, Any]]:
    """One row for each thing compared; that of the first difference holds it."""
    outcome, difference = report.outcome, report.outcome.difference
    kinds = {"image": outcome.n_images}
    if not report.why:
        kinds |= {"digest": outcome.n_images, "event": outcome.n_events}
    rows = []
    for kind, n in kinds.items():
        row: dict[str, Any] = {"name": kind, "verdict": PASS, "compared": n}
        if difference is not None and difference.what == kind:
            row |= {"verdict": FAIL, "first_difference": _located(report)}
        rows.append(row)
    return rows


def _located(report: Report) -> dict[str, Any]:
    difference = report.outcome.difference
    assert difference is not None
    row = {k: _finite(v) for k, v in dc.asdict(difference).items() if k != "what"}
    between = [
        {"step": c.step, "tag": c.tag, "value": c.new, "cause": c.cause}
        for c in report.recorded.commands
        if difference.after_step < c.step <= difference.step
    ]
    return row | {"commands_between": between}


def _finite(value: Any) -> Any:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def show(report: Report, out: Console) -> None:
    """Say what was found."""
    recorded, outcome, difference = report.recorded, report.outcome, report.outcome.difference
    run = recorded.run
    line = functools.partial(print_line, out)
    for text in report.why:
        line(f"note: {text}")
    if recorded.n_uncovered:
        line(
            f"note: {recorded.n_uncovered} images at the end came before their events were on disk; left out"
        )
    if recorded.n_beyond:
        dt_s = run.core.dt_ns / 1e9
        there, of = (recorded.last_step + 1) * dt_s, (recorded.last_record + 1) * dt_s
        what = "images or events of the rest are not there"
        line(f"note: only {there:.6g} s of {of:.6g} s could be compared: {what}")
    if difference is not None:
        told = f"recorded {difference.recorded}, replayed {difference.replayed}"
        line(f"first difference: {difference.what}, step {difference.step}, {difference.tag or '-'}: {told}")
        line(f"  all was the same up to step {difference.after_step}")
        if difference.n_points > 1:
            line(f"  {difference.n_points} points differ at that step")
        for command in _located(report)["commands_between"]:
            line(f"  command since: step {command['step']}, {command['tag']} = {command['value']:g}")
    s = (outcome.last_step + 1) * run.core.dt_ns / 1e9
    what = f"{outcome.n_images} images, {outcome.n_events} events, {outcome.n_commands} commands"
    line(f"{report.verdict}  run {run.run_id} of {run.station.name}, {s:.6g} s: {what}, {report.comparison}")
