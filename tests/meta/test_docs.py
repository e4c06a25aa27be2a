"""Documentation that contains commands or tables is executed or compared."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def console_commands() -> list[str]:
    text = (ROOT / "README.md").read_text()
    blocks = re.findall(r"```console\n(.*?)```", text, re.S)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


@pytest.mark.parametrize("command", console_commands())
def test_commands_of_the_readme_run(command: str) -> None:
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
