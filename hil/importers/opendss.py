"""Convert an OpenDSS circuit to a ``Network``: element data, voltage bases, settled regulator taps.

The engine runs the circuit once, only to resolve defaults and settle the controls. Nothing is
made up: what the network cannot hold is in the report, and every admittance that the network
gives is compared with the engine's own.
"""

from __future__ import annotations

import dataclasses as dc
from pathlib import Path
from typing import Any

from hil.importers.checked import compare_admittances, doubtful_bases
from hil.importers.engine import EXPLICIT, Baseline, Session, compiled, working_directory_kept
from hil.importers.report import (
    CARRIED,
    Omission,
    Report,
    object_omissions,
    option_omissions,
    property_omissions,
)
from hil.network_files import read_network, write_network
from rtcore.errors import HostError, Problem, UserInputError
from rtcore.network.model import (
    LENGTH_UNITS,
    LOAD_MODELS,
    Bus,
    Capacitor,
    Conn,
    Line,
    LineCode,
    Load,
    Matrix,
    Network,
    Reactor,
    Regulator,
    Source,
    Switch,
    Transformer,
    Winding,
    conductors,
    length_ratio,
)

Row = dict[str, Any]
TAP_ON_GRID = 1e-9
"""A ratio this near a tap position [pu] is that position: ratios are sums of floats in the engine."""


def import_opendss(master: Path) -> tuple[Network, Report]:
    """Read a master script and return the network and what it does not hold.

    Raises
    ------
    HostError
        dss-python is not installed.
    UserInputError
        The script does not compile, does not converge, or states no voltage bases.
    """
    with working_directory_kept():
        importer = _Importer(compiled(master), master)
        network = importer.network()
        deviations = compare_admittances(network, importer.session, importer.engine_name)
    importer.omissions += [*deviations.omissions, *doubtful_bases(network)]
    carried = {k: len(getattr(network, k)) for k in COUNTED}
    report = Report(str(master), carried, tuple(sorted(importer.omissions)), deviations.largest)
    return network, report


def import_command(master: Path, out: Path) -> Report:
    """Convert ``master`` into the network folder ``out``, prove that it reads back, and say what is missing.

    An existing network folder is replaced; any other folder with files in it is refused.
    """
    if out.exists() and not out.is_dir():
        raise UserInputError(
            [Problem(str(out), "", "is a file; a folder to write the network into is needed")]
        )
    if out.is_dir() and any(out.iterdir()) and not (out / "network.toml").is_file():
        what = "holds other files and no network; give an empty or new folder"
        raise UserInputError([Problem(str(out), "", what)])
    network, report = import_opendss(master)
    text = (
        f"# {network.name}\n\nConverted from the OpenDSS script `{master.name}`"
        " by `gridhil import opendss`.\n\n"
        f"```\n{report.text()}\n```\n"
    )
    try:
        write_network(network, out)
        (out / "SOURCE.md").write_text(text, encoding="utf-8")
    except OSError as error:
        raise HostError(f"{error.filename or out}: cannot be written: {error.strerror or error}") from None
    assert read_network(out) == network, f"{out} does not read back as it was written"
    return report


COUNTED = (
    *("buses", "sources", "linecodes", "lines", "switches", "transformers", "regulators"),
    *("capacitors", "reactors", "loads"),
)


def _conn(text: str) -> Conn:
    return "delta" if text.lower() in ("delta", "ll") else "wye"


def _matrix(rows: list[list[float]]) -> Matrix:
    return tuple(tuple(float(v) for v in row) for row in rows)


def _is_zero(rows: Matrix, off_diagonal_only: bool = False) -> bool:
    return all(
        v == 0.0
        for i, row in enumerate(rows)
        for j, v in enumerate(row)
        if not (off_diagonal_only and i == j)
    )


class _Importer:
    """One pass over the compiled circuit; collects omissions on the way."""

    def __init__(self, session: Session, master: Path) -> None:
        self.session = session
        self.master = master
        self.baseline = Baseline(CARRIED)
        self.omissions: list[Omission] = []
        self.engine_name: dict[str, str] = {}
        """Element of the network -> element of the engine, for the comparison of admittances."""
        self.full = {kind: session.all_data(kind) for kind in CARRIED}
        self.explicit = {kind: session.all_data(kind, EXPLICIT) for kind in CARRIED}
        self.extra_codes: list[LineCode] = []
        self.lines: list[Line] = []
        self.switches: list[Switch] = []
        self.known_nodes: set[str] = set()

    # --- the whole ---------------------------------------------------------------------------------

    def network(self) -> Network:
        """Build the network in the engine's order."""
        session = self.session
        self.known_nodes = {str(n).lower() for n in session.circuit.AllNodeNames}
        sources = [self._source(n, r) for n, r in self._enabled("vsource")]
        codes = [self._code(n, r) for n, r in self.full["linecode"].items()]
        for name, row in self.full["line"].items():
            self._line(name, row, {c.name: c for c in codes})
        regulators, transformers = self._transformers()
        parts = {
            "sources": tuple(sources),
            "linecodes": (*codes, *self.extra_codes),
            "lines": tuple(self.lines),
            "switches": tuple(self.switches),
            "transformers": tuple(transformers),
            "regulators": tuple(regulators),
            "capacitors": tuple(c for n, r in self._enabled("capacitor") if (c := self._capacitor(n, r))),
            "reactors": tuple(k for n, r in self._enabled("reactor") if (k := self._reactor(n, r))),
            "loads": tuple(d for n, r in self._enabled("load") if (d := self._load(n, r))),
        }
        self.omissions += object_omissions(session, self.baseline) + option_omissions(session, self.baseline)
        for kind in set(CARRIED) - {"regcontrol"}:
            for name, row in self.full[kind].items():
                self._properties(kind, name, row)
        return Network(
            name=str(session.circuit.Name).lower(),
            title=f"Converted from the OpenDSS circuit {session.circuit.Name}",
            base_frequency_hz=float(session.option("defaultbasefrequency")),
            buses=self._buses(),
            **parts,  # type: ignore[arg-type]
        )

    def _properties(self, kind: str, name: str, row: Row) -> None:
        if row.get("Enabled", True):
            explicit = self.explicit[kind].get(name, {})
            self.omissions += property_omissions(kind, name, row, explicit, self.baseline.default[kind])

    def _omit(self, element: str, why: str, prop: str = "", value: object = "") -> None:
        self.omissions.append(Omission(element, prop, str(value), why))

    def _enabled(self, kind: str) -> list[tuple[str, Row]]:
        """Return the enabled elements of a class; disabled and opened ones are noted."""
        rows = []
        for name, row in self.full[kind].items():
            if not row.get("Enabled", True):
                self._omit(f"{kind}.{name}", "disabled in the circuit, left out")
                continue
            if kind != "capacitor" and self.session.open_phases(f"{kind}.{name}")[0]:
                self._omit(f"{kind}.{name}", "has an open terminal, left out")
                continue
            rows.append((name, row))
        return rows

    def _buses(self) -> tuple[Bus, ...]:
        circuit = self.session.circuit
        rows, bare = [], []
        for i, name in enumerate(circuit.AllBusNames):
            circuit.SetActiveBusi(i)
            bus = circuit.ActiveBus
            if not bus.kVBase > 0.0:
                bare.append(name)
            drawn = bool(bus.Coorddefined)
            x, y = (float(bus.x), float(bus.y)) if drawn else (None, None)
            rows.append(Bus(name=str(name).lower(), base_kv_ln=float(bus.kVBase), x=x, y=y))
        if bare:
            what = "has no voltage base; the script must set VoltageBases and run CalcVoltageBases"
            raise UserInputError([Problem(str(self.master), f"bus {n!r}", what) for n in bare])
        return tuple(rows)

    # --- sources and lines ------------------------------------------------------------------------

    def _source(self, name: str, row: Row) -> Source:
        (bus, nodes), (bus2, nodes2) = self.session.ends(f"vsource.{name}")
        self.engine_name[f"source.{name}"] = f"vsource.{name}"
        is_ground = not any(nodes2)
        return Source(
            name=name,
            bus=bus,
            nodes=nodes,
            return_bus="" if is_ground else bus2,
            return_nodes=() if is_ground else nodes2,
            base_kv=row["BasekV"],
            v_pu=row["pu"],
            angle_deg=row["Angle"],
            r1_ohm=row["R1"],
            x1_ohm=row["X1"],
            r0_ohm=row["R0"],
            x0_ohm=row["X0"],
        )

    def _code(self, name: str, row: Row) -> LineCode:
        r, x, c = (_matrix(row[k]) for k in ("RMatrix", "XMatrix", "CMatrix"))
        return LineCode(name=name, unit=_unit(row["Units"]), r=r, x=x, c_nf=c)

    def _line(self, name: str, row: Row, codes: dict[str, LineCode]) -> None:
        label = f"line.{name}"
        r, x, c = (_matrix(row[k]) for k in ("RMatrix", "XMatrix", "CMatrix"))
        default = self.baseline.default["line"]["NormAmps"]
        rating = None if row["NormAmps"] == default else float(row["NormAmps"])
        if not row["Enabled"]:
            ends = _stated_ends(row)
            known = all(f"{bus}.{k}" in self.known_nodes for bus, nodes in ends for k in nodes)
            if not (row["Switch"] and known):
                self._omit(label, "disabled in the circuit, left out")
                return
            is_closed = False
        else:
            ends = self.session.ends(label)
            opened, phases = self.session.open_phases(label)
            is_closed = opened == 0
            if 0 < opened < phases and row["Switch"]:
                self._omit(label, f"{opened} of {phases} phases are open; carried over as open in all")
        (bus1, nodes1), (bus2, nodes2) = ends
        is_uniform = len({row_[i] for m in (r, x) for i, row_ in enumerate(m[:1])}) <= 2 and all(
            m[i][i] == m[0][0] for m in (r, x) for i in range(len(m))
        )
        is_simple = is_uniform and _is_zero(r, True) and _is_zero(x, True)
        if row["Switch"] and is_simple:
            self._switch(name, row, ((bus1, nodes1), (bus2, nodes2)), is_closed, rating)
            return
        if row["Switch"]:
            self._omit(
                label,
                "a switch with coupled phases; carried over as a line, cannot be operated",
                "Switch",
                "yes",
            )
        if not is_closed:
            self._omit(label, "has an open terminal, left out; a switch with uncoupled phases would be kept")
            return
        code, unit = self._code_of(name, row, codes, r, x, c)
        self.engine_name[label] = label
        self.lines.append(
            Line(
                name=name,
                bus1=bus1,
                nodes1=nodes1,
                bus2=bus2,
                nodes2=nodes2,
                linecode=code,
                length=row["Length"],
                unit=unit,
                rating_a=rating,
            )
        )

    def _switch(
        self,
        name: str,
        row: Row,
        ends: tuple[tuple[str, tuple[int, ...]], tuple[str, tuple[int, ...]]],
        is_closed: bool,
        rating: float | None,
    ) -> None:
        if not _is_zero(_matrix(row["CMatrix"])):
            self._omit(f"line.{name}", "switches hold no capacitance", "CMatrix", "nonzero")
        (bus1, nodes1), (bus2, nodes2) = ends
        if is_closed:
            self.engine_name[f"switch.{name}"] = f"line.{name}"
        self.switches.append(
            Switch(
                name=name,
                kind="switch",
                bus1=bus1,
                nodes1=nodes1,
                bus2=bus2,
                nodes2=nodes2,
                r_ohm=row["RMatrix"][0][0] * row["Length"],
                x_ohm=row["XMatrix"][0][0] * row["Length"],
                is_closed=is_closed,
                rating_a=rating,
            )
        )

    def _code_of(
        self, name: str, row: Row, codes: dict[str, LineCode], r: Matrix, x: Matrix, c: Matrix
    ) -> tuple[str, str]:
        """Return line code and length unit; a line with matrices of its own gets a code of its own."""
        unit = _unit(row["Units"])
        code = codes.get(str(row["LineCode"] or "").lower())
        if code and code.phases == len(r):
            ratio = length_ratio(unit, code.unit)
            pairs = zip((code.r, code.x, code.c_nf), (r, x, c), strict=True)
            if all(_close(a, b, ratio) for a, b in pairs):
                return code.name, unit
        own = LineCode(name=f"line_{name}", unit=unit, r=r, x=x, c_nf=c)
        for other in self.extra_codes:
            if (other.unit, other.r, other.x, other.c_nf) == (own.unit, own.r, own.x, own.c_nf):
                return other.name, unit
        self.extra_codes.append(own)
        return own.name, unit

    # --- transformers -----------------------------------------------------------------------------

    def _transformers(self) -> tuple[list[Regulator], list[Transformer]]:
        controls: dict[str, tuple[str, Row]] = {}
        for name, row in self._enabled_controls():
            target = str(row["Transformer"]).split(".")[-1].lower()
            if target in controls:
                self._omit(f"regcontrol.{name}", f"transformer {target!r} has a regulator control already")
            else:
                controls[target] = (name, row)
        regulators, transformers = [], []
        for name, row in self._enabled("transformer"):
            unit = self._transformer(name, row)
            regulator = self._regulator(unit, row, *controls[name]) if name in controls else None
            label = "regulator" if regulator else "transformer"
            self.engine_name[f"{label}.{name}"] = f"transformer.{name}"
            if regulator:
                regulators.append(regulator)
            else:
                transformers.append(unit)
        return regulators, transformers

    def _enabled_controls(self) -> list[tuple[str, Row]]:
        rows = []
        for name, row in self.full["regcontrol"].items():
            if row["Enabled"]:
                rows.append((name, row))
            else:
                self._omit(
                    f"regcontrol.{name}", "disabled in the circuit, left out; its transformer keeps its tap"
                )
        return rows

    def _transformer(self, name: str, row: Row) -> Transformer:
        phases = int(row["Phases"])
        ends = self.session.ends(f"transformer.{name}")
        windings = tuple(
            Winding(
                bus=bus,
                nodes=nodes[: conductors(phases, _conn(row["Conn"][i]))],
                conn=_conn(row["Conn"][i]),
                kv=row["kV"][i],
                kva=row["kVA"][i],
                r_pct=row["pctR"][i],
                tap=row["Tap"][i],
                r_neutral_ohm=row["RNeut"][i],
                x_neutral_ohm=row["XNeut"][i],
            )
            for i, (bus, nodes) in enumerate(ends)
        )
        pairs = {2: ("X12",), 3: ("X12", "X13", "X23")}.get(len(windings))
        return Transformer(
            name=name,
            phases=phases,
            windings=windings,
            x_pct=tuple(row[k] for k in pairs) if pairs else tuple(row["XSCArray"]),
            no_load_loss_pct=row["pctNoLoadLoss"],
            magnetising_pct=row["pctIMag"],
            antifloat_ppm=row["ppm_Antifloat"],
            lead_lag="lead" if str(row["LeadLag"]).lower() in ("lead", "euro") else "lag",
        )

    def _regulator(self, unit: Transformer, row: Row, name: str, control: Row) -> Regulator | None:
        tapped = int(control["TapWinding"])
        bus, _, node = str(control["Bus"] or "").lower().partition(".")
        regulator = Regulator(
            transformer=unit,
            control=name,
            tapped_winding=tapped,
            tap=int(control["TapNum"]),
            tap_min_pu=row["MinTap"][tapped - 1],
            tap_max_pu=row["MaxTap"][tapped - 1],
            tap_steps=int(row["NumTaps"][tapped - 1]),
            measured_winding=int(control["Winding"]),
            measured_phase=str(control["PTPhase"]).lower(),
            vreg_v=control["VReg"],
            band_v=control["Band"],
            pt_ratio=control["PTRatio"],
            ct_primary_a=control["CTPrim"],
            r_v=control["R"],
            x_v=control["X"],
            vlimit_v=control["VLimit"],
            delay_s=control["Delay"],
            tap_delay_s=control["TapDelay"],
            max_tap_change=int(control["MaxTapChange"]),
            controlled_bus=bus,
            controlled_node=int(node.split(".")[0]) if node else (1 if bus else 0),
            remote_pt_ratio=control["RemotePTRatio"],
        )
        ratio = unit.windings[tapped - 1].tap
        if abs(regulator.ratio(regulator.tap) - ratio) > TAP_ON_GRID or regulator.tap_steps % 2:
            why = f"ratio {ratio!r} of {unit.name!r} is no tap position; it is kept, without a control"
            self._omit(f"regcontrol.{name}", why)
            return None
        self._properties("regcontrol", name, control)
        windings = list(unit.windings)
        windings[tapped - 1] = dc.replace(windings[tapped - 1], tap=1.0)  # the position says it all
        return dc.replace(regulator, transformer=dc.replace(unit, windings=tuple(windings)))

    # --- banks and loads --------------------------------------------------------------------------

    def _bank_ends(self, label: str) -> Row:
        ends = self.session.ends(label)
        row: Row = {"bus1": ends[0][0], "nodes1": ends[0][1]}
        if len(ends) > 1 and any(ends[1][1]):
            row |= {"bus2": ends[1][0], "nodes2": ends[1][1]}
        return row

    def _capacitor(self, name: str, row: Row) -> Capacitor | None:
        label = f"capacitor.{name}"
        if (
            not {"kvar", "kV"} & set(self.explicit["capacitor"][name])
            and "CMatrix" in self.explicit["capacitor"][name]
        ):
            self._omit(label, "a bank given by its capacitance matrix has no place in the network folder")
            return None
        opened, phases = self.session.open_phases(label)
        if 0 < opened < phases:
            self._omit(label, f"{opened} of {phases} phases are open; carried over as switched off")
        if not opened:
            self.engine_name[label] = label
        return Capacitor(
            name=name,
            **self._bank_ends(label),
            conn=_conn(row["Conn"]),
            phases=int(row["Phases"]),
            kv=row["kV"],
            steps_kvar=tuple(row["kvar"]),
            steps_on=tuple(bool(s) and not opened for s in row["States"]),
        )

    def _reactor(self, name: str, row: Row) -> Reactor | None:
        label = f"reactor.{name}"
        if {"Z1", "Z2", "Z0", "RMatrix", "XMatrix", "RCurve", "LCurve"} & set(self.explicit["reactor"][name]):
            self._omit(label, "a reactor with coupled phases or curves has no place in the network folder")
            return None
        r, x, rp = float(row["R"]), float(row["X"]), float(row["Rp"])
        conductance = 1.0 / rp if rp else 0.0
        if row["Parallel"] and r:
            conductance, r = conductance + 1.0 / r, 0.0
        self.engine_name[label] = label
        return Reactor(
            name=name,
            **self._bank_ends(label),
            conn=_conn(row["Conn"]),
            phases=int(row["Phases"]),
            r_ohm=r,
            x_ohm=x,
            parallel_r_ohm=1.0 / conductance if conductance else None,
        )

    def _load(self, name: str, row: Row) -> Load | None:
        label = f"load.{name}"
        model = int(row["Model"])
        if model not in LOAD_MODELS:
            self._omit(label, f"load model {model} is not known here; one of {LOAD_MODELS} is")
            return None
        ((bus, nodes),) = self.session.ends(label)
        phases, conn = int(row["Phases"]), _conn(row["Conn"])
        if conn == "wye" and row["RNeut"] >= 0.0 and nodes[-1] != 0:
            self._omit(label, "a neutral impedance inside a load is not carried over", "RNeut", row["RNeut"])
        return Load(
            name=name,
            bus=bus,
            nodes=nodes[: conductors(phases, conn)],
            phases=phases,
            conn=conn,
            kv=row["kV"],
            kw=row["kW"],
            kvar=row["kvar"],
            model=model,
            vmin_pu=row["VMinpu"],
            vmax_pu=row["VMaxpu"],
            vlow_pu=row["VLowpu"],
            cvr_watts=row["CVRWatts"],
            cvr_vars=row["CVRVars"],
            zipv=tuple(row["ZIPV"]) if model == 8 else (),
        )


def _unit(text: str) -> str:
    unit = str(text).lower()
    assert unit in LENGTH_UNITS, unit
    return unit


def _close(code: Matrix, line: Matrix, ratio: float) -> bool:
    """Tell whether a line's matrix is the code's one, in the line's unit."""
    flat = zip((v for row in code for v in row), (v for row in line for v in row), strict=True)
    return all(abs(a * ratio - b) <= 1e-9 * max(abs(a * ratio), abs(b)) for a, b in flat)


def _stated_ends(row: Row) -> list[tuple[str, tuple[int, ...]]]:
    """Return the ends of a disabled line from its text (the engine resolves only enabled ones)."""
    phases = int(row["Phases"])
    ends = []
    for key in ("Bus1", "Bus2"):
        bus, _, tail = str(row[key] or "").lower().partition(".")
        nodes = tuple(int(k) for k in tail.split(".")) if tail else tuple(range(1, phases + 1))
        ends.append((bus, nodes[:phases]))
    return ends
