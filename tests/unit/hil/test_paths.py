from pathlib import Path

import pytest

from hil import paths
from rtcore.errors import UserInputError


def test_config_dir_is_the_checkouts_and_holds_the_shipped_stations() -> None:
    assert (paths.config_dir() / "stations" / "iowa240.toml").is_file()
    assert {"iowa240", "iowa240-ref"} <= set(paths.names("stations"))
    assert {"iowa240_2017", "iowa240_2017_ref"} <= set(paths.names("profiles"))


def test_config_dir_is_the_bundled_copy_in_an_installed_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "__file__", str(tmp_path / "site-packages" / "hil" / "paths.py"))
    assert paths.config_dir() == tmp_path / "site-packages" / "hil" / "_config"


def test_a_bare_name_is_the_shipped_item_even_beside_a_namesake(tmp_path: Path) -> None:
    (tmp_path / "iowa240_2017").mkdir()
    (tmp_path / "iowa240_2017" / "profile.toml").write_text("")
    found = paths.find("profiles", "iowa240_2017", tmp_path)
    assert found == paths.config_dir() / "profiles" / "iowa240_2017"
    assert paths.find("profiles", "./iowa240_2017", tmp_path) == tmp_path / "iowa240_2017"


def test_a_bare_name_that_is_not_shipped_is_looked_for_beside_the_file_that_asks(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "network.toml").write_text("")
    assert paths.find("networks", "mine", tmp_path) == tmp_path / "mine"


def test_a_station_is_found_by_name_by_file_name_and_by_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lab.toml").write_text("")
    shipped = paths.config_dir() / "stations" / "iowa240.toml"
    assert paths.find("stations", "iowa240") == paths.find("stations", "iowa240.toml") == shipped
    assert paths.find("stations", "lab").samefile(tmp_path / "lab.toml")
    assert paths.find("stations", "lab.toml").samefile(tmp_path / "lab.toml")
    assert paths.find("stations", str(tmp_path / "lab.toml")) == tmp_path / "lab.toml"


def test_a_misspelt_name_is_answered_with_the_nearest_one_and_the_places_searched() -> None:
    with pytest.raises(paths.NotFoundError) as caught:
        paths.find("stations", "iowa24O")
    assert "no station 'iowa24O'; did you mean 'iowa240'?; searched: " in caught.value.what
    assert str(paths.config_dir() / "stations" / "iowa24O.toml") in caught.value.what
    assert isinstance(caught.value, UserInputError)


def test_a_folder_without_its_main_file_is_not_taken_for_one_of_its_kind(tmp_path: Path) -> None:
    with pytest.raises(paths.NotFoundError, match=r"is not a network folder \(no network\.toml in it\)"):
        paths.find("networks", str(tmp_path))


def test_a_folder_in_the_place_of_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").mkdir()
    with pytest.raises(paths.NotFoundError, match=r"lab\.toml is a folder, not a station file; searched"):
        paths.find("stations", str(tmp_path / "lab.toml"))
    with pytest.raises(paths.NotFoundError, match="is a folder, not an attack file; searched"):
        paths.find("attacks", str(tmp_path / "lab.toml"))


def test_a_file_of_another_suffix_is_not_said_to_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lab.txt").write_text("")
    with pytest.raises(paths.NotFoundError, match=r"is not a station file: the name of one ends in \.toml"):
        paths.find("stations", "lab.txt")


def test_no_name_at_all_is_answered_with_those_there_are() -> None:
    with pytest.raises(paths.NotFoundError, match="no station is named; shipped: iowa240"):
        paths.find("stations", "")


def test_what_is_absent_is_told_from_a_folder_and_with_the_nearest_name(tmp_path: Path) -> None:
    said = paths.absent(tmp_path / "smal", "range plan", ["large", "small"])
    assert said.problems[0].what == "no such range plan; did you mean 'small'?; shipped: large, small"
    said = paths.absent(tmp_path, "range plan", [])
    assert said.problems[0].what == "is a folder; a range plan is needed; shipped: none"
