"""Which of the stations that run is meant."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hil import console_start, running_stations
from rtcore.errors import HostError


def spec(tmp_path: Path, name: str, state: str, *, file: str = "") -> Any:
    """Return a run: its station file, where its records are, a run directory with its address."""
    folder = tmp_path / f"{name}-{state}"
    folder.mkdir()
    (folder / "opcua.url").write_text(f"opc.tcp://{name}.{state}")
    return SimpleNamespace(
        name=name,
        core={"station": file or str(tmp_path / f"{name}.toml")},
        run_dir=folder,
        state_dir=tmp_path / state / "gridhil" / name,
    )


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Give the list of runs, to be filled; this command would keep its records in ``here``."""
    runs: list[Any] = []
    monkeypatch.setattr(running_stations, "running_stations", lambda: runs)
    monkeypatch.setattr(console_start, "running_stations", lambda: runs)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "here"))
    return runs


def test_the_one_with_records_where_this_command_would_keep_them_is_meant(
    there: list[Any], tmp_path: Path
) -> None:
    there += [spec(tmp_path, "iowa240", "elsewhere"), spec(tmp_path, "iowa240", "here")]
    assert running_stations.running_station(tmp_path / "iowa240.toml", "iowa240") is there[1]
    assert console_start.address() == "opc.tcp://iowa240.here"


def test_one_that_keeps_its_records_elsewhere_is_meant_when_it_is_alone(
    there: list[Any], tmp_path: Path
) -> None:
    there += [spec(tmp_path, "iowa240", "elsewhere")]
    assert running_stations.running_station(tmp_path / "iowa240.toml", "iowa240") is there[0]
    assert console_start.address() == "opc.tcp://iowa240.elsewhere"


def test_two_that_may_be_meant_are_told_apart(there: list[Any], tmp_path: Path) -> None:
    there += [spec(tmp_path, "iowa240", "elsewhere"), spec(tmp_path, "iowa240", "third")]
    with pytest.raises(HostError, match="'iowa240' runs 2 times; stop all but one"):
        running_stations.running_station(tmp_path / "iowa240.toml", "iowa240")
    with pytest.raises(HostError, match="2 stations run on this machine") as caught:
        console_start.address()
    assert "gridhil console opc.tcp://iowa240.third    # iowa240-third" in str(caught.value)


def test_another_file_of_the_same_name_is_told_with_its_path(there: list[Any], tmp_path: Path) -> None:
    there += [spec(tmp_path, "iowa240", "here", file="/lab/iowa240.toml"), spec(tmp_path, "mill", "here")]
    told = r"'iowa240' does not run \(running: /lab/iowa240.toml, mill\); start it with: gridhil run iowa240"
    with pytest.raises(HostError, match=told):
        running_stations.running_station(tmp_path / "iowa240.toml", "iowa240")


def test_a_station_that_does_not_serve_yet_is_not_one_to_attach_to(there: list[Any], tmp_path: Path) -> None:
    there += [spec(tmp_path, "iowa240", "here")]
    (there[0].run_dir / "opcua.url").unlink()
    assert console_start.address() == console_start.DEFAULT_URL


def test_runs_are_read_from_their_run_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "starting"):
        (tmp_path / name).mkdir()
    (tmp_path / "one" / "spec.json").touch()
    monkeypatch.setattr(running_stations, "live_run_dirs", lambda: sorted(tmp_path.iterdir()))
    monkeypatch.setattr(running_stations.RunSpec, "load", lambda path: path.parent.name)
    assert running_stations.running_stations() == ["one"]
