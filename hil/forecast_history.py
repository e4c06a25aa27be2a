"""Where a history is: a file of the user's, or one that is shipped."""

from __future__ import annotations

from pathlib import Path

from hil.paths import config_dir
from rtcore.errors import Problem, UserInputError, did_you_mean


def shipped() -> dict[str, Path]:
    """Return the histories that come with the product, by name."""
    files = sorted((config_dir() / "histories").glob("*.csv*"))
    return {f.name.removesuffix(".gz").removesuffix(".csv"): f for f in files}


def find_history(name: str) -> Path:
    """Return the path of a history: a shipped one's name, else a file.

    Raises
    ------
    UserInputError
        Neither is there.
    """
    path, known = Path(name), shipped()
    if path.is_file():
        return path
    if name in known:
        return known[name]
    hint = did_you_mean(name, known)
    what = f"no such file, and no history of that name is shipped{hint}; shipped: {', '.join(known)}"
    raise UserInputError([Problem(name, "", what)])
