"""Fault libraries: the shipped one, rows for the slots, every mistake reported together."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil import fault_library as fl
from hil import paths
from hil.network_files import read_network
from rtcore.errors import UserInputError
from rtcore.network.model import Network


@pytest.fixture(scope="module")
def iowa() -> Network:
    return read_network(paths.find("networks", "iowa240"))


def write(folder: Path, text: str) -> Path:
    path = folder / "faults.toml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(path: Path, network: Network) -> dict[str, str]:
    with pytest.raises(UserInputError) as caught:
        fl.read_fault_library(path, network)
    return {p.place: p.what for p in caught.value.problems}


@pytest.mark.parametrize("name", ["iowa240", "iowa240-der", "iowa240-ref"])
def test_the_shipped_library_fits_its_network_and_those_that_extend_it(name: str) -> None:
    path = paths.find("faults", "iowa240")
    library = fl.read_fault_library(path, read_network(paths.find("networks", name)))
    assert len(library.names) == len(set(library.names)) == len(library.rows) >= 12
    assert {f.life for f in library.faults} == set(fl.LIVES)
    assert {f.type for f in library.faults} == set(fl.TYPES) | set(fl.BREAKS)


def test_a_row_has_the_setpoints_of_a_slot_in_their_order(tmp_path: Path, iowa: Network) -> None:
    pytest.importorskip("numba")
    from rtcore.plant.fault import SETUP

    text = """
    format = 1
    [[fault]]
    name = "x"
    line = "l_1006_1007"
    at = 0.25
    type = "llg"
    phases = "ba"
    r_ohm = 3.0
    life = "intermittent"
    on_s = 0.5
    off_s = 1.5
    """
    library = fl.read_fault_library(write(tmp_path, text), iowa)
    row = dict(zip(SETUP, library.rows[0].tolist(), strict=True))
    assert row == {
        "place_sp": fl.place_table(iowa).index("line.l_1006_1007"),
        "fraction_sp": 0.25,
        "type_sp": 5.0,
        "phases_sp": 3.0,
        "r_ohm_sp": 3.0,
        "life_sp": 3.0,
        "duration_s_sp": SETUP["duration_s_sp"],
        "deionise_s_sp": SETUP["deionise_s_sp"],
        "on_s_sp": 0.5,
        "off_s_sp": 1.5,
    }


def test_numbers_of_types_and_lives_are_those_of_the_kernels() -> None:
    from rtcore.network import fault_slots as fs
    from rtcore.network import faults as ft
    from rtcore.plant import fault

    assert {name: number for name, (number, _) in fl.TYPES.items()} | fl.BREAKS == ft.NUMBER_OF_TYPE
    assert ft.NUMBER_OF_TYPE["openg"] == fs.F_OPEN_GROUNDED
    assert list(fl.LIVES.values()) == [
        fault.PERMANENT,
        fault.TEMPORARY,
        fault.SELF_CLEARING,
        fault.INTERMITTENT,
    ]


def test_every_mistake_of_a_file_is_named_at_once(tmp_path: Path, iowa: Network) -> None:
    text = """
    format = 2
    faults = 1
    [[fault]]
    name = "a"
    bus = "bus1033"
    type = "slg"
    at = 0.5
    [[fault]]
    name = "a"
    line = "l_1006_1007"
    type = "3ph"
    duration_s = 1.0
    [[fault]]
    name = "c"
    line = "l_1014_1015"
    at = 0.5
    type = "slg"
    phases = "c"
    [[fault]]
    name = "D"
    bus = "bus1"
    type = "slgg"
    r_ohm = 0
    [[fault]]
    name = "e"
    type = "ll"
    [[fault]]
    name = "f"
    bus = "bus1"
    type = "open"
    [[fault]]
    name = "g"
    bus = "bus1"
    type = "ll"
    phases = "aa"
    [[fault]]
    name = "h"
    line = "l_1014_1015"
    at = 0.5
    type = "llg"
    """
    found = problems(write(tmp_path, text), iowa)
    assert found["format"] == "2 is not known; must be 1"
    assert found["faults"] == "unknown key; allowed: format, fault; did you mean 'fault'?"
    assert "no bus 'bus1033' in this network; did you mean" in found["fault[0].bus"]
    assert "no share of a length" in found["fault[0].at"]
    assert "missing" in found["fault[1].at"] and "no meaning" in found["fault[1].duration_s"]
    assert "there twice" in found["fault[1].name"]
    assert found["fault[2].phases"] == "'c': the place has only b"
    assert "beginning with a letter" in found["fault[3].name"] and "did you mean" in found["fault[3].type"]
    assert "out of range" in found["fault[3].r_ohm"]
    assert found["fault[4].bus"] == "either bus or line is needed, and not both"
    assert "break on lines" in found["fault[5].type"]
    assert found["fault[6].phases"] == "'aa': ll takes 2 different phases"
    assert found["fault[7].type"] == "llg takes 2 phases; the place has b"
    assert len(found) == 15


@pytest.mark.parametrize("text", ["format = 1\nfault = 3\n", "format = ", "format = 1\nfault = [1]\n"])
def test_what_is_no_library_at_all_is_a_problem_and_not_an_exception(
    tmp_path: Path, iowa: Network, text: str
) -> None:
    assert problems(write(tmp_path, text), iowa)


def test_a_library_without_faults_is_one(tmp_path: Path, iowa: Network) -> None:
    assert fl.read_fault_library(write(tmp_path, "format = 1\n"), iowa).rows.shape == (0, 10)


def test_without_a_network_all_but_its_names_is_checked(tmp_path: Path) -> None:
    text = """
    format = 1
    [[fault]]
    name = "x"
    line = "l_nowhere"
    at = 0.5
    type = "ll"
    phases = "a"
    [[fault]]
    name = "x"
    bus = "nowhere"
    type = "slg"
    on_s = 1.0
    """
    _, found = fl.survey_faults(write(tmp_path, text), None)
    assert {p.place: p.what for p in found} == {
        "fault[0].phases": "'a': ll takes 2 different phases",
        "fault[1].name": "'x' is there twice",
        "fault[1].on_s": "has no meaning for a permanent fault; leave it out",
    }
    good, found = fl.survey_faults(paths.find("faults", "iowa240"), None)
    assert (found, good.rows.shape) == ([], (0, 10))
    assert len(good.names) >= 12
