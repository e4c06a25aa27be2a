"""What the forecast's screen says: state of the service and of a target, rows of its tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.text import Text

from hil.console.looks import style_of
from hil.console.pages.estimator_text import Look
from hil.console.widgets.row_table import Row, left, right
from hil.view.code_words import words_of
from hil.view.forecasts import Target
from hil.view.model import StationModel
from hil.view.reading import DASH, WAITING, Reading

LISTED = ("ACTUAL", "H1", "PEAK", "PEAK_IN", "MODEL", "FALLBACK", "DRIFT")
OF_CHOSEN = ("STATE", "DRIFT_LEVEL", "END_H", "MEAN", "MIN")
SCORES = ("COUNT", "RMSE", "MAE", "MAPE", "MASE", "BIAS", "COVER_50", "COVER_80", "COVER_95", "SKILL")
MODELS = (
    "RMSE",
    "RMSE_HYBRID",
    "RMSE_RIDGE",
    "RMSE_PERSISTENCE",
    "RMSE_NAIVE_DAY",
    "RMSE_NAIVE_WEEK",
    "RMSE_BEST",
)
HEADS = {
    "#fc-targets": ("target", "last kW", "next kW", "peak kW", "in", "issued by"),
    "#fc-scores": (
        "ahead", "n", "RMSE", "MAE", "MAPE%", "MASE", "bias", "in50%", "in80%", "in95%", "skill%",
    ),
    "#fc-models": ("ahead", "issued", "hybrid", "ridge", "persist.", "day ago", "week ago", "best", "model"),
}  # fmt: skip


def service(look: Look, model: StationModel, device: str) -> Text:
    """Return the state of the forecaster in one line, more where there is room."""
    if not device:
        return Text("the forecaster tells nothing about itself")
    state = look.view.reading(f"{device}.STATE")
    words = words_of(model.points.get(f"{device}.STATE"), state)
    running = state.is_usable and state.number == 2.0
    sign, colour = (look.signs.on, look.palette.good) if running else (look.signs.alarm, look.palette.warn)
    fallbacks, n = (look.view.number(f"{device}.{name}") for name in ("N_FALLBACK", "N_TARGETS"))

    def value(name: str) -> tuple[str, str]:
        cell = look.cell(model, f"{device}.{name}", has_unit=True)
        return cell.plain, str(cell.style)

    return Text.assemble(
        (f"{sign} {words}", colour if state.is_usable else "dim italic"),
        *("  issued ", value("ISSUED"), ", newest ", value("AGE"), " old"),
        *(
            "  models ",
            value("MODEL_AGE_H"),
            ", LSTM ",
            value("LSTM_AGE_H"),
            ", history ",
            value("HISTORY_H"),
        ),
        "  fallback ",
        _fallbacks(look, fallbacks, n),
        *("  drift ", _flag(look, f"{device}.DRIFT")),
        *(
            "  issue ",
            value("ISSUE"),
            ", fit ",
            value("FIT"),
            ", keeps up with ",
            value("SPEED_UP"),
            " times",
        ),
    )


def _fallbacks(look: Look, fallbacks: float | None, n: float | None) -> tuple[str, str]:
    if fallbacks is None or n is None:
        return DASH, "dim"
    return f"{fallbacks:.0f} of {n:.0f}", f"bold {look.palette.warn}" if fallbacks else ""


def _flag(look: Look, tag: str) -> tuple[str, str]:
    reading = look.view.reading(tag)
    if reading.number is None:
        return DASH, style_of(reading, look.palette)
    mark = "" if reading.is_usable and reading.grade == "good" else "?"
    if reading.number:
        return f"{look.signs.alarm} YES{mark}", f"bold {look.palette.warn}"
    return f"no{mark}", style_of(reading, look.palette)


def no_curve(curve: Reading, first: Reading) -> str:
    """Return why no forecast is drawn; ``first`` is the next step's, which the table shows."""
    if curve.grade == WAITING:
        return "waiting for the curve"
    return "no forecast yet" if first.number is None else "the curve of the forecast is missing"


def state(look: Look, model: StationModel, target: Target) -> Text:
    """Return the state of one target in two lines."""
    d = target.device
    end_h = look.view.reading(f"{d}.END_H").number
    ended = f"{datetime.fromtimestamp(end_h * 3600.0, UTC):%Y-%m-%d %H:%M} UTC" if end_h else "no step yet"
    words = words_of(model.points.get(f"{d}.STATE"), look.view.reading(f"{d}.STATE"))
    level, mean, least = (look.cell(model, f"{d}.{n}", has_unit=True) for n in ("DRIFT_LEVEL", "MEAN", "MIN"))
    return Text.assemble(
        (d, "bold"),
        f"  {words}",
        *(
            "  fallback ",
            _flag(look, f"{d}.FALLBACK"),
            "  drift ",
            _flag(look, f"{d}.DRIFT"),
            f" ({level})\n",
        ),
        *(f"ahead: mean {mean}, least {least}", f"  last step ended {ended}"),
    )


def target_rows(look: Look, model: StationModel, targets: Sequence[Target]) -> list[Row]:
    """Return a row for each target."""
    rows: list[Row] = []
    for t in targets:
        marks = [
            word
            for name, word in (("FALLBACK", "fallback"), ("DRIFT", "drift"))
            if look.view.reading(f"{t.device}.{name}").is_on
        ]
        issued = words_of(model.points.get(f"{t.device}.MODEL"), look.view.reading(f"{t.device}.MODEL"))
        warned = f"{issued} {look.signs.alarm} {', '.join(marks)}" if marks else issued
        values = (look.cell(model, f"{t.device}.{name}") for name in ("ACTUAL", "H1", "PEAK", "PEAK_IN"))
        rows.append((left(t.name), *values, left(warned, look.palette.warn if marks else "")))
    return rows


def score_rows(look: Look, model: StationModel, target: Target) -> list[Row]:
    """Return a row for each number of steps ahead."""
    return [_row(look, model, steps, target.step_h, device, SCORES) for steps, device in target.scores]


def model_rows(look: Look, model: StationModel, target: Target) -> list[Row]:
    """Return a row for each number of steps ahead: error of what was issued, and of each model."""
    rows: list[Row] = []
    for steps, device in target.scores:
        best = words_of(model.points.get(f"{device}.BEST"), look.view.reading(f"{device}.BEST"))
        rows.append((*_row(look, model, steps, target.step_h, device, MODELS), left(best)))
    return rows


def _row(
    look: Look, model: StationModel, steps: int, step_h: float, device: str, names: Sequence[str]
) -> tuple[Text, ...]:
    values = (
        look.cell(model, f"{device}.{name}") if model.has(f"{device}.{name}") else right("") for name in names
    )
    return (left(f"{steps * step_h:g} h"), *values)


def ticks(begin_h: float, end_h: float, every_h: int) -> list[tuple[float, str]]:
    """Return marks of the time axis: hours from now.

    >>> ticks(-7.0, 12.0, 6)
    [(-6, '-6 h'), (0, 'now'), (6, '+6 h'), (12, '+12 h')]
    """
    first = -int(-begin_h // every_h) * every_h
    return [(h, f"{h:+d} h" if h else "now") for h in range(first, int(end_h) + 1, every_h)]
