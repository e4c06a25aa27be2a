"""Where a command is told to write: looked at before it begins what takes long."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rtcore.errors import HostError, Problem, UserInputError


def check_file(path: Path, suffixes: Sequence[str], called: str) -> None:
    """Refuse a file that cannot be written for its name or place.

    Parameters
    ----------
    path : Path
    suffixes : sequence of str
        Forms that can be written, each with its dot.
    called : str
        What is written, with its article: "a chart".

    Raises
    ------
    UserInputError
        Its suffix names no form, it is a folder, or its folder does not exist.
    """
    what = ""
    if path.suffix.lower() not in suffixes:
        what = f"{called} ends in {', '.join(suffixes)}"
    elif path.is_dir():
        what = f"is a folder; {called} is a file"
    elif not path.absolute().parent.is_dir():
        what = "its folder does not exist"
    if what:
        raise UserInputError([Problem(str(path), "", what)])


def check_folder(path: Path, option: str) -> None:
    """Refuse a folder that is a file, or would be in one.

    Raises
    ------
    UserInputError
    """
    there = next(p for p in (path, *path.absolute().parents) if p.exists())
    if not there.is_dir():
        what = "is a file" if there == path else f"{there} is a file"
        raise UserInputError([Problem(str(path), "", f"{what}; {option} takes a folder")])


def make_folder(path: Path, option: str = "--report") -> None:
    """Make the folder of a result; a file in its place is the user's mistake, no right to it the host's."""
    check_folder(path, option)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HostError(f"{path}: cannot be made: {error.strerror}") from None
