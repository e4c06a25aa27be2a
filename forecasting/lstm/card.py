"""The card of a model: a JSON file beside the ``.tflite`` that says what it is, from what, and how good.

``load.tflite`` has ``load.json``. The card carries the sha256 of the model, so that neither can be changed
without the other, and the scaling, without which the model is of no use.
"""

from __future__ import annotations

import dataclasses as dc
import datetime as dt
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from forecasting.lstm.card_checks import problems_of
from rtcore.errors import Problem, UserInputError

FORMAT = "gridhil-lstm-1"


@dc.dataclass(frozen=True, slots=True)
class Scaling:
    """A quantity as the network sees it: (value - mean) / scale."""

    name: str
    mean: float
    scale: float


@dc.dataclass(frozen=True, slots=True)
class Data:
    """What a model was trained on."""

    source: str
    """File or record, as the user named it."""
    column: str
    sha256: str
    """Checksum of the values as they were used."""
    rows: int
    known: int
    """Rows with a value."""
    first_utc: str
    last_utc: str
    """Begin of the first and of the last row, ISO 8601."""
    zone: str


@dc.dataclass(frozen=True, slots=True)
class Card:
    """Everything that is known of a model; times are ISO 8601, horizons are steps of the series."""

    sha256: str
    """Checksum of the ``.tflite`` file."""
    created_utc: str
    trainer: str
    """``numpy`` or ``tensorflow``."""
    seed: int
    step_s: float
    """Length of a row [s]."""
    lookback: int
    """Rows of a window."""
    inputs: tuple[Scaling, ...]
    target: Scaling
    horizons: tuple[int, ...]
    preparation: Mapping[str, Any]
    """What else makes inputs of a series and forecasts of outputs, as the code that does it has it."""
    recipe: Mapping[str, float]
    split: Mapping[str, int]
    """Windows that were learned from, that chose the epoch, and that the scores are of."""
    scores: Mapping[str, Mapping[str, float]]
    """Horizon -> score -> value, out of sample."""
    data: Data
    versions: Mapping[str, str]

    def write(self, model: Path) -> None:
        """Write the card of the file ``model``."""
        document = {"format": FORMAT, "model": model.name, **dc.asdict(self)}
        text = json.dumps(document, indent=1, allow_nan=False) + "\n"
        path = card_path(model)
        new = path.with_name(f".{path.name}.new")
        new.write_text(text, encoding="utf-8")
        new.replace(path)


def card_path(model: str | Path) -> Path:
    """Return where the card of a model is."""
    return Path(model).with_suffix(".json")


def read_card(model: str | Path) -> Card:
    """Return the card of a model file, checked.

    Raises
    ------
    UserInputError
        No card, no JSON, or values that cannot be: every problem at once.
    """
    path = card_path(model)
    document = _document(path)
    problems = [Problem(str(path), place, what) for place, what in problems_of(document, _keys())]
    if problems:
        raise UserInputError(problems)
    rest = {k: v for k, v in document.items() if k not in ("format", "model")}
    rest["inputs"] = tuple(Scaling(**row) for row in document["inputs"])
    rest["target"] = Scaling(**document["target"])
    rest["data"] = Data(**document["data"])
    rest["horizons"] = tuple(document["horizons"])
    return Card(**rest)


def iso_utc(time_ns: int) -> str:
    """Return a moment [ns since 1970, UTC] as ISO 8601, to the second."""
    moment = dt.datetime.fromtimestamp(time_ns // 1_000_000_000, dt.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _keys() -> dict[str, list[str]]:
    """Return the keys of the document and of its parts."""
    parts = {"": Card, "target": Scaling, "inputs": Scaling, "data": Data}
    keys = {name: [f.name for f in dc.fields(kind)] for name, kind in parts.items()}
    keys[""] = ["format", "model", *keys[""]]
    return keys


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        what = "a model comes with its card, and this one is missing"
        raise UserInputError([Problem(str(path), "", what)]) from None
    except OSError as error:
        raise UserInputError([Problem(str(path), "", f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError:
        raise UserInputError([Problem(str(path), "", "not a text file in UTF-8")]) from None
    except json.JSONDecodeError as error:
        what = f"not JSON: {error.msg}"
        raise UserInputError([Problem(str(path), f"line {error.lineno}", what)]) from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        what = f'not the card of a model: "format" is not "{FORMAT}"'
        raise UserInputError([Problem(str(path), "", what)])
    return document
