"""Adaptive tests: levels of pickup and dropout, edges of a directional sector."""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Callable, Sequence

from hil.relaytest import schema as sc
from hil.relaytest.bench import Bench, Injection
from hil.relaytest.judge import verdict_of
from hil.relaytest.results import FAIL, Reading
from hil.relaytest.shooting import Shooter
from hil.relaytest.shot_model import ShotPlan, ShotRecord, State
from hil.relaytest.shots import Context, faulted_voltages

Search = tuple[list[ShotRecord], list[Reading]]


def extremes(c: Context) -> list[Injection]:
    """Return the largest and smallest injections that a search may come to; ValueError as ``shots``."""
    t = c.test
    if isinstance(t, sc.Pickup):
        span = t.span_pct / 100.0
        level = setting(c, t)
        if t.observe == "trip" and t.dropout:
            raise ValueError('dropout is not seen by trips; dropout = false or observe = "pickup"')
        ends = [1.0 - span, 1.0 + span]
        if t.dropout:
            ends.append(_ratio(c, t) + (-span if t.direction == "over" else span))
        return [source(c, t, level * end) for end in ends]
    if isinstance(t, sc.DirectionSector):
        if abs(t.to_deg - t.from_deg) >= 360.0 or t.to_deg == t.from_deg:
            raise ValueError("from_deg and to_deg span no sector")
        return [c.fault(c.current_a(t.i), t.loop)]
    return []


def setting(c: Context, t: sc.Pickup) -> float:
    """Return the level that is searched, in A, V or Hz."""
    if t.quantity == "f":
        if t.setting_hz is None:
            raise ValueError("setting_hz is needed")
        return t.setting_hz
    if t.quantity == "v":
        if t.setting is None:
            raise ValueError("setting is needed")
        return t.setting.voltage_v(c.relay)
    if t.setting is not None:
        return c.current_a(t.setting)
    if c.element is None:
        raise ValueError("setting is needed, as there is no [settings]")
    return c.element.pickup_a


def source(c: Context, t: sc.Pickup, level: float) -> Injection:
    """Return the sources at a level."""
    healthy = c.healthy
    if t.quantity == "i":
        return c.fault(level, t.loop)
    if t.quantity == "v":
        return dc.replace(healthy, v_v=faulted_voltages(healthy.v_v, level, t.loop))
    return dc.replace(healthy, f_hz=level)


def pickup(bench: Bench, c: Context, t: sc.Pickup, slowest_s: float) -> Search:
    """Search pickup, and dropout below it.

    Parameters
    ----------
    slowest_s : float
        Slowest answer of the device: a level lasts at least twice as long.
    """
    dwell_s = max(t.dwell_s, 2.0 * slowest_s)
    return (_ramp if t.method == "ramp" else _pulses)(bench, c, t, dwell_s)


def _ramp(bench: Bench, c: Context, t: sc.Pickup, dwell_s: float) -> Search:
    level, sign = setting(c, t), 1.0 if t.direction == "over" else -1.0
    step = t.step_pct / 100.0 * level
    n = math.ceil(2.0 * t.span_pct / t.step_pct)
    shooter = Shooter(bench, _plan(c, t), 0.0)
    shooter.hold(c.prefault)
    found = None
    for k in range(n + 1):
        at = level + sign * (k - n / 2.0) * step
        if t.observe in shooter.hold(
            State(f"up_{at:.6g}", source(c, t, at), dwell_s, frozenset({t.observe}))
        ):
            found = at, k
            break
    unit = _unit(t)
    if found is None:
        shooter.hold(c.off)
        what = f"no {t.observe} up to {at:.6g} {unit}, {t.span_pct:g} % past the setting"
        return [shooter.finish()], [Reading("pickup", unit, FAIL, what, expected=level)]
    at, k = found
    low, high = sorted((at - sign * step, at)) if k else (at, at)
    readings = [_level_reading("pickup", t, c, level, low, high)]
    if k == 0:
        readings[0] = dc.replace(
            readings[0], verdict=FAIL, why=f"picked up at the first level of the search, {at:.6g} {unit}"
        )
    if t.dropout:
        readings.append(_dropout(shooter, c, t, at, step * sign, (low, high), dwell_s))
    shooter.hold(c.off)
    return [shooter.finish()], readings


def _dropout(
    shooter: Shooter,
    c: Context,
    t: sc.Pickup,
    at: float,
    step: float,
    picked: tuple[float, float],
    dwell_s: float,
) -> Reading:
    ratio = _ratio(c, t)
    end = abs(at * (1.0 - ratio)) + t.span_pct / 100.0 * at
    n = math.ceil(end / abs(step))
    for k in range(1, n + 1):
        level = at - k * step
        state = State(f"down_{level:.6g}", source(c, t, level), dwell_s, frozenset({"dropout"}))
        if "dropout" in shooter.hold(state):
            return _ratio_reading(c, ratio, sorted((level, level + step)), picked)
    return _no_dropout(t, level, ratio)


def _ratio_reading(c: Context, ratio: float, dropped: Sequence[float], picked: Sequence[float]) -> Reading:
    """Return the dropout ratio from the intervals of both levels, each low, high."""
    interval = dropped[0] / picked[1], dropped[1] / picked[0]
    allowed = tuple(ratio * (1.0 + s * c.tolerance.level_pct / 100.0) for s in (-1.0, 1.0))
    verdict, why = verdict_of(*interval, *allowed)
    return Reading(
        "dropout ratio",
        "",
        verdict,
        why,
        sum(interval) / 2.0,
        *interval,
        expected=ratio,
        allowed_low=allowed[0],
        allowed_high=allowed[1],
    )


def _no_dropout(t: sc.Pickup, level: float, ratio: float) -> Reading:
    why = f"no dropout down to {level:.6g} {_unit(t)}: it does not reset"
    return Reading("dropout ratio", "", FAIL, why, expected=ratio)


def _ratio(c: Context, t: sc.Pickup) -> float:
    if t.dropout_ratio is not None:
        return t.dropout_ratio
    ratio = 0.95 if c.element is None else c.element.dropout_ratio
    return ratio if t.direction == "over" else 1.0 / ratio


def _pulses(bench: Bench, c: Context, t: sc.Pickup, dwell_s: float) -> Search:
    level, sign = setting(c, t), 1.0 if t.direction == "over" else -1.0
    span = t.span_pct / 100.0 * level
    records = list[ShotRecord]()

    def operates(at: float) -> bool:
        return _pulse(bench, c, t.observe, source(c, t, at), f"{at:.6g} {_unit(t)}", dwell_s, records)

    none, some = level - sign * span, level + sign * span
    if not operates(some):
        what = f"no {t.observe} at {some:.6g} {_unit(t)}, {t.span_pct:g} % past the setting"
        return records, [Reading("pickup", _unit(t), FAIL, what, expected=level)]
    if operates(none):
        what = f"{t.observe} at {none:.6g} {_unit(t)} already, {t.span_pct:g} % before the setting"
        return records, [Reading("pickup", _unit(t), FAIL, what, expected=level)]
    while abs(some - none) > t.step_pct / 100.0 * level:
        middle = (some + none) / 2.0
        if operates(middle):
            some = middle
        else:
            none = middle
    picked = sorted((none, some))
    readings = [_level_reading("pickup", t, c, level, *picked)]
    if t.dropout:
        readings.append(_pulsed_dropout(bench, c, t, picked, dwell_s, records))
    return records, readings


def _pulsed_dropout(
    bench: Bench,
    c: Context,
    t: sc.Pickup,
    picked: Sequence[float],
    dwell_s: float,
    records: list[ShotRecord],
) -> Reading:
    """Search dropout by pulses, too: each time picked up far beyond the setting, then down to a level."""
    level, sign, ratio = setting(c, t), 1.0 if t.direction == "over" else -1.0, _ratio(c, t)
    span = t.span_pct / 100.0 * level

    def drops_out(at: float) -> bool:
        shooter = Shooter(bench, _plan(c, t, f"down to {at:.6g} {_unit(t)}"), 0.0)
        shooter.hold(c.prefault)
        shooter.hold(State("fault", source(c, t, level + sign * span), dwell_s, frozenset({"pickup"})))
        is_seen = "dropout" in shooter.hold(State("down", source(c, t, at), dwell_s, frozenset({"dropout"})))
        shooter.hold(c.off)
        records.append(shooter.finish())
        return is_seen

    holds, drops = picked[1 if sign > 0 else 0], level * ratio - sign * span
    if not drops_out(drops):
        return _no_dropout(t, drops, ratio)
    while abs(holds - drops) > t.step_pct / 100.0 * level:
        middle = (holds + drops) / 2.0
        if drops_out(middle):
            drops = middle
        else:
            holds = middle
    return _ratio_reading(c, ratio, sorted((holds, drops)), picked)


def _pulse(
    bench: Bench,
    c: Context,
    observe: str,
    injection: Injection,
    label: str,
    dwell_s: float,
    records: list[ShotRecord],
) -> bool:
    """Apply one level from the healthy state and tell whether the device saw it."""
    shooter = Shooter(bench, _plan(c, c.test, label), 0.0)
    shooter.hold(c.prefault)
    is_seen = observe in shooter.hold(State("fault", injection, dwell_s, frozenset({observe})))
    is_seen = observe in shooter.hold(c.off) or is_seen
    records.append(shooter.finish())
    return is_seen


def _plan(c: Context, t: sc.TestSection, label: str = "") -> ShotPlan:
    return ShotPlan(label or t.title or t.name, (c.prefault,), zero="prefault", is_single=False)


def _unit(t: sc.Pickup) -> str:
    return {"i": "A", "v": "V", "f": "Hz"}[t.quantity]


def _level_reading(name: str, t: sc.Pickup, c: Context, level: float, low: float, high: float) -> Reading:
    tolerance = c.tolerance.level_tolerance(level)
    verdict, why = verdict_of(low, high, level - tolerance, level + tolerance)
    return Reading(
        name,
        _unit(t),
        verdict,
        why,
        (low + high) / 2.0,
        low,
        high,
        expected=level,
        allowed_low=level - tolerance,
        allowed_high=level + tolerance,
    )


def direction(bench: Bench, c: Context, t: sc.DirectionSector, slowest_s: float) -> Search:
    """Search the edges of the sector: pulses on a grid of angles, then bisection between neighbours."""
    dwell_s, i_a = max(t.dwell_s, 2.0 * slowest_s), c.current_a(t.i)
    records = list[ShotRecord]()

    def operates(deg: float) -> bool:
        return _pulse(bench, c, t.observe, c.fault(i_a, t.loop, deg), f"{deg:.4g} deg", dwell_s, records)

    n = max(round(360.0 / t.grid_deg), 4)
    middle = (t.from_deg + _turn(t.to_deg - t.from_deg) / 2.0) % 360.0
    grid = [middle + k * 360.0 / n for k in range(n)]
    seen = [operates(deg) for deg in grid]
    edges = [(grid[k], grid[k] + 360.0 / n, seen[k]) for k in range(n) if seen[k] != seen[(k + 1) % n]]
    if len(edges) != 2:
        inside = (
            "in every direction"
            if all(seen)
            else "in no direction"
            if not any(seen)
            else "in several sectors"
        )
        return records, [Reading("sector", "deg", FAIL, f"operates {inside}: it is not directional as set")]
    found = []
    for before, after, is_in_before in edges:
        low, high = _bisect(operates, before, after, is_in_before, t.resolution_deg)
        name, expected = ("last angle", t.to_deg) if is_in_before else ("first angle", t.from_deg)
        turn = round((expected - (low + high) / 2.0) / 360.0) * 360.0
        interval = low + turn, high + turn
        verdict, why = verdict_of(*interval, expected - t.tol_deg, expected + t.tol_deg)
        found.append(
            Reading(
                name,
                "deg",
                verdict,
                why,
                sum(interval) / 2.0,
                *interval,
                expected=expected,
                allowed_low=expected - t.tol_deg,
                allowed_high=expected + t.tol_deg,
            )
        )
    return records, found


def _bisect(
    operates: Callable[[float], bool], before: float, after: float, is_in_before: bool, resolution_deg: float
) -> tuple[float, float]:
    while after - before > resolution_deg:
        middle = (before + after) / 2.0
        if operates(middle) == is_in_before:
            before = middle
        else:
            after = middle
    return before, after


def _turn(deg: float) -> float:
    """Return an angle as the counter-clockwise way from 0 to it."""
    return deg % 360.0
