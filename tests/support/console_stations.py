"""Stations for tests of the console: with users of every role, without the minute that forecasts take."""

from __future__ import annotations

from pathlib import Path

from hil.users import write_users
from tests.support.station import ROOT
from tests.support.users import one_of_each


def prepare_users(state: Path, name: str) -> None:
    """Give a station, before its start, a user of every role, named after it."""
    folder = state / "gridhil" / name
    folder.mkdir(parents=True, mode=0o700)
    write_users(folder, one_of_each())


def der_without_forecasts(folder: Path) -> str:
    """Write the station with sun and storage without forecaster and dispatcher; returns its file."""
    text = (ROOT / "config" / "stations" / "iowa240-der.toml").read_text(encoding="utf-8")
    for table in ("[forecast]", "[dispatch]"):
        assert f"\n{table}\n" in text
        text = text.replace(f"\n{table}\n", f"\n{table}\nenabled = false\n")
    path = folder / "iowa240-der.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)
