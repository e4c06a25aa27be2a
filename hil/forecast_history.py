"""Where a history is: a file of the user's, a recorded run, or a file that is shipped."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path

from forecasting.calendar import parse_zone
from forecasting.history import Wish, read_history
from forecasting.history_report import Report
from forecasting.series import Series
from hil.paths import config_dir
from hil.settings_types import utc_ns
from hil.trend_history import read_trends
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
    return _found(name, shipped(), "history")


def read_any(name: str, wish: Wish) -> tuple[Series, Report]:
    """Return the series of a file, of a recorded run by its folder, or of a shipped history by its name.

    Raises
    ------
    UserInputError
        None of them is there, or with every reason why what is there cannot be used.
    """
    folder = Path(name)
    return read_trends(folder, wish) if folder.is_dir() else read_history(find_history(name), wish)


def moment(text: str | None, option: str, series: Series) -> int | None:
    """Return UTC [ns since 1970] of a date; one without an offset is on the clock of the series.

    Raises
    ------
    UserInputError
        A text that is no date.
    """
    if text is None:
        return None
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        what = f"{text!r} is not a date like 2017-10-20 or 2017-10-20T00:00"
        raise UserInputError([Problem(option, "", what)]) from None
    return utc_ns(found if found.tzinfo else found.replace(tzinfo=parse_zone(series.zone)))


def shipped_models() -> dict[str, Path]:
    """Return the LSTMs that come with the product, by name."""
    return {f.stem: f for f in sorted((config_dir() / "models").glob("*.tflite"))}


def find_model(name: str) -> Path:
    """Return the path of an LSTM's file: a shipped one's name, else a file.

    Raises
    ------
    UserInputError
        Neither is there.
    """
    return _found(name, shipped_models(), "model")


def _found(name: str, known: Mapping[str, Path], kind: str) -> Path:
    """Return a file, else what is shipped under a name."""
    path = Path(name)
    if path.is_file():
        return path
    if name in known:
        return known[name]
    hint = did_you_mean(name, known)
    what = f"no such file, and no {kind} of that name is shipped{hint}; shipped: {', '.join(known) or 'none'}"
    raise UserInputError([Problem(name, "", what)])
