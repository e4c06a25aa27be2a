"""How values and happenings of a run are said to people."""

from __future__ import annotations

from hil.scenario import Happening
from rtcore.commands import Reason
from rtcore.points import Point
from rtcore.ring import EVENT_COMMAND, EVENT_FP, EVENT_NOT_CONVERGED, EVENT_STATUS, bits_float


def show(point: Point, value: float) -> str:
    """Return a value of a point: the name of its state, or number and unit."""
    if point.states is not None and value in (0.0, 1.0):
        return point.states[int(value)]
    return f"{value:.6g} {point.unit}".rstrip()


def happening_text(h: Happening, point: Point | None) -> str:
    """Return what one record of the event ring says."""
    if h.kind == EVENT_STATUS and point is not None:
        return f"{show(point, h.old)} -> {show(point, h.new)}"
    if h.kind == EVENT_COMMAND:
        value = bits_float(h.new)
        wish = show(point, value) if point is not None else f"{value:.6g}"
        reason = Reason(h.old)
        said = "done" if reason is Reason.DONE else f"refused ({reason.name.lower()})"
        return f"command {wish}: {said}"
    if h.kind == EVENT_NOT_CONVERGED:
        return f"power flow did not converge after {h.new} iterations"
    if h.kind == EVENT_FP:
        return "floating-point exception flag"
    return f"event of kind {h.kind}: {h.old} -> {h.new}"
