"""From readings to what a network is doing: positions of switches, what feeds, which faults there are."""

from __future__ import annotations

import dataclasses as dc
import enum
import time
from collections.abc import Callable, Iterator, Mapping

from hil.view.energised import SWITCHING, Conduction, Fault, mask_of, phases_of
from hil.view.model import Branch, StationModel
from hil.view.reading import BAD, MISSING, WAITING, Reading

Read = Callable[[str], Reading]
LIVE_PU = 0.05
"""A source with less than this does not feed [pu]."""
FORMING = 2
"""``MODE`` of a battery that makes the voltage of an island."""
BREAKS = (6, 7)
"""``TYPE`` of faults that are open conductors."""
SETTLE_S = 1.5
"""Points of one device come within so long of one another [s]."""
BLOWN = ("BLOWN_A", "BLOWN_B", "BLOWN_C")


class Position(enum.Enum):
    """Where a switching device is."""

    CLOSED = "closed"
    OPEN = "open"
    PARTLY = "partly open"
    MOVING = "between its positions"
    UNKNOWN = "position unknown"


@dc.dataclass(frozen=True, slots=True)
class Switch:
    """A switching device now."""

    position: Position
    conduction: Conduction
    is_tagged: bool = False
    opened: str = ""
    """Phases that are open while others are closed."""


def switch_tags(model: StationModel) -> list[str]:
    """Return the points that ``switches`` reads."""
    devices = [b.device for b in model.branches if b.kind in SWITCHING and b.device]
    names = ("ST_52A", "ST_52B", "TAG", *BLOWN)
    return [tag for device in dict.fromkeys(devices) for tag in model.tags_of(device, *names)]


def switches(model: StationModel, read: Read) -> dict[int, Switch]:
    """Return the switching devices by number of their branch; one that shows nothing is as it is normally."""
    return {k: _switch(model, b, read) for k, b in enumerate(model.branches) if b.kind in SWITCHING}


def _switch(model: StationModel, branch: Branch, read: Read) -> Switch:
    mask = mask_of(branch.phases)
    if model.has(f"{branch.device}.ST_52A"):
        return _breaker(branch.device, mask, read)
    if model.has(f"{branch.device}.BLOWN_A"):
        return _fuse(branch.device, mask, read)
    position = Position.CLOSED if branch.is_closed else Position.OPEN
    return Switch(position, Conduction.certain(mask if branch.is_closed else 0))


def breaker_position(model: StationModel, device: str, read: Read) -> Position:
    """Return the position of a breaker by its auxiliary contacts."""
    if not model.has(f"{device}.ST_52A"):
        return Position.UNKNOWN
    return _breaker(device, mask_of("abc"), read).position


def _breaker(device: str, mask: int, read: Read) -> Switch:
    closed, opened = (_bit(read(f"{device}.{name}")) for name in ("ST_52A", "ST_52B"))
    is_tagged = bool(_bit(read(f"{device}.TAG")))
    if closed is None or opened is None:
        return Switch(Position.UNKNOWN, Conduction(0, mask), is_tagged)
    if closed == opened:
        return Switch(Position.MOVING, Conduction(0, mask), is_tagged)
    position = Position.CLOSED if closed else Position.OPEN
    return Switch(position, Conduction.certain(mask if closed else 0), is_tagged)


def _fuse(device: str, mask: int, read: Read) -> Switch:
    sure = maybe = mask
    for k, name in enumerate(BLOWN):
        blown = _bit(read(f"{device}.{name}"))
        sure &= ~(1 << k) if blown in (None, True) else -1
        maybe &= ~(1 << k) if blown else -1
    if sure != maybe:
        return Switch(Position.UNKNOWN, Conduction(sure, maybe))
    position = Position.CLOSED if sure == mask else Position.PARTLY if sure else Position.OPEN
    return Switch(position, Conduction(sure, maybe), opened=phases_of(mask & ~sure))


def _bit(reading: Reading) -> bool | None:
    """Return a state as it was last known, None where it is not good."""
    number = reading.number
    if number is None or reading.grade in (BAD, WAITING, MISSING):
        return None
    return number != 0.0


# ---- what feeds


def feeding_tags(model: StationModel) -> list[str]:
    """Return the points that ``feeding`` reads."""
    return [tag for _, tag, _ in _feeders(model) if tag]


def feeding(model: StationModel, read: Read) -> list[tuple[str, Conduction]]:
    """Return in which phases things feed: sources, machines that run, batteries that form an island."""
    found = []
    for bus, tag, is_feeding in _feeders(model):
        mask = 7
        if not tag:
            found.append((bus, Conduction.certain(mask)))
            continue
        reading = read(tag)
        number = reading.number
        if number is None or reading.grade in (BAD, WAITING, MISSING):
            found.append((bus, Conduction(0, mask)))
        elif is_feeding(number):
            found.append((bus, Conduction.certain(mask)))
    return found


def _feeders(model: StationModel) -> Iterator[tuple[str, str, Callable[[float], bool]]]:
    """Yield bus, point that tells ("" for none), and when it feeds."""
    rules: Mapping[str, tuple[str, Callable[[float], bool]]] = {
        "source": ("V", lambda v: v > LIVE_PU),
        "generator": ("RUNNING", bool),
        "battery": ("MODE", lambda mode: mode == FORMING),
    }
    for item in model.items:
        if item.kind not in rules:
            continue
        name, is_feeding = rules[item.kind]
        tag = f"{item.device}.{name}"
        if model.has(tag):
            yield item.bus, tag, is_feeding
        elif item.kind == "source":
            yield item.bus, "", is_feeding


# ---- faults


FAULT_NAMES = ("ON", "LIVE", "PLACE", "FRACTION", "TYPE", "PHASES")


def fault_tags(model: StationModel) -> list[str]:
    """Return the points that ``faults`` reads."""
    return [t for slot in model.of_template("fault") for t in model.tags_of(slot, "APPLIED", *FAULT_NAMES)]


class AppliedFaults:
    """Faults as they were when they were applied.

    A slot can be set up anew while its fault is in place, and its points then tell what a later apply would
    put. What stood there ``SETTLE_S`` after a fault was first seen applied is kept until it is gone.

    Parameters
    ----------
    clock_s : callable
        Monotonic time [s].
    """

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._kept: dict[str, Fault] = {}
        self._settled_s: dict[str, float] = {}

    def now(self, model: StationModel, read: Read) -> list[Fault]:
        """Return the faults that are in place, also those that rest at the moment."""
        for slot in list(self._kept):
            if slot not in model.of_template("fault") or _bit(read(f"{slot}.APPLIED")) is False:
                del self._kept[slot], self._settled_s[slot]
        set_up = {fault.slot: fault for fault in faults(model, read)}
        now_s = self._clock_s()
        for slot, fault in set_up.items():
            if _is_all_known(slot, read) and now_s <= self._settled_s.setdefault(slot, now_s + SETTLE_S):
                self._kept[slot] = fault
        return [self._as_applied(slot, set_up.get(slot), read) for slot in {**self._kept, **set_up}]

    def _as_applied(self, slot: str, set_up: Fault | None, read: Read) -> Fault:
        kept = self._kept.get(slot)
        if kept is None:
            assert set_up is not None
            return set_up
        is_on, is_live = bool(_bit(read(f"{slot}.ON"))), bool(_bit(read(f"{slot}.LIVE")))
        was = dc.replace(kept, is_on=is_on, has_voltage=is_live)
        is_set_anew = _is_all_known(slot, read) and was != set_up
        return dc.replace(was, is_set_anew=is_set_anew)


def _is_all_known(slot: str, read: Read) -> bool:
    return all(_bit(read(f"{slot}.{name}")) is not None for name in FAULT_NAMES)


def faults(model: StationModel, read: Read) -> list[Fault]:
    """Return the faults that are in place as their slots are set up now."""
    found = []
    for slot in model.of_template("fault"):
        if not _bit(read(f"{slot}.APPLIED")):
            continue
        place, fraction, kind, phases = (
            read(f"{slot}.{name}").number for name in ("PLACE", "FRACTION", "TYPE", "PHASES")
        )
        number = int(place or 0)
        what, _, name = (model.places[number] if 0 < number < len(model.places) else "").partition(".")
        if not name:
            continue
        found.append(
            Fault(
                slot,
                bus=name if what == "bus" else "",
                line=name if what == "line" else "",
                fraction=0.5 if fraction is None else fraction,
                mask=int(phases or 0) or 7,
                is_break=int(kind or 0) in BREAKS,
                is_on=bool(_bit(read(f"{slot}.ON"))),
                has_voltage=bool(_bit(read(f"{slot}.LIVE"))),
            )
        )
    return found
