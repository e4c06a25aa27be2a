"""What a run is worth: one result per assertion and per command, with what was measured."""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Callable

from hil.scenario import Happening, Outcome, Run
from hil.scenario_model import Change, Check, Form, Order, Target
from hil.scenario_words import show
from rtcore.commands import REASON_TEXT, Reason
from rtcore.points import Point
from rtcore.quality import Quality
from rtcore.ring import EVENT_STATUS
from rtcore.sampler import Sample

PASS, FAIL = "PASS", "FAIL"


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One line of the report.

    Attributes
    ----------
    measured : float or None
        The figure that was compared: a value, a statistic, or the time [s] an ``eventually`` or
        the last change of a sequence took. Of several points, that of ``tag``.
    low, high : float
        What it had to lie between; infinite where there is no limit.
    at_s : float or None
        Simulated time that ``measured`` belongs to, after the start [s].
    from_s, to_s : float
        The window looked at [s].
    message : str
        One sentence for people.
    """

    title: str
    form: Form
    is_passed: bool
    message: str
    tag: str = ""
    n_tags: int = 0
    n_failed: int = 0
    measured: float | None = None
    unit: str = ""
    low: float = -math.inf
    high: float = math.inf
    at_s: float | None = None
    from_s: float = 0.0
    to_s: float = 0.0

    @property
    def verdict(self) -> str:
        """PASS or FAIL."""
        return PASS if self.is_passed else FAIL


def judge(run: Run) -> list[Result]:
    """Return the results of a run: its commands by time, then its assertions as in the file."""
    results = [_command(run, outcome) for outcome in run.outcomes]
    for given, rows in zip(run.scenario.asserts, run.samples, strict=True):
        results.append(_order(run, given) if isinstance(given, Order) else _check(run, given, rows))
    return results


def verdict(results: list[Result]) -> str:
    """Return PASS when every result is."""
    return PASS if all(r.is_passed for r in results) else FAIL


# ---- commands -----------------------------------------------------------------------------------


def _command(run: Run, outcome: Outcome) -> Result:
    event, reason = outcome.event, outcome.reason
    points = {p.tag: p for p in run.scenario.plan.points.points}
    writes = ", ".join(
        tag if points[tag].kind == "control" else f"{tag} = {show(points[tag], v)}" for tag, v in event.writes
    )
    at_s = event.step * run.scenario.dt_ns / 1e9
    said = "done" if reason is Reason.DONE else f"refused ({reason.name.lower()}: {REASON_TEXT[reason]})"
    message = f"{event.said or writes}: {said}"
    if not outcome.is_as_expected:
        why = f" ({event.reason.name.lower()})" if event.reason else ""
        message += f"; it must be {'refused' + why if event.is_refusal_expected else 'done'}"
    title = event.note or event.name or writes
    return Result(
        title=title,
        form=Form.COMMAND,
        is_passed=outcome.is_as_expected,
        message=message,
        tag=event.writes[0][0],
        n_tags=len(event.writes),
        n_failed=0 if outcome.is_as_expected else len(event.writes),
        at_s=at_s,
        from_s=at_s,
        to_s=at_s,
    )


# ---- values -------------------------------------------------------------------------------------


@dc.dataclass(frozen=True, slots=True)
class _Finding:
    """What one target of a check has shown; ``excess`` is how far outside (negative: inside) it is."""

    target: Target
    is_passed: bool
    measured: float | None
    at_s: float | None
    low: float
    high: float
    text: str
    excess: float


def _check(run: Run, check: Check, rows: tuple[tuple[Sample, Sample], ...]) -> Result:
    dt_ns = run.scenario.dt_ns
    findings = [
        _finding(check, target, own, alone, dt_ns)
        for target, (own, alone) in zip(check.targets, rows, strict=True)
    ]
    failed = [f for f in findings if not f.is_passed]
    worst = max(failed or findings, key=lambda f: f.excess)
    point = worst.target.point
    name = " ".join([point.tag, *(f"+ {t}" for t in check.plus), *(f"- {t}" for t in check.minus)])
    lead = ""
    if len(findings) > 1 and failed:
        lead = f"{len(failed)} of {len(findings)} points fail, worst of all "
    elif len(findings) > 1:
        lead = "for instance " if math.isinf(worst.excess) else "closest to the limit "
    is_time = check.form is Form.EVENTUALLY
    return Result(
        title=check.title,
        form=check.form,
        is_passed=not failed,
        message=f"{lead}{name}: {worst.text}",
        tag=name,
        n_tags=len(findings),
        n_failed=len(failed),
        measured=worst.measured,
        unit="s" if is_time else _unit(check, point),
        low=worst.low,
        high=worst.high,
        at_s=worst.at_s,
        from_s=check.first * dt_ns / 1e9,
        to_s=check.last * dt_ns / 1e9,
    )


def _finding(check: Check, target: Target, own: Sample, alone: Sample, dt_ns: int) -> _Finding:
    if check.form is Form.EVENTUALLY:
        return _eventually(check, target, own, dt_ns)
    is_watched = check.form is Form.STATISTIC or bool(check.share)
    if is_watched and own.n_inside < own.n:
        return _off_quality(check, target, own, dt_ns)
    if is_watched:
        return _statistic(check, target, own, alone, dt_ns)
    return _always(check, target, own, dt_ns)


def _always(check: Check, target: Target, own: Sample, dt_ns: int) -> _Finding:
    """Judge a value at every step of the window, or at its only one."""
    over, under = own.maximum - target.high, target.low - own.minimum
    is_over = over >= under
    value, step = (own.maximum, own.max_step) if is_over else (own.minimum, own.min_step)
    if step < 0:  # not one value was a number
        value, step = own.last, own.outside_step
    seen = _seen(check, target, own, dt_ns)
    if own.n_inside == own.n:
        text, excess = f"{seen}; {_needed(check, target)}", max(over, under)
        return _Finding(target, True, value, step * dt_ns / 1e9, target.low, target.high, text, excess)
    n_outside = own.n - own.n_inside
    first = _with_quality(target, own)
    text = f"{first} at {own.outside_step * dt_ns / 1e9:.6g} s; {_needed(check, target)}"
    if own.n > 1:
        text += f"; outside for {n_outside * dt_ns / 1e9:.6g} s of {own.n * dt_ns / 1e9:.6g} s, {seen}"
    is_value = max(over, under) > 0.0
    measured = value if is_value and own.n > 1 else own.outside
    at = step if is_value and own.n > 1 else own.outside_step
    excess = max(over, under) if is_value else math.inf
    return _Finding(target, False, measured, at * dt_ns / 1e9, target.low, target.high, text, excess)


def _eventually(check: Check, target: Target, own: Sample, dt_ns: int) -> _Finding:
    """Judge whether and when a value came inside; measured is the time it took [s]."""
    since_s = check.since_ns / 1e9
    limit_s = round(check.last * dt_ns / 1e9 - since_s, 9)
    needed = _needed(check, target)
    if own.n_inside:
        took_s = round(own.inside_step * dt_ns / 1e9 - since_s, 9) + 0.0  # no -0
        text = f"{show(target.point, own.inside)} after {took_s:.6g} s (limit {limit_s:.6g} s); {needed}"
        at_s = own.inside_step * dt_ns / 1e9
        return _Finding(target, True, took_s, at_s, 0.0, limit_s, text, took_s - limit_s)
    text = f"not within {limit_s:.6g} s; {needed}; {_seen(check, target, own, dt_ns)}"
    if own.outside_quality >= 0 and own.last_quality > 127:
        text += f", quality at the end {_quality(own.last_quality)}"
    excess = max(own.minimum - target.high, target.low - own.maximum, 0.0)
    return _Finding(target, False, None, None, 0.0, limit_s, text, excess if excess else math.inf)


def _statistic(check: Check, target: Target, own: Sample, alone: Sample, dt_ns: int) -> _Finding:
    figure, at_step = _figure(check, own, dt_ns)
    slack = check.share * abs(_figure(check, alone, dt_ns)[0])
    low, high = target.low - slack, target.high + slack
    excess = max(figure - high, low - figure)
    unit = _unit(check, target.point)
    value = f"{figure:.6g} {unit}".rstrip() if check.statistic else show(target.point, figure)
    what = f"{check.statistic} {value}" if check.statistic else value
    when = f" at {at_step * dt_ns / 1e9:.6g} s" if at_step >= 0 else ""
    needed = _range(low, high, lambda v: f"{v:.6g} {unit}".rstrip())
    at_s = at_step * dt_ns / 1e9 if at_step >= 0 else None
    is_inside = low <= figure <= high
    return _Finding(target, is_inside, figure, at_s, low, high, f"{what}{when}; needed {needed}", excess)


def _figure(check: Check, s: Sample, dt_ns: int) -> tuple[float, int]:
    """Return a statistic and the step it belongs to (-1: the whole window)."""
    ends = s.first, check.first
    if not check.statistic or check.statistic == "final":
        return s.last, check.last
    return {
        "min": (s.minimum, s.min_step),
        "max": (s.maximum, s.max_step),
        "mean": (s.total / s.n, -1),
        "first": ends,
        "range": (s.maximum - s.minimum, -1),
        "change": (s.last - s.first, -1),
        "changes": (float(s.n_changes), -1),
        # trapezoid: exactly the time between the first step and the last, in hours
        "integral": ((s.total - 0.5 * (s.first + s.last)) * dt_ns / 1e9 / 3600.0, -1),
    }[check.statistic]


def _off_quality(check: Check, target: Target, own: Sample, dt_ns: int) -> _Finding:
    at_s, for_s = own.outside_step * dt_ns / 1e9, (own.n - own.n_inside) * dt_ns / 1e9
    text = f"{_with_quality(target, own)} at {at_s:.6g} s, in all for {for_s:.6g} s"
    needed = f"needed quality {check.quality}"
    return _Finding(target, False, own.outside, at_s, target.low, target.high, f"{text}; {needed}", math.inf)


# ---- words --------------------------------------------------------------------------------------


def _unit(check: Check, point: Point) -> str:
    if check.statistic == "changes":
        return ""
    return f"{point.unit} h".lstrip() if check.statistic == "integral" else point.unit


def _range(low: float, high: float, shown: Callable[[float], str]) -> str:
    if low == high:
        return shown(low)
    if math.isinf(low):
        return f"at most {shown(high)}"
    return f"at least {shown(low)}" if math.isinf(high) else f"{shown(low)} to {shown(high)}"


def _needed(check: Check, target: Target) -> str:
    parts = []
    if not (math.isinf(target.low) and math.isinf(target.high)):
        parts.append(_range(target.low, target.high, lambda v: show(target.point, v)))
    if check.quality != "usable" or not parts:
        parts.append(f"quality {check.quality}")
    return "needed " + ", ".join(parts)


def _seen(check: Check, target: Target, own: Sample, dt_ns: int) -> str:
    """Return the values of a window."""
    if own.n == 1:
        return f"{_with_quality(target, own, is_last=True)} at {check.first * dt_ns / 1e9:.6g} s"
    if own.min_step < 0:
        return "never a number"
    low, high = show(target.point, own.minimum), show(target.point, own.maximum)
    if low == high:
        return f"always {low}"
    return f"{low} ({own.min_step * dt_ns / 1e9:.6g} s) to {high} ({own.max_step * dt_ns / 1e9:.6g} s)"


def _with_quality(target: Target, own: Sample, *, is_last: bool = False) -> str:
    value = own.last if is_last else own.outside
    code = own.last_quality if is_last else own.outside_quality
    return f"{show(target.point, value)} (quality {_quality(code)})" if code else show(target.point, value)


def _quality(code: int) -> str:
    try:
        return Quality(code).name.lower()
    except ValueError:
        return str(code)


# ---- sequences ----------------------------------------------------------------------------------


@dc.dataclass(slots=True)
class _Matching:
    """A sequence while it is matched: where it has come to, and what stopped it."""

    step: int
    last_ns: int = 0
    wrong: str = ""
    found: list[str] = dc.field(default_factory=list)


def _order(run: Run, order: Order) -> Result:
    """Match a sequence: each change is the earliest unused one not before the one matched last."""
    dt_ns = run.scenario.dt_ns
    pool = [h for h in run.happenings if h.kind == EVENT_STATUS and order.first <= h.step <= order.last]
    m = _Matching(order.first)
    for change in order.changes:
        _match(m, change, pool, dt_ns)
        if m.wrong:
            break
    if not m.wrong and run.happenings_lost:
        m.wrong = f"{run.happenings_lost} events were lost, so that the order cannot be told"
    reached_s = m.last_ns / 1e9 if m.found else None
    before = f"; before that {', '.join(m.found) or 'nothing of it happened'}"
    return Result(
        title=order.title,
        form=Form.ORDER,
        is_passed=not m.wrong,
        message=m.wrong + before if m.wrong else "; ".join(m.found),
        tag=order.changes[min(len(m.found), len(order.changes) - 1)].tag,
        n_tags=len(order.changes),
        n_failed=int(bool(m.wrong)),
        measured=reached_s,
        unit="s",
        at_s=reached_s,
        from_s=order.first * dt_ns / 1e9,
        to_s=order.last * dt_ns / 1e9,
    )


def _match(m: _Matching, change: Change, pool: list[Happening], dt_ns: int) -> None:
    """Find one change of a sequence and judge its time."""
    said = f"{change.tag}: {change.state}"
    hit = next((h for h in pool if h.step >= m.step and h.tag == change.tag and h.new == change.value), None)
    if hit is None:
        m.wrong = f"{said} did not happen at or after {m.step * dt_ns / 1e9:.6g} s"
        return
    pool.remove(hit)
    at_ns = hit.step * dt_ns
    said += f" at {at_ns / 1e9:.6g} s"
    if change.at_ns is not None:
        due_ns = change.at_ns + (m.last_ns if change.is_relative else 0)
        if abs(at_ns - due_ns) > change.tolerance_ns:
            late_ms, slack_s = (at_ns - due_ns) / 1e6, change.tolerance_ns / 1e9
            m.wrong = f"{said}, due at {due_ns / 1e9:.6g} s +- {slack_s:.6g} s ({late_ms:+.6g} ms)"
            return
    m.step, m.last_ns = hit.step, at_ns
    m.found.append(said)
