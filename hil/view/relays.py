"""What a relay and its recloser say, put together from their points."""

from __future__ import annotations

import dataclasses as dc
import enum
from collections.abc import Callable, Iterable

from hil.view.model import Element, Relay, StationModel
from hil.view.reading import GOOD, UNCERTAIN, Reading

Read = Callable[[str], Reading]

NOT_TARGETS = ("directional_67", "recloser_79")
"""Functions without a target: 67 permits, 79 closes."""
RESET, CYCLE, LOCKOUT = 0, 1, 2
N_INTERVALS = 4


class Level(enum.Enum):
    """How much a state asks for attention."""

    GOOD = "good"
    NOTE = "note"
    WARN = "warn"
    BAD = "bad"
    UNKNOWN = "unknown"


@dc.dataclass(frozen=True, slots=True)
class State:
    """A state in a word."""

    word: str
    level: Level


UNKNOWN = State("?", Level.UNKNOWN)
_RELAY_STATES = (
    ("TRIP", True, State("TRIP", Level.BAD)),
    ("LOCKED_OUT", True, State("LOCKOUT 86", Level.BAD)),
    ("PICKUP", True, State("PICKUP", Level.WARN)),
    ("IN_SERVICE", False, State("OUT OF SERVICE", Level.WARN)),
    ("BLOCKED", True, State("TRIP BLOCKED", Level.WARN)),
    ("ALARM", True, State("SELF-ALARM", Level.WARN)),
)
"""Point, value and what it means, the most urgent first."""
RELAY_NAMES = tuple(name for name, _, _ in _RELAY_STATES)


def relay_state(relay: Relay, read: Read) -> State:
    """Return the most urgent thing that a relay says."""
    readings = {name: read(f"{relay.device}.{name}") for name in RELAY_NAMES}
    there = [r for r in readings.values() if not r.is_missing]
    if not there or not all(map(_is_known, there)):
        return UNKNOWN
    state = State("in service", Level.GOOD)
    if (read(f"{relay.device}.TARGETS").number or 0) > 0:
        state = State("TARGET", Level.NOTE)
    for name, value, urgent in reversed(_RELAY_STATES):
        if _is_known(readings[name]) and bool(readings[name].number) == value:
            state = urgent
    return _aged(state, there)


def breaker_state(breaker: str, read: Read) -> State:
    """Return a breaker's position by its two auxiliary contacts."""
    contacts = read(f"{breaker}.ST_52A"), read(f"{breaker}.ST_52B")
    if not all(map(_is_known, contacts)):
        return UNKNOWN
    state = {
        (True, True): State("FAULTY 52", Level.BAD),
        (True, False): State("CLOSED", Level.GOOD),
        (False, True): State("OPEN", Level.NOTE),
        (False, False): State("MOVING", Level.WARN),
    }[bool(contacts[0].number), bool(contacts[1].number)]
    return _aged(state, contacts)


def recloser_state(relay: Relay, read: Read) -> State:
    """Return the state of automatic reclosing."""
    reading = read(f"{relay.recloser}.STATE")
    if not _is_known(reading):
        return UNKNOWN
    state = {
        RESET: State("RESET", Level.GOOD),
        CYCLE: State("CYCLE", Level.WARN),
        LOCKOUT: State("LOCKOUT", Level.BAD),
    }.get(int(reading.number or 0), UNKNOWN)
    return _aged(state, (reading,))


def _is_known(reading: Reading) -> bool:
    return reading.number is not None and reading.grade in (GOOD, UNCERTAIN)


def _aged(state: State, readings: Iterable[Reading]) -> State:
    """Return a state that is of an earlier time as such."""
    if any(r.is_stale for r in readings):
        return State(f"{state.word}?", Level.UNKNOWN)
    return state


def with_targets(relay: Relay, model: StationModel) -> tuple[Element, ...]:
    """Return the elements that have a target, in the order of its bits."""
    return tuple(e for e in relay.elements if model.devices[e.device][0].template not in NOT_TARGETS)


def targets(relay: Relay, model: StationModel, bits: float | None) -> tuple[str, ...]:
    """Return the functions whose bits are set in ``TARGETS``."""
    number = int(bits or 0)
    return tuple(e.function for k, e in enumerate(with_targets(relay, model)) if number >> k & 1)


def first_target(relay: Relay, model: StationModel, number: float | None) -> str:
    """Return the function that ``FIRST_ELEMENT`` numbers, empty for none."""
    able, k = with_targets(relay, model), int(number or 0)
    return able[k - 1].function if 1 <= k <= len(able) else ""


def group_of(element: Element, group: float | None) -> str:
    """Return the device of an element's settings in a group, the last one beyond it; empty for none."""
    if group is None or not element.settings:
        return ""
    return element.settings[min(max(int(group), 1), len(element.settings)) - 1]


def recloser_element(relay: Relay) -> Element | None:
    """Return the element that is the relay's recloser."""
    return next((e for e in relay.elements if e.device == relay.recloser), None)


@dc.dataclass(frozen=True, slots=True)
class Shots:
    """How far a reclosing sequence is; None for what is not known.

    Attributes
    ----------
    shot : int
        Closings of this sequence.
    n_shots : int
        As many as there are open intervals before the first 0.
    open_s, reset_s : tuple of float
        Time that has passed, and the whole [s].
    """

    shot: int | None
    n_shots: int | None
    open_s: tuple[float | None, float | None]
    reset_s: tuple[float | None, float | None]

    @property
    def text(self) -> str:
        """Return ``2/4``, ``-`` without both."""
        return "-" if self.shot is None or self.n_shots is None else f"{self.shot}/{self.n_shots}"


def interval_tags(relay: Relay, group: float | None) -> tuple[str, ...]:
    """Return the tags of the open intervals in force."""
    element = recloser_element(relay)
    settings = group_of(element, group) if element else ""
    return tuple(f"{settings}.OPEN_INTERVAL_{k}_S" for k in range(1, N_INTERVALS + 1)) if settings else ()


def shots_of(relay: Relay, number: Callable[[str], float | None]) -> Shots:
    """Return how far the sequence of a relay's recloser is."""
    group = number(f"{relay.device}.GROUP")
    tags = interval_tags(relay, group)
    intervals = [number(tag) for tag in tags]
    n_shots = next((k for k, s in enumerate(intervals) if not s), len(intervals))
    shot = number(f"{relay.recloser}.SHOT")
    whole = intervals[int(shot)] if shot is not None and 0 <= shot < len(intervals) else None
    settings = tags[0].rpartition(".")[0] if tags else ""
    is_lockout = number(f"{relay.recloser}.STATE") == LOCKOUT
    return Shots(
        None if shot is None else int(shot),
        None if not tags or None in intervals else n_shots,
        (number(f"{relay.recloser}.OPEN_TIMER_S"), whole),
        (
            number(f"{relay.recloser}.RESET_TIMER_S"),
            number(f"{settings}.{'RESET_LOCKOUT_S' if is_lockout else 'RESET_S'}") if settings else None,
        ),
    )
