"""The report for people: one HTML file without script or network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

from estimation.detectors.calibration import poisson_upper
from hil.cyberrange import report_notes as notes
from hil.cyberrange.roc_chart import chart

Row = Mapping[str, Any]
STYLE = """
:root { color-scheme: light; --line: #c9ced6; --good: #18794e; --bad: #c62828; --open: #b26a00; }
body { font: 14px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem;
  color: #1c2024; background: #fff; }
h1 { font-size: 1.4rem; margin: 0 0 .4rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
.v { padding: .05rem .5rem; border-radius: .3rem; color: #fff; font-weight: 600; }
.PASS { background: var(--good); } .FAIL { background: var(--bad); }
table { border-collapse: collapse; width: 100%; font-size: .88em; }
th, td { text-align: left; vertical-align: top; padding: .25em .5em; border-bottom: 1px solid var(--line); }
th.n, td.n { text-align: right; font-variant-numeric: tabular-nums; } td.n { white-space: nowrap; }
th.n { min-width: 3.5em; }
td.all { background: #d9f0e3; } td.none { background: #f6dcdc; } td.some { background: #fbeecf; }
.note { border-left: .3rem solid var(--open); padding: .2rem .7rem; margin: .4rem 0; }
.c { display: flex; flex-wrap: wrap; gap: 1rem; } svg { max-width: 100%; height: auto; }
svg text { font: 11px system-ui, sans-serif; fill: #1c2024; } svg .t { font-weight: 600; }
svg .n { text-anchor: end; } svg .c { text-anchor: middle; } svg .f { fill: none; stroke: #8b93a0; }
svg .g { stroke: #e4e7eb; } svg .m { stroke: #b26a00; stroke-dasharray: 3 3; }
svg polyline { fill: none; stroke-width: 1.6; } small { color: #666; }
@media screen and (max-width: 52rem) { table { display: block; overflow-x: auto; } }
@media print { body { margin: 0; max-width: none; font-size: 10px; } tr, svg { break-inside: avoid; } }
"""
Cell = Callable[[Row], str]
LIMIT_PER_DAY = 1.0
"""Where the ROC charts have their line: one false alarm per day."""
NONE_SEEN = poisson_upper(0)
"""95 % bound of a Poisson mean of which none was counted."""


def html(doc: Row) -> str:
    """Return the whole report as one page, from the document alone."""
    plan = doc["plan"]
    title = escape(plan["title"])
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width">',
            f"<title>{doc['verdict']}: {title}</title><style>{STYLE}</style></head><body>",
            f'<h1><span class="v {doc["verdict"]}">{doc["verdict"]}</span> {title}</h1>',
            *(f"<p>{escape(p)}</p>" for p in plan["description"].split("\n\n") if p.strip()),
            *_facts(doc),
            *_expectations(doc["expectations"]),
            "<h2>What is not seen</h2>",
            *(f'<p class="note">{escape(line)}</p>' for line in doc["blind_spots"]),
            *_rates(doc),
            *_delays(doc),
            *_places(doc),
            *_detectors(doc),
            *_impacts(doc["attacks"]),
            *_rocs(doc),
            "</body></html>\n",
        ]
    )


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield a table of ready HTML cells; a column whose name begins with > is one of numbers."""
    heads = "".join(f'<th class="n">{c[1:]}</th>' if c.startswith(">") else f"<th>{c}</th>" for c in columns)
    yield f"<table><thead><tr>{heads}</tr></thead><tbody>"
    for row in rows:
        cells = (
            cell
            if cell.startswith("<td")
            else f'<td class="n">{cell}</td>'
            if column.startswith(">")
            else f"<td>{cell}</td>"
            for column, cell in zip(columns, row, strict=True)
        )
        yield f"<tr>{''.join(cells)}</tr>"
    yield "</tbody></table>"


def figure(x: float | None, digits: int = 3) -> str:
    """Return a number, a dash for none."""
    return "&ndash;" if x is None else f"{x:.{digits}g}"


def _facts(doc: Row) -> Iterator[str]:
    p, clean = doc["plan"], doc["clean"]
    share = 100.0 * clean["scans_j_above_99"] / max(clean["scans"], 1)
    yield (
        f"<p>Station {escape(p['station'])}, telemetry {escape(p['telemetry'])}, {p['channels']} channels, "
        f"a scan every {p['scan_s']:g} s. Thresholds from {p['clean_runs']} clean runs of "
        f"{p['clean_hours']:g} h, false alarms counted in runs of other days ({p['verification_runs']}), "
        f"every attack on {p['seeds']} days of the year; no day serves twice, "
        f"instruments' errors are drawn anew in each run. Seed {doc['seed']}. {notes.INTERVALS}</p>"
    )
    yield (
        f"<p>Clean runs: the estimate is off by {figure(clean['rmse_pu'])} pu (voltage magnitude, root mean "
        f"square), J is above its 99 % quantile in {share:.2f} % of {clean['scans']} scans, "
        f"{clean['scans_not_converged']} did not converge. Its normal "
        f"score is {figure(clean['j_score'])} in the mean. {notes.J_SCORE}</p>"
    )
    yield f"<p><small>Plan {escape(p['file'])}, configuration {doc['config_hash']}</small></p>"


def _expectations(rows: Sequence[Row]) -> Iterator[str]:
    if rows:
        yield "<h2>What the plan expects</h2>"
        cells = [
            (f'<span class="v {r["verdict"]}">{r["verdict"]}</span>', escape(r["expected"])) for r in rows
        ]
        yield from table(("verdict", "found and expected"), cells)


def _matrix(doc: Row, title: str, cell: Cell) -> Iterator[str]:
    names = [d["name"] for d in doc["detectors"]]
    found = {(r["attack"], r["detector"]): r for r in doc["results"]}
    yield f"<h2>{title}</h2>"
    rows = [(escape(a["title"]), *(cell(found[a["name"], d]) for d in names)) for a in doc["attacks"]]
    yield from table(("attack", *(f">{n}" for n in names)), rows)


def percent(x: float) -> str:
    """Return a share in whole per cent."""
    return f"{100 * x:.0f}"


def interval(pair: Sequence[float]) -> str:
    """Return an interval of shares in per cent."""
    return f"{percent(pair[0])}&ndash;{percent(pair[1])} %"


def _rate(r: Row) -> str:
    if r["rate"] is None:
        return '<td class="n">no threshold</td>'
    look = "all" if r["rate"] == 1.0 else "none" if r["rate"] == 0.0 else "some"
    up = f"<br>up before: {r['alarm_already_up']}" if r["alarm_already_up"] else ""
    return (
        f'<td class="n {look}">{r["detected"]} of {r["runs"]}'
        f"<br><small>{interval(r['rate_interval_95'])}{up}</small></td>"
    )


def _rates(doc: Row) -> Iterator[str]:
    yield from _matrix(doc, "Detected: in how many runs, and the interval of the rate", _rate)
    yield f"<p>{notes.DETECTED}</p>"


def _delays(doc: Row) -> Iterator[str]:
    def cell(r: Row) -> str:
        if r["delay_s"] is None:
            return figure(None)
        return f"{figure(r['delay_s'])}<br><small>{figure(r['delay_worst_s'])}</small>"

    yield from _matrix(doc, "Delay of the detected runs [s]: mean, and below it the longest", cell)
    yield f"<p>{notes.DELAY}</p>"


def _places(doc: Row) -> Iterator[str]:
    def cell(r: Row) -> str:
        if not r["runs_localised"]:
            return figure(None)
        return (
            f"{percent(r['hit_at_3'])} % of {r['runs_localised']}<br><small>"
            f"{interval(r['hit_at_3_interval_95'])}<br>chance {figure(100 * r['chance_at_3'], 2)} %</small>"
        )

    title = "Place: how often one of the first three channels named is false, and how often by chance"
    yield from _matrix(doc, title, cell)
    yield f"<p>{notes.PLACE}</p>"


def _detectors(doc: Row) -> Iterator[str]:
    yield "<h2>Detectors on clean runs</h2>"
    cells = []
    for r in doc["detectors"]:
        v = r["verification"]
        cells.append(
            (
                escape(r["name"]),
                escape(r["rule"]),
                figure(r["threshold"], 4),
                f"{r['calibration']['alarms']} in {figure(r['calibration']['days'])} d",
                f"{v['alarms']} in {figure(v['days'])} d",
                figure(v["per_day"]),
                figure(v["upper_95_per_day"]),
                "&ndash;"
                if r["false_alarm_in_attack_upper"] is None
                else f"{100 * r['false_alarm_in_attack_upper']:.2g} %",
            )
        )
    columns = (
        *("detector", "alarm", ">threshold", ">alarms, calibration", ">alarms, verification", ">per day"),
        *(">95 % bound", ">in an attack"),
    )
    yield from table(columns, cells)
    yield f"<p>{notes.CLEAN}</p>"


def _impacts(rows: Sequence[Row]) -> Iterator[str]:
    yield "<h2>What the attacks do</h2>"
    cells = [
        (
            escape(r["title"]),
            escape(r["kind"]),
            f"{r['channels']}",
            figure(r["rmse_pu"]),
            figure(r["clean_rmse_pu"]),
            figure(r["j_score_shift"]),
            figure(r["load_deenergised_mw"]),
            figure(r["energy_not_supplied_kwh"]),
            figure(r["demand_change_kwh"]),
            f"{figure(r['violation_min'])} ({figure(r['clean_violation_min'])})",
        )
        for r in rows
    ]
    columns = (
        *("attack", "kind", ">channels", ">error of the estimate [pu]", ">without", ">change of J's score"),
        *(">load de-energised, most [MW]", ">energy not supplied to it [kWh]"),
        *(">other demand changed [kWh]", ">voltage violated [min] (without)"),
    )
    yield from table(columns, cells)
    yield f"<p>{notes.IMPACT}</p>"


def _rocs(doc: Row) -> Iterator[str]:
    days = max((d["verification"]["days"] or 0.0 for d in doc["detectors"]), default=0.0)
    yield f"<h2>ROC</h2><p>{notes.ROC} {doc['plan']['seeds']} runs, {figure(days)} days: "
    yield (
        f"no false alarm in them is anything below {figure(NONE_SEEN / days)} a day.</p>" if days else "</p>"
    )
    yield '<div class="c">'
    for a in doc["attacks"]:
        curves = {r["detector"]: r["roc"] for r in doc["results"] if r["attack"] == a["name"]}
        yield chart(a["title"], curves, LIMIT_PER_DAY)
    yield "</div>"
