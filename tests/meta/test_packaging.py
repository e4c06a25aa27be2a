"""The lock satisfies pyproject.toml; the Makefile and the wheel carry what they must."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = (ROOT / "requirements.lock").read_text()
PYTHONS = ("3.11", "3.12", "3.13")
LOCKED_EXTRAS = ("dev", "opendss")


def entries() -> list[tuple[Requirement, list[str]]]:
    """Return every locked requirement with its hashes."""
    rows = []
    for block in re.split(r"\n(?=\S)", LOCK.strip()):
        head, *hashes = [part.strip() for part in block.replace("\\\n", "\n").split("\n")]
        rows.append((Requirement(head), hashes))
    return rows


def wanted() -> list[Requirement]:
    project = PROJECT["project"]
    texts = project["dependencies"] + PROJECT["build-system"]["requires"]
    for extra in LOCKED_EXTRAS:
        texts += project["optional-dependencies"][extra]
    return [Requirement(text) for text in texts]


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("requirement", wanted(), ids=str)
def test_lock_satisfies_every_dependency_on_every_python(requirement: Requirement, python: str) -> None:
    environment = {"python_version": python, "python_full_version": f"{python}.0"}
    if requirement.marker and not requirement.marker.evaluate(environment):
        return
    name = canonicalize_name(requirement.name)
    found = [
        locked
        for locked, _ in entries()
        if canonicalize_name(locked.name) == name
        and (not locked.marker or locked.marker.evaluate(environment))
    ]
    assert len(found) == 1, f"{name} is locked {len(found)} times for Python {python}; run 'make lock'"
    (specifier,) = found[0].specifier
    assert specifier.operator == "=="
    assert requirement.specifier.contains(specifier.version), f"locked {specifier}; run 'make lock'"


def test_every_locked_package_has_hashes_and_no_address() -> None:
    rows = entries()
    assert len(rows) > 50
    for requirement, hashes in rows:
        assert hashes, requirement
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", text) for text in hashes), requirement
    assert "://" not in LOCK
    assert not re.search(r"^\s*--(?!hash)", LOCK, re.MULTILINE)


def test_environment_is_what_the_lock_says() -> None:
    """What the tests run with is what users get; other environments are told apart here."""
    stamp = ROOT / ".venv" / ".gridhil-installed"
    if not stamp.exists() or Path(sys.prefix) != ROOT / ".venv":
        pytest.skip("this environment was not made by 'make install'")
    for requirement, _ in entries():
        if requirement.marker is None or requirement.marker.evaluate():
            version = metadata.version(requirement.name)
            assert requirement.specifier.contains(version), f"{requirement} but {version} is installed"


def test_makefile_has_the_promised_targets() -> None:
    make = shutil.which("make")
    assert make, "make is one of the two things a machine must have"
    shown = subprocess.run([make, "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("run", "test", "check", "bench"):
        assert re.search(rf"make {target}\b", shown), shown


def test_make_passes_arguments_on() -> None:
    make = shutil.which("make")
    assert make
    dry = subprocess.run(
        [make, "--dry-run", "run", "ARGS=--duration 30"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "gridhil run --duration 30" in dry.stdout


def test_makefile_without_a_usable_python_says_so() -> None:
    make = shutil.which("make")
    assert make
    done = subprocess.run([make, "install", "PYTHON="], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "needs Python 3.11" in done.stderr


def test_wheel_carries_packages_and_configuration(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if "No module named hatchling" in done.stderr:
        pytest.skip("hatchling is not installed")
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"rtcore", "protocols", "estimation", "forecasting", "hil"}
    tracked = subprocess.run(
        ["git", "ls-files", "config"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    missing = {f"hil/_config/{name.removeprefix('config/')}" for name in tracked} - set(names)
    assert not missing
    assert any(name.endswith("entry_points.txt") for name in names)


def test_python_floor_is_the_one_the_installer_checks() -> None:
    assert PROJECT["project"]["requires-python"] == ">=3.11"
    assert "(3, 11) <= sys.version_info[:2]" in (ROOT / "Makefile").read_text()
