"""``gridhil selectivity``: the sweep on every processor, its table, and what it comes to."""

from __future__ import annotations

import collections
import csv
import dataclasses as dc
import io
import multiprocessing
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from hil import output_places
from hil.output import make_table
from hil.selectivity import Result, Rig
from hil.selectivity_cases import LIVES, Case, cases
from hil.selectivity_judge import EXEMPT, RIGHT, WRONG
from hil.station import Plan, read_plan
from rtcore.errors import Problem, UserInputError

BULK_NS = 5_000_000
"""Step of the sweep: timers and mechanisms interpolate within it."""
FINE_NS = 1_000_000
"""Step at which some of the cases are run again."""
SAMPLE = 24
"""How many of them."""
WORTH_A_PROCESS = 60
"""Cases that take about as long as it takes to start a process."""

COLUMNS = (
    "place",
    "type",
    "phases",
    "life",
    "device",
    "first",
    "open_s",
    "shots",
    "end",
    "backup",
    "spent",
    "margin_s",
    "verdict",
    "reason",
)
Row = tuple[str, ...]
Tick = Callable[[int, int], None]


@dc.dataclass(frozen=True, slots=True)
class Sweep:
    """What a sweep found.

    ``differs``: of the cases run again in finer steps, those that came out otherwise; ``apart_s``: the
    largest difference of the first interruption between the two [s].
    """

    station: str
    rows: tuple[Row, ...]
    n_places: int
    n_again: int
    differs: tuple[str, ...]
    apart_s: float

    @property
    def is_selective(self) -> bool:
        """Whether no case is wrong and none came out otherwise in finer steps."""
        return not self.differs and all(r[COLUMNS.index("verdict")] != WRONG for r in self.rows)


def run(station: str, output: Path | None, *, n_places: int | None, seed: int, tick: Tick) -> Sweep:
    """Run the sweep and write its table."""
    if output is not None:
        output_places.check_file(output, (".csv",), "the table")
    plan = read_plan(station)
    if plan.scheme is None:
        what = "has no protection scheme; its file names one with station.protection"
        raise UserInputError([Problem(plan.station.name, "", what)])
    chosen = cases(plan.network, plan.scheme, n_places, seed)
    pick = np.random.default_rng([seed, 1]).permutation(len(chosen))[: min(SAMPLE, len(chosen) // 4)]
    again = [chosen[k] for k in sorted(pick.tolist())]
    total = len(chosen) + len(again)
    coarse = _run_all(plan, BULK_NS, chosen, lambda n: tick(n, total))
    rows = tuple(row_of(r) for r in coarse)
    if output is not None:  # before the rest, which takes a while
        output.write_text(text_of(rows))
    fine = _run_all(plan, FINE_NS, again, lambda n: tick(len(chosen) + n, total))
    pairs = [(coarse[k], f) for k, f in zip(sorted(pick.tolist()), fine, strict=True)]
    return Sweep(
        plan.station.name,
        rows,
        len({c.place for c in chosen}),
        len(again),
        tuple(_title(f.case) for c, f in pairs if outcome(c) != outcome(f)),
        max((apart_s(c, f) for c, f in pairs), default=0.0),
    )


def outcome(r: Result) -> tuple[str, str, int, str]:
    """Return what must not depend on the length of the step."""
    return r.judged.verdict, r.judged.first, r.judged.shots, r.judged.end


def apart_s(one: Result, other: Result) -> float:
    """Return by how much the first interruptions of two runs differ [s]."""
    a, b = one.judged.open_s, other.judged.open_s
    return abs(a - b) if a is not None and b is not None else 0.0


def _run_all(plan: Plan, dt_ns: int, chosen: Sequence[Case], tick: Callable[[int], None]) -> list[Result]:
    """Run cases, on several processors if there are enough; the order does not matter to a case."""
    if not chosen:
        return []
    steps = len(chosen) * BULK_NS // dt_ns
    n = max(1, min(len(os.sched_getaffinity(0)), steps // WORTH_A_PROCESS))
    found: list[Result] = []
    if n == 1:
        rig = Rig(plan, dt_ns)
        for case in chosen:
            found.append(rig.run(case))
            tick(len(found))
        return found
    with multiprocessing.get_context("spawn").Pool(n, _begin, (plan, dt_ns)) as pool:
        for result in pool.imap(_one, chosen, chunksize=4):
            found.append(result)
            tick(len(found))
    return found


_rig: Rig | None = None
"""Of a worker process."""


def _begin(plan: Plan, dt_ns: int) -> None:
    """Build the rig of a worker, of the files as they were read at the start."""
    global _rig  # noqa: PLW0603 - what a pool's initializer makes for its process
    _rig = Rig(plan, dt_ns)


def _one(case: Case) -> Result:
    assert _rig is not None
    return _rig.run(case)


# ------------------------------------------------------------------------------------- to be shown


def row_of(r: Result) -> Row:
    """Return a row of the table; times to the millisecond."""
    c, j = r.case, r.judged
    return (
        c.place,
        c.kind,
        c.phases,
        c.life,
        c.expected.switch,
        j.first,
        _seconds(j.open_s),
        str(j.shots),
        j.end,
        c.expected.upstream,
        f"{r.spent:.3f}" if r.margin_s is not None else "",
        _seconds(r.margin_s),
        j.verdict,
        j.reason,
    )


def _seconds(t_s: float | None) -> str:
    return "" if t_s is None else f"{t_s:.3f}"


def text_of(rows: Sequence[Row]) -> str:
    """Return the table as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    return text.getvalue()


def _title(c: Case) -> str:
    return f"{c.life} {c.kind} {c.phases} at {c.place}"


def document(found: Sweep) -> dict[str, Any]:
    """Return everything that was found, JSON-ready."""
    return {
        "station": found.station,
        "is_selective": found.is_selective,
        "places": found.n_places,
        "counts": counts(found.rows),
        "least_margins": [dict(zip(MARGIN_COLUMNS, r, strict=True)) for r in least_margins(found.rows)],
        "exceptions": [dict(zip(EXCEPTION_COLUMNS, r, strict=True)) for r in exceptions(found.rows)],
        "finer_steps": {"cases": found.n_again, "differ": list(found.differs), "apart_s": found.apart_s},
        "cases": [dict(zip(COLUMNS, r, strict=True)) for r in found.rows],
    }


def _named(row: Row) -> dict[str, str]:
    return dict(zip(COLUMNS, row, strict=True))


def counts(rows: Sequence[Row]) -> dict[str, dict[str, int]]:
    """Return life -> verdict -> number of cases."""
    found = collections.Counter((r["life"], r["verdict"]) for r in map(_named, rows))
    return {life: {v: found[life, v] for v in (RIGHT, WRONG, EXEMPT)} for life in LIVES}


MARGIN_COLUMNS = ("device", "backup", "cases", "margin_s", "spent", "at")


def least_margins(rows: Sequence[Row]) -> list[tuple[str, str, int, float, float, str]]:
    """Return, for each device and its backup, the case that left the backup the least time.

    Failures are left out: there the backup is meant to open.
    """
    pairs: dict[tuple[str, str], list[dict[str, str]]] = {}
    for r in map(_named, rows):
        if r["life"] != "failure" and r["margin_s"]:
            pairs.setdefault((r["device"], r["backup"]), []).append(r)
    found = []
    for (device, backup), seen in pairs.items():
        r = min(seen, key=lambda r: float(r["margin_s"]))
        at = f"{r['life']} {r['type']} {r['phases']} {r['place']}"
        found.append((device, backup, len(seen), float(r["margin_s"]), float(r["spent"]), at))
    return found


EXCEPTION_COLUMNS = ("verdict", "device", "life", "reason", "cases", "example")


def exceptions(rows: Sequence[Row]) -> list[tuple[str, str, str, str, int, str]]:
    """Return what is not right, alike cases together."""
    groups: dict[tuple[str, str, str, str], list[str]] = {}
    for r in map(_named, rows):
        if r["verdict"] != RIGHT:
            key = (r["verdict"], r["device"], r["life"], r["reason"])
            groups.setdefault(key, []).append(f"{r['type']} {r['phases']} {r['place']}")
    return [(*key, len(at), at[0]) for key, at in groups.items()]


def show(found: Sweep, out: Console) -> None:
    """Print the counts, the least margins and every exception."""
    wide = out if out.is_terminal else Console(file=out.file, width=160)
    counted = counts(found.rows)
    table = [(life, *by.values()) for life, by in counted.items()]
    wide.print(
        make_table(
            f"{len(found.rows)} cases at {found.n_places} places", ("life", RIGHT, WRONG, EXEMPT), table
        )
    )
    margins = [(d, b, n, f"{m:.3f}", f"{s:.3f}", at) for d, b, n, m, s, at in least_margins(found.rows)]
    wide.print(make_table("least time that the backup still had to go", MARGIN_COLUMNS, margins))
    strange = exceptions(found.rows)
    if strange:
        wide.print(make_table("exceptions", EXCEPTION_COLUMNS, strange))
    told = "the same outcome" if not found.differs else "another outcome: " + "; ".join(found.differs)
    out.print(
        f"{found.n_again} cases again in steps of 1 ms: {told}, first interruption within "
        f"{1e3 * found.apart_s:.2f} ms",
        highlight=False,
        soft_wrap=True,
    )
