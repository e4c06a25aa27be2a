"""Times and durations as scenario files write them.

========================  ======================================================
``12.5``                  seconds after the start
``"5 min"``, ``"1 h 30 min"``  a duration after the start; units ms, s, min, h, d
``"14:30"``, ``14:30:00``  clock time of the station, the first at or after the start
``2017-07-12T14:30:00``   date and time of the station; an offset may be given
``"start"``, ``"end"``    both ends of the run
``"trip"``                the event of that name
``"trip + 50 ms"``        a duration after it (or ``-`` before it)
``"+ 50 ms"``             a duration after the event (or item of a sequence) before this one
========================  ======================================================
"""

from __future__ import annotations

import dataclasses as dc
import datetime as dt
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BeforeValidator

from hil.settings_types import utc_ns
from rtcore.errors import did_you_mean

UNIT_NS = {"ms": 10**6, "s": 10**9, "min": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9}
PART = r"\d+(?:\.\d+)?\s*(?:ms|s|min|h|d)\b"
DURATION = re.compile(rf"\s*(?:{PART}\s*)+")
CLOCK = re.compile(r"\d{1,2}:\d\d(?::\d\d(?:\.\d{1,6})?)?")
EVENT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
RELATIVE = re.compile(rf"(?P<name>{EVENT_NAME.pattern})?\s*(?:(?P<sign>[+-])\s*(?P<span>\S.*))?")

START, END, PREVIOUS = "start", "end", ""
"""Names every scenario knows; ``PREVIOUS`` is the event or item before."""

HOW = (
    'write seconds (12.5), a duration ("5 min"), a clock time ("14:30"), "start", "end", '
    'or an event\'s name ("trip", "trip + 50 ms")'
)


@dc.dataclass(frozen=True, slots=True)
class When:
    """A moment as written: a base and a distance from it.

    ``base`` is a name, a clock time of the station, or a date and time.
    """

    text: str
    base: str | dt.time | dt.datetime
    offset_ns: int = 0


@dc.dataclass(frozen=True, slots=True)
class Times:
    """What moments are resolved against: the run's start, its length, its events [ns]."""

    start_utc_ns: int
    utc_offset_s: int
    duration_ns: int
    events: Mapping[str, int]

    def resolve(self, when: When, previous_ns: int | None = None) -> int:
        """Return a moment in ns after the start; ValueError says why it is none of this run."""
        at = self._base_ns(when, previous_ns) + when.offset_ns
        if at < 0:
            raise ValueError(f"{when.text!r} is {seconds(-at)} before the start")
        if at > self.duration_ns:
            raise ValueError(
                f"{when.text!r} is {seconds(at)} after the start, "
                f"beyond the end of the run ({seconds(self.duration_ns)})"
            )
        return at

    def _base_ns(self, when: When, previous_ns: int | None) -> int:
        base = when.base
        if isinstance(base, dt.datetime):
            zone = dt.timezone(dt.timedelta(seconds=self.utc_offset_s))
            return utc_ns(base if base.tzinfo else base.replace(tzinfo=zone)) - self.start_utc_ns
        if isinstance(base, dt.time):
            since_midnight = (self.start_utc_ns + self.utc_offset_s * 10**9) % UNIT_NS["d"]
            return (_of_day_ns(base) - since_midnight) % UNIT_NS["d"]
        if base == PREVIOUS:
            if previous_ns is None:
                raise ValueError(f"{when.text!r} counts from the one before, and there is none; {HOW}")
            return previous_ns
        if base in self.events:
            return self.events[base]
        raise ValueError(f"no event is named {base!r}{did_you_mean(base, self.events)}; {HOW}")


def seconds(ns: int) -> str:
    """Return a span for people: ``12.5 s``."""
    return f"{Decimal(ns).scaleb(-9).normalize():f} s"


def duration_ns(value: Any) -> int:
    """Return a duration (seconds, or text with units) in ns; ValueError says what is allowed."""
    if isinstance(value, str) and DURATION.fullmatch(value):
        parts = re.findall(r"(\d+(?:\.\d+)?)\s*([a-z]+)", value)
        return sum(round(Fraction(number) * UNIT_NS[unit]) for number, unit in parts)
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0:
        return round(Fraction(str(value)) * 10**9)
    raise ValueError(f'{value!r} is not a duration; write seconds (12.5) or text like "5 min", "1 h 30 min"')


def parse(value: Any) -> When:
    """Return a moment as written; ValueError says what is allowed."""
    if isinstance(value, dt.datetime | dt.time):
        return When(str(value), value)
    if isinstance(value, str) and value.strip():
        found = _parse_text(value.strip())
        if found is not None:
            return found
    elif isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        if value < 0:
            raise ValueError(f"{value!r} is before the start; {HOW}")
        return When(f"{value:g} s", START, duration_ns(value))
    raise ValueError(f"{value!r} is not a time; {HOW}")


def _parse_text(text: str) -> When | None:
    if DURATION.fullmatch(text):
        return When(text, START, duration_ns(text))
    if CLOCK.fullmatch(text):
        return When(text, _clock(text))
    try:
        return When(text, dt.datetime.fromisoformat(text))
    except ValueError:
        pass
    match = RELATIVE.fullmatch(text)
    if match is None or not DURATION.fullmatch(match["span"] or "0 s"):
        return None
    if match["name"] is None and match["sign"] != "+":
        return None
    sign = -1 if match["sign"] == "-" else 1
    return When(text, match["name"] or PREVIOUS, sign * duration_ns(match["span"] or "0 s"))


def _clock(text: str) -> dt.time:
    try:
        return dt.time.fromisoformat(text if text[1] != ":" else f"0{text}")
    except ValueError:
        raise ValueError(f"{text!r} is not a clock time; 00:00 to 23:59:59") from None


def _of_day_ns(clock: dt.time) -> int:
    whole = (clock.hour * 60 + clock.minute) * 60 + clock.second
    return whole * 10**9 + clock.microsecond * 1000


def _duration(value: Any) -> int:
    return duration_ns(value)


def _long_duration(value: Any) -> int:
    span = duration_ns(value)
    if span == 0:
        raise ValueError(f"{value!r} is no time at all; must be > 0 s")
    return span


Moment = Annotated[When, BeforeValidator(parse)]
"""A moment of the run."""

Span = Annotated[int, BeforeValidator(_duration)]
"""A duration [ns]."""

LongSpan = Annotated[int, BeforeValidator(_long_duration)]
"""A duration greater than zero [ns]."""
