"""``gridhil cyberrange``: check the plan, do every run, report, say the verdict."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from hil import kernel_cache
from hil.cyberrange.detection import percents
from hil.cyberrange.document import document
from hil.cyberrange.plan import find_plan, read_plan_file
from hil.cyberrange.report import write
from hil.cyberrange.scoring import score
from hil.cyberrange.study import run
from hil.output import as_table, print_line
from hil.output_places import make_folder
from hil.progress import progress


def run_file(
    name: str, folder: Path | None, n_workers: int | None, dask: str | None, out: Console, err: Console
) -> dict[str, Any]:
    """Carry out a plan and return the document of its results.

    Parameters
    ----------
    name : str
        File of the plan, or name of a shipped one.
    folder : Path or None
        Where to write the report; None writes none.
    n_workers : int or None
        Processes; None: as many as this process may use processors.
    dask : str or None
        Address of a Dask scheduler instead.

    Raises
    ------
    UserInputError
        Everything wrong in the plan; nothing has run.
    HostError
        The cluster or a worker was lost, or the report cannot be written.
    """
    plan = read_plan_file(find_plan(name))
    if folder is not None:
        make_folder(folder)
    kernel_cache.prepare()
    n = len(os.sched_getaffinity(0)) if n_workers is None else n_workers
    with progress(plan.head.name, err) as tick:
        done = run(plan, n, tick, dask)
    doc = document(plan, score(plan, done))
    say(doc, out)
    if folder is not None:
        written = write(folder, doc)
        print_line(out, f"report: {', '.join(str(p) for p in written)}")
    return doc


def say(doc: dict[str, Any], out: Console) -> None:
    """Print what was found."""
    rows = [
        (a["name"], *_seen([r for r in doc["results"] if r["attack"] == a["name"]])) for a in doc["attacks"]
    ]
    if not out.quiet:
        columns = ("attack", "detected in (95 % interval), mean delay", "in no run")
        as_table(f"{doc['plan']['seeds']} runs each", columns, rows)
    days = max(d["verification"]["days"] or 0.0 for d in doc["detectors"])
    bounds = ", ".join(_bound(d) for d in doc["detectors"])
    print_line(out, f"false alarms per day in {days:.3g} days (95 % bound): {bounds}")
    chance = [x for x in (d["false_alarm_in_attack_upper"] for d in doc["detectors"]) if x is not None]
    if chance:
        minutes = f"{doc['plan']['attack_min']:g} minutes"
        print_line(
            out, f"a false alarm within {minutes} (at that bound): {percents(min(chance), max(chance))}"
        )
    for line in doc["blind_spots"]:
        print_line(out, f"not seen: {line}")
    for e in doc["expectations"]:
        print_line(out, f"{e['verdict']}  {e['expected']}")
    print_line(out, f"{doc['verdict']}  {doc['plan']['name']}, seed {doc['seed']}")


def _seen(rows: Sequence[dict[str, Any]]) -> tuple[str, str]:
    """Return who detected an attack, how often and how soon, and who in no run."""
    seen = [f"{r['detector']} {_rate(r)} {r['delay_s']:.0f} s" for r in rows if r["rate"]]
    others = [r for r in rows if r["rate"] is not None and not r["detected"]]
    unseen = [r["detector"] + _up(r) for r in others]
    if unseen:
        unseen.append(f"({percents(*others[0]['rate_interval_95'])})")
    unknown = [f"{r['detector']}: no threshold" for r in rows if r["rate"] is None]
    return "\n".join(seen), " ".join((*unseen, *unknown))


def _rate(r: dict[str, Any]) -> str:
    low, high = (100.0 * x for x in r["rate_interval_95"])
    return f"{r['detected']}/{r['runs']} ({low:.0f}-{high:.0f} %){_up(r)}"


def _up(r: dict[str, Any]) -> str:
    return f", up before in {r['alarm_already_up']}" if r["alarm_already_up"] else ""


def _bound(d: dict[str, Any]) -> str:
    v = d["verification"]
    per_day, upper = ("-" if v[k] is None else f"{v[k]:.2g}" for k in ("per_day", "upper_95_per_day"))
    return f"{d['name']} {per_day} ({upper})"
