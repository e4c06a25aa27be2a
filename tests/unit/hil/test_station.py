"""A station read as a whole: plant tables reach the plan, problems of all parts come together."""

from __future__ import annotations

import dataclasses as dc
import shutil
from pathlib import Path

import pytest

from hil import paths
from hil.network_files import read_network
from hil.settings_check import check_file
from hil.station import read_plan, stated, with_upstream_machine, with_upstream_reactance
from rtcore.component import REGISTRY
from rtcore.errors import UserInputError

CONFIG = Path(__file__).parents[3] / "config"

HEAD = """
[station]
name = "lab"
network = "{network}"
points = "iowa240"
[time]
start = 2017-07-12T12:00:00-06:00
[modbus]
enabled = false
"""


def station(folder: Path, plant: str, network: str = "iowa240") -> str:
    path = folder / "lab.toml"
    path.write_text(HEAD.format(network=network) + plant)
    return str(path)


def test_plant_tables_reach_the_plan_by_instance_and_hold_what_the_file_says(tmp_path: Path) -> None:
    text = """
    [plant.breaker."*"]
    open_time_s = 0.08
    [plant.breaker.cb_101]
    open_time_s = 0.03
    [plant.regulator.sub_regulator_a]
    tap_time_s = 5
    """
    plan = read_plan(station(tmp_path, text))
    breakers = plan.plant["breaker"]
    assert breakers.keys() == {s.name for s in plan.network.switches}
    assert (breakers["cb_101"], breakers["cb_102"]) == ({"open_time_s": 0.03}, {"open_time_s": 0.08})
    # The step of a tap is required; that the network states it is enough.
    assert plan.plant["regulator"] == {"sub_regulator_a": {"tap_time_s": 5}}


def test_a_station_without_plant_tables_has_an_empty_plant() -> None:
    assert read_plan("iowa240-ref").plant == {}


def test_parameters_that_the_network_states_are_declared_ones() -> None:
    for kind, rows in stated(read_network(paths.find("networks", "iowa240-der"))).items():
        declared = {f.name for f in dc.fields(REGISTRY[kind].params)}
        assert rows and all(row.keys() <= declared for row in rows.values()), kind


@pytest.mark.parametrize("read", [read_plan, check_file], ids=["run", "check"])
def test_problems_of_network_points_and_plant_come_in_one_report(read, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    network = tmp_path / "net"
    network.mkdir()
    (network / "network.toml").write_text(
        'format = 1\nname = "n"\ntitle = ""\nextends = "iowa240"\nremove = ["load.nobody"]\n'
    )
    (tmp_path / "points").mkdir()
    (tmp_path / "points" / "devices.csv").write_text("rubbish\n")
    path = station(tmp_path, "[plant.breaker.cb_101]\nopen_time_s = -1\n", "./net")
    Path(path).write_text(Path(path).read_text().replace('"iowa240"', '"./points"'))
    try:
        problems = read(path)
    except UserInputError as error:
        problems = error.problems
    text = "\n".join(map(str, problems)).replace(f"{tmp_path}/", "")
    assert "net/network.toml: 'remove': 'load.nobody': the base has no load 'nobody'" in text
    assert (
        "lab.toml: plant.breaker.cb_101: open_time_s = -1 s: must be > 0 s (trip command to contacts parted)"
        in text
    )
    assert "points/devices.csv" in text


@pytest.mark.parametrize("read", [read_plan, check_file], ids=["run", "check"])
def test_an_instance_that_the_network_does_not_have_is_refused(read, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    try:
        problems = read(station(tmp_path, "[plant.breaker.cb_110]\n"))
    except UserInputError as error:
        problems = error.problems
    assert len(problems) == 1
    assert str(problems[0]).startswith(
        f"{tmp_path}/lab.toml: plant.breaker.cb_110: no breaker of this name; allowed: cb_"
    )


# ---------------------------------------------------------------- run and check say the same, and all of it


LAB = """
[station]
name = "lab"
network = "./net"
points = "./points"
[time]
start = 2024-03-01T00:00:00+01:00
[modbus]
units = [{ unit = 1 }, { unit = 2 }, { unit = 3 }, { unit = 4 }]
"""


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """A station of its own network and point list, the templates left where they ship."""
    shutil.copytree(CONFIG / "networks" / "iowa240", tmp_path / "net")
    shutil.copytree(CONFIG / "points" / "iowa240", tmp_path / "points")
    (tmp_path / "lab.toml").write_text(LAB)
    return tmp_path


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text, (path, old)
    path.write_text(text.replace(old, new, 1))


def said_by_run_and_check(folder: Path) -> list[str]:
    """Return the problems of a station that ``run`` cannot read, having seen that ``check`` says the same."""
    with pytest.raises(UserInputError) as caught:
        read_plan(str(folder / "lab.toml"))
    assert check_file(folder / "lab.toml") == caught.value.problems
    return [str(p).replace(f"{folder}/", "") for p in caught.value.problems]


def test_a_copied_point_list_of_its_own_runs_with_the_shipped_templates(lab: Path) -> None:
    assert check_file(lab / "lab.toml") == check_file(lab / "points") == []
    assert read_plan(str(lab / "lab.toml")).points.points == read_plan("iowa240-ref").points.points


def test_points_that_bind_to_nothing_are_refused_by_run_and_check(lab: Path) -> None:
    change(lab / "points" / "devices.csv", ",breaker.cb_101,", ",breaker.cb_191,")
    (found,) = said_by_run_and_check(lab)
    assert "column component: no component 'breaker.cb_191'; did you mean 'breaker.cb_1" in found


def test_a_map_that_the_modbus_server_cannot_serve_is_refused_by_run_and_check(lab: Path) -> None:
    change(lab / "lab.toml", ", { unit = 4 }", "")
    (found,) = said_by_run_and_check(lab)
    assert found.startswith("lab.toml: modbus.units: ") and " need unit 4, but there is none" in found
    change(lab / "lab.toml", "[modbus]", "[modbus]\nenabled = false")
    assert check_file(lab / "lab.toml") == []


def test_mistakes_of_every_layer_come_in_one_report(lab: Path) -> None:
    (lab / "q.csv").write_text("load_1003,load_1003,load_nobody\n1,x,3\n")
    change(
        lab / "lab.toml",
        "[time]",
        '[profile]\np_file = "p.csv"\np_unit = "mW"\nq_file = "q.csv"\nq_unit = "var"\n'
        "start = 2024-03-01T00:00:00+01:00\nstep_s = 900\n"
        '[plant.breaker.cb_101]\nopen_time_s = -1\n[loop]\nseed = "one"\n[time]',
    )
    change(lab / "lab.toml", ", { unit = 4 }", "")
    change(lab / "net" / "lines.csv", ",ft,", ",feet,")
    change(lab / "points" / "devices.csv", ",breaker,", ",braker,")
    found = said_by_run_and_check(lab)
    expected = (
        "lab.toml: loop.seed: 'one' is text",
        "lab.toml: modbus.units: ",
        "lab.toml: plant.breaker.cb_101: open_time_s = -1 s: must be > 0 s",
        "lab.toml: profile.p_file: no such file 'p.csv'",
        "lab.toml: profile.p_unit: 'mW' is not allowed; one of W, kW",
        "net/lines.csv: row 2 column 'unit': 'feet' is not one of",
        "points/devices.csv: row ",
        "q.csv: column 'load_1003': appears 2 times",
        "q.csv: column 'load_nobody': no load of that name in the network",
        "q.csv: header: no column for 193 load(s)",
        "q.csv: row 1 (line 2), column 'load_1003': 'x' is not a number",
    )
    for words in expected:
        assert sum(line.startswith(words) for line in found) == 1, (words, found)
    assert len(found) == len(expected), found


def test_a_network_that_cannot_be_read_makes_up_no_mistake_in_points_and_profile(lab: Path) -> None:
    (lab / "net" / "loads.csv").unlink()
    change(lab / "lab.toml", "[time]", '[profile]\nname = "iowa240_2017"\n[time]')
    (found,) = said_by_run_and_check(lab)
    assert found.startswith(
        "net/loads.csv: the file is missing; with no rows it has its heading alone: name,"
    )


def test_plant_tables_in_the_wrong_shape_make_up_no_point_that_binds_to_nothing(lab: Path) -> None:
    change(lab / "lab.toml", "[time]", "[plant]\nspeed = 1\n[time]")
    assert said_by_run_and_check(lab) == ["lab.toml: plant.speed: 1 is a whole number; a table is needed"]


def test_upstream_grid_is_a_machine_unless_the_station_says_otherwise(tmp_path: Path) -> None:
    network = read_network(paths.find("networks", "iowa240"))
    assert with_upstream_machine(network, {})["generator"]["source"]["model"] == "machine"
    some = with_upstream_machine(network, {"generator": {"source": {"h_s": 3.0}}})
    assert some["generator"]["source"] == {"model": "machine", "s_rated_va": 100e6, "h_s": 3.0}
    ideal = with_upstream_machine(network, {"generator": {"source": {"model": "infinite"}}})
    assert ideal["generator"]["source"]["model"] == "infinite"
    assert "source" not in ideal["governor"]


def test_transient_reactance_of_the_upstream_machine_is_a_setting(tmp_path: Path) -> None:
    network = read_network(paths.find("networks", "iowa240"))
    same = with_upstream_reactance(network, with_upstream_machine(network, {}))
    assert same == network
    given = {"generator": {"source": {"s_rated_va": 50e6, "xd1_pu": 0.25}}}
    changed = with_upstream_reactance(network, with_upstream_machine(network, given))
    assert changed.sources[0].x1_ohm == pytest.approx(0.25 * 69e3**2 / 50e6, rel=1e-12)
