"""Names for what is wrong with a device, from all shots of a test together.

One wrong time says little. The times at several multiples tell a slow clock from a wrong curve, a
wrong pickup and a constant delay: each is a hypothesis with one parameter, fitted to the logarithms of
the times; the one that leaves least is named, when it explains most of what the settings leave.
"""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from hil.relaytest.element import Element
from hil.relaytest.judge import NEVER_CAME
from hil.relaytest.results import FAIL, PASS, Reading, Shot, TestResult
from rtcore.protection.curves import TABLE

EXPLAINS = 0.35
"""A hypothesis is named when it leaves less than this share of the deviation."""
NEEDED_MULTIPLES = 3
"""Fewer different multiples cannot tell a curve from a delay."""
TRIPS_IN_FIRST = "trips in the first fault, before its time: too fast, or it does not reset between the shots"
AT_ONCE = 0.2
"""Less than this share of the expected time is no matter of the curve."""


class Point(NamedTuple):
    """A measured operate time."""

    multiple: float
    time_s: float


def findings(result: TestResult, element: Element | None) -> list[str]:
    """Return what is wrong, most telling first; empty when nothing failed."""
    if _never_answered(result):
        return ["the device never answered"]
    found = _silence(result)
    for shot in result.shots:
        if not shot.invalid:
            found += _of_shot(shot)
    failed = [r for s in result.counted if not s.invalid for r in s.readings if r.verdict == FAIL]
    if result.kind in ("trip_time", "sensitivity") and element is not None and failed:
        found[:0] = _never_forgets(result) or _curve(points(result), element)
    if result.kind == "reset_time":
        found += [TRIPS_IN_FIRST for r in failed if r.raw is not None and r.raw < 0][:1]
        found += [_memory(r) for r in failed if _is_memory(r, result)][:1]
    found += [_level(r) for r in failed if r.measured is not None and r.name in ("pickup", "dropout ratio")]
    if failed and not found:
        found += [f"{r.name}: {r.why}{_by(r)}" for r in failed]
    return list(dict.fromkeys(found))


def _never_answered(result: TestResult) -> bool:
    """Tell whether nothing at all was heard of a device: there may be none."""
    is_known = result.calibration is None or result.calibration.is_known
    return (
        bool(result.shots) and not is_known and not any(r.is_heard for s in result.shots for r in s.records)
    )


def _silence(result: TestResult) -> list[str]:
    """Name a device that fell silent."""
    silent = {
        s.number: r.health.device_silent_s for s in result.shots for r in s.records if "silent" in s.invalid
    }
    if not silent:
        return []
    in_calibration_s = 0.0 if result.calibration is None else result.calibration.silent_s
    longest_s = max(*silent.values(), in_calibration_s)
    return [f"device silent for {longest_s:.1f} s and perhaps longer, in shot {_listed(list(silent))}"]


def _never_forgets(result: TestResult) -> list[str]:
    """Name a device whose later shots trip at once: it still has the way of an earlier one behind it."""
    early = [
        s.number
        for s in result.counted
        for r in s.readings
        if not s.invalid and r.verdict == FAIL and r.name == "operate time" and r.measured is not None
        if r.expected is not None and r.measured < AT_ONCE * r.expected
    ]
    if not early or min(early) == 1:
        return []
    return [f"does not reset after a trip: shot {_listed(early)} tripped almost at once"]


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:5])) + (", ..." if len(numbers) > 5 else "")


def _by(r: Reading) -> str:
    """Return how far off a reading is, in words."""
    if r.deviation is None or r.expected is None or not r.expected:
        return ""
    return f" ({r.deviation:+.3g} {r.unit}, {r.deviation / r.expected * 100:+.1f} %)"


def _is_memory(r: Reading, result: TestResult) -> bool:
    """Tell whether what is missing in a time is most of what the first fault had done."""
    if r.deviation is None or r.expected is None:
        return False
    shares = [s.duration_s for s in result.counted[0].record.plan.states if s.name == "fault"]
    return bool(shares) and -r.deviation > 0.6 * min(shares[0], r.expected)


def points(result: TestResult) -> list[Point]:
    """Return the operate times of the shots that count."""
    return [
        Point(s.record.plan.multiple, r.measured)
        for s in result.counted
        if not s.invalid and s.record.plan.multiple is not None
        for r in s.readings
        if r.name == "operate time" and r.measured is not None and r.measured > 0
    ]


def _of_shot(shot: Shot) -> list[str]:
    found = list[str]()
    for r in shot.readings:
        if r.verdict == PASS:
            continue
        if r.why.startswith(("chatter", "double command")):
            found.append(r.why)
        elif r.name.startswith("no trip before"):
            found.append("trips without a fault")
        elif NEVER_CAME in r.why:
            found.append(f"no answer: {r.why}")
        elif r.measured is None and r.name in ("pickup", "dropout ratio", "sector"):
            found.append(r.why)
        elif r.name in ("no trip below pickup", "no trip", "locked out") and r.verdict == FAIL:
            found.append(f"{r.name}: {r.why}")
    return found


def _memory(r: Reading) -> str:
    assert r.deviation is not None
    return (
        f"does not reset in the pause: {-r.deviation:.3g} s too fast after it "
        f"({r.measured:.3g} s, expected {r.expected:.3g} s)"
    )


def _level(r: Reading) -> str:
    assert r.measured is not None
    assert r.expected is not None
    off_pct = (r.measured / r.expected - 1.0) * 100.0
    word = "picks up" if r.name == "pickup" else "drops out"
    return f"{word} {abs(off_pct):.1f} % {'high' if off_pct > 0 else 'low'}"


# ---- which curve -------------------------------------------------------------------------------


@dc.dataclass(frozen=True, slots=True)
class _Hypothesis:
    name: str
    left: float


def _curve(measured: Sequence[Point], element: Element) -> list[str]:
    """Name the simplest explanation of the times; nothing when there is none."""
    if not measured:
        return []
    asset = _left(measured, element.operate_s)
    if len({p.multiple for p in measured}) < NEEDED_MULTIPLES:
        ratio = math.exp(
            float(np.mean([math.log(p.time_s / element.operate_s(p.multiple)) for p in measured]))
        )
        return [f"operates {abs(ratio - 1) * 100:.0f} % {'slow' if ratio > 1 else 'fast'}"]
    best = min((*_one_parameter(measured, element), *_other_curves(measured, element)), key=lambda h: h.left)
    return [best.name] if best.left < EXPLAINS * asset else []


def _one_parameter(measured: Sequence[Point], element: Element) -> list[_Hypothesis]:
    expected_s = np.array([element.operate_s(p.multiple) for p in measured])
    # by least squares of the times themselves: a constant delay of the device counts little in the long ones
    scale = float(expected_s @ [p.time_s for p in measured] / (expected_s @ expected_s))
    late_s = float(np.median([p.time_s - element.operate_s(p.multiple) for p in measured]))
    factors = np.linspace(0.8, 1.25, 181)
    shifted = [(_left(measured, lambda m, f=f: element.operate_s(m / f)), f) for f in factors]  # type: ignore[misc]
    left, factor = min(shifted)
    slow = f"operates {abs(scale - 1) * 100:.0f} % {'slow' if scale > 1 else 'fast'} at every multiple"
    pickup = f"times of a pickup {abs(factor - 1) * 100:.0f} % {'high' if factor > 1 else 'low'}"
    late = f"operates {abs(late_s) * 1e3:.0f} ms {'late' if late_s > 0 else 'early'} at every multiple"
    return [
        _Hypothesis(slow, _left(measured, lambda m: scale * element.operate_s(m))),
        _Hypothesis(pickup, left),
        _Hypothesis(late, _left(measured, lambda m: element.operate_s(m) + late_s)),
    ]


def _other_curves(measured: Sequence[Point], element: Element) -> list[_Hypothesis]:
    found = []
    for curve in TABLE:
        if curve.name in (element.curve, "dt"):
            continue
        other = dc.replace(element, curve=curve.name)
        name = f"wrong curve: follows {curve.name}, set is {element.curve}"
        found.append(_Hypothesis(name, _left(measured, other.operate_s)))
    return found


def _left(measured: Sequence[Point], time_s: Callable[[float], float]) -> float:
    """Return the root mean square of what a curve leaves of the logarithms of the times."""
    rest = []
    for p in measured:
        t = time_s(p.multiple)
        rest.append(math.log(p.time_s / t) if 0 < t < math.inf else 10.0)
    return math.sqrt(float(np.mean(np.square(rest))))
