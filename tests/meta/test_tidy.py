"""House order: file sizes, no empty data, no loose ends, no traces of one machine."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINES_MAX = 600
CODE = {".py", ".toml", ".md", ".js", ".json", ".mk", ""}
SELF = Path(__file__).resolve()
# Written in pieces where a plain word would make this file its own finding.
LOOSE_ENDS = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX|HACK)\b")
MACHINE_PATHS = re.compile(r"(?<![\w.$/-])/(?:work|home|root|Users)/\w|\.\./shared")


def files() -> list[Path]:
    """Return what git tracks or would track; everything when this is not a checkout."""
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        found = [ROOT / line for line in done.stdout.splitlines()]
    else:
        found = [p for p in ROOT.rglob("*") if ".venv" not in p.parts and "node_modules" not in p.parts]
    return [p for p in found if p.is_file() and "__pycache__" not in p.parts]


def texts() -> list[tuple[Path, str]]:
    return [(p, p.read_text()) for p in files() if p.suffix in CODE and p.name != "package-lock.json"]


def named(paths: list[Path]) -> list[str]:
    return sorted(str(p.relative_to(ROOT)) for p in paths)


@pytest.mark.parametrize(
    "path", [p for p in files() if p.suffix == ".py"], ids=lambda p: str(p.relative_to(ROOT))
)
def test_source_file_is_at_most_600_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LINES_MAX


def test_no_data_file_is_empty() -> None:
    """Except what is named so: input that a test wants refused."""
    empty = [p for p in files() if p.stat().st_size == 0 and p.name not in {"__init__.py", ".gitkeep"}]
    assert named([p for p in empty if not (p.is_relative_to(ROOT / "tests") and p.stem == "empty")]) == []


def test_no_loose_ends() -> None:
    assert named([p for p, text in texts() if p != SELF and LOOSE_ENDS.search(text)]) == []


def test_no_path_of_one_machine() -> None:
    hits = [
        f"{p.relative_to(ROOT)}: {m[0]}"
        for p, text in texts()
        if p != SELF
        for m in MACHINE_PATHS.finditer(text)
    ]
    assert hits == []


def test_text_files_end_with_one_newline_and_have_no_windows_line_ends() -> None:
    wrong = [
        p
        for p, text in texts()
        if text and (not text.endswith("\n") or text.endswith("\n\n") or "\r" in text)
    ]
    assert named(wrong) == []


def test_every_folder_of_shipped_data_names_its_source() -> None:
    folders = {
        p.parent for p in files() if p.is_relative_to(ROOT / "config" / "networks") and p.suffix == ".csv"
    }
    folders |= {
        p.parent for p in files() if p.is_relative_to(ROOT / "config" / "profiles") and p.suffix != ".md"
    }
    missing = [
        folder
        for folder in folders
        if not any(
            (f / "SOURCE.md").is_file()
            for f in (folder, *folder.parents)
            if f.is_relative_to(ROOT / "config")
        )
    ]
    assert named(missing) == []
