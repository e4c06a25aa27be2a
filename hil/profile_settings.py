"""What the ``[profile]`` table of a station file and a profile folder's ``profile.toml`` may say."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

from hil.settings_errors import Section
from hil.settings_types import Moment, Offset

PowerUnit = Literal["W", "kW"]
ReactiveUnit = Literal["var", "kvar"]

FACTOR = {"W": 1.0, "kW": 1000.0, "var": 1.0, "kvar": 1000.0}
"""Unit -> SI unit."""

Positive = Annotated[float, Field(gt=0)]


class ProfileSettings(Section):
    """The ``[profile]`` table: a profile's name, or a user's own tables."""

    name: str | None = None
    """Name of a folder in config/profiles, or the path of a profile folder."""
    file: str | None = None
    """One CSV or Parquet file with columns <load>.p and <load>.q."""
    p_file: str | None = None
    """CSV or Parquet file of active power, one column per load."""
    q_file: str | None = None
    """CSV or Parquet file of reactive power, one column per load."""
    power_factor: Annotated[float, Field(gt=0, le=1)] | None = None
    """Instead of q_file: one lagging power factor for every load and row."""
    p_unit: PowerUnit | None = None
    """Unit of active power."""
    q_unit: ReactiveUnit | None = None
    """Unit of reactive power."""
    start: Moment | None = None
    """Start of the first row, for tables without a time column."""
    step_s: Positive | None = None
    """Length of one row [s], for tables without a time column."""
    utc_offset: Offset | None = None
    """UTC offset of time stamps that carry none, like '-06:00'."""
    repeat: bool = False
    """Start over at the end. A profile of a full year always does."""

    @pydantic.model_validator(mode="after")
    def _is_complete(self) -> ProfileSettings:
        wrong = _contradictions(self)
        if wrong:
            raise ValueError("; ".join(wrong))
        return self


def stand_in(raw: Any) -> ProfileSettings | None:
    """Return settings to look into the tables of a ``[profile]`` that has mistakes of its own.

    Units and the power factor are any that are allowed: they do not matter for finding wrong
    cells. None where the mistakes leave nothing to be read.
    """
    if not isinstance(raw, dict):
        return None
    kept = {k: raw[k] for k in ("file", "p_file", "q_file", "start", "step_s", "utc_offset") if k in raw}
    kept |= {"p_unit": "W", "q_unit": "var"}
    if "file" not in kept and "q_file" not in kept:
        kept["power_factor"] = 1.0
    if "name" in raw:
        kept = {"name": raw["name"]}
    try:
        return ProfileSettings.model_validate(kept)
    except pydantic.ValidationError:
        return None


def _contradictions(s: ProfileSettings) -> list[str]:
    tables = ("file", "p_file", "q_file", "power_factor", "p_unit", "q_unit", "start", "step_s", "utc_offset")
    given = [k for k in tables if getattr(s, k) is not None]
    if s.name is not None:
        return [
            f"name and {', '.join(given)} exclude each other: a named profile states these itself"
        ] * bool(given)
    if s.file is None and s.p_file is None:
        return ["nothing names the data; give name, or file, or p_file with q_file"]
    wrong = []
    if s.file is not None and (s.p_file or s.q_file or s.power_factor is not None):
        wrong.append("file excludes p_file, q_file and power_factor: it holds <load>.p and <load>.q columns")
    elif s.file is None and (s.q_file is None) == (s.power_factor is None):
        wrong.append("p_file needs exactly one of q_file and power_factor beside it")
    if s.p_unit is None:
        wrong.append("p_unit is missing; one of W, kW")
    if s.q_unit is None and s.power_factor is None:
        wrong.append("q_unit is missing; one of var, kvar")
    if (s.start is None) != (s.step_s is None):
        wrong.append("start and step_s belong together: give both, or neither and a time column")
    return wrong


class PowerTable(Section):
    """Active power table of a profile folder."""

    file: str
    unit: PowerUnit
    sha256: str | None = None


class ReactiveTable(Section):
    """One source of reactive power: values, power factors [%] or ratios Q/P."""

    file: str
    unit: Literal["var", "kvar", "pf_pct", "tan_phi"]
    sha256: str | None = None
    column: str | None = None
    """One column that holds for all of ``loads``; else one column per load."""
    loads: str | None = None
    """Pattern of load names that ``column`` holds for, like ``load_3*``."""

    @pydantic.model_validator(mode="after")
    def _pairs(self) -> ReactiveTable:
        if (self.column is None) != (self.loads is None):
            raise ValueError("column and loads belong together")
        if self.column is not None and self.unit in ("var", "kvar"):
            raise ValueError("a column for many loads must be a ratio (pf_pct or tan_phi), not a power")
        return self


class ReplacedTable(Section):
    """Columns that stand in for those of the base profile."""

    quantity: Literal["p", "q"]
    file: str
    unit: Literal["W", "kW", "var", "kvar"]
    sha256: str | None = None

    @pydantic.model_validator(mode="after")
    def _units_fit(self) -> ReplacedTable:
        if (self.quantity == "p") != (self.unit in ("W", "kW")):
            raise ValueError(f"unit {self.unit!r} does not fit quantity {self.quantity!r}")
        return self


class ProfileFile(Section):
    """``profile.toml`` of a profile folder that holds its own tables."""

    title: str
    start: Moment
    step_s: Positive
    p: PowerTable
    q: Annotated[tuple[ReactiveTable, ...], Field(min_length=1, strict=False)]


class OverlayFile(Section):
    """``profile.toml`` of a profile that is another one with some columns replaced."""

    title: str
    base: str
    replace: Annotated[tuple[ReplacedTable, ...], Field(min_length=1, strict=False)]
