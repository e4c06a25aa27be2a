"""An offline estimate and a telemetry design for people."""

from __future__ import annotations

from typing import Any

from hil.output import as_pairs, as_table, out, print_line

ROWS = 12
"""Rows of the tables of the worst."""
FEW = 3
"""Suspects that are told where a wrong status would explain them all."""


def show(doc: dict[str, Any]) -> None:
    """Print what an estimate found."""
    if not doc["converged"]:
        if doc["unobservable"]:
            print_line(out, f"not observable: {_listed(doc['unobservable'])}")
        if doc["switch_suspect"]:
            print_line(out, _switch_words(doc["switch_suspect"]))
        return
    as_pairs(_summary(doc))
    rows = [r for r in doc["measurements"] if r["rn"] is not None]
    rows.sort(key=lambda r: -abs(r["rn"]))
    tested = (
        f"beyond {doc['rn_threshold']:.2f} is suspect" if rows else "none is tested, nothing is redundant"
    )
    title = f"largest normalised residuals; {tested}"
    columns = ("measurement", "value", "residual", "rn", "Omega/R", "state")
    as_table(title, columns, [_residual_cells(r) for r in rows[:ROWS]])
    for line in _words(doc):
        print_line(out, line)


def _summary(doc: dict[str, Any]) -> dict[str, Any]:
    used = [r for r in doc["measurements"] if r["state"] != "unused"]
    threshold = "none is redundant" if doc["threshold"] is None else f"{doc['threshold']:.6g} (99 %)"
    pairs = {
        "measurements": f"{len(used)}, {sum(r['is_pseudo'] for r in used)} of them pseudo",
        "iterations": doc["iterations"],
        "J": doc["j"],
        "degrees of freedom": doc["dof"],
        "threshold of J": threshold,
    }
    if doc["suspects"] and doc["j_after_removal"] != doc["j"]:
        pairs["J without suspects"] = doc["j_after_removal"]
    v_pu = [n["v_pu"] for n in doc["nodes"].values() if n["v_pu"] > 0.0]
    if v_pu:
        pairs["voltages"] = f"{min(v_pu):.5f} to {max(v_pu):.5f} pu at {len(v_pu)} nodes"
    return pairs


def _words(doc: dict[str, Any]) -> list[str]:
    lines, suspects = _status_words(doc), doc["suspects"]
    if lines and len(suspects) > FEW:
        lines.append(f"{len(suspects)} measurements speak against it, which that would explain; the worst:")
        suspects = suspects[:FEW]
    for s in suspects:
        alike = f"; not to be told from {', '.join(s['alike'])}" if s["alike"] else ""
        error = "" if s["error"] is None else f", off by about {s['error']:.6g} {s['unit']}"
        lines.append(f"suspect: {s['measurement']}, rn {s['rn']:.1f}{error}{alike}")
    if doc["unobservable"]:
        n, listed = len(doc["unobservable"]), _listed(doc["unobservable"])
        lines.append(
            f"not observable, left out: {n} buses, {listed} (--load-sigma PCT takes loads as nominal)"
        )
    if doc["critical"]:
        listed = _listed(doc["critical"])
        lines.append(f"critical, errors of these are never seen: {listed}")
    if not lines and doc["is_clean"]:
        lines.append("no bad data found")
    elif not doc["is_clean"]:
        lines.append("what is left is still larger than the standard deviations allow")
    return lines


def _status_words(doc: dict[str, Any]) -> list[str]:
    """Return what would explain more than any measurement: it comes first, and what was removed after it."""
    lines = [_switch_words(doc["switch_suspect"])] if doc["switch_suspect"] else []
    if tap := doc["tap_suspect"]:
        what = f"regulator {tap['regulator']} seems to be at tap {tap['tap']}, not {tap['given']}"
        lines.append(f"{what}: J is then {tap['j']:.6g} (--tap {tap['regulator']}={tap['tap']})")
    return lines


def _switch_words(switch: dict[str, Any]) -> str:
    option = "close" if switch["position"] == "closed" else "open"
    what = f"switch {switch['switch']} seems to be {switch['position']}: J is then {switch['j']:.6g}"
    return f"{what} (--{option} {switch['switch']})"


def _residual_cells(row: dict[str, Any]) -> list[str]:
    redundancy = "-" if row["redundancy"] is None else f"{row['redundancy']:.3f}"
    cells = [f"{row['value']:.6g}", f"{row['residual']:.4g}", f"{row['rn']:.2f}", redundancy, row["state"]]
    return [row["measurement"], *cells]


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - ROWS} more" if len(names) > ROWS else ""
    return ", ".join(names[:ROWS]) + more


def show_design(doc: dict[str, Any]) -> None:
    """Print what a telemetry set can do."""
    as_pairs(
        {
            "telemetry": f"{doc['telemetry']}: {doc['title']}",
            "at": doc["at"],
            "channels": doc["n_channels"],
            "redundancy": f"{doc['redundancy']:.3f} measurements and exact relations for every state",
            "testable": f"{doc['n_testable']} channels, {100.0 * doc['testable_share']:.1f} % (half of an "
            "error or more shows in the own residual)",
            "critical": _listed(doc["critical"]) or "none",
            "voltages": f"known to {1e3 * doc['voltage_std_pu']['mean']:.3f} mpu in the mean, "
            f"{1e3 * doc['voltage_std_pu']['worst']:.3f} mpu at {doc['voltage_std_pu']['worst_bus']}",
            "flows": f"known to {doc['flow_std_w']['mean']:.4g} W in the mean, "
            f"{doc['flow_std_w']['worst']:.4g} W at {doc['flow_std_w']['worst_at']}",
        }
    )
    if doc["history"]:
        print_line(out, doc["history"])
    weak = [c for c in doc["channels"] if c["redundancy"] is not None and not c["is_testable"]]
    weak.sort(key=lambda c: c["redundancy"])
    unused = len(doc["channels"]) - doc["n_testable"] - len(weak)
    print_line(out, f"not used, behind open switches or out of range: {unused}")
    out.print(f"channels that cannot be tested: {len(weak)}, the weakest {min(ROWS, len(weak))}:")
    for c in weak[:ROWS]:
        print_line(out, f"  {c['channel']}: {_detectable(c)}; {c['why']}")
    groups = sorted(doc["groups"], key=len, reverse=True)
    out.print(f"cannot be told apart: {len(groups)} groups, the largest {min(ROWS, len(groups))}:")
    for group in groups[:ROWS]:
        print_line(out, f"  {_listed(group)}")
    _show_candidates(doc)


def _detectable(channel: dict[str, Any]) -> str:
    """Return which gross error of a channel is found in four of five cases."""
    if channel["detectable"] is None:
        return "no error is found"
    return f"found from {channel['detectable']:.4g} {channel['unit']} on (sigma {channel['sigma']:.3g})"


def _show_candidates(doc: dict[str, Any]) -> None:
    if not doc["candidates"]:
        print_line(out, "the station has no measuring point that the set does not read")
        return
    columns = ("meter", "V mean", "V worst", "P mean", "more testable", "of its own")
    rows = [
        (
            c["meter"],
            f"{1e3 * c['voltage_std_pu']['mean']:.4f}",
            f"{1e3 * c['voltage_std_pu']['worst']:.4f}",
            f"{c['flow_std_w']['mean']:.4g}",
            c["more_testable"],
            f"{c['own_testable']}/{len(c['points'])}",
        )
        for c in doc["candidates"][:ROWS]
    ]
    title = f"standard deviations (mpu, W) with one more meter, best {len(rows)} of {len(doc['candidates'])}"
    as_table(title, columns, rows)
    for aim, found in doc["best"].items():
        print_line(out, f"best for {aim}: {found}")
