"""The command line: help, contradictions, failures of the host as one line."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from hil import cli
from hil.bench.run import BENCHES
from rtcore.errors import GridhilError, UserInputError

ROOT = Path(__file__).resolve().parents[3]


def invoke(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli.app, arguments, env={"COLUMNS": "200"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


@pytest.mark.parametrize(("command", "unit"), [("run", "[us]"), ("fault", "[ohm]")])
def test_help_shows_units_in_brackets(command: str, unit: str) -> None:
    code, text = invoke(command, "--help")
    assert code == 0
    assert unit in text


def test_help_says_what_a_duration_is_at_full_speed() -> None:
    _, text = invoke("run", "--help")
    assert "with --speed max, of simulated time" in " ".join(text.replace("│", " ").split())


def test_every_help_text_survives_its_own_markup() -> None:
    """What a declaration says in brackets must be on the screen: an unescaped one vanishes."""
    for name, command in typer.main.get_command(cli.app).commands.items():  # type: ignore[attr-defined]
        _, text = invoke(name, "--help")
        for parameter in getattr(command, "params", []):
            said = getattr(parameter, "help", None) or ""
            if "[" in said:
                shown = said.replace("\\[", "[")
                assert shown in " ".join(text.replace("│", " ").split()), (name, said)
                assert "\\[" in said, (name, said)


def commands(command: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every command that does something, with the words that call it."""
    below = getattr(command, "commands", None)
    if below is None:
        yield path, command
    else:
        for name, each in below.items():
            yield from commands(each, *path, name)


COMMANDS = dict(commands(typer.main.get_command(cli.app)))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_an_option_that_takes_text_says_what_it_stands_for(path: tuple[str, ...]) -> None:
    _, text = invoke(*path, "--help")
    bare = [line for line in text.splitlines() if re.search(r"--\S+ .*<(str|path|list|datetime)", line)]
    assert bare == []


@pytest.mark.parametrize(
    ("name", "shown"),
    [("station", "STATION"), ("url", "URL"), ("report", "FOLDER"), ("at", "TIME"), ("start", "TIME")],
)
def test_the_same_thing_is_called_the_same_everywhere(name: str, shown: str) -> None:
    found = {
        (*path, p.metavar) for path, c in COMMANDS.items() for p in c.params if p.name == name and p.metavar
    }
    assert len(found) > 1
    assert {row[-1] for row in found} == {shown}


def test_the_help_names_every_benchmark_in_the_order_of_running() -> None:
    _, text = invoke("bench", "--help")
    assert f"{', '.join(list(BENCHES)[:-1])} or {list(BENCHES)[-1]}." in text


def test_version_is_that_of_the_distribution() -> None:
    assert invoke("--version") == (0, f"gridhil {importlib.metadata.version('gridhil')}\n")


@pytest.mark.parametrize(
    "arguments",
    [("points", "--json", "--format", "csv"), ("powerflow", "ieee13", "--json", "--format", "table")],
)
def test_two_forms_at_once_are_refused(arguments: tuple[str, ...]) -> None:
    code, text = invoke(*arguments)
    assert code == 2
    assert "--json contradicts --format" in text


def test_json_asked_for_twice_is_no_contradiction() -> None:
    code, text = invoke("powerflow", "ieee13", "--json", "--format", "json")
    assert code == 0
    assert text.startswith("{")


def test_a_moment_needs_a_station_and_says_so() -> None:
    with pytest.raises(UserInputError) as caught:
        invoke("powerflow", "ieee13", "--at", "2017-07-12T12:00")
    assert str(caught.value) == "ieee13: is a network; --at needs a station with a profile"
    with pytest.raises(GridhilError, match="no station 'ieee14'"):
        invoke("powerflow", "ieee14", "--at", "2017-07-12T12:00")


def test_more_days_than_the_profile_has_are_refused() -> None:
    with pytest.raises(UserInputError, match="covers 365 days, 400 were asked for"):
        invoke("year", "iowa240", "--days", "400")


def test_the_verdict_of_the_doctor_is_printed_once() -> None:
    _, text = invoke("doctor", "--seconds", "0")
    assert text.count("jitter not measured") == 1


# ---- as a program ----------------------------------------------------------------------------------


def program(*arguments: str, stdout: int | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "hil", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE if stdout is None else stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("arguments", [("points",), ("--version",)], ids=["much", "little"])
def test_a_full_disk_is_one_line_and_a_fault_of_the_host(arguments: tuple[str, ...]) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        done = program(*arguments, stdout=full)
    finally:
        os.close(full)
    assert (done.returncode, done.stderr) == (3, "gridhil: No space left on device\n")


def test_a_name_that_no_file_can_have_is_the_users_mistake() -> None:
    done = program("points", "n" * 300)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("n.toml: File name too long\n")


def test_a_reader_that_goes_away_is_no_fault() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = program("points", stdout=writer)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("dss")
    master = tmp_path / "master.dss"
    master.write_text(
        "Clear\nNew Circuit.tiny basekv=4.16 bus1=a\nNew Load.x bus1=a kv=4.16 kw=1 kvar=0\n"
        "Set VoltageBases=[4.16]\nCalcVoltageBases\nSolve\n"
    )
    done = program("import", "opendss", str(master), "-o", "/proc/x")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "gridhil: /proc/x: cannot be written: No such file or directory\n"
