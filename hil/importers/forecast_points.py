"""Point templates of the forecaster, made from its declarations, and its devices in the shipped point lists.

``python -m hil.importers.forecast_points`` writes the templates into config/points/templates, and the rows
into the point list that all stations with forecasts share, behind the estimator's. Those of photovoltaic
sites come with the sites (``hil.importers.iowa_der``).
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence

from forecasting.outputs import AHEAD, KINDS, MODELS, State
from hil import paths
from hil.importers.estimator_points import replace_rows
from hil.importers.protection_points import device, templates_folder
from hil.importers.published_template import in_kw, published_template, without
from rtcore.component import REGISTRY, Attr

UNIT, SITE_UNIT = 7, 8
"""Modbus units of the forecaster, and of its forecasts of photovoltaic sites; nobody writes there."""

LISTS = ("iowa240-prot",)
LOADS = {"total": "TOTAL", "feeder_a": "FDR_A", "feeder_b": "FDR_B", "feeder_c": "FDR_C"}
"""Target -> what it is called in tags."""
SCORED = (1, 6, 24)
SITE_SCORED = (1, 24)

SERVICE_IR, TARGET_IR, SCORE_IR, SITE_IR, SITE_SCORE_IR = 100, 1000, 4000, 100, 4000
TARGET_SPAN, SCORE_SPAN, SITE_SPAN, SITE_SCORE_SPAN = 200, 60, 80, 20
INTERVALS_AT = 90
"""Its intervals are a device of their own behind it, so that one read has each with its stamp."""
SERVICE_DI, TARGET_DI, SITE_DI = 16, 32, 16

INTERVALS = tuple(f"{end}{k}_w" for end in ("low", "high") for k in range(1, AHEAD + 1))
"""Attributes of a load's forecast that are its intervals'."""
SITE_ATTRS = (
    "actual_w",
    *(f"h{k}_w" for k in range(1, AHEAD + 1)),
    *("peak_w", "peak_in", "mean_w", "min_w", "model", "state", "is_drift", "end_h"),
)
"""Attributes of a photovoltaic site's forecast that have points."""
SITE_SCORE_ATTRS = ("rmse_w", "mae_w", "bias_w", "cover_80_pct", "count")

COUNTS = ("issued", "n_targets", "n_fallback", "peak_in", "count")
NUMBERS = {"model": len(MODELS) - 1, "best": len(MODELS) - 1, "state": max(State)}
"""Attribute that is a number of a table -> its largest."""
COUNT_MAX = 2**32 - 1
RANGES = {
    "kW": (-1_000_000, 1_000_000),
    "%": (-1_000_000, 1_000_000),
    "h": (0, 10_000_000),
    "ms": (0, 1_000_000),
    "s": (0, 1_000_000_000),
    "": (-1_000_000_000, 1_000_000_000),
}
DESCRIPTIONS = {
    "forecaster": "forecaster: state, age and effort",
    "forecast": "forecast of a load, 1 to 24 steps ahead",
    "forecast_intervals": "ends of the 80 % intervals of a load's forecast, 1 to 24 steps ahead",
    "forecast_site": "forecast of what the sun gives at a photovoltaic site, 1 to 24 steps ahead",
    "forecast_score": "live score of a forecast at one horizon",
    "forecast_site_score": "live score of a photovoltaic site's forecast at one horizon",
}
TEMPLATES: dict[str, tuple[str, Collection[str] | None]] = {
    "forecaster": ("forecaster", None),
    "forecast": ("forecast", tuple(a.name for a in REGISTRY["forecast"].attrs if a.name not in INTERVALS)),
    "forecast_intervals": ("forecast", INTERVALS),
    "forecast_site": ("forecast", SITE_ATTRS),
    "forecast_score": ("forecast_score", None),
    "forecast_site_score": ("forecast_score", SITE_SCORE_ATTRS),
}
"""Template -> kind, and which of its attributes have points; None: all."""


def template(name: str) -> str:
    """Return the text of a template."""
    kind, chosen = TEMPLATES[name]
    return published_template(
        DESCRIPTIONS[name],
        [a for a in REGISTRY[kind].attrs if chosen is None or a.name in chosen],
        name=lambda attr: without(attr, "_w", "_pct", "_s", "_ms"),
        number=_number,
        unit=in_kw,
    )


def _number(attr: Attr) -> tuple[int, int, str]:
    """Return lowest and highest value and the format of the registers."""
    if attr.name in NUMBERS:
        return 0, NUMBERS[attr.name], "uint32"
    if attr.name in COUNTS:
        return 0, COUNT_MAX, "uint32"
    return *RANGES[in_kw(attr.unit)], "float32"


def load_rows() -> list[dict[str, str]]:
    """Return the rows of devices.csv of the forecaster itself, and of the loads that it forecasts."""
    rows = [device("FC.SVC", "forecaster", "forecaster.forecaster", UNIT, ir=SERVICE_IR, di=SERVICE_DI)]
    for k, (name, tag) in enumerate(LOADS.items()):
        rows += _target(tag, name, k)
    for k, (name, steps) in enumerate((n, s) for n in LOADS for s in SCORED):
        rows.append(_score(LOADS[name], name, steps, k))
    return rows


def site_rows(sites: Sequence[str]) -> list[dict[str, str]]:
    """Return the rows of photovoltaic sites and of their sum, which is forecast as loads are."""
    first = len(LOADS)
    rows = _target("SOLAR", "solar", first)
    rows += [_score("SOLAR", "solar", s, first * len(SCORED) + k) for k, s in enumerate(SCORED)]
    for k, site in enumerate(sites):
        at, bit = SITE_IR + SITE_SPAN * k, SITE_DI + 8 * k
        rows.append(
            device(f"FC.{site.upper()}", "forecast_site", f"forecast.{site}", SITE_UNIT, ir=at, di=bit)
        )
    for k, (site, steps) in enumerate((n, s) for n in sites for s in SITE_SCORED):
        tag = f"FC.{site.upper()}_S{steps}"
        at = SITE_SCORE_IR + SITE_SCORE_SPAN * k
        rows.append(device(tag, "forecast_site_score", f"forecast_score.{site}.{steps}", SITE_UNIT, ir=at))
    return rows


def _target(tag: str, name: str, k: int) -> list[dict[str, str]]:
    at, bit = TARGET_IR + TARGET_SPAN * k, TARGET_DI + 8 * k
    return [
        device(f"FC.{tag}", "forecast", f"forecast.{name}", UNIT, ir=at, di=bit),
        device(f"FC.{tag}_I", "forecast_intervals", f"forecast.{name}", UNIT, ir=at + INTERVALS_AT),
    ]


def _score(tag: str, name: str, steps: int, k: int) -> dict[str, str]:
    at = SCORE_IR + SCORE_SPAN * k
    return device(f"FC.{tag}_S{steps}", "forecast_score", f"forecast_score.{name}.{steps}", UNIT, ir=at)


def main() -> None:
    """Write templates and rows."""
    folder = templates_folder()
    for name in TEMPLATES:
        (folder / f"{name}.toml").write_text(template(name), encoding="utf-8")
    for name in LISTS:
        replace_rows(paths.find("points", name) / "devices.csv", load_rows(), KINDS)
        sys.stdout.write(f"{name}: {len(load_rows())} rows of points\n")


if __name__ == "__main__":
    main()
