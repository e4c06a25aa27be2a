"""Load profiles: active and reactive power of every load over time.

A value is valid at the start of its interval; between two starts the engine interpolates. The
last value of a profile that does not start over holds to the end of its interval.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hil.paths import NotFoundError, find
from hil.profile_folder import FolderData, read_folder
from hil.profile_settings import FACTOR, ProfileSettings
from hil.profile_tables import Table, check_columns, read_table
from hil.settings_types import iso, offset_s, parse_offset_s, utc_ns
from rtcore.clock import NS_PER_HOUR, NS_PER_S
from rtcore.errors import Problem, UserInputError

FULL_YEAR_NS = (8760 * NS_PER_HOUR, 8784 * NS_PER_HOUR)
"""Profiles of exactly this length start over at their end."""


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Power of every load over time.

    Attributes
    ----------
    name : str
        Name or path, for messages.
    start_utc_ns, step_ns : int
        Start of the first interval [ns since 1970] and length of each [ns].
    load_names : tuple of str, length n_load
    p_w, q_var : ndarray, shape (n_t, n_load), float64
        Power drawn (load convention) at the start of each interval [W], [var].
    wraps : bool
        Starts over at the end: a full year, or the station says ``repeat``.
    utc_offset_s : int
        The profile's own local time, for messages and tables [s].
    """

    name: str
    start_utc_ns: int
    step_ns: int
    load_names: tuple[str, ...]
    p_w: npt.NDArray[np.float64]
    q_var: npt.NDArray[np.float64]
    wraps: bool
    utc_offset_s: int

    @property
    def n_t(self) -> int:
        """Number of intervals."""
        return len(self.p_w)

    @property
    def end_utc_ns(self) -> int:
        """End of the last interval [ns since 1970]."""
        return self.start_utc_ns + self.n_t * self.step_ns

    @property
    def is_full_year(self) -> bool:
        """Tell whether the profile covers 8760 or 8784 hours."""
        return self.n_t * self.step_ns in FULL_YEAR_NS


def read_profile(
    source: str | ProfileSettings,
    load_names: Sequence[str] | None = None,
    *,
    folder: Path | None = None,
) -> Profile:
    """Read a profile and check every cell of it.

    Parameters
    ----------
    source : str or ProfileSettings
        Name or path of a profile folder, or a station's ``[profile]`` table.
    load_names : sequence of str, optional
        Loads of the network; fixes the order of the columns. Default: the profile's own loads.
    folder : Path, optional
        What relative paths are relative to; default the working directory.

    Raises
    ------
    UserInputError
        Every missing file, wrong cell, missing or unknown column.
    """
    settings = ProfileSettings(name=source) if isinstance(source, str) else source
    if settings.name is not None:
        data = read_folder(_folder_of(settings.name, folder), load_names)
    else:
        data = _read_user_tables(settings, load_names, folder or Path())
    is_year = len(data.p_w) * data.step_ns in FULL_YEAR_NS
    return Profile(
        name=data.name,
        start_utc_ns=data.start_utc_ns,
        step_ns=data.step_ns,
        load_names=data.load_names,
        p_w=data.p_w,
        q_var=data.q_var,
        wraps=is_year or settings.repeat,
        utc_offset_s=data.utc_offset_s,
    )


def check_coverage(
    profile: Profile, start_utc_ns: int, duration_s: float | None, *, repeat: bool = False
) -> None:
    """Refuse a run that the profile does not cover.

    Parameters
    ----------
    start_utc_ns : int
        Simulated time at the start of the run [ns since 1970].
    duration_s : float or None
        Simulated length of the run [s]; None for a run with an open end.
    repeat : bool
        The station says that a short profile starts over.
    """
    if profile.wraps or repeat or profile.is_full_year:
        return
    first, end = (iso(t, profile.utc_offset_s) for t in (profile.start_utc_ns, profile.end_utc_ns))
    covers = f"the profile covers {first} to {end} ({profile.n_t} rows of {profile.step_ns / NS_PER_S:g} s)"
    mend = "bring a longer one, or set repeat = true in [profile]"
    begins = iso(start_utc_ns, profile.utc_offset_s)
    if duration_s is None:
        what = f"{covers}, but the run has no end; {mend}, or give the run a duration"
    elif start_utc_ns < profile.start_utc_ns:
        what = (
            f"{covers}, but the run starts at {begins}; change time.start, or set repeat = true in [profile]"
        )
    elif start_utc_ns + round(duration_s * NS_PER_S) > profile.end_utc_ns:
        ends = iso(start_utc_ns + round(duration_s * NS_PER_S), profile.utc_offset_s)
        what = f"{covers}, but the run goes from {begins} to {ends}; {mend}"
    else:
        return
    raise UserInputError([Problem(profile.name, "", what)])


def interval_at(profile: Profile, sim_ns: int) -> tuple[int, int, float]:
    """Return the interval that holds a moment: its row, the next row, how far between them.

    Parameters
    ----------
    sim_ns : int
        Simulated UTC [ns since 1970]; inside the profile unless it wraps.

    Returns
    -------
    tuple of (int, int, float)
        Power at that moment is ``(1 - fraction) * x[row] + fraction * x[next_row]``.
    """
    row, rest_ns = divmod(sim_ns - profile.start_utc_ns, profile.step_ns)
    fraction = rest_ns / profile.step_ns
    if profile.wraps:
        row %= profile.n_t
        return row, (row + 1) % profile.n_t, fraction
    assert 0 <= row < profile.n_t, (row, profile.n_t)
    return row, min(row + 1, profile.n_t - 1), fraction


def _folder_of(name: str, near: Path | None) -> Path:
    try:
        return find("profiles", name, near)
    except NotFoundError as error:
        if Path(name).suffix in (".csv", ".parquet"):
            what = "a table alone states no units; name it as p_file and q_file with p_unit and q_unit"
            raise UserInputError([Problem(name, "", what)]) from None
        raise error


def _read_user_tables(
    settings: ProfileSettings, load_names: Sequence[str] | None, folder: Path
) -> FolderData:
    p, q, problems = _power_and_reactive(settings, folder)
    for table in (t for t in (p, q) if t is not None):
        wanted = load_names or (p.columns if p is not None else table.columns)
        problems += check_columns(table, wanted)
        problems += _check_time(settings, table)
    if p is not None and q is not None and p.is_whole and q.is_whole:
        problems += _check_pair(p, q)
    if problems or p is None:
        raise UserInputError(dict.fromkeys(problems))
    names = tuple(load_names or p.columns)
    p_w = _ordered(p, names) * FACTOR[settings.p_unit or "W"]
    if q is None:
        pf = settings.power_factor or 1.0
        q_var = p_w * (np.sqrt(1.0 - pf * pf) / pf)
    else:
        q_var = _ordered(q, names) * FACTOR[settings.q_unit or "var"]
    start, step, offset = _time_of(settings, p)
    return FolderData(str(p.path), start, step, offset, names, p_w, q_var)


def _power_and_reactive(s: ProfileSettings, folder: Path) -> tuple[Table | None, Table | None, list[Problem]]:
    offset = None if s.utc_offset is None else parse_offset_s(s.utc_offset)
    if s.file is not None:
        both, problems = read_table(folder / s.file, utc_offset_s=offset)
        return (None, None, problems) if both is None else _split(both)
    assert s.p_file is not None
    p, problems = read_table(folder / s.p_file, utc_offset_s=offset)
    if s.q_file is None:
        return p, None, problems
    q, more = read_table(folder / s.q_file, utc_offset_s=offset)
    return p, q, problems + more


def _split(both: Table) -> tuple[Table | None, Table | None, list[Problem]]:
    """Part a table with ``<load>.p`` and ``<load>.q`` columns."""
    problems = [
        Problem(str(both.path), f"column {c!r}", "must end in .p or .q (power of the load before the dot)")
        for c in both.columns
        if not c.endswith((".p", ".q"))
    ]
    halves: list[Table] = []
    for end in (".p", ".q"):
        index = [i for i, c in enumerate(both.columns) if c.endswith(end)]
        columns = tuple(both.columns[i][:-2] for i in index)
        values = both.values[:, index] if both.is_whole else both.values
        halves.append(dc.replace(both, columns=columns, values=values))
    return halves[0], halves[1], problems


def _check_time(settings: ProfileSettings, table: Table) -> list[Problem]:
    if table.stamps_ns is None and settings.start is None:
        what = "no time column, and the [profile] table states no start and step_s"
    elif table.stamps_ns is not None and settings.start is not None:
        what = "has a time column although the [profile] table states start and step_s; keep one of them"
    else:
        return []
    return [Problem(str(table.path), "header", what)]


def _check_pair(p: Table, q: Table) -> list[Problem]:
    if len(p.values) != len(q.values):
        return [Problem(str(q.path), "", f"{len(q.values)} rows, but {p.path} has {len(p.values)}")]
    if p.stamps_ns is None or q.stamps_ns is None or np.array_equal(p.stamps_ns, q.stamps_ns):
        return []
    i = int(np.flatnonzero(p.stamps_ns != q.stamps_ns)[0])
    what = (
        f"{iso(int(q.stamps_ns[i]), q.utc_offset_s)}, but {p.path} has "
        f"{iso(int(p.stamps_ns[i]), p.utc_offset_s)} in that row"
    )
    return [Problem(str(q.path), f"row {i + 1}, column 'time'", what)]


def _time_of(settings: ProfileSettings, p: Table) -> tuple[int, int, int]:
    """Return start [ns UTC], step [ns], UTC offset [s]."""
    if p.stamps_ns is not None:
        return int(p.stamps_ns[0]), int(p.stamps_ns[1] - p.stamps_ns[0]), p.utc_offset_s
    assert settings.start is not None and settings.step_s is not None
    return utc_ns(settings.start), round(settings.step_s * NS_PER_S), offset_s(settings.start)


def _ordered(table: Table, names: Sequence[str]) -> npt.NDArray[np.float64]:
    index = {c: i for i, c in enumerate(table.columns)}
    return np.ascontiguousarray(table.values[:, [index[n] for n in names]])
