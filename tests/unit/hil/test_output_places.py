"""Where results go is looked at before the work begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.output_places import check_file, make_folder
from rtcore.errors import HostError, UserInputError


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("chart.bmp", r"a chart ends in \.png, \.svg"),
        ("chart", r"a chart ends in"),
        ("nowhere/chart.png", "its folder does not exist"),
        ("folder.svg", "is a folder; a chart is a file"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "folder.svg").mkdir()
    with pytest.raises(UserInputError, match=said):
        check_file(tmp_path / name, (".png", ".svg"), "a chart")


def test_a_suffix_in_capitals_and_a_file_that_is_there_are_taken(tmp_path: Path) -> None:
    (tmp_path / "chart.PNG").write_text("older")
    check_file(tmp_path / "chart.PNG", (".png",), "a chart")
    assert (tmp_path / "chart.PNG").read_text() == "older"


def test_a_file_where_the_folder_should_be_is_the_users_mistake(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(UserInputError, match="out: is a file; --report takes a folder"):
        make_folder(tmp_path / "out")
    with pytest.raises(UserInputError, match=r"deeper: .*out is a file; --output takes a folder"):
        make_folder(tmp_path / "out" / "deeper", "--output")
    assert (tmp_path / "out").read_text() == "mine"


def test_a_folder_is_made_with_those_above_it_unless_the_host_refuses(tmp_path: Path) -> None:
    make_folder(tmp_path / "new" / "deeper")
    assert (tmp_path / "new" / "deeper").is_dir()
    with pytest.raises(HostError, match="/proc/x: cannot be made: "):
        make_folder(Path("/proc/x"))
