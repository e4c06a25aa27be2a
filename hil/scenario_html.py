"""The report for people: one HTML file that needs nothing else, no script, no network."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape

from hil.scenario import Happening, Run
from hil.scenario_chart import chart
from hil.scenario_model import Form
from hil.scenario_verdicts import Result
from hil.scenario_words import happening_text
from hil.settings_types import iso

EVENTS_MAX = 300
"""Most events shown; results.json has more."""

STYLE = """
:root { color-scheme: light dark; --line: #8884; --good: #18794e; --bad: #c62828; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0 0 .3rem; } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
.v { display: inline-block; padding: .1rem .6rem; border-radius: .3rem; color: #fff; font-weight: 600; }
.PASS { background: var(--good); } .FAIL { background: var(--bad); }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid var(--line); }
td.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
td.w { overflow-wrap: anywhere; } code { font-size: .85em; overflow-wrap: anywhere; }
.c { display: flex; flex-wrap: wrap; gap: .6rem; } svg { max-width: 100%; }
svg text { font: 11px system-ui, sans-serif; fill: currentColor; } svg .t { font-weight: 600; }
svg .n { text-anchor: end; } svg .f { fill: none; stroke: var(--line); }
svg .m { stroke: #e08700; stroke-dasharray: 3 3; }
svg polyline { fill: none; stroke: #2b6cb0; stroke-width: 1.4; }
"""


def html(run: Run, results: Sequence[Result], verdict: str, versions: Mapping[str, str]) -> str:
    """Return the whole report as one page."""
    scenario = run.scenario
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width">',
            f"<title>{verdict}: {escape(scenario.title)}</title><style>{STYLE}</style></head><body>",
            f'<h1><span class="v {verdict}">{verdict}</span> {escape(scenario.title)}</h1>',
            *(f"<p>{escape(p)}</p>" for p in scenario.description.split("\n\n") if p.strip()),
            *_facts(run, results, versions),
            *_warnings(run),
            "<h2>Assertions</h2>",
            *_results([r for r in results if r.form is not Form.COMMAND]),
            "<h2>Commands</h2>",
            *_results([r for r in results if r.form is Form.COMMAND]),
            *_charts(run),
            *_events(run),
            "</body></html>\n",
        ]
    )


def _facts(run: Run, results: Sequence[Result], versions: Mapping[str, str]) -> Iterator[str]:
    scenario, station = run.scenario, run.scenario.plan.station
    failed = sum(not r.is_passed for r in results)
    start, end = (iso(scenario.utc_ns(s), station.utc_offset_s) for s in (0, scenario.n_steps - 1))
    started = dt.datetime.fromtimestamp(run.started_utc_s, dt.UTC).isoformat(timespec="seconds")
    facts = {
        "result": f"{len(results) - failed} of {len(results)} passed",
        "scenario": f"{scenario.name} ({scenario.path.name})",
        "station": f"{station.name}: {station.title}",
        "simulated": f"{start} to {end}, {scenario.n_steps} steps of {scenario.dt_ns / 1e6:g} ms",
        "speed": f"{run.simulated_s:.6g} s in {run.wall_s:.3g} s: {run.realtime_factor:.3g} times real time",
        "run at": started,
        "seed": str(scenario.seed),
        "configuration (SHA-256)": run.config_hash,
        "history (digest)": f"{run.digest & 0xFFFFFFFFFFFFFFFF:016x}",
        "versions": ", ".join(f"{k} {v}" for k, v in versions.items()),
    }
    yield "<table>"
    for key, value in facts.items():
        yield f"<tr><th>{key}</th><td class=w>{escape(value)}</td></tr>"
    yield "</table>"


def _warnings(run: Run) -> Iterator[str]:
    if run.not_converged:
        yield (
            f"<p><strong>The power flow did not converge in {run.not_converged} steps.</strong> "
            "Values of those steps are held and their quality is bad.</p>"
        )
    if run.fp_events:
        yield f"<p><strong>{run.fp_events} steps raised a floating-point exception flag.</strong></p>"


def _results(results: Sequence[Result]) -> Iterator[str]:
    if not results:
        yield "<p>none</p>"
        return
    yield "<table><tr><th>verdict</th><th>what</th><th>measured</th><th>limits</th><th>at</th><th></th></tr>"
    for r in results:
        limits = "" if math.isinf(r.low) and math.isinf(r.high) else f"{_limit(r.low)} .. {_limit(r.high)}"
        measured = "" if r.measured is None else f"{r.measured:.6g} {r.unit}"
        at = "" if r.at_s is None else f"{r.at_s:.6g} s"
        yield (
            f'<tr><td><span class="v {r.verdict}">{r.verdict}</span></td><td>{escape(r.title)}</td>'
            f"<td class=n>{escape(measured)}</td><td class=n>{limits}</td><td class=n>{at}</td>"
            f"<td class=w>{escape(r.message)}</td></tr>"
        )
    yield "</table>"


def _limit(value: float) -> str:
    return "" if math.isinf(value) else f"{value:.6g}"


def _charts(run: Run) -> Iterator[str]:
    scenario, record = run.scenario, run.scenario.record
    if not record.points:
        return
    dt_s = scenario.dt_ns / 1e9
    times_s = [row * record.every * dt_s for row in range(len(run.trace))]
    marks_s = sorted({e.step * dt_s for e in scenario.events if e.step})
    yield '<h2>Records</h2><div class="c">'
    for k, point in enumerate(record.points):
        yield chart(point.tag, point.unit, times_s, run.trace[:, k].tolist(), marks_s)
    yield "</div><p>Dashed: events of the scenario. Gaps: bad quality. All rows: record.csv.</p>"


def _events(run: Run) -> Iterator[str]:
    shown: Sequence[Happening] = run.happenings[:EVENTS_MAX]
    points = {p.tag: p for p in run.scenario.plan.points.points}
    yield "<h2>Events</h2><table><tr><th>time</th><th>clock</th><th>point</th><th>what</th></tr>"
    offset_s = run.scenario.plan.station.utc_offset_s
    for h in shown:
        at_s = h.step * run.scenario.dt_ns / 1e9
        clock = iso(run.scenario.utc_ns(h.step), offset_s)[11:-6]  # without date and offset
        yield (
            f"<tr><td class=n>{at_s:.6g} s</td><td class=n>{clock}</td><td><code>{escape(h.tag)}</code></td>"
            f"<td>{escape(happening_text(h, points.get(h.tag)))}</td></tr>"
        )
    yield "</table>"
    n_left = len(run.happenings) - len(shown) + run.happenings_left_out + run.happenings_lost
    if n_left:
        yield f"<p>{n_left} more events are not shown.</p>"
