"""Alarms say what is wrong, also where the point says what is well."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil import run_command
from hil.services.alarms import alarms_of
from hil.station import read_plan


@pytest.mark.parametrize("station", ["iowa240", "iowa240-der"])
def test_an_alarm_is_told_as_an_event_not_as_the_codes_of_a_point(station: str, tmp_path: Path) -> None:
    spec = run_command.make_spec(read_plan(station), tmp_path, 10_000_000, False, None)
    own = {p.tag: p.description for p in spec.points}
    found = alarms_of(spec.points)
    assert found
    for alarm in found:
        assert not alarm.text.startswith(("1 ", "0 ")), alarm
        assert alarm.text.strip()
        if not alarm.on:
            assert alarm.text != own[alarm.tag], alarm


def test_an_estimate_that_did_not_converge_is_not_told_as_one_that_did(tmp_path: Path) -> None:
    spec = run_command.make_spec(read_plan("iowa240"), tmp_path, 10_000_000, False, None)
    (alarm,) = [a for a in alarms_of(spec.points) if a.tag == "SE.EST.CONVERGED"]
    assert alarm.text == "the newest estimate did not converge"
