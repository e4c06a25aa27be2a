"""What an import carried over and, by name, what it did not."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Mapping
from typing import Any

from hil.importers.engine import Baseline, Session


@dc.dataclass(frozen=True, slots=True, order=True)
class Omission:
    """One element, property or option that the network folder does not hold."""

    element: str
    prop: str
    value: str
    why: str

    def __str__(self) -> str:
        setting = f"{self.prop}={self.value}" if self.value else self.prop
        what = f"{self.element} {setting}".rstrip()
        return f"{what}: {self.why}"


@dc.dataclass(frozen=True, slots=True)
class Report:
    """Result of an import."""

    master: str
    carried: Mapping[str, int]
    """Number of elements per kind in the network."""
    omissions: tuple[Omission, ...]
    largest_deviation: float
    """Largest relative difference between an element's admittance here and in the engine."""

    def text(self) -> str:
        """Return the report as plain text, one line an omission."""
        lines = [f"{self.master}: carried over"]
        lines += [f"  {n:5d} {kind}" for kind, n in self.carried.items() if n]
        lines.append(
            f"  element admittances agree with the engine within {self.largest_deviation:.1e} (relative)"
        )
        lines.append(f"not carried over: {len(self.omissions)}")
        lines += [f"  {o}" for o in self.omissions]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping."""
        return dc.asdict(self)


def _words(**texts: str) -> dict[str, set[str]]:
    return {kind: set(text.split()) for kind, text in texts.items()}


CARRIED = _words(
    vsource="Bus1 Bus2 BasekV pu Angle Phases R1 X1 R0 X0",
    linecode="NPhases Units RMatrix XMatrix CMatrix",
    line="Bus1 Bus2 LineCode Length Phases RMatrix XMatrix CMatrix Switch Units NormAmps",
    transformer="Phases Bus Conn kV kVA Tap pctR RNeut XNeut XSCArray X12 X13 X23 pctNoLoadLoss pctIMag"
    " ppm_Antifloat LeadLag",
    regcontrol="Transformer Winding VReg Band PTRatio CTPrim R X Bus Delay TapDelay MaxTapChange TapWinding"
    " VLimit PTPhase RemotePTRatio TapNum",
    capacitor="Bus1 Bus2 Phases kvar kV Conn States",
    reactor="Bus1 Bus2 Phases Conn R X Rp Parallel",
    load="Bus1 Phases kV kW kvar Model Conn VMinpu VMaxpu VLowpu CVRWatts CVRVars ZIPV",
)
"""Properties that the network folder holds."""

DERIVED = _words(
    vsource="MVASC3 MVASC1 X1R1 X0R0 Isc3 Isc1 Z1 Z0 Z2 puZ1 puZ0 puZ2 BaseMVA Frequency",
    linecode="R1 X1 R0 X0 C1 C0 B1 B0 Neutral Kron EmergAmps Ratings",
    line="R1 X1 R0 X0 C1 C0 B1 B0 Geometry Spacing Wires Conductors CNCables TSCables EmergAmps Ratings",
    transformer="Windings Wdg Buses Conns kVs kVAs Taps XHL XHT XLT pctLoadLoss pctRs NormHkVA EmergHkVA"
    " WdgCurrents RDCOhms Ratings NormAmps EmergAmps XfmrCode MaxTap MinTap NumTaps",
    regcontrol="",
    capacitor="Cuf NormAmps EmergAmps CMatrix NumSteps",
    reactor="kvar kV LmH Z NormAmps EmergAmps RMatrix XMatrix Z1 Z2 Z0",
    load="PF kVA XfkVA AllocationFactor kWh kWhDays CFactor",
)
"""Properties that follow from carried ones, or have already done their work (codes, geometries)."""

STILL_REPORTED: dict[str, set[str]] = {
    "transformer": {"NormHkVA", "EmergHkVA", "Ratings", "NormAmps", "EmergAmps"},
    "line": {"EmergAmps", "Ratings"},
    "linecode": {"EmergAmps", "Ratings"},
    "capacitor": {"NormAmps", "EmergAmps"},
    "reactor": {"NormAmps", "EmergAmps"},
}
"""Derived unless the script sets them: then they are the user's own figures."""

RELIABILITY = {"FaultRate", "pctPerm", "PctPerm", "Repair"}
"""Left unset by the engine in some classes (arbitrary numbers), so that only the script's own count."""

NEVER = {"Name", "Like", "Enabled", "BaseFreq"}


def _same(value: Any, default: Any) -> bool:
    """Compare with the default; a list equals it when every entry does."""
    if value == default:
        return True
    if isinstance(value, list) and isinstance(default, list) and default and not isinstance(default[0], list):
        return all(v == default[0] for v in value)
    return False


def property_omissions(
    kind: str, name: str, full: Mapping[str, Any], explicit: Mapping[str, Any], default: Mapping[str, Any]
) -> list[Omission]:
    """Return the properties of one object that differ from a fresh one and are not in the network."""
    rows = []
    for prop, value in full.items():
        if prop in NEVER or prop in CARRIED[kind] or _same(value, default.get(prop)):
            continue
        follows = prop in DERIVED[kind] or prop in RELIABILITY
        is_figure = prop in STILL_REPORTED.get(kind, set()) or prop in RELIABILITY
        if follows and not (is_figure and prop in explicit):
            continue
        rows.append(
            Omission(
                f"{kind}.{name}", prop, _short(value), "this property has no place in the network folder"
            )
        )
    return rows


def _short(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


DATA_CLASSES = {"wiredata", "cndata", "tsdata", "linespacing", "linegeometry", "xfmrcode"}


def object_omissions(session: Session, baseline: Baseline) -> list[Omission]:
    """Return every object of a class that has no place in the network folder."""
    used = "the elements that use it hold its result as numbers"
    unused = "elements of this class have no place in the network folder"
    return [
        Omission(f"{kind}.{name}", "", "", used if kind in DATA_CLASSES else unused)
        for kind in session.classes()
        if kind not in CARRIED
        for name in session.objects(kind)
        if name not in baseline.built_in[kind]
    ]


def option_omissions(session: Session, baseline: Baseline) -> list[Omission]:
    """Return solution options that would change the result and are not carried."""
    return [
        Omission(
            "solution", o, session.option(o), f"this option is not carried over; the network stands for {v}"
        )
        for o, v in baseline.options.items()
        if session.option(o) != v
    ]
