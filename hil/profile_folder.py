"""Profile folders: ``profile.toml`` and the tables it names, with declared reconstructions.

Reactive power may be stored as power factors or as Q/P ratios beside the active power; an
overlay is another profile with some columns replaced. Both are declared in ``profile.toml``.
"""

from __future__ import annotations

import dataclasses as dc
import fnmatch
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hil.paths import NotFoundError, find
from hil.profile_settings import FACTOR, OverlayFile, ProfileFile, ReactiveTable
from hil.profile_tables import Table, check_columns, read_table
from hil.settings_errors import check_model, load_toml
from hil.settings_types import offset_s, utc_ns
from rtcore.clock import NS_PER_S
from rtcore.errors import Problem, UserInputError

Floats = npt.NDArray[np.float64]


@dc.dataclass(frozen=True, slots=True)
class FolderData:
    """What any reader of profiles brings home; see ``hil.profiles.Profile``."""

    name: str
    start_utc_ns: int
    step_ns: int
    utc_offset_s: int
    load_names: tuple[str, ...]
    p_w: Floats
    q_var: Floats


def read_folder(folder: Path, load_names: Sequence[str] | None) -> FolderData:
    """Read a profile folder, its own tables or an overlay on another profile."""
    path = folder / "profile.toml"
    raw, problems = load_toml(path)
    if problems:
        raise UserInputError(problems)
    if "base" in raw:
        overlay, problems = check_model(OverlayFile, raw, str(path))
        if overlay is None:
            raise UserInputError(problems + _in_tables(folder, raw))
        return _read_overlay(folder, overlay, load_names)
    spec, problems = check_model(ProfileFile, raw, str(path))
    if spec is None:
        raise UserInputError(problems + _in_tables(folder, raw))
    return _read_tables(folder, spec, load_names)


def _in_tables(folder: Path, raw: Mapping[str, Any]) -> list[Problem]:
    """Return what is wrong in the tables that a ``profile.toml`` with mistakes of its own names."""
    listed = [x for key in ("q", "replace") if isinstance(raw.get(key), list) for x in raw[key]]
    files = [t.get("file") for t in (raw.get("p"), *listed) if isinstance(t, dict)]
    return [p for f in files if isinstance(f, str) for p in read_table(folder / f)[1]]


def _read_tables(folder: Path, spec: ProfileFile, load_names: Sequence[str] | None) -> FolderData:
    p, problems = read_table(folder / spec.p.file, sha256=spec.p.sha256)
    names = tuple(load_names or (p.columns if p is not None else ()))
    p_w = None
    if p is not None:
        problems += check_columns(p, names)
        p_w = _power(p, names) * FACTOR[spec.p.unit] if not problems else None
    q_var, wrong = _reactive(folder, spec.q, names, p_w) if names else (None, [])
    if problems or wrong or p_w is None or q_var is None:
        raise UserInputError(problems + wrong)
    step_ns = round(spec.step_s * NS_PER_S)
    return FolderData(folder.name, utc_ns(spec.start), step_ns, offset_s(spec.start), names, p_w, q_var)


def _power(p: Table, names: tuple[str, ...]) -> Floats:
    index = {c: i for i, c in enumerate(p.columns)}
    order = [index[n] for n in names]
    return p.values if order == list(range(len(p.columns))) else p.values[:, order]


def _reactive(
    folder: Path, tables: Sequence[ReactiveTable], names: tuple[str, ...], p_w: Floats | None
) -> tuple[Floats | None, list[Problem]]:
    """Rebuild reactive power [var] from every table that ``profile.toml`` names; without P only check."""
    q_var = None if p_w is None else np.zeros_like(p_w)
    sources = np.zeros(len(names), int)
    problems: list[Problem] = []
    for spec in tables:
        table, wrong = read_table(folder / spec.file, sha256=spec.sha256)
        if table is not None:
            wrong += _check_reactive(table, spec, names, None if p_w is None else len(p_w))
        problems += wrong
        if table is None or wrong:
            continue
        targets, columns = _targets(table, spec, names)
        sources[targets] += 1
        if p_w is not None and q_var is not None:
            ratio = table.values[:, columns]
            if spec.unit in ("var", "kvar"):
                q_var[:, targets] = ratio * FACTOR[spec.unit]
            else:
                q_var[:, targets] = p_w[:, targets] * _tan_phi(ratio, spec.unit)
    if not problems:
        toml = str(folder / "profile.toml")
        bad = [(n, s) for n, s in zip(names, sources, strict=True) if s != 1][:20]
        problems = [
            Problem(toml, "q", f"{s} tables give reactive power of {n!r}; one is needed") for n, s in bad
        ]
    return q_var, problems


def _tan_phi(ratio: Floats, unit: str) -> Floats:
    if unit == "tan_phi":
        return ratio
    if np.array_equal(ratio, np.rint(ratio)):  # whole percents: a look-up is 30 times quicker
        lookup = np.tan(np.arccos(np.arange(101) / 100.0))
        return np.asarray(lookup[ratio.astype(np.intp)])
    return np.asarray(np.tan(np.arccos(ratio / 100.0)))


def _check_reactive(
    table: Table, spec: ReactiveTable, names: tuple[str, ...], n_row: int | None
) -> list[Problem]:
    file = str(table.path)
    problems = _check_rows(table, n_row)
    if spec.column is None:
        problems += check_columns(table, names, all_of_them=False)
    elif spec.column not in table.columns:
        problems.append(
            Problem(file, "header", f"no column {spec.column!r}; it has {', '.join(table.columns)}")
        )
    elif not fnmatch.filter(names, spec.loads or ""):
        problems.append(Problem(file, "", f"no load matches {spec.loads!r}"))
    if spec.unit == "pf_pct":
        bad = np.argwhere((table.values <= 0) | (table.values > 100))[:20]
        problems += [
            Problem(
                file,
                f"row {i + 1}, column {table.columns[j]!r}",
                f"power factor {table.values[i, j]:g} %; more than 0, at most 100 is allowed",
            )
            for i, j in bad
        ]
    return problems


def _check_rows(table: Table, n_row: int | None) -> list[Problem]:
    if n_row is None or len(table.values) == n_row or not table.is_whole:
        return []
    return [Problem(str(table.path), "", f"{len(table.values)} rows; the profile has {n_row}")]


def _targets(table: Table, spec: ReactiveTable, names: tuple[str, ...]) -> tuple[list[int], list[int]]:
    """Return positions of the loads that a table speaks of, and its columns for them."""
    if spec.column is not None:
        targets = [i for i, n in enumerate(names) if fnmatch.fnmatchcase(n, spec.loads or "")]
        return targets, [table.columns.index(spec.column)]
    position = {n: i for i, n in enumerate(names)}
    return [position[c] for c in table.columns], list(range(len(table.columns)))


def _read_overlay(folder: Path, spec: OverlayFile, load_names: Sequence[str] | None) -> FolderData:
    toml = str(folder / "profile.toml")
    try:
        base_folder = find("profiles", spec.base, folder)
    except NotFoundError as error:
        raise UserInputError([Problem(toml, "base", error.what)]) from None
    if (base_folder / "profile.toml").exists() and "base" in load_toml(base_folder / "profile.toml")[0]:
        what = f"{spec.base!r} is an overlay itself; name the profile below it"
        raise UserInputError([Problem(toml, "base", what)])
    base, problems = _base(base_folder, load_names)
    names = base.load_names if base is not None else load_names
    for replaced in spec.replace:
        table, wrong = read_table(folder / replaced.file, sha256=replaced.sha256)
        if table is not None:
            wrong += _check_rows(table, None if base is None else len(base.p_w))
            wrong += check_columns(table, names, all_of_them=False) if names else []
        problems += wrong
        if base is not None and table is not None and not wrong:
            target = base.p_w if replaced.quantity == "p" else base.q_var
            position = {n: i for i, n in enumerate(base.load_names)}
            target[:, [position[c] for c in table.columns]] = table.values * FACTOR[replaced.unit]
    if base is None or problems:
        raise UserInputError(problems)
    return dc.replace(base, name=folder.name)


def _base(folder: Path, load_names: Sequence[str] | None) -> tuple[FolderData | None, list[Problem]]:
    try:
        return read_folder(folder, load_names), []
    except UserInputError as error:
        return None, error.problems
