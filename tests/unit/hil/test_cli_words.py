"""A wrong value on the command line is told in the program's own words."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from hil import cli


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("points --format jso", "'jso' is not one of csv, md, json, nodeset; did you mean 'json'?"),
        ("run --step-us 5", "5 is out of range; must be >= 250"),
        ("run --step-us 1000000", "1000000 is out of range; must be <= 100000"),
        ("run --seed x", "'x' is not a whole number"),
        ("run --seed 1.5", "'1.5' is not a whole number"),
        ("doctor --seconds -1", "-1 is out of range; must be >= 0"),
        ("bench --seconds soon", "'soon' is not a number"),
        (
            "forecast train --history h.csv -o m --start noon",
            "'noon' is not a date and time like 2017-07-12T12:00",
        ),
    ],
)
def test_a_wrong_value_is_told_with_what_is_needed(arguments: str, said: str) -> None:
    words = arguments.split()
    done = CliRunner().invoke(cli.app, words, env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert f"Invalid value for '{words[-2]}': {said}" in done.output
    for foreign in ("Value error", "Input should", "pydantic", "parse string"):
        assert foreign not in done.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("run --speed soon", "'soon' is neither max nor a number > 0 and <= 100000"),
        ("powerflow iowa240 --at noon", "'noon' is not a date and time like 2017-07-12T12:00:00-06:00"),
        ("dispatch study --start noon", "'noon' is not a date and time like 2017-07-12T12:00:00-06:00"),
        ("dispatch study --modes magic", "'magic': rules, optimising, or both with a comma"),
        ("doctor --cpu 99999", "this machine has no processor 99999"),
    ],
)
def test_a_value_that_a_command_refuses_itself_is_told_with_its_option(arguments: str, said: str) -> None:
    words = arguments.split()
    done = CliRunner().invoke(cli.app, words, env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert f"Invalid value for '{words[-2]}': {said}" in done.output


@pytest.mark.parametrize(
    "arguments",
    [
        "run --duration inf",
        "attack file --duration inf",
        "fault ieee13 --type slg --bus 671 --r nan",
        "fault ieee13 --type slg --line 650632 --at nan",
        "coordination --margin inf",
        "doctor --seconds inf",
        "web --idle-min inf",
        "bench --seconds inf",
        "forecast backtest --history h.csv --step-s inf",
        "forecast backtest --history h.csv --nominal inf",
    ],
)
def test_a_number_that_is_not_finite_is_refused(arguments: str) -> None:
    words = arguments.split()
    done = CliRunner().invoke(cli.app, words, env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert f"Invalid value for '{words[-2]}': {words[-1]} is not a finite number" in done.output


def test_a_contradiction_between_options_keeps_its_words() -> None:
    done = CliRunner().invoke(cli.app, ["fault", "ieee13", "--type", "slg"], env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert "name either --bus or --line" in done.output
