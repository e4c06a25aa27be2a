"""``gridhil coordination``: a station's scheme studied, printed and drawn."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from pathlib import Path

from rich.console import Console

from hil import coordination as co
from hil import coordination_chart
from hil.output import make_table
from hil.station import read_plan, with_upstream_machine, with_upstream_reactance
from hil.studies import Case
from rtcore.errors import Problem, UserInputError

TABLE_COLUMNS = (
    "device",
    "upstream",
    "fault",
    "place",
    "I [A]",
    "I up [A]",
    "cleared [s]",
    "up trips [s]",
    "margin [s]",
    "verdict",
)
PIPED_COLUMNS = 160
"""Nobody looks at a pipe, so the table need not fit into 80 columns."""


def run(
    station: str,
    output: Path | None,
    *,
    margin_s: float = co.MARGIN_S,
    opened: Collection[str] = (),
    closed: Collection[str] = (),
    groups: Collection[str] = (),
) -> co.Coordination:
    """Study a station's scheme, with its fuses' links and its breakers' times, and write the chart.

    ``groups`` are settings groups in force as the command line has them, "rcl_1006=2".
    """
    in_force = read_groups(groups)
    if output is not None:
        coordination_chart.check_file(output)
    both = {name.lower() for name in opened} & {name.lower() for name in closed}
    if both:
        raise UserInputError([Problem("--open", "", f"{name} is to be closed as well") for name in both])
    plan = read_plan(station)
    if plan.scheme is None:
        what = "has no protection scheme; its file names one with station.protection"
        raise UserInputError([Problem(plan.station.name, "", what)])
    network = with_upstream_reactance(plan.network, with_upstream_machine(plan.network, plan.plant))
    found = co.study(
        Case(network, plan.station),
        plan.scheme,
        plan.plant,
        margin_s=margin_s,
        opened=[name.lower() for name in opened],
        closed=[name.lower() for name in closed],
        groups=in_force,
    )
    if output is not None:
        coordination_chart.draw(found, output, f"{plan.station.title or plan.station.name}: {found.scheme}")
    return found


def read_groups(texts: Collection[str]) -> dict[str, int]:
    """Return relay -> settings group; one UserInputError tells every text that is none."""
    groups: dict[str, int] = {}
    problems = []
    for text in texts:
        form = re.fullmatch(r"([^=\s]+)=([0-9]{1,9})", text)
        name = form[1].lower() if form else ""
        if form is None:
            problems.append(Problem("--group", "", f"{text!r}: must be RELAY=NUMBER, such as rcl_1006=2"))
        elif groups.setdefault(name, int(form[2])) != int(form[2]):
            what = f"{text!r}: group {groups[name]} of relay {name!r} is asked for, too"
            problems.append(Problem("--group", "", what))
    if problems:
        raise UserInputError(problems)
    return groups


def show(found: co.Coordination, out: Console) -> None:
    """Print the margins as a table, and what they come to."""
    table = make_table(f"margins of {found.scheme}", TABLE_COLUMNS, _cells(found.margins))
    (out if out.is_terminal else Console(file=out.file, width=PIPED_COLUMNS)).print(table)
    if found.idle:
        out.print(
            f"not in service, open or not fed: {', '.join(found.idle)}", highlight=False, soft_wrap=True
        )
    short = sum(m.verdict != "ok" for m in found.margins)
    told = f"{short} of {len(found.margins)} margins do not suffice" if short else "every margin suffices"
    out.print(told, highlight=False)


def _cells(margins: Collection[co.Margin]) -> list[list[str]]:
    """Return the table's cells; a pair is named once."""
    rows, before = [], ("", "")
    for m in margins:
        pair = (m.downstream, m.upstream)
        rows.append(
            [
                *(("", "") if pair == before else pair),
                f"{m.kind} {m.place}",
                f"{m.bus} {m.phases}",
                f"{m.i_downstream_a:.0f}",
                f"{m.i_upstream_a:.0f}",
                f"{_seconds(m.downstream_s)} {m.downstream_by}".rstrip(),
                f"{_seconds(m.upstream_s)} {m.upstream_by}".rstrip(),
                _seconds(m.margin_s),
                m.verdict if m.verdict == "ok" else m.verdict.upper(),
            ]
        )
        before = pair
    return rows


def _seconds(t_s: float) -> str:
    return f"{t_s:.3f}" if math.isfinite(t_s) else ("never" if t_s > 0 else "-")
