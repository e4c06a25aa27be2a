"""Verdicts: is a shot valid, what did it measure, is that within the tolerance.

PASS          the interval of the measured value lies within the tolerance
FAIL          it lies outside; or the device did what it must not, or not what it must
INCONCLUSIVE  it overlaps a limit, or is wider than the tolerance; or nothing shows that the device was there
INVALID       the loop slipped or was late, the device fell silent, the connection changed
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from hil.relaytest.bench import Health
from hil.relaytest.results import FAIL, INCONCLUSIVE, PASS, Reading
from hil.relaytest.shot_model import Mark, Measure, ShotRecord, split
from hil.relaytest.uncertainty import Calibration

LATE_MAX_S = 0.005
NEVER_CAME = "never came"
NO_SIGN = "the device gave no sign of life: that it did nothing says nothing"
SHADOWED = ("trip", "pickup", "dropout", "close")
"""Events that the internal relay has, too."""


def invalid_reason(health: Health, tolerance_s: float, silent_limit_s: float) -> str:
    """Return why a shot does not count; empty when it does."""
    limit_s = min(LATE_MAX_S, tolerance_s / 4.0)
    found = []
    if health.slipped_s > 0:
        found.append(f"the loop slipped by {health.slipped_s * 1e3:.3g} ms")
    if health.late_max_s > limit_s:
        found.append(f"the loop was {health.late_max_s * 1e3:.3g} ms late (limit {limit_s * 1e3:.3g} ms)")
    if health.device_silent_s > silent_limit_s:
        found.append(
            f"the device was silent for {health.device_silent_s:.3g} s (limit {silent_limit_s:.3g} s)"
        )
    return "; ".join(found)


def silence_reason(record: ShotRecord, cal: Calibration) -> str:
    """Return why a shot does not count in which the device paused longer than in the calibrations.

    A pause widens the interval of a time (``delay``); only where that changes a verdict is the shot spoilt.
    """
    for m in record.plan.measures:
        start, stop = record.find(m.start), record.find(m.stop)
        if m.is_absent or start is None or stop is None:
            continue
        pause_s = record.silence_steps(start, stop) * cal.dt_s
        with_it, without = (_reading(record, m, cal, is_counted).verdict for is_counted in (True, False))
        if with_it != without:
            return f"the device paused for {pause_s * 1e3:.3g} ms within the measured time"
    return ""


def verdict_of(
    low: float, high: float, allowed_low: float, allowed_high: float, grace: float = 0.0
) -> tuple[str, str]:
    """Return verdict and reason for an interval against what is allowed.

    Parameters
    ----------
    grace : float
        So much above the limit is no proof yet.
    """
    if high < allowed_low:
        return FAIL, "below what is allowed"
    if low > allowed_high + grace:
        return FAIL, "above what is allowed"
    if low > allowed_high:
        return INCONCLUSIVE, "late by less than one poll: the output may have waited for the device's cycle"
    if allowed_low <= low and high <= allowed_high:
        return PASS, "within the tolerance"
    if high - low > allowed_high - allowed_low:
        return INCONCLUSIVE, "our own uncertainty is larger than the tolerance"
    return INCONCLUSIVE, "our own uncertainty reaches over a limit of the tolerance"


def readings(record: ShotRecord, cal: Calibration, is_held: bool = False) -> list[Reading]:
    """Return everything that a shot says.

    Parameters
    ----------
    is_held : bool
        The device writes its outputs in every cycle: repeated commands mean nothing.
    """
    found = list(_unwanted(record, cal))
    if record.plan.is_single and not is_held:
        found += _repeated(record)
    found += [_reading(record, measure, cal) for measure in record.plan.measures]
    return found


def _is_unheard(record: ShotRecord, cal: Calibration) -> bool:
    """Tell whether there is nothing to show that a device was connected in a shot."""
    return not cal.is_known and not record.is_heard


def _stayed_away(record: ShotRecord, cal: Calibration, why: str) -> tuple[str, str]:
    """Return verdict and reason where what must not happen did not: right only of a device that is there."""
    return (INCONCLUSIVE, NO_SIGN) if _is_unheard(record, cal) else (PASS, why)


def _unwanted(record: ShotRecord, cal: Calibration) -> Iterator[Reading]:
    zero_ns = record.zero_ns
    for what in ("trip", "close"):
        early = [m for m in record.marks if m.what == what and m.instant_ns < zero_ns]
        if early:
            before_s = (zero_ns - early[0].mono_ns) / 1e9
            yield Reading(
                f"no {what} before the fault", "", FAIL, f"{what} {before_s:.3g} s before the fault"
            )
    for reference in record.plan.never:
        mark = record.find(reference)
        if mark is None:
            verdict, why = _stayed_away(record, cal, "did not happen")
        else:
            verdict, why = FAIL, f"{reference} after {(mark.instant_ns - zero_ns) / 1e9:.4g} s"
        yield Reading(f"never {reference}", "", verdict, why)


def _repeated(record: ShotRecord) -> Iterator[Reading]:
    """Find commands given more than once for one operation."""
    ends = {"trip": ("close", "52a_closed"), "close": ("trip", "52a_open")}
    for what, (a, b) in ends.items():
        run = longest = 0
        for mark in record.marks:
            if mark.what == what:
                run += 1
            elif mark.what in (a, b) or mark.what.startswith("state:fault"):
                run = 0  # another fault may be tripped again, whether the breaker moved or not
            longest = max(longest, run)
        if longest > 1:
            name = "double command" if longest == 2 else "chatter"
            yield Reading(
                f"one {what} command", "", FAIL, f"{name}: {longest} {what} commands for one operation"
            )
    pickups = sum(m.what == "pickup" for m in record.since(record.plan.zero))
    faults = sum(s.name.startswith("fault") for s in record.plan.states)
    faults += sum(m.what == "52a_closed" for m in record.since(record.plan.zero))
    if faults and pickups > faults + 1:
        yield Reading("steady pickup", "", FAIL, f"chatter: {pickups} pickups in one shot")


def _reading(record: ShotRecord, m: Measure, cal: Calibration, is_silence_counted: bool = True) -> Reading:
    start, stop = record.find(m.start), record.find(m.stop)
    shadow_s = _shadow_s(record, m)
    if m.is_absent:
        return _absent(record, m, cal, start, stop, shadow_s)
    expected_s = shadow_s if m.expected_s is None else m.expected_s
    allowed = _allowed(m, expected_s)
    if start is None or stop is None:
        verdict, why = FAIL, _missing(record, m.start if start is None else m.stop)
        if stop is None and m.expected_s is None and _is_shadow_missing(record, m):
            verdict = INCONCLUSIVE
            why = f"no {m.stop} of the device nor of the internal relay: nothing to compare with"
        return Reading(
            m.name,
            "s",
            verdict,
            why,
            expected=expected_s,
            allowed_low=allowed[0],
            allowed_high=allowed[1],
            shadow=shadow_s,
        )
    silent_s = record.silence_steps(start, stop) * cal.dt_s if is_silence_counted else 0.0
    return _timed(record, m, cal, start, stop, silent_s, expected_s, shadow_s)


def _absent(
    record: ShotRecord,
    m: Measure,
    cal: Calibration,
    start: Mark | None,
    stop: Mark | None,
    shadow_s: float | None,
) -> Reading:
    """Return the reading of a stop that must not come after a start that must."""
    if stop is not None:
        after = start or record.marks[0]
        at_s = (stop.instant_ns - after.instant_ns) / 1e9
        return Reading(m.name, "s", FAIL, f"{m.stop} after {at_s:.4g} s", raw=at_s, shadow=shadow_s)
    if start is None:
        return Reading(m.name, "s", FAIL, _missing(record, m.start), shadow=shadow_s)
    return Reading(m.name, "s", *_stayed_away(record, cal, f"no {m.stop}"), shadow=shadow_s)


def _missing(record: ShotRecord, reference: str) -> str:
    return f"{reference} {NEVER_CAME} within {_waited_s(record):.4g} s"


def _is_shadow_missing(record: ShotRecord, m: Measure) -> bool:
    """Tell whether the internal relay, which can do the same, did not."""
    name, nth = split(m.stop)
    return name in SHADOWED and record.find(f"shadow_{name}#{nth}") is None


def _timed(
    record: ShotRecord,
    m: Measure,
    cal: Calibration,
    start: Mark,
    stop: Mark,
    silent_s: float,
    expected_s: float | None,
    shadow_s: float | None,
) -> Reading:
    raw_s = (stop.instant_ns - start.instant_ns) / 1e9
    mean_s, low_s, high_s = delay(start, stop, cal, silent_s)
    spread_s = m.n_edges * cal.half_width_s if m.n_edges and cal.is_known else 0.0
    measured, low, high = raw_s - mean_s, raw_s - high_s - spread_s, raw_s - low_s + spread_s
    allowed_low, allowed_high = _allowed(m, expected_s)
    if raw_s < (low_s if start.is_device or not stop.is_device else 0.0):
        # of two outputs the later one may have come first, by as much as their delays differ; what
        # arrived before the state it is counted from was no answer to it, whatever is allowed
        verdict, why = FAIL, f"{m.stop} {-raw_s:.4g} s before {m.start}"
        measured = math.nan
    elif expected_s is None:
        verdict, why = (
            INCONCLUSIVE,
            "the internal relay did not operate in this shot: nothing to compare with",
        )
    elif math.isfinite(measured):
        assert allowed_low is not None
        assert allowed_high is not None
        grace_s = cal.grace_s if stop.is_device and not start.is_device else 0.0
        least = allowed_low if allowed_low > 0.0 else -math.inf  # nothing is too early at 0
        verdict, why = verdict_of(low, high, least, allowed_high, grace_s)
    elif allowed_low is not None and raw_s < allowed_low:
        verdict, why = FAIL, "below what is allowed even without any delay of the connection"
    else:
        verdict, why = INCONCLUSIVE, "no token came back: the delay of the connection is unknown"
    off = record.state("off")
    if off is not None and stop.is_device and stop.mono_ns > off.mono_ns:
        why += "; it answered after the sources had been turned off"
    known = math.isfinite(measured)
    return Reading(
        m.name,
        "s",
        verdict,
        why,
        measured=measured if known else None,
        low=low if known else None,
        high=high if known else None,
        raw=raw_s,
        expected=expected_s,
        allowed_low=allowed_low,
        allowed_high=allowed_high,
        shadow=shadow_s,
    )


def delay(start: Mark, stop: Mark, cal: Calibration, silent_s: float = 0.0) -> tuple[float, float, float]:
    """Return mean, least and largest delay in a raw time between two marks [s].

    What happens in the plant is known to the step. From the plant to the device's output it is the
    calibrated delay; between two outputs of the device the mean cancels and twice the half-width
    remains at most; from an output to the plant nothing is in between. Where the device was silent for
    longer between the marks than the calibrated delay allows, it may have been late by as much.
    """
    pause_s = max(cal.min_s + silent_s + cal.dt_s / 2.0 - cal.high_s, 0.0) if cal.is_known else 0.0
    if not stop.is_device:
        return 0.0, -cal.dt_s, cal.dt_s
    if not start.is_device:
        return cal.mean_s, cal.low_s, cal.high_s + pause_s
    width_s = cal.high_s - cal.low_s + pause_s
    return (0.0 if cal.is_known else math.nan), -width_s, width_s


def _allowed(m: Measure, expected_s: float | None) -> tuple[float | None, float | None]:
    if m.expected_s is not None:
        return m.low_s, m.high_s
    if expected_s is None:
        return None, None
    return max(expected_s + m.low_s, 0.0), expected_s + m.high_s


def _shadow_s(record: ShotRecord, m: Measure) -> float | None:
    """Return what the internal relay took for the same, None when it has no part in it."""
    name, nth = split(m.stop)
    start = record.find(m.start)
    if start is None or name not in SHADOWED:
        return None
    stop = record.find(f"shadow_{name}#{nth}")
    return None if stop is None else (stop.instant_ns - start.instant_ns) / 1e9


def _waited_s(record: ShotRecord) -> float:
    off = record.state("off")
    end_ns = off.mono_ns if off is not None else record.marks[-1].mono_ns
    return (end_ns - record.zero_ns) / 1e9
