"""Tables of a range plan as pydantic sections."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field

from estimation.attacks import Place
from hil import attack_sections
from hil.settings_errors import Section
from hil.settings_types import NAME

Name = Annotated[str, Field(pattern=f"^{NAME}$")]
Share = Annotated[float, Field(ge=0, le=1)]
Minutes = Annotated[float, Field(gt=0, le=1440)]
DetectorName = Literal[
    "J", "LNR", "innovation", "innovation_max", "cusum", "ewma", "balance", "freshness", "command"
]
YEAR_DAYS = 365
"""Days that runs are drawn from."""


class RangeSection(Section):
    """What the study is about."""

    name: Name
    """Name, used for files and in CI."""
    title: str = ""
    """For people."""
    description: str = ""
    """For people; paragraphs."""
    station: str
    """Station whose plant is attacked, by name or file."""
    telemetry: str
    """Telemetry set of the control centre, by name or file."""
    seed: Annotated[int, Field(ge=0)] = 1
    """Of days, instruments' errors, noise, and of everything else that is drawn."""
    scan_s: Annotated[float, Field(ge=1, le=900)] = 10.0
    """From scan to scan [s]."""
    step_s: Annotated[float, Field(ge=0.001, le=10)] = 1.0
    """Step of the plant [s]; a whole number of them makes a scan."""


class CleanSection(Section):
    """Runs without attack: thresholds come from some, their false alarms are counted in others."""

    days: Annotated[int, Field(ge=1, le=YEAR_DAYS)] = 5
    """Runs that give the thresholds, each on days of its own."""
    verify_days: Annotated[int, Field(ge=1, le=YEAR_DAYS)] = 5
    """Other runs on other days, in which false alarms are counted."""
    hours: Annotated[float, Field(gt=0, le=24 * 7)] = 24.0
    """Length of each [h], after the warm-up."""
    warm_min: Minutes = 45.0
    """Before it, in which the detectors learn the channels [min]."""
    per_day: Annotated[float, Field(gt=0, le=1000)] = 0.1
    """False alarms per day that the thresholds aim at: below what is to be shown, for some will be seen."""

    @property
    def days_each(self) -> int:
        """Days of the year that one run takes."""
        return max(1, math.ceil(self.hours / 24.0))


class AttackedSection(Section):
    """Runs with attack."""

    seeds: Annotated[int, Field(ge=1, le=YEAR_DAYS)] = 20
    """Days of the year, none of them clean, each with instruments of its own, for every attack."""
    warm_min: Minutes = 90.0
    """Before the attack begins [min]."""
    duration_min: Minutes = 20.0
    """How long an attack lasts that does not say so itself [min]."""


class ModelSection(attack_sections.ModelSection):
    """What an attacker who knows the network wants to be believed; it reads the centre's telemetry."""

    ramp_s: Annotated[float, Field(ge=0, le=86400)] = 0.0
    """The change grows to its whole size in this time, linearly [s]; 0: at once."""


class AttackSection(attack_sections.AttackSection):
    """One attack, carried out on every seed; keys are those of an attack file."""

    title: str = ""
    """For people."""
    place: Annotated[Place, Field(strict=False)] = Place.BOARD
    """Between the plant and the centre."""
    by_operator: bool = False
    """The commands come through the centre's own account and stand in its log."""
    model: ModelSection | None = None
    """Of stealthy and topology attacks."""


class ExpectSection(Section):
    """What the study is to show; without any, it passes when it is done."""

    detector: DetectorName
    """Which one."""
    attack: str = ""
    """Which attack; none: false alarms in the clean runs."""
    min_rate: Share = 0.0
    """Least share of the runs in which it is detected."""
    max_rate: Share = 1.0
    """Largest share of the runs in which it is detected."""
    max_delay_s: Annotated[float, Field(gt=0)] | None = None
    """Longest mean delay of the detected ones [s]."""
    max_false_alarms_per_day: Annotated[float, Field(gt=0)] | None = None
    """Largest one-sided 95 % bound of the rate of false alarms."""
