"""Files of a relay test report: results.json, report.html, readings.csv, junit.xml."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from hil.relaytest.report_html import html
from hil.scenario_report import NOT_XML, make_folder
from rtcore.errors import HostError

Row = Mapping[str, Any]
NUMBERS = re.compile(r"\[\n[-+\d.eE,\s]+\]")
"""A list of numbers in indented JSON; a text is none, as no text has a line break as such."""
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
    """Write all forms of a document and return their paths."""
    make_folder(folder)
    files = {
        "results.json": results_json(doc),
        "report.html": html(doc),
        "readings.csv": readings_csv(doc),
        "junit.xml": junit(doc),
    }
    for name, text in files.items():
        try:
            (folder / name).write_text(text, encoding="utf-8")
        except OSError as error:
            raise HostError(f"{folder / name}: cannot be written: {error.strerror}") from None
    return [folder / name for name in files]


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
    not to be right. Times are measured operate times [s].
    """
    root = ET.Element("testsuites", name=f"gridhil relaytest {doc['plan']['name']}")
    for t in doc["tests"]:
        shots = [s for s in t["shots"] if not s["superseded"]]
        failures = sum(s["verdict"] == "FAIL" for s in shots)
        errors = sum(s["verdict"] in ("INVALID", "INCONCLUSIVE") for s in shots)
        suite = ET.SubElement(
            root,
            "testsuite",
            name=t["name"],
            tests=str(len(shots)),
            failures=str(failures),
            errors=str(errors),
            skipped="0",
            timestamp=doc["started"].removesuffix("+00:00"),
        )
        properties = ET.SubElement(suite, "properties")
        facts = {"verdict": t["verdict"], "plan_sha256": doc["plan"]["sha256"], "seed": doc["plan"]["seed"]}
        for name, value in {**facts, "findings": "; ".join(t["findings"])}.items():
            ET.SubElement(properties, "property", name=name, value=_xml(str(value)))
        for s in shots:
            _case(suite, doc, t, s)
    for key in ("tests", "failures", "errors"):
        root.set(key, str(sum(int(suite.get(key, 0)) for suite in root)))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _case(suite: ET.Element, doc: Row, t: Row, s: Row) -> None:
    took_s = next(
        (r["measured"] for r in s["readings"] if r["unit"] == "s" and r["measured"] is not None), 0.0
    )
    case = ET.SubElement(
        suite,
        "testcase",
        classname=f"{doc['plan']['name']}.{t['name']}",
        name=_xml(f"{s['number']} {s['label']}".strip()),
        time=f"{max(took_s, 0.0):.6f}",
    )
    lines = [f"{r['name']}: {r['verdict']}, {r['why']}{_numbers(r)}" for r in s["readings"]]
    message = s["invalid"] or "; ".join(
        f"{r['name']}: {r['why']}" for r in s["readings"] if r["verdict"] != "PASS"
    )
    if s["verdict"] == "PASS":
        ET.SubElement(case, "system-out").text = _xml("\n".join(lines))
        return
    kind = "failure" if s["verdict"] == "FAIL" else "error"
    found = ET.SubElement(case, kind, message=_xml(message), type=s["verdict"])
    found.text = _xml("\n".join([*t["findings"], *lines]))


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
