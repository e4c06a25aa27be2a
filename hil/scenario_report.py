"""Reports of scenario runs: results.json (the source of truth), JUnit XML for CI, record.csv.

``report.html`` is made in ``scenario_html`` from the same results. Every ``time`` in the JUnit
file is simulated time [s]: of a suite the length of the run, of a test case the time that an
``eventually`` took, else the length of its window. Wall time stands in the suite's properties.
"""

from __future__ import annotations

import csv
import dataclasses as dc
import datetime as dt
import hashlib
import importlib.metadata
import io
import json
import math
import platform
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from hil.output import finite
from hil.output_places import make_folder
from hil.scenario import Happening, Run
from hil.scenario_html import html
from hil.scenario_model import Form
from hil.scenario_verdicts import FAIL, PASS, Result, verdict
from hil.scenario_words import happening_text
from hil.settings_types import iso
from rtcore.errors import HostError

EVENTS_MAX = 2000
"""Most events in results.json; report.html shows fewer."""
NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dc.dataclass(frozen=True, slots=True)
class Report:
    """A run and what it is worth."""

    run: Run
    results: list[Result]

    @property
    def verdict(self) -> str:
        """PASS or FAIL."""
        return verdict(self.results)


def document(report: Report) -> dict[str, Any]:
    """Return a run's results, JSON-ready."""
    run, scenario = report.run, report.run.scenario
    return {
        "verdict": report.verdict,
        "seed": scenario.seed,
        "config_hash": run.config_hash,
        "results": [_result(scenario.name, r) for r in report.results],
        "scenario": scenario.name,
        "title": scenario.title,
        "station": scenario.plan.station.name,
        "start": iso(scenario.utc_ns(0), scenario.plan.station.utc_offset_s),
        "run": {
            "started": dt.datetime.fromtimestamp(run.started_utc_s, dt.UTC).isoformat(timespec="seconds"),
            "wall_s": round(run.wall_s, 3),
            "simulated_s": run.simulated_s,
            "realtime_factor": round(run.realtime_factor, 2),
            "step_ms": scenario.dt_ns / 1e6,
            "steps": scenario.n_steps,
            "not_converged": run.not_converged,
            "fp_events": run.fp_events,
            "digest": f"{run.digest & 0xFFFFFFFFFFFFFFFF:016x}",
        },
        "versions": versions(),
        "events": [_event(run, h) for h in run.happenings[:EVENTS_MAX]],
        "events_left_out": max(0, len(run.happenings) - EVENTS_MAX)
        + run.happenings_left_out
        + run.happenings_lost,
    }


def combined(reports: Sequence[Report]) -> dict[str, Any]:
    """Return one document for all runs; that of the run itself when there is only one.

    The hash of several is the SHA-256 of theirs, in order; the seed is null where they differ.
    """
    documents = [document(r) for r in reports]
    if len(documents) == 1:
        return documents[0]
    seeds = {d["seed"] for d in documents}
    hashes = "\n".join(d["config_hash"] for d in documents)
    return {
        "verdict": PASS if all(r.verdict == PASS for r in reports) else FAIL,
        "seed": seeds.pop() if len(seeds) == 1 else None,
        "config_hash": hashlib.sha256(hashes.encode()).hexdigest(),
        "results": [row for d in documents for row in d["results"]],
        "scenarios": documents,
    }


def versions() -> dict[str, str]:
    """Return the versions of what computed the run."""
    tools = {name: importlib.metadata.version(name) for name in ("gridhil", "numpy", "numba")}
    return tools | {"python": platform.python_version(), "machine": platform.machine()}


def junit(reports: Sequence[Report]) -> str:
    """Return JUnit XML: one suite per scenario, one test case per assertion and per command."""
    root = ET.Element("testsuites", name="gridhil scenario")
    for report in reports:
        _suite(root, report)
    for key in ("tests", "failures"):
        root.set(key, str(sum(int(suite.get(key, 0)) for suite in root)))
    root.set("errors", "0")
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def record_csv(run: Run) -> str:
    """Return the recorded points as CSV; a bad value is an empty cell."""
    scenario, record = run.scenario, run.scenario.record
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["time_s", "time", *(p.tag for p in record.points)])
    offset_s = scenario.plan.station.utc_offset_s
    for row, values in enumerate(run.trace.tolist()):
        step = row * record.every
        cells = ["" if math.isnan(v) else f"{v:.9g}" for v in values]
        writer.writerow([f"{step * scenario.dt_ns / 1e9:.9g}", iso(scenario.utc_ns(step), offset_s), *cells])
    return text.getvalue()


def write(folder: Path, reports: Sequence[Report]) -> list[Path]:
    """Write the files of one report folder and return their paths.

    Of several scenarios each has a folder of its own below; results.json and junit.xml are for all.
    """
    files = {"results.json": json.dumps(combined(reports), indent=1, allow_nan=False) + "\n"}
    files["junit.xml"] = junit(reports)
    if len(reports) == 1:
        files |= _own_files(reports[0])
    else:
        for report in reports:
            name = report.run.scenario.name
            files |= {f"{name}/{file}": text for file, text in _own_files(report).items()}
    paths = []
    for name, text in files.items():
        path = folder / name
        make_folder(path.parent)
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise HostError(f"{path}: cannot be written: {error.strerror}") from None
        paths.append(path)
    return paths


def _own_files(report: Report) -> dict[str, str]:
    files = {"report.html": html(report.run, report.results, report.verdict, versions())}
    if report.run.scenario.record.points:
        files["record.csv"] = record_csv(report.run)
    return files


def _result(scenario: str, r: Result) -> dict[str, Any]:
    return {
        "scenario": scenario,
        "title": r.title,
        "form": str(r.form),
        "verdict": r.verdict,
        "message": r.message,
        "tag": r.tag,
        "points": r.n_tags,
        "points_failed": r.n_failed,
        "measured": finite(r.measured),
        "unit": r.unit,
        "min": finite(r.low),
        "max": finite(r.high),
        "at_s": finite(r.at_s),
        "from_s": r.from_s,
        "to_s": r.to_s,
    }


def _event(run: Run, h: Happening) -> dict[str, Any]:
    scenario = run.scenario
    point = next((p for p in scenario.plan.points.points if p.tag == h.tag), None) if h.tag else None
    return {
        "time_s": h.step * scenario.dt_ns / 1e9,
        "time": iso(scenario.utc_ns(h.step), scenario.plan.station.utc_offset_s),
        "tag": h.tag,
        "what": happening_text(h, point),
    }


def _suite(root: ET.Element, report: Report) -> None:
    run, scenario = report.run, report.run.scenario
    started = dt.datetime.fromtimestamp(run.started_utc_s, dt.UTC)
    suite = ET.SubElement(
        root,
        "testsuite",
        name=scenario.name,
        tests=str(len(report.results)),
        failures=str(sum(not r.is_passed for r in report.results)),
        errors="0",
        skipped="0",
        time=f"{run.simulated_s:.6f}",
        timestamp=started.replace(tzinfo=None).isoformat(timespec="seconds"),
    )
    properties = ET.SubElement(suite, "properties")
    facts = {
        "station": scenario.plan.station.name,
        "seed": scenario.seed,
        "config_hash": run.config_hash,
        "time_means": "simulated seconds",
        "wall_s": f"{run.wall_s:.3f}",
        "realtime_factor": f"{run.realtime_factor:.2f}",
        "not_converged": run.not_converged,
    }
    for name, value in facts.items():
        ET.SubElement(properties, "property", name=name, value=_xml(str(value)))
    for r in report.results:
        group = "commands" if r.form is Form.COMMAND else "assertions"
        took_s = r.measured if r.form is Form.EVENTUALLY and r.measured is not None else r.to_s - r.from_s
        case = ET.SubElement(
            suite,
            "testcase",
            classname=f"{scenario.name}.{group}",
            name=_xml(r.title),
            time=f"{max(took_s, 0.0):.6f}",
        )
        if not r.is_passed:
            failure = ET.SubElement(case, "failure", message=_xml(r.message), type=str(r.form))
            failure.text = _xml(_failure_text(r))
        else:
            ET.SubElement(case, "system-out").text = _xml(r.message)


def _failure_text(r: Result) -> str:
    lines = [r.message]
    if r.measured is not None:
        lines.append(f"measured: {r.measured:.9g} {r.unit}".rstrip())
    if not (math.isinf(r.low) and math.isinf(r.high)):
        lines.append(f"limits: {r.low:.9g} to {r.high:.9g} {r.unit}".rstrip())
    when = f"at {r.at_s:.9g} s, " if r.at_s is not None else ""
    lines.append(f"simulated time: {when}looked at from {r.from_s:.9g} s to {r.to_s:.9g} s")
    return "\n".join(lines)


def _xml(text: str) -> str:
    """Replace what XML cannot hold (control characters)."""
    return NOT_XML.sub("?", text)
