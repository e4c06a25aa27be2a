"""OpenDSS importer: everything carried, or named; nothing made up; broken scripts refused."""

from __future__ import annotations

import csv
import json
import math
import sys
from pathlib import Path

import pytest

from hil.importers.engine import as_json
from hil.importers.opendss import import_command, import_opendss
from hil.importers.shipped import NETWORKS, ORIGINALS, RECIPES, make, source_note
from hil.network_files import read_network
from rtcore.errors import HostError, UserInputError

pytest.importorskip("dss", reason="the importer needs the OpenDSS engine (extra 'opendss')")

ZOO = ORIGINALS / "zoo" / "Zoo.dss"
ODD = ORIGINALS / "zoo" / "Odd.dss"
REFERENCE = Path(__file__).parents[3] / "data" / "reference"


@pytest.mark.parametrize("name", RECIPES)
def test_shipped_network_is_what_the_importer_makes_of_the_original(name: str) -> None:
    network, report = make(name)
    assert read_network(NETWORKS / name) == network
    assert (NETWORKS / name / "SOURCE.md").read_text(encoding="utf-8") == source_note(name, report)
    # Only the grouping name of single-phase regulators has no place in a network folder.
    assert {o.prop for o in report.omissions} == {"Bank"}
    # Measured 8e-16; both sides are double precision.
    assert report.largest_deviation < 1e-14


@pytest.mark.parametrize("name", ["ieee13", "ieee123", "iowa240-ref"])
def test_settled_taps_are_those_of_the_reference(name: str) -> None:
    with (REFERENCE / f"{name}_taps.csv").open(encoding="utf-8", newline="") as file:
        taps = {row["regcontrol"]: int(row["tap"]) for row in csv.DictReader(file)}
    assert {r.control: r.tap for r in read_network(NETWORKS / name).regulators} == taps


def test_iowa_networks_differ_in_the_transformer_at_2002_alone() -> None:
    one, two = (read_network(NETWORKS / n) for n in ("iowa240", "iowa240-ref"))
    kva = {n.name: next(t for t in n.transformers if t.name == "t_2002").windings[0].kva for n in (one, two)}
    assert kva == {"iowa240": 300.0, "iowa240-ref": 1125.0}
    rest = [[t for t in n.transformers if t.name != "t_2002"] for n in (one, two)]
    assert rest[0] == rest[1]
    assert (one.buses, one.lines, one.loads, one.switches) == (two.buses, two.lines, two.loads, two.switches)


def test_iowa_ties_are_open_breakers_to_the_buses_of_the_comments() -> None:
    switches = read_network(NETWORKS / "iowa240").switches
    assert {s.kind for s in switches} == {"breaker"}
    assert {s.name: (s.bus1, s.bus2) for s in switches if not s.is_closed} == {
        "cb_102": ("bus1010", "bus2057"),
        "cb_204": ("bus2013", "bus3005"),
        "cb_303": ("bus3081", "bus2016"),
    }
    assert len(switches) == 9


def test_buses_keep_their_coordinates() -> None:
    buses = {b.name: b for b in read_network(NETWORKS / "iowa240").buses}
    assert (buses["bus1"].x, buses["bus1"].y) == (10.52, 13.6)
    assert buses["t_bus1003_l"].x is None


def test_everything_a_folder_can_hold_is_carried_without_omission(tmp_path: Path) -> None:
    report = import_command(ZOO, tmp_path / "zoo")
    assert report.omissions == ()
    network = read_network(tmp_path / "zoo")
    states = {s.name: s.is_closed for s in network.switches}
    assert states == {"closed": True, "opened": False, "off": False}
    steps = {c.name: (c.steps_kvar, c.steps_on) for c in network.capacitors}
    assert steps["steps"] == ((100.0, 60.0), (True, False))
    loads = {d.name: d for d in network.loads}
    assert loads["zip"].zipv == (0.5, 0.2, 0.3, 0.4, 0.4, 0.2, 0.75)
    assert loads["neutral"].nodes == (1, 4)
    assert loads["z"].kvar == pytest.approx(10 * (1 / 0.9**2 - 1) ** 0.5, rel=1e-12)
    assert next(e for e in network.lines if e.name == "seq").rating_a == 275.0
    first = next(r for r in network.regulators if r.name == "first")
    assert (first.tapped_winding, first.controlled_bus, first.controlled_node) == (1, "r2", 2)


def test_every_element_and_property_without_a_place_is_named() -> None:
    network, report = import_opendss(ODD)
    named = {o.element for o in report.omissions if not o.prop}
    assert named >= {
        *("loadshape.day", "spectrum.mine", "wiredata.w1", "linegeometry.g", "xfmrcode.xc", "generator.g1"),
        *("pvsystem.pv", "storage.st", "fault.f", "load.l3", "load.off", "capacitor.cm", "reactor.seq"),
        *("capcontrol.cc", "monitor.m", "energymeter.em", "fuse.fu", "swtcontrol.sc", "isource.is"),
        *("autotrans.at", "line.broken", "regcontrol.rc"),
    }
    properties = {(o.element, o.prop) for o in report.omissions if o.prop}
    assert properties >= {
        *(("line.sw", "CMatrix"), ("line.coupled", "Switch"), ("transformer.t", "NormHkVA")),
        *(("regcontrol.rrc", "Reversible"), ("load.l1", "Daily"), ("load.l1", "RNeut")),
        *(("capacitor.filt", "XL"), ("solution", "loadmult")),
    }
    assert [d.name for d in network.loads] == ["l1"]
    assert "geo" in [e.name for e in network.lines]
    off_grid = next(t for t in network.transformers if t.name == "r")
    assert off_grid.windings[1].tap == 1.003


def test_report_is_text_with_one_line_an_omission() -> None:
    _, report = import_opendss(ODD)
    lines = report.text().splitlines()
    assert f"not carried over: {len(report.omissions)}" in lines
    assert "  generator.g1: elements of this class have no place in the network folder" in lines


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("new circuit.x\nnew line.l bus1=a buzz=3\n", "buzz"),
        ("hello\n", "create a new circuit"),
        ("", "defines no circuit"),
        ("new circuit.x\nredirect nowhere.dss\n", "nowhere.dss"),
        ("new circuit.x\nnew load.l bus1=sourcebus kv=115 kw=1\nsolve\n", "has no voltage base"),
    ],
    ids=["unknown property", "no circuit", "empty", "missing file", "no voltage bases"],
)
def test_broken_script_is_refused_with_the_engines_words(tmp_path: Path, script: str, words: str) -> None:
    master = tmp_path / "Broken.dss"
    master.write_text(script)
    with pytest.raises(UserInputError) as caught:
        import_opendss(master)
    assert words in str(caught.value)
    assert str(master) in str(caught.value)


def test_missing_script_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="no such file"):
        import_opendss(tmp_path / "Nowhere.dss")


def test_missing_engine_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dss", None)
    with pytest.raises(HostError, match=r"pip install gridhil\[opendss\]"):
        import_opendss(ZOO)


def test_working_directory_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    import_opendss(ZOO)
    assert Path.cwd() == tmp_path


def test_a_folder_with_other_files_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UserInputError, match="no network"):
        import_command(ZOO, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


DEAD = """Clear
New Circuit.Dead basekv=12.47 bus1=src
New Line.on bus1=src bus2=b length=1
New Line.sw bus1=b bus2=c switch=y
Open Line.sw 1
New Transformer.t windings=2 buses=(c e) kvs=(12.47 0.48) kvas=(100 100)
New Load.l bus1=e kv=0.48 kw=20
Set VoltageBases=(12.47 0.48)
CalcVoltageBases
Solve
"""


def test_a_base_that_the_engine_guessed_for_a_dead_bus_is_reported(tmp_path: Path) -> None:
    master = tmp_path / "Dead.dss"
    master.write_text(DEAD)
    network, report = import_opendss(master)
    assert [o.element for o in report.omissions if o.prop == "base_kv_ln"] == ["bus.e"]
    assert [s.is_closed for s in network.switches] == [False]


def test_controls_that_do_not_settle_are_refused(tmp_path: Path) -> None:
    master = tmp_path / "Hunting.dss"
    master.write_text(ZOO.read_text().replace("maxcontroliter=100", "maxcontroliter=1"))
    with pytest.raises(UserInputError, match="Max Control Iterations"):
        import_opendss(master)


def test_numbers_that_the_engine_left_uninitialised_do_not_break_reading() -> None:
    text = '{"a":[Nan, -nan(0x1),+Inf,-Inf, 1.5,-2.0E-003,+1.0],"b":  Nan,"c":true,"d":null,'
    text += '"name":"\\"nan,inf: 1.5."}'
    row = json.loads(as_json(text))
    assert row["name"] == '"nan,inf: 1.5.'
    assert row["a"][2:6] == [math.inf, -math.inf, 1.5, -0.002]
    assert (row["c"], row["d"]) == (True, None)
    assert all(math.isnan(x) for x in (row["b"], row["a"][0], row["a"][1], row["a"][6]))
