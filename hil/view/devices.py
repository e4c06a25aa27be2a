"""What can be operated on a device, what shows its state, and what visibly stands in the way.

What the plant will say to a command is not known before; but local control, a tag, a lockout, a spring that
is not charged or a laboratory that is not armed are points, and said before anything is sent.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Callable

from hil.view.model import ANALOG, CONTROL, STATUS, PointInfo, StationModel
from hil.view.reading import Reading
from protocols.roles import STATION, may

ARMED = "LAB.ARM.ARMED"
ARMED_KINDS = ("fault", "attack")
"""Templates whose ``apply`` is taken only while the laboratory is armed."""
POSITION_FIRST = ("is_52a", "is_52b", "is_closed", "is_remote_sp", "is_tagged_sp", "is_locked_out")
"""What is shown first of a device, by attribute."""


@dc.dataclass(frozen=True, slots=True)
class Lock:
    """A state of a point in which some commands are refused."""

    attr: str
    when: float
    """State that refuses."""
    commands: tuple[str, ...]
    """Attributes of controls and setpoints; empty: all of the device but this one."""
    text: str
    templates: tuple[str, ...] = ()
    """Empty: whichever have the point."""


LOCKS = (
    Lock("is_remote_sp", 0.0, ("trip", "close"), "the device is switched to LOCAL", ("breaker",)),
    Lock("is_remote_sp", 0.0, (), "the regulator is switched to LOCAL", ("avr",)),
    Lock("is_tagged_sp", 1.0, ("close",), "the device is tagged out: every close is refused"),
    Lock("is_locked_out", 1.0, ("close",), "the device is locked out (86): reset the lockout first"),
    Lock("is_spring_charged", 0.0, ("close",), "the closing spring is not charged"),
    Lock("is_trip_circuit_ok", 0.0, ("trip",), "trip-circuit supervision says that the trip circuit failed"),
    Lock("is_52a", 0.0, ("trip",), "52a says that it is open already"),
    Lock("is_52a", 1.0, ("close",), "52a says that it is closed already"),
    Lock("is_closed", 0.0, ("open",), "it is open already"),
    Lock("is_closed", 1.0, ("close",), "it is closed already"),
    Lock("is_possible", 0.0, ("apply",), "what is set up in this slot is not possible"),
    Lock("is_blown", 0.0, ("replace",), "the fuse is not blown"),
)

EFFECTS: dict[tuple[str, str], tuple[str, float]] = {
    ("breaker", "trip"): ("is_52a", 0.0),
    ("breaker", "close"): ("is_52a", 1.0),
    ("capacitor", "open"): ("is_closed", 0.0),
    ("capacitor", "close"): ("is_closed", 1.0),
    ("arming", "arm"): ("is_armed", 1.0),
    ("arming", "disarm"): ("is_armed", 0.0),
    ("fault", "apply"): ("is_applied", 1.0),
    ("fault", "clear"): ("is_applied", 0.0),
    ("attack", "apply"): ("is_active", 1.0),
    ("attack", "clear"): ("is_active", 0.0),
    ("fuse", "replace"): ("is_blown", 0.0),
    ("relay", "reset_lockout"): ("is_locked_out", 0.0),
    ("relay", "reset_targets"): ("targets", 0.0),
    ("generator", "stop"): ("is_running", 0.0),
    ("microgrid", "island"): ("is_island", 1.0),
}
"""(template, control) -> what the device shows once it was carried out: (attribute, value)."""
FOLLOWS = {("regulator", "tap_sp"): "tap", ("relay", "group_sp"): "group"}
"""(template, setpoint) -> attribute that becomes equal to it, in its own time."""
WHOLE = ("tap_sp", "group_sp")
"""Setpoints that take whole numbers alone."""


def is_allowed(role: str, point: PointInfo) -> bool:
    """Tell whether a role may give this command."""
    return may(role, point.role)


def operations(model: StationModel, device: str) -> tuple[PointInfo, ...]:
    """Return the controls of a device, then its setpoints; none that only the station itself may set."""
    points = [p for p in model.devices.get(device, ()) if p.is_writable and p.role != STATION]
    return tuple(sorted(points, key=lambda p: p.kind != CONTROL))


def operable(model: StationModel) -> tuple[str, ...]:
    """Return the devices that take commands, in the station's order."""
    return tuple(d for d in model.devices if operations(model, d))


def whole(model: StationModel, device: str) -> str:
    """Return the device that takes commands: this one, or what it is a part of (``R_CB_101_50BF``)."""
    found = device
    while found in model.devices and not operations(model, found):
        found = found.rpartition("_")[0]
    return found if found in model.devices else device


def state_points(model: StationModel, device: str) -> tuple[PointInfo, ...]:
    """Return what shows a device's state: position and locks first, then states, then measurements."""
    points = [p for p in model.devices.get(device, ()) if p.kind in (STATUS, ANALOG) or p.states is not None]
    points = [p for p in points if p.kind != CONTROL and p.role != STATION]
    return tuple(sorted(points, key=_place))


def _place(point: PointInfo) -> tuple[int, bool]:
    first = POSITION_FIRST.index(point.attr) if point.attr in POSITION_FIRST else len(POSITION_FIRST)
    return first, point.kind == ANALOG


def hindrances(model: StationModel, point: PointInfo, read: Callable[[str], Reading]) -> list[str]:
    """Return why a command will probably be refused, as the points show it now.

    Parameters
    ----------
    point : PointInfo
        The control or setpoint.
    read : callable
        Gives the reading of a tag; only what holds now counts.
    """
    beside = {p.attr: p.tag for p in model.devices.get(point.device, ()) if p.kind != CONTROL}
    found = []
    for lock in LOCKS:
        tag = beside.get(lock.attr)
        if tag is None or (lock.templates and point.template not in lock.templates):
            continue
        if point.attr == lock.attr or (lock.commands and point.attr not in lock.commands):
            continue
        if _number(read(tag)) == lock.when:
            found.append(lock.text)
    if point.template in ARMED_KINDS and point.attr == "apply" and _number(read(ARMED)) == 0.0:
        found.append("the laboratory is not armed")
    return found


def has_value(point: PointInfo, read: Callable[[str], Reading], value: float) -> bool:
    """Tell whether a setpoint has a value already: the plant takes it all the same."""
    return _number(read(point.tag)) == value


def needs(model: StationModel, device: str) -> tuple[str, ...]:
    """Return every tag that an operator at a device has to see."""
    points = model.devices.get(device, ())
    tags = [p.tag for p in points if p.kind != CONTROL]
    if points and points[0].template in ARMED_KINDS:
        tags.append(ARMED)
    return tuple(tags)


def effect(model: StationModel, point: PointInfo, wanted: float | None = None) -> tuple[str, float] | None:
    """Return tag and value that show that a command was carried out, None where nothing does.

    Parameters
    ----------
    wanted : float or None
        Value of a setpoint. Where nothing follows it, it shows itself.
    """
    kind = point.template, point.attr
    if wanted is None:
        found, own = EFFECTS.get(kind), None
    else:
        found, own = (FOLLOWS[kind], wanted) if kind in FOLLOWS else None, (point.tag, wanted)
    if found is None:
        return own
    attr, value = found
    tags = [p.tag for p in model.devices[point.device] if p.attr == attr and p.kind != CONTROL]
    return (tags[0], value) if tags else own


def problem_of_value(point: PointInfo, text: str) -> str:
    """Return what is wrong with a setpoint's value as it was typed, empty for nothing."""
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return "a number is wanted" if text.strip() else ""
    if not point.minimum <= value <= point.maximum:
        return f"outside {range_text(point)}"
    if point.attr in WHOLE and value % 1.0:
        return "a whole number is wanted"
    return ""


def range_text(point: PointInfo) -> str:
    """Return the range of a setpoint with its unit."""
    return f"{point.minimum:g} to {point.maximum:g} {point.unit}".rstrip()


def is_same(written: float, read: float) -> bool:
    """Tell whether what is read back is what was written, but for the rounding of a float32."""
    return abs(written - read) <= 1e-6 * max(1.0, abs(written), abs(read))


def _number(reading: Reading) -> float | None:
    return reading.number if reading.is_usable else None
