"""``gridhil forecast backtest``: read, roll, report."""

from __future__ import annotations

import dataclasses as dc
import time
from typing import Any

from rich.console import Console

from forecasting.backtest import Window, backtest, window_of
from forecasting.calendar import parse_zone
from forecasting.history import Wish
from forecasting.history_report import iso
from forecasting.series import Series
from hil.forecast_history import moment, read_any
from hil.output import as_table, out, print_line
from hil.progress import progress
from rtcore.errors import Problem, UserInputError

FITS_AT_ONCE = 2
"""Fits of Prophet beside each other: each is a process that works for a fraction of a second."""
LONGEST_DAYS = 7


@dc.dataclass(frozen=True, slots=True)
class Options:
    """What the user chose."""

    horizons: tuple[int, ...] = (1, 24)
    begin: str | None = None
    end: str | None = None
    seed: int = 1


def parse_horizons(text: str) -> tuple[int, ...]:
    """Return steps ahead from ``1,24``.

    Raises
    ------
    UserInputError
        Something that is no positive whole number.
    """
    parts = [p.strip() for p in text.split(",") if p.strip()]
    bad = [p for p in parts if not p.isdecimal() or int(p) == 0]
    if bad or not parts:
        what = f"{(bad or [text])[0]!r} is no number of steps; write them like 1,24"
        raise UserInputError([Problem("--horizons", "", what)])
    return tuple(sorted({int(p) for p in parts}))


def run(history: str, wish: Wish, options: Options, talk: Console) -> dict[str, Any]:
    """Return the report; what was odd about the file goes to ``talk`` and into the report.

    Raises
    ------
    UserInputError
        A history that cannot be used or is too short, a window outside it.
    """
    series, reading = read_any(history, wish)
    for note in reading.notes:
        print_line(talk, f"{reading.file}: {note}")
    _check_horizons(options.horizons, series)
    ends = [moment(text, name, series) for text, name in ((options.begin, "--from"), (options.end, "--to"))]
    window = window_of(series, ends[0], ends[1], options.horizons)
    started = time.monotonic()
    with progress("forecasts", talk) as tick:
        found = backtest(series, options.horizons, window, options.seed, workers=FITS_AT_ONCE, progress=tick)
    return {
        "history": reading.to_dict(),
        "window": _described(series, window),
        **found,
        "seconds": round(time.monotonic() - started, 1),
    }


def show(document: dict[str, Any]) -> None:
    """Print the scoreboards, what each member is worth, and what the intervals hold."""
    column, window = document["history"]["column"], document["window"]
    out.print(
        f"{column}: {window['origins']} origins, {window['first']} to {window['last']}",
        highlight=False,
        soft_wrap=True,
    )
    names = ("rmse", "mae", "mape_pct", "mase", "bias")
    for horizon, models in document["horizons"].items():
        detail = document["details"][horizon]
        rows = [
            (name, *(_short(models[name][k]) for k in names), *_worth(detail, name))
            for name in sorted(models, key=lambda m: models[m]["rmse"])
        ]
        title = f"{horizon} step{'s' if horizon != '1' else ''} ahead"
        as_table(title, ("model", *names, "weight", "without"), rows)
        _show_ratios(detail["ratios"])
        _show_intervals(detail["intervals"])


def _worth(detail: dict[str, Any], name: str) -> tuple[str, str]:
    """Return a member's mean weight, and the RMSE of the hybrid without it."""
    return _short(detail["weights"].get(name)), _short(detail["rmse_without"].get(name))


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _show_ratios(ratios: dict[str, Any]) -> None:
    for what in ("member", "baseline"):
        ratio = ratios[f"to_best_{what}"]
        if ratio is not None:
            upper = ratio["upper_90pct"]
            end = "too few weeks" if upper is None else f"{upper:.4f} (bootstrap of weeks)"
            out.print(
                f"hybrid to best {what} ({ratios[f'best_{what}']}): RMSE ratio {ratio['ratio']:.4f}, "
                f"upper end of its 90 % interval: {end}",
                highlight=False,
                soft_wrap=True,
            )


def _show_intervals(found: dict[str, Any]) -> None:
    for name, row in found.items():
        if row["pinball"] is None:
            continue
        shares = ", ".join(f"{level} % hold {100 * row[f'coverage_{level}']:.1f} %" for level in (50, 80, 95))
        out.print(
            f"{name} intervals: {shares}; 80 % by time of day {100 * row['lowest_hour_80']:.0f} to "
            f"{100 * row['highest_hour_80']:.0f} %; pinball loss {row['pinball']:.4g}",
            highlight=False,
            soft_wrap=True,
        )


def _check_horizons(horizons: tuple[int, ...], series: Series) -> None:
    longest = LONGEST_DAYS * series.per_day
    if horizons[-1] > longest:
        what = f"{horizons[-1]} steps; at most {longest} ({LONGEST_DAYS} days) are forecast"
        raise UserInputError([Problem("--horizons", "", what)])


def _described(series: Series, window: Window) -> dict[str, Any]:
    zone = parse_zone(series.zone)
    first, last = (iso(series.start_ns + (o + 1) * series.step_ns, zone) for o in (window.first, window.last))
    return {"first": first, "last": last, "origins": window.last - window.first + 1}
