"""Import contracts proved at run time, in fresh interpreters."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

HEAVY = {"numba", "pandas", "prophet", "scipy", "ai_edge_litert", "tflite_runtime", "matplotlib", "textual"}
OTHER_SIDES = {"asyncio", "pymodbus", "asyncua", "textual", "pandas", "prophet"}
LEAN_SUPERVISOR = HEAVY | {"numpy", "pymodbus", "asyncua", "rich", "typer", "pydantic", "rtcore", "protocols"}

CASES = [
    ("rtcore.engine", OTHER_SIDES),
    ("rtcore.loop", OTHER_SIDES),
    ("hil.supervisor", LEAN_SUPERVISOR),
    # A dead Modbus gateway is back within 1 s, of which importing numba would take half.
    ("hil.gw_modbus", HEAVY | {"asyncua"}),
    ("hil.gw_opcua", HEAVY | {"pymodbus"}),
    ("hil.doctor", HEAVY | {"pymodbus", "asyncua", "numpy"}),
    ("hil.kernel_cache", {"numba", "numpy"}),
    ("hil.ports", {"numpy", "numba"}),
    ("hil.cli", {"textual", "prophet", "ai_edge_litert", "tflite_runtime", "matplotlib", "asyncua"}),
    ("hil.cli_web", {"textual", "aiohttp", "jinja2"}),
    ("hil.station", {"textual", "prophet"}),
    ("protocols.gateway", {"asyncio", "pymodbus", "asyncua", "numba"}),
    ("protocols.modbus_map", {"asyncio", "pymodbus", "asyncua", "numba"}),
    ("protocols.opcua_space", {"asyncio", "pymodbus", "asyncua", "numba"}),
]


@pytest.mark.parametrize(("module", "forbidden"), CASES, ids=[name for name, _ in CASES])
def test_import_does_not_load(module: str, forbidden: set[str]) -> None:
    code = f"import sys, {module}; print(*sorted({forbidden!r} & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_supervisor_loads_the_standard_library_alone() -> None:
    code = "import sys, hil.supervisor; print(*{m.partition('.')[0] for m in sys.modules})"
    # -S: without site-packages there is nothing else it could load by accident of the environment.
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    strangers = set(done.stdout.split()) - sys.stdlib_module_names - {"hil", "__main__"}
    assert strangers == set()


def test_every_module_imports_on_its_own_without_side_effects() -> None:
    """One interpreter per package imports all of its modules; nothing may print, start or write."""
    for package in ("rtcore", "protocols", "estimation", "forecasting", "hil"):
        names = [
            ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            for path in sorted((ROOT / package).rglob("*.py"))
            if path.name != "__main__.py" and "_config" not in path.parts
        ]
        code = (
            f"import importlib, threading\nfor n in {names!r}: importlib.import_module(n)\n"
            "assert threading.active_count() == 1, threading.enumerate()"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=100
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout == ""
