"""Processes beside the core that publish points: what kinds are theirs, and their order in a station's list.

Each has a board of its own (``hil.joined_board``). Its points stand behind those of the core, and of the
processes before it.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from rtcore.points import Point
from rtcore.published import kind_of

CORE = ""
ESTIMATOR, FORECASTER, DISPATCHER = "estimator", "forecaster", "dispatcher"
DECLARED_IN: Mapping[str, str] = {
    ESTIMATOR: "estimation.outputs",
    FORECASTER: "forecasting.outputs",
    DISPATCHER: "forecasting.dispatch.outputs",
}
"""Publisher -> module that declares its kinds, in the order of their points."""

KINDS: Mapping[str, tuple[str, ...]] = {
    name: importlib.import_module(module).KINDS for name, module in DECLARED_IN.items()
}
"""Publisher -> component kinds whose points it publishes."""

_BY_KIND = {kind: name for name, kinds in KINDS.items() for kind in kinds}
_ORDER = {name: k for k, name in enumerate((CORE, *KINDS))}


def publisher_of(point: Point) -> str:
    """Return which process publishes a point; ``CORE`` for the plant's."""
    return _BY_KIND.get(kind_of(point), CORE)


def rank(kind: str) -> int:
    """Return the place of a kind's process in a station's list: 0 the core."""
    return _ORDER[_BY_KIND.get(kind, CORE)]


def order(point: Point) -> int:
    """Return the place of a point's process in a station's list."""
    return rank(kind_of(point))
