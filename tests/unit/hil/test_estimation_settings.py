"""The table [estimation] turns the estimator on; what it reads from must be there."""

from __future__ import annotations

import dataclasses as dc
from pathlib import Path

import pytest

from hil.estimator_setup import survey_thresholds, thresholds_of
from hil.run_command import RunOptions, estimation_dict, make_spec, override, process_list
from hil.settings import draft_station
from hil.settings_check import check_file
from hil.station import Plan, make_setup, read_plan

CONFIG = Path(__file__).parents[3] / "config"
SHIPPED = (CONFIG / "stations" / "iowa240.toml").read_text()
DT_NS = 1_000_000


def station(folder: Path, **changes: str) -> Path:
    """Write the shipped station with some lines of its table [estimation] replaced."""
    head, _, rest = SHIPPED.partition("[estimation]\n")
    table, _, tail = rest.partition("[security]\n")
    for key, value in changes.items():
        kept = [line for line in table.splitlines() if not line.startswith(f"{key} =")]
        table = "\n".join([*kept, f"{key} = {value}", ""])
    path = folder / "iowa240.toml"
    path.write_text(f"{head}[estimation]\n{table}[security]\n{tail}")
    return path


def without_table(folder: Path) -> Path:
    head, _, rest = SHIPPED.partition("[estimation]\n")
    path = folder / "iowa240.toml"
    path.write_text(f"{head}[security]\n{rest.partition('[security]')[2]}")
    return path


@pytest.fixture(scope="module")
def plan() -> Plan:
    return read_plan("iowa240")


def test_the_core_has_its_own_points_only_and_the_others_stand_behind_them(
    plan: Plan, tmp_path: Path
) -> None:
    spec = make_spec(plan, tmp_path, DT_NS, False, None)
    assert spec.points == plan.points.points
    assert spec.n_core == len(plan.points.core) < len(spec.points)
    assert list(make_setup(plan, DT_NS).points) == spec.points[: spec.n_core]


def test_the_estimators_process_starts_behind_the_servers_and_is_started_again(
    plan: Plan, tmp_path: Path
) -> None:
    spec = make_spec(plan, tmp_path, DT_NS, False, None)
    started = {p.name: p for p in process_list(spec, tmp_path / "spec.json", plan.station)}
    assert list(started)[-2:] == ["estimator", "forecaster"]
    assert started["estimator"].restart
    assert started["estimator"].argv[-2:] == ["hil.estimator_process", str(tmp_path / "spec.json")]


def test_it_reads_from_the_stations_servers_unless_told_otherwise(plan: Plan) -> None:
    moved = override(plan, RunOptions(modbus_port=15020, opcua_port=14840))
    row = estimation_dict(moved)
    assert (row["modbus_host"], row["modbus_port"]) == ("127.0.0.1", 15020)
    assert row["opcua_url"] == "opc.tcp://127.0.0.1:14840/gridhil"
    assert row["reader"] == "modbus"
    assert plan.station.estimation is not None
    settings = plan.station.estimation.model_copy(update={"modbus_port": 5021, "opcua_port": 4841})
    between = dc.replace(moved, station=dc.replace(moved.station, estimation=settings))
    row = estimation_dict(between)
    assert row["modbus_port"] == 5021
    assert row["opcua_url"] == "opc.tcp://127.0.0.1:4841/gridhil"


@pytest.mark.parametrize("is_table_there", [True, False])
def test_a_station_without_an_estimator_has_no_point_and_no_process_of_it(
    tmp_path: Path, is_table_there: bool
) -> None:
    path = station(tmp_path, enabled="false") if is_table_there else without_table(tmp_path)
    plan = read_plan(str(path))
    spec = make_spec(plan, tmp_path, DT_NS, False, None)
    assert not plan.points.of("estimator")
    assert spec.estimation == {}
    assert list(spec.published) == ["forecaster"]
    assert "estimator" not in [p.name for p in process_list(spec, tmp_path / "spec.json", plan.station)]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rate_hz": "25.0"}, "estimation.rate_hz"),
        ({"rate_hz": "0.0"}, "estimation.rate_hz"),
        ({"reader": '"serial"'}, "estimation.reader"),
        ({"readr": '"board"'}, "did you mean 'reader'"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, changes: dict[str, str], said: str) -> None:
    (problem,) = draft_station(station(tmp_path, **changes)).problems
    assert said in str(problem)


def test_a_telemetry_set_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    (problem,) = check_file(station(tmp_path, telemetry='"realistik"'))
    assert problem.place == "estimation.telemetry"
    assert "did you mean 'realistic'" in problem.what


@pytest.mark.parametrize(
    ("reader", "before", "after"),
    [
        ("modbus", "[modbus]\nenabled = true", "[modbus]\nenabled = false"),
        ("opcua", "[opcua]\nenabled = true", "[opcua]\nenabled = false"),
        ("opcua", "none_policy_on_loopback = true", "none_policy_on_loopback = false"),
    ],
)
def test_a_reader_needs_the_server_that_it_reads_from(
    tmp_path: Path, reader: str, before: str, after: str
) -> None:
    path = station(tmp_path, reader=f'"{reader}"')
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))
    (problem,) = draft_station(path).problems
    assert problem.place == "estimation.reader"
    port = {"modbus": "modbus_port = 5021", "opcua": "opcua_port = 4841"}[reader]
    path.write_text(path.read_text().replace("[estimation]\n", f"[estimation]\n{port}\n"))
    assert draft_station(path).problems == []  # somebody else may listen there


def test_a_point_list_without_points_of_an_estimator_is_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "iowa240-ref.toml"
    path.write_text((CONFIG / "stations" / "iowa240-ref.toml").read_text() + "\n[estimation]\n")
    (problem,) = check_file(path)
    assert problem.place == "estimation"
    assert "no points of an estimator" in problem.what


def test_thresholds_of_ones_own_are_read_and_their_mistakes_named(tmp_path: Path) -> None:
    path = station(tmp_path, detectors='"limits.toml"')
    (problem,) = check_file(path)
    assert "limits.toml" in problem.file
    limits = tmp_path / "limits.toml"
    limits.write_text("[thresholds]\ncusum = 12.5\newma = 3\n")
    assert thresholds_of(read_plan(str(path)).station, "realistic") == {"cusum": 12.5, "ewma": 3.0}
    limits.write_text("[thresholds]\ncusun = 12.5\newma = -3\n")
    told = [str(p) for p in survey_thresholds(limits)[1]]
    assert "did you mean 'cusum'" in told[0]
    assert "thresholds.ewma: -3: must be a number > 0" in told[1]


@pytest.mark.parametrize("table", ["", "[forecast]\nenabled = false\nloads = {}\n"], ids=["none", "disabled"])
def test_levels_from_forecasts_need_forecasts(tmp_path: Path, table: str) -> None:
    path = station(tmp_path, pseudo='"forecast"')
    assert draft_station(path).problems == []
    head, _, rest = path.read_text().partition("[forecast]\n")
    path.write_text(f"{head}{table}[estimation]\n{rest.partition('[estimation]')[2]}")
    (problem,) = check_file(path)
    assert problem.place == "estimation.pseudo"
    assert "no forecasts without a table [forecast]" in problem.what


def test_a_mistake_in_the_table_of_forecasts_is_told_once(tmp_path: Path) -> None:
    path = station(tmp_path, pseudo='"forecast"')
    text = path.read_text()
    assert 'choice = "hybrid"' in text
    path.write_text(text.replace('choice = "hybrid"', 'choice = "hybird"'))
    (problem,) = draft_station(path).problems
    assert problem.place == "forecast.choice"
