"""One line of the doctor's report."""

from __future__ import annotations

import dataclasses as dc
from typing import Literal

Status = Literal["ok", "warn", "fail"]


@dc.dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, what was found, and what to do about it (empty when all is well)."""

    area: str
    name: str
    status: Status
    value: str
    advice: str = ""


def check(area: str, name: str, is_well: bool, value: str, advice: str, otherwise: Status = "warn") -> Check:
    """Return a check that is ok, or ``otherwise`` with its advice."""
    return Check(area, name, "ok", value) if is_well else Check(area, name, otherwise, value, advice)
