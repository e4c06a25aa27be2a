"""Means of points over steps of simulated time, from the trends that the recorder wrote of a run.

A row of a trend says that a point left its deadband: until the next row of that point its value holds. Rows
count steps of the core, so that the means are of simulated time whatever the speed of the run was. Time is
not known while a point's quality is bad, before its first row, and while nothing at all was written for
longer than the recorder ever waits: then it did not run, and what it saw last says nothing.
"""

from __future__ import annotations

import dataclasses as dc
import fnmatch
import itertools
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from forecasting.grid import LEAST_SHARE, STEPS_S
from forecasting.history import Wish, history_of_steps
from forecasting.history_report import Report
from forecasting.series import Floats, Ints, Series
from hil import damage
from hil.recorder import trend_files
from hil.recorder.run_folder import FORMAT, RUN, STATION
from hil.recorder.trend_files import FOLDER
from hil.settings_types import offset_s, utc_ns
from rtcore.clock import NS_PER_S
from rtcore.errors import Problem, UserInputError, did_you_mean
from rtcore.quality import BAD_FROM

SILENT_S = 60.0
"""By the wall clock without a row of any point: the recorder, which flushes every ten, did not run [s]."""
READINGS = 3
"""Tries at files that the recorder joins meanwhile."""


@dc.dataclass(frozen=True, slots=True)
class RunClock:
    """Simulated time of a run.

    Attributes
    ----------
    start_ns : int
        At its first step, UTC [ns since 1970].
    offset_s : int
        Of the station's clock from UTC [s].
    dt_ns : int
        Length of a step [ns].
    tags : tuple of str
        Points of the core; those of other processes are in the trends alone.
    """

    start_ns: int
    offset_s: int
    dt_ns: int
    tags: tuple[str, ...]

    @property
    def zone(self) -> str:
        """Offset as a series has it."""
        minutes = round(self.offset_s / 60)
        return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def read_clock(folder: Path) -> RunClock:
    """Return the clock of a run.

    Raises
    ------
    UserInputError
        No folder of a run, or one that is damaged.
    """
    if not (folder / RUN).is_file():
        runs = sorted(p.parent for p in folder.glob(f"*/{RUN}")) or sorted(
            p.parent for p in folder.glob(f"runs/*/{RUN}")
        )
        hint = f"; the latest run in it is {runs[-1]}" if runs else ""
        raise _refused(folder, f"is not the folder of a recorded run (no {RUN} in it){hint}")
    try:
        run = json.loads((folder / RUN).read_text(encoding="utf-8"))
        start = tomllib.loads((folder / STATION).read_text(encoding="utf-8"))["time"]["start"]
        if run["format"] != FORMAT:
            raise _refused(folder / RUN, f"format {run['format']!r}; this version of gridhil reads {FORMAT}")
        return RunClock(utc_ns(start), offset_s(start), int(run["core"]["dt_ns"]), tuple(run["tags"]))
    except OSError as error:
        raise _refused(Path(error.filename), f"cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _refused(folder, f"{RUN} or {STATION} is damaged: {damage.words_of(error)}") from None


def step_means(run_folder: Path, tags: Sequence[str], begin_ns: int, end_ns: int, step_ns: int) -> Floats:
    """Return time-weighted means of points over steps of simulated time.

    Parameters
    ----------
    tags : sequence of str
    begin_ns, end_ns : int
        Begin of the first step; steps end at or before ``end_ns``, simulated UTC [ns since 1970].
    step_ns : int
        [ns]

    Returns
    -------
    ndarray, shape (n_step, n_tag)
        Units of the points; NaN where less than half of a step is known, or a point has no row.

    Raises
    ------
    UserInputError
        No folder of a run, a trend file that is damaged and not the last one.
    """
    clock = read_clock(run_folder)
    return _means(_read(run_folder, tags), tags, clock, begin_ns, (end_ns - begin_ns) // step_ns, step_ns)


def read_trends(folder: Path, wish: Wish) -> tuple[Series, Report]:
    """Return the series of a run's point, or of the sum of those that match a pattern.

    Raises
    ------
    UserInputError
        With every reason why it cannot be used.
    """
    clock, report = read_clock(folder), Report(str(folder))
    step_s = 3600.0 if wish.step_s is None else wish.step_s
    if step_s not in STEPS_S:
        allowed = ", ".join(f"{s:g}" for s in STEPS_S)
        report.problem("step", f"{step_s:g} s; it can be {allowed} s")
    if wish.start is not None:
        report.problem("start", "a recorded run knows its own; give none")
    names = _chosen(folder, clock, wish, report)
    report.refuse()
    rows = _read(folder, [*names, *wish.exogenous])
    if rows.end_step <= 0:
        raise _refused(folder / FOLDER, "no trends were recorded")
    for path in rows.torn:
        report.note("torn trend file", [path.name], "left out: the recorder was ended while it wrote")
    step_ns = round(step_s * NS_PER_S)
    begin_ns = clock.start_ns // step_ns * step_ns
    count = -(-(clock.start_ns + rows.end_step * clock.dt_ns - begin_ns) // step_ns)
    found = _means(rows, [*names, *wish.exogenous], clock, begin_ns, count, step_ns)
    values = {"": found[:, : len(names)].sum(axis=1)}
    values |= {name: found[:, len(names) + k] for k, name in enumerate(wish.exogenous)}
    report.column = names[0] if len(names) == 1 else f"{wish.column} ({len(names)} points)"
    return history_of_steps(begin_ns, step_ns, values, clock.zone, wish, report)


def _chosen(folder: Path, clock: RunClock, wish: Wish, report: Report) -> list[str]:
    known = sorted({*clock.tags, *_tags_of(folder)})
    if wish.column is None:
        report.problem("", "which point? name it with --column, or several by a pattern like 'FDR_*.HEAD.P'")
        return []
    for name in wish.exogenous:
        if name not in known:
            report.problem("", f"no point {name!r}{did_you_mean(name, known)}")
    if wish.column in known:
        return [wish.column]
    found = [tag for tag in known if fnmatch.fnmatchcase(tag, wish.column)]
    if not found:
        report.problem("", f"no point {wish.column!r}{did_you_mean(wish.column, known)}")
    return found


@dc.dataclass(slots=True)
class _Rows:
    """Rows of the points that were asked for, by tag; where nothing was written at all."""

    of_tag: dict[str, tuple[Ints, Floats]] = dc.field(default_factory=dict)
    """Steps in order, and values, NaN where the quality was bad."""
    silences: list[int] = dc.field(default_factory=list)
    """Last step before each."""
    end_step: int = -1
    """Last step of which there is a row of any point."""
    torn: list[Path] = dc.field(default_factory=list)


def _read(folder: Path, tags: Sequence[str]) -> _Rows:
    """Read all trend files; again where the recorder has joined some of them meanwhile."""
    for _ in range(READINGS - 1):
        try:
            return _read_once(folder, tags)
        except FileNotFoundError:
            continue
    return _read_once(folder, tags)


def _read_once(folder: Path, tags: Sequence[str]) -> _Rows:
    import pyarrow.compute as pc

    rows, wanted = _Rows(), list(dict.fromkeys(tags))
    parts: list[Any] = []
    spans: list[tuple[int, int, int, int]] = []
    for file, path in _opened(folder, rows.torn):
        for k in range(file.num_row_groups):
            spans.append(_span(file, k, path))
            table = file.read_row_group(k, columns=["step", "tag", "value", "quality"])
            parts.append(table.filter(pc.is_in(table["tag"], value_set=_strings(wanted))))
    spans.sort()
    for (_, last_ns, _, last_step), (next_ns, *_) in itertools.pairwise(spans):
        if next_ns - last_ns > SILENT_S * NS_PER_S:
            rows.silences.append(last_step)
    rows.end_step = max((s[3] for s in spans), default=-1)
    columns = _columns(parts)
    for tag in wanted:
        at = np.flatnonzero(columns["tag"] == tag)
        steps = columns["step"][at]
        order = np.argsort(steps, kind="stable")
        values = np.where(columns["quality"][at] >= BAD_FROM, np.nan, columns["value"][at])
        rows.of_tag[tag] = (steps[order], values[order])
    return rows


def _opened(folder: Path, torn: list[Path]) -> list[tuple[Any, Path]]:
    """Return the trend files, opened, oldest first; the last one may be torn."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    paths, opened = trend_files.files(folder / FOLDER), []
    for path in paths:
        try:
            opened.append((pq.ParquetFile(path), path))
        except pa.ArrowInvalid as error:
            if path != paths[-1]:
                raise _refused(path, f"is damaged: {str(error).splitlines()[0]}") from None
            torn.append(path)
    return opened


def _tags_of(folder: Path) -> set[str]:
    """Return the points of the first trend file, which has all: the recorder begins with a row of each."""
    for file, _ in _opened(folder, [])[:1]:
        return set(file.read_row_group(0, columns=["tag"])["tag"].unique().to_pylist())
    return set()


def _span(file: Any, group: int, path: Path) -> tuple[int, int, int, int]:
    """Return first and last time [ns since 1970] and step of a row group, from its statistics."""
    found = file.metadata.row_group(group)
    by_name = {found.column(k).path_in_schema: found.column(k) for k in range(found.num_columns)}
    if not {"time", "step", "tag", "value", "quality"} <= by_name.keys():
        raise _refused(path, "is no trend file: columns time, step, tag, value, quality are missing")
    time, step = (by_name[name].statistics for name in ("time", "step"))
    return int(time.min_raw), int(time.max_raw), int(step.min), int(step.max)


def _columns(parts: Sequence[Any]) -> Mapping[str, Any]:
    import pyarrow as pa

    if not parts:
        return {
            "tag": np.empty(0, object),
            "step": np.empty(0, np.int64),
            "value": np.empty(0),
            "quality": np.empty(0),
        }
    whole = pa.concat_tables([p.set_column(1, "tag", p["tag"].cast(pa.string())) for p in parts])
    return {name: whole[name].to_numpy() for name in ("tag", "step", "value", "quality")}


def _strings(words: Sequence[str]) -> Any:
    import pyarrow as pa

    return pa.array(words, pa.string())


def _means(
    rows: _Rows, tags: Sequence[str], clock: RunClock, begin_ns: int, count: int, step_ns: int
) -> Floats:
    edges = (begin_ns - clock.start_ns + step_ns * np.arange(max(0, count) + 1)) / NS_PER_S
    out = np.full((max(0, count), len(tags)), np.nan)
    for k, tag in enumerate(tags):
        steps, values = rows.of_tag[tag]
        if len(steps):
            out[:, k] = _held_means(*_ended(steps, values, rows), clock.dt_ns / NS_PER_S, edges)
    return out


def _ended(steps: Ints, values: Floats, rows: _Rows) -> tuple[Ints, Floats]:
    """Let values end where a silence begins, and with the last step of all."""
    ends = np.array([*rows.silences, rows.end_step], np.int64)
    at = np.searchsorted(steps, ends, side="right")
    return np.insert(steps, at, ends), np.insert(values, at, np.nan)


def _held_means(steps: Ints, values: Floats, dt_s: float, edges: Floats) -> Floats:
    """Return means between edges [s] of values that each hold from their step to the next one's."""
    time = steps * dt_s
    known = np.isfinite(values)
    lengths = np.diff(time, append=time[-1]) * known
    covered = np.concatenate([[0.0], np.cumsum(lengths)[:-1]])
    area = np.concatenate([[0.0], np.cumsum(lengths * np.where(known, values, 0.0))[:-1]])
    there = np.diff(np.interp(edges, time, covered))
    total = np.diff(np.interp(edges, time, area))
    out = np.full(len(there), np.nan)
    enough = there >= LEAST_SHARE * np.diff(edges)
    out[enough] = total[enough] / there[enough]
    return out


def _refused(path: Path, what: str) -> UserInputError:
    return UserInputError([Problem(str(path), "", what)])
