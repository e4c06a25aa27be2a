"""Which points are alarms, and how severe: one table, by what a point is bound to."""

from __future__ import annotations

from collections.abc import Iterable

from protocols.alarm_book import Alarm
from rtcore.points import Kind, Point
from rtcore.published import kind_of

HIGH, MEDIUM, LOW = "high", "medium", "low"

ALARMS: dict[tuple[str, str], tuple[str, int]] = {
    ("breaker", "is_discrepancy"): (HIGH, 1),
    ("breaker", "is_pole_discrepancy"): (HIGH, 1),
    ("breaker", "is_locked_out"): (HIGH, 1),
    ("breaker", "is_trip_circuit_ok"): (HIGH, 0),
    ("breaker_failure_50bf", "is_operated"): (HIGH, 1),
    ("breaker_failure_50bf", "is_retrip"): (MEDIUM, 1),
    ("relay", "is_trip"): (HIGH, 1),
    ("relay", "is_locked_out"): (HIGH, 1),
    ("relay", "is_alarm"): (MEDIUM, 1),
    ("relay", "is_in_service_sp"): (MEDIUM, 0),
    ("relay_inputs", "is_vt_failed"): (MEDIUM, 1),
    ("recloser_79", "is_lockout"): (HIGH, 1),
    ("thermal_49", "is_alarm"): (MEDIUM, 1),
    ("fuse", "is_blown"): (HIGH, 1),
    ("thermal", "is_hot_spot_trip"): (HIGH, 1),
    ("thermal", "is_top_oil_trip"): (HIGH, 1),
    ("thermal", "is_hot_spot_alarm"): (MEDIUM, 1),
    ("thermal", "is_top_oil_alarm"): (MEDIUM, 1),
    ("tap_changer", "is_blocked"): (MEDIUM, 1),
    ("tap_changer", "is_reverse"): (LOW, 1),
    ("source", "is_mains_sp"): (HIGH, 0),
    ("generator", "is_tripped"): (HIGH, 1),
    ("pv", "is_tripped"): (MEDIUM, 1),
    ("battery", "is_empty"): (LOW, 1),
    ("load_shedding", "is_shed"): (HIGH, 1),
    ("microgrid", "is_dead"): (HIGH, 1),
    ("microgrid", "is_island"): (MEDIUM, 1),
    ("harmonic_bus", "is_over"): (LOW, 1),
    ("harmonic_pcc", "is_over"): (LOW, 1),
    ("dispatch", "is_fallback"): (LOW, 1),
    ("loop", "is_slipped"): (LOW, 1),
    ("recorder", "is_disk_full_sp"): (HIGH, 1),
    ("recorder", "is_disk_low_sp"): (MEDIUM, 1),
    ("recorder", "is_lossy_sp"): (MEDIUM, 1),
    ("forecaster_alarms", "is_failed_sp"): (MEDIUM, 1),
    ("forecaster_alarms", "is_fallback_sp"): (LOW, 1),
    ("forecaster_alarms", "is_drift_sp"): (LOW, 1),
    ("estimator", "is_bad_data"): (MEDIUM, 1),
    ("estimator", "is_converged"): (MEDIUM, 0),
    ("detector", "is_alarm"): (MEDIUM, 1),
}
"""(component kind, attribute) -> (severity, the value that is the alarm)."""


def alarms_of(points: Iterable[Point]) -> list[Alarm]:
    """Return the alarms of a station; of a status and the setpoint that sets it the status alone is one."""
    listed = [p for p in points if p.states is not None and (kind_of(p), p.attr) in ALARMS]
    shown = {(p.source, p.attr) for p in listed if p.kind is Kind.STATUS}
    return [
        _alarm(p, p.states)
        for p in listed
        if p.states is not None and (p.kind is Kind.STATUS or (p.source, p.attr) not in shown)
    ]


def _alarm(point: Point, states: tuple[str, str]) -> Alarm:
    severity, on = ALARMS[kind_of(point), point.attr]
    return Alarm(tag=point.tag, text=point.description, severity=severity, on=on, states=states)
