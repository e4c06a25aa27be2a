"""The tables of a scenario file, their keys, defaults and ranges.

What the values mean on a station is checked in ``scenario_files``. The key ``from`` is a word of
Python: the field is called ``from_`` here and everything a user reads says ``from``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from hil.scenario_times import EVENT_NAME, LongSpan, Moment, Span, duration_ns
from hil.settings_errors import Section
from hil.settings_types import Moment as DateTime
from hil.settings_types import Name
from rtcore.commands import Reason
from rtcore.errors import did_you_mean
from rtcore.quality import Quality

STATISTICS = ("min", "max", "mean", "first", "final", "range", "change", "changes", "integral")

QUALITIES = {"good": (0, 63), "uncertain": (64, 127), "usable": (0, 127), "bad": (128, 255), "any": (0, 255)}
QUALITIES |= {q.name.lower(): (int(q), int(q)) for q in Quality if q.name.lower() not in ("good", "bad")}
"""Words for quality and the codes they stand for, first to last."""

REASONS = {r.name.lower(): r for r in Reason if r is not Reason.DONE}
"""Words for the reason of a refusal."""

FAULT_LIKE = '{ bus = "bus2058", type = "3ph" }'

DURATION_MAX_NS = 366 * 86400 * 10**9


def _word(value: Any, allowed: Any, what: str) -> str:
    if not isinstance(value, str) or value not in allowed:
        hint = did_you_mean(value.lower(), allowed) if isinstance(value, str) else ""
        raise ValueError(f"{value!r} is not a {what}; one of {', '.join(allowed)}{hint}")
    return value


def _event_name(value: Any) -> str:
    if not isinstance(value, str) or not EVENT_NAME.fullmatch(value):
        raise ValueError(f"{value!r} is not a name; letters, digits and '_', at most 40, first a letter")
    if value in ("start", "end"):
        raise ValueError(f"{value!r} is taken: it names the {value} of the run")
    return value


def _line(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > 200:
        raise ValueError(f"{value!r} is not a title; one printable line of 1 to 200 characters")
    return value


def _words(value: Any) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list | tuple) or not listed or not all(isinstance(v, str) for v in listed):
        raise ValueError(f"{value!r} is not a tag or a list of tags")
    return tuple(listed)


def _value(value: Any) -> float | str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return float(value)
    raise ValueError(f"{value!r} is not a value; a number, true or false, or the name of a state")


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is not a limit; a finite number is needed")
    return float(value)


def _tolerance(value: Any) -> tuple[float, bool]:
    """Return (size, whether it is a share of 1)."""
    text = value[:-1].strip() if isinstance(value, str) and value.endswith("%") else None
    try:
        size = float(text) / 100.0 if text is not None else _number(value)
    except ValueError:
        size = -1.0
    if not 0.0 <= size < math.inf:
        raise ValueError(f'{value!r} is not a tolerance; a number >= 0, or text like "0.1 %"')
    return size, text is not None


def _fault(value: Any) -> Any:
    if isinstance(value, str | Mapping) and value:
        return value
    raise ValueError(
        f"{value!r} is not a fault; a name of the station's library, or a table like {FAULT_LIKE}"
    )


def flat_writes(value: Any) -> dict[str, float | str]:
    """Flatten dotted keys: ``SUB.LOAD.SCALE_SP = 1`` and ``"SUB.LOAD.SCALE_SP" = 1`` are the same."""
    if not isinstance(value, Mapping):
        raise ValueError(f"{value!r} is not a table of tag = value")
    flat: dict[str, float | str] = {}
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            flat |= {f"{key}.{rest}": v for rest, v in flat_writes(inner).items()}
        else:
            try:
                flat[key] = _value(inner)
            except ValueError as error:
                raise ValueError(f"{key}: {error}") from None
    return flat


def _run_length(value: Any) -> int:
    span = duration_ns(value)
    if not 0 < span <= DURATION_MAX_NS:
        raise ValueError(f"{value!r} is out of range; more than 0 s and at most 366 d")
    return span


Title = Annotated[str, BeforeValidator(_line)]
Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
Writes = Annotated[dict[str, Any], BeforeValidator(flat_writes)]
EventName = Annotated[str, BeforeValidator(_event_name)]
QualityWord = Annotated[str, BeforeValidator(lambda v: _word(v, QUALITIES, "quality"))]
ReasonWord = Annotated[str, BeforeValidator(lambda v: _word(v, REASONS, "reason"))]
StatisticWord = Annotated[str, BeforeValidator(lambda v: _word(v, STATISTICS, "statistic"))]
Limit = Annotated[float, BeforeValidator(_number)]


class ScenarioSection(Section):
    """What is run, for how long."""

    name: Name
    """Short name: names the report's folder and test suite."""
    title: Title | None = None
    """One line for people; default: the name."""
    station: str
    """A shipped station's name, or the path of a station file."""
    duration: Annotated[int, BeforeValidator(_run_length)]
    """Length of the run."""
    step_ms: Annotated[float, Field(ge=0.25, le=60_000)] | None = None
    """Step length [ms]; default: the station's, 1 ms where that says "auto"."""
    start: DateTime | None = None
    """Simulated time at the start; default: the station's."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    """Seed of every random number; default: the station's."""
    description: str = ""
    """What the scenario is for; goes into the report."""


class EventSection(Section):
    """Commands at one time, given as one request, as an operator would."""

    at: Moment
    """When it happens: at the first step that is not before this time."""
    name: EventName | None = None
    """By which other times may refer to it."""
    set: Writes = Field(default_factory=dict)
    """Setpoints to write: tag = value."""
    pulse: Words = ()
    """Momentary commands to give: a tag or a list."""
    fault: Annotated[str | dict[str, Any] | None, BeforeValidator(_fault)] = None
    """Fault to put in place: a name of the library, or a table with the keys of one."""
    slot: Annotated[int, Field(ge=1)] | None = None
    """Fault slot it takes; default: 1."""
    clear_fault: Annotated[int, Field(ge=1)] | None = None
    """Fault slot to clear."""
    note: str = ""
    """One line for the report."""
    expect: Literal["done", "refused"] = "done"
    """What must become of it."""
    reason: ReasonWord | None = None
    """Why it must be refused; default: any reason."""


class OrderItem(Section):
    """One status change of a sequence."""

    status: str
    """``TAG: STATE``."""
    at: Moment | None = None
    """When it must happen; "+ 50 ms" counts from the item before. Default: any time."""
    tolerance: Span | None = None
    """How far from that time it may be; default: one step."""


def _item(value: Any) -> Any:
    return {"status": value} if isinstance(value, str) else value


class AssertSection(Section):
    """One assertion; its form follows from its keys (see ``scenario_forms``)."""

    title: Title
    """What is asserted, for people."""
    tag: Words | None = None
    """Point, list of points, or pattern with ``*``; every one of them must hold."""
    plus: Words = ()
    """Points added to each tag."""
    minus: Words = ()
    """Points taken from each tag: what is asserted is the difference."""
    at: Moment | None = None
    """At this one time."""
    from_: Moment | None = None
    """At every step from here; default: the start."""
    to: Moment | None = None
    """To here; default: the end."""
    after: Moment | None = None
    """At some step from here; default: the start."""
    within: LongSpan | None = None
    """And not later than so long after it."""
    statistic: StatisticWord | None = None
    """A figure over the window ``from`` .. ``to`` instead of every value."""
    equals: Annotated[float | str, BeforeValidator(_value)] | None = None
    """Value, or name of a state."""
    tolerance: Annotated[tuple[float, bool], BeforeValidator(_tolerance)] | None = None
    """Allowed distance from ``equals``: a number, or a share like "0.1 %"."""
    min: Limit | None = None
    """Least value allowed."""
    max: Limit | None = None
    """Greatest value allowed."""
    quality: QualityWord | None = None
    """Quality the points must have; default: usable (good or uncertain)."""
    sequence: Annotated[
        tuple[Annotated[OrderItem, BeforeValidator(_item)], ...], Field(min_length=1, strict=False)
    ] = ()
    """Status changes that must happen in this order."""


class RecordSection(Section):
    """Time series written beside the report and drawn in it."""

    tags: Words
    """Points, or patterns with ``*``."""
    every_s: LongSpan | None = None
    """Distance of the rows; default: about 600 rows in all."""
