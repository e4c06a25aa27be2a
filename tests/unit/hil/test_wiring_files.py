"""Wiring files: what they say, and that every mistake is told at once and in its place."""

from __future__ import annotations

import dataclasses as dc
from functools import cache
from pathlib import Path

import pytest

from hil import run_command, wiring_files
from hil.point_files import PointSet
from hil.settings import Station, read_station
from hil.settings_sections import DeviceSection
from hil.station import Plan, read_plan
from hil.wiring_files import device_dict, read_wiring, survey_wiring
from protocols.wiring import ModbusPlace, OpcuaPlace, Wiring
from rtcore.errors import UserInputError
from rtcore.points import Point
from tests.support.device_rig import POINTS

ROW = '[[to_device]]\npoint = "CB.X.IA"\naddress = 0\nformat = "float32"\n'
TRIP = '[[from_device]]\npoint = "CB.X.TRIP"\ntable = "co"\naddress = 0\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def read(folder: Path, text: str) -> Wiring:
    (folder / "w.toml").write_text(text)
    return read_wiring("w.toml", POINTS, folder)


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(UserInputError) as caught:
        read(folder, text)
    return [str(p).replace(f"{folder}/w.toml: ", "") for p in caught.value.problems]


# ---------------------------------------------------------------- what a file says


def test_rows_inherit_unit_and_order_and_have_defaults(folder: Path) -> None:
    wiring = read(folder, '[wiring]\nunit = 7\norder = "CDAB"\n' + ROW + TRIP)
    assert (wiring.name, wiring.role, wiring.protocol, wiring.cycle_ms) == ("w", "client", "modbus", 5.0)
    (row,) = wiring.to_device
    assert row.place == ModbusPlace(7, "hr", 0, "float32", "CDAB")
    assert (row.scale, row.offset, row.on_bad, row.quality) == (1.0, 0.0, "last", None)
    (trip,) = wiring.from_device
    assert (trip.place, trip.edge) == (ModbusPlace(7, "co", 0, "bool", "CDAB"), "rising")
    assert (wiring.token, wiring.failsafe) == (None, ())


def test_a_setpoint_gets_levels_and_a_control_the_edge_that_is_asked_for(folder: Path) -> None:
    text = '[[from_device]]\npoint = "CB.X.SP"\naddress = 4\nformat = "int16"\n' + TRIP + 'edge = "falling"\n'
    assert [r.edge for r in read(folder, text).from_device] == ["level", "falling"]


def test_nodes_token_heartbeat_and_failsafe_are_read(folder: Path) -> None:
    text = """
[wiring]
protocol = "opcua"
[token]
sent = { node = "ns=2;s=T" }
echo = { node = "i=7", type = "Int32" }
point_in = "TST.TOKEN_IN"
[heartbeat]
received = { node = "ns=2;s=H" }
[failsafe]
write = [{ point = "CB.X.TRIP" }, { point = "CB.X.SP", value = -1 }]
[[to_device]]
point = "CB.X.IA"
node = "ns=2;s=IA"
type = "Double"
"""
    wiring = read(folder, text)
    assert wiring.token is not None
    assert wiring.token.echo == OpcuaPlace("i=7", "Int32")
    assert wiring.token.sent == OpcuaPlace("ns=2;s=T", "UInt16")
    assert wiring.heartbeat.received == OpcuaPlace("ns=2;s=H", "UInt16")
    assert wiring.failsafe == (("CB.X.TRIP", 1.0), ("CB.X.SP", -1.0))


def test_where_the_device_polls_a_row_needs_its_point_alone(folder: Path) -> None:
    text = '[wiring]\nrole = "server"\n[token]\npoint_out = "TST.TOKEN_OUT"\npoint_in = "TST.TOKEN_IN"\n'
    wiring = read(folder, text + '[[to_device]]\npoint = "CB.X.IA"\n[[from_device]]\npoint = "CB.X.TRIP"\n')
    assert [r.point for r in wiring.to_device] == ["CB.X.IA"]
    assert wiring.to_device[0].place is None
    assert wiring.commanded() == ["CB.X.TRIP", "TST.TOKEN_IN"]


@cache
def shipped_points() -> list[Point]:
    return read_plan("iowa240").points.points


def test_the_shipped_relay_s_table_fits_the_default_station_s_points() -> None:
    wiring = read_wiring("relay_cb_201", shipped_points())
    assert wiring.failsafe == (("FDR_B.CB_201.TRIP", 1.0),)


@pytest.mark.parametrize("name", ["standin_modbus", "standin_opcua"])
def test_the_stand_in_s_tables_fit_the_default_station_s_points(name: str) -> None:
    wiring = read_wiring(name, shipped_points())
    assert wiring.protocol == name.partition("_")[2]
    assert wiring.token is not None
    assert (wiring.token.point_out, wiring.token.point_in) == ("LAB.INJECT.TOKEN", "LAB.INJECT.TOKEN_IN")
    contacts = {row.point for row in wiring.from_device}
    assert contacts >= {f"LAB.INJECT.INPUT_{k}" for k in (1, 2, 3)}
    assert set(wiring.failsafe) == {(tag, 0.0) for tag in contacts}, "those of a lost device are open"


def test_both_tables_of_the_stand_in_carry_the_same_points() -> None:
    modbus, opcua = (read_wiring(f"standin_{p}", shipped_points()) for p in ("modbus", "opcua"))
    for side in ("to_device", "from_device"):
        assert {r.point for r in getattr(modbus, side)} == {r.point for r in getattr(opcua, side)}


# ---------------------------------------------------------------- mistakes


def test_every_mistake_of_a_file_is_in_one_report(folder: Path) -> None:
    text = """
[wiring]
protocoll = "modbus"
cycle_ms = 0.1
[[to_device]]
point = "CB.X.IA"
adress = 3
format = "float16"
"""
    found = problems(folder, text)
    assert len(found) == 4
    assert any("wiring.protocoll: unknown key" in p and "did you mean 'protocol'" in p for p in found)
    assert any(p.startswith("wiring.cycle_ms: 0.1 is out of range") for p in found)
    assert any(p.startswith("to_device[0].adress: unknown key") for p in found)
    assert any("to_device[0].format: 'float16' is not allowed" in p for p in found)


def test_points_places_and_values_are_checked_against_each_other(folder: Path) -> None:
    text = """
[wiring]
watchdog_s = 0.05
[token]
sent = { address = 0, format = "float32" }
[failsafe]
write = [{ point = "CB.X.SP", value = 1000 }, { point = "CB.X.IA" }]
[[to_device]]
point = "CB.X.IAA"
address = 1
[[to_device]]
point = "CB.X.TRIP"
table = "ir"
address = 65535
format = "float32"
[[to_device]]
point = "CB.X.IB"
node = "ns=2;s=IB"
[[to_device]]
point = "CB.X.ST_52A"
table = "co"
address = 5
scale = 2
on_bad = "invalid"
[[from_device]]
point = "CB.X.IA"
address = 9
format = "float32"
scale = 0
[[from_device]]
point = "CB.X.SP"
address = 11
format = "int16"
edge = "rising"
[[from_device]]
point = "CB.X.SP"
address = 12
format = "int16"
"""
    assert problems(folder, text) == [
        "failsafe.write[0].value: 1000 is not allowed: value outside the point's range; -100 to 100",
        "failsafe.write[1].point: CB.X.IA is of kind analog; a control or a setpoint is needed",
        "from_device[0].point: CB.X.IA is of kind analog; a control or a setpoint is needed",
        "from_device[0].scale: 0 is not allowed; a value could not come back",
        "from_device[1].edge: CB.X.SP is a setpoint and gets each new value; leave edge out",
        "from_device[2].point: CB.X.SP is set by from_device[1], too",
        "to_device[0].format: this key is missing; registers hold int16, float32, ..",
        "to_device[0].point: no point 'CB.X.IAA'; did you mean 'CB.X.IA'?",
        "to_device[1].point: CB.X.TRIP is of kind control; "
        "something to read (analog, status, setpoint) is needed",
        "to_device[1].table: 'ir' cannot be written; one of hr, co",
        "to_device[2].node: no key of a modbus place; allowed: unit, table, address, format, order",
        'to_device[3].on_bad: a truth value has no "no value"; one of last, stop',
        "to_device[3].scale: a truth value has neither scale nor offset",
        "token.echo: this key is missing: a token goes out and comes back",
        "token.sent.format: cannot hold a 16-bit counter; one of uint16, uint32, int32",
        "wiring.watchdog_s: 0.05 s is less than two cycles or than timeout_ms (100 ms)",
    ]


def test_two_rows_must_not_write_the_same_register(folder: Path) -> None:
    text = ROW + ROW.replace("CB.X.IA", "CB.X.IB").replace("address = 0", "address = 1")
    assert problems(folder, text) == ["to_device[1]: 1:hr:1:float32 is written by to_device[0], too"]


def test_a_value_must_end_within_the_table(folder: Path) -> None:
    text = ROW.replace("address = 0", "address = 65535")
    assert problems(folder, text) == ["to_device[0].address: float32 at 65535 ends behind address 65535"]


@pytest.mark.parametrize("node", ["Relay.IA", "ns=2", "ns=x;s=IA", "i=IA"])
def test_a_node_id_is_one(folder: Path, node: str) -> None:
    text = (
        f'[wiring]\nprotocol = "opcua"\n[[to_device]]\npoint = "CB.X.IA"\nnode = "{node}"\ntype = "Float"\n'
    )
    (found,) = problems(folder, text)
    assert found.startswith(f"to_device[0].node: {node!r} is not a node id")


def test_an_empty_table_and_a_file_that_is_not_there_are_refused(folder: Path) -> None:
    assert problems(folder, "[wiring]\n") == ["neither [[to_device]] nor [[from_device]]: nothing is wired"]
    with pytest.raises(UserInputError, match="no wiring file 'relay_cb_20'; did you mean 'relay_cb_201'"):
        read_wiring("relay_cb_20", POINTS, folder)


def test_without_a_point_list_the_rest_of_a_file_is_checked(folder: Path) -> None:
    (folder / "w.toml").write_text(ROW.replace("CB.X.IA", "ANY.TAG"))
    assert survey_wiring(folder / "w.toml", None)[1] == []
    for path in (wiring_files.find(name) for name in wiring_files.names()):
        assert path is not None
        assert survey_wiring(path, None)[1] == []


# ---------------------------------------------------------------- the station's side

IOWA = read_station("iowa240")


def station(folder: Path, text: str, **device: object) -> Station:
    (folder / "w.toml").write_text(text)
    section = DeviceSection.model_validate({"wiring": str(folder / "w.toml")} | device)
    return dc.replace(IOWA, device=section)


def test_a_station_without_a_device_has_no_such_process(folder: Path) -> None:
    assert device_dict(IOWA, POINTS) == {}
    assert device_dict(station(folder, '[wiring]\nrole = "server"\n' + ROW), POINTS) == {}


def test_the_process_gets_the_table_and_where_the_device_is(folder: Path) -> None:
    points = PointSet(POINTS, [], {})
    plan = Plan(station(folder, ROW, port=1502), None, points)  # type: ignore[arg-type]
    spec = run_command.make_spec(plan, folder, 1_000_000, False, None)
    assert (spec.device["host"], spec.device["port"], spec.device["role"]) == ("127.0.0.1", 1502, "operator")
    assert Wiring.from_dict(spec.device["wiring"]).to_device[0].point == "CB.X.IA"
    processes = run_command.process_list(spec, folder / "spec.json", plan.station)
    assert [p.name for p in processes if p.name == "device"] == ["device"]
    assert [p.argv[3] for p in processes if p.name == "device"] == ["hil.gw_device"]


def test_a_table_over_opcua_needs_an_endpoint_and_every_point_a_role(folder: Path) -> None:
    text = (
        '[wiring]\nprotocol = "opcua"\n[[from_device]]\npoint = "CB.X.DRILL"\nnode = "i=1"\ntype = "Int16"\n'
    )
    with pytest.raises(UserInputError) as caught:
        device_dict(station(folder, text), POINTS)
    assert [p.place for p in caught.value.problems] == ["device.role", "device.url"]
    assert "'operator' may not command CB.X.DRILL" in str(caught.value)
    well = station(folder, text, url="opc.tcp://127.0.0.1:4841/plc", role="instructor")
    assert device_dict(well, POINTS)["url"] == "opc.tcp://127.0.0.1:4841/plc"


def test_a_table_that_a_station_names_in_vain_is_its_problem(folder: Path) -> None:
    lost = dc.replace(IOWA, device=DeviceSection(wiring="nowhere"))
    with pytest.raises(UserInputError, match=r"device\.wiring: no wiring file 'nowhere'"):
        device_dict(lost, POINTS)
