"""The results of a study as one document, JSON-ready: every form of the report is made of it."""

from __future__ import annotations

import hashlib
import math
from typing import Any

from estimation.detectors.calibration import FalseAlarms
from hil.cyberrange.blind_spots import blind_spots, by_chance
from hil.cyberrange.detection import percents
from hil.cyberrange.localisation import HITS, Localisation
from hil.cyberrange.plan import RangePlan
from hil.cyberrange.schema import ExpectSection
from hil.cyberrange.scoring import Calibrated, Cell, Scores
from hil.scenario_hash import parts_of
from hil.scenario_report import versions

PASS, FAIL = "PASS", "FAIL"


def document(plan: RangePlan, scores: Scores) -> dict[str, Any]:
    """Return everything that the report tells."""
    expectations = [_expectation(e, scores, plan.head.scan_s) for e in plan.expectations]
    return {
        "verdict": FAIL if any(e["verdict"] == FAIL for e in expectations) else PASS,
        "seed": plan.head.seed,
        "config_hash": config_hash(plan),
        "results": [_row(c, scores, plan.head.scan_s) for c in scores.cells],
        "expectations": expectations,
        "plan": {
            "name": plan.head.name,
            "title": plan.head.title or plan.head.name,
            "description": plan.head.description.strip(),
            "file": plan.path.name,
            "sha256": plan.sha256,
            "station": plan.station.station.name,
            "telemetry": plan.telemetry.name,
            "channels": len(plan.telemetry.channels),
            "scan_s": plan.head.scan_s,
            "step_s": plan.head.step_s,
            "clean_runs": plan.clean.days,
            "verification_runs": plan.clean.verify_days,
            "clean_hours": plan.clean.hours,
            "false_alarms_per_day_aimed_at": plan.clean.per_day,
            "seeds": plan.attacked.seeds,
            "attack_min": plan.attacked.duration_min,
        },
        "detectors": [_detector(d, plan.attacked.duration_min) for d in scores.detectors],
        "attacks": [
            {
                "name": a.name,
                "title": a.title or a.name,
                "kind": a.kind,
                "channels": len(plan.channels[a.name]),
            }
            | _impact(a.name, scores)
            for a in plan.attacks
        ],
        "clean": {
            "scans": scores.n_clean_scans,
            "scans_j_above_99": scores.n_bad,
            "scans_not_converged": scores.n_not_converged,
            "rmse_pu": _number(scores.clean_rmse_pu),
            "j_score": _number(scores.clean_j_score),
        },
        "blind_spots": list(blind_spots(plan, scores)),
        "versions": versions(),
    }


def config_hash(plan: RangePlan) -> str:
    """Return SHA-256 (64 hex digits) of the plan, the station and what they name."""
    total = hashlib.sha256(plan.path.read_bytes())
    total.update(plan.station.station.path.read_bytes())
    station = plan.station
    for part in (station.network, station.points.points, station.plant, plan.telemetry.channels):
        for piece in parts_of(part):
            total.update(piece)
    return total.hexdigest()


def _number(x: float) -> float | None:
    return None if not math.isfinite(x) else float(f"{x:.6g}")


def _row(cell: Cell, scores: Scores, scan_s: float) -> dict[str, Any]:
    found = scores.detector(cell.detector).verified
    return {
        "attack": cell.attack,
        "detector": cell.detector,
        "runs": cell.n,
        "detected": cell.n_detected,
        "rate": _number(cell.rate),
        "rate_interval_95": [_number(x) for x in cell.bounds],
        "alarm_already_up": cell.n_up,
        "delay_scans": _number(cell.delay_scans),
        "delay_s": _number(cell.delay_scans * scan_s),
        "delay_worst_s": _number(cell.delay_worst_scans * scan_s),
        "false_alarms_per_day": _number(found.per_day),
        "false_alarms_per_day_upper": _number(found.upper_per_day),
        **_named(cell.named),
        **{k: v for k, v in _impact(cell.attack, scores).items() if k != "j_score_shift"},
        "roc": [[_number(x), _number(y)] for x, y in cell.roc],
    }


def _impact(attack: str, scores: Scores) -> dict[str, Any]:
    i = next(i for i in scores.impacts if i.attack == attack)
    return {
        "rmse_pu": _number(i.rmse_pu),
        "clean_rmse_pu": _number(i.clean_rmse_pu),
        "j_score_shift": _number(i.j_shift),
        "load_deenergised_mw": _number(i.harm.deenergised_mw),
        "energy_not_supplied_kwh": _number(i.harm.not_supplied_kwh),
        "demand_change_kwh": _number(round(i.harm.demand_change_kwh, 6) + 0.0),  # below: the solver's
        "violation_min": _number(i.violation_min),
        "clean_violation_min": _number(i.clean_violation_min),
        "scans_not_converged": i.n_not_converged,
        "commands_refused": list(i.refused),
    }


def _named(n: Localisation) -> dict[str, Any]:
    """Return the figures of what the alarms point to, each with what chance would give."""
    found: dict[str, Any] = {"runs_localised": n.n, "false_channels_share": _number(n.false_share)}
    for k in HITS:
        found[f"hit_at_{k}"] = _number(n.rate(k))
        found[f"hit_at_{k}_interval_95"] = [_number(x) for x in n.bounds(k)]
        found[f"chance_at_{k}"] = _number(n.chance[k])
    return found


def _detector(d: Calibrated, attack_min: float) -> dict[str, Any]:
    begun = "a scan" if d.rule.window == 1 else f"{d.rule.needed} of {d.rule.window} scans"
    return {
        "name": d.name,
        "rule": f"{begun} above, re-armed after {d.rule.rearm} below",
        "threshold": _number(d.threshold),
        "calibration": _false_alarms(d.seen_per_day),
        "verification": _false_alarms(d.verified),
        "false_alarm_in_attack_upper": _number(by_chance(d.verified, attack_min)),
    }


def _false_alarms(f: FalseAlarms) -> dict[str, Any]:
    return {
        "alarms": f.n,
        "days": _number(f.days),
        "per_day": _number(f.per_day),
        "upper_95_per_day": _number(f.upper_per_day),
        "interval_95_per_day": [_number(f.low_per_day), _number(f.high_per_day)],
    }


def _expectation(e: ExpectSection, scores: Scores, scan_s: float) -> dict[str, Any]:
    """Judge one expectation."""
    if not e.attack:
        upper = scores.detector(e.detector).verified.upper_per_day
        limit = e.max_false_alarms_per_day
        assert limit is not None
        said = f"{e.detector}: false alarms per day below {upper:.3g} (95 % bound), allowed {limit:g}"
        if not math.isfinite(upper):
            said = f"{e.detector}: gave no number in the clean runs, its false alarms cannot be bounded"
        return {"expected": said, "verdict": PASS if upper <= limit else FAIL}
    cell = scores.cell(e.attack, e.detector)
    is_right = e.min_rate <= cell.rate <= e.max_rate
    said = f"{e.detector} detects {e.attack} in {cell.n_detected} of {cell.n} runs, expected "
    said += f"{100 * e.min_rate:g} to {100 * e.max_rate:g} % of them; "
    said += f"exact 95 % interval of the rate {percents(*cell.bounds)}"
    if e.max_delay_s is not None:
        delay_s = cell.delay_scans * scan_s
        is_right = is_right and (delay_s <= e.max_delay_s)
        said += f"; mean delay {delay_s:.3g} s, allowed {e.max_delay_s:g} s"
    return {"expected": said, "verdict": PASS if is_right else FAIL}
