import csv
import dataclasses as dc
import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import rtcore.engine  # noqa: F401  (registers every component kind)
from hil.network_files import read_network
from hil.point_addresses import parse
from hil.point_files import PointSet, instrument_arrays, read_points, role_of
from hil.point_schema import COLUMNS, PointRow, TemplateHead
from hil.point_units import attr_unit, factor_of, factors
from protocols import modbus_map
from rtcore.assemble import bindable
from rtcore.component import REGISTRY, Attr
from rtcore.errors import UserInputError
from rtcore.points import Kind, Point

CONFIG = Path(__file__).parents[3] / "config"
IOWA = CONFIG / "points" / "iowa240"
UNITS = [{"unit": k, "name": f"unit {k}"} for k in (1, 2, 3, 4)]

BREAKER_ROW = "FDR_X.CB_1,breaker,breaker.cb_1,switch.cb_1@1,1,200,,16,16"
HEADER = "device,template,component,terminal,modbus_unit,input_base,holding_base,coil_base,discrete_base"


@pytest.fixture(scope="module")
def iowa() -> PointSet:
    return read_points(IOWA, None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A point list of one breaker with its own copy of the shared files."""
    shutil.copytree(CONFIG / "points" / "templates", tmp_path / "templates")
    shutil.copy(CONFIG / "points" / "instruments.toml", tmp_path)
    own = tmp_path / "own"
    own.mkdir()
    devices(own, BREAKER_ROW)
    return own


def devices(folder: Path, *rows: str, header: str = HEADER) -> None:
    (folder / "devices.csv").write_text("\n".join((header, *rows)) + "\n")


def template(folder: Path, text: str, name: str = "breaker") -> None:
    (folder.parent / "templates" / f"{name}.toml").write_text(text)


def row(**changes: str) -> str:
    keys = {
        "name": '"IA"',
        "attr": '"i1_a"',
        "kind": '"analog"',
        "unit": '"A"',
        "min": "0",
        "max": "1200",
        "instrument": '"ct_0_3"',
        "description": '"phase a current"',
        "modbus": '"ir:6:float32"',
    }
    pairs = ", ".join(f"{k} = {v}" for k, v in (keys | changes).items() if v)
    return f'description = "d"\nstamp = 0\npoints = [{{ {pairs} }}]\n'


def problems(folder: Path, known: dict[str, list[str]] | None = None) -> list[str]:
    with pytest.raises(UserInputError) as caught:
        read_points(folder, known)
    return [str(p).replace(str(folder.parent), "") for p in caught.value.problems]


def test_iowa240_has_every_device_of_the_station(iowa: PointSet) -> None:
    devices = {p.device: p.template for p in iowa.points}
    assert Counter(devices.values()) == {
        "meter_2leg": 139,
        "meter_3ph": 53,
        "meter_delta": 2,
        "breaker": 9,
        "feeder_head": 3,
        "regulator": 3,
        "avr": 3,
        "capacitor": 2,
        **dict.fromkeys(("source", "upstream", "bus", "frequency", "transformer", "thermal"), 1),
        **dict.fromkeys(("load_scale", "scratch", "loop", "recorder"), 1),
    }


def test_iowa240_binds_only_what_its_network_offers(iowa: PointSet) -> None:
    network = read_network(CONFIG / "networks" / "iowa240")
    assert read_points(IOWA, bindable(network)).points == iowa.points


def test_iowa240_writes_only_what_components_let_be_written(iowa: PointSet) -> None:
    for p in iowa.points:
        kind = p.source.partition(".")[0]
        writable = REGISTRY[kind].attr(p.attr.removeprefix("-")).writable
        wanted = {Kind.CONTROL: "pulse", Kind.SETPOINT: "setpoint"}.get(p.kind)
        assert wanted is None or writable == wanted, p.tag


def test_every_load_of_the_network_has_the_meter_that_fits_it(iowa: PointSet) -> None:
    fitting = {("3", "wye"): "meter_3ph", ("2", "wye"): "meter_2leg", ("1", "delta"): "meter_delta"}
    table = (CONFIG / "networks" / "iowa240" / "loads.csv").read_text().splitlines()
    wanted = {f"load.{r['name']}": fitting[r["phases"], r["conn"]] for r in csv.DictReader(table)}
    meters = {(p.device, p.source, p.template) for p in iowa.points if p.source.startswith("load.")}
    assert {source: kind for _, source, kind in meters} == wanted
    assert len(meters) == len(wanted) == 194


def test_iowa240_builds_a_modbus_map_without_problems(iowa: PointSet) -> None:
    built = modbus_map.build(iowa.points, iowa.stamps, {"units": UNITS})
    assert len(built.entries) == len(iowa.points)
    assert len(built.stamps) == len(iowa.stamps)


def test_meters_of_a_feeder_lie_without_gaps(iowa: PointSet) -> None:
    # A master reads a whole feeder in blocks of 125 registers; gaps would waste them.
    for unit in (2, 3, 4):
        starts = sorted(s["address"] for s in iowa.stamps if s["unit"] == unit and ".M" in s["device"])
        refs = [modbus_map.parse(p.wire["modbus"])[0] for p in iowa.points if ".M" in p.device]
        taken = sum(r.size for r in refs if r is not None and r.unit == unit) + 6 * len(starts)
        end = max(r.end for r in refs if r is not None and r.unit == unit)
        assert end - starts[0] == taken


def test_units_have_their_own_stamp_and_devices_theirs(iowa: PointSet) -> None:
    assert iowa.stamps[:4] == [{"unit": u, "address": 0, "device": ""} for u in (1, 2, 3, 4)]
    assert {"unit": 3, "address": 200, "device": "FDR_B.CB_201"} in iowa.stamps


def test_power_of_the_substation_counts_positive_towards_the_feeders(iowa: PointSet) -> None:
    factor = dict(zip((p.tag for p in iowa.points), factors(iowa.points), strict=True))
    assert factor["SUB.T1.P"] == -1e-3  # W into terminal 2 -> kW out of it
    assert factor["FDR_A.HEAD.P"] == 1e-3
    assert factor["FDR_A.HEAD.VA"] == 1.0


def test_attribute_names_state_the_units_that_components_declare() -> None:
    wrong = [
        (kind, a.name, a.unit, attr_unit(a.name))
        for kind, spec in REGISTRY.items()
        for a in spec.attrs
        if a.unit != attr_unit(a.name)
    ]
    assert not wrong


@pytest.mark.parametrize(
    ("attr", "unit", "factor"),
    [("p_w", "kW", 1e-3), ("-q1_var", "kvar", -1e-3), ("late_p50_us", "ms", 1e-3), ("slipped_ms", "s", 1e-3)],
)
def test_factor_follows_from_the_names_of_attribute_and_unit(attr: str, unit: str, factor: float) -> None:
    assert factor_of(attr, unit) == pytest.approx(factor, rel=1e-15)  # one rounding of a quotient


def test_unit_of_another_quantity_is_refused() -> None:
    with pytest.raises(ValueError, match="unit 'kvar' does not fit attribute 'p_w'; allowed is 'W'"):
        factor_of("p_w", "kvar")


def test_instrument_arrays_are_in_the_units_of_the_points(iowa: PointSet) -> None:
    arrays = instrument_arrays(iowa.points, iowa.instruments)
    i = [p.tag for p in iowa.points].index("FDR_B.CB_201.IA")
    assert arrays["class_frac"][i] == 0.003
    assert arrays["quantum_abs"][i] == 1200.0 / 65536  # 16 bits over 0..1200 A
    assert arrays["noise_abs"][i] == pytest.approx(1200.0 * 2e-5)  # 0.002 % of 1200 A
    assert arrays["cutoff_abs"][i] == pytest.approx(0.24)  # 0.02 % of 1200 A
    i = [p.tag for p in iowa.points].index("SUB.T1.P")
    assert arrays["quantum_abs"][i] == 40_000.0 / 65536  # the span counts, not the larger end


def test_points_without_instrument_or_with_exact_have_no_error(iowa: PointSet) -> None:
    arrays = instrument_arrays(iowa.points, iowa.instruments)
    plain = np.array([p.instrument in ("", "exact") for p in iowa.points])
    assert plain.sum() > 80
    assert all(not a[plain].any() and np.isfinite(a).all() and (a >= 0).all() for a in arrays.values())
    assert (arrays["class_frac"][~plain] > 0).all()


def test_word_order_of_a_device_goes_into_its_longer_values_only(folder: Path) -> None:
    devices(folder, BREAKER_ROW + ",CDAB", header=HEADER + ",word_order")
    wires = {p.name: p.wire["modbus"] for p in read_points(folder, None).points}
    assert wires["IA"] == "1:ir:206:float32:CDAB"
    assert wires["TRIP"] == "1:co:16:bit"


def test_every_problem_of_every_file_is_reported_at_once(folder: Path) -> None:
    devices(
        folder,
        BREAKER_ROW.replace("breaker,", "braker,"),
        BREAKER_ROW.replace("CB_1", "CB_2").replace("1,200", "x,200"),
    )
    text = "[{}]\ndescription = 'd'\nstandard = 's'\nclass_pct = {}\n"
    (folder.parent / "instruments.toml").write_text(text.format("ct_0_3", 30.0) + text.format("exact", 0.0))
    templates = ", ".join(sorted(p.stem for p in (folder.parent / "templates").glob("*.toml")))
    assert problems(folder) == [
        "/instruments.toml: ct_0_3.class_pct: 30.0 is not allowed; 0 to 20 % "
        "(limit of the fixed ratio error, of the reading)",
        f"/own/devices.csv: row 2, column template: no template 'braker'; available are {templates}; "
        "did you mean 'breaker'?",
        "/own/devices.csv: row 3, column modbus_unit: 'x' is not an integer from 1 to 247",
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"unit": '"kA"'}, "point IA.unit: unknown unit 'kA'"),
        ({"unit": '"kW"'}, "point IA.unit: unit 'kW' does not fit attribute 'i1_a'; allowed is 'A'"),
        ({"deadbnad": "1"}, "point IA.deadbnad: unknown key"),
        (
            {"kind": '"analogue"'},
            "point IA.kind: 'analogue' is not allowed; one of analog, status, control, setpoint; "
            "did you mean 'analog'?",
        ),
        ({"min": ""}, "point IA.min: is missing; analog points have a range"),
        ({"max": "-5"}, "point IA.min: 0 is not below max -5"),
        ({"max": "nan"}, "point IA.max: nan is a number; a finite number is needed"),
        ({"max": '"1200"'}, "point IA.max: '1200' is text; a number is needed"),
        ({"instrument": '"ct_03"'}, "point IA.instrument: no instrument 'ct_03' for an analog point"),
        ({"modbus": '"ir:4:float32"'}, "IA at input register offset 4: already taken by the stamp block"),
        ({"modbus": '"ir:7:float32"'}, "values of 2 and more registers start at even addresses"),
        ({"modbus": '"hr:6:float32"'}, "analog points must be input registers (ir), not holding registers"),
        ({"modbus": '"ir:6:flaot32"'}, "unknown register format 'flaot32'"),
        ({"modbus": '"ir:6:float32:ABDC"'}, "unknown word order 'ABDC'"),
        ({"modbus": '"ir:6:int16*0"'}, "scale '0' in 'ir:6:int16*0' is not a positive number"),
        ({"modbus": '"ir:6:int16"', "max": "40000"}, "range 0..40000 does not fit int16 (-32768..32767)"),
        ({"modbus": '"6"'}, "'6' is not table:offset:format"),
        ({"source": '"terminal.{termnal}"'}, "point IA.source: unknown parameter {termnal}"),
        ({"states": '["A", "B"]', "min": "", "max": ""}, "point IA.states: analog points have no states"),
        ({"name": '"i a"'}, "'i a' is not 1 to 32 characters of A-Z, 0-9 and _"),
    ],
)  # fmt: skip
def test_mistake_in_a_template_is_named(folder: Path, changes: dict[str, str], said: str) -> None:
    said = (
        said.replace(" a analog", " an analog")
        .replace(" a input", " an input")
        .replace("a analog", "an analog")
    )
    template(folder, row(**changes))
    devices(folder, "FDR_X.CB_1,breaker,breaker.cb_1,,1,200,,,")
    found = problems(folder)
    assert any(said in text and "/templates/breaker.toml" in text for text in found), found


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["SUB.X,breaker,b,s@1,1,80,,16,16"], "IC at unit 1 input register 90: already taken by the self-"),
        (["SUB.X,breaker,b,s@1,1,0,,16,16"], "input register 0: already taken by the unit's stamp block"),
        (["SUB.X,breaker,b,s@1,1,9990,,16,16"], "ends beyond 9999, the highest address"),
        (["SUB.X,breaker,b,s@1,1,65520,,16,16"], "input_base: '65520' is not an integer from 0 to 9999"),
        (["SUB.X,breaker,b,s@1,1,201,,16,16"], "values of 2 and more registers start at even addresses"),
        ([BREAKER_ROW, "SUB.X,breaker,b,s@1,1,300,,18,18"], "SUB.X.TRIP at unit 1 coil 18: already taken by "
         "FDR_X.CB_1.REMOTE"),
        ([BREAKER_ROW, BREAKER_ROW], "row 3, column device: 'FDR_X.CB_1' is already declared in row 2"),
        (["sub.x,breaker,b,s@1,1,200,,16,16"], "row 2, column device: 'sub.x' is not a dotted name"),
        (["SUB.X,breaker,b,s@1,1,200,,,16"], "row 2, column coil_base: is empty, but template 'breaker' has"),
        (["SUB.X,breaker,b,s@1,1,200,5,16,16"], "row 2, column holding_base: is given, but template"),
        (["SUB.X,breaker,b,,1,200,,16,16"], "row 2, column terminal: is empty, but template 'breaker' binds"),
        (["SUB.X,breaker,b,s@1,0,200,,16,16"], "column modbus_unit: '0' is not an integer from 1 to 247"),
        (["SUB.X,breaker,b,s@1,1,200"], "row 2: 6 cells where the header has 9 columns"),
        ([], "no devices; at least one row is needed"),
    ],
)  # fmt: skip
def test_mistake_in_the_device_table_is_named(folder: Path, rows: list[str], said: str) -> None:
    devices(folder, *rows)
    found = problems(folder)
    assert any(said in text and "/own/devices.csv" in text for text in found), found


def test_unknown_column_gets_a_suggestion(folder: Path) -> None:
    devices(folder, BREAKER_ROW, header=HEADER.replace("terminal", "termnial"))
    assert "did you mean 'terminal'?" in problems(folder)[0]


def test_unknown_component_is_reported_once_with_a_suggestion(folder: Path) -> None:
    known = {"breaker.cb_11": ["trip"], "terminal.switch.cb_1@1": ["i1_a", "i2_a", "i3_a"]}
    assert problems(folder, known) == [
        "/own/devices.csv: row 2, column component: no component 'breaker.cb_1'; "
        "did you mean 'breaker.cb_11'?"
    ]


def test_unknown_attribute_is_reported_with_a_suggestion(folder: Path) -> None:
    known = {
        "breaker.cb_1": [a.name for a in REGISTRY["breaker"].attrs],
        "terminal.switch.cb_1@1": ["i1_a", "i2_a", "i3a"],
    }
    (said,) = problems(folder, known)
    assert "point IC: 'terminal.switch.cb_1@1' has no attribute 'i3_a'; allowed are i1_a, i2_a, i3a" in said
    assert "did you mean 'i3a'?" in said


def test_a_device_table_that_is_not_there_is_named(folder: Path) -> None:
    (folder / "devices.csv").unlink()
    assert problems(folder) == ["/own/devices.csv: cannot be read: No such file or directory"]


def test_templates_and_instruments_come_from_the_list_its_parent_or_those_shipped(folder: Path) -> None:
    shipped = read_points(folder, None)
    (folder.parent / "instruments.toml").unlink()
    shutil.rmtree(folder.parent / "templates")
    assert read_points(folder, None) == shipped
    (folder.parent / "templates").mkdir()
    template(folder, row(name='"PARENT"'))
    devices(folder, "FDR_X.CB_1,breaker,breaker.cb_1,switch.cb_1@1,1,200,,,")
    assert [p.name for p in read_points(folder, None).points] == ["PARENT"]
    (folder / "templates").mkdir()
    (folder / "templates" / "breaker.toml").write_text(row(name='"OWN"'))
    assert [p.name for p in read_points(folder, None).points] == ["OWN"]


def test_the_template_in_the_documentation_reads_and_means_what_is_said_there(folder: Path) -> None:
    text = (CONFIG.parent / "docs" / "points.md").read_text()
    template(folder, text.partition("```toml\n")[2].partition("```")[0])
    devices(folder, BREAKER_ROW)
    points = {p.name: p for p in read_points(folder, None).points}
    assert points["IA"].wire["modbus"] == "1:ir:206:int16*0.1"
    assert points["TRIP"].description == "open breaker.cb_1"
    for key in (*PointRow.model_fields, *TemplateHead.model_fields, *COLUMNS):
        assert f"`{key}`" in text, key


# ---------------------------------------------------------------- one mistake hides no other


def test_a_mistake_beside_the_points_of_a_template_hides_none_in_them(folder: Path) -> None:
    template(folder, row(unit='"kA"').replace("stamp = 0", "stamp = -1\nstmap = 0"))
    found = problems(folder)
    for says in ("stamp: -1 is out of range", "stmap: unknown key", "point IA.unit: unknown unit 'kA'"):
        assert sum(says in line for line in found) == 1, found
    assert len(found) == 3, found


def test_one_mistake_in_a_point_hides_no_other_in_it(folder: Path) -> None:
    template(folder, row(deadbnad="1", unit='"kA"', modbus='"hr:4:int16"', max="40000"))
    devices(folder, "FDR_X.CB_1,breaker,breaker.cb_1,switch.cb_1@1,1,200,,,")
    found = "\n".join(problems(folder))
    for says in (
        "IA.deadbnad: unknown key",
        "IA.unit: unknown unit 'kA'",
        "IA.modbus: analog points must be input registers",
        "IA.modbus: range 0..40000 does not fit int16",
    ):
        assert says in found
    assert len(found.splitlines()) == 4, found


def test_a_mistake_in_a_template_hides_neither_bindings_nor_clashes_of_its_devices(folder: Path) -> None:
    template(folder, row(unit='"kA"'))
    head = "FDR_X.CB_{0},breaker,breaker.cb_1,switch.cb_{0}@1,1,{1},,,"
    devices(folder, head.format(1, 200), head.format(2, 206))
    found = problems(folder, {"terminal.switch.cb_1@1": ["i1_a"], "breaker.cb_1": ["i2_a"]})
    assert len(found) == 4, found
    text = "\n".join(found)
    assert "breaker.toml: point IA.unit: unknown unit 'kA'" in text
    assert "row 3, column input_base: the stamp block of FDR_X.CB_2 at unit 1 input register 206" in text
    assert text.count("has no attribute 'i1_a'; allowed are i2_a") == 2


def test_a_number_that_cannot_be_read_hides_nothing_else_in_its_row(folder: Path) -> None:
    devices(folder, "fdr.X,braker,breaker.cb_1,switch.cb_1@1,x,y,,16,16")
    found = problems(folder)
    places = [line.partition("row 2, ")[2].partition(":")[0] for line in found]
    assert places == ["column device", "column input_base", "column modbus_unit", "column template"]


def test_a_mistake_in_the_instruments_does_not_hide_that_there_is_no_device(folder: Path) -> None:
    (folder.parent / "instruments.toml").write_text("[ct\n")
    devices(folder)
    assert "no devices; at least one row is needed" in problems(folder)[1]


def test_files_that_are_not_text_or_not_toml_are_refused(folder: Path) -> None:
    (folder / "devices.csv").write_bytes(b"device\xff\n")
    (folder.parent / "instruments.toml").write_text("[ct\n")
    found = problems(folder)
    assert len(found) == 2
    assert "not UTF-8 text" in found[1]
    assert "not TOML" in found[0]


def test_reference_without_format_is_a_bit_only_in_bit_tables() -> None:
    assert parse("co:3").format == "bit"
    with pytest.raises(ValueError, match="unknown register format ''"):
        parse("ir:3")


def test_a_point_has_the_role_that_its_components_attribute_declares(monkeypatch: pytest.MonkeyPatch) -> None:
    attrs = (
        Attr("apply", "", "applies the fault", writable="pulse", role="instructor"),
        Attr("reset", "", "takes it away", writable="pulse"),
    )
    spec = dc.replace(REGISTRY["breaker"], kind="mishap", attrs=attrs)
    monkeypatch.setitem(REGISTRY, "mishap", spec)
    assert role_of("mishap.m_1.a", "apply") == "instructor"
    assert role_of("mishap.m_1.a", "reset") == "operator"
    assert role_of("no_such_kind.x", "apply") == "operator"


def test_shipped_breakers_are_the_operators(iowa: PointSet) -> None:
    trips = {p.role for p in iowa.points if p.name in ("TRIP", "CLOSE")}
    assert trips == {"operator"}


def test_the_role_survives_the_way_to_the_gateways(iowa: PointSet) -> None:
    point = dc.replace(iowa.points[0], role="engineer")
    assert Point.from_dict(json.loads(json.dumps(point.to_dict()))) == point
