"""Where the shipped configuration lives, and how a name or a path of it is resolved.

A bare name means the shipped item, else one of that name beside the file that asks; anything
with a separator or a file suffix is a path, relative to the file that asks (or the working
directory when nobody asks but the command line).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from rtcore.errors import Problem, UserInputError, did_you_mean

Kind = Literal["stations", "networks", "profiles", "points", "protection", "faults", "telemetry", "attacks"]

MARKER: dict[Kind, str] = {
    "stations": "",  # the first five are files, the others folders
    "protection": "",
    "faults": "",
    "telemetry": "",
    "attacks": "",
    "networks": "network.toml",
    "profiles": "profile.toml",
    "points": "devices.csv",
}
"""What a folder must hold to be taken for one of its kind."""


FILES: tuple[Kind, ...] = ("stations", "protection", "faults", "telemetry", "attacks")
"""Kinds whose items are single files."""

ONE: dict[Kind, str] = {
    "stations": "station",
    "networks": "network",
    "profiles": "profile",
    "points": "points folder",
    "protection": "protection scheme",
    "faults": "fault library",
    "telemetry": "telemetry set",
    "attacks": "attack file",
}
"""What one item of a kind is called."""


class NotFoundError(UserInputError):
    """A station, network, profile or points folder that is nowhere to be found."""

    def __init__(self, name: str, what: str) -> None:
        self.what = what
        super().__init__([Problem(name, "", what)])


def config_dir() -> Path:
    """Return the checkout's ``config/``, else the copy bundled in the wheel."""
    here = Path(__file__).resolve().parent
    return here.parent / "config" if (here.parent / "pyproject.toml").exists() else here / "_config"


def names(kind: Kind) -> list[str]:
    """Return the names of the shipped items of one kind, sorted."""
    folder = config_dir() / kind
    if kind in FILES:
        return sorted(p.stem for p in folder.glob("*.toml"))
    return sorted(p.name for p in folder.glob("*") if _is_item(kind, p))


def find(kind: Kind, name: str, near: Path | None = None) -> Path:
    """Return the path of a station file or of a network, profile or points folder.

    Parameters
    ----------
    kind : str
        Which of the configuration folders the item belongs to.
    name : str
        A bare name (``iowa240``) or a path (``./mine/net``, ``lab.toml``).
    near : Path, optional
        Folder of the file that asks; default the working directory.

    Raises
    ------
    NotFoundError
        Names every place searched and the nearest known name.
    """
    candidates = _candidates(kind, name, near)
    for path in candidates:
        if _is_item(kind, path):
            return path
    searched = ", ".join(str(p) for p in candidates)
    present = next((p for p in candidates if p.exists()), None)
    if not name:
        raise NotFoundError("''", f"no {ONE[kind]} is named; shipped: {', '.join(names(kind)) or 'none'}")
    if present is not None:
        called = f"{present} is a folder," if kind in FILES and present.is_dir() else f"{present} is"
        raise NotFoundError(name, f"{called} not {_described(kind)}; searched: {searched}")
    local = (near or Path()) / Path(name).expanduser()
    if kind in FILES and local.is_file():
        raise NotFoundError(name, f"is not {_described(kind)}: the name of one ends in .toml")
    hint = did_you_mean(name.lower().removesuffix(".toml"), names(kind))
    known = ", ".join(names(kind)) or "none"
    what = f"no {ONE[kind]} {name!r}{hint}; searched: {searched}; shipped: {known}"
    raise NotFoundError(name, what)


def absent(path: Path, called: str, shipped: Sequence[str]) -> UserInputError:
    """Return what to raise for a path, or a shipped name, that is no file.

    Parameters
    ----------
    called : str
        What is looked for: "range plan".
    shipped : sequence of str
        Names that would do.
    """
    known = f"shipped: {', '.join(shipped) or 'none'}"
    if path.is_dir():
        what = f"is a folder; a {called} is needed; {known}"
    else:
        what = f"no such {called}{did_you_mean(path.stem, shipped)}; {known}"
    return UserInputError([Problem(str(path), "", what)])


def _candidates(kind: Kind, name: str, near: Path | None) -> list[Path]:
    shipped = config_dir() / kind
    local = (near or Path()) / Path(name).expanduser()
    if _is_path(kind, name):
        return [local]
    if kind in FILES and not name.endswith(".toml"):
        return [shipped / f"{name}.toml", local.with_name(f"{local.name}.toml")]
    return [local, shipped / name] if kind in FILES else [shipped / name, local]


def _is_path(kind: Kind, name: str) -> bool:
    if not name or name in (".", "..") or re.search(r"[/\\~]", name):
        return True
    return kind not in FILES and Path(name).suffix != ""


def _is_item(kind: Kind, path: Path) -> bool:
    if kind in FILES:
        return path.is_file()
    return (path / MARKER[kind]).is_file()


def _described(kind: Kind) -> str:
    if kind in FILES:
        called = f"{ONE[kind].removesuffix(' file')} file"
        return f"an {called}" if called[0] in "aeiou" else f"a {called}"
    return f"a {ONE[kind].removesuffix(' folder')} folder (no {MARKER[kind]} in it)"
