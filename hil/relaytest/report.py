"""Files of a relay test report: results.json, report.html, readings.csv, junit.xml."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from hil.output_places import make_folder
from hil.relaytest.report_html import html
from hil.scenario_report import NOT_XML
from rtcore.errors import HostError

Row = Mapping[str, Any]
NUMBERS = re.compile(r"\[\n(?:null|[-+\d.eE,\s])+\]")
"""A list of numbers and gaps in indented JSON; a text is none, as no text has a line break as such."""
COLUMNS = (
    "test",
    "kind",
    "shot",
    "attempt",
    "counts",
    "label",
    "loop",
    "multiple",
    "name",
    "unit",
    "verdict",
    "expected",
    "shadow",
    "raw",
    "measured",
    "low",
    "high",
    "deviation",
    "allowed_low",
    "allowed_high",
    "why",
)


def write(folder: Path, doc: Row) -> list[Path]:
    """Write all forms of a document and return their paths.

    results.json is first, and every form is made and written on its own: one that fails loses no other.

    Raises
    ------
    HostError
        Forms that could not be made or written, after all others have been.
    """
    make_folder(folder)
    failed = []
    for name, form in FORMS.items():
        path = folder / name
        try:
            path.write_text(form(doc), encoding="utf-8")
        except OSError as error:
            failed.append(f"{path}: cannot be written: {error.strerror}")
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            failed.append(f"{path}: cannot be made of the results: {error}")
    if failed:
        raise HostError("\n".join(failed))
    return [folder / name for name in FORMS]


def results_json(doc: Row) -> str:
    """Return the document, a list of numbers in one line: a recording has thousands."""
    text = json.dumps(doc, indent=1, allow_nan=False)
    return NUMBERS.sub(lambda found: " ".join(found[0].split()), text) + "\n"


def readings_csv(doc: Row) -> str:
    """Return every reading as a row; an empty cell is a value that there is not."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for t in doc["tests"]:
        for s in t["shots"]:
            head = {
                "test": t["name"],
                "kind": t["kind"],
                "shot": s["number"],
                "attempt": s["attempt"],
                "counts": int(not s["superseded"]),
                "label": s["label"],
                "loop": s["loop"],
                "multiple": s["multiple"],
            }
            for r in s["readings"]:
                verdict = {"verdict": "INVALID", "why": s["invalid"]} if s["invalid"] else {}
                writer.writerow({**r, **head, **verdict})
    return text.getvalue()


def junit(doc: Row) -> str:
    """Return JUnit XML: one suite a test, one case a shot.

    FAIL is a failure, INVALID and INCONCLUSIVE are errors: the device is not shown to be wrong, and
    not to be right. Nothing is skipped; a test without a shot is one case with an error. Times are
    measured operate times [s]. Elements, attributes and their order are those of the schema of Jenkins'
    JUnit plugin, which GitLab and GitHub readers follow.
    """
    root = ET.Element("testsuites", name=f"gridhil relaytest {doc['plan']['name']}")
    for t in doc["tests"]:
        shots = [s for s in t["shots"] if not s["superseded"]]
        suite = ET.SubElement(
            root,
            "testsuite",
            name=t["name"],
            tests=str(max(len(shots), 1)),
            failures=str(sum(s["verdict"] == "FAIL" for s in shots)),
            errors=str(sum(s["verdict"] in ("INVALID", "INCONCLUSIVE") for s in shots) if shots else 1),
            skipped="0",
            time=f"{sum(map(_took_s, shots)):.6f}",
            timestamp=doc["started"].removesuffix("+00:00"),
            hostname=_xml(doc["host"]["name"]),
        )
        properties = ET.SubElement(suite, "properties")
        facts = {"verdict": t["verdict"], "plan_sha256": doc["plan"]["sha256"], "seed": doc["plan"]["seed"]}
        for name, value in {**facts, "findings": "; ".join(t["findings"])}.items():
            ET.SubElement(properties, "property", name=name, value=_xml(str(value)))
        for s in shots:
            _case(suite, doc, t, s)
        if not shots:
            _error(_named(suite, doc, t, "no shot", 0.0), "INVALID", t["said"], "")
    if doc["broken_off"]:
        counts = {"tests": "1", "failures": "0", "errors": "1", "skipped": "0", "time": "0"}
        suite = ET.SubElement(root, "testsuite", {"name": "broken off", **counts})
        case = ET.SubElement(suite, "testcase", classname=doc["plan"]["name"], name="broken off", time="0")
        _error(case, "INVALID", doc["broken_off"], "")
    for key in ("tests", "failures", "errors", "skipped"):
        root.set(key, str(sum(int(suite.get(key, 0)) for suite in root)))
    root.set("time", f"{sum(float(suite.get('time', 0)) for suite in root):.6f}")
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _case(suite: ET.Element, doc: Row, t: Row, s: Row) -> None:
    case = _named(suite, doc, t, f"{s['number']} {s['label']}".strip(), _took_s(s))
    lines = [f"{r['name']}: {r['verdict']}, {r['why']}{_numbers(r)}" for r in s["readings"]]
    message = s["invalid"] or "; ".join(
        f"{r['name']}: {r['why']}" for r in s["readings"] if r["verdict"] != "PASS"
    )
    if s["verdict"] == "PASS":
        ET.SubElement(case, "system-out").text = _xml("\n".join(lines))
        return
    _error(case, s["verdict"], message, "\n".join([*t["findings"], *lines]))


def _named(suite: ET.Element, doc: Row, t: Row, name: str, took_s: float) -> ET.Element:
    classname = f"{doc['plan']['name']}.{t['name']}"
    return ET.SubElement(suite, "testcase", classname=classname, name=_xml(name), time=f"{took_s:.6f}")


def _error(case: ET.Element, verdict: str, message: str, text: str) -> None:
    kind = "failure" if verdict == "FAIL" else "error"
    ET.SubElement(case, kind, message=_xml(message), type=verdict).text = _xml(text)


def _took_s(s: Row) -> float:
    """Return the first time that was measured in a shot [s]; 0 when none was."""
    times = (r["measured"] for r in s["readings"] if r["unit"] == "s" and r["measured"] is not None)
    return max(next(times, 0.0), 0.0)


def _numbers(r: Row) -> str:
    if r["measured"] is None:
        return ""
    text = f"; measured {r['measured']:.6g} {r['unit']} ({r['low']:.6g} to {r['high']:.6g})"
    if r["allowed_low"] is not None:
        text += f", allowed {r['allowed_low']:.6g} to {r['allowed_high']:.6g}"
    return text


def _xml(text: str) -> str:
    """Replace what XML cannot hold (control characters)."""
    return NOT_XML.sub("?", text)


FORMS: dict[str, Callable[[Row], str]] = {
    "results.json": results_json,
    "report.html": html,
    "readings.csv": readings_csv,
    "junit.xml": junit,
}
"""What is written, in this order."""
