"""``gridhil check`` knows relay test plans and wiring tables; what is shipped has no problem."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from hil import paths, wiring_files
from hil.relaytest import station_facts
from hil.relaytest.bench import Facts
from hil.settings_check import check_file
from hil.station import Plan, read_plan

PLANS = sorted((paths.config_dir() / "relaytests").glob("*.toml"))
REAL_FACTS_OF = station_facts.facts_of
TABLES = sorted((paths.config_dir() / "wiring").glob("*.toml"))


@cache
def iowa() -> Plan:
    return read_plan("iowa240")


@cache
def facts_of(station: str, near: Path) -> Facts:
    return REAL_FACTS_OF(station, near)


def problems(path: Path, text: str) -> list[str]:
    path.write_text(text, encoding="utf-8")
    return [str(p).replace(f"{path}: ", "") for p in check_file(path)]


def station_with(device: str) -> str:
    shipped = (paths.config_dir() / "stations" / "iowa240.toml").read_text(encoding="utf-8")
    return f"{shipped}\n[device]\n{device}\n"


# ---------------------------------------------------------------- what is shipped


@pytest.mark.parametrize("path", PLANS, ids=lambda p: p.stem)
def test_a_shipped_plan_can_be_carried_out_on_its_station(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(station_facts, "facts_of", facts_of)  # they share a station
    assert check_file(path) == []


@pytest.mark.parametrize("path", TABLES, ids=lambda p: p.stem)
def test_a_shipped_wiring_table_fits_the_points_of_the_shipped_station(path: Path) -> None:
    assert check_file(path) == []
    _, wrong = wiring_files.survey_wiring(path, iowa().points.points)
    assert wrong == []


@pytest.mark.parametrize("text", ["", "# nothing yet\n"])
def test_an_empty_file_is_no_station_and_every_kind_of_file_is_named(tmp_path: Path, text: str) -> None:
    (said,) = problems(tmp_path / "mine.toml", text)
    assert "empty" in said
    for kind in ("station", "scenario", "relay test plan", "attack file", "range plan", "telemetry set"):
        assert kind in said


def test_there_are_shipped_plans_and_tables() -> None:
    assert PLANS
    assert TABLES


# ---------------------------------------------------------------- relay test plans


def test_a_plan_is_checked_with_its_station_and_every_problem_is_told(tmp_path: Path) -> None:
    found = problems(
        tmp_path / "plan.toml",
        """
[plan]
name = "p"
station = "iowa240"
location = "cb_210"
[settings]
pickup = "400 A"
curve = "iec_si_a"
time_dial = 0.1
[[test]]
kind = "trip_tim"
name = "t"
""",
    )
    assert [f.split(":")[0] for f in found] == ["plan.location", "test[0].kind", "tolerance"]
    assert "no relay 'cb_210'" in found[0]


def test_a_plan_with_a_station_that_is_not_there_is_told_with_what_needs_no_station(tmp_path: Path) -> None:
    text = '[plan]\nname = "p"\nstation = "iowa241"\nlocation = "cb_201"\n'
    found = problems(tmp_path / "plan.toml", text)
    assert [f.split(":")[0] for f in found] == ["plan.station", "test", "tolerance"]
    assert "did you mean 'iowa240'?" in found[0]


def test_tests_alone_make_a_plan_that_lacks_its_head(tmp_path: Path) -> None:
    found = problems(tmp_path / "plan.toml", '[[test]]\nkind = "pickup"\nname = "p"\n')
    assert any(f.startswith("plan: the table [plan] is missing") for f in found)


# ---------------------------------------------------------------- wiring tables


def test_a_wiring_table_is_checked_without_points(tmp_path: Path) -> None:
    text = """
[wiring]
unit = 400
[[to_device]]
point = "WHAT.EVER"
adress = 0
"""
    found = problems(tmp_path / "w.toml", text)
    assert [f.split(":")[0] for f in found] == ["to_device[0].adress", "wiring.unit"]
    good = text.replace("400", "4").replace("adress", "address") + 'format = "uint16"\n'
    assert problems(tmp_path / "w.toml", good) == []


def test_a_table_with_a_misspelt_table_is_a_wiring_table_still(tmp_path: Path) -> None:
    (found,) = problems(tmp_path / "w.toml", '[heartbeat]\n[[to_devise]]\npoint = "X"\n')
    assert "did you mean 'to_device'?" in found


# ---------------------------------------------------------------- what a station names


def test_a_station_is_checked_with_its_wiring_table(tmp_path: Path) -> None:
    row = '[[to_device]]\npoint = "FDR_B.CB_201.IAA"\naddress = 0\nformat = "float32"\n'
    (tmp_path / "w.toml").write_text(row, encoding="utf-8")
    path = tmp_path / "mine.toml"
    path.write_text(station_with('wiring = "w.toml"'), encoding="utf-8")
    (found,) = check_file(path)
    assert (found.file, found.place) == (str(tmp_path / "w.toml"), "to_device[0].point")
    assert "did you mean 'FDR_B.CB_201.IA'?" in found.what


def test_what_table_and_station_do_not_agree_on_comes_beside_other_problems(tmp_path: Path) -> None:
    text = station_with('wiring = "relay_cb_201"\nrole = "observer"').replace("[loop]", "[loop]\nspede = 3")
    found = problems(tmp_path / "mine.toml", text)
    assert sorted({f.split(":")[0] for f in found}) == ["device.role", "loop.spede"]


def test_a_table_that_is_not_there_is_told_even_where_the_point_list_is_wrong(tmp_path: Path) -> None:
    text = station_with('wiring = "relay_cb_210"').replace('points = "iowa240-prot"', 'points = "nowhere"')
    assert text.count('"nowhere"') == 1
    found = problems(tmp_path / "mine.toml", text)
    assert any("did you mean 'relay_cb_201'?" in f for f in found)


RECORD = """{station},1,1999
2,2A,0D
1,IA,A,,A,1,0,0,-32767,32767,1,1,P
2,TEMP,,,degC,1,0,0,-32767,32767,1,1,P
60
1
1000,{n}
26/11/2026,00:00:00.000000
26/11/2026,00:00:00.000000
ASCII
1
"""


def record(folder: Path, name: str, n: int) -> None:
    """A COMTRADE record of ``n`` samples at 1 kHz."""
    (folder / f"{name}.cfg").write_text(RECORD.format(station=name, n=n), encoding="utf-8")
    rows = [f"{k + 1},{1000 * k},1,20" for k in range(n)]
    (folder / f"{name}.dat").write_text("\n".join(rows) + "\n", encoding="utf-8")


def played(file: str, ia: str = "IA") -> str:
    return f'[[injection.play]]\nfile = "{file}"\nia = "{ia}"\n'


def test_records_to_play_limits_that_trigger_and_the_wiring_table_come_in_one_report(tmp_path: Path) -> None:
    record(tmp_path, "short", 10)  # a cycle of 60 Hz has 16.7
    record(tmp_path, "good", 40)
    more = [
        'wiring = "relay_cb_210"',
        played("absent.cfg"),
        played("short.cfg"),
        played("good.cfg", ia="IB"),
        played("good.cfg", ia="TEMP"),
        played("good.cfg"),
        '[recorder.disturbances]\ntriggers = [{ tag = "SUB.BUS1.VAA", below = 1 }, { tag = "SUB.BUS1.VA" }]',
    ]
    found = problems(tmp_path / "mine.toml", station_with("\n".join(more)))
    assert sorted(f.replace(f"{tmp_path}/", "").partition(";")[0] for f in found) == [
        "absent.cfg: file: there is no such file",
        "device.wiring: no wiring file 'relay_cb_210'",
        "good.cfg: channels.ia: no channel 'IB'",
        "good.cfg: channels.ia: unit 'degC' of channel 'TEMP' is not known",
        "recorder.disturbances.triggers[0].tag: no point 'SUB.BUS1.VAA'",
        "recorder.disturbances.triggers[1]: has no limit: above or below",
        "short.cfg: samples: 10 are less than a cycle of 60 Hz",
    ]


def test_records_and_limits_are_looked_at_although_network_and_points_are_not_there(tmp_path: Path) -> None:
    record(tmp_path, "short", 10)
    text = station_with(
        played("short.cfg")
        + played("short.cfg", ia="IB")
        + '[recorder.disturbances]\ntriggers = [{ tag = "WHAT.EVER", below = 1 }, { tag = "SUB.BUS1.VA" }]'
    )
    for key in ("network", "points"):
        text = re.sub(rf'^{key} = ".*"', f'{key} = "nowhere"', text, flags=re.MULTILINE)
    found = problems(tmp_path / "mine.toml", text)
    assert [f.replace(f"{tmp_path}/", "").partition(";")[0] for f in found if "nowhere" not in f] == [
        "recorder.disturbances.triggers[1]: has no limit: above or below",
        "short.cfg: channels.ia: no channel 'IB'",
    ]
