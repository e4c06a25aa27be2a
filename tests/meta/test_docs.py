"""Documentation that contains commands or tables is executed or compared."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WITH_A_STATION = {"docs/first-ten-minutes.md", "docs/connect.md"}
"""Pages whose commands need a running station: ``tests/e2e`` runs them."""
WITH_FILES = {"docs/importing.md"}
"""Pages whose commands follow each other in a folder of their own: ``test_importing`` runs them."""
WITH_COMMANDS = (
    "README.md",
    *(f"docs/{name}.md" for name in ("editors", "estimation", "realtime-host")),
    *(f"docs/{name}.md" for name in ("scenarios", "station-file", "troubleshooting", "validation")),
)
COMMAND_PAGES = (
    "README.md",
    "ARCHITECTURE.md",
    *sorted(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md")),
)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")


def console_commands() -> list[str]:
    texts = [(ROOT / name).read_text() for name in WITH_COMMANDS]
    blocks = [block for text in texts for block in re.findall(r"```console\n(.*?)```", text, re.S)]
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


@pytest.mark.parametrize("command", console_commands())
def test_commands_of_the_documents_run(command: str, tmp_path: Path) -> None:
    for name in ("config", "docs", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)  # what a command writes does not stay in the checkout
    program, *arguments = shlex.split(command)
    assert program == "gridhil"
    done = subprocess.run(
        [sys.executable, "-P", "-m", "hil", *arguments],
        cwd=tmp_path,
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
    names += [group.name for group in app.registered_groups if group.name]
    assert [name for name in names if f"`gridhil {name}" not in text] == []


def test_every_command_that_the_readme_names_is_one_of_the_program() -> None:
    from hil.cli import app

    rows = re.findall(r"^\| `gridhil ([a-z]+)", (ROOT / "README.md").read_text(), re.M)
    names = {c.name or c.callback.__name__ for c in app.registered_commands if c.callback}
    assert set(rows) <= names | {group.name for group in app.registered_groups}


def test_every_page_with_commands_to_copy_has_them_executed() -> None:
    pages = {
        str(p.relative_to(ROOT)) for p in (ROOT / "docs").glob("*.md") if "\n```console\n" in p.read_text()
    }
    assert pages <= {*WITH_COMMANDS, *WITH_A_STATION, *WITH_FILES}


def test_the_table_of_a_station_file_is_that_of_the_declarations() -> None:
    from hil.doc_station import station_file_md

    assert (ROOT / "docs" / "station-file.md").read_text() == station_file_md()


def test_the_table_of_templates_is_that_of_the_templates() -> None:
    from hil.doc_templates import point_templates_md

    assert (ROOT / "docs" / "point-templates.md").read_text() == point_templates_md()


def test_the_page_of_dispatch_has_every_price_and_limit_with_its_default() -> None:
    import dataclasses

    from forecasting.dispatch.settings import Settings

    rows = re.findall(
        r"^\| `([a-z_]+)` \| .* \| ([0-9.e]+) \| .* \|$", (ROOT / "docs" / "dispatch.md").read_text(), re.M
    )
    assert {name: float(default) for name, default in rows} == dataclasses.asdict(Settings())


@pytest.mark.parametrize("picture", sorted((ROOT / "docs" / "images").glob("*.svg")), ids=lambda p: p.name)
def test_a_picture_takes_nothing_from_elsewhere_and_is_on_a_page(picture: Path) -> None:
    assert re.findall(r"""(?:url\(|href=|src=)["']?https?:[^"')]*""", picture.read_text()) == []
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    assert any(f"images/{picture.name})" in page.read_text() for page in pages), "no page shows it"


@pytest.mark.parametrize("page", COMMAND_PAGES)
def test_commands_named_in_a_sentence_are_those_of_the_program(page: str) -> None:
    from typer.main import get_command

    from hil.cli import app

    text = re.sub(r"^```.*?^```", "", (ROOT / page).read_text(), flags=re.S | re.M)
    for words in re.findall(r"(?<!`)`gridhil ([a-z][^`]*)`(?!`)", text):
        command: object = get_command(app)
        name, *rest = words.split()
        command = command.commands[name]  # type: ignore[attr-defined]
        if rest and rest[0] in getattr(command, "commands", {}):
            command = command.commands[rest[0]]  # type: ignore[attr-defined]
        named = {w.strip("[]") for w in rest if w.strip("[]").startswith("--")}
        known = {o for p in command.params for o in (*p.opts, *p.secondary_opts)}  # type: ignore[attr-defined]
        assert {w.partition("=")[0] for w in named} <= known | {"--help"}, words


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 250


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda p: p.name)
def test_what_a_page_links_to_is_there_and_within_the_manual(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.S | re.M)
    for found in LINK.finditer(text):
        target = found[1] or found[2]
        path, _, anchor = target.partition("#")
        assert "://" not in target, f"{target}: the manual is read where there is no internet"
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        assert linked.is_relative_to(ROOT / "docs"), f"{target}: not in the built manual"
        if anchor:
            assert anchor in anchors(linked), target


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as the builder makes them."""
    heads = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", page.read_text(), flags=re.S | re.M), re.M)
    words = [re.sub(r"[^\w\s-]", "", head.lower()).strip() for head in heads]
    return {re.sub(r"[\s-]+", "-", word) for word in words}


def test_every_page_is_in_the_navigation_and_every_entry_is_a_page() -> None:
    listed = set(re.findall(r"^\s*- ([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.M))
    assert listed == {p.name for p in (ROOT / "docs").glob("*.md")}


def test_the_manual_is_built_without_a_word_from_outside(tmp_path: Path) -> None:
    mkdocs = ROOT / ".venv" / "docs" / "bin" / "mkdocs"
    if not mkdocs.exists():
        pytest.skip("'make docs' has not installed the builder of the manual")
    done = subprocess.run(
        [mkdocs, "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded = re.compile(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=[\"']?(?:https?:)?//", re.I)
    assert [str(p) for p in tmp_path.rglob("*.html") if loaded.search(p.read_text())] == []


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
