"""Verdict on one case of the selectivity sweep, from nothing but the sequence of events.

Right is: the expected device interrupts first; no other relay trips, no other breaker opens, no other
fuse blows; and in the end

permanent   the fault is dead: the recloser in lockout, a breaker without one open, or the fuse blown
temporary   the fault is gone and its breaker closed, out of lockout; what does not reclose (a fuse,
            a breaker without 79) stays open, which is what the scheme wants: fuses blow
failure     the relay tripped, breaker failure opened the next breaker towards the source and locked out
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Iterator, Sequence

from hil.selectivity_cases import FAILURE, PERMANENT, TEMPORARY, Case, Expected

RIGHT, WRONG, EXEMPT = "right", "wrong", "exempt"
NOTHING_UPSTREAM = "no breaker upstream in this station"
STEP_LIMIT = "not over at the time limit"
LIVE = "fault still fed"


@dc.dataclass(frozen=True, slots=True)
class Event:
    """One change of a status: component kind, instance, attribute; ``t_s`` since the fault."""

    t_s: float
    kind: str
    name: str
    attr: str
    is_on: bool


@dc.dataclass(frozen=True, slots=True)
class Judged:
    """What happened.

    ``end``: "lockout", "open", "blown", "live", "dark" (breaker failure) or "" when none of them. Times
    since the fault [s], None where there was no such thing. ``shots``: how often the expected device
    interrupted.
    """

    verdict: str
    reason: str
    first: str
    trip_s: float | None
    open_s: float | None
    shots: int
    end: str


class Record:
    """Questions that the verdict asks of a sequence of events."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = sorted(events, key=lambda e: e.t_s)

    def every(self, kind: str, attr: str, *, is_on: bool = True) -> Iterator[Event]:
        """Yield the events of one kind and direction."""
        yield from (e for e in self.events if (e.kind, e.attr, e.is_on) == (kind, attr, is_on))

    def names(self, kind: str, attr: str) -> set[str]:
        """Return the instances where it came."""
        return {e.name for e in self.every(kind, attr)}

    def is_on(self, kind: str, name: str, attr: str, *, at_first: bool = False) -> bool:
        """Return the status in the end; ``at_first``: what it was before the first event."""
        last = [e.is_on for e in self.events if (e.kind, e.name, e.attr) == (kind, name, attr)]
        return last[-1] if last else at_first

    def openings(self) -> list[Event]:
        """Return every interruption: breakers that leave the closed position, links that blow."""
        found = [*self.every("breaker", "is_52a", is_on=False), *self.every("fuse", "is_blown")]
        return sorted(found, key=lambda e: e.t_s)


def judge(case: Case, events: Sequence[Event], *, is_over: bool = True, troubles: int = 0) -> Judged:
    """Return the verdict.

    Parameters
    ----------
    is_over : bool
        Whether nothing more was to come when the case was ended.
    troubles : int
        Steps that did not converge.
    """
    record, wanted = Record(events), case.expected
    openings = record.openings()
    first = openings[0].name if openings else ""
    trips = [e.t_s for e in record.every("relay", "is_trip") if e.name == wanted.relay]
    end = _end(case, record)
    reasons = list(_failure(record, wanted) if case.life == FAILURE else _ordinary(case, record, end))
    reasons += [f"{troubles} steps did not converge"] if troubles else []
    reasons += [] if is_over else [STEP_LIMIT]
    verdict = WRONG if reasons else RIGHT
    if case.life == FAILURE and not wanted.bf_trips and set(reasons) <= {LIVE, STEP_LIMIT}:
        verdict, reasons = EXEMPT, [NOTHING_UPSTREAM]
    return Judged(
        verdict=verdict,
        reason="; ".join(reasons),
        first=first,
        trip_s=trips[0] if trips else None,
        open_s=openings[0].t_s if openings else None,
        shots=sum(e.name == wanted.switch and e.kind == "breaker" for e in openings),
        end=end,
    )


def _end(case: Case, record: Record) -> str:
    """Return how it ended for the expected device."""
    wanted = case.expected
    if case.life == FAILURE:
        return "" if _is_fed(record) else "dark"
    if wanted.is_fuse:
        return "blown" if record.is_on("fuse", wanted.switch, "is_blown") else ""
    if record.is_on("breaker", wanted.switch, "is_52a", at_first=True):
        return "live" if not record.is_on("fault", "1", "is_on", at_first=True) else ""
    return "lockout" if wanted.relay in _locked_79(record) else "open"


def _right_end(case: Case) -> str:
    if case.expected.is_fuse:
        return "blown"
    if not case.expected.is_reclosing:
        return "open"
    return "live" if case.life == TEMPORARY else "lockout"


def _ordinary(case: Case, record: Record, end: str) -> Iterator[str]:
    """Yield what is wrong with a permanent or temporary fault."""
    wanted = case.expected
    yield from _others(record, {wanted.relay}, {wanted.switch})
    openings = record.openings()
    if not openings:
        yield "nobody interrupted"
    elif openings[0].name != wanted.switch:
        yield f"{openings[0].name} first"
    if record.names("breaker_failure_50bf", "is_operated"):
        yield "breaker failure operated"
    if _is_fed(record):
        yield LIVE
    if end != _right_end(case):
        yield f"ended {end or 'undone'}, not {_right_end(case)}"
    if case.life == PERMANENT and not wanted.is_fuse and not wanted.is_reclosing and len(openings) > 1:
        yield "closed again"


def _failure(record: Record, wanted: Expected) -> Iterator[str]:
    """Yield what is wrong with a failed breaker."""
    yield from _others(record, {wanted.relay}, set(wanted.bf_trips))
    if wanted.relay not in record.names("relay", "is_trip"):
        yield f"{wanted.relay} did not trip"
    if not any(e.startswith(f"{wanted.relay}.") for e in record.names("breaker_failure_50bf", "is_operated")):
        yield "breaker failure did not operate"
    opened = {e.name for e in record.openings()}
    yield from (f"{b} not opened" for b in wanted.bf_trips if b not in opened)
    if wanted.bf_trips and not record.is_on("relay", wanted.relay, "is_locked_out"):
        yield f"{wanted.relay} not locked out"
    for breaker in wanted.bf_trips:
        if record.is_on("breaker", breaker, "is_52a", at_first=True):
            yield f"{breaker} closed again"
    if _is_fed(record):
        yield LIVE


def _others(record: Record, relays: set[str], switches: set[str]) -> Iterator[str]:
    """Yield everybody who should have stayed out of it."""
    yield from (f"{r} tripped" for r in sorted(record.names("relay", "is_trip") - relays))
    yield from (f"{s} opened" for s in sorted({e.name for e in record.openings()} - switches))


def _is_fed(record: Record) -> bool:
    """Return whether the fault is there and has voltage in the end."""
    return record.is_on("fault", "1", "is_on") and record.is_on("fault", "1", "is_live")


def _locked_79(record: Record) -> set[str]:
    """Return the relays whose recloser is in lockout in the end."""
    names = record.names("recloser_79", "is_lockout")
    return {n.partition(".")[0] for n in names if record.is_on("recloser_79", n, "is_lockout")}
