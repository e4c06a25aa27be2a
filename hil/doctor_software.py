"""Checks of the software side: architecture, packages, TensorFlow Lite, ports."""

from __future__ import annotations

import importlib.util
import json
import platform
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from hil import ports
from hil.doctor_check import Check, check

ROOT = Path(__file__).resolve().parents[1]
OUR_PACKAGES = ("rtcore", "protocols", "estimation", "forecasting", "hil")
DEFAULT_PORTS = (("Modbus TCP", 5020), ("OPC UA", 4840))
X86_64 = ("x86_64", "AMD64")


def architecture_check(machine: str) -> Check:
    """Readers of boards rely on x86-64 keeping stores in order; elsewhere they could see torn steps."""
    return check(
        "software",
        "architecture",
        machine in X86_64,
        machine,
        "snapshots are read without fences, which only x86-64's store order allows; use an x86-64 host",
        "fail",
    )


def python_check() -> Check:
    """Report the interpreter; older ones cannot import this module at all."""
    return Check("software", "Python", "ok", f"{platform.python_version()} ({sys.executable})")


def shadowing_checks(root: Path = ROOT) -> Iterator[Check]:
    """Our top-level names must come from this installation and belong to no other distribution."""
    owners = metadata.packages_distributions()
    wrong = []
    for name in OUR_PACKAGES:
        spec = importlib.util.find_spec(name)
        found = Path(spec.origin).resolve() if spec and spec.origin else None
        if found is None or root not in found.parents:
            wrong.append(f"{name} comes from {found}")
        others = set(owners.get(name, ())) - {"gridhil"}
        if others:
            wrong.append(f"{name} is also installed by {', '.join(sorted(others))}")
    yield check(
        "software",
        "package names",
        not wrong,
        "; ".join(wrong) or "ours alone",
        "use an environment of its own and the installed command 'gridhil'",
        "fail",
    )


def start_tflite_probe() -> subprocess.Popen[str]:
    """Start the child that loads and runs a model; see `tflite_check`."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "hil.doctor_tflite"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def tflite_check(probe: subprocess.Popen[str], timeout_s: float = 20.0) -> Check:
    """Report whether TensorFlow Lite ran a model; only forecasts need it."""
    try:
        out, err = probe.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        probe.kill()
        probe.communicate()
        out, err = "", f"no answer within {timeout_s:g} s"
    try:
        row = json.loads(out)
    except json.JSONDecodeError:
        lines = [line for line in err.strip().splitlines() if line]
        row = {"error": lines[-1] if lines else f"ended with exit code {probe.returncode}"}
    if "error" in row:
        return Check(
            "software",
            "TensorFlow Lite",
            "warn",
            row["error"],
            "forecasts cannot run; pip install ai-edge-litert",
        )
    return Check("software", "TensorFlow Lite", "ok", f"{row['package']} {row['version']} ran a model")


def port_checks(
    wanted: tuple[tuple[str, int], ...] = DEFAULT_PORTS, host: str = "127.0.0.1"
) -> Iterator[Check]:
    """Report whether the default ports are free, and who holds them."""
    for what, port in wanted:
        error = ports.bind_error(host, port)
        if error is None:
            yield Check("ports", f"{what} {port}", "ok", "free")
            continue
        holder = ports.holder(port, host)
        value = f"held by {holder}" if holder else error.strerror or str(error)
        yield Check(
            "ports", f"{what} {port}", "warn", value, "stop it, or choose another port in the station file"
        )
