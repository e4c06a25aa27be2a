"""Tables of an attack file as pydantic sections."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from estimation.attacks import Kind, Place
from hil.settings_errors import Section
from hil.settings_types import NAME

Name = Annotated[str, Field(pattern=f"^{NAME}$")]
Patterns = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(strict=False)]
Some = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1, strict=False)]

WireProtocol = Literal["modbus", "opcua", "both"]

FIGURES = ("sigma", "offset", "factor", "per_s", "limit", "window_s", "delay_s", "probability", "gain")
"""Keys of an attack that are parameters of its kind; which belong to which is in ``estimation.attacks``."""


class AttacksSection(Section):
    """What the file is and for which station."""

    name: Name
    """Name, used for reports."""
    title: str = ""
    """For people."""
    description: str = ""
    """For people; paragraphs."""
    station: str
    """Station whose points are attacked, by name or file."""
    seed: Annotated[int, Field(ge=0)] = 1
    """Of whatever an attack draws."""


class ModelSection(Section):
    """What the attacker of a stealthy or topology attack knows and wants to be believed."""

    telemetry: str = "realistic"
    """Telemetry set that the attacker reads, by name or path."""
    buses: Some = ("*",)
    """Patterns of the buses whose load is to be believed otherwise."""
    factor: Annotated[float, Field(ge=0, le=10)] = 1.0
    """Their load times this."""
    error_pct: Annotated[float, Field(ge=0, lt=100)] = 0.0
    """Error of the attacker's line lengths, uniform in +- this [%]."""
    flipped: Patterns = ()
    """Switches that are to be believed in the other position."""


class CommandSection(Section):
    """One unauthorised command, or several of the kind."""

    tag: str
    """Point that is written."""
    value: float | None = None
    """What is written; or:"""
    values: Annotated[tuple[float, ...], Field(strict=False)] = ()
    """What is written one after the other, over and over."""
    at_s: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    """Time after the start of the attack [s]."""
    repeat: Annotated[int, Field(ge=1, le=10_000)] = 1
    """How often it is written."""
    every_s: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    """Between two writes [s]."""


class AttackSection(Section):
    """One attack."""

    name: Name
    """Name in the ground truth."""
    kind: Annotated[Kind, Field(strict=False)]
    """What it does."""
    place: Annotated[Place, Field(strict=False)]
    """Where: "instrument", "board" (between the plant and its servers) or "wire"."""
    points: Patterns = ()
    """Tags or patterns of the points it changes."""
    start_s: Annotated[float, Field(ge=0, le=1e7)] = 0.0
    """Time after arming, or after the start of the command [s]."""
    duration_s: Annotated[float, Field(gt=0, le=1e7)] | None = None
    """How long it lasts [s]; default: to the end."""
    protocol: WireProtocol = "modbus"
    """On the wire: whose frames it changes, "modbus", "opcua" (without encryption) or "both"."""
    writes: bool = False
    """On the wire, by Modbus: it changes what masters write, not what they read."""
    sigma: float | None = None
    """random: standard deviation [unit of the point]."""
    offset: float | None = None
    """bias: what is added [unit of the point]."""
    factor: float | None = None
    """scale: what is multiplied by."""
    per_s: float | None = None
    """ramp: what is added each second [unit of the point/s]."""
    limit: float | None = None
    """ramp: size at which it is held [unit of the point]."""
    window_s: float | None = None
    """replay: length of what is played again [s]."""
    delay_s: float | None = None
    """delay: age of what is shown [s]."""
    probability: float | None = None
    """dropout: share of the scans that are lost."""
    gain: float | None = None
    """stealthy, topology: share of the computed change."""
    statuses: dict[str, Literal[0, 1]] = {}
    """topology: what status points show."""
    model: ModelSection | None = None
    """stealthy, topology: the attacker's knowledge and aim."""
    command: Annotated[tuple[CommandSection, ...], Field(strict=False)] = ()
    """command: what is written."""

    def figures(self) -> dict[str, float]:
        """Return the parameters that are given."""
        return {n: float(getattr(self, n)) for n in FIGURES if getattr(self, n) is not None}
