"""How far a relay test has come, as a file that others may look at while it runs: whole at any time."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hil import private_files
from hil.output import finite
from hil.relaytest.plan import Plan
from hil.relaytest.results import Reading, Shot, TestResult
from hil.relaytest.uncertainty import Calibration

RUNNING, FINISHED, BROKEN_OFF = "running", "finished", "broken off"
EVERY_S = 0.5
"""The file is written at most so often while the test runs [s]."""
ROWS_MAX = 400
BYTES_MAX = 300_000
"""Longest text: it is one value of one answer."""


class Progress:
    """Writes it.

    Parameters
    ----------
    path : Path or None
        None writes nothing.
    """

    def __init__(self, path: Path | None, plan: Plan, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._path, self._plan, self._clock_s = path, plan, clock_s
        self._results: list[TestResult] = []
        self._started_utc_ns = time.time_ns()
        self._written_s = float("-inf")
        self._write(RUNNING)

    def tell(self, result: TestResult, shot: Shot) -> None:
        """Take a shot; a test that is repeated has a result of its own for each attempt."""
        if not any(r is result for r in self._results):
            self._results = [r for r in self._results if r.name != result.name] + [result]
        if self._clock_s() - self._written_s >= EVERY_S:
            self._write(RUNNING)

    def end(self, verdict: str, broken_off: str = "") -> None:
        """Say how it ended; verdicts are those after the last calibration."""
        self._write(BROKEN_OFF if broken_off else FINISHED, verdict, broken_off)

    def _write(self, state: str, verdict: str = "", why: str = "") -> None:
        if self._path is None:
            return
        self._written_s = self._clock_s()
        text = self._text(self._document(state, verdict, why))
        with contextlib.suppress(OSError):  # the station ended, and its directory with it
            private_files.replace(self._path, text.encode())

    @staticmethod
    def _text(document: dict[str, Any]) -> str:
        """Return a document as JSON, with fewer of its oldest rows where it would be too long."""
        while True:
            text = json.dumps(document, separators=(",", ":"), allow_nan=False)
            rows = document["rows"]
            if len(text) <= BYTES_MAX or not rows:
                return text
            more = (len(rows) + 1) // 2
            document |= {"rows": rows[more:], "rows_left_out": document["rows_left_out"] + more}

    def _document(self, state: str, verdict: str, why: str) -> dict[str, Any]:
        plan, names = self._plan, [t.section.name for t in self._plan.tests]
        last = self._results[-1] if self._results else None
        rows = [_row(r, s) for r in self._results for s in r.shots]
        current = None if last is None else plan.tests[names.index(last.name)]
        return {
            "state": state,
            "verdict": verdict,
            "why": why,
            "pid": os.getpid(),
            "plan": plan.head.name,
            "device": " ".join(w for w in (plan.device.make, plan.device.model) if w),
            "location": plan.head.location,
            "started_utc_ns": self._started_utc_ns,
            "changed_utc_ns": time.time_ns(),
            "test": "" if last is None else last.name,
            "test_number": 0 if last is None else names.index(last.name) + 1,
            "tests": len(names),
            "shot": 0 if last is None or not last.shots else last.shots[-1].number,
            "shots": 0 if current is None else max(1, len(current.shots)),
            "shots_done": sum(not s.is_superseded for r in self._results for s in r.shots),
            "shots_planned": sum(max(1, len(t.shots)) for t in plan.tests),
            "uncertainty": None if last is None else _uncertainty(last.calibration),
            "rows": rows[-ROWS_MAX:],
            "rows_left_out": max(0, len(rows) - ROWS_MAX),
        }


def _row(result: TestResult, shot: Shot) -> dict[str, Any]:
    return {
        "test": result.name,
        "kind": result.kind,
        "shot": shot.number,
        "attempt": shot.attempt,
        "label": "" if shot.is_search or not shot.records else shot.record.plan.label,
        "verdict": shot.verdict,
        "is_superseded": shot.is_superseded,
        "why": shot.invalid or "; ".join(r.why for r in shot.readings if r.verdict == shot.verdict),
        "readings": [_reading(r) for r in shot.readings],
    }


def _reading(r: Reading) -> dict[str, Any]:
    numbers = ("measured", "low", "high", "expected", "allowed_low", "allowed_high")
    return {"name": r.name, "unit": r.unit, "verdict": r.verdict} | {
        key: finite(getattr(r, key)) for key in numbers
    }


def _uncertainty(cal: Calibration | None) -> dict[str, Any] | None:
    """Return the delay of the connection, by which times are corrected [s]."""
    if cal is None:
        return None
    numbers = {key: finite(getattr(cal, key)) for key in ("mean_s", "low_s", "high_s", "coverage", "drift_s")}
    return {"n": cal.n} | numbers
