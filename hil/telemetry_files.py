"""Telemetry sets, ``config/telemetry/<set>.toml``: which points of a station a control centre has, how often.

    title = "Substation, feeder heads, a quarter of the meters"
    points = "iowa240-prot"            # list that it is written for; others with these tags will do
    extends = "realistic"              # everything of another set as well

    [[read]]
    tags = ["SUB.T1.*", "FDR_?.HEAD.*"]
    but_not = ["FDR_?.HEAD.Q"]
    period_s = 0                       # in every scan

    [[read]]
    tags = ["FDR_A.M1003.*"]
    period_s = 900                     # a service meter, every 15 minutes

    [status]
    tags = ["*.ST_52A", "*.FUSE_*.BLOWN_?", "*.REG_?.TAP", "*.CAP_*.ST"]

In a pattern ``*`` is any text, dots included, ``?`` any character, ``[ab]`` one of these. What a point
measures: ``telemetry_channels``. Every problem comes in one report.

caller       function           files read
station      survey_telemetry   the set and those that it extends, with the station's points
estimator    telemetry_of       the same, and a problem is an error
check        check_telemetry    the set, with its own point list, no network
importers    channel_tags       the same
"""

from __future__ import annotations

import dataclasses as dc
import re
from collections.abc import Callable, Iterator, Sequence
from fnmatch import translate
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field

from estimation.channels import Channel, Telemetry
from hil import paths
from hil.point_files import read_points
from hil.settings_errors import Section, check_model, load_toml
from hil.station import Plan
from hil.telemetry_channels import (
    Binder,
    NoMeasurementError,
    contacts_of,
    poles_listed,
    poles_of,
    repeated,
    repeated_tags,
    why_not_measured,
)
from rtcore.errors import Problem, UserInputError, did_you_mean
from rtcore.points import Point

Patterns = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1, strict=False)]
DAY_S = 86_400.0


class ReadSection(Section):
    """Points that are read alike."""

    tags: Patterns
    """Patterns of tags."""
    but_not: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Patterns of those that are left out."""
    period_s: Annotated[float, Field(ge=0, le=DAY_S)] = 0.0
    """How often they are fetched [s]; 0 is in every scan."""


class StatusSection(Section):
    """Positions of switches, taps and capacitors."""

    tags: Patterns
    """Patterns of tags."""
    but_not: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Patterns of those that are left out."""


class TelemetryFile(Section):
    """One telemetry set."""

    title: str = ""
    """For people."""
    points: str
    """Point list that it is written for, by name or path."""
    extends: str = ""
    """Telemetry set whose points are part of this one, by name or path."""
    read: Annotated[tuple[ReadSection, ...], Field(strict=False)] = ()
    """Points that are measured."""
    status: StatusSection | None = None
    """Points that tell how things are switched."""


@dc.dataclass(frozen=True, slots=True)
class _Layer:
    """One file of a set and those that it extends."""

    path: Path
    data: TelemetryFile

    def groups(self) -> Iterator[tuple[str, ReadSection | StatusSection]]:
        """Yield the place and the section of every list of tags."""
        yield from ((f"read[{k}]", section) for k, section in enumerate(self.data.read))
        if self.data.status is not None:
            yield "status", self.data.status


def telemetry_of(plan: Plan, name_or_path: str, near: Path | None = None) -> Telemetry:
    """Return a telemetry set of a station.

    Parameters
    ----------
    name_or_path : str
        Name of a shipped set, or the path of a file.
    near : Path, optional
        Folder that a path is relative to; default the working directory.

    Raises
    ------
    UserInputError
        With every problem found.
    """
    telemetry, problems = survey_telemetry(paths.find("telemetry", name_or_path, near), plan)
    if telemetry is None:
        raise UserInputError(problems)
    return telemetry


def survey_telemetry(path: Path, plan: Plan) -> tuple[Telemetry | None, list[Problem]]:
    """Read a set for a station; None where there is any problem."""
    layers, problems = _layers(path)
    points = plan.points.core
    binder, channels, states = Binder(plan), list[Channel](), dict[int, tuple[str, str]]()
    for layer in layers:
        for place, section in layer.groups():
            at, wrong = _matches(layer, place, section, points)
            problems += wrong
            if isinstance(section, StatusSection):
                states |= {i: (str(layer.path), f"{place}.tags") for i in at}
                continue
            for i in at:
                try:
                    channels.append(binder.channel(i, section.period_s))
                except NoMeasurementError as error:
                    what = f"{points[i].tag} {error}"
                    problems.append(Problem(str(layer.path), f"{place}.tags", what))
    problems += [Problem(str(path), "read", f"{tag} is read twice") for tag in repeated(channels)]
    switches, taps, capacitors, refused = contacts_of(poles_of(plan.network), plan.points, list(states))
    problems += [Problem(*states[i], f"{points[i].tag}: {why}") for i, why in refused]
    if problems:
        return None, list(dict.fromkeys(problems))
    telemetry = Telemetry(
        name=path.stem,
        title=layers[-1].data.title,
        channels=tuple(channels),
        statuses=switches,
        taps=taps,
        capacitors=capacitors,
    )
    return telemetry, []


def check_telemetry(path: Path) -> list[Problem]:
    """Return what is wrong with a set by itself, as far as its point list tells.

    Keys, patterns that match nothing, points that are no measurement or no contact in any network, points
    that are read twice, breakers and fuses whose contacts do not fit together.
    """
    return _expand(path)[1]


def channel_tags(name_or_path: str) -> list[str]:
    """Return the tags of a set's measured points, in its order, from its own point list.

    Raises
    ------
    UserInputError
        With every problem found.
    """
    tags, problems = _expand(paths.find("telemetry", name_or_path))
    if problems:
        raise UserInputError(problems)
    return tags


def _expand(path: Path) -> tuple[list[str], list[Problem]]:
    """Return the tags that are read, each once, and every problem."""
    layers, problems = _layers(path)
    tags: list[str] = []
    for layer in layers:
        try:
            listed = read_points(paths.find("points", layer.data.points, layer.path.parent), None)
        except UserInputError as error:
            problems += error.problems
            continue
        states: dict[int, str] = {}
        for place, section in layer.groups():
            at, wrong = _matches(layer, place, section, listed.core)
            problems += wrong
            if isinstance(section, StatusSection):
                states |= dict.fromkeys(at, f"{place}.tags")
                continue
            tags += [listed.core[i].tag for i in at]
            for point in (listed.core[i] for i in at):
                if why := why_not_measured(point):
                    problems.append(Problem(str(layer.path), f"{place}.tags", f"{point.tag} {why}"))
        for i, why in contacts_of(poles_listed(listed), listed, list(states))[3]:
            problems.append(Problem(str(layer.path), states[i], f"{listed.core[i].tag}: {why}"))
    problems += [Problem(str(path), "read", f"{tag} is read twice") for tag in repeated_tags(tags)]
    return list(dict.fromkeys(tags)), list(dict.fromkeys(problems))


def _layers(path: Path) -> tuple[list[_Layer], list[Problem]]:
    """Return the sets that a file is made of, the lowest first."""
    found: list[_Layer] = []
    problems: list[Problem] = []
    at: Path | None = path
    while at is not None:
        raw, wrong = load_toml(at)
        data, more = (None, []) if wrong else check_model(TelemetryFile, raw, str(at))
        problems += wrong + more
        if data is None:
            data = None if wrong else _what_is_right(raw)
        if data is None:
            break
        found.insert(0, _Layer(at, data))
        at, wrong = _below(found[0], [x.path.resolve() for x in found])
        problems += wrong
    if not problems and not any(True for x in found for _ in x.groups()):
        problems.append(Problem(str(path), "read", "the set reads nothing; at least one [[read]] is needed"))
    return found, problems


def _what_is_right(raw: dict[str, Any]) -> TelemetryFile | None:
    """Return what can be read of a file with wrong keys or values, so that the rest of it is checked too."""
    good = {k: raw[k] for k in ("title", "points", "extends") if isinstance(raw.get(k), str)}
    if "points" not in good:
        return None
    rows = raw.get("read")
    sections = [_section(ReadSection, row) for row in rows] if isinstance(rows, list) else []
    status = _section(StatusSection, raw.get("status"))
    # A section without usable tags keeps its place: places count them.
    read = tuple(s or ReadSection.model_construct(tags=()) for s in sections)
    return TelemetryFile(**good).model_copy(update={"read": read, "status": status})


SectionT = TypeVar("SectionT", ReadSection, StatusSection)


def _section(model: type[SectionT], row: object) -> SectionT | None:
    """Return the section that the tags of a table make; None where they cannot be read."""
    if not isinstance(row, dict):
        return None
    known = {k: row[k] for k in ("tags", "but_not") if k in row}
    return check_model(model, known, "")[0]


def _below(layer: _Layer, above: Sequence[Path]) -> tuple[Path | None, list[Problem]]:
    """Return the file that a set extends."""
    if not layer.data.extends:
        return None, []
    try:
        path = paths.find("telemetry", layer.data.extends, layer.path.parent)
    except paths.NotFoundError as error:
        return None, [Problem(str(layer.path), "extends", error.what)]
    if path.resolve() in above:
        return None, [Problem(str(layer.path), "extends", f"{layer.data.extends!r} extends this set itself")]
    return path, []


def _matches(
    layer: _Layer, place: str, section: ReadSection | StatusSection, points: Sequence[Point]
) -> tuple[list[int], list[Problem]]:
    """Return the points that the patterns of one section choose; a pattern without any is a problem."""
    chosen: dict[int, None] = {}
    problems = []
    tags = [p.tag for p in points]
    for k, pattern in enumerate(section.tags):
        is_like = _like(pattern)
        at = [i for i, tag in enumerate(tags) if is_like(tag)]
        chosen |= dict.fromkeys(at)
        if not at:
            problems.append(_no_match(layer.path, f"{place}.tags[{k}]", pattern, points))
    for k, pattern in enumerate(section.but_not):
        if not any(map(_like(pattern), (tags[i] for i in chosen))):
            what = f"no chosen tag is like {pattern!r}"
            problems.append(Problem(str(layer.path), f"{place}.but_not[{k}]", what))
    unwanted = [_like(pattern) for pattern in section.but_not]
    return [i for i in chosen if not any(is_like(tags[i]) for is_like in unwanted)], problems


def _like(pattern: str) -> Callable[[str], object]:
    """Return what tells whether a tag is like a pattern, as ``fnmatch.fnmatchcase`` does, but quicker."""
    return re.compile(translate(pattern)).match


def _no_match(path: Path, place: str, pattern: str, points: Sequence[Point]) -> Problem:
    device, _, name = pattern.rpartition(".")
    has_wildcard = any(c in name for c in "*?[")
    near = did_you_mean(device, {p.device for p in points}) if has_wildcard else ""
    near = near or did_you_mean(pattern, [p.tag for p in points])
    return Problem(str(path), place, f"no point has a tag like {pattern!r}{near}")
