"""A run as one JSON-ready document: the source of truth, from which every other form is made."""

from __future__ import annotations

import cmath
import dataclasses as dc
import datetime as dt
import hashlib
import json
import math
import platform
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hil.output import finite
from hil.relaytest.bench import Injection
from hil.relaytest.plan import Plan
from hil.relaytest.recording import Recording, Stretch
from hil.relaytest.results import FAIL, INVALID, Reading, Shot, TestResult, said
from hil.relaytest.runner import Run
from hil.relaytest.shot_model import ShotRecord, State
from hil.relaytest.uncertainty import Calibration
from hil.scenario_report import versions

FORMAT = 1
CURVE_POINTS = 60
LEAST_MULTIPLE = 1.1
EVENTS_MAX = 400
"""Most events of a record in the document."""
LIMITS = (
    "Quantities are phasors (RMS): relay logic, curves, sequences and timing over the connection are tested, "
    "not the analogue front end of a relay nor elements faster than a cycle."
)


def document(run: Run, station: Mapping[str, str] | None = None, broken_off: str = "") -> dict[str, Any]:
    """Return all of a run.

    Parameters
    ----------
    station : mapping, optional
        What else identifies the station, by name: hash of its configuration, files of the recorder.
    broken_off : str
        Why the run ended before its last test; it is never passed then.
    """
    plan = run.plan
    relay = plan.facts.locations[plan.head.location]
    doc = {
        "format": FORMAT,
        "verdict": INVALID if broken_off and run.verdict != FAIL else run.verdict,
        "broken_off": broken_off,
        "counts": dict(Counter(s.verdict for s in run.counted)),
        "repeated": sum(s.is_superseded for t in run.tests for s in t.shots),
        "started": dt.datetime.fromtimestamp(run.started_utc_s, dt.UTC).isoformat(timespec="seconds"),
        "plan": {
            **plan.head.model_dump(),
            "file": plan.path.name,
            "sha256": plan.sha256,
        },
        "device": {**plan.device.model_dump(), "settings_sha256": _settings_hash(plan)},
        "settings": None if plan.element is None else dc.asdict(plan.element),
        "tolerance": dc.asdict(plan.tolerance),
        "location": dc.asdict(relay),
        "step_s": plan.facts.dt_s,
        "station": dict(station or {}),
        "software": versions(),
        "host": host(),
        "limits": LIMITS,
        "tests": [_test(plan, t) for t in run.tests],
    }
    plain: dict[str, Any] = json.loads(json.dumps(doc, allow_nan=False))  # as it will be read from the file
    return plain


def host() -> dict[str, str]:
    """Return what identifies this machine."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((x.split(":", 1)[1].strip() for x in lines if x.startswith("model name")), model)
    except OSError:
        pass
    return {"name": platform.node(), "system": platform.platform(), "processor": model}


def _settings_hash(plan: Plan) -> str | None:
    if not plan.device.settings_file:
        return None
    path = plan.path.parent / Path(plan.device.settings_file).expanduser()
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _test(plan: Plan, t: TestResult) -> dict[str, Any]:
    return {
        "name": t.name,
        "kind": t.kind,
        "title": t.title,
        "verdict": t.verdict,
        "tolerance": t.tolerance,
        "findings": t.findings,
        "said": said(t),
        "notes": t.notes,
        "calibration": None if t.calibration is None else _calibration(t.calibration),
        "curve": _curve(plan, t),
        "statistics": _statistics(t),
        "shots": [_shot(s) for s in t.shots],
    }


def _calibration(c: Calibration) -> dict[str, Any]:
    numbers = {k: finite(v) for k, v in dc.asdict(c).items()}
    budget = [{"term": a, "s": finite(b), "how": how} for a, b, how in c.budget()]
    return {**numbers, "half_width_s": finite(c.half_width_s), "has_drifted": c.has_drifted, "budget": budget}


def _curve(plan: Plan, t: TestResult) -> dict[str, Any] | None:
    """Return curve and tube over the multiples that were shot."""
    multiples = [s.record.plan.multiple for s in t.shots if s.record.plan.multiple]
    tolerance = next((x.context.tolerance for x in plan.tests if x.section.name == t.name), plan.tolerance)
    if plan.element is None or t.kind != "trip_time" or not any(m > 1.0 for m in multiples):
        return None
    low = max(min(m for m in multiples if m > 1.0) * 0.9, LEAST_MULTIPLE)
    axis = np.geomspace(min(low, max(multiples) * 0.8), max(multiples) * 1.15, CURVE_POINTS).tolist()
    tube = [plan.element.tube_s(m, tolerance) for m in axis]
    return {
        "multiples": axis,
        "expected_s": [finite(plan.element.operate_s(m)) for m in axis],
        "low_s": [finite(a) for a, _ in tube],
        "high_s": [finite(b) for _, b in tube],
    }


def _statistics(t: TestResult) -> list[dict[str, Any]]:
    """Return the spread of readings that were repeated."""
    groups: dict[tuple[str, str], list[Reading]] = {}
    for shot in t.counted:
        if not shot.invalid:
            for r in shot.readings:
                if r.measured is not None:
                    groups.setdefault((shot.record.plan.label, r.name), []).append(r)
    rows = []
    for (label, name), found in groups.items():
        values = [r.measured for r in found if r.measured is not None]
        if len(values) > 1:
            rows.append(
                {
                    "label": label,
                    "name": name,
                    "unit": found[0].unit,
                    "n": len(values),
                    "min": min(values),
                    "mean": math.fsum(values) / len(values),
                    "max": max(values),
                    "sd": float(np.std(values, ddof=1)),
                    "expected": finite(found[0].expected),
                }
            )
    return rows


def _shot(s: Shot) -> dict[str, Any]:
    plan = s.record.plan
    return {
        "number": s.number,
        "attempt": s.attempt,
        "label": plan.label if not s.is_search else "",
        "loop": plan.loop,
        "multiple": plan.multiple,
        "verdict": s.verdict,
        "invalid": s.invalid,
        "superseded": s.is_superseded,
        "readings": [_reading(r) for r in s.readings],
        "health": _worst_health(s),
        "states": [] if s.is_search else [_state(x) for x in plan.states],
        "events": _events(s.record),
        "recording": None if s.record.recording is None else _recording(s.record.recording),
        "pulses": len(s.records),
    }


def _reading(r: Reading) -> dict[str, Any]:
    row = {k: finite(v) if isinstance(v, float) else v for k, v in dc.asdict(r).items()}
    return {**row, "deviation": finite(r.deviation), "used": finite(r.used)}


def _worst_health(s: Shot) -> dict[str, float]:
    rows = [dc.asdict(r.health) for r in s.records]
    return {key: max(row[key] for row in rows) for key in rows[0]}


def _state(s: State) -> dict[str, Any]:
    row: dict[str, Any] = {"name": s.name, "duration_s": s.duration_s}
    if isinstance(s.source, Injection):
        row |= {
            "v": [_polar(p) for p in s.source.v_v],
            "i": [_polar(p) for p in s.source.i_a],
            "f_hz": s.source.f_hz,
            "df_hz_s": s.source.df_hz_s,
        }
    elif s.source is not None:
        row["fault"] = s.source
    return row


def _polar(p: complex) -> list[float]:
    return [round(abs(p), 6), round(math.degrees(cmath.phase(p)), 4) + 0.0]


def _recording(r: Recording) -> dict[str, Any]:
    rms = _stretch(r.rms)
    if r.f_hz is not None:
        rms["f_hz"] = [finite(f) for f in np.round(r.f_hz, 4).tolist()]
    return {"rms": rms, "wave": None if r.wave is None else _stretch(r.wave)}


def _stretch(s: Stretch) -> dict[str, list[Any]]:
    """Return a stretch as lists: times to 10 us, quantities to what a chart can show."""
    i_a, v_v = (np.round(q, 2 if abs(q).max(initial=0.0) < 1e3 else 1) + 0.0 for q in (s.i_a, s.v_v))
    return {"t_s": np.round(s.t_s, 5).tolist(), "i_a": i_a.tolist(), "v_v": v_v.tolist()}


def _events(record: ShotRecord) -> list[dict[str, Any]]:
    zero_ns = record.zero_ns
    return [
        {"t_s": (m.instant_ns - zero_ns) / 1e9, "what": m.what, "step": m.step, "value": m.value}
        for m in record.marks[:EVENTS_MAX]
    ]
