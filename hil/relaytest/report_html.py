"""The report for people: one HTML file without script or network, made to be printed on A4."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from hil.relaytest.element import Element
from hil.relaytest.report_charts import curve_chart, phasor_chart
from hil.relaytest.report_choice import chosen
from hil.relaytest.report_recording import heart, whole_shot
from hil.relaytest.report_table import badge, deviation, interval, number, table, titled, two_lines
from rtcore.protection.curves import CURVES, DT

Row = Mapping[str, Any]
USUAL = Element(pickup_a=1.0, curve="dt", time_dial=1.0)
"""What a setting is that the report does not name."""
HASH = re.compile(r"\b[0-9a-f]{64}\b")
STYLE = """
:root { color-scheme: light; --line: #c9ced6; --good: #18794e; --bad: #c62828; --open: #b26a00;
  --grey: #666; }
* { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
body { font: 14px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem;
  color: #1c2024; background: #fff; }
h1 { font-size: 1.4rem; margin: 0 0 .4rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.3rem 0 .4rem; }
.v { display: inline-block; white-space: nowrap; padding: .05rem .5rem; border-radius: .3rem;
  color: #fff; font-weight: 600; }
.PASS { background: var(--good); } .FAIL { background: var(--bad); }
.INCONCLUSIVE { background: var(--open); } .INVALID { background: var(--grey); }
table { border-collapse: collapse; width: 100%; font-size: .88em; }
th, td { text-align: left; vertical-align: top; padding: .25em .5em; border-bottom: 1px solid var(--line); }
th.n, td.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
td.w { overflow-wrap: anywhere; } tr.old td { color: var(--grey); }
.finding { border-left: .3rem solid var(--bad); padding: .2rem .7rem; font-weight: 600; margin: .4rem 0; }
.note { border-left: .3rem solid var(--open); padding: .2rem .7rem; margin: .4rem 0; }
.c { display: flex; flex-wrap: wrap; gap: 1rem; }
@media screen and (max-width: 52rem) { table { display: block; overflow-x: auto; } }
svg { max-width: 100%; height: auto; vertical-align: middle; }
.rec p { margin: .9rem 0 .2rem; } .rec svg { display: block; }
.legend { font-size: .85em; } small { color: var(--grey); }
.sign { margin-top: 3rem; display: flex; gap: 3rem; } .sign div { flex: 1; border-top: 1px solid #1c2024; }
@page { size: A4; margin: 16mm 14mm; }
@media print {
  body { margin: 0; max-width: none; padding: 0; font-size: 10px; }
  h1 { font-size: 16px; } h2 { font-size: 13px; } h3 { font-size: 11px; }
  h2, h2 + p, h3, .finding { break-after: avoid; } .c { gap: .3rem; } .c svg { width: 24%; }
  tr, p, svg, .keep, .rec, .finding, .sign { break-inside: avoid; }
  thead { display: table-header-group; } .sign { break-before: avoid; }
}
"""


def html(doc: Row) -> str:
    """Return the whole report as one page, from the document alone."""
    plan = doc["plan"]
    title = escape(plan["title"] or plan["name"])
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width">',
            f"<title>{doc['verdict']}: {title}</title><style>{STYLE}</style></head><body>",
            f"<h1>{badge(doc['verdict'])} {title}</h1>",
            *_broken_off(doc["broken_off"]),
            *(f"<p>{escape(p)}</p>" for p in plan["description"].split("\n\n") if p.strip()),
            *_summary(doc),
            *_facts(doc),
            *_legend(doc),
            *(line for t in doc["tests"] for line in _test(t)),
            '<div class="sign"><div>tested by</div><div>checked by</div></div>',
            "</body></html>\n",
        ]
    )


def _broken_off(why: str) -> Iterator[str]:
    if why:
        yield (
            f'<p class="finding">The run was broken off: {escape(why)}. '
            "Only tests that had ended are below; the others were not carried out.</p>"
        )


def _summary(doc: Row) -> Iterator[str]:
    rows = []
    for t in doc["tests"]:
        n = sum(not s["superseded"] for s in t["shots"])
        found = "; ".join([t["said"], *t["notes"]])
        rows.append((badge(t["verdict"]), t["title"] or t["name"], str(n), found))
    yield from table(("verdict", "test", ">shots", "what was found"), rows)
    counts = ", ".join(f"{n} {verdict}" for verdict, n in doc["counts"].items())
    yield f"<p>Shots: {counts}.{_repeated(doc['repeated'])}</p>"


def _repeated(n: int) -> str:
    if not n:
        return ""
    return f" {n} attempt{'' if n == 1 else 's'} did not count and {'was' if n == 1 else 'were'} repeated."


def _facts(doc: Row) -> Iterator[str]:
    device, plan, place = doc["device"], doc["plan"], doc["location"]
    named = " ".join(device[k] for k in ("make", "model") if device[k]) or "not named"
    facts = {
        "device under test": named,
        "serial number, firmware": ", ".join(device[k] for k in ("serial", "firmware") if device[k]),
        "settings file": device["settings_file"],
        "settings file (SHA-256)": device["settings_sha256"] or "",
        "tester": device["tester"],
        "location": f"{plan['location']} of {plan['station']}",
        "transformers": f"CT {_ratio(place['ct_ratio'])}, VT {_ratio(place['vt_ratio'])}",
        "sources": SOURCES[plan["through_ct"]],
        "nominal": f"{place['v_nominal_v'] / 1e3:.4g} kV phase to ground, {place['f_nominal_hz']:g} Hz",
        "settings": _settings(doc["settings"]),
        "tolerance": _tolerance(doc["tolerance"]),
        "run at": doc["started"],
        "plan": f"{plan['file']}, SHA-256 {plan['sha256']}",
        "seed of noise and of when shots begin": str(plan["seed"]),
        "step": f"{doc['step_s'] * 1e3:g} ms",
        **doc["station"],
        "software": ", ".join(f"{k} {v}" for k, v in doc["software"].items()),
        "host": ", ".join(doc["host"].values()),
    }
    yield "<h2>What was tested, with what</h2><table>"
    for key, value in facts.items():
        if value:
            yield f"<tr><th>{escape(key)}</th><td class=w>{_wrapped(value)}</td></tr>"
    yield "</table>"


SOURCES = {
    False: "at the relay's terminals; no errors of CTs and VTs",
    True: "at the primary side; the location's CTs and VTs add errors, noise and saturation",
}
"""Where the sources stand, by the plan's ``through_ct``."""


def _ratio(ratio: float) -> str:
    return "none" if ratio == 1.0 else f"{ratio:g} : 1"


LEGEND = {
    "Recordings": "Primary values that the relay at the location saw. Time 0 is the beginning of the state "
    "that is timed. Above: RMS values of the whole shot, where phases are equal thick is a, thin is c; the "
    "frequency over a cycle, where it is not nominal. Below: waveforms about the fault, made of the phasors "
    "of each step; they show nothing below a cycle. Bars: signal present. Arrowheads: command given.",
    "Uncertainty": "Time = raw time less the mean delay from a step to the device's echo of it. The part of "
    "that delay that is the device's own pass cannot be told from the connection: it is subtracted, too.",
    "Verdicts": "PASS: the 99 % interval lies within what is allowed. FAIL: it lies outside. INCONCLUSIVE: "
    "it reaches over a limit; the device is neither shown to be right nor to be wrong. INVALID: loop or "
    "connection were disturbed; the shot does not count.",
}


def _legend(doc: Row) -> Iterator[str]:
    yield '<div class="keep"><h2>How to read this report</h2>'
    for name, text in {"Limits": doc["limits"], **LEGEND}.items():
        yield f"<p><b>{name}.</b> {escape(text)}</p>"
    yield "</div>"


def _wrapped(value: str) -> str:
    """Return a value; a list of hashes with one in each line."""
    separator = "<br>" if len(HASH.findall(value)) > 1 else ", "
    return separator.join(escape(part) for part in value.split(", "))


def _settings(s: Row | None) -> str:
    if s is None:
        return ""
    parts = [f"{s['curve']}, pickup {s['pickup_a']:.6g} A primary"]
    is_definite = CURVES[s["curve"]] == DT
    if not is_definite:
        parts.append(f"time dial {s['time_dial']:g}")
    if s["delay_s"] or is_definite:
        parts.append(f"delay {s['delay_s']:g} s")
    if s["min_operate_s"]:
        parts.append(f"{s['min_operate_s']:g} s at least")
    if not is_definite and s["m_cap"] != USUAL.m_cap:
        parts.append(f"curve up to {s['m_cap']:g} x pickup")
    after = f" after {s['reset_delay_s']:g} s" if s["reset"] == "definite" else ""
    parts.append(f"{s['reset']} reset{after}")
    if s["dropout_ratio"] != USUAL.dropout_ratio:
        parts.append(f"drops out at {s['dropout_ratio']:g} x pickup")
    return ", ".join(parts)


def _tolerance(t: Row) -> str:
    joint = "+" if t["is_sum"] else "or"
    steps = ", ".join(f"{t['time_pct'] * f:g} % from {m:g} x" for m, f in t["steps"])
    relative = steps or f"{t['time_pct']:g} %"
    text = f"{t['name']}: {relative} {joint} {t['time_s'] * 1e3:g} ms, current {t['current_pct']:g} %"
    return f"{text}, level {t['level_pct']:g} %" + (f" ({t['source']})" if t["source"] else "")


def _test(t: Row) -> Iterator[str]:
    yield f"<section><h2>{badge(t['verdict'])} {escape(t['title'] or t['name'])}</h2>"
    yield from (f'<p class="finding">{escape(f)}</p>' for f in t["findings"])
    if not t["findings"]:
        yield f"<p>{escape(t['said'][:1].upper() + t['said'][1:])}.</p>"
    yield from (f'<p class="note">{escape(n)}</p>' for n in t["notes"])
    if t["curve"] is not None:
        yield curve_chart(t["curve"], [s for s in t["shots"] if not s["superseded"]])
    yield from _readings(t["shots"])
    yield from _statistics(t["statistics"])
    yield from _phasors(t["shots"])
    yield from _recordings(t["shots"])
    yield from _calibration(t["calibration"])
    yield from _health(t["shots"])
    yield "</section>"


READINGS = (
    ">shot",
    "applied, quantity",
    ">expected",
    ">internal relay",
    ">measured, 99 % interval",
    ">deviation",
    ">allowed",
    "verdict",
)


def _readings(shots: Sequence[Row]) -> Iterator[str]:
    rows, old = [], []
    for s in shots:
        name = str(s["number"]) + (f" ({s['attempt']})" if s["attempt"] > 1 or s["superseded"] else "")
        for r in s["readings"]:
            verdict = "INVALID" if s["invalid"] else r["verdict"]
            is_plain = r["verdict"] == "PASS" and r["measured"] is not None
            why = s["invalid"] or ("" if is_plain else r["why"])
            unit = r["unit"]
            rows.append(
                (
                    name,
                    two_lines(s["label"], r["name"]),
                    number(r["expected"], unit),
                    number(r["shadow"], unit),
                    two_lines(number(r["measured"], unit), interval(r["low"], r["high"])),
                    two_lines(*deviation(r)),
                    interval(r["allowed_low"], r["allowed_high"]),
                    two_lines(badge(verdict), why),
                )
            )
            old.append(s["superseded"])
    yield from titled("Results", READINGS, rows, old)


def _statistics(rows: Sequence[Row]) -> Iterator[str]:
    if not rows:
        return
    keys = ("min", "mean", "max", "sd", "expected")
    columns = ("applied", "quantity", ">n", ">min", ">mean", ">max", ">σ", ">expected")
    lines = [(r["label"], r["name"], str(r["n"]), *(number(r[k]) for k in keys)) for r in rows]
    yield from titled("Repeats", columns, lines)


def _phasors(shots: Sequence[Row]) -> Iterator[str]:
    """Draw the states that have sources; those that differ only in the size of the current together."""
    alike: dict[str, list[tuple[Row, str]]] = {}
    for s in shots:
        for state in s["states"]:
            if "v" in state and state["name"] != "off":
                alike.setdefault(_shape(state), []).append((state, s["label"]))
    if alike:
        charts = (phasor_chart([state for state, _ in a], [label for _, label in a]) for a in alike.values())
        yield '<div class="keep"><h3>Phasors applied</h3>'
        yield "<p>Thin: voltages. Thick: currents. Each to its own scale.</p>"
        yield f'<div class="c">{"".join(charts)}</div></div>'


def _shape(state: Row) -> str:
    """Return what makes a picture of phasors look as it does."""
    top = max(size for size, _ in state["i"]) or 1.0
    i = [(round(size / top, 4), deg) for size, deg in state["i"]]
    return str((state["name"], state["v"], i, top > 0.0, state["f_hz"], state["df_hz_s"]))


def _recordings(shots: Sequence[Row]) -> Iterator[str]:
    """Draw what a recorder at the location shows of the shots that are worth looking at."""
    shown = chosen(shots)
    if not shown:
        return
    head = "<h3>Timelines and recordings</h3>"
    for s, role in shown:
        name = f"Shot {s['number']}{_attempt(s)} {s['label']}".rstrip() + (f": {role}" if role else "")
        title = f"{head}<p>{badge(s['verdict'])} {escape(name)}</p>"
        yield f'<div class="rec">{title}{whole_shot(s)}{heart(s)}</div>'
        head = ""
    if len(shots) > len(shown):
        n = len(shots) - len(shown)
        yield f"<p>{n} more {'is' if n == 1 else 'are'} in results.json.</p>"


def _attempt(s: Row) -> str:
    return f" (attempt {s['attempt']})" if s["attempt"] > 1 or s["superseded"] else ""


def _calibration(c: Row | None) -> Iterator[str]:
    if c is None:
        return
    rows = [(r["term"], _ms(r["s"]), r["how"]) for r in c["budget"]]
    yield from titled("Uncertainty", ("term", ">ms", "how it is known"), rows)


def _ms(s: float | None) -> str:
    return "" if s is None else f"{round(s * 1e3, 2) + 0.0:.2f}"  # no -0.00


def _health(shots: Sequence[Row]) -> Iterator[str]:
    rows = []
    for s in shots:
        h = s["health"]
        late, slipped, silent = (
            f"{h[k] * 1e3:.2f} ms" for k in ("late_max_s", "slipped_s", "device_silent_s")
        )
        rows.append(
            (f"{s['number']} ({s['attempt']})", late, slipped, str(h["n_overruns"]), silent, s["invalid"])
        )
    columns = (">shot", ">latest step", ">slipped", ">overruns", ">device silent", "does not count")
    yield from titled("Loop and connection in each shot", columns, rows)
