"""Health of the loop, the recorder and the forecaster, as points: written by the station, read by anyone."""

from __future__ import annotations

from rtcore.component import Attr, component


@component(
    "loop",
    attrs=(
        Attr("step", "step", "index of this step"),
        Attr("sim_time_s", "s", "simulated time since the station's epoch"),
        Attr("heartbeat", "", "toggles every second of simulated time"),
        Attr("late_p50_us", "us", "lateness of the wake-up, median since start"),
        Attr("late_p99_us", "us", "lateness of the wake-up, 99 %"),
        Attr("late_p999_us", "us", "lateness of the wake-up, 99.9 %"),
        Attr("late_max_us", "us", "lateness of the wake-up, greatest"),
        Attr("exec_p50_us", "us", "execution time of a step, median"),
        Attr("exec_p99_us", "us", "execution time of a step, 99 %"),
        Attr("overruns", "", "steps that ended after their deadline"),
        Attr("slipped_ms", "ms", "simulated time given up against the wall clock"),
        Attr("is_slipped", "", "1 once time has slipped (latched)"),
        Attr("is_realtime", "", "1 while the real-time contract holds"),
        Attr("burst", "step", "steps run back to back at the last catch-up"),
        Attr("iterations", "", "iterations of the last power flow"),
        Attr("not_converged", "", "steps whose power flow did not converge"),
        Attr("fp_events", "", "steps with a floating-point exception flag"),
    ),
)
class LoopHealth:
    """The loop itself, seen as a device."""


@component(
    "scratch", attrs=(Attr("value_sp", "", "free value, no effect on the plant", writable="setpoint"),)
)
class Scratch:
    """A register for masters to practise on."""


def _alarm(name: str, doc: str) -> Attr:
    return Attr(name, "", doc, writable="setpoint", role="station")


@component(
    "recorder",
    attrs=(
        _alarm("is_disk_low_sp", "1 while the disk of the records has little room: trends are removed"),
        _alarm("is_disk_full_sp", "1 while the disk of the records is full: only events are kept"),
        _alarm("is_lossy_sp", "1 once events were lost to the record"),
    ),
)
class RecorderHealth:
    """Alarms of the recorder, which it sets itself; a user has no role that may."""


@component(
    "forecaster_alarms",
    attrs=(
        _alarm("is_fallback_sp", "1 while another model than the hybrid is issued for a target"),
        _alarm("is_drift_sp", "1 while a target's errors have left what they were"),
        _alarm("is_failed_sp", "1 while no new forecasts come"),
    ),
)
class ForecasterAlarms:
    """Alarms of the forecaster, which it sets itself, so that each is an event; no user may."""
