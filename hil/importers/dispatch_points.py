"""Point templates of the dispatcher, made from its declarations, and its devices.

``python -m hil.importers.dispatch_points`` writes the templates into config/points/templates; the devices
come with the resources (``hil.importers.iowa_der``).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from forecasting.dispatch.outputs import INSTANCE, KINDS, State
from hil.importers.protection_points import device, templates_folder
from hil.importers.published_template import in_kw, published_template, without
from rtcore.component import REGISTRY, Attr

UNIT = 10
"""Modbus unit of the dispatcher; nobody writes there."""

SERVICE_IR, PLAN_IR, PLAN_SPAN = 100, 1000, 200
COUNT_MAX = 2**32 - 1
COUNTS = ("n_plans", "n_failures", "number", "tap_operations")
RANGES = {
    "kW": (-1_000_000, 1_000_000),
    "%": (-10, 110),
    "h": (0, 1_000_000_000),
    "ms": (0, 1_000_000),
    "s": (-1_000_000, 1_000_000_000),
    "": (-1_000_000_000, 1_000_000_000),
}
DESCRIPTIONS = {
    "dispatcher": "dispatcher: what it does, what its plans said and what came of them",
    "dispatch_plan": "plan of the steps ahead: of a battery, or of the station",
}
SOC = tuple(f"soc{k}_pct" for k in range(1, 25))
IMPORT = tuple(f"import{k}_w" for k in range(1, 25))
TEMPLATES = {
    "dispatcher": ("dispatcher", ()),
    "dispatch_plan": ("dispatch_plan", IMPORT),
    "dispatch_plan_station": ("dispatch_plan", SOC),
}
"""Template -> kind, and the attributes that have no points."""


def template(name: str) -> str:
    """Return the text of a template."""
    kind, hidden = TEMPLATES[name]
    return published_template(
        DESCRIPTIONS[kind],
        [a for a in REGISTRY[kind].attrs if a.name not in hidden],
        name=lambda attr: without(attr, "_w", "_pct", "_s", "_h"),
        number=_number,
        unit=in_kw,
    )


def _number(attr: Attr) -> tuple[int, int, str]:
    """Return lowest and highest value and the format of the registers."""
    if attr.name == "state":
        return 0, max(State), "uint32"
    if attr.name in COUNTS:
        return 0, COUNT_MAX, "uint32"
    return *RANGES[in_kw(attr.unit)], "float32"


def rows(batteries: Sequence[str]) -> list[dict[str, str]]:
    """Return the rows of devices.csv: the dispatcher, the station's plan, those of its batteries."""
    made = [device("DISP.SVC", "dispatcher", f"dispatcher.{INSTANCE}", UNIT, ir=SERVICE_IR)]
    made.append(device("DISP.PLAN", "dispatch_plan_station", f"dispatch_plan.{INSTANCE}", UNIT, ir=PLAN_IR))
    for k, name in enumerate(batteries, 1):
        at = PLAN_IR + PLAN_SPAN * k
        made.append(device(f"DISP.{name.upper()}", "dispatch_plan", f"dispatch_plan.{name}", UNIT, ir=at))
    return made


def main() -> None:
    """Write the templates."""
    assert set(KINDS) == {kind for kind, _ in TEMPLATES.values()}
    folder = templates_folder()
    for name in TEMPLATES:
        (folder / f"{name}.toml").write_text(template(name), encoding="utf-8")
    sys.stdout.write(f"{len(TEMPLATES)} templates in {folder}\n")


if __name__ == "__main__":
    main()
