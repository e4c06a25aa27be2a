"""What a study came to: a table, CSV, JSON and a chart."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from forecasting.dispatch.settings import Settings
from forecasting.series import Floats
from hil.dispatch_study_run import DEMAND_S, SAMPLE_S, Case, Run

WIDTH_IN, HEIGHT_IN, DPI = 9.0, 8.0, 90
COLOURS_MAX = 64
COLOURS = {"rules": "#c44e52", "optimising": "#4c72b0"}

ROWS = (
    ("peak_kw", "peak import, mean of 15 min [kW]"),
    ("violation_h", "violations: node-hours outside the limits [h]"),
    ("low_h", "  of these below [h]"),
    ("high_h", "  of these above [h]"),
    ("violated_h", "time with any service outside [h]"),
    ("v_min_pu", "lowest service voltage [pu]"),
    ("v_max_pu", "highest service voltage [pu]"),
    ("tap_operations", "tap operations"),
    ("curtailed_mwh", "sun not taken [MWh]"),
    ("losses_mwh", "network losses [MWh]"),
    ("throughput_mwh", "energy through the batteries [MWh]"),
    ("import_mwh", "energy from the grid [MWh]"),
    ("export_mwh", "energy to the grid [MWh]"),
    ("cost_energy", "cost of energy"),
    ("cost_peak", "cost of peaks, by calendar month"),
    ("cost_ageing", "cost of ageing"),
    ("cost_taps", "cost of tap operations"),
    ("cost", "cost in all"),
)
"""Figures of a run and how they are named."""


def demand_w(run: Run) -> Floats:
    """Return the mean import of each demand interval [W]."""
    per = round(DEMAND_S / SAMPLE_S)
    return np.asarray(run.import_w.reshape(-1, per).mean(1))


def figures(case: Case, run: Run) -> dict[str, Any]:
    """Return everything a run is judged by; node-hours count every service node for itself."""
    s = case.settings
    hours = SAMPLE_S / 3600.0
    taken = float(np.sum(np.maximum(run.import_w, 0.0))) * hours / 1e6
    given = float(np.sum(np.maximum(-run.import_w, 0.0))) * hours / 1e6
    outside = (run.v_low < s.v_min_pu) | (run.v_high > s.v_max_pu)
    costs = {
        "cost_energy": 1e3 * (s.energy_price * taken - s.export_price * given),
        "cost_peak": s.peak_price * sum(_monthly_peaks(case, run)) / 1e3,
        "cost_ageing": s.ageing_price * run.throughput_wh / 1e3,
        "cost_taps": s.tap_price * run.tap_operations,
    }
    out: dict[str, Any] = {
        "mode": run.mode,
        "peak_kw": float(demand_w(run).max()) / 1e3,
        "violation_h": float(run.low_h.sum() + run.high_h.sum()),
        "low_h": float(run.low_h.sum()),
        "high_h": float(run.high_h.sum()),
        "violated_h": float(np.sum(outside)) * hours,
        "v_min_pu": float(run.v_low.min()),
        "v_max_pu": float(run.v_high.max()),
        "tap_operations": run.tap_operations,
        "curtailed_mwh": max(run.curtailed_wh, 0.0) / 1e6,
        "losses_mwh": run.losses_wh / 1e6,
        "throughput_mwh": run.throughput_wh / 1e6,
        "import_mwh": taken,
        "export_mwh": given,
        **costs,
        "cost": sum(costs.values()),
    }
    for b, soc in zip(case.site.batteries, run.soc_pct[-1].tolist(), strict=True):
        out[f"final_soc_{b.name}_pct"] = soc
    if run.dispatcher is not None:
        out["plans"] = _plans(run)
    return out


def _monthly_peaks(case: Case, run: Run) -> list[float]:
    """Return the highest demand of each calendar month of the local clock [W]."""
    demand = demand_w(run)
    seconds = case.setup.clock.epoch_ns // 10**9 + case.site.utc_offset_s + DEMAND_S * np.arange(len(demand))
    months = seconds.astype("datetime64[s]").astype("datetime64[M]")
    return [float(demand[months == m].max()) for m in np.unique(months)]


def _plans(run: Run) -> dict[str, Any]:
    """Return how the plans of a run went, and its dispatcher's own books."""
    d = run.dispatcher
    assert d is not None
    solve = np.array(run.solve_ms)
    return {
        "made": d.n_plans,
        "failed": d.n_failures,
        "solve_ms_median": float(np.median(solve)) if len(solve) else None,
        "solve_ms_max": float(solve.max()) if len(solve) else None,
        "predicted_cost": d.ledger.books.predicted,
        "realised_cost": d.ledger.books.realised,
        "metered_violation_h": d.ledger.books.violation_h,
        "events": sorted(set(run.events)),
    }


def document(case: Case, runs: Sequence[Run], about: dict[str, Any]) -> dict[str, Any]:
    """Return the whole study, JSON-ready."""
    s: Settings = case.settings
    return {
        "about": about,
        "limits_pu": [s.v_min_pu, s.v_max_pu],
        "services": len(runs[0].low_h),
        "runs": [figures(case, r) for r in runs],
    }


def table_rows(doc: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return the rows of the table, numbers as texts."""
    runs = doc["runs"]
    socs = sorted({k for r in runs for k in r if k.startswith("final_soc_")})
    names = [*ROWS, *((k, f"final state of charge {k[10:-4]} [%]") for k in socs)]
    return [(what, *(_text(r[key]) for r in runs)) for key, what in names]


def notes(doc: dict[str, Any]) -> list[str]:
    """Return what to know of the figures, and by how much the dispatcher is better."""
    low, high = doc["limits_pu"]
    out = [
        f"Violations: {doc['services']} service nodes, each counted for itself, outside {low} to {high} pu;"
        f" true state, every {SAMPLE_S} s."
    ]
    by_mode = {r["mode"]: r for r in doc["runs"]}
    if len(by_mode) == 2:
        rules, plans = by_mode["rules"], by_mode["optimising"]
        less = {k: plans[k] - rules[k] for k in ("violation_h", "tap_operations", "cost")}
        out.append(
            f"Optimising against rules: peak {plans['peak_kw'] / rules['peak_kw'] - 1.0:+.1%}, violations"
            f" {less['violation_h']:+.1f} node-hours, tap operations {less['tap_operations']:+d},"
            f" cost {less['cost']:+.0f}."
        )
    if "optimising" in by_mode:
        p = by_mode["optimising"]["plans"]
        out.append(f"{p['made']} plans, {p['failed']} failed.")
        if p["made"]:
            out.append(
                f"Solver: {p['solve_ms_median']:.0f} ms in the median, {p['solve_ms_max']:.0f} at most."
            )
        out += p["events"]
    return out


def _text(value: float) -> str:
    return f"{value:.4f}" if 0.5 < value < 1.5 else f"{value:,.1f}".replace(",", " ")


def write(folder: Path, case: Case, runs: Sequence[Run], doc: dict[str, Any]) -> list[Path]:
    """Write study.csv (figures), hours.csv (the course of each run), study.json and study.png."""
    import json

    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in ("study.csv", "hours.csv", "study.json", "study.png")]
    with paths[0].open("w", newline="") as f:
        writer = csv.writer(f, lineterminator="\n")
        writer.writerow(["figure", *(r["mode"] for r in doc["runs"])])
        keys = [k for k, v in doc["runs"][0].items() if isinstance(v, int | float)]
        writer.writerows([k, *(r.get(k, "") for r in doc["runs"])] for k in keys)
    _write_hours(paths[1], case, runs)
    paths[2].write_text(json.dumps(doc, indent=1, allow_nan=False) + "\n")
    chart(paths[3], case, runs)
    return paths


def _write_hours(path: Path, case: Case, runs: Sequence[Run]) -> None:
    batteries = [b.name for b in case.site.batteries]
    regulators = [r.name for r in case.site.regulators]
    with path.open("w", newline="") as f:
        writer = csv.writer(f, lineterminator="\n")
        header = ["mode", "hour", "import_kw", "v_min_pu", "v_max_pu"]
        header += [f"{b}_kw" for b in batteries] + [f"{b}_soc_pct" for b in batteries]
        writer.writerow(header + [f"{r}_tap" for r in regulators])
        for run in runs:
            by_hour = [x.reshape(-1, 3600 // SAMPLE_S) for x in (run.import_w, run.v_low, run.v_high)]
            for h in range(len(run.soc_pct)):
                row = [by_hour[0][h].mean() / 1e3, by_hour[1][h].min(), by_hour[2][h].max()]
                row += [*(run.battery_w[h] / 1e3), *run.soc_pct[h], *run.taps[h]]
                writer.writerow([run.mode, h, *(f"{x:.5g}" for x in row)])


def chart(path: Path, case: Case, runs: Sequence[Run]) -> None:
    """Draw import, extremes of the services' voltages, state of charge and taps over the weeks."""
    from matplotlib.figure import Figure
    from PIL import Image

    figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), dpi=DPI, layout="constrained")
    axes = figure.subplots(4, 1, sharex=True, height_ratios=[3, 3, 2, 1.3])
    for run in runs:
        colour = COLOURS[run.mode]
        days = np.arange(len(demand_w(run))) * DEMAND_S / 86_400.0
        axes[0].plot(days, demand_w(run) / 1e6, color=colour, lw=0.8, label=run.mode)
        axes[0].axhline(demand_w(run).max() / 1e6, color=colour, lw=0.8, ls="--")
        per_hour = 3600 // SAMPLE_S
        hours = (1 + np.arange(len(run.soc_pct))) / 24.0
        axes[1].plot(hours, run.v_high.reshape(-1, per_hour).max(1), color=colour, lw=0.8)
        axes[1].plot(hours, run.v_low.reshape(-1, per_hour).min(1), color=colour, lw=0.8)
        axes[2].plot(hours, run.soc_pct[:, 0], color=colour, lw=0.8)
        axes[3].step(hours, run.taps.mean(1), color=colour, lw=0.8, where="pre")
    for limit in (case.settings.v_min_pu, case.settings.v_max_pu):
        axes[1].axhline(limit, color="0.3", lw=0.8, ls=":")
    axes[0].legend(loc="upper right", ncols=2, fontsize="small")
    axes[0].set_ylabel("import [MW], 15 min")
    axes[1].set_ylabel("service voltages\nlowest, highest [pu]")
    axes[2].set_ylabel(f"{case.site.batteries[0].name}\ncharge [%]")
    axes[3].set_ylabel("tap, mean")
    axes[3].set_xlabel("day")
    for ax in axes:
        ax.grid(True, lw=0.3)
        ax.margins(x=0)
    drawn = io.BytesIO()
    figure.savefig(drawn)
    # so few colours that a palette holds them: a third of the size
    Image.open(drawn).convert("RGB").quantize(COLOURS_MAX).save(path, optimize=True)
