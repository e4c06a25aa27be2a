"""Attacks at instruments as the station tells them: which slot falsifies which point, and what is true."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Callable

from hil.view.code_words import words_of
from hil.view.model import StationModel
from hil.view.reading import Reading

ATTACK = "attack"
WATCHED = ("ACTIVE", "TARGET", "MODE")
OF_ACTIVE = ("TRUE_VALUE", "LEFT_S")


@dc.dataclass(frozen=True, slots=True)
class SlotAttack:
    """A slot that falsifies a point now."""

    slot: str
    target: str
    """Tag, empty where there is none of that number."""
    mode: str
    true_tag: str
    left_tag: str


def active_slots(model: StationModel, reading: Callable[[str], Reading]) -> list[SlotAttack]:
    """Return what the slots do now; those whose state is not known are left out."""
    tags = list(model.points)
    found = []
    for slot in model.of_template(ATTACK):
        if not reading(f"{slot}.ACTIVE").is_on:
            continue
        number = int(reading(f"{slot}.TARGET").number or 0)
        target = tags[number - 1] if 0 < number <= len(tags) else ""
        mode = words_of(model.points.get(f"{slot}.MODE"), reading(f"{slot}.MODE"))
        found.append(SlotAttack(slot, target, mode, f"{slot}.TRUE_VALUE", f"{slot}.LEFT_S"))
    return found
