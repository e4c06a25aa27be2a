import json
from pathlib import Path

import pytest

from hil import paths
from hil.settings import Station, read_station, schema
from hil.settings_check import check_file
from hil.settings_types import iso
from protocols.modbus_map import build
from protocols.modbus_server import Settings
from protocols.opcua_settings import OpcuaSettings
from rtcore.errors import UserInputError

PROFILES = Path(__file__).parents[2] / "data" / "profiles"

HEAD = """
[station]
name = "lab"
network = "./net"
points = "./points"
[time]
start = 2017-07-12T12:00:00-06:00
"""
ONE_UNIT = "units = [{ unit = 1 }]\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, file in (("net", "network.toml"), ("points", "devices.csv")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text("")
    return tmp_path


def read(folder: Path, body: str = f"[modbus]\n{ONE_UNIT}", head: str = HEAD) -> Station:
    (folder / "lab.toml").write_text(head + body)
    return read_station(folder / "lab.toml")


def problems(folder: Path, body: str, head: str = HEAD) -> list[str]:
    with pytest.raises(UserInputError) as caught:
        read(folder, body, head)
    return [str(p).replace(f"{folder}/", "") for p in caught.value.problems]


# ---------------------------------------------------------------- what a file says


def test_only_station_time_and_units_are_needed_and_the_rest_has_defaults(folder: Path) -> None:
    station = read(folder)
    assert station.network == folder / "net" and station.points == folder / "points"
    assert station.profile is None  # constant load
    assert station.read_profile(["load_a"], None) is None
    assert (station.loop.step_us, station.loop.scheduler, station.loop.cpu) == ("auto", "auto", "auto")
    assert (station.load.scale, station.load.ripple_pct) == (1.0, 0.0)
    assert station.time.speed == 1.0
    assert iso(station.start_utc_ns, station.utc_offset_s) == "2017-07-12T12:00:00-06:00"


def test_start_may_be_written_as_text(folder: Path) -> None:
    head = HEAD.replace("2017-07-12T12:00:00-06:00", '"2017-07-12T18:00:00Z"')
    assert read(folder, head=head).start_utc_ns == read(folder).start_utc_ns


def test_words_and_numbers_are_taken_where_both_are_allowed(folder: Path) -> None:
    body = '[loop]\nstep_us = 250\ncpu = 1\nscheduler = "fifo"\n[modbus]\n' + ONE_UNIT
    station = read(folder, body, HEAD + 'speed = "max"\n')
    assert (station.loop.step_us, station.loop.cpu, station.time.speed) == (250, 1, "max")


def test_default_writers_are_this_machine_on_the_units_that_take_commands(folder: Path) -> None:
    units = "units = [{ unit = 1 }, { unit = 5, read_only = true }, { unit = 101, mirror_of = 1 }]\n"
    row = read(folder, f"[modbus]\n{units}").modbus_dict()
    assert row["writers"] == [
        {"network": "127.0.0.0/8", "units": [1]},
        {"network": "::1/128", "units": [1]},
    ]


def test_gateways_take_exactly_what_the_station_gives_them(folder: Path) -> None:
    station = read(folder)
    row = json.loads(json.dumps(station.modbus_dict()))  # it travels as JSON
    assert set(row) == {
        "host", "port", "max_connections", "per_address", "idle_s", "partial_s", "queue", "unknown_unit",
        "units", "default_unit", "writers", "loopback_role", "identity",
    }  # fmt: skip
    settings = Settings.parse(row)
    assert (settings.host, settings.port) == ("127.0.0.1", 5020)
    assert settings.identity["vendor"] == "gridhil"
    assert build([], [], row).units[1].order == "ABCD"
    opcua = json.loads(json.dumps(station.opcua_dict()))
    assert set(opcua) == {
        "host", "port", "path", "publish_ms", "max_connections", "none_policy_on_loopback",
    }  # fmt: skip
    assert OpcuaSettings.of(opcua) == OpcuaSettings()


def test_a_users_own_profile_is_read_beside_the_station_file_and_must_cover_the_run(folder: Path) -> None:
    for name in ("good_p_kw.csv", "good_q_var.csv"):
        (folder / name).write_text((PROFILES / name).read_text())
    profile = (
        '[profile]\np_file = "good_p_kw.csv"\np_unit = "kW"\nq_file = "good_q_var.csv"\nq_unit = "var"\n'
    )
    head = HEAD.replace("2017-07-12T12:00:00-06:00", "2024-03-01T00:30:00+01:00")
    body = f"[modbus]\n{ONE_UNIT}" + profile
    station = read(folder, body, head)
    loads = ["load_a", "load_b", "load_c"]
    covered = station.read_profile(loads, 3600.0)
    assert covered is not None and covered.n_t == 6
    with pytest.raises(UserInputError, match="but the run goes from 2024-03-01T00:30"):
        station.read_profile(loads, 3601.0)
    with pytest.raises(UserInputError, match="the run has no end"):
        station.read_profile(loads, None)
    repeating = read(folder, body + "repeat = true\n", head).read_profile(loads, None)
    assert repeating is not None and repeating.wraps


def test_plant_tables_are_taken_as_written(folder: Path) -> None:
    plant = '[plant.generator.source]\nh_s = 5.0\n[plant.governor."*"]\nmodel = "tgov1"\n'
    station = read(folder, f"[modbus]\n{ONE_UNIT}{plant}")
    assert station.plant == {"generator": {"source": {"h_s": 5.0}}, "governor": {"*": {"model": "tgov1"}}}
    assert read(folder).plant == {}


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("plant", "says"),
    [
        ("[plant]\nspeed = 1\n", "plant.speed: 1 is a whole number; a table is needed"),
        ("[plant.generator]\nh_s = 5.0\n", "plant.generator.h_s: 5.0 is a number; a table is needed"),
        ("[[plant.generator]]\nh_s = 5.0\n", "plant.generator: [{ h_s = 5.0 }] is a list; a table is needed"),
    ],
)
def test_a_plant_parameter_in_the_wrong_depth_is_refused(folder: Path, plant: str, says: str) -> None:
    assert problems(folder, f"[modbus]\n{ONE_UNIT}{plant}") == [f"lab.toml: {says}"]


def test_every_problem_of_a_file_is_reported_at_once_in_toml_words(folder: Path) -> None:
    body = """
[loop]
step_us = 100
seed = "one"
schedular = "fifo"
strict = 1
[profile]
name = "iowa240_2016"
[modbus]
units = [{ unit = 1, order = "ABDC" }, { unit = 300 }]
writers = [{ network = "10.0.0.1/8", units = [1] }]
[opcua]
host = "lab"
[modbuss]
x = 1
"""
    head = HEAD.replace("-06:00", "").replace("./net", "iowa24x").replace('name = "lab"', 'name = "Lab 1"')
    found = problems(folder, body, head + "speed = 0\n")
    expected = {
        "loop.schedular: unknown key": "did you mean 'scheduler'?",
        "loop.seed: 'one' is text": "a whole number is needed",
        "loop.step_us: 100 is not allowed": '"auto", or a whole number of microseconds from 250 to 100000',
        "loop.strict: 1 is a whole number": "true or false is needed",
        "modbus.units[0].order: 'ABDC'": "one of ABCD, CDAB, BADC, DCBA",
        "modbus.units[1].unit: 300": "must be <= 247",
        "modbus.writers[0].network: '10.0.0.1/8'": "did you mean '10.0.0.0/8'?",
        "modbuss: unknown table": "did you mean 'modbus'?",
        "opcua.host: 'lab' is not an IP address": "write it like 127.0.0.1 or ::1",
        "profile.name: no profile 'iowa240_2016'": "did you mean 'iowa240_2017'?",
        "station.name: 'Lab 1' is not a name": "lower-case letters",
        "station.network: no network 'iowa24x'": "searched: ",
        "time.speed: 0 is not allowed": "greater than 0",
        "time.start: 2017-07-12T12:00:00 has no UTC offset": "write it like",
    }
    assert len(found) == len(expected), "\n".join(found)
    for line, (begins, holds) in zip(found, expected.items(), strict=True):
        assert line.startswith(f"lab.toml: {begins}") and holds in line, line
        assert "pydantic" not in line and "Input should" not in line


def test_missing_tables_and_keys_are_named(folder: Path) -> None:
    found = problems(folder, "", '[station]\nname = "lab"\nnetwork = "./net"\n')
    assert found == [
        "lab.toml: modbus.units: no unit is declared; "
        "at least one must answer, or set modbus.enabled = false",
        "lab.toml: station.points: this key is missing and has no default",
        "lab.toml: time: the table [time] is missing and has no default",
    ]


def test_a_slip_in_the_toml_is_reported_with_line_and_column(folder: Path) -> None:
    found = problems(folder, "[modbus]\nport = = 5\n")
    assert len(found) == 1
    assert found[0].startswith("lab.toml: line 9 column 8: not TOML: ")


@pytest.mark.parametrize("value", ["nan", "inf", "-1.0", "6.0"])
def test_numbers_outside_their_range_are_refused(folder: Path, value: str) -> None:
    found = problems(folder, f"[load]\nscale = {value}\n[modbus]\n{ONE_UNIT}")
    assert len(found) == 1 and found[0].startswith("lab.toml: load.scale: ")


def test_a_profile_file_that_is_not_there_is_named_with_the_path_searched(folder: Path) -> None:
    profile = '[profile]\np_file = "p.csv"\np_unit = "kW"\npower_factor = 0.95\n'
    found = problems(folder, f"[modbus]\n{ONE_UNIT}" + profile)
    assert found == ["lab.toml: profile.p_file: no such file 'p.csv'; searched: p.csv"]


@pytest.mark.parametrize(
    ("modbus", "says"),
    [
        ("units = [{ unit = 1 }, { unit = 1 }]", "modbus.units[0].unit: unit 1 is declared 2 times"),
        ("units = [{ unit = 1, mirror_of = 9 }]", "unit 9 has no registers of its own to mirror"),
        ("units = [{ unit = 1 }]\ndefault_unit = 7", "modbus.default_unit: no unit 7; one of 1"),
        (
            'units = [{ unit = 1 }]\nwriters = [{ network = "127.0.0.0/8", units = [2] }]',
            "modbus.writers[0].units: no unit 2; one of 1",
        ),
        (
            "units = [{ unit = 1 }, { unit = 2, read_only = true }]\n"
            'writers = [{ network = "127.0.0.0/8", units = [2] }]',
            "modbus.writers[0].units: unit 2 is read-only; one of 1",
        ),
        ("units = [{ unit = 1 }]\nport = 4840", "opcua.port: port 4840 is modbus.port, too"),
    ],
)
def test_tables_that_contradict_each_other_are_refused(folder: Path, modbus: str, says: str) -> None:
    assert says in "\n".join(problems(folder, f"[modbus]\n{modbus}\n"))


# ---------------------------------------------------------------- exposure


LAN = 'writers = [{ network = "192.168.7.0/24", units = [1] }]\n'
ANYBODY = 'writers = [{ network = "0.0.0.0/0", units = [1] }]\n'
EXPOSE = "[security]\nexpose = true\n"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.7.5"])
def test_listening_beyond_this_machine_needs_expose_and_the_masters_addresses(
    folder: Path, host: str
) -> None:
    modbus = f'[modbus]\nhost = "{host}"\n{ONE_UNIT}'
    text = "\n".join(problems(folder, modbus))
    assert f"modbus.host: {host} can be reached from other machines" in text
    assert f"modbus.writers: listening on {host} needs the masters' address ranges" in text
    assert "modbus.writers: " in "\n".join(problems(folder, modbus + EXPOSE))
    assert "modbus.host: " in "\n".join(problems(folder, modbus + LAN))
    assert read(folder, modbus + LAN + EXPOSE).modbus.host == host


@pytest.mark.parametrize("anybody", [ANYBODY, ANYBODY.replace("0.0.0.0/0", "::/0")])
def test_letting_anybody_write_beyond_this_machine_is_refused_even_when_exposed(
    folder: Path, anybody: str
) -> None:
    found = problems(folder, f'[modbus]\nhost = "0.0.0.0"\n{ONE_UNIT}{anybody}{EXPOSE}')
    assert len(found) == 1 and "lets anybody on the network operate the plant" in found[0]


def test_opcua_beyond_this_machine_needs_expose(folder: Path) -> None:
    body = f'[modbus]\n{ONE_UNIT}[opcua]\nhost = "0.0.0.0"\n'
    assert "opcua.host: 0.0.0.0 can be reached" in problems(folder, body)[0]
    assert read(folder, body + EXPOSE).opcua.host == "0.0.0.0"


def test_a_server_that_is_switched_off_needs_no_units_and_no_expose(folder: Path) -> None:
    assert not read(folder, '[modbus]\nenabled = false\nhost = "0.0.0.0"\n').modbus.enabled


# ---------------------------------------------------------------- shipped files, schema, check


def test_committed_schema_equals_the_one_made_from_the_models() -> None:
    committed = json.loads((paths.config_dir() / "stations" / "station.schema.json").read_text())
    assert committed == json.loads(json.dumps(schema()))


def test_schema_describes_every_key_a_user_may_write() -> None:
    for name, table in schema()["$defs"].items():
        assert table["additionalProperties"] is False, name
    loop = schema()["$defs"]["LoopSection"]["properties"]
    assert "SCHED_FIFO" in loop["step_us"]["description"]


@pytest.mark.parametrize("name", paths.names("stations"))
def test_shipped_stations_have_no_problem(name: str) -> None:
    assert [str(p) for p in check_file(name)] == []
    station = read_station(name)
    assert station.name == name
    assert station.modbus.port == 5020 and station.opcua.port == 4840
    own = [u.unit for u in station.modbus.units if u.mirror_of is None]
    has_dispatch = station.dispatch is not None
    relays = [9, *[10] * has_dispatch, *range(11, 23)] if station.protection else []
    has_sun = station.forecast is not None and station.forecast.sun is not None
    beside = [6] * station.has_estimator + [7] * station.has_forecasts + [8] * has_sun
    assert own == [1, 2, 3, 4] + [5] * name.endswith("-der") + beside + relays


@pytest.mark.parametrize("name", paths.names("profiles"))
def test_check_recognises_a_profile_folder_and_any_file_in_it(name: str) -> None:
    folder = paths.config_dir() / "profiles" / name
    assert check_file(folder) == check_file(folder / "SOURCE.md") == []


def test_check_reports_a_broken_profile_folder(tmp_path: Path) -> None:
    (tmp_path / "profile.toml").write_text('title = "x"\nstep_s = 0\np = { file = "p.csv", units = "W" }\n')
    found = "\n".join(map(str, check_file(tmp_path)))
    for says in (
        "profile.toml: p.unit: this key is missing",
        "p.units: unknown key; allowed: file, unit, sha256; did you mean 'unit'?",
        "step_s: 0 is out of range; must be > 0",
        "start: this key is missing",
        "q: this key is missing",
    ):
        assert says in found


def test_check_recognises_a_points_folder_and_the_templates_beside_it() -> None:
    root = paths.config_dir() / "points"
    for path in (root / "iowa240", root / "instruments.toml", root / "templates" / "breaker.toml"):
        assert [str(p) for p in check_file(path)] == []


@pytest.mark.parametrize("folder", ["protection", "faults"])
def test_check_recognises_schemes_and_fault_libraries(folder: str) -> None:
    for name in paths.names(folder):
        assert [str(p) for p in check_file(paths.find(folder, name))] == []


def test_check_reports_a_scheme_as_far_as_it_can_be_known_without_a_network(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[relay.x]\nbreaker = "nowhere"\n[relay.x.51]\nfunction = "overcurrent_51"\ntrip = []\n')
    found = "\n".join(map(str, check_file(path)))
    assert "mine.toml: relay.x.51: overcurrent_51 needs a ct; the relay has none" in found
    assert "unknown parameter 'trip'" in found
    assert "nowhere" not in found


def test_check_reports_a_fault_library_beside_a_network(tmp_path: Path) -> None:
    """The tables tell what a file is before the folder does."""
    (tmp_path / "network.toml").write_text("")
    path = tmp_path / "mine.toml"
    path.write_text('[[fault]]\nname = "x"\nbus = "b"\ntype = "slk"\n')
    found = [(p.file, p.place) for p in check_file(path)]
    assert sorted(found) == [(str(path), "fault[0].type"), (str(path), "format")]


def test_check_of_something_else_says_what_can_be_checked(tmp_path: Path) -> None:
    (tmp_path / "notes.toml").write_text("[shopping]\nmilk = 1\n")
    for path in (tmp_path, tmp_path / "notes.toml"):
        assert "not recognised; a station file, or a network" in str(check_file(path)[0])
    assert "no station 'iowa24'" in str(check_file("iowa24")[0])


def test_check_of_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    (tmp_path / "plant.toml").write_text("")
    (problem,) = check_file(tmp_path / "plan.toml")
    assert str(problem) == f"{tmp_path}/plan.toml: no such file or folder; did you mean 'plant.toml'?"
    (problem,) = check_file(tmp_path / "nowhere" / "plan.toml")
    assert problem.what == f"no such file or folder: there is no folder {tmp_path}/nowhere"
    (problem,) = check_file("missing.toml")
    assert (problem.what, "station" in str(problem)) == ("no such file or folder", False)
