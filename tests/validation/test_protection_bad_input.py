"""A protection scheme full of mistakes: one report of all of them, exit code 2, no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.protected_feeder import RECLOSER, write_station
from tests.support.station import gridhil

WRONG = """
[defaults.thermal_49]
k = -1

[relay.cb_up]
breaker = "cb_up"
ct = {terminal = "line.l9@1"}
[relay.cb_up.51p]
function = "overcurrent_51"
trips = ["cb_up", "cb_dwon"]
pickup_a = -600
curve = "iec_xi"

[relay.rcl]
breaker = "rcl"
ct = {terminal = 1, primary_a = 0}
group = 3
[relay.rcl.51s]
function = "overcurrent_51"
trips = ["rcl"]
direction = "67p"
time_dial = 1e6
[relay.rcl.27]
function = "undervoltage_27"
[relay.rcl.50q]
function = "overcurrent_99"
[relay.rcl.79]
function = "recloser_79"
open_interval_1_s = nan
[relay.rcl.groups.2.51s]
reset = "never"
"""

EXPECTED = {
    "defaults.thermal_49": ["k = -1"],
    "relay.cb_up.ct": ["'line.l9@1' does not exist", "did you mean 'line.l3@1'"],
    "relay.cb_up.51p": ["'cb_dwon' does not exist", "pickup_a = -600", "iec_xi"],
    "relay.rcl": ["group = 3"],
    "relay.rcl.ct": ["ct_primary_a = 0"],
    "relay.rcl.51s": ["direction = '67p'", "time_dial = 1000000"],
    "relay.rcl.27": ["needs a vt"],
    "relay.rcl.50q": ["unknown function 'overcurrent_99'"],
    "relay.rcl.79": ["open_interval_1_s"],
    "relay.rcl.groups.2.51s": ["reset"],
}
"""Place in the file -> what is said about it."""


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a station whose scheme was good when its points were made."""
    folder = tmp_path_factory.mktemp("station")
    path = write_station(folder, RECLOSER, more="[load]\nscale = -1\n")
    (folder / "scheme.toml").write_text(WRONG, encoding="utf-8")
    return path


@pytest.mark.parametrize("command", [["check"], ["run", "--duration", "1"]])
def test_every_mistake_of_a_scheme_is_in_one_report(
    station: Path, tmp_path: Path, command: list[str]
) -> None:
    done = gridhil(command[0], str(station), *command[1:], state=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stdout + done.stderr
    lines = done.stderr.splitlines()
    for place, words in EXPECTED.items():
        for word in words:
            told = [line for line in lines if "scheme.toml" in line and f"{place}: " in line and word in line]
            assert told, f"{place}: {word} is not in\n{done.stderr}"
    # mistakes of other files stand in the same report
    assert any("load.scale" in line for line in lines)


def test_a_mistake_that_would_hide_in_a_list_of_good_names_is_found_alone(tmp_path: Path) -> None:
    path = write_station(tmp_path / "station", RECLOSER)
    good = (tmp_path / "station" / "scheme.toml").read_text(encoding="utf-8")
    for old, new, word in [
        ('trips = ["rcl"]', 'trips = ["rcl", "tied"]', "'tied' does not exist"),
        ('terminal = "switch.rcl@1"', 'terminal = "switch.rcl@3"', "switch.rcl@3"),
    ]:
        bad = good.replace(old, new, 1)
        assert bad != good
        (tmp_path / "station" / "scheme.toml").write_text(bad, encoding="utf-8")
        done = gridhil("check", str(path), state=tmp_path)
        assert done.returncode == 2, word
        told = [line for line in done.stderr.splitlines() if "scheme.toml" in line]
        assert len(told) == 1, done.stderr
        assert word in told[0]
    (tmp_path / "station" / "scheme.toml").write_text(good, encoding="utf-8")
    assert gridhil("check", str(path), state=tmp_path).returncode == 0
