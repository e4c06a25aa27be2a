"""What the dispatcher publishes: kinds and attributes.

Points bind to these attributes as they bind to those of the plant, but the dispatcher's process writes them:
they stand behind all core points in a station's list and on a board of their own.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

from rtcore.component import Attr, component

KINDS = ("dispatcher", "dispatch_plan")
"""Component kinds whose points the dispatcher's process publishes."""

AHEAD = 24
"""Steps of a plan that have points."""

INSTANCE = "station"
"""Instance of the kind ``dispatcher`` and of the plan of the whole station."""


class State(enum.IntEnum):
    """What the dispatcher does; the number is the point ``state``."""

    STARTING = 0
    WATCHING = 1
    COMMANDING = 2
    NO_FORECAST = 3
    LAST_PLAN = 4
    NO_PLAN = 5


STATE_TEXT = {
    State.STARTING: "starting",
    State.WATCHING: "others command: manual or rules",
    State.COMMANDING: "commands by its newest plan",
    State.NO_FORECAST: "no forecast to plan with",
    State.LAST_PLAN: "planning failed, the last plan goes on",
    State.NO_PLAN: "no plan that covers now",
}
STATE_TABLE = ", ".join(f"{int(number)} {text}" for number, text in STATE_TEXT.items())


def _ahead(name: str, unit: str, what: str) -> Iterable[Attr]:
    suffix = {"W": "w", "%": "pct"}[unit]
    return (Attr(f"{name}{k}_{suffix}", unit, f"{what}, step {k} of the plan") for k in range(1, AHEAD + 1))


@component(
    "dispatcher",
    attrs=(
        Attr("state", "", f"state: {STATE_TABLE}"),
        Attr("n_plans", "", "plans made since the dispatcher's start"),
        Attr("n_failures", "", "plans that could not be made"),
        Attr("number", "", "number of the plan in force"),
        Attr("age_s", "s", "age of the plan in force, of simulated time"),
        Attr("solve_ms", "ms", "time that the solver took for it"),
        Attr(
            "predicted_cost",
            "",
            "what plans said that their steps would cost, as of the prices",
        ),
        Attr("realised_cost", "", "what it came to"),
        Attr("plan_cost", "", "predicted cost of the plan in force over its horizon"),
        Attr("peak_w", "W", "highest demand of the month so far"),
        Attr("peak_planned_w", "W", "demand that the plan means to stay below"),
        Attr("violation_h", "h", "node-hours of services outside the limits while plans were followed"),
        Attr("violation_planned_h", "h", "node-hours that the plan in force leaves outside the limits"),
        Attr("tap_operations", "", "tap changes while plans were followed"),
        Attr("import_next_w", "W", "import planned for the next step"),
    ),
)
class DispatcherOutputs:
    """Dispatcher of the station."""


@component(
    "dispatch_plan",
    attrs=(
        Attr("power_next_w", "W", "power planned for this step"),
        *_ahead("p", "W", "power of the battery"),
        *_ahead("soc", "%", "state of charge at the end"),
        *_ahead("import", "W", "import of the station"),
    ),
)
class DispatchPlan:
    """Plan: an instance is a battery, or ``station``, which alone has the import."""
