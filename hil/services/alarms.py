"""Which points are alarms, and how severe: one table, by what a point is bound to."""

from __future__ import annotations

from collections.abc import Iterable

from protocols.alarm_book import Alarm
from rtcore.points import Kind, Point
from rtcore.published import kind_of

HIGH, MEDIUM, LOW = "high", "medium", "low"

OWN = ""
"""The point's own description says what the alarm is."""

ALARMS: dict[tuple[str, str], tuple[str, int, str]] = {
    ("breaker", "is_discrepancy"): (HIGH, 1, "position contacts 52a and 52b are equal for too long"),
    ("breaker", "is_pole_discrepancy"): (HIGH, 1, OWN),
    ("breaker", "is_locked_out"): (HIGH, 1, OWN),
    ("breaker", "is_trip_circuit_ok"): (HIGH, 0, "the trip circuit has failed"),
    ("breaker_failure_50bf", "is_operated"): (HIGH, 1, "breaker failure: the breakers around it are to trip"),
    ("breaker_failure_50bf", "is_retrip"): (MEDIUM, 1, "the relay trips its own breaker again"),
    ("relay", "is_trip"): (HIGH, 1, "the relay trips"),
    ("relay", "is_locked_out"): (HIGH, 1, "lockout (86): its breakers cannot be closed"),
    ("relay", "is_alarm"): (MEDIUM, 1, OWN),
    ("relay", "is_in_service_sp"): (
        MEDIUM,
        0,
        "the relay is out of service: it measures and picks up nothing",
    ),
    ("relay_inputs", "is_vt_failed"): (MEDIUM, 1, "a voltage transformer has failed (60)"),
    ("recloser_79", "is_lockout"): (HIGH, 1, "reclosing is locked out: closed by hand alone"),
    ("thermal_49", "is_alarm"): (MEDIUM, 1, "the thermal state is above its alarm level"),
    ("fuse", "is_blown"): (HIGH, 1, "a fuse link is blown"),
    ("thermal", "is_hot_spot_trip"): (HIGH, 1, OWN),
    ("thermal", "is_top_oil_trip"): (HIGH, 1, OWN),
    ("thermal", "is_hot_spot_alarm"): (MEDIUM, 1, OWN),
    ("thermal", "is_top_oil_alarm"): (MEDIUM, 1, OWN),
    ("tap_changer", "is_blocked"): (MEDIUM, 1, OWN),
    ("tap_changer", "is_reverse"): (LOW, 1, OWN),
    ("source", "is_mains_sp"): (HIGH, 0, "the grid is lost"),
    ("generator", "is_tripped"): (HIGH, 1, OWN),
    ("pv", "is_tripped"): (MEDIUM, 1, OWN),
    ("battery", "is_empty"): (LOW, 1, OWN),
    ("load_shedding", "is_shed"): (HIGH, 1, OWN),
    ("microgrid", "is_dead"): (HIGH, 1, OWN),
    ("microgrid", "is_island"): (MEDIUM, 1, OWN),
    ("harmonic_bus", "is_over"): (LOW, 1, OWN),
    ("harmonic_pcc", "is_over"): (LOW, 1, OWN),
    ("dispatch", "is_fallback"): (LOW, 1, OWN),
    ("loop", "is_slipped"): (LOW, 1, OWN),
    ("recorder", "is_disk_full_sp"): (HIGH, 1, OWN),
    ("recorder", "is_disk_low_sp"): (MEDIUM, 1, OWN),
    ("recorder", "is_lossy_sp"): (MEDIUM, 1, OWN),
    ("forecaster_alarms", "is_failed_sp"): (MEDIUM, 1, OWN),
    ("forecaster_alarms", "is_fallback_sp"): (LOW, 1, OWN),
    ("forecaster_alarms", "is_drift_sp"): (LOW, 1, OWN),
    ("estimator", "is_bad_data"): (MEDIUM, 1, OWN),
    ("estimator", "is_converged"): (MEDIUM, 0, "the newest estimate did not converge"),
    ("detector", "is_alarm"): (MEDIUM, 1, OWN),
}
"""(component kind, attribute) -> (severity, the value that is the alarm, what it says)."""


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
    severity, on, text = ALARMS[kind_of(point), point.attr]
    return Alarm(tag=point.tag, text=text or point.description, severity=severity, on=on, states=states)
