"""From component attributes (SI) to points (their own unit): units from names, prefixes, factors."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rtcore.points import Point

PREFIXES = {"": 1.0, "k": 1e3, "M": 1e6, "m": 1e-3, "u": 1e-6}
"""Decimal prefixes a unit name may carry."""

BASE_UNITS = (
    "", "V", "A", "W", "var", "VA", "Wh", "Hz", "Hz/s", "W/m2", "m", "m/s", "s", "h", "pu", "%", "degC", "K",
    "deg", "rad", "ohm", "tap", "step",
)  # fmt: skip
"""Units that prefixes apply to; anything else in ``rtcore.units`` is prefix + one of these."""

SUFFIX_UNITS = {
    "hz": "Hz", "pu": "pu", "v": "V", "a": "A", "w": "W", "var": "var", "va": "VA",
    "s": "s", "ms": "ms", "us": "us", "pct": "%", "degc": "degC", "wh": "Wh", "m": "m", "k": "K", "h": "h",
    "deg": "deg", "rad": "rad", "ohm": "ohm", "hz_s": "Hz/s", "w_m2": "W/m2", "m_s": "m/s",
}  # fmt: skip
"""Unit suffix of an attribute name -> unit."""

FLAGS = ("is_", "has_")
"""A name that begins so is a flag, whatever it ends in."""

NAMED_UNITS = {"tap": "tap", "seen_tap": "tap", "step": "step", "burst": "step", "scale": "pu"}
"""Attributes whose name has no unit suffix but whose value has a unit."""


def split_unit(unit: str) -> tuple[float, str]:
    """Return (multiple, base unit), e.g. ``"kW"`` -> (1000.0, ``"W"``)."""
    if unit in BASE_UNITS:
        return 1.0, unit
    if unit[:1] in PREFIXES and unit[1:] in BASE_UNITS:
        return PREFIXES[unit[:1]], unit[1:]
    raise ValueError(f"unit {unit!r} is not a prefix ({' '.join(filter(None, PREFIXES))}) and a base unit")


def attr_unit(attr: str) -> str:
    """Return the unit that an attribute name states: ``p1_w`` -> W, ``v_pu_sp`` -> pu, ``ops`` -> none."""
    stem = attr.removeprefix("-").removesuffix("_sp")
    if stem.startswith(FLAGS):
        return ""
    if stem in NAMED_UNITS:
        return NAMED_UNITS[stem]
    for pattern in (r"_([a-z]+_[a-z0-9]+)$", r"_([a-z]+)$"):  # compound suffixes first: w_m2, hz_s
        match = re.search(pattern, stem)
        if match and match[1] in SUFFIX_UNITS:
            return SUFFIX_UNITS[match[1]]
    return ""


def factor_of(attr: str, unit: str) -> float:
    """Return point value / attribute value; a leading ``-`` of the attribute turns the sign.

    Raises
    ------
    ValueError
        When the point's unit does not measure what the attribute is.
    """
    (have, have_base), (want, want_base) = split_unit(attr_unit(attr)), split_unit(unit)
    if have_base != want_base:
        allowed = f"{have_base!r} or a multiple of it" if have_base else "''"
        raise ValueError(f"unit {unit!r} does not fit attribute {attr!r}; allowed is {allowed}")
    return have / want * (-1.0 if attr.startswith("-") else 1.0)


def factors(points: Sequence[Point]) -> npt.NDArray[np.float64]:
    """Return point value / attribute value (unit and sign) of every point, shape (n,)."""
    return np.array([factor_of(p.attr, p.unit) for p in points], np.float64)
