"""What a station forecasts: its targets and the points each is measured by."""

from __future__ import annotations

import dataclasses as dc
import fnmatch
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from hil.point_units import split_unit
from hil.runspec import RunSpec
from hil.settings import Station
from hil.settings_sections import ForecastSection
from rtcore.errors import Problem, UserInputError, did_you_mean
from rtcore.points import Kind, Point
from rtcore.published import instance_of

Floats = npt.NDArray[np.float64]

SUN = "solar"
"""Target that is the sum of all photovoltaic sites."""


@dc.dataclass(frozen=True, slots=True)
class Target:
    """One quantity that is forecast.

    Attributes
    ----------
    tags : tuple of str
        Points that are added up.
    signs : tuple of float
        1 or -1 for each.
    is_sun : bool
        Photovoltaic: of one site, or the sum of all.
    """

    name: str
    tags: tuple[str, ...]
    signs: tuple[float, ...]
    is_sun: bool = False


def targets_of(
    settings: ForecastSection, points: Sequence[Point], file: str
) -> tuple[list[Target], list[Problem]]:
    """Return the targets of a station in the order in which they are named, and what is wrong with them.

    Parameters
    ----------
    points : sequence of Point
        Those of the core.
    file : str
        The station file, for problems.
    """
    analogs = {p.tag: p for p in points if p.kind is Kind.ANALOG}
    problems = list[Problem]()
    found = list[Target]()
    for name, load in settings.loads.items():
        place = f"forecast.loads.{name}.measured"
        signed = [s for given in load.measured for s in _signed(given, analogs, file, place, problems)]
        for twice in sorted({t for t, _ in signed if [u for u, _ in signed].count(t) > 1}):
            problems.append(Problem(file, place, f"{twice} is named twice"))
        if signed:
            tags, signs = zip(*signed, strict=True)
            found.append(Target(name, tags, signs))
    if settings.sun is not None:
        found += _sun(settings, analogs, file, problems)
    names = [t.name for t in found]
    for name in {n for n in names if names.count(n) > 1}:
        problems.append(Problem(file, f"forecast.loads.{name}", "a photovoltaic target has the same name"))
    return found, problems


def _signed(
    given: str, analogs: dict[str, Point], file: str, place: str, problems: list[Problem]
) -> Iterator[tuple[str, float]]:
    tag, sign = given.removeprefix("-"), -1.0 if given.startswith("-") else 1.0
    matching = [t for t in analogs if fnmatch.fnmatchcase(t, tag)]
    if not matching:
        problems.append(Problem(file, place, f"no analog point {tag!r}{did_you_mean(tag, analogs)}"))
    for t in matching:
        if analogs[t].unit not in ("W", "kW", "MW"):
            what = f"{t} is in {analogs[t].unit or 'no unit'}; powers are forecast"
            problems.append(Problem(file, place, what))
        yield t, sign


def _sun(
    settings: ForecastSection, analogs: dict[str, Point], file: str, problems: list[Problem]
) -> Iterator[Target]:
    assert settings.sun is not None
    if settings.sun.total is not None:
        signed = list(_signed(settings.sun.total, analogs, file, "forecast.sun.total", problems))
        if signed:
            tags, signs = zip(*signed, strict=True)
            if not analogs[tags[0]].source.startswith("pv_fleet."):
                what = f"{tags[0]} is no sum of photovoltaic sites"
                problems.append(Problem(file, "forecast.sun.total", what))
            yield Target(SUN, tags, signs, is_sun=True)
    for tag, _ in _signed(settings.sun.sites, analogs, file, "forecast.sun.sites", problems):
        point = analogs[tag]
        if not point.source.startswith("pv."):
            problems.append(Problem(file, "forecast.sun.sites", f"{tag} is of no photovoltaic site"))
        yield Target(instance_of(point), (tag,), (1.0,), is_sun=True)


@dc.dataclass(frozen=True, slots=True)
class Measured:
    """How targets follow from a snapshot of the core: each the sum of some points.

    Attributes
    ----------
    names : tuple of str
    points : tuple of int arrays
        Positions in the core's list, for each target.
    factors : tuple of float arrays
        Sign, and watts over the point's unit.
    """

    names: tuple[str, ...]
    points: tuple[npt.NDArray[np.intp], ...]
    factors: tuple[Floats, ...]

    @classmethod
    def of(cls, targets: list[Target], core: list[Point]) -> Measured:
        """Return it for the points of the core."""
        at = {p.tag: k for k, p in enumerate(core)}
        points = tuple(np.array([at[tag] for tag in t.tags], np.intp) for t in targets)
        watts = [[split_unit(core[k].unit)[0] for k in p] for p in points]
        factors = tuple(np.array(t.signs) * np.array(w) for t, w in zip(targets, watts, strict=True))
        return cls(tuple(t.name for t in targets), points, factors)

    def take(self, values: Floats, good: npt.NDArray[np.bool_]) -> Floats:
        """Return each target [W]; NaN where a point of it is not good."""
        return np.array(
            [
                float(values[p] @ f) if good[p].all() else np.nan
                for p, f in zip(self.points, self.factors, strict=True)
            ]
        )


def measured_of(spec: RunSpec, station: Station) -> Measured:
    """Return what the forecaster of a run measures."""
    settings = station.forecast
    assert settings is not None
    core = spec.points[: spec.n_core]
    targets, problems = targets_of(settings, core, str(station.path))
    if problems:
        raise UserInputError(problems)
    return Measured.of(targets, core)
