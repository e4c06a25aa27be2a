"""The map is checked as a whole and every problem is named."""

from __future__ import annotations

import pytest

from protocols import modbus_map
from protocols.gateway import MODBUS_EXCEPTION
from protocols.modbus_map import build, columns, parse, refusal_table
from protocols.modbus_server import Settings, prepare
from rtcore.errors import UserInputError
from rtcore.points import Kind
from tests.support.modbus_rig import STAMPS, UNITS, point, rig_points

SETTINGS = {"units": UNITS, "default_unit": 1}


def problems_of(points, stamps=(), settings=SETTINGS):
    with pytest.raises(UserInputError) as caught:
        build(points, stamps, settings, "points.toml")
    return [str(p) for p in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("2:ir:1000:float32:ABCD", (2, "ir", 1000, "float32", "ABCD", 1.0)),
        ("1:hr:4:int16", (1, "hr", 4, "int16", "", 1.0)),
        ("1:ir:40:int16*0.1", (1, "ir", 40, "int16", "", 0.1)),
        ("1:ir:40:int32:CDAB*1e-3", (1, "ir", 40, "int32", "CDAB", 0.001)),
        ("2:co:0:bit", (2, "co", 0, "bit", "", 1.0)),
        ("247:di:9999:bit", (247, "di", 9999, "bit", "", 1.0)),
    ],
)
def test_reference_is_parsed(text, fields):
    r, problems = parse(text)
    assert problems == ()
    assert (r.unit, r.table, r.address, r.format.name, r.order, r.scale) == fields


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1:hr:4", "is not <unit>:<table>:<address>:<format>"),
        ("1:irr:4:int16", "unknown table 'irr'; allowed co, di, ir, hr; did you mean 'ir'?"),
        ("1:hr:4:flota32", "did you mean 'float32'?"),
        ("1:hr:4:float32:ABDC", "unknown word order 'ABDC'"),
        ("0:hr:4:int16", "unit '0' is not a whole number in 1..247"),
        ("248:hr:4:int16", "unit '248'"),
        ("1:hr:-4:int16", "address '-4'"),
        ("1:hr:10000:int16", "address '10000' is not a whole number in 0..9999"),
        ("1:ir:65520:int16", "address '65520' is not a whole number in 0..9999"),
        ("1:hr:9998:float64", "ends behind address 9999"),
        ("1:hr:5:float32", "float32 at odd address 5"),
        ("1:hr:5:bit", "format bit in table hr"),
        ("1:co:5:int16", "format int16 in table co"),
        ("1:co:5:bit*2", "a bit has no scale"),
        ("1:hr:4:int16*0", "scale '0'"),
        ("1:hr:4:int16*nan", "scale 'nan'"),
        ("1:hr:4:int16*ten", "scale 'ten'"),
    ],
)
def test_reference_that_cannot_be_is_refused_with_the_reason(text, wanted):
    reference, problems = parse(text)
    assert reference is None or problems
    assert any(wanted in p for p in problems), problems


def test_every_problem_of_a_map_is_in_one_report():
    found = problems_of(
        [
            point("A.B.C", "1:hr:0:flota32"),
            point("A.B.D", "1:hr:10:float32"),
            point("A.B.E", "1:hr:11:int16"),
            point("A.B.F", "1:ir:4:int16", Kind.SETPOINT),
            point("A.B.G", "77:ir:4:int16"),
            point("A.B.H", "101:ir:4:int16"),
            point("A.B.I", "1:ir:91:int16"),
        ],
        [
            {"unit": 1, "address": 3, "device": "A.B"},
            {"unit": 1, "address": 200, "device": "A.X"},
            {"unit": 9, "address": 200, "device": ""},
        ],
    )
    assert len(found) == 9, found
    text = "\n".join(found)
    assert "points.toml: A.B.E: overlaps A.B.D at 1:hr:11" in text
    assert "points.toml: A.B.F: a setpoint in read-only table ir" in text
    assert "points.toml: modbus.units: 1 points of 1 devices (A.B) need unit 77, but there is none" in text
    assert "(A.B) need unit 101, but it only shows unit 1; units with points of their own: 1, 2, 3" in text
    assert "stamp blocks need unit 9" in text
    assert "A.B.I: overlaps the self-test constants at 1:ir:91" in text
    assert "stamp of A.X: no point belongs to device 'A.X'; did you mean 'A.B'?" in text


def test_a_missing_unit_is_one_line_that_says_how_many_need_it():
    points = [
        point(f"F.M{k}.V{j}", f"4:ir:{1000 + 10 * k + 2 * j}:float32") for k in range(50) for j in (0, 1)
    ]
    stamps = [{"unit": 4, "address": 0, "device": ""}]
    stamps += [{"unit": 4, "address": 2000 + 6 * k, "device": f"F.M{k}"} for k in range(50)]
    assert problems_of(points, stamps) == [
        "points.toml: modbus.units: 100 points of 50 devices (F.M0, F.M1, F.M10, ...) need unit 4, "
        "but there is none; units with points of their own: 1, 2, 3"
    ]


def test_a_unit_with_a_mistake_of_its_own_is_not_called_missing_too():
    found = problems_of([point("A.B.C", "1:ir:0:int16")], (), {"units": [{"unit": 1, "order": "ABC"}]})
    assert len(found) == 1 and "unknown word order 'ABC'" in found[0]


def test_stamp_over_a_value_is_an_overlap():
    found = problems_of([point("A.B.C", "1:ir:204:int16")], [{"unit": 1, "address": 200, "device": "A.B"}])
    assert found == ["points.toml: A.B.C: overlaps stamp of A.B at 1:ir:204"]


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"units": []}, "no unit is declared"),
        ({"units": [{"unit": 1, "name": "a"}, {"unit": 1, "name": "b"}]}, "declared twice"),
        ({"units": [{"unit": 0, "name": "a"}]}, "unit 0 is not a whole number in 1..247"),
        ({"units": [{"unit": 1, "order": "ABC"}]}, "unknown word order 'ABC'"),
        ({"units": [{"unit": 1, "mirror_of": 2}]}, "mirror_of 2"),
        ({"units": [{"unit": 1, "mirror_of": 1}]}, "mirror_of 1"),
        ({"units": [{"unit": 1, "mirrors": 2}]}, "unknown key 'mirrors'; did you mean 'mirror_of'?"),
        ({"units": UNITS, "default_unit": 7}, "no unit 7; allowed 1, 2, 3, 101"),
    ],
)
def test_units_that_cannot_be_are_refused(settings, wanted):
    assert wanted in "\n".join(problems_of([], (), settings))


def test_order_left_open_is_that_of_the_unit():
    built = build([point("A.B.C", "2:ir:0:float32"), point("A.B.D", "2:ir:2:float32:ABCD")], [], SETTINGS)
    assert [e.reference.order for e in built.entries] == ["CDAB", "ABCD"]


def test_point_without_a_modbus_reference_is_left_out():
    lone = point("A.B.C", "1:ir:0:int16")
    bare = type(lone)(**{**{f: getattr(lone, f) for f in lone.__slots__}, "wire": {}, "tag": "A.B.D"})
    assert [e.point.tag for e in build([bare, lone], [], SETTINGS).entries] == ["A.B.C"]
    assert columns(bare)["modbus_unit"] == ""


def test_printed_columns_say_what_the_wire_does():
    assert columns(point("A.B.C", "2:ir:40:int32*0.1"), {2: "CDAB"}) == {
        "modbus_unit": 2,
        "modbus_table": "ir",
        "modbus_address": 40,
        "modbus_format": "int32",
        "word_order": "CDAB",
        "scale": 0.1,
    }
    assert columns(point("A.B.C", "2:ir:40:int16"))["word_order"] == ""


def test_refusal_table_names_every_reason_with_its_code():
    rows = {name: code for _, name, code, _ in refusal_table()}
    assert rows == {r.name: f"{c:02X}" for r, c in MODBUS_EXCEPTION.items()}
    assert rows["BUSY"] == "06"


def test_extent_reaches_to_the_highest_address_in_use():
    extents = build(rig_points(), STAMPS, SETTINGS).extents()
    assert extents[1, "hr"] == 2000
    assert extents[2, "co"] == 160
    assert extents[3, "ir"] == 94  # the self-test constants are always there
    assert (101, "ir") not in extents  # a mirror has no image of its own


def test_settings_and_map_are_reported_together():
    row = SETTINGS | {"default_unit": 9, "queue": 0, "prot": 5020, "writers": [{"network": "x"}]}
    with pytest.raises(UserInputError) as caught:
        prepare(rig_points(), STAMPS, row)
    text = str(caught.value)
    assert all(w in text for w in ("no unit 9", "queue", "'prot'; did you mean 'port'?", "writers[0]"))


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ({"queue": 2.5}, "queue: 2.5 is not a whole number in 1..1024"),
        ({"port": True}, "port: True is not a whole number in 0..65535"),
        ({"idle_s": "60"}, "idle_s: '60' is not a number"),
        ({"unknown_unit": "silent"}, "did you mean 'silence'?"),
        ({"identity": {"vendr": "x"}}, "unknown key 'vendr'; did you mean 'vendor'?"),
        ({"writers": [{"network": "127.0.0.0/8", "units": [7]}]}, "writers[0]: no unit 7; allowed 1"),
        ({"writers": [{"netwrok": "127.0.0.0/8"}]}, "did you mean 'network'?"),
        ({"writers": [{"network": "127.0.0.1/8", "units": [1]}]}, "has host bits set"),
    ],
)
def test_setting_that_cannot_be_is_refused_with_what_is_allowed(row, wanted):
    with pytest.raises(UserInputError) as caught:
        Settings.parse({"units": [{"unit": 1}]} | row)
    assert wanted in str(caught.value)


def test_settings_default_to_the_documented_ones():
    s = Settings.parse({})
    assert (s.host, s.port, s.max_connections, s.idle_s, s.partial_s) == ("127.0.0.1", 5020, 128, 60.0, 2.0)


def test_map_module_stays_pure():
    assert not {"asyncio", "socket"} & set(vars(modbus_map))
