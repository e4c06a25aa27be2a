"""The lock satisfies pyproject.toml; the Makefile and the wheel carry what they must."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tarfile
import time
import tomllib
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hil.bench.terminal import terminal

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = (ROOT / "requirements.lock").read_text()
PYTHONS = ("3.11", "3.12", "3.13")
LOCKED_EXTRAS = ("dev", "opendss")
DATA = {".css", ".html", ".js", ".tcss"}
"""What is package data beside code."""


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
    for target in ("run", "test", "check", "bench", "docs"):
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


def built(folder: Path, kind: str, checkout: Path = ROOT) -> Path:
    """Build the wheel or the source archive of a checkout; return the file."""
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    if "No module named hatchling" in done.stderr:
        pytest.skip("hatchling is not installed")
    assert done.returncode == 0, done.stderr
    (found,) = folder.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel as users get it."""
    return built(tmp_path_factory.mktemp("wheel"), "wheel")


def test_the_source_archive_has_what_the_manual_needs_and_makes_the_same_wheel(
    wheel: Path, tmp_path: Path
) -> None:
    with tarfile.open(built(tmp_path, "sdist")) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (source,) = (tmp_path / "unpacked").iterdir()
    kept = {str(p.relative_to(source)) for p in source.rglob("*") if p.is_file()}
    wanted = {"Makefile", "requirements.lock", ".ci/install.py", "examples/standin/__main__.py", "mkdocs.yml"}
    assert wanted <= kept
    assert not {name for name in kept if "node_modules" in name or "__pycache__" in name}
    again = built(tmp_path / "again", "wheel", source)
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(again) as other:
        assert {i.filename: i.CRC for i in one.infolist()} == {i.filename: i.CRC for i in other.infolist()}


def test_wheel_carries_packages_and_configuration(wheel: Path) -> None:
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
    beside_code = {str(p.relative_to(ROOT)) for p in (ROOT / "hil").rglob("*") if p.suffix in DATA}
    assert beside_code
    assert beside_code <= set(names)


class Installed:
    """The wheel in an environment of its own, outside the checkout; what it depends on is borrowed."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.folder = folder
        venv.create(folder / "venv", with_pip=False)
        self.bin = folder / "venv" / "bin"
        (site,) = (folder / "venv").glob("lib/python*/site-packages")
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"),
                *("--python", str(self.bin / "python"), "install", "--no-deps", "--no-index", str(wheel)),
            ],
            check=True,
            timeout=100,
        )
        # Behind the wheel's own packages; what .pth files stand in it, that of the checkout too, is not read.
        (site / "borrowed.pth").write_text(f"{Path(sysconfig.get_path('purelib'))}\n")
        self.empty = folder / "empty"
        self.empty.mkdir()
        self.environment = {
            **{k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")},
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CACHE_HOME": str(folder / "cache"),
        }

    def run(self, *arguments: str, program: str = "gridhil", **more: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment in an empty folder."""
        return subprocess.run(
            [str(self.bin / program), *arguments],
            cwd=self.empty,
            env=self.environment | more,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("installed"), wheel)


def test_the_installed_program_is_the_wheel_s_not_the_checkout_s(installed: Installed) -> None:
    code = "import hil, hil.paths as p; print(hil.__file__, p.config_dir())"
    done = installed.run("-P", "-c", code, program="python")
    assert done.returncode == 0, done.stderr
    for path in done.stdout.split():
        assert Path(path).is_relative_to(installed.folder), path


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--version",), "gridhil 0."),
        (("check", "iowa240"), "no problem found"),
        (("points", "--format", "csv"), "FDR_B.CB_201.ST_52A"),
        (("web", "--help"), "--token-file"),
        (("console", "--help"), "--user"),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, tuple) else "",
)
def test_the_installed_wheel_works_outside_the_checkout(
    installed: Installed, arguments: tuple[str, ...], said: str
) -> None:
    done = installed.run(*arguments, COLUMNS="200")
    assert done.returncode == 0, done.stderr
    assert said in done.stdout


@pytest.mark.slow
@pytest.mark.timeout(1000)
@pytest.mark.skipif(
    os.environ.get("GRIDHIL_REQUIRE_PEERS") != "1", reason="compiles all kernels: GRIDHIL_REQUIRE_PEERS=1"
)
def test_the_installed_wheel_runs_a_station_and_the_console(installed: Installed) -> None:
    program = str(installed.bin / "gridhil")
    log = installed.folder / "station.log"
    with log.open("w") as out:
        station = subprocess.Popen(
            [program, "run", "--modbus-port", "0", "--opcua-port", "0"],
            cwd=installed.empty, env=installed.environment, stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 900.0
        while "ready after" not in log.read_text():
            assert station.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.5)
        assert str(ROOT) not in log.read_text()
        environment = installed.environment | {"LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}
        (url,) = re.findall(r"opcua: ready after \S+ s (opc\.tcp://\S+)", log.read_text())
        with terminal([program, "console", url], environment, (120, 40)) as screen:
            assert screen.wait_for("LIVE  iowa240", 60.0) is not None
            screen.press(b"2")
            assert screen.wait_for(" One-line  ", 20.0) is not None
            screen.press(b"\x11")  # Ctrl+Q
            with contextlib.suppress(EOFError):
                screen.drain(20.0)
            assert screen.process.wait(20.0) == 0
    finally:
        station.send_signal(signal.SIGTERM)
        code = station.wait(60.0)
    assert code == 0, log.read_text()


def test_the_installed_wheel_completes_commands_in_the_shell(installed: Installed) -> None:
    """As bash asks, by the script that ``--show-completion`` prints."""
    asked = {"_GRIDHIL_COMPLETE": "complete_bash", "COMP_WORDS": "gridhil re", "COMP_CWORD": "1"}
    done = installed.run(**asked)
    assert {"replay", "relaytest"} <= set(done.stdout.split()), done.stdout + done.stderr


def test_the_unit_for_a_service_is_one_that_systemd_understands(tmp_path: Path) -> None:
    systemd = shutil.which("systemd-analyze")
    if systemd is None:
        pytest.skip("systemd-analyze is not installed")
    text = (ROOT / "packaging" / "gridhil@.service").read_text(encoding="utf-8")
    assert "/opt/gridhil/bin/gridhil" in text
    here = shutil.which("true") or ""
    (tmp_path / "gridhil@.service").write_text(text.replace("/opt/gridhil/bin/gridhil", here))
    done = subprocess.run(
        [systemd, "verify", "--man=no", f"{tmp_path}/gridhil@iowa240.service"],
        env=os.environ | {"SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        capture_output=True,
        text=True,
        check=False,
    )
    if "Failed to" in done.stderr and "unit" not in done.stderr:
        pytest.skip(f"systemd-analyze does not work here: {done.stderr.strip()}")
    assert "gridhil@" not in done.stderr, done.stderr


def test_the_container_file_has_what_the_build_needs_and_no_root() -> None:
    text = (ROOT / "Containerfile").read_text(encoding="utf-8")
    copied = {word for line in re.findall(r"^COPY (?!--)(.+)$", text, re.M) for word in line.split()[:-1]}
    packages = set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert packages | {"pyproject.toml", "README.md", "LICENSE", "config", "requirements.lock"} <= copied
    assert all((ROOT / name).exists() for name in copied)
    assert "alpine" not in text.split("FROM", 1)[1].lower()
    assert re.findall(r"^USER (.+)$", text, re.M) == ["gridhil"]
    ports = set(re.findall(r"^EXPOSE (.+)$", text, re.M)[0].split())
    assert {"5020", "4840"} <= ports


def test_python_floor_is_the_one_the_installer_checks() -> None:
    assert PROJECT["project"]["requires-python"] == ">=3.11,<3.14"
    assert "(3, 11) <= sys.version_info[:2]" in (ROOT / "Makefile").read_text()
