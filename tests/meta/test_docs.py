"""Documentation that contains commands or tables is executed or compared."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WITH_COMMANDS = ("README.md", "docs/estimation.md")


def console_commands() -> list[str]:
    texts = [(ROOT / name).read_text() for name in WITH_COMMANDS]
    blocks = [block for text in texts for block in re.findall(r"```console\n(.*?)```", text, re.S)]
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


@pytest.mark.parametrize("command", console_commands())
def test_commands_of_the_documents_run(command: str) -> None:
    program, *arguments = shlex.split(command)
    assert program == "gridhil"
    done = subprocess.run(
        [sys.executable, "-P", "-m", "hil", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout


def test_component_tables_are_those_of_the_declarations() -> None:
    from hil.doc_tables import components_md

    assert (ROOT / "docs" / "components.md").read_text() == components_md()


def test_registers_and_reasons_of_refused_modbus_writes_are_those_of_the_server() -> None:
    from hil.doc_tables import modbus_refusals_md

    assert (ROOT / "docs" / "modbus.md").read_text().endswith("\n\n" + modbus_refusals_md())


def test_every_command_of_the_program_is_in_the_readme() -> None:
    from hil.cli import app

    text = (ROOT / "README.md").read_text()
    names = [c.name or c.callback.__name__ for c in app.registered_commands if c.callback]
    assert all(f"`gridhil {name}" in text for name in names), names


def test_tables_of_the_manual_of_devices_fit_the_shipped_station_and_have_every_key(tmp_path: Path) -> None:
    from hil import wiring_sections as ws
    from hil.settings_check import check_file

    text = (ROOT / "docs" / "devices.md").read_text(encoding="utf-8")
    device, *tables = re.findall(r"```toml\n(.*?)```", text, re.S)
    shipped = (ROOT / "config" / "stations" / "iowa240.toml").read_text(encoding="utf-8")
    over_opcua = re.sub(r"(?m)^# (url = )", r"\1", device)
    assert over_opcua != device
    for table, section in zip(tables, (device, over_opcua), strict=True):
        (tmp_path / "my_relay.toml").write_text(table, encoding="utf-8")
        (tmp_path / "my_station.toml").write_text(f"{shipped}\n{section}", encoding="utf-8")
        assert check_file(tmp_path / "my_relay.toml") == []
        assert check_file(tmp_path / "my_station.toml") == []
    sections = (
        *(ws.WiringFile, ws.WiringSection, ws.PlaceSection, ws.ToDeviceSection, ws.FromDeviceSection),
        *(ws.TokenSection, ws.HeartbeatSection, ws.FailsafeSection, ws.FailsafeWrite),
    )
    keys = {key for section in sections for key in section.model_fields}
    assert keys - {found for table in tables for found in keys_of(tomllib.loads(table))} == set()


def keys_of(doc: object) -> set[str]:
    """Return every key of a TOML document, however deep."""
    if isinstance(doc, dict):
        return set(doc) | {key for value in doc.values() for key in keys_of(value)}
    return {key for row in doc for key in keys_of(row)} if isinstance(doc, list) else set()
