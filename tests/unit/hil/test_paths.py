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
