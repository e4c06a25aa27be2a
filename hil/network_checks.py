"""Checks across the tables of a network folder: references, node counts, ranges, what physics needs.

Every check reports and goes on. Rows with unreadable cells are not here any more (``read_table``
has reported them), but their names still count, so that one mistake gives one message.
"""

from __future__ import annotations

import dataclasses as dc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hil.network_tables import TABLES, Row
from rtcore.errors import Problem, did_you_mean
from rtcore.network.model import conductors


def _empty() -> dict[str, list[Row]]:
    return {key: [] for key in TABLES}


@dc.dataclass
class Found:
    """What was read, by table, after everything that a folder extends.

    Attributes
    ----------
    folder : Path
        The folder asked for.
    rows, raw : dict
        Good rows, and all rows.
    removed : dict
        (table, name) of what was removed, and the file that says so.
    unreadable : set
        Tables that could not be read at all; nothing is missed in them.
    """

    folder: Path
    rows: dict[str, list[Row]] = dc.field(default_factory=_empty)
    raw: dict[str, list[Row]] = dc.field(default_factory=_empty)
    removed: dict[tuple[str, str], Path] = dc.field(default_factory=dict)
    unreadable: set[str] = dc.field(default_factory=set)
    _known: dict[str, frozenset[str]] = dc.field(default_factory=dict, init=False, repr=False)
    """Names of tables that cells were looked up in; by then no table changes any more."""

    def names(self, key: str) -> list[str]:
        """Return the texts of the naming column, bad rows included."""
        return [row.texts.get(TABLES[key].key, "") for row in self.raw[key]]

    def problem(self, key: str, row: Row, column: str, what: str) -> Problem:
        """Return a problem at a cell."""
        place = f"row {row.line} column {column!r}" if column else f"row {row.line}"
        return Problem(str(row.path), place, what)

    def is_bare(self, key: str) -> bool:
        """Tell whether a table that every network needs has no rows; one message says so."""
        return TABLES[key].is_needed and not self.raw[key] and key not in self.unreadable

    def unknown(self, key: str, row: Row, column: str, wanted: str, called: str) -> Iterator[Problem]:
        """Report a cell that names a row of another table, ``wanted``, which is not there."""
        name = row.values[column]
        if wanted not in self._known:
            self._known[wanted] = frozenset(self.names(wanted))
        if name in self._known[wanted] or wanted in self.unreadable or self.is_bare(wanted):
            return
        by = self.removed.get((wanted, name))
        why = f"; {by} removes it" if by else did_you_mean(name, self.names(wanted))
        yield self.problem(key, row, column, f"unknown {called} {name!r}{why}")


POSITIVE = {
    "buses": ["base_kv_ln"],
    "sources": ["base_kv"],
    "lines": ["length", "rating_a"],
    "switches": ["rating_a"],
    "windings": ["kv", "kva", "tap"],
    "regulators": ["tap_min_pu", "tap_steps", "vreg_v", "pt_ratio", "ct_primary_a", "remote_pt_ratio"],
    "capacitors": ["kv"],
    "reactors": ["parallel_r_ohm"],
    "loads": ["kv", "vmin_pu", "vmax_pu"],
    "ders": ["kv", "kva"],
    "transformers": ["phases"],
}
NOT_NEGATIVE = {
    "sources": ["v_pu", "r1_ohm", "r0_ohm"],
    "switches": ["r_ohm"],
    "windings": ["r_pct"],
    "transformers": ["no_load_loss_pct", "magnetising_pct", "antifloat_ppm"],
    "regulators": ["band_v", "vlimit_v", "delay_s", "tap_delay_s", "max_tap_change"],
    "reactors": ["r_ohm"],
    "loads": ["vlow_pu"],
    "ders": ["r1_pu", "r0_pu"],
}

BUS_COLUMNS = {
    "sources": [("bus", "nodes"), ("return_bus", "return_nodes")],
    "lines": [("bus1", "nodes1"), ("bus2", "nodes2")],
    "switches": [("bus1", "nodes1"), ("bus2", "nodes2")],
    "windings": [("bus", "nodes")],
    "capacitors": [("bus1", "nodes1"), ("bus2", "nodes2")],
    "reactors": [("bus1", "nodes1"), ("bus2", "nodes2")],
    "loads": [("bus", "nodes")],
    "ders": [("bus", "nodes")],
}


def check_network(found: Found) -> list[Problem]:
    """Return every problem across the tables."""
    checks = (
        _ranges,
        _unique_names,
        _terminals,
        _lines,
        _impedances,
        _transformers,
        _regulators,
        _banks,
        _loads,
        _ders,
        _sources,
        _needed,
    )
    return [problem for check in checks for problem in check(found)]


def _ranges(found: Found) -> Iterator[Problem]:
    for limits, allows_zero, what in (
        (POSITIVE, False, "must be above 0"),
        (NOT_NEGATIVE, True, "must not be below 0"),
    ):
        for key, fields in limits.items():
            for row in found.rows[key]:
                for field in fields:
                    value = row.values[field]
                    if value is not None and not (value > 0 or (allows_zero and value == 0)):
                        yield found.problem(key, row, field, f"{value!r} {what}")


def _unique_names(found: Found) -> Iterator[Problem]:
    for key in TABLES:
        if key in ("windings", "regulators"):
            continue
        counts = Counter(found.names(key))
        for row in found.rows[key]:
            name = row.values["name"]
            if counts[name] > 1:
                what = f"{name!r} stands there {counts[name]} times; names are unique"
                yield found.problem(key, row, TABLES[key].key, what)


def _terminals(found: Found) -> Iterator[Problem]:
    for key, pairs in BUS_COLUMNS.items():
        for row in found.rows[key]:
            for bus, nodes in pairs:
                numbers = row.values[nodes]
                if row.values[bus]:
                    yield from found.unknown(key, row, bus, "buses", "bus")
                elif any(numbers):
                    yield found.problem(
                        key, row, nodes, f"nodes {numbers!r} without a bus; give {bus!r} or leave both"
                    )
                if row.values[bus] and not numbers:
                    yield found.problem(
                        key, row, nodes, "no nodes; give them parted by blanks, such as '1 2 3'"
                    )
                live = [k for k in numbers if k]
                if len(set(live)) != len(live):
                    yield found.problem(key, row, nodes, f"a node stands there twice in {numbers!r}")


def _lines(found: Found) -> Iterator[Problem]:
    codes = {row.values["name"]: len(row.values["r"]) for row in found.rows["linecodes"]}
    for key in ("lines", "switches"):
        for row in found.rows[key]:
            n1, n2 = len(row.values["nodes1"]), len(row.values["nodes2"])
            if n1 != n2:
                yield found.problem(
                    key, row, "nodes2", f"{n2} nodes here and {n1} in 'nodes1'; both ends need the same"
                )
            code = row.values.get("linecode")
            if code is None:
                continue
            yield from found.unknown(key, row, "linecode", "linecodes", "line code")
            if code in codes and codes[code] != n1:
                what = f"line code {code!r} has {codes[code]} phases, the line names {n1} nodes"
                yield found.problem(key, row, "linecode", what)


def _is_singular(z: Any) -> bool:
    try:
        return not bool(np.isfinite(np.linalg.inv(np.asarray(z))).all())
    except np.linalg.LinAlgError:
        return True


def _impedances(found: Found) -> Iterator[Problem]:
    for row in found.rows["linecodes"]:
        r, x, c = (row.values[k] for k in ("r", "x", "c_nf"))
        if not len(r) == len(x) == len(c):
            what = (
                f"matrices of orders {len(r)}, {len(x)}, {len(c)}; r_ohm, x_ohm and c_nf need the same order"
            )
            yield found.problem("linecodes", row, "r_ohm", what)
        elif _is_singular(np.array(r) + 1j * np.array(x)):
            yield found.problem("linecodes", row, "r_ohm", "the impedance matrix cannot be inverted")
    for key, pair in (("switches", ("r_ohm", "x_ohm")), ("reactors", ("r_ohm", "x_ohm"))):
        for row in found.rows[key]:
            if not any(row.values[k] for k in pair):
                yield found.problem(key, row, "r_ohm", "zero impedance; give a small one, such as 1e-4")
    for row in found.rows["sources"]:
        v = row.values
        z1, z0 = complex(v["r1_ohm"], v["x1_ohm"]), complex(v["r0_ohm"], v["x0_ohm"])
        if not (abs(z1) > 0.0 and abs(z0) > 0.0):
            yield found.problem(
                "sources", row, "r1_ohm", "zero impedance; give a small one, such as 1e-4 in x1_ohm, x0_ohm"
            )


def _mesh(x12: float, x13: float, x23: float) -> list[list[float]]:
    """Return the reactances of windings 2 and 3 seen from winding 1, as the model inverts them."""
    mutual = 0.5 * (x12 + x13 - x23)
    return [[x12, mutual], [mutual, x13]]


def _transformers(found: Found) -> Iterator[Problem]:
    raw: dict[str, list[str]] = {}
    file: dict[str, Path] = {}
    for winding in found.raw["windings"]:
        raw.setdefault(winding.texts.get("transformer", ""), []).append(winding.texts.get("winding", ""))
        file[winding.texts.get("transformer", "")] = winding.path
    phases = {row.values["name"]: row.values["phases"] for row in found.rows["transformers"]}
    for row in found.rows["transformers"]:
        name, n = row.values["name"], len(raw.get(row.values["name"], []))
        if row.values["phases"] not in (1, 2, 3):
            yield found.problem("transformers", row, "phases", f"{row.values['phases']} is not 1, 2 or 3")
        if "windings" in found.unreadable:
            continue
        if n < 2:
            at = file.get(name, row.path)
            where = "windings.csv" if at.parent == row.path.parent else at
            what = f"{n} windings in {where}; two or more are needed"
            yield found.problem("transformers", row, "name", what)
            continue
        if sorted(raw[name]) != [str(i) for i in range(1, n + 1)]:
            what = f"windings of {name!r} are numbered {', '.join(raw[name])}; they must be 1 to {n}"
            yield found.problem("transformers", row, "name", what)
        pairs = n * (n - 1) // 2
        x_pct = row.values["x_pct"]
        if len(x_pct) != pairs:
            what = f"{len(x_pct)} reactances; {n} windings have {pairs} pairs"
            yield found.problem("transformers", row, "x_pct", what)
        elif not all(x_pct):
            yield found.problem(
                "transformers", row, "x_pct", "a reactance is 0; give a small one, such as 0.01"
            )
        elif n == 3 and _is_singular(_mesh(*x_pct)):
            what = "these reactances leave no impedance between two windings; check the pairs"
            yield found.problem("transformers", row, "x_pct", what)
    for row in found.rows["windings"]:
        name = row.values["transformer"]
        yield from found.unknown("windings", row, "transformer", "transformers", "transformer")
        if name in phases:
            yield from _conductors(found, "windings", row, phases[name])


def _conductors(found: Found, key: str, row: Row, phases: int) -> Iterator[Problem]:
    """Check the number of nodes of a wye or delta winding or load."""
    need, have = conductors(phases, row.values["conn"]), len(row.values["nodes"])
    if have != need:
        neutral = " (the neutral last)" if row.values["conn"] == "wye" else ""
        what = f"{have} nodes; {phases}-phase {row.values['conn']} needs {need}{neutral}"
        yield found.problem(key, row, "nodes", what)


def _regulators(found: Found) -> Iterator[Problem]:
    names = found.names("transformers")
    windings, targets = Counter(found.names("windings")), Counter(found.names("regulators"))
    for row in found.rows["regulators"]:
        v = row.values
        name = v["transformer"]
        if name not in names:
            yield from found.unknown("regulators", row, "transformer", "transformers", "transformer")
            continue
        if targets[name] > 1:
            yield found.problem(
                "regulators", row, "transformer", f"transformer {name!r} has {targets[name]} regulators"
            )
        for column in ("tapped_winding", "measured_winding"):
            if not 1 <= v[column] <= windings[name] and "windings" not in found.unreadable:
                yield found.problem(
                    "regulators", row, column, f"{v[column]} is not a winding; 1 to {windings[name]} are"
                )
        for w in found.rows["windings"]:
            is_tapped = (w.values["transformer"], w.values["winding"]) == (name, v["tapped_winding"])
            if is_tapped and w.values["tap"] != 1.0:
                what = f"{w.values['tap']!r}, but 1.0 is needed: regulators.csv holds the tap of this winding"
                yield found.problem("windings", w, "tap", what)
        if v["tap_max_pu"] <= v["tap_min_pu"]:
            yield found.problem(
                "regulators", row, "tap_max_pu", f"{v['tap_max_pu']!r} is not above tap_min_pu"
            )
        if v["tap_steps"] % 2:
            yield found.problem(
                "regulators", row, "tap_steps", f"{v['tap_steps']} is odd; taps need a middle position"
            )
        if abs(v["tap"]) > v["tap_steps"] // 2:
            limit = v["tap_steps"] // 2
            yield found.problem("regulators", row, "tap", f"{v['tap']} is outside -{limit} to {limit}")
        if v["measured_phase"] not in ("max", "min") and not v["measured_phase"].isdecimal():
            what = f"{v['measured_phase']!r} is neither a phase number nor 'max' nor 'min'"
            yield found.problem("regulators", row, "measured_phase", what)
        if v["controlled_bus"]:
            yield from found.unknown("regulators", row, "controlled_bus", "buses", "bus")


def _banks(found: Found) -> Iterator[Problem]:
    for key in ("capacitors", "reactors"):
        for row in found.rows[key]:
            v = row.values
            need = v["phases"] if v["conn"] == "wye" else conductors(v["phases"], "delta")
            for nodes in ("nodes1", "nodes2"):
                if v[nodes] and len(v[nodes]) != need:
                    what = f"{len(v[nodes])} nodes; {v['phases']}-phase {v['conn']} needs {need}"
                    yield found.problem(key, row, nodes, what)
            if v["conn"] == "delta" and v["bus2"]:
                yield found.problem(
                    key, row, "bus2", "a delta bank has one terminal; leave bus2 and nodes2 empty"
                )
            if v["phases"] < 1:
                yield found.problem(key, row, "phases", f"{v['phases']} must be 1 or more")
    for row in found.rows["capacitors"]:
        kvar, on = row.values["steps_kvar"], row.values["steps_on"]
        if not kvar:
            yield found.problem("capacitors", row, "steps_kvar", "no steps; give the kvar of each")
        if len(kvar) != len(on):
            what = f"{len(on)} positions for {len(kvar)} steps"
            yield found.problem("capacitors", row, "steps_on", what)


def _loads(found: Found) -> Iterator[Problem]:
    for row in found.rows["loads"]:
        v = row.values
        if v["phases"] not in (1, 2, 3):
            yield found.problem("loads", row, "phases", f"{v['phases']} is not 1, 2 or 3")
            continue
        yield from _conductors(found, "loads", row, v["phases"])
        if not v["vlow_pu"] < v["vmin_pu"] < v["vmax_pu"]:
            what = (
                f"{v['vlow_pu']!r}, {v['vmin_pu']!r}, {v['vmax_pu']!r}: vlow_pu < vmin_pu < vmax_pu is needed"
            )
            yield found.problem("loads", row, "vmin_pu", what)
        need = 7 if v["model"] == 8 else 0
        if len(v["zipv"]) != need:
            yield found.problem(
                "loads", row, "zipv", f"{len(v['zipv'])} numbers; load model {v['model']} needs {need}"
            )


def _ders(found: Found) -> Iterator[Problem]:
    for row in found.rows["ders"]:
        v = row.values
        given = [k for k in ("r1_pu", "x1_pu", "r0_pu", "x0_pu") if v[k]]
        if v["kind"] == "pv":
            allowed = (2, 3, 4) if v["conn"] == "wye" else (2, 3)
            if len(v["nodes"]) not in allowed:
                neutral = " (the neutral last)" if v["conn"] == "wye" else ""
                what = f"{len(v['nodes'])} nodes; a {v['conn']} pv has {allowed[0]} to {allowed[-1]}{neutral}"
                yield found.problem("ders", row, "nodes", what)
            for column in given:
                what = f"{v[column]!r}, but a pv is a current source; leave the cell empty"
                yield found.problem("ders", row, column, what)
            continue
        if v["conn"] != "wye":
            yield found.problem("ders", row, "conn", f"a {v['kind']} is connected wye")
        elif len(v["nodes"]) != 4 or v["nodes"][-1]:
            what = f"a {v['kind']} is three-phase with grounded neutral; give it like '1 2 3 0'"
            yield found.problem("ders", row, "nodes", what)
        for column in ("x1_pu", "x0_pu"):
            if not v[column] > 0:
                what = f"{v[column]!r} must be above 0: a {v['kind']} is an EMF behind an impedance"
                yield found.problem("ders", row, column, what)


def _needed(found: Found) -> Iterator[Problem]:
    for key in filter(found.is_bare, TABLES):
        path, place = found.folder / TABLES[key].file, ""
        for (table, _), toml in found.removed.items():
            if table == key:
                path, place = toml, "'remove'"
        yield Problem(str(path), place, f"no {TABLES[key].element}; a network needs one or more")


def _sources(found: Found) -> Iterator[Problem]:
    for row in found.rows["sources"]:
        n, other = len(row.values["nodes"]), len(row.values["return_nodes"])
        if other and other != n:
            yield found.problem("sources", row, "return_nodes", f"{other} nodes here and {n} in 'nodes'")
